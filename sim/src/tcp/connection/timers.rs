//! What happens when time passes: retransmission, persist, delayed
//! acknowledgement, keepalive, and the waits of the closing states.

use super::{Connection, State};
use crate::tcp::TcpError;
use crate::time::SimTime;

/// Doublings after which the probe interval has long reached its maximum.
const PROBE_BACKOFF_MAX: u32 = 16;

/// The timers of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timers {
    /// Retransmission, or persist while nothing is in flight.
    pub(super) retransmit: Option<SimTime>,
    /// Delayed acknowledgement.
    pub(super) ack: Option<SimTime>,
    /// End of `TimeWait`, or of a `FinWait2` without an application.
    pub(super) linger: Option<SimTime>,
    /// When to look whether the peer has been silent for too long.
    pub(super) keepalive: Option<SimTime>,
    /// When the peer was last heard.
    pub(super) heard: SimTime,
    /// Keepalive probes since then.
    pub(super) inquiries: u32,
    /// When the peer last showed that it makes progress.
    pub(super) progress: SimTime,
    /// Timeouts or unanswered probes since then.
    pub(super) attempts: u32,
    /// Probes in a row, for their growing interval.
    pub(super) probes: u32,
}

impl Timers {
    pub(super) const fn new(now: SimTime) -> Self {
        Self {
            retransmit: None,
            ack: None,
            linger: None,
            keepalive: None,
            heard: now,
            inquiries: 0,
            progress: now,
            attempts: 0,
            probes: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.retransmit = None;
        self.ack = None;
        self.linger = None;
        self.keepalive = None;
    }

    /// The peer has sent something that belongs to the connection.
    pub(super) fn note_heard(&mut self, now: SimTime) {
        self.heard = now;
        self.inquiries = 0;
    }
}

impl Connection {
    /// When [`Connection::on_timer`] has to be called next, unless something
    /// else happens before.
    pub fn next_timeout(&self) -> Option<SimTime> {
        let timers = &self.timers;
        [
            timers.retransmit,
            timers.ack,
            timers.linger,
            timers.keepalive,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what has become due by `now`; harmless when called early.
    pub fn on_timer(&mut self, now: SimTime) {
        let due = |at: Option<SimTime>| at.is_some_and(|at| at <= now);
        if due(self.timers.linger) {
            self.finish(None);
            return;
        }
        if due(self.timers.ack) {
            self.timers.ack = None;
            self.due.ack = true;
        }
        if due(self.timers.keepalive) {
            self.inquire(now);
        }
        if due(self.timers.retransmit) {
            self.timers.retransmit = None;
            match self.state {
                State::SynSent | State::SynReceived => self.repeat_syn(),
                _ if now - self.timers.progress >= self.config.user_timeout => {
                    self.finish(Some(TcpError::TimedOut));
                }
                _ if self.una < self.max => self.time_out(now),
                _ => self.persist(now),
            }
        }
    }

    /// RFC 9293 §3.8.4: asks a silent peer whether it is there. While something
    /// is to be acknowledged, the other timers ask.
    fn inquire(&mut self, now: SimTime) {
        self.timers.keepalive = None;
        let Some(keepalive) = self.config.keepalive else {
            return;
        };
        if matches!(self.state, State::TimeWait | State::Closed) {
            return;
        }
        let silent_until = self.timers.heard + keepalive.idle;
        let at = if self.una < self.end() {
            now + keepalive.idle
        } else if self.timers.inquiries == 0 && now < silent_until {
            silent_until
        } else if self.timers.inquiries >= keepalive.probes {
            self.finish(Some(TcpError::TimedOut));
            return;
        } else {
            self.timers.inquiries += 1;
            self.due.probe = true;
            now + keepalive.interval
        };
        self.timers.keepalive = Some(at);
    }

    /// The connection is open: from now on silence is noticed.
    pub(super) fn watch(&mut self, now: SimTime) {
        self.timers.note_heard(now);
        self.timers.keepalive = self.config.keepalive.map(|setting| now + setting.idle);
    }

    fn repeat_syn(&mut self) {
        let limit = if self.active {
            self.config.syn_retries
        } else {
            self.config.syn_ack_retries
        };
        if self.timers.attempts >= limit {
            self.finish(Some(TcpError::TimedOut));
            return;
        }
        self.timers.attempts += 1;
        self.counters.timeouts += 1;
        self.rtt.back_off();
        self.timed = None;
        self.due.syn = true;
    }

    /// RFC 6298 §5.4–5.6 and RFC 5681 §3.1: everything in flight is taken for
    /// lost and sent again from the first segment on.
    fn time_out(&mut self, now: SimTime) {
        let first = self.recovery.is_past(self.una);
        self.congestion.on_timeout(now, self.flight_size(), first);
        self.recovery.on_timeout(self.max);
        self.scoreboard.on_timeout(self.una);
        self.timers.attempts += 1;
        self.counters.timeouts += 1;
        self.rtt.back_off();
        self.timed = None;
        self.nxt = self.una;
        self.due.front = true;
    }

    /// RFC 9293 §3.8.6.1: the window was closed, or too small to be worth a
    /// segment, for a whole timeout.
    fn persist(&mut self, now: SimTime) {
        if self.nxt >= self.end() {
            return;
        }
        self.timers.attempts += 1;
        self.timers.probes = (self.timers.probes + 1).min(PROBE_BACKOFF_MAX);
        if self.peer_edge > self.nxt {
            self.due.force = true;
        } else {
            self.due.probe = true;
            self.arm_persist(now);
        }
    }

    /// Starts the persist timer unless a timer already runs.
    pub(super) fn arm_persist(&mut self, now: SimTime) {
        if self.timers.retransmit.is_none() {
            if self.timers.attempts == 0 {
                // Patience begins with the first unanswered question.
                self.timers.progress = now;
            }
            let interval = self
                .rtt
                .rto(&self.config)
                .saturating_mul(1 << self.timers.probes);
            let at = now + interval.min(self.config.rto_max);
            self.timers.retransmit = Some(at.min(self.patience_ends()));
        }
    }

    /// Starts the retransmission timer anew (RFC 6298 §5.1, §5.3).
    pub(super) fn arm_retransmit(&mut self, now: SimTime) {
        let at = now + self.rtt.rto(&self.config);
        self.timers.retransmit = Some(match self.state {
            State::SynSent | State::SynReceived => at,
            _ => at.min(self.patience_ends()),
        });
    }

    fn patience_ends(&self) -> SimTime {
        self.timers.progress + self.config.user_timeout
    }

    /// Enters `TimeWait`, or begins it anew (RFC 9293 §3.10.7.4).
    pub(super) fn wait_out(&mut self, now: SimTime) {
        self.state = State::TimeWait;
        self.timers.clear();
        self.timers.linger = Some(now + self.config.time_wait);
    }
}
