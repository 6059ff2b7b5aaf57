//! What became of each pair of hosts that tried to reach each other through NATs.
//!
//! It is told what either side saw and judges nothing until the end. Times are simulated
//! nanoseconds.

use std::collections::BTreeMap;

use orrery_reports::stats::Recorder;

use super::start::Starts;
use super::{Punch, figures};
use crate::play::Down;
use crate::workload::attempts::{Attempt, Attempts};
use crate::workload::not_done::Reason;
use crate::workload::{Ended, HostDown, Planned, Results, Tracker};

crate::named::named! {
    /// Why a pair did not reach each other.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum PunchFailure {
        /// Both sides gave up.
        NoWay = "no-way",
        /// A side gave up before it knew where the other is seen.
        NotIntroduced = "not-introduced",
        /// A side had no power when it was to begin, or no port.
        HostDown = "host-down",
        /// A side lost its power meanwhile.
        HostLostPower = "host-lost-power",
        /// A side was stopped in good order meanwhile.
        HostStopped = "host-stopped",
        /// The run ended first.
        Unfinished = "unfinished",
    }
}

/// What is known of a pair.
#[derive(Debug, Clone, Default)]
pub struct Pair {
    /// The two hosts.
    pub sides: [u32; 2],
    /// When a side first sent to the other.
    began_ns: Option<u64>,
    gave_up: [bool; 2],
}

/// A pair that tries.
pub type Entry = Attempt<Pair, PunchFailure>;

/// All pairs of a run.
#[derive(Debug, Default)]
pub struct Punches {
    pairs: Attempts<Pair, PunchFailure>,
    /// Sides of pairs that wait for the other to know where it is seen.
    pub(super) starts: Starts,
}

/// What became of the pairs that were to begin within the measured time.
#[derive(Debug)]
pub struct Summary {
    /// From the first packet to the other side to the first answer; one sample a success.
    pub times: Recorder,
    /// The others, by cause.
    pub failed: BTreeMap<PunchFailure, u64>,
}

impl Punches {
    /// The pairs that a run will have.
    pub fn of(planned: &Planned<'_>) -> Self {
        let pairs = planned.acts::<Punch>().map(|(at_ns, host, _, act)| {
            let sides = [host, act.to];
            let pair = Pair {
                sides,
                ..Pair::default()
            };
            (act.punch, at_ns, pair)
        });
        Self {
            pairs: Attempts::of(planned, pairs),
            starts: Starts::default(),
        }
    }

    /// A side begins to send to the other.
    pub fn begins(&mut self, punch: usize, now_ns: u64) {
        self.pairs.what(punch).began_ns.get_or_insert(now_ns);
    }

    /// A side has heard the answer to something that it sent to the other.
    pub fn answered(&mut self, punch: usize, now_ns: u64) {
        self.pairs.ends(punch, now_ns, Ok(()));
    }

    /// A side tries no more: the pair has failed once neither does.
    pub fn gives_up(&mut self, punch: usize, side: usize, now_ns: u64) {
        let pair = self.pairs.what(punch);
        pair.gave_up[side] = true;
        if pair.gave_up == [true; 2] {
            self.pairs.ends(punch, now_ns, Err(PunchFailure::NoWay));
        }
    }

    /// A pair cannot even try, unless it has come to an end before.
    pub fn failed(&mut self, punch: usize, cause: PunchFailure, now_ns: u64) {
        self.pairs.ends(punch, now_ns, Err(cause));
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Ends what is still open when the run does.
    fn close(&mut self, now_ns: u64) {
        let begun = |pair: &Entry| pair.start_ns <= now_ns;
        self.pairs.fail(now_ns, PunchFailure::Unfinished, begun);
    }

    /// Measured pairs that failed, with their causes.
    pub fn lost(&self) -> impl Iterator<Item = (usize, &Entry, PunchFailure)> {
        let pairs = self.pairs.measured();
        pairs.filter_map(|(number, pair)| Some((number, pair, pair.failure()?)))
    }

    /// The measured pairs.
    pub fn measured(&self) -> impl Iterator<Item = &Entry> {
        self.pairs.measured().map(|(_, pair)| pair)
    }

    /// What became of those measured ones that `of` selects.
    pub fn summarise(&self, of: impl Fn(&Entry) -> bool) -> Summary {
        let mut summary = Summary {
            times: Recorder::of_microseconds(),
            failed: BTreeMap::new(),
        };
        for pair in self.measured().filter(|pair| of(pair)) {
            if let Some(cause) = pair.failure() {
                *summary.failed.entry(cause).or_default() += 1;
            } else if let Some(end_ns) = pair.end_ns() {
                let began_ns = pair.what.began_ns.unwrap_or(pair.start_ns);
                let took_us = end_ns.saturating_sub(began_ns) / 1_000;
                summary.times.record(pair.start_ns, took_us);
            }
        }
        summary
    }
}

impl Tracker for Punches {
    /// All that the host was trying ends.
    fn on_host_down(&mut self, down: &HostDown<'_>) {
        let cause = match down.how {
            Down::LostPower => PunchFailure::HostLostPower,
            Down::Stopped => PunchFailure::HostStopped,
        };
        self.pairs.fail(down.now_ns, cause, |pair| {
            pair.start_ns <= down.now_ns && pair.what.sides.contains(&down.host)
        });
    }

    fn collect(&mut self, ended: &Ended<'_>, results: &mut Results<'_>) {
        if !self.pairs.is_empty() {
            self.close(ended.now_ns);
            figures::collect(self, ended, results);
        }
    }

    /// Pairs of the whole run of which a host did not run when it was to begin.
    fn not_done(&self, add: &mut dyn FnMut(Reason, u64)) {
        let causes = self.pairs.all().filter_map(|(_, pair)| pair.failure());
        let down = causes.filter(|cause| *cause == PunchFailure::HostDown);
        add(Reason::HostDown, down.count() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn each_pair_has_one_fate_and_fails_when_both_sides_gave_up() {
        let pair = Pair {
            sides: [1, 2],
            ..Pair::default()
        };
        let starts = (0..).zip([0, S, S, S, 9 * S]);
        let pairs = starts.map(|(number, start_ns)| (number, start_ns, pair.clone()));
        let mut punches = Punches {
            pairs: Attempts::within(S..10 * S, pairs),
            starts: Starts::default(),
        };
        punches.failed(0, PunchFailure::HostDown, 0);
        punches.begins(1, 2 * S);
        punches.gives_up(1, 0, 3 * S);
        punches.begins(1, 3 * S);
        punches.answered(1, 4 * S);
        punches.gives_up(1, 1, 5 * S);
        punches.gives_up(2, 1, 5 * S);
        punches.gives_up(2, 0, 5 * S);
        punches.answered(2, 6 * S);
        punches.close(8 * S);
        let summary = punches.summarise(|_| true);
        let orrery_reports::record::Metric::Distribution { count, max, .. } =
            summary.times.finish()
        else {
            panic!("a recorder reports a distribution");
        };
        assert_eq!((count, max as u64), (1, 2_000));
        let causes: Vec<(PunchFailure, u64)> = summary.failed.into_iter().collect();
        assert_eq!(
            causes,
            [(PunchFailure::NoWay, 1), (PunchFailure::Unfinished, 1)]
        );
        let lost: Vec<usize> = punches.lost().map(|(number, ..)| number).collect();
        assert_eq!(lost, [2, 3]);
    }
}
