//! One end of a connection: state, and what the application may do with it.
//!
//! Owns the state of RFC 9293 §3.3. What segments do is in `arrive`, what is
//! sent in `transmit`, time in `timers`, the repair of losses in `recovery`.
//! Sequence numbers are kept as 64-bit offsets from the initial sequence
//! number, so that nothing here ever wraps; the SYN has offset 0.

mod arrive;
mod pmtu;
mod recovery;
mod scoreboard;
mod timers;
mod transmit;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::recovery::Recovery;
use self::scoreboard::Scoreboard;
use self::timers::Timers;
use super::TcpError;
use super::config::{Config, MSS_MIN};
use super::congestion::CongestionControl;
use super::receive::ReceiveBuffer;
use super::rto::RttEstimator;
use super::segment::{Flags, Options, Segment};
use super::send::SendBuffer;
use crate::time::SimTime;

/// Segments that are acknowledged at once after the handshake, so that delayed
/// acknowledgements do not hold back slow start (Linux: up to 16).
const QUICK_ACKS: u8 = 16;

/// Largest window shift (RFC 7323 §2.3).
const SCALE_MAX: u8 = 14;

/// State of a connection (RFC 9293 §3.3.2). Listening is the host's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A SYN was sent.
    SynSent,
    /// A SYN was received and answered.
    SynReceived,
    /// Open.
    Established,
    /// This side has closed; its FIN is not acknowledged.
    FinWait1,
    /// This side has closed; the other has not.
    FinWait2,
    /// The other side has closed; this one has not.
    CloseWait,
    /// Both have closed at once; this side's FIN is not acknowledged.
    Closing,
    /// The other side closed first; this side's FIN is not acknowledged.
    LastAck,
    /// Both have closed; late segments may still arrive.
    TimeWait,
    /// Gone: the host may forget the connection.
    Closed,
}

/// What a connection has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Segments sent, repetitions included.
    pub segments_sent: u64,
    /// Segments received, whatever became of them.
    pub segments_received: u64,
    /// Segments sent again.
    pub retransmits: u64,
    /// Times that the retransmission timer fired.
    pub timeouts: u64,
    /// Times that duplicate acknowledgements told of a loss.
    pub fast_recoveries: u64,
    /// Window probes sent.
    pub probes: u64,
    /// Bytes that the other side acknowledged.
    pub bytes_acked: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Bytes received that wait for others before them.
    pub bytes_waiting: u64,
    /// Largest payload of a segment in bytes.
    pub mss_bytes: usize,
    /// Congestion window in bytes.
    pub window_bytes: u64,
    /// Bytes sent and not acknowledged.
    pub in_flight_bytes: u64,
    /// Smoothed round-trip time, once measured.
    pub rtt: Option<Duration>,
    /// Retransmission timeout in use.
    pub rto: Duration,
}

/// The part of [`Stats`] that is counted as it happens.
#[derive(Debug, Clone, Copy, Default)]
struct Counters {
    segments_sent: u64,
    segments_received: u64,
    retransmits: u64,
    timeouts: u32,
    fast_recoveries: u32,
    probes: u32,
}

/// One end of a TCP connection. The module's documentation has an example.
///
/// After every call that may change what is to be sent, call
/// [`Connection::poll_transmit`] until it returns `None`, then arm a timer for
/// [`Connection::next_timeout`].
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts independent of each other; the state is an enum"
)]
pub struct Connection {
    config: Arc<Config>,
    local: SocketAddr,
    remote: SocketAddr,
    state: State,
    error: Option<TcpError>,
    /// Whether this end has sent the first SYN.
    active: bool,
    /// The application reads no more and holds nothing.
    detached: bool,

    /// ISS and IRS.
    iss: u32,
    irs: u32,
    /// SND.UNA.
    una: u64,
    /// SND.NXT; falls back to SND.UNA at a timeout.
    nxt: u64,
    /// Offset after everything ever sent.
    max: u64,
    send: SendBuffer,
    fin_queued: bool,
    /// Largest payload to send.
    mss: usize,
    /// Right edge of the peer's window, its largest window, and the SEG.SEQ
    /// and SEG.ACK that last told of it (SND.WL1, SND.WL2).
    peer_edge: u64,
    peer_window_max: u64,
    window_seq: u64,
    window_ack: u64,
    peer_scale: u8,
    own_scale: u8,
    /// Both sides offered, or may still offer, window scaling.
    scaling: bool,
    /// Both sides offered, or may still offer, selective acknowledgements.
    sack: bool,
    /// When new data was last sent.
    sent_at: Option<SimTime>,

    recv: ReceiveBuffer,
    /// In-order bytes not yet acknowledged.
    unacked_bytes: usize,
    quick_acks: u8,
    challenged_at: Option<SimTime>,

    rtt: RttEstimator,
    /// The offset whose acknowledgement is timed, and when it was sent.
    timed: Option<(u64, SimTime)>,
    congestion: Box<dyn CongestionControl>,
    recovery: Recovery,
    scoreboard: Scoreboard,
    timers: Timers,

    due: Due,
    reply: Option<Box<Segment>>,
    counters: Counters,
}

/// What the next calls of `poll_transmit` have to send.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "any combination may be due at once"
)]
struct Due {
    syn: bool,
    ack: bool,
    /// The first unacknowledged segment again.
    front: bool,
    /// A window probe.
    probe: bool,
    /// Whatever fits the window, be it little.
    force: bool,
}

impl Connection {
    /// Opens a connection: a SYN is due. `isn` should be unpredictable.
    pub fn connect(
        now: SimTime,
        config: &Arc<Config>,
        local: SocketAddr,
        remote: SocketAddr,
        isn: u32,
    ) -> Self {
        Self::new(now, config, local, remote, isn, State::SynSent)
    }

    /// Answers the connection request `syn`: a SYN-ACK is due. Of `syn`, the
    /// sequence number, window and options count; data in it is sent again.
    pub fn accept(
        now: SimTime,
        config: &Arc<Config>,
        local: SocketAddr,
        remote: SocketAddr,
        isn: u32,
        syn: &Segment,
    ) -> Self {
        let mut connection = Self::new(now, config, local, remote, isn, State::SynReceived);
        connection.active = false;
        connection.note_syn(syn);
        connection
    }

    fn new(
        now: SimTime,
        config: &Arc<Config>,
        local: SocketAddr,
        remote: SocketAddr,
        isn: u32,
        state: State,
    ) -> Self {
        let mss = config.mss(remote);
        Self {
            local,
            remote,
            state,
            error: None,
            active: true,
            detached: false,
            iss: isn,
            irs: 0,
            una: 0,
            nxt: 0,
            max: 0,
            send: SendBuffer::new(1, config.send_buffer_bytes),
            fin_queued: false,
            mss: usize::from(mss),
            peer_edge: 0,
            peer_window_max: 0,
            window_seq: 0,
            window_ack: 0,
            peer_scale: 0,
            own_scale: window_scale(config.receive_buffer_bytes),
            scaling: true,
            sack: config.sack,
            sent_at: None,
            recv: ReceiveBuffer::new(1, config.receive_buffer_bytes),
            unacked_bytes: 0,
            quick_acks: QUICK_ACKS,
            challenged_at: None,
            rtt: RttEstimator::new(config),
            timed: None,
            congestion: config
                .congestion
                .build(u64::from(mss), config.initial_window_segments),
            recovery: Recovery::default(),
            scoreboard: Scoreboard::default(),
            timers: Timers::new(now),
            due: Due {
                syn: true,
                ..Due::default()
            },
            reply: None,
            counters: Counters::default(),
            config: Arc::clone(config),
        }
    }

    /// Takes sequence number, options and window of the peer's SYN.
    fn note_syn(&mut self, syn: &Segment) {
        self.irs = syn.seq;
        // RFC 9293 §3.7.1: without the option, 536 (IPv4) or 1220 (IPv6).
        let default = if self.remote.is_ipv4() { 536 } else { 1_220 };
        let announced = syn.options.mss.unwrap_or(default).max(MSS_MIN);
        let mss = announced.min(self.config.mss(self.remote));
        if usize::from(mss) != self.mss {
            self.mss = usize::from(mss);
            self.congestion = self
                .config
                .congestion
                .build(u64::from(mss), self.config.initial_window_segments);
        }
        // RFC 7323 §2.2: both sides must offer the option for either to scale.
        if let Some(scale) = syn.options.window_scale {
            self.peer_scale = scale.min(SCALE_MAX);
        } else {
            self.own_scale = 0;
            self.scaling = false;
        }
        self.sack &= syn.options.sack_permitted;
        // RFC 7323 §2.2: the window of a SYN is never scaled.
        self.peer_edge = 1 + u64::from(syn.window);
        self.peer_window_max = u64::from(syn.window);
    }

    /// Queues as much of `data` as the send buffer takes; returns how much.
    /// Nothing once this side was shut down or the connection has ended.
    pub fn write(&mut self, data: &[u8]) -> usize {
        if self.is_write_open() {
            self.send.write(data)
        } else {
            0
        }
    }

    /// Queues as much as the send buffer takes from the front of `data`,
    /// sharing its memory; returns how much.
    pub fn write_chunk(&mut self, data: &mut Bytes) -> usize {
        if self.is_write_open() {
            self.send.write_chunk(data)
        } else {
            0
        }
    }

    /// Fills `buffer` with received bytes as far as there are any.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.recv.read(buffer);
        self.update_window();
        count
    }

    /// The next received bytes, as they arrived, without copying.
    pub fn read_chunk(&mut self) -> Option<Bytes> {
        let chunk = self.recv.read_chunk();
        self.update_window();
        chunk
    }

    /// After reading: tells the peer of a window that has opened wide.
    fn update_window(&mut self) {
        let receives = matches!(
            self.state,
            State::Established | State::FinWait1 | State::FinWait2
        );
        if receives && self.recv.wants_update(self.own_mss()) {
            self.due.ack = true;
        }
    }

    /// Sends a FIN after what is queued (half-close). Reading goes on.
    pub fn shutdown_write(&mut self) {
        if !self.is_write_open() {
            return;
        }
        self.fin_queued = true;
        self.state = match self.state {
            State::Established => State::FinWait1,
            State::CloseWait => State::LastAck,
            // The FIN follows once the handshake is over.
            state => state,
        };
    }

    /// The application is done with the connection: what is queued is still
    /// sent, then a FIN. Unread or later bytes reset the connection
    /// (RFC 9293 §3.6.1), and it waits for the peer's FIN only for so long.
    pub fn close(&mut self, now: SimTime) {
        if self.state == State::SynSent {
            self.finish(None);
            return;
        }
        if self.recv.readable() > 0 {
            self.abort();
            return;
        }
        self.detached = true;
        self.shutdown_write();
        if self.state == State::FinWait2 {
            self.timers.linger = Some(now + self.config.fin_wait);
        }
    }

    /// Ends the connection at once: with a reset where the peer may know of it
    /// (RFC 9293 §3.10.5).
    pub fn abort(&mut self) {
        let tell = match self.state {
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait => true,
            State::SynSent | State::Closing | State::LastAck | State::TimeWait | State::Closed => {
                false
            }
        };
        if self.state != State::Closed {
            self.finish(Some(TcpError::Aborted));
        }
        if tell {
            let reset = self.bare(self.max, Flags::RST | Flags::ACK);
            self.reply = Some(Box::new(reset));
        }
    }

    /// Moves to `Closed`. What was received stays readable.
    fn finish(&mut self, error: Option<TcpError>) {
        self.state = State::Closed;
        self.error = self.error.or(error);
        self.send = SendBuffer::new(self.send.end(), 0);
        self.timers.clear();
        self.scoreboard = Scoreboard::default();
        self.due = Due::default();
        self.reply = None;
    }

    /// Where the connection stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// This side's address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The other side's address.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Whether the handshake is over and the connection has not ended.
    pub fn is_established(&self) -> bool {
        !matches!(
            self.state,
            State::SynSent | State::SynReceived | State::Closed
        )
    }

    /// Whether the host may forget the connection once nothing is to be sent.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether this side may still write, room in the buffer aside.
    pub fn is_write_open(&self) -> bool {
        !self.fin_queued
            && matches!(
                self.state,
                State::SynSent | State::SynReceived | State::Established | State::CloseWait
            )
    }

    /// Whether everything written, and the FIN if there is one, has been
    /// acknowledged.
    pub fn is_flushed(&self) -> bool {
        self.una >= self.end()
    }

    /// Bytes that can be read now.
    pub fn readable(&self) -> usize {
        self.recv.readable()
    }

    /// Bytes that can be written now.
    pub fn writable(&self) -> usize {
        if self.is_write_open() {
            self.send.room()
        } else {
            0
        }
    }

    /// Whether the other side has closed and everything was read.
    pub fn eof(&self) -> bool {
        self.recv.finished() && self.recv.readable() == 0
    }

    /// Why the connection ended, if not by closing.
    pub fn error(&self) -> Option<TcpError> {
        self.error
    }

    /// Whether `segment` asks for a new connection that may take the place of
    /// this one, which is only kept for late segments (RFC 9293 §3.10.7.4).
    pub fn may_be_replaced_by(&self, segment: &Segment) -> bool {
        let ahead = segment.seq.wrapping_sub(self.expected()) as i32;
        self.state == State::TimeWait && segment.is_connection_request() && ahead >= 0
    }

    /// Counters and estimates.
    pub fn stats(&self) -> Stats {
        Stats {
            // SYN and FIN take offsets but are no bytes of the application.
            bytes_acked: self.una.min(self.send.end()).saturating_sub(1),
            bytes_received: self.recv.next() - 1 - u64::from(self.recv.finished()),
            bytes_waiting: self.recv.waiting(),
            mss_bytes: self.mss,
            window_bytes: self.congestion.window(),
            in_flight_bytes: self.max - self.una,
            rtt: self.rtt.smoothed(),
            rto: self.rtt.rto(&self.config),
            segments_sent: self.counters.segments_sent,
            segments_received: self.counters.segments_received,
            retransmits: self.counters.retransmits,
            timeouts: self.counters.timeouts.into(),
            fast_recoveries: self.counters.fast_recoveries.into(),
            probes: self.counters.probes.into(),
        }
    }

    /// Bytes of memory that this end holds now, payloads included; what an
    /// allocator adds is not. Bounded by the buffers' sizes and a few tables.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.send.memory_bytes()
            + self.recv.memory_bytes()
            + self.scoreboard.memory_bytes()
    }

    /// Offset after everything that is to be sent, the FIN included.
    fn end(&self) -> u64 {
        self.send.end() + u64::from(self.fin_queued)
    }

    /// RCV.NXT as a sequence number.
    pub(super) fn expected(&self) -> u32 {
        self.irs.wrapping_add(self.recv.next() as u32)
    }

    /// The MSS that this side announces.
    fn own_mss(&self) -> usize {
        usize::from(self.config.mss(self.remote))
    }

    /// A segment without payload at offset `at`.
    fn bare(&mut self, at: u64, flags: Flags) -> Segment {
        self.segment(at, flags, Bytes::new())
    }

    fn segment(&mut self, at: u64, flags: Flags, payload: Bytes) -> Segment {
        let own_mss = self.own_mss();
        let window = self.recv.advertise(self.own_scale, u16::MAX, own_mss);
        Segment {
            seq: self.iss.wrapping_add(at as u32),
            ack: self.expected(),
            flags,
            window,
            options: self.options(),
            payload,
        }
    }

    /// The options of a segment that has none of its own.
    fn options(&self) -> Options {
        let mut options = Options::default();
        if self.sack {
            options.sack = self.recv.sack_blocks(self.irs);
        }
        options
    }
}

/// The smallest shift with which `capacity` fits the window field.
fn window_scale(capacity: usize) -> u8 {
    (0..SCALE_MAX)
        .find(|&shift| u16::try_from(capacity >> shift).is_ok())
        .unwrap_or(SCALE_MAX)
}
