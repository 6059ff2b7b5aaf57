//! A node's configuration: sections of plain values, read from TOML.
//!
//! Every choice that an experiment may vary is a value here. This module
//! refuses what it does not know by its dotted path, and never guesses.

mod autonat;
mod chat;
mod discovery;
mod groups;
mod kad;
mod lookup_order;
mod overrides;
mod push;
mod quic;
mod reach;
mod relay;
mod sections;
mod time_span;
mod upnp;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

pub use autonat::Autonat;
pub use chat::Chat;
pub use discovery::{FriendsLookup, Mdns, MdnsImplementation, Rendezvous};
pub use groups::{Gossip, GossipVersion};
pub use kad::{Kad, KadMode};
pub use lookup_order::{HolePunch, Reach};
pub use push::Push;
pub use quic::{Quic, QuicTransport};
pub use reach::Bootstrap;
pub use relay::{Listed, Relay, RelayAccess, RelayChoice, RelayClient, RelayWhen};
pub use sections::{Auth, Connections, Dial, Feed, Identify, Listen, Ping, Serve, Sync};
pub use time_span::{TimeSpan, TimeSpanError};
pub use upnp::Upnp;

/// Configuration of one node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the node is reachable.
    pub listen: Listen,
    /// How many connections there may be.
    pub connections: Connections,
    /// Connections over QUIC.
    pub quic: Quic,
    /// Nodes that are known from the start.
    pub bootstrap: Bootstrap,
    /// Relaying for others.
    pub relay: Relay,
    /// Reaching and being reached through relays.
    pub relay_client: RelayClient,
    /// Making direct connections of relayed ones.
    pub hole_punch: HolePunch,
    /// How an identity is looked for and reached.
    pub reach: Reach,
    /// Finding out whether others can reach this node.
    pub autonat: Autonat,
    /// Having the router of the local network map ports.
    pub upnp: Upnp,
    /// Finding nodes on the local network.
    pub mdns: Mdns,
    /// Being found, and finding others, at nodes that both know.
    pub rendezvous: Rendezvous,
    /// Asking friends where an identity is.
    pub friends_lookup: FriendsLookup,
    /// How friends who cannot be reached are tried again.
    pub dial: Dial,
    /// How soon a dead connection is noticed.
    pub ping: Ping,
    /// What peers are told of this node.
    pub identify: Identify,
    /// Whether feeds are exchanged at all.
    pub feed: Feed,
    /// The proof of identity at the start of a connection.
    pub auth: Auth,
    /// Pulling the feeds of those one follows.
    pub sync: Sync,
    /// Telling friends at once that there is something new.
    pub push: Push,
    /// Conversations with friends.
    pub chat: Chat,
    /// Answering the pulls of others.
    pub serve: Serve,
    /// Groups without storage.
    pub gossip: Gossip,
    /// A node of a Kademlia table, and looking up in it.
    pub kad: Kad,
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML at all; the message carries line and column.
    #[error("not valid TOML: {0}")]
    Syntax(String),
    /// No such section or field.
    #[error("unknown setting `{path}`{}", did_you_mean(.nearest.as_ref()))]
    Unknown {
        /// Dotted path as written.
        path: String,
        /// Closest name that exists, dotted.
        nearest: Option<String>,
    },
    /// The value has the wrong type or form.
    #[error("`{path}`: {reason}")]
    Invalid {
        /// Dotted path.
        path: String,
        /// What was expected.
        reason: String,
    },
    /// Values that are sound by themselves contradict each other.
    #[error("`{path}`: {reason}")]
    Contradiction {
        /// Dotted path of one of them.
        path: String,
        /// What was expected.
        reason: String,
    },
}

fn did_you_mean(nearest: Option<&String>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

impl Config {
    /// Reads TOML text.
    ///
    /// # Errors
    /// [`ConfigError`] naming the place.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| ConfigError::Syntax(error.to_string()))?;
        Self::from_table(table)
    }

    /// Reads a table whose keys are sections (`[sync]`), dotted paths
    /// (`"sync.strategy"`), or both; what is absent has its default.
    ///
    /// # Errors
    /// [`ConfigError::Unknown`] and [`ConfigError::Invalid`] with the dotted path.
    ///
    /// # Panics
    /// Never: the defaults are plain values, which TOML can hold.
    pub fn from_table(table: Table) -> Result<Self, ConfigError> {
        let mut config =
            Table::try_from(Self::default()).expect("the default configuration is a TOML table");
        for (key, value) in table {
            match value {
                Value::Table(section) if !key.contains('.') => {
                    known_section(&config, &key)?;
                    for (field, value) in section {
                        set(&mut config, &format!("{key}.{field}"), value)?;
                    }
                }
                value => set(&mut config, &key, value)?,
            }
        }
        let config: Self =
            config
                .try_into()
                .map_err(|error: toml::de::Error| ConfigError::Invalid {
                    path: "the configuration".to_owned(),
                    reason: error.message().to_owned(),
                })?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what types cannot say.
    fn validate(&self) -> Result<(), ConfigError> {
        let positive_spans = [
            (
                "connections.upgrade_timeout",
                self.connections.upgrade_timeout,
            ),
            (
                "connections.first_byte_timeout",
                self.connections.first_byte_timeout,
            ),
            (
                "connections.stranger_timeout",
                self.connections.stranger_timeout,
            ),
            ("quic.handshake_timeout", self.quic.handshake_timeout),
            ("quic.idle_timeout", self.quic.idle_timeout),
            ("reach.method_timeout", self.reach.method_timeout),
            ("reach.timeout", self.reach.timeout),
            ("dial.backoff_first", self.dial.backoff_first),
            ("dial.backoff_max", self.dial.backoff_max),
            ("ping.interval", self.ping.interval),
            ("ping.timeout", self.ping.timeout),
            ("autonat.probe_interval", self.autonat.probe_interval),
            ("identify.interval", self.identify.interval),
            ("auth.timeout", self.auth.timeout),
            ("sync.pull_interval", self.sync.pull_interval),
            ("sync.timeout", self.sync.timeout),
            ("serve.request_timeout", self.serve.request_timeout),
            ("serve.page_timeout", self.serve.page_timeout),
        ];
        for (path, span) in positive_spans {
            if span.as_millis_u64() == 0 {
                return Err(invalid(path, "must be at least 1ms"));
            }
        }
        let positive_counts = [
            ("connections.max_per_peer", self.connections.max_per_peer),
            ("reach.max_lookups", self.reach.max_lookups),
            ("quic.max_streams", self.quic.max_streams),
            ("sync.limit", self.sync.limit),
            ("sync.max_pulls", self.sync.max_pulls),
        ];
        for (path, count) in positive_counts {
            if count == 0 {
                return Err(invalid(path, "must be at least 1"));
            }
        }
        if self.serve.peer_bytes_per_second == 0 {
            return Err(invalid("serve.peer_bytes_per_second", "must be at least 1"));
        }
        for checked in [
            self.gossip.check(),
            self.kad.check(),
            self.bootstrap.check(),
            self.reach.check(),
            self.relay.check(),
            self.relay_client.check(),
            self.mdns.check(),
            self.rendezvous.check(),
            self.friends_lookup.check(),
            self.push.check(),
        ] {
            checked.map_err(|(path, reason)| invalid(path, &reason))?;
        }
        if self.identify.agent.len() > AGENT_BYTES_MAX {
            return Err(invalid("identify.agent", "must have at most 256 bytes"));
        }
        for checked in [
            self.gossip.check_together(),
            self.rendezvous.check_together(),
            self.hole_punch.check_together(&self.relay_client),
            self.kad.check_together(),
        ] {
            checked.map_err(|(path, reason)| ConfigError::Contradiction {
                path: path.to_owned(),
                reason,
            })?;
        }
        Ok(())
    }
}

/// The identify protocol carries the agent's name in one small message.
const AGENT_BYTES_MAX: usize = 256;

fn invalid(path: &str, reason: &str) -> ConfigError {
    ConfigError::Invalid {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn known_section(config: &Table, section: &str) -> Result<(), ConfigError> {
    if config.contains_key(section) {
        return Ok(());
    }
    Err(ConfigError::Unknown {
        path: section.to_owned(),
        nearest: nearest(section, config.keys().cloned()),
    })
}

/// Puts `value` at the dotted `path`, and checks it there, so that the error
/// names this path and no other.
fn set(config: &mut Table, path: &str, value: Value) -> Result<(), ConfigError> {
    let unknown = |config: &Table| ConfigError::Unknown {
        path: path.to_owned(),
        nearest: nearest(path, paths(config)),
    };
    let Some((section, field)) = path.split_once('.') else {
        return Err(if config.contains_key(path) {
            invalid(path, "is a section; write its fields below `[name]`")
        } else {
            unknown(config)
        });
    };
    let Some(Value::Table(fields)) = config.get(section) else {
        return Err(unknown(config));
    };
    if !fields.contains_key(field) {
        return Err(unknown(config));
    }
    let mut probe = Table::new();
    probe.insert(
        section.to_owned(),
        Value::Table(Table::from_iter([(field.to_owned(), value.clone())])),
    );
    Config::deserialize(probe).map_err(|error| invalid(path, error.message()))?;
    if let Some(Value::Table(fields)) = config.get_mut(section) {
        fields.insert(field.to_owned(), value);
    }
    Ok(())
}

/// Every dotted path of a table of sections.
fn paths(config: &Table) -> Vec<String> {
    config
        .iter()
        .filter_map(|(section, value)| Some((section, value.as_table()?)))
        .flat_map(|(section, fields)| fields.keys().map(move |field| format!("{section}.{field}")))
        .collect()
}

/// Settings that had another name, which files from before may still have.
const RENAMED: &[(&str, &str)] = &[
    ("reach.ladder", "reach.lookup_order"),
    ("reach.rung_timeout", "reach.method_timeout"),
    ("sync.engine", "sync.strategy"),
];

/// What `name` is called now, or else the candidate most like it, if one is alike at all.
fn nearest(name: &str, candidates: impl IntoIterator<Item = String>) -> Option<String> {
    const ALIKE: f64 = 0.6;
    if let Some((_, renamed)) = RENAMED.iter().find(|(before, _)| *before == name) {
        return Some((*renamed).to_owned());
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, &candidate), candidate))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync_strategy::SyncStrategy;

    fn check(text: &str, expected: Result<fn(&Config) -> bool, &str>) {
        match (Config::from_toml(text), expected) {
            (Ok(config), Ok(holds)) => assert!(holds(&config), "{text}: {config:?}"),
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{text}: {error}");
            }
            (result, _) => panic!("{text}: {result:?}"),
        }
    }

    #[test]
    fn sections_and_dotted_paths_say_the_same() {
        check("", Ok(|c| *c == Config::default()));
        check(
            "[sync]\nstrategy = \"after_ts\"",
            Ok(|c| c.sync.strategy == SyncStrategy::AfterTs),
        );
        check(
            "\"sync.strategy\" = \"after_ts\"",
            Ok(|c| c.sync.strategy == SyncStrategy::AfterTs),
        );
        check(
            "sync.pull_interval = \"250ms\"",
            Ok(|c| c.sync.pull_interval.as_millis_u64() == 250),
        );
        check(
            "[listen]\naddresses = [\"/ip4/127.0.0.1/tcp/0\"]",
            Ok(|c| c.listen.addresses.len() == 1),
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_path() {
        check("x = ", Err("line 1, column"));
        check(
            "[sink]\nstrategy = 1",
            Err("unknown setting `sink`; did you mean `sync`?"),
        );
        check(
            "[sync]\nstrateg = \"cursor\"",
            Err("unknown setting `sync.strateg`; did you mean `sync.strategy`?"),
        );
        check(
            "[sync]\nengine = \"cursor\"",
            Err("unknown setting `sync.engine`; did you mean `sync.strategy`?"),
        );
        check(
            "\"sync.pul_interval\" = 3",
            Err("did you mean `sync.pull_interval`?"),
        );
        check(
            "[sync]\nstrategy = \"quick\"",
            Err("`sync.strategy`: unknown variant `quick`"),
        );
        check(
            "[sync]\npull_interval = \"fast\"",
            Err("`sync.pull_interval`: `fast` does not"),
        );
        check(
            "[sync]\npull_interval = \"0s\"",
            Err("`sync.pull_interval`: must be at least 1ms"),
        );
        check("[sync]\nlimit = -1", Err("`sync.limit`: "));
        check("[sync]\nlimit = 0", Err("`sync.limit`: must be at least 1"));
        check(
            "[listen]\naddresses = [\"home\"]",
            Err("`listen.addresses`: "),
        );
        check(
            "[quic]\ntransport = \"mine\"",
            Err("`quic.transport`: unknown variant `mine`"),
        );
        check(
            "[quic]\nidle_timeout = \"0s\"",
            Err("`quic.idle_timeout`: must be at least 1ms"),
        );
        check(
            "[quic]\nmax_streams = 0",
            Err("`quic.max_streams`: must be at least 1"),
        );
        check(
            "[hole_punch]\nenabled = true",
            Err("`hole_punch.enabled`: needs relay_client.enabled"),
        );
        check(
            "[reach]\nlookup_order = []",
            Err("`reach.lookup_order`: must name"),
        );
        check(
            "[reach]\nlookup_order = [\"kad\", \"kad\"]",
            Err("`reach.lookup_order`: names a method twice"),
        );
        check("sync = 3", Err("`sync`: is a section"));
        check("qqqq = 3", Err("unknown setting `qqqq`"));
    }

    #[test]
    fn the_default_configuration_reads_back() {
        let text = toml::to_string(&Config::default()).expect("serialises");
        assert_eq!(Config::from_toml(&text), Ok(Config::default()));
    }
}
