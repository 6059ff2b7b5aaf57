//! A group: hosts that are alike.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

use orrery_node::config::{Config, Gossip};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::{self, AccessText};
use super::boot::{Boot, BootText};
use super::churn::ChurnText;
use super::clock::{Clock, ClockFields};
use super::friends::{FRIENDSHIPS_MAX, FriendsFields, Graph};
use super::interface::{Interface, InterfaceFields};
use super::lan::{Lan, LanText};
use super::nat::{self, Homes, NatText};
use super::node_settings;
use super::selector::{self, HostGroup, Hosts, HostsText};
use super::tcp_settings::{TcpFields, TcpSettings};

use crate::format::reading::apportion::largest_remainder;
use crate::format::reading::problem::{Problems, quoted, suggestion};
use crate::format::reading::reader::{Reader, fields_of, share_of};
use crate::format::reading::tree::{Kind, Table};
use crate::profiles::{AccessProfile, Profiles};
use crate::program::hostile::HostileFields;
use crate::program::{Program, ProgramName};

/// Hosts of a scenario at most.
pub const HOSTS_MAX: u32 = 100_000;

/// `[[group]]`: hosts that are alike.
#[derive(JsonSchema)]
pub struct GroupFields {
    /// Its name: letters, digits, `-` and `_`. Hosts are called `name[0]`, `name[1]`, …
    pub name: String,
    /// How many hosts.
    pub count: u32,
    /// Who is friends with whom (friends follow each other); none if absent.
    pub friends: Option<FriendsFields>,
    /// Hosts of other groups with whom each of its hosts is friends too; none if absent.
    pub friends_with: Option<HostsText>,
    /// Shares of the regions of the delay profile, which sum to 1; the profile's first region
    /// if absent. Hosts are apportioned by largest remainder and dealt out by the seed.
    /// `round-robin` deals host i of the scenario to region i modulo their number.
    pub regions: Option<RegionsText>,
    /// The access link: a profile by name, a file beside the scenario, or a table as such a file
    /// has it; `ideal` if absent.
    pub access: Option<AccessText>,
    /// The NAT or firewall that each of its hosts stands behind, one for each: a profile by name,
    /// a file beside the scenario, or a table such as `{ profile = "eim-apdf", homes_of = 3,
    /// behind = "carrier" }`; none if absent or `public`. The access link leads to it.
    pub nat: Option<NatText>,
    /// The local network (LAN segment) on which its hosts are, with those of other groups that
    /// name the same: a name, or a table such as `{ name = "office", loss = "1%" }`. If absent,
    /// each home of several hosts (`nat = { homes_of = 2, … }`) has one of its own, and other
    /// hosts none. Neighbours talk over it, without their access links.
    pub lan: Option<LanText>,
    /// Interfaces that each of its hosts has beside the one that `access`, `nat` and `lan` describe,
    /// such as `[{ name = "mobile", access = "4g", nat = "carrier" }]`; none if absent. What a
    /// host sends to a neighbour of one of its networks leaves by that, and all else by the first
    /// that is up, the group's own before these in their order; answers leave by the interface that
    /// was addressed. Cards and workloads name the group's own.
    pub interfaces: Option<Vec<InterfaceFields>>,
    /// When its nodes start, such as `1s` or `evenly(2s, 7s)`. If absent, at random within a quarter
    /// of the warm-up, and within 10 s; hosts without nodes are up from the beginning.
    pub boot: Option<BootText>,
    /// How its hosts come and go: a profile by name, such as `kad-weibull`, a file beside the
    /// scenario, or a table such as `{ online = "weibull(0.6, 170m)", offline = "exponential(6h)",
    /// leave = "stop" }`. They are in the steady state from the beginning. If absent, they stay.
    pub churn: Option<ChurnText>,
    /// Hosts that its nodes dial as soon as they start; none if absent.
    pub bootstrap: Option<HostsText>,
    /// Hosts whose people its people follow, beside their friends; none if absent.
    pub follows: Option<HostsText>,
    /// Hosts on the list of its relays, beside those that `relay.listed` names; none if absent.
    pub listed: Option<HostsText>,
    /// Share of its hosts that have moved since their friends got their cards, such as `25%`:
    /// no node is where these cards say. None if absent.
    pub outdated_cards: Option<String>,
    /// Wall clocks; true ones if absent.
    pub clock: Option<ClockFields>,
    /// TCP of these hosts, where it is not as the network's.
    pub tcp: Option<TcpFields>,
    /// What runs on them: a `node` (if absent); `none`: then they are only senders and receivers
    /// of flows; or `hostile`: a peer that misbehaves as `hostile` says.
    pub program: Option<ProgramName>,
    /// What hostile peers do, and to whom.
    pub hostile: Option<HostileFields>,
    /// Settings of the node by dotted path, such as `"sync.strategy" = "cursor"`. Others have the
    /// node's defaults; `orrery explain node` lists them, and what the tool sets.
    pub node: Option<BTreeMap<String, serde_json::Value>>,
}

/// Regions of a group: shares by name, or a rule.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum RegionsText {
    /// Shares by region.
    Shares(BTreeMap<String, f64>),
    /// A rule.
    Rule(RegionsRule),
}

/// Rules by which hosts are dealt to regions.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RegionsRule {
    /// Host i of the scenario to region i modulo their number.
    RoundRobin,
}

/// Where the hosts of a group stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regions {
    /// So many in each region of the delay matrix, in its order; which ones, the seed draws.
    Counts(Vec<u32>),
    /// Host i of the scenario in region i modulo this number, which is at least 1.
    RoundRobin(u32),
}

impl Regions {
    /// Whether all hosts stand in one region.
    pub fn is_one(&self) -> bool {
        match self {
            Self::Counts(counts) => counts.iter().filter(|&&count| count > 0).count() <= 1,
            Self::RoundRobin(regions) => *regions == 1,
        }
    }
}

/// Hosts that are alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Number of its first host among all hosts of the scenario.
    pub first_host: u32,
    /// How many hosts.
    pub count: u32,
    /// Who is friends with whom.
    pub friends: Graph,
    /// Hosts of other groups with whom each is friends too.
    pub friends_with: Hosts,
    /// Where they stand.
    pub regions: Regions,
    /// When their nodes start.
    pub boot: Boot,
    /// Whom their nodes dial as soon as they start.
    pub bootstrap: Hosts,
    /// Whom its people follow beside their friends.
    pub follows: Hosts,
    /// Whom its relays list.
    pub listed: Hosts,
    /// The access link.
    pub access: AccessProfile,
    /// What the hosts stand behind, where the access link ends; `None` for public ones.
    pub nat: Option<Homes>,
    /// The local network on which each host is.
    pub lan: Option<Lan>,
    /// Further interfaces of each host.
    pub interfaces: Vec<Interface>,
    /// Parts per million of its hosts whose cards lead nowhere.
    pub outdated_cards_ppm: u32,
    /// Wall clocks.
    pub clock: Clock,
    /// TCP, where it is not as the network's.
    pub tcp: TcpSettings,
    /// What runs on each host.
    pub program: Program,
    /// Settings of the node by dotted path.
    pub node: BTreeMap<String, toml::Value>,
    #[serde(skip)]
    pub(crate) gossip: ParsedGossip,
}

/// The settings of groups without storage as nodes will have them, once these were asked for; `None`
/// if they take no part. It follows from the rest of a group, so that it travels nowhere and makes no two
/// groups differ.
#[derive(Debug, Clone, Default)]
pub(crate) struct ParsedGossip(OnceLock<Option<Gossip>>);

impl PartialEq for ParsedGossip {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl HostGroup for Group {
    fn name(&self) -> &str {
        &self.name
    }

    fn hosts(&self) -> Range<u32> {
        Self::hosts(self)
    }

    fn has_node(&self) -> bool {
        Self::has_node(self)
    }
}

impl Group {
    /// The group's hosts.
    pub fn hosts(&self) -> Range<u32> {
        self.first_host..self.first_host + self.count
    }

    /// Whether a node runs on each host.
    pub fn has_node(&self) -> bool {
        self.program.is_node()
    }

    /// The node's settings as nested tables, ready to be laid over a default configuration, and
    /// those of services that the program adds.
    pub fn node_tables(&self) -> [toml::Table; 2] {
        node_settings::tables(&self.node)
    }

    /// Whether its nodes take part in groups without storage.
    pub fn plays_gossip(&self) -> bool {
        self.gossip().is_some()
    }

    /// Whether its nodes join a topic when they start.
    pub fn has_joined(&self, topic: &str) -> bool {
        self.gossip()
            .is_some_and(|gossip| gossip.topics.iter().any(|joined| joined == topic))
    }

    /// Largest message in bytes that its nodes may send to groups without storage, if they take
    /// part in any.
    pub fn message_bytes_max(&self) -> Option<u32> {
        self.gossip().map(Gossip::data_bytes_max)
    }

    /// The settings of its nodes; `None` if they are wrong, which is noted where they are read.
    pub fn config(&self) -> Option<Config> {
        let [own, _] = self.node_tables();
        Config::from_table(own).ok()
    }

    fn gossip(&self) -> Option<&Gossip> {
        let parse = || Some(self.config()?.gossip).filter(|gossip| gossip.enabled);
        self.gossip.0.get_or_init(parse).as_ref()
    }

    /// Reads a group whose hosts start at `first_host`.
    pub fn read(
        table: &Table,
        first_host: u32,
        (regions, duration_ns): (&[String], u64),
        profiles: &Profiles<'_>,
        problems: &mut Problems,
    ) -> Self {
        let name = table.value("name").and_then(|value| value.as_text());
        let what = name.map_or("a group".to_owned(), |name| {
            format!("group {}", quoted(name))
        });
        let reader = Reader::new(table, &what, &fields_of::<GroupFields>(), problems);
        let name = reader.text("name", problems).unwrap_or_default();
        if !name.is_empty() && !is_name(name) {
            let message = format!(
                "{} is no group name: expected letters, digits, - and _",
                quoted(name)
            );
            problems.push(reader.span("name"), message);
        }
        let count = reader
            .whole("count", 1..=i64::from(HOSTS_MAX), problems)
            .unwrap_or(0) as u32;
        // A count of 0 stands for one that could not be read: one message about it is enough.
        let friends = if count > 0 {
            Graph::read(&reader, count, profiles, problems)
        } else {
            Graph::None
        };
        let regions = read_regions(&reader, count, regions, problems);
        let program = Program::read(&reader, problems);
        for key in ["friends", "friends_with", "node"] {
            if !program.is_node() && reader.value(key).is_some() {
                let message = format!("\"{key}\" is for nodes, and {what} has none");
                problems.push(reader.span(key), message);
            }
        }
        let homes = nat::read(&reader, (count, &regions), profiles, problems);
        Self {
            name: name.to_owned(),
            first_host,
            count,
            friends,
            friends_with: Hosts::default(),
            lan: Lan::read(&reader, homes.homes_of, profiles, problems),
            nat: homes.nat,
            interfaces: Interface::read_all(
                &reader,
                (count, &regions),
                duration_ns,
                profiles,
                problems,
            ),
            regions,
            boot: Boot::read(&reader, duration_ns, profiles, problems),
            bootstrap: Hosts::default(),
            follows: Hosts::default(),
            listed: Hosts::default(),
            access: access::read(&reader, profiles, problems),
            outdated_cards_ppm: reader.share("outdated_cards", problems).unwrap_or(0),
            clock: Clock::read(&reader, problems),
            tcp: TcpSettings::read(&reader, problems),
            program,
            node: node_settings::read(&reader, problems),
            gossip: ParsedGossip::default(),
        }
    }
}

/// Reads the hosts that a field of a group names, now that all groups are known.
pub fn read_hosts(
    table: &Table,
    field: &'static str,
    groups: &[Group],
    problems: &mut Problems,
) -> Hosts {
    let reader = Reader {
        table,
        what: "a group",
    };
    selector::read(&reader, field, groups, problems).unwrap_or_default()
}

/// Reads with whom else the hosts of a group are friends, now that all groups are known.
pub fn read_friends_with(
    table: &Table,
    group: &Group,
    groups: &[Group],
    problems: &mut Problems,
) -> Hosts {
    let reader = Reader {
        table,
        what: "a group",
    };
    let hosts = selector::read(&reader, "friends_with", groups, problems).unwrap_or_default();
    let note = |message: String, problems: &mut Problems| {
        problems.push(reader.span("friends_with"), message);
    };
    if hosts.iter().any(|host| group.hosts().contains(&host)) {
        let message = "\"friends_with\" is for hosts of other groups: within one, say \"friends\"";
        note(message.to_owned(), problems);
    }
    for other in groups.iter().filter(|other| !other.has_node()) {
        if hosts.iter().any(|host| other.hosts().contains(&host)) {
            let name = quoted(&other.name);
            note(
                format!("\"friends_with\": group {name} has no nodes"),
                problems,
            );
        }
    }
    let friendships = u64::from(group.count) * u64::from(hosts.len());
    if friendships > FRIENDSHIPS_MAX {
        note(format!("more than {FRIENDSHIPS_MAX} friendships"), problems);
    }
    hosts
}

/// Whether `name` can name a group or a variant.
pub fn is_name(name: &str) -> bool {
    name.len() <= 60
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn read_regions(
    group: &Reader<'_>,
    count: u32,
    regions: &[String],
    problems: &mut Problems,
) -> Regions {
    if let Some(value) = group.value("regions")
        && let Kind::Text(text) = &value.kind
    {
        if text != "round-robin" {
            let message = format!("unknown rule of regions {}", quoted(text));
            problems.push_with_help(value.span, message, Some(suggestion(text, ["round-robin"])));
        }
        return Regions::RoundRobin(regions.len().max(1) as u32);
    }
    Regions::Counts(read_shares(group, count, regions, problems))
}

fn read_shares(
    group: &Reader<'_>,
    count: u32,
    regions: &[String],
    problems: &mut Problems,
) -> Vec<u32> {
    let mut first_only = vec![0; regions.len()];
    if let Some(first) = first_only.first_mut() {
        *first = count;
    }
    let Some(table) = group.table("regions", problems) else {
        return first_only;
    };
    // Without a usable delay profile its regions are unknown; that is already noted.
    if regions.is_empty() {
        return first_only;
    }
    let mut shares = vec![0_u32; regions.len()];
    let before = problems.len();
    for entry in &table.entries {
        let Some(share) = share_of(&entry.value, &entry.key, problems) else {
            continue;
        };
        if let Some(index) = regions.iter().position(|region| *region == entry.key) {
            shares[index] = share;
        } else {
            let message = format!("the delay profile has no region {}", quoted(&entry.key));
            let help = suggestion(&entry.key, regions.iter().map(String::as_str));
            problems.push_with_help(entry.key_span, message, Some(help));
        }
    }
    let sum: u64 = shares.iter().map(|&share| u64::from(share)).sum();
    if problems.len() == before && !(999_999..=1_000_001).contains(&sum) {
        let message = format!(
            "the shares of regions sum to {}.{:06}, expected 1",
            sum / 1_000_000,
            sum % 1_000_000
        );
        problems.push(table.span, message);
    }
    if problems.len() > before {
        return first_only;
    }
    largest_remainder(count, &shares)
}

#[cfg(test)]
mod tests {
    use crate::format::read;

    #[test]
    fn a_share_of_cards_is_at_most_all() {
        let text = "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
                    [[group]]\nname='g'\ncount=1\noutdated_cards='200%'\n";
        let problems = read("t.toml", text, None, &[]).expect_err("it is too much");
        assert!(problems.to_string().contains("t.toml:8:"), "{problems}");
    }
}
