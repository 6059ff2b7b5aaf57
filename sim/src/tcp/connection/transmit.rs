//! What is sent, and when it may be: handshake, data, retransmissions, probes
//! and acknowledgements.

use bytes::Bytes;

use super::{Connection, State};
use crate::tcp::segment::{Flags, Segment};
use crate::time::SimTime;

impl Connection {
    /// The next segment to send; call until `None`.
    pub fn poll_transmit(&mut self, now: SimTime) -> Option<Segment> {
        if let Some(reply) = self.reply.take() {
            self.counters.segments_sent += 1;
            return Some(*reply);
        }
        let segment = match self.state {
            State::Closed => None,
            State::SynSent | State::SynReceived => self.poll_handshake(now),
            _ => self.poll_data(now).or_else(|| self.poll_bare()),
        };
        if segment.is_some() {
            self.counters.segments_sent += 1;
        }
        segment
    }

    fn poll_handshake(&mut self, now: SimTime) -> Option<Segment> {
        if !std::mem::take(&mut self.due.syn) {
            return self.poll_bare();
        }
        if self.max > 0 {
            self.counters.retransmits += 1;
        }
        let flags = match self.state {
            State::SynSent => Flags::SYN,
            _ => Flags::SYN | Flags::ACK,
        };
        let mut syn = self.bare(0, flags);
        // RFC 7323 §2.2: the window of a SYN is never scaled.
        let own_mss = self.own_mss();
        syn.window = self.recv.advertise(0, u16::MAX, own_mss);
        syn.options.mss = Some(own_mss as u16);
        syn.options.window_scale = self.scaling.then_some(self.own_scale);
        syn.options.sack_permitted = self.sack;
        if self.state == State::SynSent {
            syn.ack = 0;
        }
        if self.max == 0 {
            self.timed = Some((1, now));
        }
        self.nxt = 1;
        self.max = 1;
        self.due.ack = false;
        self.arm_retransmit(now);
        Some(syn)
    }

    /// New data or a retransmission.
    fn poll_data(&mut self, now: SimTime) -> Option<Segment> {
        if std::mem::take(&mut self.due.front) && self.una < self.max {
            // RFC 5681 §3.2 step 2, RFC 6298 §5.4: whatever the windows say.
            let end = self.scoreboard.gap_end(self.una).min(self.max);
            return Some(self.repeat((self.una, end), now));
        }
        let repairs = self.sack && self.recovery.is_active();
        if repairs && self.has_room() {
            let lost = self.scoreboard.next_lost(self.una, self.mss as u64);
            if let Some(gap) = lost {
                return Some(self.repeat(gap, now));
            }
        }
        if self.nxt < self.max {
            // After a timeout, what the peer holds need not be sent again.
            self.nxt = self.scoreboard.skip(self.nxt).min(self.max);
        }
        let until = self.end().min(self.scoreboard.gap_end(self.nxt));
        let unsent = until.saturating_sub(self.nxt);
        if let Some(len) = self.sendable(unsent) {
            self.restart_after_idleness(now);
            self.due.force = false;
            return Some(self.emit(self.nxt, len, now));
        }
        if repairs && self.has_room() {
            let doubtful = self.scoreboard.next_doubtful(self.una);
            if let Some(gap) = doubtful {
                return Some(self.repeat(gap, now));
            }
            // Later than RFC 6675 has it: once a repetition was acknowledged, a
            // round trip has passed, and the tail is not merely under way.
            if self.recovery.has_advanced()
                && let Some((start, end)) = self.scoreboard.rescue(self.una, self.max)
            {
                let start = start.max(end.saturating_sub(self.payload_max()));
                return Some(self.emit(start, (end - start) as usize, now));
            }
        }
        if unsent > 0 && self.una == self.max {
            self.arm_persist(now);
        }
        None
    }

    /// The first segment of a gap, again.
    fn repeat(&mut self, gap: (u64, u64), now: SimTime) -> Segment {
        let len = (gap.1 - gap.0).min(self.payload_max());
        self.scoreboard.note_repeated(gap.0 + len);
        self.emit(gap.0, len as usize, now)
    }

    /// Largest payload beside the options that every segment carries now
    /// (RFC 6691 §2).
    fn payload_max(&self) -> u64 {
        (self.mss - self.options().wire_len()) as u64
    }

    /// What was sent and is taken to be in the network.
    fn in_flight(&self) -> u64 {
        if self.scoreboard.is_empty() || !self.sack {
            self.nxt - self.una
        } else if self.recovery.is_active() {
            self.scoreboard.pipe(self.una, self.max, self.mss as u64)
        } else {
            self.scoreboard.missing(self.una, self.nxt)
        }
    }

    /// What may be in flight.
    fn window(&self) -> u64 {
        let window = self.congestion.window();
        if self.sack {
            window
        } else {
            self.recovery.window(window, self.mss as u64)
        }
    }

    /// Whether the congestion window has room for a segment (RFC 6675 §5, C).
    fn has_room(&self) -> bool {
        self.in_flight() + self.mss as u64 <= self.window()
    }

    /// Flight size at a loss, without what limited transmit has added
    /// (RFC 5681 §3.2 step 2).
    pub(super) fn flight_size(&self) -> u64 {
        (self.max - self.una).min(self.congestion.window())
    }

    /// How many of the `unsent` offsets the next segment may take.
    fn sendable(&self, unsent: u64) -> Option<usize> {
        if unsent == 0 {
            return None;
        }
        let congestion_room = self.window().saturating_sub(self.in_flight());
        let peer_room = self.peer_edge.saturating_sub(self.nxt);
        let segment = self.payload_max();
        let want = unsent.min(segment);
        if congestion_room.min(peer_room) >= want {
            // RFC 9293 §3.7.4: Nagle's algorithm.
            let small = want < segment && self.nxt == self.max && self.una < self.max;
            let waits = self.config.nagle && small && !self.fin_queued;
            return (!waits).then_some(want as usize);
        }
        // RFC 9293 §3.8.6.2.1: a part is sent only if it is half of the
        // largest window, or after the persist timer.
        let worth = self.due.force || 2 * peer_room >= self.peer_window_max;
        let part = peer_room > 0 && peer_room < want && congestion_room >= peer_room;
        (part && worth).then_some(peer_room as usize)
    }

    /// RFC 5681 §4.1: the acknowledgements that clocked the window are long
    /// gone after a timeout without sending.
    fn restart_after_idleness(&mut self, now: SimTime) {
        let idle = self
            .sent_at
            .is_some_and(|sent| now - sent > self.rtt.rto(&self.config));
        if idle && self.una == self.max {
            self.congestion.on_idle(now);
        }
    }

    /// The segment of `len` offsets from `at` on, the FIN counting as one.
    fn emit(&mut self, at: u64, len: usize, now: SimTime) -> Segment {
        let until = at + len as u64;
        let data = until.min(self.send.end()).saturating_sub(at) as usize;
        let mut flags = Flags::ACK;
        if data > 0 && at + data as u64 == self.send.end() {
            flags = flags | Flags::PSH;
        }
        if until > self.send.end() {
            flags = flags | Flags::FIN;
        }
        let payload = if data > 0 {
            self.send.slice(at, data)
        } else {
            Bytes::new()
        };
        if at < self.max {
            self.counters.retransmits += 1;
            // Karn's rule: an acknowledgement no longer tells which of the
            // two it answers (RFC 6298 §3).
            if self.timed.is_some_and(|(end, _)| at < end) {
                self.timed = None;
            }
        } else if self.timed.is_none() {
            self.timed = Some((until, now));
        }
        if self.una == self.max {
            self.timers.progress = now;
            self.timers.attempts = 0;
            self.timers.retransmit = None;
        }
        if at == self.nxt {
            self.nxt = until;
            self.max = self.max.max(until);
        }
        if self.timers.retransmit.is_none() {
            self.arm_retransmit(now);
        }
        self.sent_at = Some(now);
        self.note_acked();
        self.segment(at, flags, payload)
    }

    /// A window probe or a bare acknowledgement.
    fn poll_bare(&mut self) -> Option<Segment> {
        if std::mem::take(&mut self.due.probe) {
            // An offset that the peer has already received, as Linux does: it
            // must answer with its window and has nothing to buffer.
            self.counters.probes += 1;
            self.note_acked();
            return Some(self.bare(self.una - 1, Flags::ACK));
        }
        if self.due.ack {
            self.note_acked();
            // Not SND.NXT: after a timeout that lies before what the peer has.
            return Some(self.bare(self.max, Flags::ACK));
        }
        None
    }

    /// Whatever is sent carries the latest acknowledgement.
    fn note_acked(&mut self) {
        self.due.ack = false;
        self.timers.ack = None;
        self.unacked_bytes = 0;
    }
}
