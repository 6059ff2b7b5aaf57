//! One end of a substream: its state and its windows, as yamux 0.14 has them.

use std::task::Waker;
use std::time::Duration;

use super::frame::{ACK, SYN};
use super::read_queue::ReadQueue;
use crate::time::SimTime;

/// Bytes that each side of a new stream may send (Yamux specification, "Flow control").
pub(super) const WINDOW_BYTES: u32 = 256 * 1024;

/// Streams of a connection at most, opened by either side.
pub(super) const STREAMS_MAX: usize = 512;

/// Bytes by which the windows of a connection's streams may exceed the first
/// one, all together: 1 GiB less what every stream is promised.
pub(super) const EXTRA_BYTES_MAX: u64 = (1 << 30) - STREAMS_MAX as u64 * WINDOW_BYTES as u64;

/// What may still happen on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Both directions are open.
    Open {
        /// Whether the side that did not open it has shown that it knows it.
        acknowledged: bool,
    },
    /// This side has closed.
    SendClosed,
    /// The other side has closed.
    RecvClosed,
    /// Both have, or one has reset it, or the connection has ended.
    Closed,
}

/// One end of a stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) state: State,
    /// [`SYN`] or [`ACK`] as long as the first frame is owed, then 0.
    flag: u8,
    /// Bytes that the other side may still send, and how many it may without
    /// anything being read.
    receive_window: u32,
    receive_window_max: u32,
    /// Bytes that this side may still send.
    send_window: u32,
    updated_at: SimTime,
    pub(super) received: ReadQueue,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

/// The other side sent more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overrun;

/// A stream as its substream knows it.
#[derive(Debug)]
pub(super) struct StreamName {
    pub(super) id: u32,
    /// Where it was when it was last looked for.
    pub(super) place: u32,
}

impl StreamName {
    pub(super) fn new(id: u32) -> Self {
        Self { id, place: 0 }
    }
}

impl Stream {
    /// A stream that this side opens.
    pub(super) fn outbound(now: SimTime, id: u32) -> Self {
        Self::new(now, id, SYN, WINDOW_BYTES)
    }

    /// A stream that the other side has opened, with what it lets this one send.
    pub(super) fn inbound(now: SimTime, id: u32, send_window: u32) -> Self {
        Self::new(now, id, ACK, send_window)
    }

    fn new(now: SimTime, id: u32, flag: u8, send_window: u32) -> Self {
        Self {
            id,
            state: State::Open {
                acknowledged: false,
            },
            flag,
            receive_window: WINDOW_BYTES,
            receive_window_max: WINDOW_BYTES,
            send_window,
            updated_at: now,
            received: ReadQueue::default(),
            reader: None,
            writer: None,
        }
    }

    /// Moves to `next`, or to where `next` leads from here.
    pub(super) fn enter(&mut self, next: State) {
        self.state = match (self.state, next) {
            (State::Open { .. }, next) => next,
            (State::Closed, _) | (_, State::Closed) => State::Closed,
            (state, State::Open { .. }) => state,
            (state, next) if state == next => state,
            (_, _) => State::Closed,
        };
    }

    pub(super) fn can_read(&self) -> bool {
        !matches!(self.state, State::RecvClosed | State::Closed)
    }

    pub(super) fn can_write(&self) -> bool {
        !matches!(self.state, State::SendClosed | State::Closed)
    }

    /// Whether the other side has not yet shown that it knows the stream.
    pub(super) fn is_pending(&self) -> bool {
        self.state
            == State::Open {
                acknowledged: false,
            }
    }

    /// The flag of the next frame.
    pub(super) fn take_flag(&mut self) -> u8 {
        std::mem::take(&mut self.flag)
    }

    /// The flag of a frame that closes. A stream that was never used is closed
    /// without a word of its opening, as yamux does.
    pub(super) fn take_closing_flag(&mut self) -> u8 {
        if self.flag == ACK {
            self.take_flag()
        } else {
            0
        }
    }

    pub(super) fn send_window(&self) -> u32 {
        self.send_window
    }

    /// `bytes` of the send window are used.
    pub(super) fn sent(&mut self, bytes: u32) {
        self.send_window -= bytes;
    }

    /// The other side lets this one send more.
    pub(super) fn credit(&mut self, bytes: u32) -> Result<(), Overrun> {
        self.send_window = self.send_window.checked_add(bytes).ok_or(Overrun)?;
        Ok(())
    }

    /// The other side has sent so many bytes.
    pub(super) fn arrived(&mut self, bytes: u32) -> Result<(), Overrun> {
        self.receive_window = self.receive_window.checked_sub(bytes).ok_or(Overrun)?;
        Ok(())
    }

    /// How far the window exceeds the first one.
    pub(super) fn extra(&self) -> u64 {
        u64::from(self.receive_window_max - WINDOW_BYTES)
    }

    /// How much more the other side may send, once half of the window was read.
    /// A window that is used up in less than two round trips doubles, as far as
    /// `extra_bytes`, used by all streams of the connection, may grow.
    pub(super) fn window_update(
        &mut self,
        now: SimTime,
        rtt: Option<Duration>,
        extra_bytes: &mut u64,
    ) -> Option<u32> {
        if self.read_bytes() < self.receive_window_max / 2 {
            return None;
        }
        if rtt.is_some_and(|rtt| now - self.updated_at < rtt * 2) {
            let left = EXTRA_BYTES_MAX - *extra_bytes;
            let growth = u64::from(self.receive_window_max).min(left) as u32;
            let max = self.receive_window_max.saturating_add(growth);
            *extra_bytes += u64::from(max - self.receive_window_max);
            self.receive_window_max = max;
        }
        let credit = self.read_bytes();
        self.updated_at = now;
        self.receive_window += credit;
        Some(credit)
    }

    /// Bytes received and read since the other side was last told.
    fn read_bytes(&self) -> u32 {
        let received = self.receive_window_max - self.receive_window;
        received.saturating_sub(self.received.len() as u32)
    }

    /// Wakes the task that waits for what has arrived meanwhile.
    pub(super) fn wake_reader_if_ready(&mut self) {
        if self.received.len() > 0 || !self.can_read() {
            self.reader.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Wakes the tasks that wait for the stream.
    pub(super) fn wake(&mut self) {
        self.reader.take().into_iter().for_each(Waker::wake);
        self.writer.take().into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    fn stream() -> Stream {
        Stream::outbound(SimTime::ZERO, 1)
    }

    #[test]
    fn states_move_as_in_yamux() {
        let open = State::Open {
            acknowledged: false,
        };
        let known = State::Open { acknowledged: true };
        let check = |from, next, expected| {
            let mut stream = stream();
            stream.state = from;
            stream.enter(next);
            assert_eq!(stream.state, expected, "{from:?} to {next:?}");
        };
        check(open, known, known);
        check(open, State::SendClosed, State::SendClosed);
        check(State::SendClosed, known, State::SendClosed);
        check(State::SendClosed, State::SendClosed, State::SendClosed);
        check(State::SendClosed, State::RecvClosed, State::Closed);
        check(State::RecvClosed, State::SendClosed, State::Closed);
        check(State::RecvClosed, State::Closed, State::Closed);
        check(State::Closed, known, State::Closed);
    }

    #[test]
    fn nobody_sends_more_than_the_window() {
        let mut stream = stream();
        assert_eq!(stream.arrived(WINDOW_BYTES), Ok(()));
        assert_eq!(stream.arrived(1), Err(Overrun));
        assert_eq!(stream.credit(u32::MAX), Err(Overrun));
        stream.sent(WINDOW_BYTES);
        assert_eq!(stream.send_window(), 0);
    }

    #[test]
    fn credit_is_given_for_what_was_read_and_from_half_a_window_on() {
        let mut stream = stream();
        stream.arrived(WINDOW_BYTES / 2).expect("within the window");
        stream.received.push(vec![0].into());
        let now = SimTime::from_secs(9);
        assert_eq!(stream.window_update(now, Some(RTT), &mut 0), None);
        stream.received.read(&mut [0]);
        let credit = stream.window_update(now, Some(RTT), &mut 0);
        assert_eq!(credit, Some(WINDOW_BYTES / 2));
        assert_eq!(stream.window_update(now, Some(RTT), &mut 0), None, "once");
    }

    #[test]
    fn a_window_doubles_only_for_the_fast_and_only_so_far() {
        let update = |at, rtt, extra: &mut u64| {
            let mut stream = stream();
            stream.arrived(WINDOW_BYTES).expect("within the window");
            let credit = stream.window_update(at, rtt, extra);
            (credit, stream.extra())
        };
        let full = u64::from(WINDOW_BYTES);
        let soon = SimTime::ZERO + RTT;
        assert_eq!(update(soon, None, &mut 0), (Some(WINDOW_BYTES), 0));
        assert_eq!(
            update(soon + RTT, Some(RTT), &mut 0),
            (Some(WINDOW_BYTES), 0)
        );
        let mut extra = 0;
        let doubled = (Some(2 * WINDOW_BYTES), full);
        assert_eq!(update(soon, Some(RTT), &mut extra), doubled);
        assert_eq!(extra, full);
        let mut extra = EXTRA_BYTES_MAX - 5;
        assert_eq!(
            update(soon, Some(RTT), &mut extra),
            (Some(WINDOW_BYTES + 5), 5)
        );
        assert_eq!(extra, EXTRA_BYTES_MAX);
    }
}
