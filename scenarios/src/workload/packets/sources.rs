//! Datagrams between hosts without connections, and what became of them.
//!
//! Owns the sources of the workload `packets` and their counts. Each packet tells which source
//! sent it, its number and its time; what a queue or a link does to it shows in its latency, or by
//! its absence. It judges no cause: what drops packets counts them itself (`net.drops`).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures_timer::Delay;
use orrery_reports::stats::Recorder;
use orrery_sim::random::Stream;

use super::{Arrivals, PAYLOAD_BYTES_MIN, Packets, figures};
use crate::play::run::Run;
use crate::workload::not_done::Reason;
use crate::workload::{Actor, Ended, HEADER_BYTES, Kind, Results, Tracker};

/// The port on which hosts take packets, behind that of flows.
const PORT: u16 = 5202;

/// All sources of a run, and what they brought through.
#[derive(Default)]
pub struct Sources {
    all: Vec<Source>,
    window_ns: Range<u64>,
    /// Of all packets.
    latencies: Option<Recorder>,
    /// By groups of sender and receiver.
    latencies_by_pair: BTreeMap<(usize, usize), Recorder>,
}

/// One host's packets of one workload.
struct Source {
    /// Groups of sender and receiver.
    groups: (usize, usize),
    /// Packets sent within the measured time.
    sent: u64,
    /// Those of them that arrived, a copy counted once.
    delivered: u64,
    /// Which of its packets have arrived, a bit each.
    seen: Vec<u64>,
}

/// What packets between some groups did.
#[derive(Debug)]
pub struct Summary {
    /// Sent within the measured time.
    pub sent: u64,
    /// Of those, delivered.
    pub delivered: u64,
}

impl Sources {
    /// No sources yet; packets that are sent within `window_ns` are measured.
    pub fn new(window_ns: Range<u64>) -> Self {
        Self {
            window_ns,
            ..Self::default()
        }
    }

    /// Whether nothing was to be sent.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Pairs of groups between which packets were sent, ascending.
    pub fn pairs(&self) -> Vec<(usize, usize)> {
        let mut pairs: Vec<_> = self.all.iter().map(|source| source.groups).collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }

    /// What packets did between the groups that `of` selects.
    pub fn summarise(&self, of: impl Fn((usize, usize)) -> bool) -> Summary {
        let chosen = || self.all.iter().filter(|source| of(source.groups));
        Summary {
            sent: chosen().map(|source| source.sent).sum(),
            delivered: chosen().map(|source| source.delivered).sum(),
        }
    }

    /// Latencies between two groups, or of all packets.
    pub fn latencies(&self, groups: Option<(usize, usize)>) -> Option<&Recorder> {
        match groups {
            Some(groups) => self.latencies_by_pair.get(&groups),
            None => self.latencies.as_ref(),
        }
    }

    fn add(&mut self, groups: (usize, usize)) -> u32 {
        self.all.push(Source {
            groups,
            sent: 0,
            delivered: 0,
            seen: Vec::new(),
        });
        self.all.len() as u32 - 1
    }

    fn sent(&mut self, source: u32, now_ns: u64) {
        if self.window_ns.contains(&now_ns) {
            self.all[source as usize].sent += 1;
        }
    }

    fn received(&mut self, label: Label, now_ns: u64) {
        let Some(source) = self.all.get_mut(label.source as usize) else {
            return;
        };
        if !self.window_ns.contains(&label.sent_ns) {
            return;
        }
        let (word, bit) = (label.number as usize / 64, 1 << (label.number % 64));
        if source.seen.len() <= word {
            source.seen.resize(word + 1, 0);
        }
        if source.seen[word] & bit != 0 {
            return;
        }
        source.seen[word] |= bit;
        source.delivered += 1;
        let took_us = now_ns.saturating_sub(label.sent_ns) / 1_000;
        let of_pair = self.latencies_by_pair.entry(source.groups);
        let of_pair = of_pair.or_insert_with(Recorder::of_microseconds);
        let of_all = self.latencies.get_or_insert_with(Recorder::of_microseconds);
        for latencies in [of_pair, of_all] {
            latencies.record(label.sent_ns, took_us);
        }
    }
}

impl Tracker for Sources {
    fn collect(&mut self, ended: &Ended<'_>, results: &mut Results<'_>) {
        if !self.is_empty() {
            figures::collect(self, ended, results);
        }
    }
}

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Label {
    source: u32,
    number: u64,
    sent_ns: u64,
}

impl Label {
    fn write(self, payload_bytes: usize) -> Bytes {
        let mut payload = vec![0; payload_bytes];
        payload[..4].copy_from_slice(&self.source.to_be_bytes());
        payload[4..12].copy_from_slice(&self.number.to_be_bytes());
        payload[12..20].copy_from_slice(&self.sent_ns.to_be_bytes());
        payload.into()
    }

    fn read(payload: &[u8]) -> Option<Self> {
        let payload: &[u8; PAYLOAD_BYTES_MIN as usize] = payload.first_chunk()?;
        let (source, rest) = payload.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        Some(Self {
            source: u32::from_be_bytes(*source),
            number: u64::from_be_bytes(*number),
            sent_ns: u64::from_be_bytes(*rest.first_chunk()?),
        })
    }
}

/// Takes packets on a host, if any are sent to it.
pub fn listen(run: &Arc<Run>, host: u32) {
    let mut all = run.scenario.workloads_of::<Packets>();
    if !all.any(|packets| packets.to.contains(host)) {
        return;
    }
    let listening = Arc::clone(run);
    let listen = async move {
        let socket = match listening.testbed.sockets().bind_udp(host, PORT) {
            Ok(socket) => socket,
            Err(error) => {
                let message = format!("cannot take packets: {error}");
                return listening.testbed.fail(message);
            }
        };
        loop {
            let next = std::future::poll_fn(|cx| socket.poll_receive(cx)).await;
            let Ok((_, payload)) = next else { return };
            if let Some(label) = Label::read(&payload) {
                let now_ns = listening.now_ns();
                listening
                    .state()
                    .trackers
                    .get::<Packets>()
                    .received(label, now_ns);
            }
        }
    };
    run.testbed.spawn(host, listen.boxed());
}

/// Begins to send the packets of a workload from a host.
pub fn start(run: &Arc<Run>, packets: &Packets, actor: Actor, to: u32) {
    let Actor {
        host: from,
        workload,
    } = actor;
    let group = |host: u32| run.world.hosts[host as usize].group;
    let groups = (group(from), group(to));
    let source = run.state().trackers.get::<Packets>().add(groups);
    if !run.runs(from) {
        return run.state().not_done.add(Packets::NAME, Reason::HostDown);
    }
    if !run.runs(to) {
        run.state().not_done.add(Packets::NAME, Reason::TargetDown);
    }
    let stream = run.testbed.stream(&format!("packets {workload}"), from);
    let (packets, sending) = (packets.clone(), Arc::clone(run));
    let send = async move { send(&sending, &packets, (from, to), source, stream).await };
    run.testbed.spawn(from, send.boxed());
}

/// Sends until the time is over or the host loses its socket.
async fn send(
    run: &Run,
    packets: &Packets,
    (from, to): (u32, u32),
    source: u32,
    mut stream: Stream,
) {
    let sockets = run.testbed.sockets();
    let Ok(socket) = sockets.bind_udp(from, 0) else {
        return;
    };
    let start_ns = run.now_ns();
    let end_ns = packets
        .length_ns
        .map_or(u64::MAX, |length_ns| start_ns.saturating_add(length_ns))
        .min(run.scenario.duration_ns);
    let mean = Duration::from_nanos(packets.interval_ns);
    let payload_bytes = (packets.packet_bytes - HEADER_BYTES) as usize;
    let mut due_ns = start_ns;
    for number in 0.. {
        // The first packet of a random source comes after a gap like all others.
        due_ns += match packets.arrivals {
            Arrivals::Constant if number == 0 => 0,
            Arrivals::Constant => packets.interval_ns,
            Arrivals::Poisson => stream.exponential(mean).as_nanos() as u64,
        };
        if due_ns >= end_ns {
            return;
        }
        let now_ns = run.now_ns();
        if due_ns > now_ns {
            Delay::new(Duration::from_nanos(due_ns - now_ns)).await;
        }
        let sent_ns = run.now_ns();
        let label = Label {
            source,
            number,
            sent_ns,
        };
        run.state().trackers.get::<Packets>().sent(source, sent_ns);
        let to = SocketAddr::new(sockets.v4(to).into(), PORT);
        // What a link refuses is lost as what it drops; what the host has lost, ends it.
        let sent = socket.send_to(to, label.write(payload_bytes));
        if sent.is_err_and(|error| error.kind() == std::io::ErrorKind::NotConnected) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_says_what_it_was_told() {
        let label = Label {
            source: 7,
            number: u64::MAX - 1,
            sent_ns: 123_456_789,
        };
        let payload = label.write(100);
        assert_eq!(payload.len(), 100);
        assert_eq!(Label::read(&payload), Some(label));
        assert_eq!(Label::read(&payload[..19]), None);
    }

    #[test]
    fn copies_and_packets_of_the_warm_up_do_not_count() {
        let mut sources = Sources::new(10..20);
        let source = sources.add((0, 1));
        for (number, sent_ns) in [(0, 9), (1, 10), (2, 19), (3, 20)] {
            sources.sent(source, sent_ns);
            let label = Label {
                source,
                number,
                sent_ns,
            };
            sources.received(label, sent_ns + 5_000);
            sources.received(label, sent_ns + 6_000);
        }
        let summary = sources.summarise(|_| true);
        assert_eq!((summary.sent, summary.delivered), (2, 2));
        assert_eq!(sources.latencies(None).map(Recorder::count), Some(2));
        assert_eq!(
            sources.latencies(Some((0, 1))).map(Recorder::count),
            Some(2)
        );
    }
}
