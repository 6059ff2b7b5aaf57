//! Which services of others a node remembers who offers.
//!
//! Owns how many of them there may be, until when, and which give way: a service is on the account of
//! the site whose provider was the first to offer it, and of a full table the site that has most gives
//! up one to a newcomer. The node's own services have places besides. libp2p's store holds the records.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::kad::store::{self, MemoryStore, RecordStore};
use libp2p::kad::{KBucketDistance, KBucketKey, ProviderRecord, RecordKey};

use crate::card::fitting;
use crate::entry::Site;
use crate::scope::Scope;

use super::KEY_BYTES;

/// Services of others for which one node remembers providers.
pub const OTHERS_MAX: usize = 1_024;
/// Services that the node offers itself.
pub const OWN_MAX: usize = 64;

/// Who of others offers what.
pub struct Providers {
    us: KBucketKey<PeerId>,
    /// How long that holds.
    ttl: Duration,
    /// By key; as many as the store has of others.
    others: BTreeMap<Vec<u8>, Offered>,
    /// How many of them are on a site's account.
    accounts: BTreeMap<Site, usize>,
}

/// A service that others offer.
struct Offered {
    /// On whose account it is.
    site: Site,
    distance: KBucketDistance,
    /// Until when, and where that provider is.
    providers: BTreeMap<PeerId, (Instant, Site)>,
}

impl Offered {
    /// Whether a provider at another site offers it, too.
    fn is_shared(&self) -> bool {
        self.providers.values().any(|(_, site)| *site != self.site)
    }
}

/// What became of a record that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// There was room.
    Beside,
    /// A service of the site that had most gave way.
    InPlaceOfAnother,
}

impl Providers {
    /// Nothing is offered yet; `us` is the node's own peer, and what is said holds for `ttl`.
    pub fn new(us: PeerId, ttl: Duration) -> Self {
        Self {
            us: us.into(),
            ttl,
            others: BTreeMap::new(),
            accounts: BTreeMap::new(),
        }
    }

    /// Puts `record` of another, who is at `site`, into the store.
    ///
    /// # Errors
    /// The reason in kebab-case; the store is unchanged then, but for expired records.
    pub fn keep(
        &mut self,
        store: &mut MemoryStore,
        record: ProviderRecord,
        site: Site,
    ) -> Result<Noted, &'static str> {
        self.keep_at(store, record, site, Instant::now())
    }

    fn keep_at(
        &mut self,
        store: &mut MemoryStore,
        mut record: ProviderRecord,
        site: Site,
        now: Instant,
    ) -> Result<Noted, &'static str> {
        if record.key.as_ref().len() != KEY_BYTES {
            return Err("malformed");
        }
        let (key, provider) = (record.key.to_vec(), record.provider);
        let distance = self.us.distance(&KBucketKey::new(record.key.clone()));
        let noted = if self.others.contains_key(&key) {
            Noted::Beside
        } else {
            self.make_room(store, &site, distance, now)?
        };
        record.addresses = fitting(&record.addresses);
        store.add_provider(record).map_err(|error| match error {
            store::Error::MaxProvidedKeys => "full",
            store::Error::MaxRecords | store::Error::ValueTooLarge => "oversized",
        })?;
        // Of many providers of one service the store keeps the nearest, and drops others in silence.
        let kept = store.providers(&RecordKey::new(&key));
        let kept: Vec<_> = kept.iter().map(|kept| kept.provider).collect();
        let offered = self.others.entry(key).or_insert_with(|| {
            *self.accounts.entry(site.clone()).or_default() += 1;
            Offered {
                site: site.clone(),
                distance,
                providers: BTreeMap::new(),
            }
        });
        offered.providers.insert(provider, (now + self.ttl, site));
        offered.providers.retain(|peer, _| kept.contains(peer));
        Ok(noted)
    }

    /// Sees that there is room for one more service, so far away, on the account of `site`: by the end
    /// of expired ones, or by the farthest of the site that has most, one that no other site offers if
    /// there is such a one.
    fn make_room(
        &mut self,
        store: &mut MemoryStore,
        site: &Site,
        distance: KBucketDistance,
        now: Instant,
    ) -> Result<Noted, &'static str> {
        if self.others.len() >= OTHERS_MAX {
            self.forget_expired(store, now);
        }
        if self.others.len() < OTHERS_MAX {
            return Ok(Noted::Beside);
        }
        let own = self.accounts.get(site).copied().unwrap_or(0);
        let most = self.accounts.iter().max_by_key(|(_, services)| **services);
        let (most, is_larger) = match most {
            Some((most, services)) if *services > own => (most.clone(), true),
            _ => (site.clone(), false),
        };
        let of_most = self.others.iter().filter(|(_, held)| held.site == most);
        let gone = of_most
            .max_by_key(|(_, held)| (!held.is_shared(), held.distance))
            .filter(|(_, held)| is_larger || distance < held.distance)
            .map(|(key, _)| key.clone());
        let Some(gone) = gone else {
            return Err("full");
        };
        self.forget(store, &gone);
        Ok(Noted::InPlaceOfAnother)
    }

    /// Takes addresses out of the `store` that peers as far away as `farthest` must not know.
    pub fn confine(&self, store: &mut MemoryStore, farthest: Scope) {
        for service in self.others.keys() {
            for mut record in store.providers(&RecordKey::new(service)) {
                let before = record.addresses.len();
                record
                    .addresses
                    .retain(|address| farthest.may_know(address));
                if record.addresses.len() < before {
                    // It takes the place of the one before.
                    let kept = store.add_provider(record);
                    debug_assert!(kept.is_ok(), "it has been kept before");
                }
            }
        }
    }

    fn forget_expired(&mut self, store: &mut MemoryStore, now: Instant) {
        let mut ended = Vec::new();
        for (key, offered) in &mut self.others {
            offered.providers.retain(|provider, (until, _)| {
                if *until <= now {
                    store.remove_provider(&RecordKey::new(key), provider);
                }
                *until > now
            });
            if offered.providers.is_empty() {
                ended.push(key.clone());
            }
        }
        for key in ended {
            self.forget(store, &key);
        }
    }

    /// Forgets a service with all who offer it.
    fn forget(&mut self, store: &mut MemoryStore, key: &[u8]) {
        let Some(offered) = self.others.remove(key) else {
            return;
        };
        for provider in offered.providers.keys() {
            store.remove_provider(&RecordKey::new(&key), provider);
        }
        if let Some(services) = self.accounts.get_mut(&offered.site) {
            *services -= 1;
            if *services == 0 {
                self.accounts.remove(&offered.site);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use libp2p::Multiaddr;

    use super::*;
    use crate::kad::{service_key, store_bounds};

    const TTL: Duration = Duration::from_hours(48);

    fn offer(service: &str) -> ProviderRecord {
        ProviderRecord::new(service_key(service), PeerId::random(), Vec::new())
    }

    fn scene() -> (PeerId, MemoryStore, Providers) {
        let us = PeerId::random();
        let store = MemoryStore::with_config(us, store_bounds(10, 20));
        (us, store, Providers::new(us, TTL))
    }

    #[test]
    fn what_others_offer_leaves_room_for_what_the_node_offers_itself() {
        let (us, mut store, mut providers) = scene();
        let start = Instant::now();
        let site = |number: usize| Site::V4(number as u32);
        for number in 0..OTHERS_MAX {
            let record = offer(&number.to_string());
            let kept = providers.keep_at(&mut store, record, site(number), start);
            assert_eq!(kept, Ok(Noted::Beside), "{number}");
        }
        for number in 0..OWN_MAX {
            let key = service_key(&format!("own {number}"));
            let own = ProviderRecord::new(key, us, Vec::new());
            assert!(store.add_provider(own).is_ok(), "{number}");
        }
        // Known services have new providers, and those that ended make room.
        let again = providers.keep_at(&mut store, offer("7"), site(0), start);
        assert_eq!(again, Ok(Noted::Beside));
        let later = start + TTL;
        let more = providers.keep_at(&mut store, offer("more"), site(0), later);
        assert_eq!(more, Ok(Noted::Beside));
        assert!(store.providers(&service_key("8")).is_empty());
        assert_eq!((providers.others.len(), providers.accounts.len()), (1, 1));
        assert_eq!(store.provided().count(), OWN_MAX);
    }

    #[test]
    fn no_stranger_takes_the_places_for_services_of_all_others() {
        let (_, mut store, mut providers) = scene();
        let start = Instant::now();
        let (crowd, elsewhere) = (Site::V4(1), Site::V4(2));
        let mut keep = |service: &str, site: &Site| {
            let kept = providers.keep_at(&mut store, offer(service), site.clone(), start);
            (kept, providers.others.len())
        };
        // Any number of peers at one site, the first services of which another offers, too.
        let mut refused = 0;
        for number in 0..OTHERS_MAX {
            let (kept, _) = keep(&format!("crowd {number}"), &crowd);
            assert_eq!(kept, Ok(Noted::Beside));
        }
        for number in 0..10 {
            let (kept, _) = keep(&format!("crowd {number}"), &elsewhere);
            assert_eq!(kept, Ok(Noted::Beside));
        }
        for number in 0..500 {
            let (kept, services) = keep(&format!("other {number}"), &elsewhere);
            assert_eq!((kept, services), (Ok(Noted::InPlaceOfAnother), OTHERS_MAX));
        }
        for number in 0..1_000 {
            let (kept, services) = keep(&format!("crowd again {number}"), &crowd);
            refused += usize::from(kept == Err("full"));
            assert_eq!(services, OTHERS_MAX);
        }
        assert!(refused > 500, "{refused}");
        // It has displaced its own alone, and none that is offered elsewhere, too.
        for number in 0..500 {
            let key = service_key(&format!("other {number}"));
            assert_eq!(store.providers(&key).len(), 1, "{number}");
        }
        for number in 0..10 {
            let key = service_key(&format!("crowd {number}"));
            assert_eq!(store.providers(&key).len(), 2, "{number}");
        }
    }

    #[test]
    fn providers_are_kept_with_few_addresses_under_keys_of_services() {
        let (_, mut store, mut providers) = scene();
        let address: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().expect("an address");
        let record =
            |key: RecordKey| ProviderRecord::new(key, PeerId::random(), vec![address.clone(); 500]);
        let key = service_key("echo");
        let mut keep = |key| providers.keep(&mut store, record(key), Site::V4(1));
        assert_eq!(keep(key.clone()), Ok(Noted::Beside));
        assert_eq!(keep(RecordKey::new(&[0; 4_000])), Err("malformed"));
        let kept = store.providers(&key);
        assert_eq!(kept[0].addresses.len(), crate::card::CARD_ADDRESSES_MAX);
    }
}
