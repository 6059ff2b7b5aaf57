//! TCP as a sans-I/O state machine (RFC 9293).
//!
//! Owns one end of a connection: segments and instants go in, segments and
//! bytes come out. It never reads a clock, draws no randomness (the initial
//! sequence number is given), and knows nothing of sockets, ports in use,
//! listeners or wires: those belong to the host.
//!
//! ```
//! use std::net::SocketAddr;
//! use std::sync::Arc;
//! use orrery_sim::tcp::{Config, Connection};
//! use orrery_sim::time::SimTime;
//!
//! let config = Arc::new(Config::default());
//! let client: SocketAddr = "10.0.0.1:4001".parse().unwrap();
//! let server: SocketAddr = "10.0.0.2:4001".parse().unwrap();
//! let now = SimTime::ZERO;
//!
//! let mut a = Connection::connect(now, &config, client, server, 1);
//! let syn = a.poll_transmit(now).unwrap();
//! let mut b = Connection::accept(now, &config, server, client, 2, &syn);
//! a.on_segment(now, b.poll_transmit(now).unwrap());
//! a.write(b"hello");
//! while let Some(segment) = a.poll_transmit(now) {
//!     b.on_segment(now, segment);
//! }
//! let mut buffer = [0; 8];
//! assert_eq!(b.read(&mut buffer), 5);
//! assert_eq!(&buffer[..5], b"hello");
//! ```

mod config;
mod congestion;
mod connection;
mod out_of_order;
mod receive;
mod rto;
mod segment;
mod send;

#[cfg(test)]
mod tests;

pub use config::{Config, Keepalive, RtoFloor};
pub use congestion::{Acked, Algorithm, Congestion, CongestionControl, Cubic, NewReno};
pub use connection::{Connection, State, Stats};
pub use segment::{Flags, HEADER_BYTES, Options, SackBlocks, Segment};

/// Why a connection ended without both sides having closed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TcpError {
    /// The other side answered the connection request with a reset.
    #[error("connection refused")]
    Refused,
    /// The other side reset the connection.
    #[error("connection reset by peer")]
    Reset,
    /// Nothing came back for too long.
    #[error("connection timed out")]
    TimedOut,
    /// This side aborted the connection.
    #[error("connection aborted")]
    Aborted,
}
