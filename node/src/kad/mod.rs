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

use std::num::NonZeroUsize;

use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::kad::{self, BucketInserts, Mode, RecordKey, StoreInserts};
use libp2p::{PeerId, StreamProtocol};

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
/// What [`check`] refuses.
pub fn build(config: &Kad, us: PeerId, outlet: Outlet) -> Result<Bounded, (&'static str, String)> {
    let mut settings = kad::Config::new(protocol(config)?);
    let (k, alpha) = (count(config.k)?, count(config.alpha)?);
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

/// Refuses settings that make no sense, each by itself.
///
/// # Errors
/// The setting, and what is expected of it.
pub fn check(config: &Kad) -> Result<(), (&'static str, String)> {
    protocol(config)?;
    for (path, number) in [
        ("kad.k", config.k),
        ("kad.alpha", config.alpha),
        ("kad.read_quorum", config.read_quorum),
    ] {
        count(number).map_err(|(_, reason)| (path, reason))?;
    }
    if !(1..=RECORDS_MAX).contains(&config.max_records) {
        let reason = format!("must be from 1 to {RECORDS_MAX}");
        return Err(("kad.max_records", reason));
    }
    if config.max_packet_bytes < 1024 {
        return Err(("kad.max_packet_bytes", "must be at least 1024".to_owned()));
    }
    for (path, span) in [
        ("kad.bootstrap_interval", config.bootstrap_interval),
        ("kad.publish_interval", config.publish_interval),
        ("kad.record_ttl", config.record_ttl),
        ("kad.provider_ttl", config.provider_ttl),
        ("kad.query_timeout", config.query_timeout),
    ] {
        if span.as_millis_u64() == 0 {
            return Err((path, "must be at least 1ms".to_owned()));
        }
    }
    Ok(())
}

/// Refuses settings that contradict one another.
///
/// # Errors
/// One of them, and what is expected of it.
pub fn check_together(config: &Kad) -> Result<(), (&'static str, String)> {
    if config.alpha > config.k {
        let reason = format!("must be at most k, which is {}", config.k);
        return Err(("kad.alpha", reason));
    }
    if config.publish && config.publish_interval.get() >= config.record_ttl.get() {
        let reason = format!(
            "must be shorter than a record's life, which is {}",
            config.record_ttl
        );
        return Err(("kad.publish_interval", reason));
    }
    if config.publish && !config.walk {
        let reason = "needs kad.walk = true: without it no peer is known to publish to";
        return Err(("kad.publish", reason.to_owned()));
    }
    Ok(())
}

/// More than these in a bucket, or at once, help nobody and cost memory.
const COUNT_MAX: u32 = 1_000;

/// Records are held in memory, and each has up to [`RECORD_BYTES_MAX`].
const RECORDS_MAX: u32 = 1_000_000;

fn count(number: u32) -> Result<NonZeroUsize, (&'static str, String)> {
    NonZeroUsize::new(number as usize)
        .filter(|_| number <= COUNT_MAX)
        .ok_or_else(|| ("kad.k", format!("must be from 1 to {COUNT_MAX}")))
}

fn protocol(config: &Kad) -> Result<StreamProtocol, (&'static str, String)> {
    StreamProtocol::try_from_owned(config.protocol.clone())
        .map_err(|_| ("kad.protocol", "must begin with a /".to_owned()))
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

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let refused = |change: fn(&mut Kad)| {
            let mut config = Kad::default();
            change(&mut config);
            let refusal = check(&config).and_then(|()| check_together(&config));
            refusal.expect_err("it makes no sense").0
        };
        assert_eq!(refused(|c| c.protocol = "kad".to_owned()), "kad.protocol");
        assert_eq!(refused(|c| c.k = 0), "kad.k");
        assert_eq!(refused(|c| c.k = 2), "kad.alpha");
        assert_eq!(refused(|c| c.max_packet_bytes = 1), "kad.max_packet_bytes");
        assert_eq!(refused(|c| c.read_quorum = 0), "kad.read_quorum");
        assert_eq!(refused(|c| c.max_records = 0), "kad.max_records");
        assert_eq!(refused(|c| c.publish = true), "kad.publish");
        let too_seldom = |c: &mut Kad| {
            (c.publish, c.walk) = (true, true);
            c.publish_interval = c.record_ttl;
        };
        assert_eq!(refused(too_seldom), "kad.publish_interval");
    }
}
