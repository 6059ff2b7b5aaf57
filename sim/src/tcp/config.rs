//! Settings of a connection, with the defaults of a Linux host where the RFCs
//! leave a choice.

use std::net::SocketAddr;
use std::time::Duration;

use super::congestion::Congestion;
use super::segment::HEADER_BYTES;
use crate::net::packet::{IPV4_HEADER_BYTES, IPV6_HEADER_BYTES};

/// Settings shared by the connections of a host.
#[derive(Debug, Clone)]
pub struct Config {
    /// Largest IP packet that is sent, in bytes; the MSS follows from it.
    pub mtu: u16,
    /// Bytes held for the other side until it acknowledges them.
    pub send_buffer_bytes: usize,
    /// Bytes held for the application until it reads them; bounds the window.
    pub receive_buffer_bytes: usize,
    /// Congestion control algorithm.
    pub congestion: Congestion,
    /// Whether selective acknowledgements are offered (RFC 2018); they are
    /// used if both sides offer them.
    pub sack: bool,
    /// Initial congestion window in segments (RFC 6928: 10).
    pub initial_window_segments: u32,
    /// Retransmission timeout before the first measurement (RFC 6298 §2.1).
    pub rto_initial: Duration,
    /// How the retransmission timeout is kept from falling too low.
    pub rto_floor: RtoFloor,
    /// Longest retransmission timeout (RFC 6298 §2.5; Linux: 120 s).
    pub rto_max: Duration,
    /// Longest delay of an acknowledgement, which is then sent for every
    /// second full segment (RFC 9293 §3.8.6.3; Linux: 40 ms). `None`
    /// acknowledges every segment.
    pub delayed_ack: Option<Duration>,
    /// Whether small segments wait while data is unacknowledged (RFC 9293
    /// §3.7.4). libp2p turns this off.
    pub nagle: bool,
    /// Times that a SYN is repeated (Linux: 6, so about 127 s in all).
    pub syn_retries: u32,
    /// Times that a SYN-ACK is repeated (Linux: 5, so about 63 s in all).
    pub syn_ack_retries: u32,
    /// How long data or probes may go unanswered (Linux: 15 repetitions,
    /// 924.6 s at least).
    pub user_timeout: Duration,
    /// Whether and how a silent peer is asked if it is still there. `None`
    /// never asks, as sockets are by default (RFC 9293 §3.8.4).
    pub keepalive: Option<Keepalive>,
    /// Connections of one listener that wait for `accept`, handshakes
    /// included; further SYNs are dropped. Linux allows 4,096 and lets programs
    /// ask for less; libp2p asks for 1,024.
    pub backlog: usize,
    /// How long a closed connection keeps its addresses (Linux: 60 s).
    pub time_wait: Duration,
    /// How long a connection without an application waits for the other
    /// side's FIN (Linux: 60 s).
    pub fin_wait: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mtu: 1_500,
            send_buffer_bytes: 1 << 20,
            receive_buffer_bytes: 2 << 20,
            congestion: Congestion::Cubic,
            sack: true,
            initial_window_segments: 10,
            rto_initial: Duration::from_secs(1),
            rto_floor: RtoFloor::AboveRtt(Duration::from_millis(200)),
            rto_max: Duration::from_mins(2),
            delayed_ack: Some(Duration::from_millis(40)),
            nagle: false,
            syn_retries: 6,
            syn_ack_retries: 5,
            user_timeout: Duration::from_millis(924_600),
            keepalive: None,
            backlog: 1_024,
            time_wait: Duration::from_mins(1),
            fin_wait: Duration::from_mins(1),
        }
    }
}

impl Config {
    /// Largest payload that this side sends or announces for `remote`'s family.
    pub(super) fn mss(&self, remote: SocketAddr) -> u16 {
        let ip = match remote {
            SocketAddr::V4(_) => IPV4_HEADER_BYTES,
            SocketAddr::V6(_) => IPV6_HEADER_BYTES,
        };
        let headers = (ip + HEADER_BYTES) as u16;
        self.mtu.saturating_sub(headers).max(MSS_MIN)
    }
}

/// Smallest MSS that is believed, as Linux has it; smaller ones would only
/// multiply packets.
pub(super) const MSS_MIN: u16 = 48;

/// Probes of a silent connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Time between probes without an answer.
    pub interval: Duration,
    /// Unanswered probes after which the connection has timed out.
    pub probes: u32,
}

impl Default for Keepalive {
    /// What Linux does for sockets that ask for it: two hours, then nine
    /// probes, 75 s apart.
    fn default() -> Self {
        Self {
            idle: Duration::from_hours(2),
            interval: Duration::from_secs(75),
            probes: 9,
        }
    }
}

/// How the retransmission timeout is kept from falling too low.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtoFloor {
    /// `SRTT + max(floor, 4 · RTTVAR)`, as Linux computes it (200 ms).
    AboveRtt(Duration),
    /// `max(floor, SRTT + 4 · RTTVAR)`, as RFC 6298 §2.4 has it (1 s).
    Total(Duration),
}
