//! A peer over real TCP that asks and reads nothing: all that is on its way to it stays there.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use libp2p::core::upgrade::OutboundConnectionUpgrade;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, noise};
use multistream_select::{Negotiated, Version, dialer_select_proto};
use tokio::io::ReadBuf;
use tokio::net::{TcpSocket, TcpStream};

/// What the operating system holds for it unread, in bytes; it may take more.
const RECEIVE_BUFFER: u32 = 4096;
/// Where nothing could be written for so long, nothing can any more.
const STUCK: Duration = Duration::from_secs(1);

/// A socket as libp2p wants it.
struct Socket(TcpStream);

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(bytes);
        let read = tokio::io::AsyncRead::poll_read(Pin::new(&mut self.0), cx, &mut buffer);
        read.map_ok(|()| buffer.filled().len())
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        tokio::io::AsyncWrite::poll_write(Pin::new(&mut self.0), cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_flush(Pin::new(&mut self.0), cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_shutdown(Pin::new(&mut self.0), cx)
    }
}

/// A connection whose handshakes are done, and on which nothing is read.
pub struct Stuffed {
    pub peer: PeerId,
    stream: Negotiated<noise::Output<Negotiated<Socket>>>,
}

impl Stuffed {
    /// Connects to a node at `address`, of IPv4 and TCP.
    pub async fn connect(address: &str) -> Self {
        let address: Multiaddr = address.parse().expect("an address");
        let mut parts = address.iter();
        let (Some(Protocol::Ip4(ip)), Some(Protocol::Tcp(port))) = (parts.next(), parts.next())
        else {
            panic!("{address} is not of IPv4 and TCP");
        };
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .set_recv_buffer_size(RECEIVE_BUFFER)
            .expect("a small buffer");
        let stream = socket.connect(SocketAddr::from((ip, port))).await;
        let socket = Socket(stream.expect("it listens"));
        let keys = Keypair::generate_ed25519();
        let (_, stream) = dialer_select_proto(socket, ["/noise"], Version::V1)
            .await
            .expect("it speaks Noise");
        let noise = noise::Config::new(&keys).expect("a key");
        let (_, stream) = noise
            .upgrade_outbound(stream, "/noise")
            .await
            .expect("the handshake succeeds");
        let (_, stream) = dialer_select_proto(stream, ["/yamux/1.0.0"], Version::V1)
            .await
            .expect("it speaks Yamux");
        Self {
            peer: keys.public().to_peer_id(),
            stream,
        }
    }

    /// Sends pings of Yamux until the node cannot answer them any more, nor read.
    pub async fn fill(&mut self) {
        // Version 0, type 2 (ping), flags 1 (SYN), no substream, and a number.
        let ping = [0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
        let pings = ping.repeat(1024);
        loop {
            let written = async {
                self.stream.write_all(&pings).await?;
                self.stream.flush().await
            };
            match tokio::time::timeout(STUCK, written).await {
                Ok(written) => written.expect("the node is there"),
                Err(_) => return,
            }
        }
    }
}
