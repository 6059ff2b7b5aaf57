//! QUIC on the operating system's UDP, by libp2p's implementation or the node's own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use if_watch::IfEvent;
use if_watch::tokio::IfWatcher;
use libp2p::Transport as _;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::quic as stock;
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime};
use socket2::{Domain, Protocol, Socket, Type};

use super::key_log::FileKeyLog;
use crate::config::{Quic, QuicTransport};
use crate::environment::{Executor, MuxedWire, Wire};
use crate::quic::{self, InterfaceChange, KeyLog, UdpNetwork};

/// QUIC as `config` has it. Names are not resolved. Where secrets are to be logged, it is the
/// node's own, since libp2p's gives none away.
pub(super) fn wire(config: &Quic, executor: Arc<dyn Executor>) -> Wire {
    let config = config.clone();
    // Asked only when the wire is used: many a command starts a node without a network.
    Wire::Muxed(Box::new(move |keys, acquaintances| {
        let wire = match (FileKeyLog::from_environment(), config.transport) {
            (Some(log), QuicTransport::Stock | QuicTransport::Own) => {
                let network = LoggedUdp(Arc::new(log));
                quic::transport(Arc::new(network), executor, config.settings())
            }
            (None, QuicTransport::Own) => {
                quic::transport(Arc::new(SystemUdp), executor, config.settings())
            }
            (None, QuicTransport::Stock) => stock(config),
        };
        wire(keys, acquaintances)
    }))
}

/// What a connection of libp2p's implementation holds that nobody has read, in bytes.
const STOCK_WINDOW: u32 = 1 << 20;

fn stock(config: Quic) -> MuxedWire {
    Box::new(move |keys, _| {
        let mut quic = stock::Config::new(keys);
        quic.handshake_timeout = config.handshake_timeout.get();
        // The field is of 32 bits; seven weeks are as good as for ever.
        quic.max_idle_timeout =
            u32::try_from(config.idle_timeout.as_millis_u64()).unwrap_or(u32::MAX);
        quic.max_concurrent_stream_limit = config.max_streams;
        // Nothing widens them later.
        (quic.max_stream_data, quic.max_connection_data) = (STOCK_WINDOW, STOCK_WINDOW);
        // It cannot be switched off; an interval beyond the idle timeout has no effect.
        quic.keep_alive_interval = config
            .settings()
            .keep_alive
            .unwrap_or(config.idle_timeout.get() * 2);
        stock::tokio::Transport::new(quic)
            .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
            .boxed()
    })
}

/// The operating system's UDP, on the tokio runtime of whoever uses it.
pub struct SystemUdp;

impl UdpNetwork for SystemUdp {
    fn bind(&self, local: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let domain = Domain::for_address(local);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&local.into())?;
        TokioRuntime.wrap_udp_socket(socket.into())
    }

    fn interfaces(&self) -> io::Result<BoxStream<'static, io::Result<InterfaceChange>>> {
        let changes = IfWatcher::new()?.map(|change| {
            change.map(|change| match change {
                IfEvent::Up(net) => InterfaceChange::Up(net.addr()),
                IfEvent::Down(net) => InterfaceChange::Down(net.addr()),
            })
        });
        Ok(changes.boxed())
    }
}

/// The operating system's UDP, with the secrets of connections over it in a file.
struct LoggedUdp(Arc<FileKeyLog>);

impl UdpNetwork for LoggedUdp {
    fn bind(&self, local: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        SystemUdp.bind(local)
    }

    fn interfaces(&self) -> io::Result<BoxStream<'static, io::Result<InterfaceChange>>> {
        SystemUdp.interfaces()
    }

    fn key_log(&self) -> Option<Arc<dyn KeyLog>> {
        Some(Arc::clone(&self.0) as _)
    }
}
