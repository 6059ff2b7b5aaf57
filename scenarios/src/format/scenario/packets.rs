//! The workload `packets`: datagrams at a rate, as queueing theory has them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::group::Group;
use super::selector::{self, Hosts};
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::{
    Expected, bits_per_second, bytes, interval_of_fast_rate_ns, time_ns,
};
use crate::format::reading::reader::Reader;

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
    /// Who receives: the n-th sender sends to the n-th of them, over and over.
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

/// Headers of a datagram over IPv4.
pub const HEADER_BYTES: u32 = 28;

/// What a packet has to say: which source, which packet, when it was sent.
pub const PAYLOAD_BYTES_MIN: u32 = 20;

/// Packets of a workload's sources together at most.
const PACKETS_MAX: u64 = 100_000_000;

impl Packets {
    /// Reads what is particular to packets.
    pub fn read(
        reader: &Reader<'_>,
        from: Option<&Hosts>,
        groups: &[Group],
        duration_ns: u64,
        problems: &mut Problems,
    ) -> Option<Self> {
        let to = selector::read(reader, "to", groups, problems);
        let packet_bytes = read_size(reader, from, groups, problems);
        let interval_ns = read_rate(reader, packet_bytes?, problems)?;
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
        let senders = from.map_or(0, |from| u64::from(from.len()));
        let length_ns = packets.length_ns.unwrap_or(duration_ns).min(duration_ns);
        if (length_ns / interval_ns).saturating_mul(senders) > PACKETS_MAX {
            let message = format!("\"rate\": more than {PACKETS_MAX} packets in all");
            problems.push(reader.span("rate"), message);
            return None;
        }
        let mut pairs = from.into_iter().flat_map(Hosts::iter).zip(0..);
        if pairs.any(|(sender, place)| packets.to.dealt(place) == sender) {
            let message = "\"to\": a host would send to itself";
            problems.push(reader.span("to"), message);
            return None;
        }
        Some(packets)
    }
}

/// Bytes of a packet, which the senders' links take.
fn read_size(
    reader: &Reader<'_>,
    from: Option<&Hosts>,
    groups: &[Group],
    problems: &mut Problems,
) -> Option<u32> {
    if reader.value("size").is_none() {
        return Some(1_200);
    }
    let size = reader.quantity("size", bytes, problems)?;
    let sends = |group: &&Group| {
        let mut hosts = from.into_iter().flat_map(Hosts::iter);
        hosts.any(|host| group.hosts().contains(&host))
    };
    let links = groups
        .iter()
        .filter(sends)
        .map(|group| group.access.mtu_bytes);
    let most = links.min().unwrap_or(1_500);
    let least = HEADER_BYTES + PAYLOAD_BYTES_MIN;
    if !(i64::from(least)..=i64::from(most)).contains(&size) {
        let message = format!(
            "\"size\": expected {least}B to {most}B, headers of {HEADER_BYTES} B included, which \
             is what the link of the senders takes"
        );
        problems.push(reader.span("size"), message);
        return None;
    }
    Some(size as u32)
}

/// Nanoseconds between two packets of that many bytes.
fn read_rate(reader: &Reader<'_>, packet_bytes: u32, problems: &mut Problems) -> Option<u64> {
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
    use crate::format::read;
    use crate::format::scenario::workload::Action;

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
            let Action::Packets(packets) = &plan.cases[0].scenario.workloads[0].action else {
                panic!("packets were asked for");
            };
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
