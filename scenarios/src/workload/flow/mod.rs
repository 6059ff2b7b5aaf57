//! The workload `flow`: bytes over plain TCP connections, beside or without nodes.
//!
//! Owns what may be said of flows and who sends to whom. The bytes are [`carry`]'s, and what
//! became of each flow [`tracker`]'s.

mod carry;
mod figures;
mod metrics;
mod tracker;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Actor, Drawing, Kind, Planned, Reading, Turn};
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::{bytes, time_ns};
use crate::format::scenario::pace::PaceFields;
use crate::format::scenario::selector::{self, Hosts, HostsText};
use crate::metrics::Definition;
use crate::play::run::Run;
use crate::testbed::Capability;

/// Hosts send bytes over TCP connections of their own, beside or without nodes.
#[derive(JsonSchema)]
pub struct Fields {
    /// The hosts that send.
    pub from: HostsText,
    /// When each of them starts a flow.
    #[serde(flatten)]
    pub pace: PaceFields,
    /// The hosts that receive: the n-th sender sends to the n-th of them, over and over.
    pub to: HostsText,
    /// How much, such as `10MB`. Without it and `for`, a flow sends until workloads end.
    pub bytes: Option<String>,
    /// How long a flow sends without pause, such as `30s`.
    #[serde(rename = "for")]
    pub length: Option<String>,
    /// The port that the sender connects from; a free one if absent.
    pub port: Option<u16>,
}

/// What each flow of a workload carries, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The hosts that receive: the n-th sender sends to the n-th of them, over and over.
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

/// One flow, as drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// To whom it goes.
    pub to: u32,
    /// Names the flow among all of the run, from 0 without gaps in no particular order.
    pub flow: u32,
}

impl Kind for Flow {
    type Fields = Fields;
    type Act = Act;
    type Tracker = tracker::Flows;

    const NAME: &'static str = "flow";
    const METRICS: &'static [Definition] = metrics::METRICS;
    const NOT_DONE: &'static Definition = &metrics::FLOW_NOT_DONE;
    const NEEDS: &'static [Capability] = &[Capability::TcpSockets];

    fn read(reading: &Reading<'_>, problems: &mut Problems) -> Option<Self> {
        let reader = &reading.reader;
        let to = selector::read(reader, "to", reading.groups, problems)?;
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
        let message = "\"to\": a host would send to itself";
        (!reading.note_to_itself(&flow.to, message, problems)).then_some(flow)
    }

    fn note_unfit(&self, _: &Hosts, _: &Reading<'_>, _: &mut Problems) {}

    fn longest_ns(&self) -> Option<u64> {
        match self.load {
            // How long so many bytes take is not known beforehand.
            Load::Bytes(_) | Load::ToTheEnd => None,
            Load::For(length_ns) => Some(length_ns),
        }
    }

    fn concerns(&self, index: u32) -> Option<u32> {
        Some(self.to.dealt(index))
    }

    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        let act = Act {
            to: self.to.dealt(turn.index as u32),
            flow: drawing.number(Self::NAME),
        };
        drawing.act::<Self>(turn.at_ns, turn.host, act);
    }

    fn perform(&self, run: &Arc<Run>, actor: Actor, act: &Act) {
        carry::start(run, self, actor.host, *act);
    }

    fn tracker(planned: &Planned<'_>) -> tracker::Flows {
        tracker::Flows::of(planned)
    }

    fn serve(run: &Arc<Run>, host: u32) {
        carry::listen(run, host);
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
        let to: Vec<Option<u32>> = (0..5).map(|index| flow.concerns(index)).collect();
        assert_eq!(to, [2, 3, 7, 2, 3].map(Some));
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
