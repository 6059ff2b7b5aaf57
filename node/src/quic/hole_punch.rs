//! Opening the way for a peer that dials: datagrams without meaning, so that NATs on
//! this side expect packets from there.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use futures_timer::Delay;
use quinn::AsyncUdpSocket;
use quinn::udp::Transmit;
use rand::RngExt;

use super::error::Error;

/// Bytes in each datagram, as in libp2p-quic.
const PAYLOAD_BYTES: usize = 64;

/// Shortest and longest pause between two datagrams (libp2p's specification of DCUtR).
const PAUSE_MS: std::ops::RangeInclusive<u64> = 10..=200;

/// Sends datagrams to `remote` until `timeout` has passed or the socket fails, and
/// returns why it ended.
pub(super) async fn punch(
    socket: Arc<dyn AsyncUdpSocket>,
    remote: SocketAddr,
    timeout: Duration,
) -> Error {
    let sending = std::pin::pin!(send(&*socket, remote));
    match select(sending, Delay::new(timeout)).await {
        Either::Left((Err(error), _)) => error.into(),
        Either::Right(((), _)) => Error::HandshakeTimedOut,
    }
}

async fn send(socket: &dyn AsyncUdpSocket, remote: SocketAddr) -> io::Result<Infallible> {
    loop {
        let contents: [u8; PAYLOAD_BYTES] = rand::rng().random();
        let sent = socket.try_send(&Transmit {
            destination: remote,
            ecn: None,
            contents: &contents,
            segment_size: None,
            src_ip: None,
        });
        match sent {
            // A datagram that finds no room is as good as one that is lost.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        let pause = rand::rng().random_range(PAUSE_MS);
        Delay::new(Duration::from_millis(pause)).await;
    }
}
