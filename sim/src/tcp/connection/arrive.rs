//! What an arriving segment does (RFC 9293 §3.10.7).

use std::time::Duration;

use super::recovery::Repair;
use super::{Connection, State};
use crate::tcp::TcpError;
use crate::tcp::congestion::Acked;
use crate::tcp::receive::Arrival;
use crate::tcp::segment::{Flags, Segment};
use crate::time::SimTime;

/// Least time between two acknowledgements of segments that are out of the
/// window or forged, lest two stale ends answer each other for ever (RFC 5961
/// §7; Linux's `tcp_invalid_ratelimit`).
const CHALLENGE_INTERVAL: Duration = Duration::from_millis(500);

impl Connection {
    /// Takes a segment of this connection's two addresses.
    pub fn on_segment(&mut self, now: SimTime, segment: Segment) {
        self.counters.segments_received += 1;
        match self.state {
            State::Closed => {}
            State::SynSent => self.arrive_syn_sent(now, &segment),
            _ => self.arrive(now, segment),
        }
    }

    /// RFC 9293 §3.10.7.3.
    fn arrive_syn_sent(&mut self, now: SimTime, segment: &Segment) {
        let acks = segment.flags.contains(Flags::ACK);
        if acks && (self.max == 0 || self.ack_offset(segment.ack) != Some(1)) {
            if let Some(reset) = segment.reset_reply() {
                self.reply = Some(Box::new(reset));
            }
            return;
        }
        if segment.flags.contains(Flags::RST) {
            if acks {
                self.finish(Some(TcpError::Refused));
            }
            return;
        }
        if !segment.flags.contains(Flags::SYN) {
            return;
        }
        self.note_syn(segment);
        if acks {
            self.establish(now, segment);
            self.due.ack = true;
        } else {
            // RFC 9293 §3.5: both ends opened at once.
            self.state = State::SynReceived;
            self.due.syn = true;
        }
    }

    /// RFC 9293 §3.10.7.4.
    fn arrive(&mut self, now: SimTime, segment: Segment) {
        let ahead = i64::from(segment.seq.wrapping_sub(self.expected()) as i32);
        let start = self.recv.next() as i64 + ahead;
        let is = |flag| segment.flags.contains(flag);
        self.timers.note_heard(now);

        if self.state == State::SynReceived && start == 0 && is(Flags::SYN) && !is(Flags::RST) {
            self.arrive_again(now, &segment);
            return;
        }
        if !self.acceptable(start, &segment) {
            self.refuse(now, &segment);
            return;
        }
        if is(Flags::RST) {
            // RFC 5961 §3: only the exact number resets.
            if ahead == 0 {
                self.arrive_reset();
            } else {
                self.challenge(now);
            }
            return;
        }
        // RFC 5961 §4: a peer that has forgotten the connection will answer
        // the acknowledgement with a reset.
        if is(Flags::SYN) {
            self.challenge(now);
            return;
        }
        if !is(Flags::ACK) {
            return;
        }
        let Ok(start) = u64::try_from(start) else {
            return;
        };
        if !self.arrive_ack(now, start, &segment) {
            return;
        }
        self.arrive_text(now, start, segment);
    }

    /// The peer's SYN, seen once more before the handshake is over.
    fn arrive_again(&mut self, now: SimTime, segment: &Segment) {
        if !segment.flags.contains(Flags::ACK) {
            // Our answer was lost: repeat it, as Linux does.
            self.due.syn = true;
        } else if self.ack_offset(segment.ack) == Some(1) && self.max > 0 {
            // RFC 9293 figure 8: each end answers the other's SYN.
            self.establish(now, segment);
            self.due.ack = true;
        } else if let Some(reset) = segment.reset_reply() {
            self.reply = Some(Box::new(reset));
        }
    }

    /// RFC 9293 §3.10.7.4, first check, trimming allowed; as Linux, the right
    /// edge itself is accepted, where a peer stands that has filled the window.
    fn acceptable(&self, start: i64, segment: &Segment) -> bool {
        let next = self.recv.next() as i64;
        let edge = self.recv.edge() as i64;
        let len = i64::from(segment.sequence_len());
        if len == 0 {
            (next..=edge).contains(&start)
        } else {
            start < edge && start + len > next
        }
    }

    /// Answers a segment outside of the window.
    fn refuse(&mut self, now: SimTime, segment: &Segment) {
        if segment.flags.contains(Flags::RST) {
            return;
        }
        if self.state == State::TimeWait && segment.flags.contains(Flags::FIN) {
            // Our acknowledgement was lost.
            self.wait_out(now);
        }
        if segment.payload.is_empty() && !segment.flags.contains(Flags::FIN) {
            self.challenge(now);
        } else {
            self.due.ack = true;
        }
    }

    fn challenge(&mut self, now: SimTime) {
        let recent = self
            .challenged_at
            .is_some_and(|at| now - at < CHALLENGE_INTERVAL);
        if !recent {
            self.challenged_at = Some(now);
            self.due.ack = true;
        }
    }

    fn arrive_reset(&mut self) {
        let error = match self.state {
            State::SynReceived if self.active => Some(TcpError::Refused),
            State::Closing | State::LastAck | State::TimeWait => None,
            _ => Some(TcpError::Reset),
        };
        self.finish(error);
    }

    /// The offset that `ack` stands for; `None` before the beginning.
    fn ack_offset(&self, ack: u32) -> Option<u64> {
        let known = self.iss.wrapping_add(self.una as u32);
        let ahead = i64::from(ack.wrapping_sub(known) as i32);
        u64::try_from(self.una as i64 + ahead).ok()
    }

    /// Handles the acknowledgement; false if the rest is to be ignored.
    fn arrive_ack(&mut self, now: SimTime, start: u64, segment: &Segment) -> bool {
        let ack = self.ack_offset(segment.ack);
        if self.state == State::SynReceived {
            if ack != Some(1) || self.max == 0 {
                if let Some(reset) = segment.reset_reply() {
                    self.reply = Some(Box::new(reset));
                }
                return false;
            }
            self.establish(now, segment);
        }
        let Some(ack) = ack else {
            return true;
        };
        if ack > self.max {
            self.challenge(now);
            return false;
        }
        let news = self.sack && self.note_sack(now, segment);
        if ack < self.una {
            return true;
        }
        let window = u64::from(segment.window) << self.peer_scale;
        if ack > self.una {
            self.arrive_new_ack(now, ack);
        } else if news {
            self.recovery.on_sack();
        } else if !self.sack && self.is_duplicate(segment, ack + window) {
            self.arrive_duplicate(now);
        }
        if self.sack {
            let lost = self.scoreboard.lost_edge(self.mss as u64) > self.una;
            if self.recovery.begin_if_lost(self.una, self.max, lost) {
                self.scoreboard.begin(self.una);
                self.begin_repair(now);
            }
        }
        self.note_window(now, start, ack, window);
        self.note_fin_acked(now);
        self.state != State::Closed
    }

    /// Takes the peer's selective acknowledgements; true if any is news. What
    /// lies outside of the data in flight is old, or forged.
    fn note_sack(&mut self, now: SimTime, segment: &Segment) -> bool {
        let mut news = false;
        for (start, end) in segment.options.sack.iter() {
            let (Some(start), Some(end)) = (self.ack_offset(start), self.ack_offset(end)) else {
                continue;
            };
            if start <= self.una || end <= start || end > self.max {
                continue;
            }
            news |= self.scoreboard.insert(start, end);
            // What is timed was sent once, so this tells of that one time.
            if let Some((_, sent)) = self.timed.take_if(|(at, _)| start < *at && *at <= end) {
                self.rtt.sample(now - sent, &self.config);
            }
        }
        news
    }

    fn arrive_new_ack(&mut self, now: SimTime, ack: u64) {
        let bytes = ack - self.una;
        let in_flight = self.nxt.max(ack) - self.una;
        if let Some((_, sent)) = self.timed.take_if(|(end, _)| *end <= ack) {
            self.rtt.sample(now - sent, &self.config);
        }
        self.una = ack;
        self.nxt = self.nxt.max(ack);
        self.send.release(ack);
        self.scoreboard.release(ack);
        self.timers.progress = now;
        self.timers.attempts = 0;
        let mut restart = true;
        match self.recovery.on_new_ack(ack, bytes, self.mss as u64) {
            Repair::None | Repair::Begin => {
                let rtt = self.rtt.smoothed();
                self.congestion.on_ack(Acked {
                    now,
                    bytes,
                    in_flight,
                    rtt,
                });
            }
            // With SACK, the scoreboard says what to send, and the pipe how much.
            Repair::Continue(_) | Repair::Finish if self.sack => {}
            Repair::Continue(first) => {
                self.due.front = true;
                // RFC 6582 §4, the impatient variant: many losses in one
                // window end in a timeout rather than one a round trip.
                restart = first;
            }
            Repair::Finish => {
                let in_flight = self.max - self.una;
                self.congestion.on_recovered(now, in_flight);
            }
        }
        if self.una == self.max {
            // RFC 6298 §5.2.
            self.timers.retransmit = None;
        } else if restart {
            self.arm_retransmit(now);
        }
    }

    /// RFC 5681 §2's definition of a duplicate acknowledgement.
    fn is_duplicate(&self, segment: &Segment, edge: u64) -> bool {
        self.una < self.max
            && segment.payload.is_empty()
            && !segment.flags.contains(Flags::FIN)
            && edge == self.peer_edge
    }

    fn arrive_duplicate(&mut self, now: SimTime) {
        let repair = self
            .recovery
            .on_duplicate(self.una, self.max, self.mss as u64);
        if repair == Repair::Begin {
            self.begin_repair(now);
        }
    }

    fn begin_repair(&mut self, now: SimTime) {
        self.counters.fast_recoveries += 1;
        self.congestion.on_loss(now, self.flight_size());
        self.due.front = true;
        self.arm_retransmit(now);
    }

    /// RFC 9293 §3.10.7.4, fifth check: SND.WND, unless the news is old.
    fn note_window(&mut self, now: SimTime, start: u64, ack: u64, window: u64) {
        let newer = self.window_seq < start || (self.window_seq == start && self.window_ack <= ack);
        if newer {
            self.window_seq = start;
            self.window_ack = ack;
            self.peer_edge = ack + window;
            self.peer_window_max = self.peer_window_max.max(window);
        }
        if self.una == self.max {
            // Any answer to a probe shows that the peer lives.
            self.timers.progress = now;
            self.timers.attempts = 0;
            if self.peer_edge > self.nxt {
                self.timers.probes = 0;
            }
        }
    }

    fn note_fin_acked(&mut self, now: SimTime) {
        if !self.fin_queued || self.una < self.end() {
            return;
        }
        match self.state {
            State::FinWait1 => {
                self.state = State::FinWait2;
                if self.detached {
                    self.timers.linger = Some(now + self.config.fin_wait);
                }
            }
            State::Closing => self.wait_out(now),
            State::LastAck => self.finish(None),
            _ => {}
        }
    }

    /// Our SYN was acknowledged and the peer's is known.
    fn establish(&mut self, now: SimTime, segment: &Segment) {
        let repeated = self.timers.attempts;
        if let Some((_, sent)) = self.timed.take() {
            self.rtt.sample(now - sent, &self.config);
        }
        if repeated > 0 {
            self.rtt.forget_after_syn_timeout();
        }
        // RFC 6928 §2: a single lost SYN does not cost the initial window.
        if repeated > 1 {
            let window = self.mss as u64;
            self.congestion.on_timeout(now, window, false);
        }
        self.una = 1;
        self.nxt = 1;
        // RFC 7323 §2.2: unscaled in a SYN-ACK.
        let scale = if segment.flags.contains(Flags::SYN) {
            0
        } else {
            self.peer_scale
        };
        let window = u64::from(segment.window) << scale;
        self.peer_edge = 1 + window;
        self.peer_window_max = self.peer_window_max.max(window);
        self.window_seq = 0;
        self.window_ack = 1;
        self.due.syn = false;
        self.timers.clear();
        self.watch(now);
        self.timers.progress = now;
        self.timers.attempts = 0;
        self.state = if self.fin_queued {
            State::FinWait1
        } else {
            State::Established
        };
    }

    /// RFC 9293 §3.10.7.4, seventh and eighth checks: text and FIN.
    fn arrive_text(&mut self, now: SimTime, start: u64, segment: Segment) {
        let fin = segment.flags.contains(Flags::FIN);
        let receives = matches!(
            self.state,
            State::Established | State::FinWait1 | State::FinWait2
        );
        if !receives || (segment.payload.is_empty() && !fin) {
            return;
        }
        if self.detached && start + segment.payload.len() as u64 > self.recv.next() {
            // RFC 9293 §3.6.1: the program will not read it, and the peer should know.
            self.abort();
            return;
        }
        let before = self.recv.next();
        let arrival = self.recv.insert(start, segment.payload, fin);
        match arrival {
            Arrival::InOrder => self.delay_ack(now, (self.recv.next() - before) as usize),
            // RFC 5681 §4.2: at once.
            Arrival::Nothing | Arrival::OutOfOrder | Arrival::ClosedGap => self.due.ack = true,
        }
        if self.recv.finished() {
            self.arrive_fin(now);
        }
    }

    /// Decides when in-order data is acknowledged.
    fn delay_ack(&mut self, now: SimTime, bytes: usize) {
        self.unacked_bytes += bytes;
        let Some(delay) = self.config.delayed_ack else {
            self.due.ack = true;
            return;
        };
        // RFC 9293 §3.8.6.3: at least every second full segment.
        if self.quick_acks > 0 || self.unacked_bytes > self.own_mss() {
            self.quick_acks = self.quick_acks.saturating_sub(1);
            self.due.ack = true;
        } else if self.timers.ack.is_none() {
            self.timers.ack = Some(now + delay);
        }
    }

    fn arrive_fin(&mut self, now: SimTime) {
        match self.state {
            State::Established => self.state = State::CloseWait,
            State::FinWait1 => self.state = State::Closing,
            State::FinWait2 => self.wait_out(now),
            _ => {}
        }
    }
}
