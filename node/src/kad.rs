//! Kademlia as a server: answers requests, keeps records and names of providers.
//!
//! Owns the translation of settings. It looks nothing up by itself unless it
//! is told to walk.

use std::num::NonZeroUsize;

use libp2p::kad::store::MemoryStore;
use libp2p::kad::{self, BucketInserts, Mode};
use libp2p::{PeerId, StreamProtocol};

use crate::config::Kad;

/// The behaviour.
pub type Server = kad::Behaviour<MemoryStore>;

/// A server of the node `us`, with an empty table.
///
/// # Errors
/// What [`check`] refuses.
pub fn build(config: &Kad, us: PeerId) -> Result<Server, (&'static str, String)> {
    let mut settings = kad::Config::new(protocol(config)?);
    let (k, alpha) = (count(config.k)?, count(config.alpha)?);
    settings
        .set_kbucket_size(k)
        .set_replication_factor(k)
        .set_parallelism(alpha)
        .set_query_timeout(config.query_timeout.get())
        .set_record_ttl(Some(config.record_ttl.get()))
        .set_provider_record_ttl(Some(config.provider_ttl.get()))
        .set_max_packet_size(config.max_packet_bytes as usize)
        .set_kbucket_inserts(if config.walk {
            BucketInserts::OnConnected
        } else {
            BucketInserts::Manual
        })
        .set_periodic_bootstrap_interval(config.walk.then(|| config.bootstrap_interval.get()));
    let mut server = Server::with_config(us, MemoryStore::new(us), settings);
    server.set_mode(Some(Mode::Server));
    Ok(server)
}

/// Refuses settings that make no sense, each by itself.
///
/// # Errors
/// The setting, and what is expected of it.
pub fn check(config: &Kad) -> Result<(), (&'static str, String)> {
    protocol(config)?;
    for (path, number) in [("kad.k", config.k), ("kad.alpha", config.alpha)] {
        count(number).map_err(|(_, reason)| (path, reason))?;
    }
    if config.max_packet_bytes < 1024 {
        return Err(("kad.max_packet_bytes", "must be at least 1024".to_owned()));
    }
    for (path, span) in [
        ("kad.bootstrap_interval", config.bootstrap_interval),
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
    Ok(())
}

/// More than these in a bucket, or at once, help nobody and cost memory.
const COUNT_MAX: u32 = 1_000;

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
    use super::*;

    #[test]
    fn the_defaults_make_a_server() {
        let server = build(&Kad::default(), PeerId::random()).expect("they are sound");
        assert_eq!(server.mode(), Mode::Server);
        assert_eq!(server.protocol_names().len(), 1);
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
    }
}
