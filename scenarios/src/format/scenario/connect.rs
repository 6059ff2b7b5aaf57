//! The workload `connect`: nodes reach others, wherever these are.

use serde::{Deserialize, Serialize};

use super::group::Group;
use super::selector::{self, Hosts};
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::time_ns;
use crate::format::reading::reader::Reader;

/// Whom each action of a workload reaches, and what counts as success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// Who is reached: the k-th action of the n-th host goes to the (n + k)-th of them.
    pub to: Hosts,
    /// What counts as success.
    pub wanted: Wanted,
    /// Time for it, in nanoseconds.
    pub timeout_ns: u64,
    /// How long such a connection must live, in nanoseconds.
    pub holds_ns: u64,
}

/// Which connections count as success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// Any.
    Any,
    /// One without a relay in between.
    Direct,
}

/// Time for a connection where none is given: three hole punches of 20 s each, and what goes
/// before them.
const TIMEOUT_NS: u64 = 90_000_000_000;

/// How long a connection must live where that is not given.
const HOLDS_NS: u64 = 1_000_000_000;

impl Connect {
    /// Whom the `turn`-th action of the `place`-th host reaches, both from 0; nobody reaches itself.
    pub fn target(&self, host: u32, place: u64, turn: u64) -> Option<u32> {
        let others = || self.to.iter().filter(|&other| other != host);
        let count = others().count() as u64;
        others().nth(((place + turn) % count.max(1)) as usize)
    }

    /// Reads what is particular to reaching others.
    pub fn read(reader: &Reader<'_>, groups: &[Group], problems: &mut Problems) -> Option<Self> {
        let choices = [("any", Wanted::Any), ("direct", Wanted::Direct)];
        let wanted = reader.choice("path", &choices, problems);
        let timeout_ns = match reader.quantity("timeout", time_ns, problems) {
            None => TIMEOUT_NS,
            Some(ns) if ns > 0 => ns as u64,
            Some(_) => {
                let message = "\"timeout\": expected a time above 0s";
                problems.push(reader.span("timeout"), message);
                return None;
            }
        };
        let holds_ns = reader.quantity("holds", time_ns, problems);
        if holds_ns.is_some_and(|ns| ns < 0) {
            let message = "\"holds\": expected a time of at least 0s";
            problems.push(reader.span("holds"), message);
        }
        let to = selector::read(reader, "to", groups, problems)?;
        for group in groups.iter().filter(|group| !group.has_node()) {
            if to.iter().any(|host| group.hosts().contains(&host)) {
                let message = "\"to\": hosts without nodes cannot be reached";
                problems.push(reader.span("to"), message);
                return None;
            }
        }
        Some(Self {
            to,
            wanted: wanted.unwrap_or(Wanted::Any),
            timeout_ns,
            holds_ns: holds_ns.map_or(HOLDS_NS, |ns| ns.max(0) as u64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    #[test]
    fn in_turn_everybody_reaches_everybody_else_once() {
        let connect = Connect {
            to: Hosts {
                ranges: vec![(0, 2), (5, 7)],
            },
            wanted: Wanted::Any,
            timeout_ns: 1,
            holds_ns: 0,
        };
        let check = |host, place, expected: &[u32]| {
            let turns = 0..expected.len() as u64;
            let targets: Vec<u32> = turns
                .filter_map(|turn| connect.target(host, place, turn))
                .collect();
            assert_eq!(targets, expected, "{host}");
        };
        check(9, 0, &[0, 1, 5, 6, 0]);
        check(9, 3, &[6, 0, 1, 5]);
        check(1, 1, &[5, 6, 0, 5]);
        let alone = Connect {
            to: Hosts {
                ranges: vec![(3, 4)],
            },
            ..connect
        };
        assert_eq!(alone.target(3, 0, 0), None);
    }

    #[test]
    fn what_cannot_be_reached_is_pointed_at() {
        let check = |fields: &str, expected: &str| {
            let text = format!(
                "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
                 [[group]]\nname='home'\ncount=2\n\
                 [[group]]\nname='bare'\ncount=1\nprogram='none'\n\
                 [[workload]]\nkind='connect'\nat='1s'\n{fields}\n"
            );
            let told = read("t.toml", &text, None, &[]).map_or_else(
                |problems| problems.to_string(),
                |_| "nothing is wrong".to_owned(),
            );
            assert!(told.contains(expected), "{fields}: {told}");
        };
        check("from='home'\nto='home'\npath='direct'", "nothing is wrong");
        check(
            "from='home'\nto='bare'",
            "t.toml:16:4: \"to\": hosts without nodes",
        );
        check("from='bare'\nto='home'", "needs nodes");
        check("from='home'\nto='home'\ntimeout='0s'", "above 0s");
        check("from='home'\nto='home'\nholds='-1s'", "at least 0s");
        check("from='home'\nto='home'\npath='straight'", "unknown path");
    }
}
