//! Which records of others a node keeps.
//!
//! Owns the rules, and how far each record is from here; libp2p's store holds the records. Whatever peers
//! send, the store has at most so many records, each of bounded size and signed by whom it speaks
//! of. When it is full the farthest from this node goes, since lookups expect near
//! records here: a flood displaces little but what others keep nearer, too, and what is farther than all
//! is refused before any signature is looked at. No record is kept that names an address which somebody
//! who is connected must not know.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::kad::store::{MemoryStore, RecordStore};
use libp2p::kad::{KBucketDistance, KBucketKey, Record, RecordKey};

use crate::config::Kad;
use crate::identity::IdentityId;
use crate::scope::Scope;

use super::address_record::{AddressRecord, RecordError};

/// Expired records are looked for when room is wanted, and no more often than this: it takes a walk over
/// all of them.
const PURGE_EVERY: Duration = Duration::from_secs(10);

/// What became of a record that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is the first of its identity.
    New,
    /// It has replaced one of a lower version.
    Newer,
    /// It was here already.
    Same,
}

/// The bounds of a store.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Records of others.
    pub records: usize,
    /// Longest life, in milliseconds.
    pub life_max_ms: u64,
}

impl From<&Kad> for Bounds {
    fn from(config: &Kad) -> Self {
        Self {
            records: config.max_records as usize,
            life_max_ms: config.record_ttl.as_millis_u64(),
        }
    }
}

/// A record of another that is kept.
#[derive(Debug)]
struct Held {
    key: RecordKey,
    /// How far the nearest of its addresses reaches.
    nearest: Scope,
}

/// Records of others, by their distance from here; those that libp2p has let go of since the last purge
/// included.
#[derive(Debug, Default)]
pub struct Records {
    by_distance: BTreeMap<KBucketDistance, Held>,
    purged: Option<Instant>,
}

impl Records {
    /// Puts a record that `us`, an identity and its peer, was sent into its store, if it is
    /// valid at the wall clock's `now_ms`, no newer one is there, and peers as far away as `farthest` may
    /// know where it leads.
    ///
    /// # Errors
    /// [`RecordError`]; the store is unchanged then, but for expired records that made room.
    pub fn keep(
        &mut self,
        store: &mut MemoryStore,
        us: (IdentityId, PeerId),
        mut record: Record,
        farthest: Scope,
        now_ms: u64,
        bounds: Bounds,
    ) -> Result<Kept, RecordError> {
        let key = record.key.clone();
        let is_own = key == super::address_key(&us.0);
        let distance = KBucketKey::from(us.1).distance(&KBucketKey::new(key.clone()));
        let held = store.get(&key).map(|held| held.into_owned().value);
        if held.as_ref() == Some(&record.value) {
            // It was checked when it came.
            return Ok(Kept::Same);
        }
        let is_new = held.is_none() && !is_own;
        let gives_way = if is_new {
            self.room(store, distance, bounds.records)?
        } else {
            None
        };
        let life_max_ms = bounds.life_max_ms;
        let address = AddressRecord::check(key.as_ref(), &record.value, now_ms, life_max_ms)?;
        let nearest = nearest(&address);
        if nearest < farthest {
            return Err(RecordError::Private);
        }
        if let Some(value) = &held {
            let known = AddressRecord::decode(value).map_or(0, |held| held.version);
            if address.version <= known {
                let found = address.version;
                return Err(RecordError::Old { known, found });
            }
        }
        if let Some(farthest) = gives_way
            && let Some(gone) = self.by_distance.remove(&farthest)
        {
            store.remove(&gone.key);
        }
        let life = Duration::from_millis(address.expires_ms.saturating_sub(now_ms).max(1));
        let end = Instant::now() + life;
        record.expires = Some(record.expires.map_or(end, |expires| expires.min(end)));
        // Whoever handed it on may have claimed anything; this is what was signed.
        record.publisher = Some(address.peer);
        store.put(record).map_err(|_| RecordError::Full)?;
        if !is_own {
            self.by_distance.insert(distance, Held { key, nearest });
        }
        Ok(if held.is_none() {
            Kept::New
        } else {
            Kept::Newer
        })
    }

    /// Lets go of records that name an address which peers as far away as `farthest` must not know.
    pub fn confine(&mut self, store: &mut MemoryStore, farthest: Scope) {
        self.by_distance.retain(|_, held| {
            let stays = held.nearest >= farthest;
            if !stays {
                store.remove(&held.key);
            }
            stays
        });
    }

    /// Sees that there is room for a record so far away: which one has to give way to it, if any.
    fn room(
        &mut self,
        store: &mut MemoryStore,
        distance: KBucketDistance,
        most: usize,
    ) -> Result<Option<KBucketDistance>, RecordError> {
        if self.by_distance.len() >= most {
            self.purge(store);
        }
        if self.by_distance.len() < most {
            return Ok(None);
        }
        match self.by_distance.last_key_value() {
            Some((farthest, _)) if distance < *farthest => Ok(Some(*farthest)),
            _ => Err(RecordError::Full),
        }
    }

    /// Lets go of what has expired, if that was not done a moment ago.
    fn purge(&mut self, store: &mut MemoryStore) {
        let now = Instant::now();
        let lately = |purged: Instant| now.saturating_duration_since(purged) < PURGE_EVERY;
        if self.purged.is_some_and(lately) {
            return;
        }
        self.purged = Some(now);
        store.retain(|_, held| !held.is_expired(now));
        self.by_distance
            .retain(|_, held| store.get(&held.key).is_some());
    }
}

/// How far the nearest address of a record reaches.
fn nearest(record: &AddressRecord) -> Scope {
    let scopes = record.addresses.iter().map(Scope::of);
    scopes.min().unwrap_or(Scope::World)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kad::address_key;
    use crate::keys::Keys;

    const NOW_MS: u64 = 1_700_000_000_000;
    const BOUNDS: Bounds = Bounds {
        records: 3,
        life_max_ms: 60_000,
    };

    struct Shelter {
        store: MemoryStore,
        records: Records,
        us: (IdentityId, PeerId),
    }

    impl Shelter {
        fn new() -> Self {
            let keys = Keys::generate(Some([0; 32]));
            Self {
                store: MemoryStore::new(keys.peer()),
                records: Records::default(),
                us: (keys.identity(), keys.peer()),
            }
        }

        fn keep(&mut self, seed: u8, version: u64) -> Result<Kept, &'static str> {
            self.keep_at(seed, version, &[], Scope::World)
        }

        fn keep_at(
            &mut self,
            seed: u8,
            version: u64,
            at: &[&str],
            farthest: Scope,
        ) -> Result<Kept, &'static str> {
            let keys = Keys::generate(Some([seed; 32]));
            let addresses: Vec<_> = at
                .iter()
                .map(|at| at.parse().expect("an address"))
                .collect();
            let address = AddressRecord::issue(&keys, version, NOW_MS + 60_000, &addresses);
            let value = address.expect("signs").encode();
            let record = Record::new(address_key(&keys.identity()), value);
            self.records
                .keep(&mut self.store, self.us, record, farthest, NOW_MS, BOUNDS)
                .map_err(|error| error.name())
        }
    }

    #[test]
    fn versions_only_grow() {
        let mut shelter = Shelter::new();
        assert_eq!(shelter.keep(1, 5), Ok(Kept::New));
        assert_eq!(shelter.keep(1, 5), Ok(Kept::Same));
        assert_eq!(shelter.keep(1, 4), Err("old-version"));
        assert_eq!(shelter.keep(1, 6), Ok(Kept::Newer));
        assert_eq!(shelter.keep(1, 5), Err("old-version"));
    }

    #[test]
    fn a_flood_leaves_the_nearest_records_and_no_more_than_allowed() {
        let mut shelter = Shelter::new();
        let mut refused = 0;
        for seed in 1..=100 {
            refused += usize::from(shelter.keep(seed, 1) == Err("full"));
        }
        let here = KBucketKey::from(shelter.us.1);
        let distance = |key: &RecordKey| here.distance(&KBucketKey::new(key.clone()));
        let mut kept: Vec<_> = shelter.store.records().map(|r| distance(&r.key)).collect();
        let key = |seed: u8| address_key(&Keys::generate(Some([seed; 32])).identity());
        let mut all: Vec<_> = (1..=100).map(|seed| distance(&key(seed))).collect();
        kept.sort();
        all.sort();
        assert_eq!(kept, all[..BOUNDS.records]);
        assert!(refused > 50, "{refused}");
        // The own record has a place of its own.
        assert_eq!(shelter.keep(0, 1), Ok(Kept::New));
        assert_eq!(shelter.store.records().count(), BOUNDS.records + 1);
    }

    #[test]
    fn a_record_with_a_private_address_leaves_with_the_first_peer_from_afar() {
        let mut shelter = Shelter::new();
        let [home, world] = ["/ip4/192.168.1.2/tcp/1", "/ip4/192.0.2.1/tcp/1"];
        let at_home = shelter.keep_at(1, 1, &[world, home], Scope::Lan);
        assert_eq!(at_home, Ok(Kept::New));
        assert_eq!(shelter.keep_at(2, 1, &[world], Scope::Lan), Ok(Kept::New));
        shelter.records.confine(&mut shelter.store, Scope::Lan);
        assert_eq!(shelter.store.records().count(), 2);
        shelter.records.confine(&mut shelter.store, Scope::World);
        let key = address_key(&Keys::generate(Some([2; 32])).identity());
        let left: Vec<_> = shelter
            .store
            .records()
            .map(|held| held.key.clone())
            .collect();
        assert_eq!(left, [key]);
        let from_afar = shelter.keep_at(1, 2, &[world, home], Scope::World);
        assert_eq!(from_afar, Err("private-address"));
    }

    #[test]
    fn what_libp2p_has_let_go_of_makes_room() {
        let mut shelter = Shelter::new();
        for seed in 1..=3 {
            assert_eq!(shelter.keep(seed, 1), Ok(Kept::New));
        }
        shelter.store.retain(|_, _| false);
        assert_eq!(shelter.records.by_distance.len(), 3);
        assert_eq!(shelter.keep(4, 1), Ok(Kept::New));
        assert_eq!(shelter.records.by_distance.len(), 1);
    }

    #[test]
    fn what_is_kept_ends_with_the_record_at_the_latest() {
        let mut shelter = Shelter::new();
        shelter.keep(1, 5).expect("taken");
        let record = shelter.store.records().next().expect("it is there");
        let end = record.expires.expect("it ends");
        assert!(end <= Instant::now() + Duration::from_millis(BOUNDS.life_max_ms));
    }
}
