//! The workload `flow`: bytes over plain TCP connections, beside or without nodes.

use serde::{Deserialize, Serialize};

use super::group::Group;
use super::selector::{self, Hosts};
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::{bytes, time_ns};
use crate::format::reading::reader::Reader;

/// What each flow of a workload carries, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Who receives: the n-th sender sends to the n-th of them, over and over.
    pub to: Hosts,
    /// When it ends.
    pub load: Load,
    /// The sender's port; a free one if absent.
    pub port: Option<u16>,
}

/// When a flow ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Load {
    /// After so many bytes.
    Bytes(u64),
    /// After so many nanoseconds of sending without pause.
    For(u64),
    /// When workloads end.
    ToTheEnd,
}

/// Every flow begins with its number, so it has at least so many bytes.
pub const FLOW_BYTES_MIN: u64 = 8;

/// A flow at most: 1 TiB.
const FLOW_BYTES_MAX: i64 = 1 << 40;

impl Flow {
    /// To whom the sender of that place among the senders sends.
    pub fn receiver(&self, place: u32) -> u32 {
        self.to.dealt(place)
    }

    /// Reads what is particular to a flow.
    pub fn read(
        reader: &Reader<'_>,
        from: Option<&Hosts>,
        groups: &[Group],
        problems: &mut Problems,
    ) -> Option<Self> {
        let to = selector::read(reader, "to", groups, problems)?;
        let size = reader.quantity("bytes", bytes, problems);
        let length = reader.quantity("for", time_ns, problems);
        let load = match (size, length) {
            (Some(_), Some(_)) => {
                let message = "a flow ends after its \"bytes\" or \"for\" a time, not both";
                problems.push(reader.span("for"), message);
                return None;
            }
            (Some(size), None) => {
                if !(FLOW_BYTES_MIN as i64..=FLOW_BYTES_MAX).contains(&size) {
                    let message = "\"bytes\": expected 8B to 1TiB";
                    problems.push(reader.span("bytes"), message);
                    return None;
                }
                Load::Bytes(size as u64)
            }
            (None, Some(length)) => {
                if length <= 0 {
                    problems.push(reader.span("for"), "\"for\": expected a time above 0s");
                    return None;
                }
                Load::For(length as u64)
            }
            (None, None) => Load::ToTheEnd,
        };
        let port = reader.whole("port", 1..=65_535, problems);
        let flow = Self {
            to,
            load,
            port: port.map(|port| port as u16),
        };
        let to_itself = from
            .into_iter()
            .flat_map(Hosts::iter)
            .zip(0..)
            .any(|(sender, place)| flow.receiver(place) == sender);
        if to_itself {
            let message = "\"to\": a host would send to itself";
            problems.push(reader.span("to"), message);
            return None;
        }
        Some(flow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    #[test]
    fn receivers_are_dealt_out_in_turn() {
        let flow = Flow {
            to: Hosts {
                ranges: vec![(2, 4), (7, 8)],
            },
            load: Load::ToTheEnd,
            port: None,
        };
        let to: Vec<u32> = (0..5).map(|place| flow.receiver(place)).collect();
        assert_eq!(to, [2, 3, 7, 2, 3]);
    }

    #[test]
    fn wrong_flows_are_named() {
        let check = |fields: &str, expected: &str| {
            let text = format!(
                "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
                 [[group]]\nname='g'\ncount=2\nprogram='none'\n\
                 [[workload]]\nkind='flow'\nfrom='g[0]'\nat='1s'\n{fields}\n"
            );
            let problems = read("t", &text, None, &[]).expect_err(fields).to_string();
            assert!(problems.contains(expected), "{fields}: {problems}");
        };
        check("", "lacks the field \"to\"");
        check("to='g[0]'", "a host would send to itself");
        check("to='g[1]'\nbytes='7B'", "expected 8B to 1TiB");
        check("to='g[1]'\nbytes='9B'\nfor='1s'", "not both");
        check("to='g[1]'\nfor='-1s'", "\"for\": expected a time above 0s");
        check("to='g[1]'\nport=70000", "\"port\": expected a whole number");
    }
}
