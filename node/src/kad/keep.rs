//! Which records of others a node keeps.
//!
//! Owns the rules; libp2p's store holds the records. Whatever peers send, the store
//! has at most so many records, each of bounded size and signed by whom it speaks
//! of. When it is full the farthest from this node goes, since lookups expect near
//! records here: a flood displaces little but what others keep nearer, too.

use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::kad::store::{MemoryStore, RecordStore};
use libp2p::kad::{KBucketDistance, KBucketKey, Record, RecordKey};

use crate::config::Kad;
use crate::identity::IdentityId;

use super::address_record::{AddressRecord, RecordError};

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

/// Puts a record that `us`, an identity and its peer, was sent into its store, if it is
/// valid at the wall clock's `now_ms` and no newer one is there.
///
/// # Errors
/// [`RecordError`]; the store is unchanged then, but for expired records that made room.
pub fn keep(
    store: &mut MemoryStore,
    us: (IdentityId, PeerId),
    mut record: Record,
    now_ms: u64,
    bounds: Bounds,
) -> Result<Kept, RecordError> {
    let key = record.key.clone();
    let life_max_ms = bounds.life_max_ms;
    let address = AddressRecord::check(key.as_ref(), &record.value, now_ms, life_max_ms)?;
    let held = store.get(&key).map(|held| held.into_owned().value);
    let kept = match held {
        None => Kept::New,
        Some(value) if value == record.value => return Ok(Kept::Same),
        Some(value) => {
            let known = AddressRecord::decode(&value).map_or(0, |held| held.version);
            if address.version <= known {
                let found = address.version;
                return Err(RecordError::Old { known, found });
            }
            Kept::Newer
        }
    };
    if kept == Kept::New {
        make_room(store, us, &key, bounds.records)?;
    }
    let life = Duration::from_millis(address.expires_ms.saturating_sub(now_ms).max(1));
    let end = Instant::now() + life;
    record.expires = Some(record.expires.map_or(end, |expires| expires.min(end)));
    // Whoever handed it on may have claimed anything; this is what was signed.
    record.publisher = Some(address.peer);
    store.put(record).map_err(|_| RecordError::Full)?;
    Ok(kept)
}

/// Sees that there is room for a record under `key`, by the end of expired ones or of the
/// farthest. The own record does not count.
fn make_room(
    store: &mut MemoryStore,
    (identity, peer): (IdentityId, PeerId),
    key: &RecordKey,
    room: usize,
) -> Result<(), RecordError> {
    let own = super::address_key(&identity);
    let others = |store: &MemoryStore| store.records().filter(|held| held.key != own).count();
    if *key == own || others(store) < room {
        return Ok(());
    }
    let now = Instant::now();
    store.retain(|_, held| !held.is_expired(now));
    if others(store) < room {
        return Ok(());
    }
    let here = KBucketKey::from(peer);
    let distance =
        |key: &RecordKey| -> KBucketDistance { here.distance(&KBucketKey::new(key.clone())) };
    let farthest = store
        .records()
        .filter(|held| held.key != own)
        .map(|held| (distance(&held.key), held.key.clone()))
        .max_by(|a, b| a.0.cmp(&b.0));
    match farthest {
        Some((far, farthest)) if distance(key) < far => {
            store.remove(&farthest);
            Ok(())
        }
        _ => Err(RecordError::Full),
    }
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
        us: (IdentityId, PeerId),
    }

    impl Shelter {
        fn new() -> Self {
            let keys = Keys::generate(Some([0; 32]));
            Self {
                store: MemoryStore::new(keys.peer()),
                us: (keys.identity(), keys.peer()),
            }
        }

        fn keep(&mut self, seed: u8, version: u64) -> Result<Kept, &'static str> {
            let keys = Keys::generate(Some([seed; 32]));
            let address = AddressRecord::issue(&keys, version, NOW_MS + 60_000, &[]);
            let value = address.expect("signs").encode();
            let record = Record::new(address_key(&keys.identity()), value);
            keep(&mut self.store, self.us, record, NOW_MS, BOUNDS).map_err(|error| error.name())
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
    fn what_is_kept_ends_with_the_record_at_the_latest() {
        let mut shelter = Shelter::new();
        shelter.keep(1, 5).expect("taken");
        let record = shelter.store.records().next().expect("it is there");
        let end = record.expires.expect("it ends");
        assert!(end <= Instant::now() + Duration::from_millis(BOUNDS.life_max_ms));
    }
}
