//! The workload of looking others up.
//!
//! Owns its fields' meaning; when it happens is the pace's, and what nodes answer is the
//! ledger's.

use orrery_node::api::Rung;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::group::Group;
use super::selector::{self, Hosts};
use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::reader::Reader;

/// Ways to find somebody.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RungName {
    /// Their card, and the configuration.
    Known,
    /// Announcements on the local network.
    Mdns,
    /// A signed record in the Kademlia table.
    Kad,
    /// A rendezvous server.
    Rendezvous,
    /// Friends, and their friends.
    Friends,
    /// A relay that both ends know.
    Relay,
}

/// What is looked for.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SoughtName {
    /// Where somebody is reached.
    Address,
    /// The peers nearest to the record of somebody's address, by Kademlia.
    Peers,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sought {
    /// Where somebody is reached, by this rung.
    Address(Rung),
    /// The peers nearest to the record of somebody's address.
    Peers,
}

impl Sought {
    /// As metrics label it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Peers => "peers",
        }
    }
}

/// A look-up, each time of one of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// Of whom one is drawn each time, the searcher aside.
    pub to: Hosts,
    /// What is looked for.
    pub sought: Sought,
}

impl Lookup {
    /// Reads the fields; `None` if a problem was noted that leaves nothing to play.
    pub fn read(reader: &Reader<'_>, groups: &[Group], problems: &mut Problems) -> Option<Self> {
        let rungs = [
            ("known", Rung::Known),
            ("mdns", Rung::Mdns),
            ("kad", Rung::Kad),
            ("rendezvous", Rung::Rendezvous),
            ("friends", Rung::Friends),
            ("relay", Rung::Relay),
        ];
        let by = reader.choice("by", &rungs, problems);
        let what = [("address", false), ("peers", true)];
        let peers = reader.choice("what", &what, problems).unwrap_or(false);
        if peers && by.is_some_and(|by| by != Rung::Kad) {
            let message = "\"by\": only Kademlia knows which peers are nearest to a record";
            problems.push(reader.span("by"), message);
        }
        let to = selector::read(reader, "to", groups, problems)?;
        for group in groups.iter().filter(|group| !group.has_node()) {
            if to.iter().any(|host| group.hosts().contains(&host)) {
                let name = quoted(&group.name);
                let message = format!("nobody finds hosts of group {name}: they run no nodes");
                problems.push(reader.span("to"), message);
            }
        }
        let sought = if peers {
            Sought::Peers
        } else {
            Sought::Address(by.unwrap_or(Rung::Kad))
        };
        Some(Self { to, sought })
    }
}
