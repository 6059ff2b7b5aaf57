//! Every flow has a fate: what became of each, and what it carried when.
//!
//! It is told what senders and receivers saw and judges nothing until the end. Times are
//! simulated nanoseconds.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use orrery_reports::stats::Recorder;
use orrery_sim::tcp::Stats;

use super::{Flow, Load, figures};
use crate::fairness::jain;
use crate::play::Down;
use crate::workload::not_done::Reason;
use crate::workload::{Ended, HostDown, Planned, Results, Tracker};

crate::named::named! {
    /// Why a flow did not bring everything through.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum FlowFailure {
        /// Nothing listened.
        Refused = "refused",
        /// Nothing came back for too long.
        TimedOut = "timed-out",
        /// The other side had forgotten the connection, or broke it.
        Reset = "reset",
        /// The port to connect from was in use.
        PortInUse = "port-in-use",
        /// The sender had no power when it was to begin.
        SenderDown = "sender-down",
        /// The sender lost power.
        SenderLostPower = "sender-lost-power",
        /// The sender was stopped in good order.
        SenderStopped = "sender-stopped",
        /// The run ended first.
        Unfinished = "unfinished",
        /// The network told the sender that there is no way.
        Unreachable = "unreachable",
        /// The sender's end was closed without the receiver having read everything.
        ClosedEarly = "closed-early",
    }
}

impl FlowFailure {
    /// What an error of a socket tells.
    pub fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Self::Reset,
            io::ErrorKind::AddrInUse => Self::PortInUse,
            io::ErrorKind::NetworkDown => Self::SenderDown,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Self::Unreachable,
            _ => Self::ClosedEarly,
        }
    }
}

/// One flow.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who sends.
    pub from: u32,
    /// Who receives.
    pub to: u32,
    /// When it was to begin.
    pub start_ns: u64,
    /// When it was to end at the latest, where that is a time; `start_ns` if it is not.
    due_ns: u64,
    /// Whether nothing ran at the receiver when it began.
    receiver_down: bool,
    /// Bytes that it is to carry; `None` if it ends after a time.
    wanted: Option<u64>,
    connected_ns: Option<u64>,
    /// When the receiver last read something.
    read_ns: u64,
    read_bytes: u64,
    /// Bytes that had come to the receiver by then, those included that wait for others.
    arrived_bytes: u64,
    /// Of those, what came within the measured time.
    measured_bytes: u64,
    /// Longest measured time without anything to read.
    stall_ns: u64,
    stats: Stats,
    end: Option<(u64, Result<(), FlowFailure>)>,
}

/// All flows of a run.
#[derive(Debug, Default)]
pub struct Flows {
    entries: Vec<Entry>,
    window_ns: Range<u64>,
}

/// What flows did in the measured time.
#[derive(Debug)]
pub struct Summary {
    /// From the start of a flow to its connection.
    pub connects: Recorder,
    /// From the start of a flow of so many bytes until all were read.
    pub completions: Recorder,
    /// Longest time in which a flow brought nothing, one sample a flow.
    pub stalls: Recorder,
    /// Flows that brought everything through.
    pub delivered: u64,
    /// The others, by cause.
    pub failed: BTreeMap<FlowFailure, u64>,
    /// Segments that senders sent again.
    pub retransmits: u64,
    /// Times that senders' retransmission timers fired.
    pub timeouts: u64,
    /// Jain's index of the flows' goodputs; `None` for fewer than two.
    pub fairness: Option<f64>,
}

impl Flows {
    /// The flows that a run will have.
    pub fn of(planned: &Planned<'_>) -> Self {
        let flows = planned.acts::<Flow>().map(|(at_ns, host, flow, act)| {
            let entry = Entry::new(host, act.to, at_ns, flow.load);
            (act.flow, entry)
        });
        Self {
            entries: flows.collect::<BTreeMap<_, _>>().into_values().collect(),
            window_ns: planned.window_ns(),
        }
    }

    /// A flow begins to a receiver that does not run.
    pub fn receiver_down(&mut self, flow: usize) {
        self.entries[flow].receiver_down = true;
    }

    /// Flows of the whole run that nothing could come of, as one of the two hosts did not run.
    fn in_vain(&self) -> impl Iterator<Item = Reason> + '_ {
        self.entries.iter().filter_map(|entry| {
            let (_, fate) = entry.end?;
            match fate.err()? {
                FlowFailure::SenderDown => Some(Reason::HostDown),
                FlowFailure::Refused
                | FlowFailure::TimedOut
                | FlowFailure::Reset
                | FlowFailure::PortInUse
                | FlowFailure::SenderLostPower
                | FlowFailure::SenderStopped
                | FlowFailure::Unfinished
                | FlowFailure::Unreachable
                | FlowFailure::ClosedEarly => entry.receiver_down.then_some(Reason::TargetDown),
            }
        })
    }

    /// The sender has a connection.
    pub fn connected(&mut self, flow: usize, now_ns: u64) {
        let entry = &mut self.entries[flow];
        entry.connected_ns = Some(now_ns);
        entry.read_ns = now_ns;
    }

    /// The receiver read so many bytes, when `arrived` of the flow had come to its host.
    pub fn read(&mut self, flow: usize, bytes: u64, arrived: u64, now_ns: u64) {
        let window_ns = self.window_ns.clone();
        let Some(entry) = self.entries.get_mut(flow) else {
            return;
        };
        entry.stalled_until(now_ns, &window_ns);
        entry.arrived(arrived, now_ns, &window_ns);
        entry.read_ns = now_ns;
        entry.read_bytes += bytes;
    }

    /// The receiver read to the end.
    pub fn received(&mut self, flow: usize, now_ns: u64) {
        let Some(entry) = self.entries.get(flow) else {
            return;
        };
        let whole = entry.wanted.is_none_or(|wanted| wanted == entry.read_bytes);
        let fate = if whole {
            Ok(())
        } else {
            Err(FlowFailure::ClosedEarly)
        };
        self.end(flow, entry.read_ns.min(now_ns), fate);
    }

    /// The sender's time is over; it closes, which is what it was to do.
    pub fn time_is_up(&mut self, flow: usize, now_ns: u64) {
        self.end(flow, now_ns, Ok(()));
    }

    /// The flow failed, unless it had ended before.
    pub fn failed(&mut self, flow: usize, cause: FlowFailure, now_ns: u64) {
        self.end(flow, now_ns, Err(cause));
    }

    /// What the sender's end has done so far.
    pub fn counted(&mut self, flow: usize, stats: Stats) {
        self.entries[flow].stats = stats;
    }

    /// Whether any flow was to be sent.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn end(&mut self, flow: usize, at_ns: u64, fate: Result<(), FlowFailure>) {
        let window_ns = self.window_ns.clone();
        let entry = &mut self.entries[flow];
        if entry.end.is_none() {
            entry.stalled_until(at_ns, &window_ns);
            entry.end = Some((at_ns, fate));
        }
    }

    /// Ends what is still open when the run does.
    pub fn close(&mut self, now_ns: u64) {
        for flow in 0..self.entries.len() {
            let entry = &self.entries[flow];
            if entry.start_ns <= now_ns {
                // What sends until workloads end has done so, though a run without a drain ends in
                // the same moment.
                let sent = entry.due_ns == u64::MAX && entry.connected_ns.is_some();
                let through = sent && now_ns >= self.window_ns.end;
                let fate = if through {
                    Ok(())
                } else {
                    Err(FlowFailure::Unfinished)
                };
                self.end(flow, now_ns, fate);
            }
        }
    }

    /// Flows that failed and of which some part was measured, with their causes.
    pub fn lost(&self) -> impl Iterator<Item = (usize, &Entry, FlowFailure)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(number, entry)| {
                let (_, fate) = entry.end?;
                let cause = fate.err()?;
                entry
                    .is_measured(&self.window_ns)
                    .then_some((number, entry, cause))
            })
    }

    /// Bits per second that came to receivers of the flows that `of` selects: the bytes of the
    /// measured time over that part of it in which any of them was open, so that no link gives
    /// more than its rate.
    pub fn goodput(&self, of: impl Fn(&Entry) -> bool) -> Option<f64> {
        let chosen = || self.entries.iter().filter(|entry| of(entry));
        let mut lives: Vec<Range<u64>> = chosen()
            .filter_map(|entry| entry.measured_life(&self.window_ns))
            .collect();
        lives.sort_by_key(|life| life.start);
        let (mut open_ns, mut until_ns) = (0, 0);
        for life in lives {
            open_ns += life.end.saturating_sub(life.start.max(until_ns));
            until_ns = until_ns.max(life.end);
        }
        let bytes: u64 = chosen().map(|entry| entry.measured_bytes).sum();
        (open_ns > 0).then(|| bytes as f64 * 8e9 / open_ns as f64)
    }

    /// Pairs of sender and receiver, ascending.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        let pairs = self.entries.iter().map(|entry| (entry.from, entry.to));
        pairs.collect::<std::collections::BTreeSet<_>>().into_iter()
    }

    /// What they did in the measured time.
    pub fn summarise(&self) -> Summary {
        let mut summary = Summary {
            connects: Recorder::of_microseconds(),
            completions: Recorder::of_microseconds(),
            stalls: Recorder::of_microseconds(),
            delivered: 0,
            failed: BTreeMap::new(),
            retransmits: 0,
            timeouts: 0,
            fairness: None,
        };
        let mut goodputs = Vec::new();
        for entry in &self.entries {
            if let Some(life) = entry.measured_life(&self.window_ns) {
                summary.stalls.record(life.start, entry.stall_ns / 1_000);
                summary.retransmits += entry.stats.retransmits;
                summary.timeouts += entry.stats.timeouts;
                let length_ns = life.end - life.start;
                let bits = u128::from(entry.measured_bytes) * 8_000_000_000;
                goodputs.push((bits / u128::from(length_ns)) as u64);
            }
            if entry.is_measured(&self.window_ns) {
                entry.judge(&mut summary);
            }
        }
        if goodputs.len() > 1 {
            summary.fairness = Some(jain(&goodputs)).filter(|index| index.is_finite());
        }
        summary
    }
}

impl Tracker for Flows {
    /// All that the host was sending ends.
    fn on_host_down(&mut self, down: &HostDown<'_>) {
        let cause = match down.how {
            Down::LostPower => FlowFailure::SenderLostPower,
            Down::Stopped => FlowFailure::SenderStopped,
        };
        for flow in 0..self.entries.len() {
            let entry = &self.entries[flow];
            if entry.from == down.host && entry.start_ns <= down.now_ns {
                self.end(flow, down.now_ns, Err(cause));
            }
        }
    }

    fn collect(&mut self, ended: &Ended<'_>, results: &mut Results<'_>) {
        if !self.is_empty() {
            self.close(ended.now_ns);
            figures::collect(self, ended, results);
        }
    }

    fn not_done(&self, add: &mut dyn FnMut(Reason, u64)) {
        self.in_vain().for_each(|reason| add(reason, 1));
    }
}

impl Entry {
    fn new(from: u32, to: u32, start_ns: u64, load: Load) -> Self {
        Self {
            from,
            to,
            start_ns,
            due_ns: match load {
                Load::Bytes(_) => start_ns,
                Load::For(length_ns) => start_ns.saturating_add(length_ns),
                Load::ToTheEnd => u64::MAX,
            },
            receiver_down: false,
            wanted: match load {
                Load::Bytes(bytes) => Some(bytes),
                Load::For(_) | Load::ToTheEnd => None,
            },
            connected_ns: None,
            read_ns: start_ns,
            read_bytes: 0,
            arrived_bytes: 0,
            measured_bytes: 0,
            stall_ns: 0,
            stats: Stats::default(),
            end: None,
        }
    }

    /// Whether it was under way, or tried to be, at any measured moment; or would have been, had
    /// it not failed before.
    fn is_measured(&self, window_ns: &Range<u64>) -> bool {
        let ended_ns = match self.end {
            Some((at_ns, Ok(()))) => at_ns,
            Some((at_ns, Err(_))) => at_ns.max(self.due_ns),
            None => self.start_ns,
        };
        self.start_ns < window_ns.end && ended_ns >= window_ns.start
    }

    /// The part of its connection's life that lies within the measured time; `None` if nothing.
    /// What the network still brought after the sender had ended is part of that life.
    fn measured_life(&self, window_ns: &Range<u64>) -> Option<Range<u64>> {
        let (end_ns, _) = self.end?;
        let end_ns = end_ns.max(self.read_ns).min(window_ns.end);
        let life = self.connected_ns?.max(window_ns.start)..end_ns;
        (life.start < life.end).then_some(life)
    }

    /// So many bytes had come when the receiver read. What came since the last read counts by
    /// the share of that time that is measured: at both edges of the measured time, as if it had
    /// come evenly, which a link's rate bounds as it bounds the whole.
    fn arrived(&mut self, bytes: u64, now_ns: u64, window_ns: &Range<u64>) {
        let fresh = bytes.saturating_sub(self.arrived_bytes);
        self.arrived_bytes += fresh;
        let span_ns = now_ns.saturating_sub(self.read_ns);
        let from_ns = self.read_ns.max(window_ns.start);
        let measured_ns = now_ns.min(window_ns.end).saturating_sub(from_ns);
        self.measured_bytes += if span_ns == 0 {
            if window_ns.contains(&now_ns) {
                fresh
            } else {
                0
            }
        } else {
            (u128::from(fresh) * u128::from(measured_ns) / u128::from(span_ns)) as u64
        };
    }

    /// Nothing came between the last read and `now_ns`.
    fn stalled_until(&mut self, now_ns: u64, window_ns: &Range<u64>) {
        if self.connected_ns.is_none() || self.end.is_some() {
            return;
        }
        let (from, to) = (self.read_ns.max(window_ns.start), now_ns.min(window_ns.end));
        self.stall_ns = self.stall_ns.max(to.saturating_sub(from));
    }

    fn judge(&self, summary: &mut Summary) {
        let Some((end_ns, fate)) = self.end else {
            return;
        };
        if let Some(connected_ns) = self.connected_ns {
            let took_us = (connected_ns - self.start_ns) / 1_000;
            summary.connects.record(self.start_ns, took_us);
        }
        match fate {
            Ok(()) => {
                summary.delivered += 1;
                if self.wanted.is_some() {
                    let took_us = (end_ns - self.start_ns) / 1_000;
                    summary.completions.record(self.start_ns, took_us);
                }
            }
            Err(cause) => *summary.failed.entry(cause).or_default() += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: u64 = 1_000_000_000;

    /// Flows that begin at 0 s, measured from 10 s to 20 s.
    fn flows(loads: &[Load]) -> Flows {
        Flows {
            entries: loads
                .iter()
                .zip(0..)
                .map(|(&load, host)| Entry::new(host, 9, 0, load))
                .collect(),
            window_ns: 10 * S..20 * S,
        }
    }

    #[test]
    fn goodput_counts_only_what_was_measured() {
        let mut flows = flows(&[Load::ToTheEnd, Load::ToTheEnd]);
        for flow in [0, 1] {
            flows.connected(flow, S);
            flows.read(flow, 1_000_000, 1_000_000, 9 * S);
        }
        // Of what came from 9 to 12 s, two thirds came in the measured time.
        flows.read(0, 4_500, 1_004_500, 12 * S);
        flows.read(1, 1_250, 1_001_250, 14 * S);
        flows.failed(1, FlowFailure::Reset, 15 * S);
        flows.close(20 * S);
        assert_eq!(flows.goodput(|_| true), Some(3_200.0));
        assert_eq!(flows.goodput(|entry| entry.from == 1), Some(1_600.0));
        assert_eq!(flows.goodput(|entry| entry.from == 7), None);
        let summary = flows.summarise();
        assert_eq!(summary.fairness, Some(jain(&[2_400, 1_600])));
        assert_eq!(summary.stalls.count(), 2);
    }

    #[test]
    fn a_flow_to_the_end_has_sent_until_then_without_a_drain_too() {
        let check = |close_ns, delivered| {
            let mut flows = flows(&[Load::ToTheEnd, Load::For(30 * S)]);
            flows.connected(0, S);
            flows.connected(1, S);
            flows.close(close_ns);
            assert_eq!(flows.summarise().delivered, delivered);
        };
        check(20 * S, 1);
        check(19 * S, 0);
    }

    #[test]
    fn a_flow_that_failed_before_counts_if_it_was_to_go_on() {
        let loads = [
            Load::ToTheEnd,
            Load::For(15 * S),
            Load::For(5 * S),
            Load::Bytes(10),
        ];
        let mut flows = flows(&loads);
        for flow in 0..4 {
            flows.receiver_down(flow);
            flows.failed(flow, FlowFailure::Refused, S);
        }
        flows.close(20 * S);
        assert_eq!(flows.summarise().failed[&FlowFailure::Refused], 2);
        assert_eq!(flows.in_vain().count(), 4);
    }

    #[test]
    fn what_still_comes_after_the_sender_has_ended_takes_its_time() {
        let mut flows = flows(&[Load::For(S)]);
        flows.window_ns = 0..20 * S;
        flows.connected(0, S);
        flows.read(0, 1_000, 1_000, 2 * S);
        flows.time_is_up(0, 2 * S);
        // A gap closes: what came beyond it had come before.
        flows.read(0, 4_000, 9_000, 5 * S);
        flows.read(0, 4_000, 9_000, 9 * S);
        flows.close(20 * S);
        assert_eq!(flows.goodput(|_| true), Some(9_000.0));
    }

    proptest! {
        /// Whatever was read when, and wherever the measured time begins and ends: a link of a
        /// byte in a microsecond gives no more than its 8 Mbit/s.
        #[test]
        fn no_flow_gets_more_than_its_link(
            reads in proptest::collection::vec((1_u64..3_000_000, 0_u64..=100), 1..60),
            connected_us in 0_u64..20_000_000,
            window_us in (0_u64..40_000_000, 1_u64..60_000_000),
            ended_after in 0_usize..60,
        ) {
            let mut flows = flows(&[Load::For(S)]);
            let (from_us, length_us) = window_us;
            flows.window_ns = from_us * 1_000..(from_us + length_us) * 1_000;
            flows.connected(0, connected_us * 1_000);
            let (mut now_us, mut arrived) = (connected_us, 0);
            for (turn, (gap_us, percent)) in reads.into_iter().enumerate() {
                now_us += gap_us;
                arrived += gap_us * percent / 100;
                flows.read(0, 1, arrived, now_us * 1_000);
                if turn == ended_after {
                    flows.time_is_up(0, now_us * 1_000);
                }
            }
            flows.close(now_us * 1_000);
            let most = flows.goodput(|_| true).unwrap_or_default();
            prop_assert!(most <= 8e6, "{most}");
        }
    }

    #[test]
    fn the_longest_silence_of_an_open_flow_is_its_stall() {
        let mut flows = flows(&[Load::ToTheEnd]);
        flows.connected(0, S);
        flows.read(0, 1, 1, 2 * S);
        flows.read(0, 1, 2, 13 * S);
        flows.read(0, 1, 3, 14 * S);
        flows.time_is_up(0, 16 * S);
        flows.read(0, 1, 4, 19 * S);
        assert_eq!(flows.entries[0].stall_ns, 3 * S);
    }

    #[test]
    fn each_flow_has_one_fate() {
        let mut flows = flows(&[
            Load::Bytes(10),
            Load::Bytes(10),
            Load::Bytes(10),
            Load::For(S),
        ]);
        flows.window_ns = 0..20 * S;
        for flow in 0..3 {
            flows.connected(flow, S);
        }
        flows.read(0, 10, 10, 2 * S);
        flows.received(0, 3 * S);
        flows.failed(0, FlowFailure::Reset, 4 * S);
        flows.read(1, 9, 9, 2 * S);
        flows.received(1, 3 * S);
        flows.on_host_down(&HostDown {
            host: 2,
            now_ns: 5 * S,
            how: Down::LostPower,
            node: None,
        });
        flows.close(20 * S);
        let summary = flows.summarise();
        assert_eq!((summary.delivered, summary.connects.count()), (1, 3));
        assert_eq!(summary.completions.count(), 1);
        let causes: Vec<(FlowFailure, u64)> = summary.failed.into_iter().collect();
        let expected = [
            (FlowFailure::SenderLostPower, 1),
            (FlowFailure::Unfinished, 1),
            (FlowFailure::ClosedEarly, 1),
        ];
        assert_eq!(causes, expected);
        assert_eq!(flows.lost().count(), 3);
    }
}
