//! The workload `ping`: hosts ask others for an echo, over UDP and beside or without nodes.
//!
//! Owns what may be said of it. The echoes are [`echo`]'s, and what became of each ping
//! [`tracker`]'s.

mod echo;
mod metrics;
mod tracker;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Actor, Drawing, Kind, Planned, Reading, Turn};
use crate::format::reading::problem::Problems;
use crate::format::scenario::pace::PaceFields;
use crate::format::scenario::selector::{self, Hosts, HostsText};
use crate::metrics::Definition;
use crate::play::run::Run;
use crate::testbed::Capability;

/// Hosts ask others for an echo, over UDP and beside or without nodes: how long packets take there
/// and back, and how many are lost on the way.
#[derive(JsonSchema)]
pub struct Fields {
    /// The hosts that ask.
    pub from: HostsText,
    /// When each of them does.
    #[serde(flatten)]
    pub pace: PaceFields,
    /// The hosts that answer: the n-th host asks the n-th of them, over and over.
    pub to: HostsText,
    /// Size of a packet with all its headers, 28 bytes over IPv4; `84B` if absent. The answer has
    /// the same.
    pub size: Option<String>,
    /// How long an answer is waited for; `10s` if absent.
    pub timeout: Option<String>,
}

/// How hosts ask, and whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// The hosts that answer: the n-th host asks the n-th of them, over and over.
    pub to: Hosts,
    /// Bytes of a packet, all headers included.
    pub packet_bytes: u32,
    /// How long an answer is waited for, in nanoseconds.
    pub timeout_ns: u64,
}

/// What `ping` of the usual operating systems sends.
const PACKET_BYTES: u32 = 84;

/// How long an answer is waited for where that is not given.
const TIMEOUT_NS: u64 = 10_000_000_000;

/// What a packet has to say: which ping it is.
const PAYLOAD_BYTES_MIN: u32 = 4;

/// One ping, as drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// Who is asked.
    pub to: u32,
    /// Names the ping among all of the run, from 0 without gaps in no particular order.
    pub ping: u32,
}

impl Kind for Ping {
    type Fields = Fields;
    type Act = Act;
    type Tracker = tracker::Pings;

    const NAME: &'static str = "ping";
    const METRICS: &'static [Definition] = metrics::METRICS;
    const NOT_DONE: &'static Definition = &metrics::PING_NOT_DONE;
    const NEEDS: &'static [Capability] = &[Capability::UdpSockets];

    fn read(reading: &Reading<'_>, problems: &mut Problems) -> Option<Self> {
        let reader = &reading.reader;
        let to = selector::read(reader, "to", reading.groups, problems);
        let packet_bytes = reading.packet_bytes(PAYLOAD_BYTES_MIN, PACKET_BYTES, problems);
        let timeout_ns = reading.timeout_ns(TIMEOUT_NS, problems)?;
        let ping = Self {
            to: to?,
            packet_bytes: packet_bytes?,
            timeout_ns,
        };
        let message = "\"to\": a host would ask itself";
        (!reading.note_to_itself(&ping.to, message, problems)).then_some(ping)
    }

    fn note_unfit(&self, _: &Hosts, _: &Reading<'_>, _: &mut Problems) {}

    fn longest_ns(&self) -> Option<u64> {
        Some(0)
    }

    fn concerns(&self, index: u32) -> Option<u32> {
        Some(self.to.dealt(index))
    }

    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        let act = Act {
            to: self.to.dealt(turn.index as u32),
            ping: drawing.number(Self::NAME),
        };
        drawing.act::<Self>(turn.at_ns, turn.host, act);
    }

    fn perform(&self, run: &Arc<Run>, actor: Actor, act: &Act) {
        echo::ask(run, self, actor.host, *act);
    }

    fn tracker(planned: &Planned<'_>) -> tracker::Pings {
        tracker::Pings::of(planned)
    }

    fn serve(run: &Arc<Run>, host: u32) {
        echo::answer(run, host);
    }
}

#[cfg(test)]
mod tests {
    use orrery_reports::record::{Metric, SeedResult};

    use crate::format::read;
    use crate::play;

    fn text(fields: &str, rest: &str) -> String {
        format!(
            "name='t'\nduration='30s'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='a'\ncount=2\nprogram='none'\nregions={{ Dallas = 1.0 }}\n\
             [[group]]\nname='b'\ncount=1\nprogram='none'\nregions={{ Tokyo = 1.0 }}\n\
             [[workload]]\nkind='ping'\nfrom='a[0]'\nat='5s'\n{fields}\n{rest}"
        )
    }

    fn value(result: &SeedResult, key: &str) -> Option<u64> {
        match result.metrics.get(key)? {
            Metric::Value { value, .. } => Some(*value as u64),
            Metric::Distribution { .. } => None,
        }
    }

    #[test]
    fn wrong_pings_are_named() {
        let check = |fields: &str, expected: &str| {
            let problems = read("t", &text(fields, ""), None, &[]).expect_err(fields);
            let problems = problems.to_string();
            assert!(problems.contains(expected), "{fields}: {problems}");
        };
        check("", "lacks the field \"to\"");
        check("to='a[0]'", "a host would ask itself");
        check("to='b'\ntimeout='0s'", "expected a time above 0s");
        check("to='b'\nsize='31B'", "expected 32B to 1500B");
    }

    #[test]
    fn an_answer_takes_a_round_trip_and_every_loss_has_its_cause() {
        let series = "to='b'\nevery='1s'\ncount=10";
        let result = play::played(&text(series, ""), None);
        let Some(Metric::Distribution { count, max, .. }) = result.metrics.get("ping.time") else {
            panic!("nothing was measured");
        };
        // Dallas and Tokyo are 143.1 ms apart, there and back.
        assert_eq!(*count, 10);
        assert!((143.0..144.0).contains(max), "{max}");
        assert_eq!(value(&result, "ping.sent"), Some(10));
        assert_eq!(value(&result, "ping.lost"), Some(0));
        let check = |fields: &str, fault: &str, cause: &str, expected: u64| {
            let fault = format!("[[fault]]\n{fault}\n");
            let result = play::played(&text(&format!("{series}\n{fields}"), &fault), None);
            let key = format!("ping.lost{{cause={cause}}}");
            assert_eq!(value(&result, &key), Some(expected), "{fault}");
            assert_eq!(value(&result, "ping.lost"), Some(expected), "{fault}");
            let lost = result
                .losses
                .listed()
                .iter()
                .filter(|lost| lost.cause == cause);
            assert_eq!(lost.count() as u64, expected);
        };
        let part = "kind='partition'\nat='7500ms'\nfor='3s'\nbetween=['a','b']";
        check("timeout='2s'", part, "timed-out", 3);
        let cut = "kind='power-cut'\nhosts='b'\nat='7500ms'\nfor='3s'";
        check("timeout='2s'", cut, "target-down", 3);
        let cut = "kind='power-cut'\nhosts='a[0]'\nat='7050ms'\nfor='30s'";
        check("", cut, "sender-lost-power", 1);
        let stop = "kind='stop'\nhosts='a[0]'\nat='7050ms'\nfor='30s'";
        check("", stop, "sender-stopped", 1);
    }
}
