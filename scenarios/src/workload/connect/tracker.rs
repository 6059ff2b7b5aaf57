//! Every attempt to reach a host has a fate: what kind of connection came of it, or why none.
//!
//! It is told what was asked for and what nodes did; it asks no node. Times are simulated
//! nanoseconds; hosts and their identities are by number.

use std::collections::BTreeMap;

use orrery_node::api::{Event, Path, Transport, Unreached};
use orrery_reports::stats::Recorder;

use super::{Wanted, figures};
use crate::play::{Down, Gone, Kinds};
use crate::workload::not_done::Reason;
use crate::workload::{Ended, HostDown, NodeEvent, Results, Tracker};

crate::named::named! {
    /// Why an attempt failed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum ConnectFailure {
        /// The node that was to reach another did not run.
        DialerDown = "dialer-down",
        /// The host that was to reach another lost its power.
        DialerLostPower = "dialer-lost-power",
        /// The node that was to reach another was stopped in good order.
        DialerStopped = "dialer-stopped",
        /// The node that was to be reached did not run at the end of the time.
        TargetDown = "target-down",
        /// The node refused: it was reaching them already, or too many.
        Refused = "refused",
        /// No lookup method knew an address.
        NotFound = "not-found",
        /// No address that was found could be dialled.
        NotConnected = "not-connected",
        /// A relay connects them, and hole punching has failed.
        HolePunchFailed = "hole-punch-failed",
        /// A relay connects them, and no direct connection came in time.
        StayedRelayed = "stayed-relayed",
        /// Nothing came of it in time.
        TimedOut = "timed-out",
        /// There was such a connection, and it did not live for as long as it had to.
        ConnectionLost = "connection-lost",
        /// The run ended first.
        Unfinished = "unfinished",
    }
}

impl From<Unreached> for ConnectFailure {
    fn from(reason: Unreached) -> Self {
        match reason {
            Unreached::NotFound => Self::NotFound,
            Unreached::NotConnected => Self::NotConnected,
            Unreached::TimedOut => Self::TimedOut,
        }
    }
}

/// What an attempt has to come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Which connections are good enough.
    pub wanted: Wanted,
    /// For how long such a connection must live, in nanoseconds.
    pub holds_ns: u64,
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Who reaches.
    pub from: u32,
    /// Whom.
    pub to: u32,
    /// When that was asked.
    pub at_ns: u64,
    terms: Terms,
    /// How they are connected, as last told.
    path: Option<Path>,
    /// What carries that connection.
    transport: Option<Transport>,
    fate: Option<Result<u64, ConnectFailure>>,
}

/// All attempts of a run.
#[derive(Debug, Default)]
pub struct Connects {
    attempts: BTreeMap<u32, Attempt>,
    /// Those without a fate, by who reaches whom.
    open: BTreeMap<(u32, u32), Vec<u32>>,
    /// Those that succeeded and whose connection may still die too early, by the same.
    holding: BTreeMap<(u32, u32), Vec<u32>>,
    /// The newest of each pair.
    newest: BTreeMap<(u32, u32), u32>,
    /// Measured direct dials that relays had arranged.
    pub(super) punches: u64,
    /// Measured hole punches that succeeded, by the attempt that did; the other side's first may
    /// come before any of ours.
    pub(super) punched: BTreeMap<u32, u64>,
}

/// What came of some attempts.
#[derive(Debug)]
pub struct Summary {
    /// From the command to the connection that was wanted.
    pub times: Recorder,
    /// Attempts that succeeded.
    pub succeeded: u64,
    /// Connections by kind, those that were not good enough included.
    pub paths: BTreeMap<Path, u64>,
    /// The same by what carries them.
    pub transports: BTreeMap<Transport, u64>,
    /// Those of punched holes by what carries them.
    pub punched: BTreeMap<Transport, u64>,
    /// As `times`, by what carries the connection.
    pub times_by_transport: BTreeMap<Transport, Recorder>,
    /// The others, by cause.
    pub failed: BTreeMap<ConnectFailure, u64>,
}

impl Connects {
    /// Attempt `number` begins.
    pub fn begins(&mut self, number: u32, (from, to): (u32, u32), terms: Terms, at_ns: u64) {
        let attempt = Attempt {
            from,
            to,
            at_ns,
            terms,
            path: None,
            transport: None,
            fate: None,
        };
        self.attempts.insert(number, attempt);
        self.open.entry((from, to)).or_default().push(number);
        self.newest.insert((from, to), number);
    }

    /// `from` is connected with `to` by such a path, now or still.
    pub fn connected(
        &mut self,
        (from, to): (u32, u32),
        path: Path,
        transport: Transport,
        now_ns: u64,
    ) {
        for number in self.open.get(&(from, to)).cloned().unwrap_or_default() {
            let Some(attempt) = self.attempts.get_mut(&number) else {
                continue;
            };
            attempt.path = Some(path);
            attempt.transport = Some(transport);
            if attempt.terms.wanted == Wanted::Any || path != Path::Relayed {
                let took_ns = now_ns.saturating_sub(attempt.at_ns);
                self.ends(number, Ok(took_ns));
            }
        }
    }

    /// The relayed connection of `from` with `to` is a direct one now, by such a path. Whether `from` had
    /// reached `to`, rather than the other way round.
    pub fn upgraded(
        &mut self,
        (from, to): (u32, u32),
        (path, transport): (Path, Transport),
        now_ns: u64,
    ) -> bool {
        self.connected((from, to), path, transport, now_ns);
        let newest = self.newest.get(&(from, to));
        let attempt = newest.and_then(|number| self.attempts.get_mut(number));
        let Some(attempt) = attempt.filter(|attempt| attempt.path.is_some()) else {
            return false;
        };
        attempt.path = Some(path);
        attempt.transport = Some(transport);
        true
    }

    /// The node of `from` has given up reaching `to`.
    pub fn unreached(&mut self, from: u32, to: u32, reason: Unreached) {
        for number in self.open.get(&(from, to)).cloned().unwrap_or_default() {
            self.ends(number, Err(reason.into()));
        }
    }

    /// Hole punching between two hosts, who are connected by a relay, has failed for good.
    pub fn hole_punch_failed(&mut self, one: u32, other: u32) {
        for pair in [(one, other), (other, one)] {
            for number in self.open.get(&pair).cloned().unwrap_or_default() {
                let attempt = self.attempts.get(&number);
                if attempt.is_some_and(|attempt| attempt.path == Some(Path::Relayed)) {
                    self.ends(number, Err(ConnectFailure::HolePunchFailed));
                }
            }
        }
    }

    /// Attempt `number` fails, unless it has ended.
    pub fn fails(&mut self, number: u32, cause: ConnectFailure) {
        self.ends(number, Err(cause));
    }

    /// The time for attempt `number` is over; its target runs a node, or does not.
    pub fn times_out(&mut self, number: u32, target_runs: bool) {
        let relayed = |attempt: &Attempt| attempt.path == Some(Path::Relayed);
        let cause = if self.attempts.get(&number).is_some_and(relayed) {
            ConnectFailure::StayedRelayed
        } else if target_runs {
            ConnectFailure::TimedOut
        } else {
            ConnectFailure::TargetDown
        };
        self.ends(number, Err(cause));
    }

    /// `from` has no more connections of such kinds with `to`: what succeeded with one of them
    /// a moment ago has not.
    fn gone(&mut self, from: u32, to: u32, kinds: Kinds, now_ns: u64) {
        let numbers = self.holding.remove(&(from, to)).unwrap_or_default();
        let (mut lost, mut kept) = (Vec::new(), Vec::new());
        for number in numbers {
            let Some(attempt) = self.attempts.get(&number).filter(|a| a.holds_at(now_ns)) else {
                continue;
            };
            if kinds == Kinds::All || attempt.terms.wanted == Wanted::Direct {
                lost.push(number);
            } else {
                kept.push(number);
            }
        }
        for number in lost {
            self.loses(number, ConnectFailure::ConnectionLost);
        }
        if !kept.is_empty() {
            self.holding.insert((from, to), kept);
        }
    }

    /// A host's programs end, all that it was reaching, and those who had just reached it.
    fn host_down(&mut self, host: u32, now_ns: u64, how: Down) {
        let cause = match how {
            Down::LostPower => ConnectFailure::DialerLostPower,
            Down::Stopped => ConnectFailure::DialerStopped,
        };
        let holding = std::mem::take(&mut self.holding);
        for ((from, to), numbers) in holding {
            for number in numbers {
                let Some(attempt) = self.attempts.get(&number).filter(|a| a.holds_at(now_ns))
                else {
                    continue;
                };
                if attempt.from == host {
                    self.loses(number, cause);
                } else if attempt.to == host {
                    self.loses(number, ConnectFailure::TargetDown);
                } else {
                    self.holding.entry((from, to)).or_default().push(number);
                }
            }
        }
        let of_it = self.open.range((host, 0)..=(host, u32::MAX));
        let numbers: Vec<u32> = of_it.flat_map(|(_, numbers)| numbers.clone()).collect();
        for number in numbers {
            self.ends(number, Err(cause));
        }
    }

    /// Ends what is still open when the run does.
    pub fn close(&mut self) {
        let numbers: Vec<u32> = self.open.values().flatten().copied().collect();
        for number in numbers {
            self.ends(number, Err(ConnectFailure::Unfinished));
        }
    }

    /// Attempts of the whole run that nothing came of as a host did not run.
    fn in_vain(&self) -> impl Iterator<Item = Reason> + '_ {
        let causes = self.attempts.values().filter_map(Attempt::failure);
        causes.filter_map(|cause| match cause {
            ConnectFailure::DialerDown => Some(Reason::HostDown),
            ConnectFailure::DialerLostPower => Some(Reason::LostPower),
            ConnectFailure::DialerStopped => Some(Reason::Stopped),
            ConnectFailure::TargetDown => Some(Reason::TargetDown),
            ConnectFailure::Refused
            | ConnectFailure::NotFound
            | ConnectFailure::NotConnected
            | ConnectFailure::HolePunchFailed
            | ConnectFailure::StayedRelayed
            | ConnectFailure::TimedOut
            | ConnectFailure::ConnectionLost
            | ConnectFailure::Unfinished => None,
        })
    }

    /// Whether nothing was ever asked for.
    pub fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// The attempts and their numbers.
    pub fn all(&self) -> impl Iterator<Item = (u32, &Attempt)> {
        self.attempts
            .iter()
            .map(|(number, attempt)| (*number, attempt))
    }

    /// Attempt `number` had succeeded, and has not any more.
    fn loses(&mut self, number: u32, cause: ConnectFailure) {
        if let Some(attempt) = self.attempts.get_mut(&number) {
            attempt.fate = Some(Err(cause));
        }
    }

    fn ends(&mut self, number: u32, fate: Result<u64, ConnectFailure>) {
        let Some(attempt) = self.attempts.get_mut(&number) else {
            return;
        };
        if attempt.fate.is_some() {
            return;
        }
        attempt.fate = Some(fate);
        if fate.is_ok() && attempt.terms.holds_ns > 0 {
            let pair = (attempt.from, attempt.to);
            self.holding.entry(pair).or_default().push(number);
        }
        if let Some(open) = self.open.get_mut(&(attempt.from, attempt.to)) {
            open.retain(|other| *other != number);
        }
    }
}

impl Tracker for Connects {
    fn on_event(&mut self, told: &NodeEvent<'_>) {
        let (host, now_ns) = (told.host, told.now_ns);
        match told.event {
            Event::Reached {
                identity,
                path,
                transport,
                ..
            } => {
                if let Some(to) = told.names.of_identity(identity) {
                    self.connected((host, to), *path, *transport, now_ns);
                }
            }
            Event::ReachFailed {
                identity, reason, ..
            } => {
                if let Some(to) = told.names.of_identity(identity) {
                    self.unreached(host, to, *reason);
                }
            }
            Event::Upgraded {
                peer,
                path,
                attempts,
                transport,
                ..
            } => {
                if let Some(to) = told.names.of_peer(peer)
                    && self.upgraded((host, to), (*path, *transport), now_ns)
                    && *path == Path::HolePunched
                    && told.measured
                {
                    *self.punched.entry((*attempts).max(1)).or_default() += 1;
                }
            }
            Event::HolePunching { .. } if told.measured => self.punches += 1,
            Event::HolePunchFailed { peer, .. } => {
                if let Some(to) = told.names.of_peer(peer) {
                    self.hole_punch_failed(host, to);
                }
            }
            _ => {}
        }
    }

    fn on_gone(&mut self, gone: &Gone) {
        self.gone(gone.pair.0, gone.pair.1, gone.kinds, gone.at_ns);
    }

    fn on_host_down(&mut self, down: &HostDown<'_>) {
        self.host_down(down.host, down.now_ns, down.how);
    }

    fn collect(&mut self, ended: &Ended<'_>, results: &mut Results<'_>) {
        if !self.is_empty() {
            self.close();
            figures::collect(self, ended, results);
        }
    }

    fn not_done(&self, add: &mut dyn FnMut(Reason, u64)) {
        self.in_vain().for_each(|reason| add(reason, 1));
    }
}

impl Attempt {
    /// Whether it has succeeded so recently that its connection must still live.
    fn holds_at(&self, now_ns: u64) -> bool {
        let Some(Ok(took_ns)) = self.fate else {
            return false;
        };
        let until_ns = self
            .at_ns
            .saturating_add(took_ns)
            .saturating_add(self.terms.holds_ns);
        now_ns < until_ns
    }

    /// Why it failed, if it has.
    pub fn failure(&self) -> Option<ConnectFailure> {
        self.fate?.err()
    }
}

/// What came of `attempts`.
pub fn summarise<'a>(attempts: impl Iterator<Item = &'a Attempt>) -> Summary {
    let mut summary = Summary {
        times: Recorder::of_microseconds(),
        succeeded: 0,
        paths: BTreeMap::new(),
        transports: BTreeMap::new(),
        punched: BTreeMap::new(),
        times_by_transport: BTreeMap::new(),
        failed: BTreeMap::new(),
    };
    for attempt in attempts {
        if let Some(path) = attempt.path {
            *summary.paths.entry(path).or_default() += 1;
        }
        if let Some(transport) = attempt.transport {
            *summary.transports.entry(transport).or_default() += 1;
            if attempt.path == Some(Path::HolePunched) {
                *summary.punched.entry(transport).or_default() += 1;
            }
        }
        match attempt.fate {
            Some(Ok(took_ns)) => {
                summary.succeeded += 1;
                summary.times.record(attempt.at_ns, took_ns / 1_000);
                if let Some(transport) = attempt.transport {
                    let times = summary.times_by_transport.entry(transport);
                    let times = times.or_insert_with(Recorder::of_microseconds);
                    times.record(attempt.at_ns, took_ns / 1_000);
                }
            }
            Some(Err(cause)) => *summary.failed.entry(cause).or_default() += 1,
            None => {}
        }
    }
    summary
}

#[cfg(test)]
mod tests;
