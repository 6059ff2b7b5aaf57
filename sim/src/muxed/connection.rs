//! A multiplexed connection: its streams, and the frames from and to TCP.
//!
//! The holder of the connection reads what TCP has, so that a program which
//! looks at its substream finds the bytes there without another turn of the
//! connection's task; and a write goes to TCP at once. What TCP does not take
//! waits in the outbox, and while anything is there no stream may write.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use futures::AsyncWrite;

use super::Shape;
use super::assembler::Assembler;
use super::frame::{
    ACK, FIN, Frame, GONE_INTERNAL, GONE_NORMALLY, GONE_PROTOCOL, HEADER_BYTES, Kind, RST, SYN,
};
use super::handshake::{self, MUXER_OFFER};
use super::rtt::Rtt;
use super::stream::{STREAMS_MAX, State, Stream, StreamName, WINDOW_BYTES};
use crate::kernel;
use crate::net::TcpStream;

/// Streams of this side that the other has not acknowledged, at most (yamux 0.14).
const PENDING_MAX: usize = 256;
/// Streams of the other side that the program has not taken; further ones are
/// reset (libp2p-yamux 0.48).
const ACCEPTED_MAX: usize = 256;
/// Nothing is read while so much waits to be sent: answers to what is read
/// would make it more.
const OUTBOX_BYTES_MAX: usize = 64 * 1024;

/// Which side of a connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It dialled, and offers the multiplexer with its first frame.
    Dialer,
    /// It dialled, and the multiplexer is agreed upon.
    AgreedDialer,
    /// It listened.
    Listener,
}

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// One of the two sides has closed it.
    #[error("the connection is closed")]
    Closed,
    /// TCP has given it up.
    #[error("the connection is lost: {0}")]
    Lost(io::ErrorKind),
    /// The other side does not keep to the protocol.
    #[error("the other side sends what no peer may send")]
    Protocol,
    /// This side wants more streams than a connection has.
    #[error("a connection has no more than {STREAMS_MAX} streams")]
    TooManyStreams,
}

/// One end of a connection, shared by its muxer and its substreams.
#[derive(Debug)]
pub(super) struct Connection {
    /// Gone once the muxer is.
    tcp: Option<TcpStream>,
    role: Role,
    tag_bytes: usize,
    /// The first frame is still to be sent.
    fresh: bool,
    ended: Option<Ended>,
    incoming: Assembler,
    /// Bytes that TCP did not take.
    outbox: BytesMut,
    /// By ascending number.
    streams: Vec<Stream>,
    next_id: u32,
    accepted: VecDeque<u32>,
    rtt: Rtt,
    /// Bytes by which the windows of all streams exceed the first one.
    extra_bytes: u64,
    /// The muxer's task, which TCP wakes.
    task: Option<Waker>,
    /// The event since which TCP has nothing to read; more comes with another event.
    read_at: Option<u64>,
    /// The muxer's own task is reading a stream.
    at_work: bool,
    /// A stream has something for that task, which was not woken for it: it asks all
    /// its streams anyway, or else is woken at the muxer's turn.
    owes: bool,
    /// The task that waits for a stream of the other side, or for room for one of its own.
    accepter: Option<Waker>,
    opener: Option<Waker>,
}

impl Connection {
    pub(super) fn new(tcp: TcpStream, role: Role, shape: Shape) -> Self {
        // A dialer that did not wait finds the answer before the first frame.
        let skip = match role {
            Role::Dialer => handshake::muxer_answer_bytes(shape),
            Role::AgreedDialer | Role::Listener => 0,
        };
        let tag_bytes = usize::from(shape.tag_bytes);
        Self {
            tcp: Some(tcp),
            role,
            tag_bytes,
            fresh: true,
            ended: None,
            incoming: Assembler::new(tag_bytes, skip),
            outbox: BytesMut::new(),
            streams: Vec::new(),
            next_id: if role == Role::Listener { 2 } else { 1 },
            accepted: VecDeque::new(),
            rtt: Rtt::new(kernel::monotonic()),
            extra_bytes: 0,
            task: None,
            read_at: None,
            at_work: false,
            owes: false,
            accepter: None,
            opener: None,
        }
    }

    /// The muxer's turn: asks for the round trip, sends and reads what it can.
    /// Remembers the task that TCP is to wake.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), Ended> {
        if !self
            .task
            .as_ref()
            .is_some_and(|task| task.will_wake(cx.waker()))
        {
            self.task = Some(cx.waker().clone());
            self.read_at = None;
        }
        if self.ended.is_none() {
            self.empty_outbox(cx);
            self.ask_rtt();
            self.read(None);
        }
        if std::mem::take(&mut self.owes) {
            for stream in &mut self.streams {
                stream.wake_reader_if_ready();
            }
        }
        self.ended.clone().map_or(Ok(()), Err)
    }

    /// The next stream that the other side has opened.
    pub(super) fn accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<u32, Ended>> {
        if self.accepted.is_empty() {
            self.turn(cx)?;
        }
        if let Some(id) = self.accepted.pop_front() {
            return Poll::Ready(Ok(id));
        }
        keep(&mut self.accepter, cx);
        Poll::Pending
    }

    /// Opens a stream.
    pub(super) fn open(&mut self, cx: &mut Context<'_>) -> Poll<Result<u32, Ended>> {
        if let Some(ended) = &self.ended {
            return Poll::Ready(Err(ended.clone()));
        }
        if self.streams.len() >= STREAMS_MAX {
            self.end(Ended::TooManyStreams);
            return Poll::Ready(Err(Ended::TooManyStreams));
        }
        let own = |stream: &&Stream| stream.id % 2 == self.next_id % 2 && stream.is_pending();
        if self.streams.iter().filter(own).count() >= PENDING_MAX {
            keep(&mut self.opener, cx);
            return Poll::Pending;
        }
        let id = self.next_id;
        let Some(next) = id.checked_add(2) else {
            self.end(Ended::TooManyStreams);
            return Poll::Ready(Err(Ended::TooManyStreams));
        };
        self.next_id = next;
        self.insert(Stream::outbound(kernel::monotonic(), id));
        Poll::Ready(Ok(id))
    }

    /// Tells the other side that this one goes away. Ready once TCP has it.
    pub(super) fn close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ended.is_none() {
            self.send(Frame::new(Kind::GoAway, 0, 0, GONE_NORMALLY), &[]);
            self.end(Ended::Closed);
        }
        self.empty_outbox(cx);
        if let Some(tcp) = &mut self.tcp {
            if !self.outbox.is_empty() {
                return Poll::Pending;
            }
            // Shutting down never waits: TCP finishes by itself.
            let _ = Pin::new(tcp).poll_close(cx);
        }
        Poll::Ready(())
    }

    /// The muxer is gone, and with it the TCP connection.
    pub(super) fn abandon(&mut self) -> Option<TcpStream> {
        self.end(Ended::Closed);
        self.tcp.take()
    }

    /// Reads from a stream, as far as there is anything; 0 at its end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        name: &mut StreamName,
        buffer: &mut [u8],
    ) -> Poll<usize> {
        let Some(mut at) = self.find_again(name) else {
            return Poll::Ready(0);
        };
        if self.streams[at].received.len() == 0 && self.may_read() {
            // The caller need not be woken for what is read in a moment.
            self.streams[at].reader = None;
            self.read(Some(cx.waker()));
            let Some(place) = self.find_again(name) else {
                return Poll::Ready(0);
            };
            at = place;
        }
        self.update_window(at);
        let stream = &mut self.streams[at];
        let count = stream.received.read(buffer);
        if count > 0 || !stream.can_read() || buffer.is_empty() {
            stream.reader = None;
            return Poll::Ready(count);
        }
        keep(&mut stream.reader, cx);
        Poll::Pending
    }

    fn update_window(&mut self, at: usize) {
        let stream = &mut self.streams[at];
        if !stream.can_read() {
            return;
        }
        let now = kernel::monotonic();
        let rtt = self.rtt.latest();
        if let Some(credit) = stream.window_update(now, rtt, &mut self.extra_bytes) {
            let frame = Frame::new(Kind::Window, stream.take_flag(), stream.id, credit);
            self.send(frame, &[]);
        }
    }

    /// Writes to a stream as much of `data` as one frame takes.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        name: &mut StreamName,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let id = name.id;
        let Some(at) = self
            .find_again(name)
            .filter(|&at| self.streams[at].can_write())
        else {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        };
        let blocked = !self.outbox.is_empty();
        let stream = &mut self.streams[at];
        if blocked || stream.send_window() == 0 {
            keep(&mut stream.writer, cx);
            return Poll::Pending;
        }
        let count = data
            .len()
            .min(stream.send_window() as usize)
            .min(super::frame::BODY_BYTES_MAX);
        stream.sent(count as u32);
        let flag = stream.take_flag();
        if flag == ACK {
            stream.enter(State::Open { acknowledged: true });
        }
        let frame = Frame::new(Kind::Data, flag, id, count as u32);
        self.send(frame, &data[..count]);
        Poll::Ready(Ok(count))
    }

    /// Closes this side of a stream.
    pub(super) fn close_stream(&mut self, id: u32) {
        let Some(at) = self.find(id) else {
            return;
        };
        let stream = &mut self.streams[at];
        if stream.state != State::Closed {
            let flags = FIN | stream.take_closing_flag();
            stream.enter(State::SendClosed);
            self.send(Frame::new(Kind::Data, flags, id, 0), &[]);
        }
    }

    /// The program has dropped a stream: tells the other side unless it knows.
    pub(super) fn drop_stream(&mut self, id: u32) {
        let Some(at) = self.find(id) else {
            return;
        };
        let stream = self.streams.remove(at);
        self.extra_bytes -= stream.extra();
        let flags = match stream.state {
            State::Open { .. } => RST,
            State::RecvClosed => FIN,
            State::SendClosed | State::Closed => return,
        };
        self.send(Frame::new(Kind::Data, flags, id, 0), &[]);
    }

    fn find(&self, id: u32) -> Option<usize> {
        self.streams
            .binary_search_by_key(&id, |stream| stream.id)
            .ok()
    }

    /// As [`Self::find`], first where it was the last time.
    fn find_again(&self, name: &mut StreamName) -> Option<usize> {
        let at = name.place as usize;
        if self
            .streams
            .get(at)
            .is_some_and(|stream| stream.id == name.id)
        {
            return Some(at);
        }
        let at = self.find(name.id)?;
        name.place = at as u32;
        Some(at)
    }

    fn insert(&mut self, stream: Stream) {
        let at = self.streams.partition_point(|other| other.id < stream.id);
        self.streams.insert(at, stream);
    }

    fn ask_rtt(&mut self) {
        if self.fresh {
            return self.start();
        }
        if let Some(number) = self.rtt.ask(kernel::monotonic()) {
            self.send(Frame::new(Kind::Ping, SYN, 0, number), &[]);
        }
    }

    /// Sends the first frame, a ping. A dialer's offer of the multiplexer
    /// travels in the same Noise message.
    fn start(&mut self) {
        self.fresh = false;
        let offer: &[u8] = match self.role {
            Role::Dialer => MUXER_OFFER,
            Role::AgreedDialer | Role::Listener => &[],
        };
        if let Some(number) = self.rtt.ask(kernel::monotonic()) {
            self.transmit(offer, Frame::new(Kind::Ping, SYN, 0, number), &[]);
        }
    }

    fn send(&mut self, frame: Frame, body: &[u8]) {
        if self.fresh && self.tcp.is_some() {
            self.start();
        }
        self.transmit(&[], frame, body);
    }

    /// Hands a frame to TCP: one write, as yamux and Noise flush each frame.
    fn transmit(&mut self, before: &[u8], frame: Frame, body: &[u8]) {
        let Some(tcp) = &self.tcp else { return };
        let head = frame.encode(self.tag_bytes);
        let parts = [before, &head[..HEADER_BYTES + self.tag_bytes], body];
        let mut taken = 0;
        if self.outbox.is_empty() {
            // What is wrong with the connection shows when it is read.
            let Ok(count) = tcp.try_write(&parts) else {
                return;
            };
            taken = count;
        }
        for part in parts {
            let now = taken.min(part.len());
            taken -= now;
            self.outbox.extend_from_slice(&part[now..]);
        }
        if !self.outbox.is_empty()
            && let Some(task) = &self.task
        {
            task.wake_by_ref();
        }
    }

    fn empty_outbox(&mut self, cx: &mut Context<'_>) {
        let Some(tcp) = &mut self.tcp else {
            self.outbox = BytesMut::new();
            return;
        };
        if self.outbox.is_empty() {
            return;
        }
        while !self.outbox.is_empty() {
            match Pin::new(&mut *tcp).poll_write(cx, &self.outbox) {
                Poll::Ready(Ok(count)) => self.outbox.advance(count),
                Poll::Ready(Err(_)) => self.outbox.clear(),
                Poll::Pending => return,
            }
        }
        self.outbox = BytesMut::new();
        for stream in &mut self.streams {
            stream.writer.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Whether TCP may have received more since it was last asked. A connection is
    /// polled more often than anything arrives.
    fn may_read(&self) -> bool {
        self.read_at != Some(kernel::event_number())
    }

    /// Takes in what TCP has received, on behalf of the muxer or of a stream that
    /// `asker` reads.
    fn read(&mut self, asker: Option<&Waker>) {
        if self.ended.is_some() || self.outbox.len() > OUTBOX_BYTES_MAX || !self.may_read() {
            return;
        }
        let (Some(tcp), Some(task)) = (&self.tcp, &self.task) else {
            return;
        };
        // The muxer's task asks all its streams before the muxer: the tasks that would be woken
        // is at work, and a second turn would find nothing left to do.
        self.at_work = asker.is_some_and(|asker| task.will_wake(asker));
        let incoming = &mut self.incoming;
        let read = tcp.take_received(task, |chunk: Bytes| incoming.push(chunk));
        self.take_frames();
        self.at_work = false;
        match read {
            Ok(false) => self.read_at = Some(kernel::event_number()),
            Ok(true) => self.end(Ended::Closed),
            Err(error) => self.end(Ended::Lost(error.kind())),
        }
    }

    fn take_frames(&mut self) {
        while self.ended.is_none() {
            match self.incoming.next() {
                Ok(Some(frame)) => self.on_frame(frame),
                Ok(None) => return,
                Err(_) => self.end(Ended::Protocol),
            }
        }
    }

    fn on_frame(&mut self, frame: Frame) {
        let at = self.find(frame.stream);
        let is_of_stream = matches!(frame.kind, Kind::Data | Kind::Window);
        if is_of_stream && frame.flags & ACK != 0 {
            if let Some(at) = at {
                self.streams[at].enter(State::Open { acknowledged: true });
            }
            self.opener.take().into_iter().for_each(Waker::wake);
        }
        match frame.kind {
            Kind::Ping if frame.flags & ACK != 0 => {
                if !self.rtt.answered(kernel::monotonic(), frame.value) {
                    self.go_away(GONE_PROTOCOL);
                }
            }
            Kind::Ping => self.send(
                Frame {
                    flags: ACK,
                    ..frame
                },
                &[],
            ),
            Kind::GoAway => self.end(Ended::Closed),
            Kind::Data | Kind::Window if frame.flags & RST != 0 => {
                self.incoming.take(frame.body_bytes(), drop);
                if let Some(at) = at {
                    self.streams[at].enter(State::Closed);
                    self.streams[at].wake();
                }
            }
            Kind::Data | Kind::Window if frame.flags & SYN != 0 => self.on_opening(frame, at),
            Kind::Data => self.on_data(frame, at),
            Kind::Window => self.on_credit(frame, at),
        }
    }

    /// The other side opens a stream.
    fn on_opening(&mut self, frame: Frame, at: Option<usize>) {
        let is_theirs = frame.stream != 0 && frame.stream % 2 != self.next_id % 2;
        let credit = match frame.kind {
            Kind::Window => WINDOW_BYTES.checked_add(frame.value),
            _ => Some(WINDOW_BYTES),
        };
        let (Some(credit), true, None) = (credit, is_theirs, at) else {
            self.incoming.take(frame.body_bytes(), drop);
            return self.go_away(GONE_PROTOCOL);
        };
        if self.streams.len() >= STREAMS_MAX {
            self.incoming.take(frame.body_bytes(), drop);
            return self.go_away(GONE_INTERNAL);
        }
        self.insert(Stream::inbound(kernel::monotonic(), frame.stream, credit));
        let at = self.find(frame.stream);
        match frame.kind {
            Kind::Data => self.on_data(frame, at),
            _ => self.on_credit(Frame { value: 0, ..frame }, at),
        }
        if self.accepted.len() >= ACCEPTED_MAX {
            return self.drop_stream(frame.stream);
        }
        self.accepted.push_back(frame.stream);
        self.accepter.take().into_iter().for_each(Waker::wake);
    }

    fn on_data(&mut self, frame: Frame, at: Option<usize>) {
        // A stream that is not known has been dropped here.
        let Some(at) = at else {
            return self.incoming.take(frame.body_bytes(), drop);
        };
        let stream = &mut self.streams[at];
        if stream.arrived(frame.value).is_err() {
            self.incoming.take(frame.body_bytes(), drop);
            return self.go_away(GONE_PROTOCOL);
        }
        if frame.flags & FIN != 0 {
            stream.enter(State::RecvClosed);
        }
        let received = &mut stream.received;
        self.incoming
            .take(frame.body_bytes(), |piece| received.push(piece));
        let waits = stream.reader.as_ref();
        let task = self.task.as_ref().filter(|_| self.at_work);
        if waits.is_some_and(|waits| task.is_some_and(|task| task.will_wake(waits))) {
            self.owes = true;
        } else {
            stream.reader.take().into_iter().for_each(Waker::wake);
        }
    }

    fn on_credit(&mut self, frame: Frame, at: Option<usize>) {
        let Some(at) = at else { return };
        let stream = &mut self.streams[at];
        if stream.credit(frame.value).is_err() {
            return self.go_away(GONE_PROTOCOL);
        }
        if frame.flags & FIN != 0 {
            stream.enter(State::RecvClosed);
            stream.reader.take().into_iter().for_each(Waker::wake);
        }
        stream.writer.take().into_iter().for_each(Waker::wake);
    }

    /// Tells the other side to close; the connection ends when it does.
    fn go_away(&mut self, why: u32) {
        self.send(Frame::new(Kind::GoAway, 0, 0, why), &[]);
    }

    /// The end: streams read what they have and nothing more.
    fn end(&mut self, why: Ended) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(why);
        for stream in &mut self.streams {
            stream.enter(State::Closed);
            stream.wake();
        }
        let waiting = [self.task.take(), self.accepter.take(), self.opener.take()];
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Keeps the task's waker in `slot`.
fn keep(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_and_its_streams_are_small() {
        // A world of 10,000 nodes has 220,000 ends, and some five streams in each.
        let (connection, stream) = (size_of::<Connection>(), size_of::<Stream>());
        assert!(connection <= 384, "{connection} B a connection");
        assert!(stream <= 192, "{stream} B a stream");
    }
}
