//! Who is friends with whom within a group: the graph's kind.
//!
//! Friendship goes both ways: friends follow each other. Building the graph is `world`'s.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::format::reading::problem::Problems;
use crate::format::reading::reader::{Reader, fields_of};
use crate::format::reading::table;
use crate::profiles::Profiles;

/// `friends = { … }` of a group.
#[derive(JsonSchema)]
pub struct FriendsFields {
    /// Kind of the graph.
    pub graph: GraphName,
    /// Friends of each host with `random-regular`, where count times degree must be even; friends of a host on
    /// average, an even number, with `small-world` and `power-law`.
    pub degree: Option<u32>,
    /// Share of the friendships of a `small-world` that lead anywhere instead of to near ones; `0.1` if
    /// absent.
    pub rewired: Option<f64>,
    /// With `listed`: a file with a line for each friendship, two numbers of hosts of the group, counted from
    /// 0, such as `3,17`.
    pub file: Option<String>,
}

/// Kinds of friend graphs.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GraphName {
    /// A random graph in which every host has `degree` friends.
    RandomRegular,
    /// Friends are near each other on a circle, but for a share `rewired` that may be anywhere: circles
    /// of friends that know each other, and few steps between any two (Watts and Strogatz 1998).
    SmallWorld,
    /// Hosts come one after the other and befriend those that have many friends already the more often:
    /// few have very many friends (Barabási and Albert 1999).
    PowerLaw,
    /// The friendships that a `file` lists.
    Listed,
    /// Every host is friends with two others, in a ring.
    Ring,
    /// All hosts are friends of each other.
    Complete,
    /// No host has friends.
    None,
}

/// A friend graph's kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Graph {
    /// Random, every host with so many friends.
    RandomRegular(u32),
    /// So many friends on a circle, an even number, and so many parts per million of the friendships
    /// that lead anywhere.
    SmallWorld(u32, u32),
    /// Half of so many friends are befriended by each host that comes.
    PowerLaw(u32),
    /// These, by numbers within the group, each once and the smaller first.
    Listed(Vec<(u32, u32)>),
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
    pub fn friendships(&self, count: u32) -> u64 {
        let count = u64::from(count);
        match self {
            Self::RandomRegular(degree) | Self::SmallWorld(degree, _) | Self::PowerLaw(degree) => {
                count * u64::from(*degree) / 2
            }
            Self::Listed(pairs) => pairs.len() as u64,
            Self::Ring => count,
            Self::Complete => count * count.saturating_sub(1) / 2,
            Self::None => 0,
        }
    }

    /// Reads the `friends` of a group of `count` hosts.
    pub fn read(
        group: &Reader<'_>,
        count: u32,
        profiles: &Profiles<'_>,
        problems: &mut Problems,
    ) -> Self {
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
            ("small-world", Self::SmallWorld(0, 0)),
            ("power-law", Self::PowerLaw(0)),
            ("listed", Self::Listed(Vec::new())),
            ("ring", Self::Ring),
            ("complete", Self::Complete),
            ("none", Self::None),
        ];
        let Some(kind) = reader.choice("graph", &kinds, problems) else {
            // Any friends will do: that there are none must not be told on top.
            return Self::Ring;
        };
        let may_have: &[&str] = match &kind {
            Self::RandomRegular(_) | Self::PowerLaw(_) => &["degree"],
            Self::SmallWorld(..) => &["degree", "rewired"],
            Self::Listed(_) => &["file"],
            Self::Ring | Self::Complete | Self::None => &[],
        };
        for key in ["degree", "rewired", "file"] {
            if reader.value(key).is_some() && !may_have.contains(&key) {
                problems.push(reader.span(key), format!("this graph has no \"{key}\""));
            }
        }
        let graph = match kind {
            Self::RandomRegular(_) => {
                read_degree(&reader, count, problems).map_or(Self::Ring, Self::RandomRegular)
            }
            Self::SmallWorld(..) => {
                let rewired = match reader.value("rewired") {
                    Some(_) => reader.share("rewired", problems),
                    None => Some(REWIRED_PPM),
                };
                let degree = read_even_degree(&reader, count, problems);
                let both = degree.zip(rewired);
                both.map_or(Self::Ring, |(degree, rewired)| {
                    Self::SmallWorld(degree, rewired)
                })
            }
            Self::PowerLaw(_) => {
                read_even_degree(&reader, count, problems).map_or(Self::Ring, Self::PowerLaw)
            }
            Self::Listed(_) => {
                read_list(&reader, count, profiles, problems).map_or(Self::Ring, Self::Listed)
            }
            other @ (Self::Ring | Self::Complete | Self::None) => other,
        };
        if graph.friendships(count) > FRIENDSHIPS_MAX {
            let message = format!("more than {FRIENDSHIPS_MAX} friendships: take a sparser graph");
            problems.push(reader.span("graph"), message);
        }
        graph
    }
}

/// A tenth, where small worlds have both short ways and circles of friends.
const REWIRED_PPM: u32 = 100_000;

/// A degree of which half can be dealt to each side.
fn read_even_degree(reader: &Reader<'_>, count: u32, problems: &mut Problems) -> Option<u32> {
    let degree = read_degree(reader, count, problems)?;
    if degree % 2 == 1 || degree == 0 {
        let message = format!("\"degree\": expected an even number above 0, found {degree}");
        problems.push(reader.span("degree"), message);
        return None;
    }
    Some(degree)
}

/// The friendships of a file.
fn read_list(
    reader: &Reader<'_>,
    count: u32,
    profiles: &Profiles<'_>,
    problems: &mut Problems,
) -> Option<Vec<(u32, u32)>> {
    let Some(name) = reader.text("file", problems) else {
        reader.note_missing("file", problems);
        return None;
    };
    let text = profiles.own_table(name).map_err(|error| error.message);
    let read = text.and_then(|text| {
        let pairs = pairs(&text, count);
        pairs.map_err(|error| format!("{name}: {error}"))
    });
    read.map_err(|error| problems.push(reader.span("file"), format!("\"file\": {error}")))
        .ok()
}

/// The friendships that a table lists, each once and the smaller host first, ascending.
fn pairs(text: &str, count: u32) -> Result<Vec<(u32, u32)>, String> {
    let mut pairs = BTreeSet::new();
    for row in table::rows(text)? {
        let wrong = |what: String| format!("line {}: {what}", row.line);
        let number = |cell: &String| {
            let number = cell.parse::<u32>();
            number.map_err(|_| wrong(format!("expected the number of a host, found {cell}")))
        };
        let [a, b] = &row.cells[..] else {
            return Err(wrong("expected two hosts".to_owned()));
        };
        let (a, b) = (number(a)?, number(b)?);
        if a.max(b) >= count {
            let last = a.max(b);
            return Err(wrong(format!(
                "there is no host {last}: the group has {count}, from 0 on"
            )));
        }
        if a == b {
            return Err(wrong(format!("host {a} cannot be its own friend")));
        }
        pairs.insert((a.min(b), a.max(b)));
    }
    Ok(pairs.into_iter().collect())
}

fn read_degree(reader: &Reader<'_>, count: u32, problems: &mut Problems) -> Option<u32> {
    if reader.value("degree").is_none() {
        reader.note_missing("degree", problems);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_friendships_are_each_there_once_and_wrong_lines_are_told() {
        assert_eq!(pairs("3,1\n0,1\n1,3\n", 4), Ok(vec![(0, 1), (1, 3)]));
        let check = |text: &str, expected: &str| {
            let told = pairs(text, 4).expect_err(text);
            assert!(told.contains(expected), "{text}: {told}");
        };
        check("0,1\n1,4\n", "line 2: there is no host 4");
        check("2,2\n", "line 1: host 2 cannot be its own friend");
        check("0,x\n", "line 1: expected the number of a host, found x");
        check("0,1,2\n", "line 1: expected two hosts");
    }

    #[test]
    fn a_graph_has_its_own_fields_alone() {
        let check = |friends: &str, expected: &str| {
            let text = format!(
                "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
                 [[group]]\nname='a'\ncount=9\nfriends={friends}\n"
            );
            let told = crate::format::read("t", &text, None, &[]).expect_err(friends);
            assert!(told.to_string().contains(expected), "{friends}: {told}");
        };
        check("{ graph='ring', degree=4 }", "this graph has no \"degree\"");
        check(
            "{ graph='power-law', degree=4, rewired=0.1 }",
            "has no \"rewired\"",
        );
        check("{ graph='small-world', degree=3 }", "even number above 0");
        check("{ graph='small-world' }", "lacks the field \"degree\"");
        check("{ graph='listed' }", "lacks the field \"file\"");
        check("{ graph='listed', file='none.csv' }", "\"file\": ");
    }
}
