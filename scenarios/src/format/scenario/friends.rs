//! Who is friends with whom within a group: the graph's kind.
//!
//! Friendship goes both ways: friends follow each other. Building the graph is `world`'s.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::format::reading::problem::Problems;
use crate::format::reading::reader::{Reader, fields_of};

/// `friends = { … }` of a group.
#[derive(JsonSchema)]
pub struct FriendsFields {
    /// Kind of the graph.
    pub graph: GraphName,
    /// Friends of each host; `random-regular` only. Count times degree must be even.
    pub degree: Option<u32>,
}

/// Kinds of friend graphs.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GraphName {
    /// A random graph in which every host has `degree` friends.
    RandomRegular,
    /// Every host is friends with two others, in a ring.
    Ring,
    /// All hosts are friends of each other.
    Complete,
    /// No host has friends.
    None,
}

/// A friend graph's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Graph {
    /// Random, every host with so many friends.
    RandomRegular(u32),
    /// Two neighbours each.
    Ring,
    /// All with each other.
    Complete,
    /// No friends.
    None,
}

/// Friendships of a group at most: a complete graph grows with the square.
pub const FRIENDSHIPS_MAX: u64 = 5_000_000;

impl Graph {
    /// Friendships among `count` hosts.
    pub fn friendships(self, count: u32) -> u64 {
        let count = u64::from(count);
        match self {
            Self::RandomRegular(degree) => count * u64::from(degree) / 2,
            Self::Ring => count,
            Self::Complete => count * count.saturating_sub(1) / 2,
            Self::None => 0,
        }
    }

    /// Reads the `friends` of a group of `count` hosts.
    pub fn read(group: &Reader<'_>, count: u32, problems: &mut Problems) -> Self {
        let Some(table) = group.table("friends", problems) else {
            return Self::None;
        };
        let reader = Reader::new(
            table,
            "\"friends\"",
            &fields_of::<FriendsFields>(),
            problems,
        );
        let kinds = [
            ("random-regular", Self::RandomRegular(0)),
            ("ring", Self::Ring),
            ("complete", Self::Complete),
            ("none", Self::None),
        ];
        let Some(kind) = reader.choice("graph", &kinds, problems) else {
            // Any friends will do: that there are none must not be told on top.
            return Self::Ring;
        };
        let graph = match kind {
            Self::RandomRegular(_) => {
                read_degree(&reader, count, problems).map_or(Self::Ring, Self::RandomRegular)
            }
            other => {
                if reader.value("degree").is_some() {
                    let message = "only a random-regular graph has a degree";
                    problems.push(reader.span("degree"), message);
                }
                other
            }
        };
        if graph.friendships(count) > FRIENDSHIPS_MAX {
            let message = format!("more than {FRIENDSHIPS_MAX} friendships: take a sparser graph");
            problems.push(reader.span("graph"), message);
        }
        graph
    }
}

fn read_degree(reader: &Reader<'_>, count: u32, problems: &mut Problems) -> Option<u32> {
    if reader.value("degree").is_none() {
        problems.push(
            reader.table.span,
            "a random-regular graph lacks the field \"degree\"",
        );
        return None;
    }
    let degree = reader.whole("degree", 0..=1_000, problems)? as u32;
    if degree >= count {
        let message = format!(
            "a degree of {degree} needs at least {} hosts, and there are {count}",
            degree + 1
        );
        problems.push(reader.span("degree"), message);
    } else if degree % 2 == 1 && count % 2 == 1 {
        let message = format!(
            "{count} hosts cannot have {degree} friends each: count times degree must be even"
        );
        problems.push(reader.span("degree"), message);
    }
    Some(degree)
}
