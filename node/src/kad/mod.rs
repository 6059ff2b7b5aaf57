//! Kademlia: a table of peers, and records of where people are reached.
//!
//! Owns the translation of settings, the names of records, and the rules by which
//! records of others are kept. It starts no lookup: a service does.

mod address_record;
mod bounded;
mod keep;
mod own_addresses;
mod providers;
mod requests;

use libp2p::PeerId;
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::kad::{self, BucketInserts, Mode, RecordKey, StoreInserts};

use crate::config::{Kad, KadMode};
use crate::identity::IdentityId;
use crate::outlet::Outlet;

use providers::Providers;

pub use address_record::{AddressRecord, RECORD_BYTES_MAX, RecordError};
pub use bounded::Bounded;
pub use keep::{Bounds, Kept};
pub use providers::Noted;

/// The behaviour.
pub type Kademlia = kad::Behaviour<MemoryStore>;

/// Bytes of a key: both kinds are hashes.
const KEY_BYTES: usize = 32;

/// The key under which the addresses of `identity` are recorded.
pub fn address_key(identity: &IdentityId) -> RecordKey {
    key("orrery/address-key/1", &identity.0)
}

/// The key under which the providers of `service` are named.
pub fn service_key(service: &str) -> RecordKey {
    key("orrery/service-key/1", service.as_bytes())
}

/// A hash, so that keys are spread evenly and nobody chooses where a record lies.
fn key(context: &str, name: &[u8]) -> RecordKey {
    RecordKey::new(&blake3::derive_key(context, name))
}

/// The behaviour of the node `us`, with an empty table; bounds that are reached are told to `outlet`.
///
/// # Errors
/// What [`Kad::check`] refuses.
pub fn build(config: &Kad, us: PeerId, outlet: Outlet) -> Result<Bounded, (&'static str, String)> {
    let mut settings = kad::Config::new(config.protocol_name()?);
    let (k, alpha) = (Kad::count(config.k)?, Kad::count(config.alpha)?);
    settings
        .set_kbucket_size(k)
        .set_replication_factor(k)
        .set_parallelism(alpha)
        .disjoint_query_paths(config.disjoint_paths)
        .set_query_timeout(config.query_timeout.get())
        .set_record_ttl(Some(config.record_ttl.get()))
        .set_provider_record_ttl(Some(config.provider_ttl.get()))
        .set_max_packet_size(config.max_packet_bytes as usize)
        // Nothing is stored or cached that has not been checked.
        .set_record_filtering(StoreInserts::FilterBoth)
        .set_caching(kad::Caching::Disabled)
        // Own records are not repeated but renewed, with a new version.
        .set_publication_interval(None)
        .set_kbucket_inserts(if config.walk {
            BucketInserts::OnConnected
        } else {
            BucketInserts::Manual
        })
        .set_periodic_bootstrap_interval(config.walk.then(|| config.bootstrap_interval.get()));
    let bounds = store_bounds(config.max_records as usize, k.get());
    let mut kademlia = Kademlia::with_config(us, MemoryStore::with_config(us, bounds), settings);
    kademlia.set_mode(match config.mode {
        KadMode::Server => Some(Mode::Server),
        KadMode::Client => Some(Mode::Client),
        KadMode::Auto => None,
    });
    let providers = Providers::new(us, config.provider_ttl.get());
    let connections = config.max_connections as usize;
    Ok(Bounded::new(kademlia, connections, providers, outlet))
}

/// What libp2p's store holds at most: so many records of others, and so many providers of a service.
/// What is the node's own has places besides.
fn store_bounds(records: usize, providers_per_key: usize) -> MemoryStoreConfig {
    MemoryStoreConfig {
        max_records: records + 1,
        max_value_bytes: RECORD_BYTES_MAX + 1,
        max_provided_keys: providers::OTHERS_MAX + providers::OWN_MAX,
        max_providers_per_key: providers_per_key,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::Event;
    use crate::environment::Observer;

    struct Deaf;

    impl Observer for Deaf {
        fn event(&self, _: &Event) {}
    }

    /// What tells nobody of its bounds.
    pub fn built(config: &Kad, us: PeerId) -> Bounded {
        let outlet = Outlet::new(us, Arc::new(Deaf));
        build(config, us, outlet).expect("the settings are sound")
    }

    #[test]
    fn the_defaults_make_a_server_and_other_modes_a_client() {
        let check = |mode, expected| {
            let config = Kad {
                mode,
                ..Kad::default()
            };
            let mut bounded = built(&config, PeerId::random());
            assert_eq!(bounded.table().mode(), expected);
            assert_eq!(bounded.table().protocol_names().len(), 1);
        };
        check(KadMode::Server, Mode::Server);
        check(KadMode::Client, Mode::Client);
        // Nothing has confirmed an address yet.
        check(KadMode::Auto, Mode::Client);
    }
}
