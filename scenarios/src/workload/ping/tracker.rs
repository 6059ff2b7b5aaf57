//! What became of each ping: when its answer came, or why none did.

use std::collections::{BTreeMap, BTreeSet};

use orrery_reports::stats::Recorder;

use super::Ping;
use super::metrics::{PING_LOST, PING_SENT, PING_TIME};
use crate::play::Down;
use crate::play::verdict::losses::Lost;
use crate::play::verdict::metrics::LabelsOf;
use crate::workload::attempts::{Attempt, Attempts};
use crate::workload::not_done::Reason;
use crate::workload::{Ended, HostDown, Planned, Results, Tracker};

crate::named::named! {
    /// Why no answer came.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum PingFailure {
        /// The host that was to ask did not run.
        SenderDown = "sender-down",
        /// The host that had asked lost its power.
        SenderLostPower = "sender-lost-power",
        /// The host that had asked was stopped in good order.
        SenderStopped = "sender-stopped",
        /// No answer came in time, and the host that was asked did not run when it was asked, or when
        /// the time was over.
        TargetDown = "target-down",
        /// No answer came in time: the question is lost, or the answer, or late.
        TimedOut = "timed-out",
        /// The run ended first.
        Unfinished = "unfinished",
    }
}

/// What is known of a ping.
#[derive(Debug, Clone, Copy)]
struct Asked {
    from: u32,
    to: u32,
    /// Whether it was asked at all.
    is_sent: bool,
}

/// All pings of a run.
#[derive(Debug, Default)]
pub struct Pings(Attempts<Asked, PingFailure>);

impl Pings {
    /// Those that a run will have.
    pub fn of(planned: &Planned<'_>) -> Self {
        let pings = planned.acts::<Ping>().map(|(at_ns, from, _, act)| {
            let asked = Asked {
                from,
                to: act.to,
                is_sent: false,
            };
            (act.ping, at_ns, asked)
        });
        Self(Attempts::of(planned, pings))
    }

    /// A host asks.
    pub fn sent(&mut self, number: usize) {
        self.0.what(number).is_sent = true;
    }

    /// The answer has come.
    pub fn answered(&mut self, number: usize, now_ns: u64) {
        self.0.ends(number, now_ns, Ok(()));
    }

    /// No answer has come, or will.
    pub fn fails(&mut self, number: usize, now_ns: u64, cause: PingFailure) {
        self.0.ends(number, now_ns, Err(cause));
    }

    /// Figures of the measured ones that `of` selects, under these labels.
    fn figures(
        &self,
        results: &mut Results<'_>,
        labels: LabelsOf<'_>,
        of: impl Fn(&Asked) -> bool,
    ) {
        let mut times = Recorder::of_microseconds();
        let (mut sent, mut lost) = (0_u64, 0_u64);
        let chosen = self.sent_ones().filter(|(_, ping)| of(&ping.what));
        for (_, ping) in chosen {
            sent += 1;
            match ping.took_ns() {
                Some(took_ns) => times.record(ping.start_ns, took_ns / 1_000),
                None => lost += 1,
            }
        }
        results.metrics.samples(&PING_TIME, labels, &times);
        results.metrics.count(&PING_SENT, labels, sent);
        results.metrics.count(&PING_LOST, labels, lost);
    }

    /// Measured pings that were asked.
    fn sent_ones(&self) -> impl Iterator<Item = (usize, &Attempt<Asked, PingFailure>)> {
        self.0.measured().filter(|(_, ping)| ping.what.is_sent)
    }
}

impl Tracker for Pings {
    /// Whatever the host was waiting for ends.
    fn on_host_down(&mut self, down: &HostDown<'_>) {
        let cause = match down.how {
            Down::LostPower => PingFailure::SenderLostPower,
            Down::Stopped => PingFailure::SenderStopped,
        };
        self.0.fail(down.now_ns, cause, |ping| {
            ping.what.is_sent && ping.what.from == down.host
        });
    }

    fn collect(&mut self, ended: &Ended<'_>, results: &mut Results<'_>) {
        if self.0.is_empty() {
            return;
        }
        self.0.fail(ended.now_ns, PingFailure::Unfinished, |ping| {
            ping.what.is_sent
        });
        self.figures(results, &[], |_| true);
        let group = |host: u32| ended.run.scenario.group_of(host).name.as_str();
        let ends: BTreeSet<(&str, &str)> = self
            .sent_ones()
            .map(|(_, ping)| (group(ping.what.from), group(ping.what.to)))
            .collect();
        for pair in ends {
            let labels = [("from", pair.0), ("to", pair.1)];
            let between = |asked: &Asked| (group(asked.from), group(asked.to)) == pair;
            self.figures(results, &labels, between);
        }
        let lost = self.sent_ones().filter_map(|(number, ping)| {
            Some(Lost {
                item: format!("ping {number}"),
                author: ping.what.from,
                reader: ping.what.to,
                at_ns: ping.start_ns,
                cause: ping.failure()?.name(),
            })
        });
        results.list(ended.run, &PING_LOST, lost);
        let mut causes: BTreeMap<PingFailure, u64> = BTreeMap::new();
        for cause in self.sent_ones().filter_map(|(_, ping)| ping.failure()) {
            *causes.entry(cause).or_default() += 1;
        }
        results.count(&PING_LOST, &causes, PingFailure::name);
    }

    /// Pings of the whole run that nothing could come of, as one of the two hosts did not run.
    fn not_done(&self, add: &mut dyn FnMut(Reason, u64)) {
        for cause in self.0.all().filter_map(|(_, ping)| ping.failure()) {
            match cause {
                PingFailure::SenderDown => add(Reason::HostDown, 1),
                PingFailure::TargetDown => add(Reason::TargetDown, 1),
                PingFailure::SenderLostPower
                | PingFailure::SenderStopped
                | PingFailure::TimedOut
                | PingFailure::Unfinished => {}
            }
        }
    }
}
