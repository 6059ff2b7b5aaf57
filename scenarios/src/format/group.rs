//! A group: hosts that are alike.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::{self, AccessText};
use super::apportion::largest_remainder;
use super::clock::{Clock, ClockFields};
use super::friends::{FriendsFields, Graph};
use super::node_settings;
use super::problem::{Problems, quoted, suggestion};
use super::reader::{Reader, fields_of, share_of};
use super::tcp_settings::{TcpFields, TcpSettings};
use super::tree::Table;
use crate::profiles::{AccessProfile, Profiles};

/// Hosts of a scenario at most.
pub const HOSTS_MAX: u32 = 100_000;

/// `[[group]]`: hosts that are alike.
#[derive(JsonSchema)]
pub struct GroupFields {
    /// Its name: letters, digits, `-` and `_`. Hosts are called `name[0]`, `name[1]`, …
    pub name: String,
    /// How many hosts.
    pub count: u32,
    /// Who is friends with whom (friends follow each other); nobody if absent.
    pub friends: Option<FriendsFields>,
    /// Shares of the regions of the delay profile, which sum to 1; the profile's first region
    /// if absent. Hosts are apportioned by largest remainder and dealt out by the seed.
    pub regions: Option<BTreeMap<String, f64>>,
    /// The access link: a profile by name, a file beside the scenario, or a table as such a file
    /// has it; `ideal` if absent.
    pub access: Option<AccessText>,
    /// Wall clocks; true ones if absent.
    pub clock: Option<ClockFields>,
    /// TCP of these hosts, where it is not as the network's.
    pub tcp: Option<TcpFields>,
    /// What runs on them: a `node` (if absent), or `none`: then they are only senders and
    /// receivers of flows.
    pub program: Option<ProgramName>,
    /// Settings of the node by dotted path, such as `"sync.engine" = "cursor"`.
    pub node: Option<BTreeMap<String, serde_json::Value>>,
}

/// What runs on hosts.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProgramName {
    /// The reference node.
    Node,
    /// Nothing.
    None,
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
    /// Hosts for each region of the delay matrix, in its order; the sum is `count`.
    pub region_counts: Vec<u32>,
    /// The access link.
    pub access: AccessProfile,
    /// Wall clocks.
    pub clock: Clock,
    /// TCP, where it is not as the network's.
    pub tcp: TcpSettings,
    /// Whether a node runs on each host.
    pub has_node: bool,
    /// Settings of the node by dotted path.
    pub node: BTreeMap<String, toml::Value>,
}

impl Group {
    /// The group's hosts.
    pub fn hosts(&self) -> std::ops::Range<u32> {
        self.first_host..self.first_host + self.count
    }

    /// The node's settings as nested tables, ready to be laid over a default configuration.
    /// Paths never contradict each other: `read` refuses that.
    pub fn node_table(&self) -> toml::Table {
        let mut root = toml::Table::new();
        for (path, value) in &self.node {
            node_settings::insert(&mut root, path, value.clone());
        }
        root
    }

    /// Reads a group whose hosts start at `first_host`.
    pub fn read(
        table: &Table,
        first_host: u32,
        regions: &[String],
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
            Graph::read(&reader, count, problems)
        } else {
            Graph::None
        };
        let programs = [("node", true), ("none", false)];
        let has_node = reader
            .choice("program", &programs, problems)
            .unwrap_or(true);
        for key in ["friends", "node"] {
            if !has_node && reader.value(key).is_some() {
                let message = format!("\"{key}\" is for nodes, and {what} has none");
                problems.push(reader.span(key), message);
            }
        }
        Self {
            name: name.to_owned(),
            first_host,
            count,
            friends,
            region_counts: read_regions(&reader, count, regions, problems),
            access: access::read(&reader, profiles, problems),
            clock: Clock::read(&reader, problems),
            tcp: TcpSettings::read(&reader, problems),
            has_node,
            node: node_settings::read(&reader, problems),
        }
    }
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
