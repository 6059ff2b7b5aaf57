//! Which services of others a node remembers who offers.
//!
//! Owns how many of them there may be, and until when: beyond it others' are refused, and the
//! node's own services have places besides. libp2p's store holds the records.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::kad::store::{self, MemoryStore, RecordStore};
use libp2p::kad::{ProviderRecord, RecordKey};

use crate::card::fitting;
use crate::scope::Scope;

use super::KEY_BYTES;

/// Services of others for which one node remembers providers.
pub const OTHERS_MAX: usize = 1_024;
/// Services that the node offers itself.
pub const OWN_MAX: usize = 64;

/// Who of others offers what.
pub struct Providers {
    /// How long that holds.
    ttl: Duration,
    /// By service, until when; as many as the store has of others.
    others: BTreeMap<Vec<u8>, BTreeMap<PeerId, Instant>>,
}

impl Providers {
    /// Nobody offers anything; what is said holds for `ttl`.
    pub fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            others: BTreeMap::new(),
        }
    }

    /// Puts `record` of another into the store.
    ///
    /// # Errors
    /// The reason in kebab-case; the store is unchanged then, but for expired records.
    pub fn keep(
        &mut self,
        store: &mut MemoryStore,
        record: ProviderRecord,
    ) -> Result<(), &'static str> {
        self.keep_at(store, record, Instant::now())
    }

    fn keep_at(
        &mut self,
        store: &mut MemoryStore,
        mut record: ProviderRecord,
        now: Instant,
    ) -> Result<(), &'static str> {
        if record.key.as_ref().len() != KEY_BYTES {
            return Err("malformed");
        }
        let (service, provider) = (record.key.to_vec(), record.provider);
        if self.others.len() >= OTHERS_MAX && !self.others.contains_key(&service) {
            self.forget_expired(store, now);
        }
        if self.others.len() >= OTHERS_MAX && !self.others.contains_key(&service) {
            return Err("full");
        }
        record.addresses = fitting(&record.addresses);
        store.add_provider(record).map_err(|error| match error {
            store::Error::MaxProvidedKeys => "full",
            store::Error::MaxRecords | store::Error::ValueTooLarge => "oversized",
        })?;
        // Of many providers of one service the store keeps the nearest, and drops others in silence.
        let kept = |key| store.providers(&RecordKey::new(key));
        let kept: Vec<_> = kept(&service).iter().map(|kept| kept.provider).collect();
        let providers = self.others.entry(service).or_default();
        providers.insert(provider, now + self.ttl);
        providers.retain(|provider, _| kept.contains(provider));
        Ok(())
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
        self.others.retain(|service, providers| {
            providers.retain(|provider, until| {
                if *until <= now {
                    store.remove_provider(&RecordKey::new(service), provider);
                }
                *until > now
            });
            !providers.is_empty()
        });
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

    #[test]
    fn what_others_offer_leaves_room_for_what_the_node_offers_itself() {
        let us = PeerId::random();
        let mut store = MemoryStore::with_config(us, store_bounds(10, 20));
        let (mut providers, start) = (Providers::new(TTL), Instant::now());
        for number in 0..OTHERS_MAX {
            let kept = providers.keep_at(&mut store, offer(&number.to_string()), start);
            assert_eq!(kept, Ok(()), "{number}");
        }
        let more = providers.keep_at(&mut store, offer("more"), start);
        assert_eq!(more, Err("full"));
        for number in 0..OWN_MAX {
            let key = service_key(&format!("own {number}"));
            let own = ProviderRecord::new(key, us, Vec::new());
            assert!(store.add_provider(own).is_ok(), "{number}");
        }
        // Known services have new providers, and those that ended make room.
        assert_eq!(providers.keep_at(&mut store, offer("7"), start), Ok(()));
        let later = start + TTL;
        assert_eq!(providers.keep_at(&mut store, offer("more"), later), Ok(()));
        assert!(store.providers(&service_key("8")).is_empty());
    }

    #[test]
    fn providers_are_kept_with_few_addresses_under_keys_of_services() {
        let mut store = MemoryStore::with_config(PeerId::random(), store_bounds(10, 20));
        let mut providers = Providers::new(TTL);
        let address: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().expect("an address");
        let record =
            |key: RecordKey| ProviderRecord::new(key, PeerId::random(), vec![address.clone(); 500]);
        let key = service_key("echo");
        assert_eq!(providers.keep(&mut store, record(key.clone())), Ok(()));
        let kept = store.providers(&key);
        assert_eq!(kept[0].addresses.len(), crate::card::CARD_ADDRESSES_MAX);
        let long = RecordKey::new(&[0; 4_000]);
        assert_eq!(providers.keep(&mut store, record(long)), Err("malformed"));
    }
}
