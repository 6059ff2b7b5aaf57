//! The sections on how a node finds others: on the local network, at rendezvous points,
//! by its friends.
//!
//! Owns names and defaults.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time_span::TimeSpan;
use crate::discovery::local::Settings;
use crate::discovery::rendezvous::TTL_MAX;

/// Whose implementation of local discovery a node takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MdnsImplementation {
    /// libp2p's. It remembers whatever is announced, without a bound.
    Stock,
    /// The node's own, with the same packets and times, and bounds.
    #[default]
    Own,
}

/// `[mdns]`: finding nodes on the local network by multicast DNS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mdns {
    /// Whether to ask and to answer there.
    pub enabled: bool,
    /// The implementation: `own`, the node's, or `stock`, libp2p's. libp2p's opens
    /// sockets of the operating system by itself; where something else supplies the
    /// network, it is `own` whatever stands here.
    pub implementation: MdnsImplementation,
    /// How long an answer holds, in whole seconds.
    pub ttl: TimeSpan,
    /// The pause between two questions once another node is there.
    pub query_interval: TimeSpan,
}

impl Default for Mdns {
    /// The times are those of libp2p-mdns 0.49.
    fn default() -> Self {
        Self {
            enabled: false,
            implementation: MdnsImplementation::default(),
            ttl: TimeSpan::from_secs(6 * 60),
            query_interval: TimeSpan::from_secs(5 * 60),
        }
    }
}

impl Mdns {
    /// Refuses times that make no sense, each by itself.
    ///
    /// # Errors
    /// The field and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        for (path, span) in [
            ("mdns.ttl", self.ttl),
            ("mdns.query_interval", self.query_interval),
        ] {
            if span.as_millis_u64() < 1_000 {
                return Err((path, "must be at least 1s".to_owned()));
            }
        }
        Ok(())
    }

    /// The same for the node's own implementation.
    pub fn settings(&self) -> Settings {
        Settings {
            ttl: self.ttl.get(),
            query_interval: self.query_interval.get(),
        }
    }
}

/// `[rendezvous]`: being found, and finding others, at nodes that both know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rendezvous {
    /// Whether to register, and to ask for others, at those nodes of `bootstrap.peers`
    /// that serve. What is registered are confirmed addresses and `listen.announce`.
    pub client: bool,
    /// Whether to register others.
    pub server: bool,
    /// How long a registration is to hold, in whole seconds, at most three days; it is renewed
    /// at half of that.
    pub ttl: TimeSpan,
    /// The shortest registration that the server takes.
    pub min_ttl: TimeSpan,
    /// The longest registration that the server takes, at most three days.
    pub max_ttl: TimeSpan,
    /// Registrations that the server holds; of strangers at one machine or home a quarter.
    pub max_registrations: u32,
    /// Registrations that the server holds of one peer.
    pub max_per_peer: u32,
    /// Requests of one peer in a minute; who sends more is disconnected. Strangers at one machine
    /// or home are answered eight times as many.
    pub max_per_minute: u32,
}

impl Default for Rendezvous {
    /// The times are those of the specification.
    fn default() -> Self {
        Self {
            client: false,
            server: false,
            ttl: TimeSpan::from_secs(2 * 3_600),
            min_ttl: TimeSpan::from_secs(2 * 3_600),
            max_ttl: TimeSpan::from_secs(72 * 3_600),
            max_registrations: 1_000,
            max_per_peer: 32,
            max_per_minute: 60,
        }
    }
}

impl Rendezvous {
    /// Refuses what makes no sense, each field by itself.
    ///
    /// # Errors
    /// The field and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        for (path, span) in [
            ("rendezvous.ttl", self.ttl),
            ("rendezvous.min_ttl", self.min_ttl),
            ("rendezvous.max_ttl", self.max_ttl),
        ] {
            if span.as_millis_u64() < 1_000 {
                return Err((path, "must be at least 1s".to_owned()));
            }
            // Clients leave out what stands for longer.
            if span.get() > TTL_MAX {
                return Err((path, "must be at most 3d".to_owned()));
            }
        }
        for (path, count) in [
            ("rendezvous.max_registrations", self.max_registrations),
            ("rendezvous.max_per_peer", self.max_per_peer),
            ("rendezvous.max_per_minute", self.max_per_minute),
        ] {
            if count == 0 {
                return Err((path, "must be at least 1".to_owned()));
            }
        }
        Ok(())
    }

    /// Refuses settings that contradict one another.
    ///
    /// # Errors
    /// One of them, and what is expected of it.
    pub fn check_together(&self) -> Result<(), (&'static str, String)> {
        if self.min_ttl.get() > self.max_ttl.get() {
            let reason = "must be at most `rendezvous.max_ttl`".to_owned();
            return Err(("rendezvous.min_ttl", reason));
        }
        Ok(())
    }
}

/// `[friends_lookup]`: asking friends, and their friends, where an identity is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FriendsLookup {
    /// Whether to ask, and to answer friends who ask.
    pub enabled: bool,
    /// How far a question goes: 1 asks friends, 2 has them ask theirs. A friend of the
    /// sought answers with what they know; only the sought know where they are now.
    pub hops: u32,
    /// How many friends a node passes a question on to.
    pub fanout: u32,
    /// How many questions may follow from one, over all nodes.
    pub budget: u32,
    /// How long each hop may take.
    pub hop_timeout: TimeSpan,
    /// Questions under way at once; more are refused.
    pub max_open: u32,
    /// Questions that one friend may ask in a minute; more are refused.
    pub max_per_minute: u32,
}

impl Default for FriendsLookup {
    fn default() -> Self {
        Self {
            enabled: false,
            hops: 2,
            fanout: 8,
            budget: 64,
            hop_timeout: TimeSpan::from_secs(3),
            max_open: 256,
            max_per_minute: 120,
        }
    }
}

/// Questions that go further reach everybody.
const HOPS_MAX: u32 = 6;
/// More questions than these would be a flood.
const BUDGET_MAX: u32 = 10_000;

impl FriendsLookup {
    /// Refuses what makes no sense, each field by itself.
    ///
    /// # Errors
    /// The field and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        for (path, number, max) in [
            ("friends_lookup.hops", self.hops, HOPS_MAX),
            ("friends_lookup.fanout", self.fanout, BUDGET_MAX),
            ("friends_lookup.budget", self.budget, BUDGET_MAX),
            ("friends_lookup.max_open", self.max_open, BUDGET_MAX),
            (
                "friends_lookup.max_per_minute",
                self.max_per_minute,
                u32::MAX,
            ),
        ] {
            if !(1..=max).contains(&number) {
                return Err((path, format!("must be from 1 to {max}")));
            }
        }
        if self.hop_timeout.as_millis_u64() == 0 {
            let reason = "must be at least 1ms".to_owned();
            return Err(("friends_lookup.hop_timeout", reason));
        }
        Ok(())
    }

    /// How long a question of ours may take.
    pub fn patience(&self) -> Duration {
        self.hop_timeout.get() * self.hops
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let check = |text: &str, expected: &str| {
            let error = Config::from_toml(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("mdns.ttl = \"0s\"", "`mdns.ttl`: must be at least 1s");
        check("rendezvous.ttl = \"1ms\"", "`rendezvous.ttl`: must be");
        check(
            "rendezvous.ttl = \"73h\"",
            "`rendezvous.ttl`: must be at most 3d",
        );
        check("rendezvous.max_ttl = \"73h\"", "`rendezvous.max_ttl`: must");
        check("rendezvous.max_per_peer = 0", "`rendezvous.max_per_peer`");
        check(
            "rendezvous.max_ttl = \"1h\"",
            "`rendezvous.min_ttl`: must be at most",
        );
        check(
            "friends_lookup.hops = 0",
            "`friends_lookup.hops`: must be from 1 to 6",
        );
        check("friends_lookup.hops = 7", "`friends_lookup.hops`");
        check(
            "friends_lookup.hop_timeout = \"0s\"",
            "`friends_lookup.hop_timeout`",
        );
    }
}
