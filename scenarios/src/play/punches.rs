//! What became of each pair of hosts that tried to reach each other through NATs.
//!
//! It is told what either side saw and judges nothing until the end. Times are simulated
//! nanoseconds.

use std::collections::BTreeMap;
use std::ops::Range;

use orrery_reports::stats::Recorder;

use super::conditions::Down;
use super::not_done::Reason;
use crate::world::{Step, World};

/// Why a pair did not reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Both sides gave up.
    NoWay,
    /// A side gave up before it knew where the other is seen.
    NotIntroduced,
    /// A side had no power when it was to begin, or no port.
    HostDown,
    /// A side lost its power meanwhile.
    HostLostPower,
    /// A side was stopped in good order meanwhile.
    HostStopped,
    /// The run ended first.
    Unfinished,
}

impl Cause {
    /// As metrics and the ledger of losses name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoWay => "no-way",
            Self::NotIntroduced => "not-introduced",
            Self::HostDown => "host-down",
            Self::HostLostPower => "host-lost-power",
            Self::HostStopped => "host-stopped",
            Self::Unfinished => "unfinished",
        }
    }
}

/// One pair.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The two hosts.
    pub sides: [u32; 2],
    /// When they were to begin.
    pub start_ns: u64,
    /// When a side first sent to the other.
    began_ns: Option<u64>,
    gave_up: [bool; 2],
    end: Option<(u64, Result<(), Cause>)>,
}

/// All pairs of a run.
#[derive(Debug, Default)]
pub struct Punches {
    entries: Vec<Entry>,
    window_ns: Range<u64>,
}

/// What became of the pairs that were to begin within the measured time.
#[derive(Debug)]
pub struct Summary {
    /// From the first packet to the other side to the first answer; one sample a success.
    pub times: Recorder,
    /// The others, by cause.
    pub failed: BTreeMap<Cause, u64>,
}

impl Punches {
    /// The pairs that a world will have; `window_ns` is measured.
    pub fn of(world: &World, window_ns: Range<u64>) -> Self {
        let mut entries = BTreeMap::new();
        for (at_ns, step) in &world.steps {
            if let Step::Punch {
                host, to, punch, ..
            } = step
            {
                let entry = Entry {
                    sides: [*host, *to],
                    start_ns: *at_ns,
                    ..Entry::default()
                };
                entries.insert(*punch, entry);
            }
        }
        Self {
            entries: entries.into_values().collect(),
            window_ns,
        }
    }

    /// A side begins to send to the other.
    pub fn begins(&mut self, punch: usize, now_ns: u64) {
        self.entries[punch].began_ns.get_or_insert(now_ns);
    }

    /// A side has heard the answer to something that it sent to the other.
    pub fn answered(&mut self, punch: usize, now_ns: u64) {
        self.entries[punch].end(now_ns, Ok(()));
    }

    /// A side tries no more: the pair has failed once neither does.
    pub fn gives_up(&mut self, punch: usize, side: usize, now_ns: u64) {
        let entry = &mut self.entries[punch];
        entry.gave_up[side] = true;
        if entry.gave_up == [true; 2] {
            entry.end(now_ns, Err(Cause::NoWay));
        }
    }

    /// A pair cannot even try, unless it has come to an end before.
    pub fn failed(&mut self, punch: usize, cause: Cause, now_ns: u64) {
        self.entries[punch].end(now_ns, Err(cause));
    }

    /// A machine's programs end, and all that it was trying.
    pub fn host_down(&mut self, machine: u32, now_ns: u64, how: Down) {
        let cause = match how {
            Down::PowerCut => Cause::HostLostPower,
            Down::Stopped => Cause::HostStopped,
        };
        for entry in &mut self.entries {
            if entry.start_ns <= now_ns && entry.sides.contains(&machine) {
                entry.end(now_ns, Err(cause));
            }
        }
    }

    /// Pairs of the whole run of which a host did not run when it was to begin.
    pub fn not_done(&self) -> impl Iterator<Item = Reason> + '_ {
        let fates = self.entries.iter().filter_map(|entry| entry.end?.1.err());
        fates.filter_map(|cause| (cause == Cause::HostDown).then_some(Reason::HostDown))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether anybody was to try.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Ends what is still open when the run does.
    pub fn close(&mut self, now_ns: u64) {
        for entry in &mut self.entries {
            if entry.start_ns <= now_ns {
                entry.end(now_ns, Err(Cause::Unfinished));
            }
        }
    }

    /// Measured pairs that failed, with their causes.
    pub fn lost(&self) -> impl Iterator<Item = (usize, &Entry, Cause)> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(number, entry)| {
            let (_, fate) = entry.end.filter(|_| self.is_measured(entry))?;
            Some((number, entry, fate.err()?))
        })
    }

    /// The measured pairs.
    pub fn measured(&self) -> impl Iterator<Item = &Entry> {
        let entries = self.entries.iter();
        entries.filter(|entry| self.is_measured(entry))
    }

    /// What became of those measured ones that `of` selects.
    pub fn summarise(&self, of: impl Fn(&Entry) -> bool) -> Summary {
        let mut summary = Summary {
            times: Recorder::of_microseconds(),
            failed: BTreeMap::new(),
        };
        for entry in self.measured().filter(|entry| of(entry)) {
            match entry.end {
                Some((end_ns, Ok(()))) => {
                    let began_ns = entry.began_ns.unwrap_or(entry.start_ns);
                    let took_us = end_ns.saturating_sub(began_ns) / 1_000;
                    summary.times.record(entry.start_ns, took_us);
                }
                Some((_, Err(cause))) => *summary.failed.entry(cause).or_default() += 1,
                None => {}
            }
        }
        summary
    }

    fn is_measured(&self, entry: &Entry) -> bool {
        self.window_ns.contains(&entry.start_ns)
    }
}

impl Entry {
    fn end(&mut self, at_ns: u64, fate: Result<(), Cause>) {
        self.end.get_or_insert((at_ns, fate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn each_pair_has_one_fate_and_fails_when_both_sides_gave_up() {
        let entry = |start_ns| Entry {
            sides: [1, 2],
            start_ns,
            ..Entry::default()
        };
        let mut punches = Punches {
            entries: vec![entry(0), entry(S), entry(S), entry(S), entry(9 * S)],
            window_ns: S..10 * S,
        };
        punches.failed(0, Cause::HostDown, 0);
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
        let causes: Vec<(Cause, u64)> = summary.failed.into_iter().collect();
        assert_eq!(causes, [(Cause::NoWay, 1), (Cause::Unfinished, 1)]);
        let lost: Vec<usize> = punches.lost().map(|(number, ..)| number).collect();
        assert_eq!(lost, [2, 3]);
    }
}
