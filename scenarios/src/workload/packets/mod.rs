//! The workload `packets`: datagrams at a rate, as queueing theory has them.
//!
//! Owns what may be said of them. The sending is [`sources`]'.

mod figures;
mod metrics;
mod sources;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Actor, Drawing, Kind, Planned, Reading, Turn};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::{
    Expected, bits_per_second, interval_of_fast_rate_ns, time_ns,
};
use crate::format::scenario::pace::Pace;
use crate::format::scenario::selector::{self, Hosts, HostsText};
use crate::metrics::Definition;
use crate::play::run::Run;
use crate::testbed::Capability;

/// Hosts send datagrams at a rate, over UDP and beside or without nodes: a plain source for
/// queues and links. It ends when the sender loses power.
#[derive(JsonSchema)]
pub struct Fields {
    /// The hosts that send.
    pub from: HostsText,
    /// The hosts that receive: the n-th sender sends to the n-th of them, over and over.
    pub to: HostsText,
    /// How much each of them sends: packets a second, such as `500/s`, or bits, such as
    /// `5Mbit/s`.
    pub rate: String,
    /// Size of a packet with all its headers, 28 bytes over IPv4; `1200B` if absent.
    pub size: Option<String>,
    /// How packets follow each other: at `constant` distances (if absent), or as `poisson` has
    /// it.
    pub arrivals: Option<ArrivalsName>,
    /// When they begin, such as `10s`; with the run if absent.
    pub at: Option<AmountText>,
    /// How long they go on, such as `30s`; until workloads end if absent.
    #[serde(rename = "for")]
    pub length: Option<String>,
}

/// How the packets of a source follow each other.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ArrivalsName {
    /// All at the same distance.
    Constant,
    /// At random, independently of each other: a Poisson process.
    Poisson,
}

/// How the packets of a source follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// All at the same distance.
    Constant,
    /// A Poisson process.
    Poisson,
}

/// What each source of a workload sends, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packets {
    /// The hosts that receive: the n-th sender sends to the n-th of them, over and over.
    pub to: Hosts,
    /// Nanoseconds between two packets, in the mean.
    pub interval_ns: u64,
    /// How they follow each other.
    pub arrivals: Arrivals,
    /// Bytes of a packet, all headers included.
    pub packet_bytes: u32,
    /// How long it sends, in nanoseconds; until workloads end if absent.
    pub length_ns: Option<u64>,
}

/// Bytes of a packet where that is not given.
const PACKET_BYTES: u32 = 1_200;

/// What a packet has to say: which source, which packet, when it was sent.
pub const PAYLOAD_BYTES_MIN: u32 = 20;

/// Packets of a workload's sources together at most.
const PACKETS_MAX: u64 = 100_000_000;

/// A source begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// To whom it sends.
    pub to: u32,
}

impl Kind for Packets {
    type Fields = Fields;
    type Act = Act;
    type Tracker = sources::Sources;

    const NAME: &'static str = "packets";
    const METRICS: &'static [Definition] = metrics::METRICS;
    const NOT_DONE: &'static Definition = &metrics::PACKETS_NOT_DONE;
    const NEEDS: &'static [Capability] = &[Capability::UdpSockets];

    fn read_pace(reading: &Reading<'_>, problems: &mut Problems) -> Pace {
        Pace::read_once(&reading.reader, reading.duration_ns, problems)
    }

    fn read(reading: &Reading<'_>, problems: &mut Problems) -> Option<Self> {
        let (reader, duration_ns) = (&reading.reader, reading.duration_ns);
        let to = selector::read(reader, "to", reading.groups, problems);
        let packet_bytes = reading.packet_bytes(PAYLOAD_BYTES_MIN, PACKET_BYTES, problems);
        let interval_ns = read_rate(reading, packet_bytes?, problems)?;
        let choices = [
            ("constant", Arrivals::Constant),
            ("poisson", Arrivals::Poisson),
        ];
        let arrivals = reader.choice("arrivals", &choices, problems);
        let length_ns = reader.quantity("for", time_ns, problems);
        if length_ns.is_some_and(|length| length <= 0) {
            problems.push(reader.span("for"), "\"for\": expected a time above 0s");
            return None;
        }
        let packets = Self {
            to: to?,
            interval_ns,
            arrivals: arrivals.unwrap_or(Arrivals::Constant),
            packet_bytes: packet_bytes?,
            length_ns: length_ns.map(|length| length as u64),
        };
        let senders = reading.from.map_or(0, |from| u64::from(from.len()));
        let length_ns = packets.length_ns.unwrap_or(duration_ns).min(duration_ns);
        if (length_ns / interval_ns).saturating_mul(senders) > PACKETS_MAX {
            let message = format!("\"rate\": more than {PACKETS_MAX} packets in all");
            problems.push(reader.span("rate"), message);
            return None;
        }
        let message = "\"to\": a host would send to itself";
        (!reading.note_to_itself(&packets.to, message, problems)).then_some(packets)
    }

    fn note_unfit(&self, _: &Hosts, _: &Reading<'_>, _: &mut Problems) {}

    fn longest_ns(&self) -> Option<u64> {
        self.length_ns
    }

    fn concerns(&self, index: u32) -> Option<u32> {
        Some(self.to.dealt(index))
    }

    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        let to = self.to.dealt(turn.index as u32);
        drawing.act::<Self>(turn.at_ns, turn.host, Act { to });
    }

    fn perform(&self, run: &Arc<Run>, actor: Actor, act: &Act) {
        sources::start(run, self, actor, act.to);
    }

    fn tracker(planned: &Planned<'_>) -> sources::Sources {
        sources::Sources::new(planned.window_ns())
    }

    fn serve(run: &Arc<Run>, host: u32) {
        sources::listen(run, host);
    }
}

/// Nanoseconds between two packets of that many bytes.
fn read_rate(reading: &Reading<'_>, packet_bytes: u32, problems: &mut Problems) -> Option<u64> {
    let reader = &reading.reader;
    let either = |text: &str| -> Result<Rate, Expected> {
        if text.contains("bit") {
            return bits_per_second(text).map(Rate::Bits);
        }
        interval_of_fast_rate_ns(text).map(Rate::Interval)
    };
    match reader.quantity("rate", either, problems)? {
        Rate::Interval(ns) => Some(ns),
        Rate::Bits(bps) => {
            let ns = u64::from(packet_bytes) * 8_000_000_000 / bps;
            if ns < 1_000 {
                let message = "\"rate\": expected at most a million packets a second";
                problems.push(reader.span("rate"), message);
                return None;
            }
            Some(ns)
        }
    }
}

/// How a rate was written.
enum Rate {
    /// Nanoseconds between two packets.
    Interval(u64),
    /// Bits per second.
    Bits(u64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    fn text(fields: &str) -> String {
        format!(
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=2\nprogram='none'\n\
             [[workload]]\nkind='packets'\nfrom='g[0]'\n{fields}\n"
        )
    }

    #[test]
    fn a_rate_is_packets_or_bits_a_second() {
        let check = |fields: &str, interval_ns, packet_bytes| {
            let plan = read("t", &text(&format!("to='g[1]'\n{fields}")), None, &[]);
            let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
            let action = &plan.cases[0].scenario.workloads[0].action;
            let packets = action.get::<Packets>().expect("packets were asked for");
            assert_eq!(
                (packets.interval_ns, packets.packet_bytes),
                (interval_ns, packet_bytes)
            );
        };
        check("rate='500/s'", 2_000_000, 1_200);
        check("rate='20000/s'\nsize='48B'\narrivals='poisson'", 50_000, 48);
        check(
            "rate='8Mbit/s'\nsize='1000B'\nat='5s'\nfor='10s'",
            1_000_000,
            1_000,
        );
    }

    #[test]
    fn wrong_packets_are_named() {
        let check = |fields: &str, expected: &str| {
            let problems = read("t", &text(fields), None, &[]).expect_err(fields);
            let problems = problems.to_string();
            assert!(problems.contains(expected), "{fields}: {problems}");
        };
        check("to='g[1]'", "lacks the field \"rate\"");
        check("rate='5/s'", "lacks the field \"to\"");
        check("to='g[0]'\nrate='5/s'", "a host would send to itself");
        check("to='g[1]'\nrate='fast'", "\"rate\": expected how often");
        check("to='g[1]'\nrate='5/s'\nsize='40B'", "expected 48B to 1500B");
        check("to='g[1]'\nrate='5/s'\nsize='9kB'", "expected 48B to 1500B");
        check(
            "to='g[1]'\nrate='5/s'\nfor='0s'",
            "\"for\": expected a time above",
        );
        check("to='g[1]'\nrate='5/s'\nat='2m'", "\"at\"");
        check("to='g[1]'\nrate='5/s'\narrivals='odd'", "unknown arrivals");
        check("to='g[1]'\nrate='1000Gbit/s'", "at most a million packets");
    }
}
