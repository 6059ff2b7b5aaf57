//! The node's QUIC against libp2p's, over the loopback.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::core::Transport as _;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, PortUse, TransportEvent};
use libp2p::core::{Endpoint as Role, multiaddr::Protocol};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId, quic};
use orrery_node::entry::{Acquaintances, Budget};
use orrery_node::quic::{QuicTransport, Settings};
use orrery_node::real::{SystemUdp, TokioExecutor};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::world::PATIENCE;

type Transport = Boxed<(PeerId, StreamMuxerBox)>;

fn own(keys: &Keypair) -> Transport {
    let executor = Arc::new(TokioExecutor::current());
    let udp = Arc::new(SystemUdp);
    QuicTransport::new(udp, executor, keys.clone(), Settings::default())
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
        .boxed()
}

fn stock(keys: &Keypair) -> Transport {
    quic::tokio::Transport::new(quic::Config::new(keys))
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
        .boxed()
}

/// Listens at `address` and returns the first address that is announced.
async fn listen(transport: &mut Transport, address: &str) -> Multiaddr {
    let address = address.parse().expect("a multiaddr");
    transport
        .listen_on(ListenerId::next(), address)
        .expect("the port is free");
    loop {
        if let Some(TransportEvent::NewAddress { listen_addr, .. }) = transport.next().await {
            return listen_addr;
        }
    }
}

async fn accept(connection: &mut StreamMuxerBox) -> io::Result<SubstreamBox> {
    poll_fn(|cx| connection.poll_inbound_unpin(cx)).await
}

/// Dials from one to the other, and sends a byte there and back.
async fn meet(listens: fn(&Keypair) -> Transport, dials: fn(&Keypair) -> Transport) {
    let keys = [Keypair::generate_ed25519(), Keypair::generate_ed25519()];
    let peers = keys.each_ref().map(|keys| keys.public().to_peer_id());
    let (mut listener, mut dialer) = (listens(&keys[0]), dials(&keys[1]));
    let address = listen(&mut listener, "/ip4/127.0.0.1/udp/0/quic-v1").await;
    let answering = async {
        let upgrade = loop {
            if let Some(TransportEvent::Incoming { upgrade, .. }) = listener.next().await {
                break upgrade;
            }
        };
        let (peer, mut connection) = upgrade.await.expect("a handshake");
        assert_eq!(peer, peers[1]);
        let mut stream = accept(&mut connection).await.expect("a stream");
        let mut byte = [0];
        stream.read_exact(&mut byte).await.expect("a byte");
        stream.write_all(&byte).await.expect("room for a byte");
        stream.close().await.expect("an end");
        // The dialer hangs up.
        assert!(accept(&mut connection).await.is_err());
    };
    let asking = async {
        let options = DialOpts {
            role: Role::Dialer,
            port_use: PortUse::Reuse,
        };
        let dialling = dialer.dial(address, options).expect("an address of QUIC");
        let (peer, mut connection) = dialling.await.expect("it answers");
        assert_eq!(peer, peers[0]);
        let mut stream = poll_fn(|cx| connection.poll_outbound_unpin(cx))
            .await
            .expect("a stream");
        stream.write_all(&[7]).await.expect("room for a byte");
        let mut back = Vec::new();
        stream.read_to_end(&mut back).await.expect("an end");
        assert_eq!(back, [7]);
        connection.close().await.expect("closed");
    };
    let both = futures::future::join(answering, asking);
    tokio::time::timeout(PATIENCE, both).await.expect("in time");
}

#[tokio::test]
async fn it_meets_libp2ps_and_itself() {
    meet(own, stock).await;
    meet(stock, own).await;
    meet(own, own).await;
}

#[tokio::test]
async fn a_listener_on_all_addresses_announces_those_of_the_machine() {
    for (address, family) in [
        ("/ip4/0.0.0.0/udp/0/quic-v1", true),
        ("/ip6/::/udp/0/quic-v1", false),
    ] {
        let mut transport = own(&Keypair::generate_ed25519());
        let listening = listen(&mut transport, address);
        let Ok(announced) = tokio::time::timeout(Duration::from_secs(2), listening).await else {
            // Some machines have no IPv6, and none lacks a loopback of IPv4.
            assert!(!family, "nothing was announced");
            continue;
        };
        let mut parts = announced.iter();
        match parts.next() {
            Some(Protocol::Ip4(ip)) => assert!(family && !ip.is_unspecified()),
            Some(Protocol::Ip6(ip)) => assert!(!family && !ip.is_unspecified()),
            other => panic!("{other:?}"),
        }
        assert!(matches!(parts.next(), Some(Protocol::Udp(port)) if port != 0));
        assert_eq!(parts.next(), Some(Protocol::QuicV1));
    }
}

/// Passes on what comes from dialers, and keeps what `listener` answers from them; the first byte of
/// each of its packets goes to `told`.
async fn keep_answers(front: UdpSocket, listener: SocketAddr, told: mpsc::UnboundedSender<u8>) {
    let back = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    back.connect(listener).await.expect("an address");
    let (mut asked, mut answered) = ([0; 2048], [0; 2048]);
    loop {
        tokio::select! {
            Ok(bytes) = front.recv(&mut asked) => {
                back.send(&asked[..bytes]).await.expect("it listens");
            }
            Ok(1..) = back.recv(&mut answered) => {
                if told.send(answered[0]).is_err() {
                    return;
                }
            }
        }
    }
}

#[tokio::test]
async fn who_begins_a_handshake_among_many_has_to_show_where_it_is() {
    const DOUBTS_FROM: usize = 16;
    let keys = [Keypair::generate_ed25519(), Keypair::generate_ed25519()];
    let (mut listener, mut dialer) = (own(&keys[0]), own(&keys[1]));
    let address = listen(&mut listener, "/ip4/127.0.0.1/udp/0/quic-v1").await;
    let port = address.iter().find_map(|part| match part {
        Protocol::Udp(port) => Some(port),
        _ => None,
    });
    let port = port.expect("an address of UDP");
    let front = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let through = front.local_addr().expect("bound").port();
    let (told, mut answers) = mpsc::unbounded_channel();
    tokio::spawn(keep_answers(front, ([127, 0, 0, 1], port).into(), told));
    let through: Multiaddr = format!("/ip4/127.0.0.1/udp/{through}/quic-v1")
        .parse()
        .expect("an address");
    let mut dial = || {
        let options = DialOpts {
            role: Role::Dialer,
            port_use: PortUse::New,
        };
        let dialling = dialer.dial(through.clone(), options);
        tokio::spawn(dialling.expect("an address of QUIC"));
    };
    // RFC 9000 §17.2.5: a Retry packet has a long header and the type 3.
    let is_retry = |first: u8| first & 0xf0 == 0xf0;
    let mut running = Vec::new();
    for _ in 0..DOUBTS_FROM {
        dial();
        let begun = async {
            loop {
                if let Some(TransportEvent::Incoming { upgrade, .. }) = listener.next().await {
                    running.push(upgrade);
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, begun).await.expect("begun");
    }
    while let Ok(first) = answers.try_recv() {
        assert!(!is_retry(first), "{} handshakes run", running.len());
    }
    dial();
    let doubted = async {
        loop {
            tokio::select! {
                event = listener.next() => {
                    let is_begun = matches!(event, Some(TransportEvent::Incoming { .. }));
                    assert!(!is_begun, "it need not show where it is");
                }
                first = answers.recv() => if is_retry(first.expect("it is passed on")) {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, doubted)
        .await
        .expect("in time");
}

/// Writes to one stream until the peer takes no more; how much that was.
async fn fill(stream: &mut SubstreamBox) -> usize {
    let mut bytes = 0;
    let chunk = [0; 4096];
    while let Ok(written) =
        tokio::time::timeout(Duration::from_millis(500), stream.write(&chunk)).await
    {
        bytes += written.expect("the connection is up");
    }
    bytes
}

#[tokio::test]
async fn what_nobody_reads_is_bounded_by_how_well_its_sender_is_known() {
    let keys = [Keypair::generate_ed25519(), Keypair::generate_ed25519()];
    let peer = keys[1].public().to_peer_id();
    let people = Acquaintances::new(Budget { met_max: 1 });
    let executor = Arc::new(TokioExecutor::current());
    let mut listener = QuicTransport::new(
        Arc::new(SystemUdp),
        executor,
        keys[0].clone(),
        Settings::default(),
    )
    .with_acquaintances(people.clone())
    .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
    .boxed();
    let address = listen(&mut listener, "/ip4/127.0.0.1/udp/0/quic-v1").await;
    let mut dialer = stock(&keys[1]);
    let options = DialOpts {
        role: Role::Dialer,
        port_use: PortUse::Reuse,
    };
    let dialling = dialer.dial(address, options).expect("an address of QUIC");
    let answering = async {
        loop {
            if let Some(TransportEvent::Incoming { upgrade, .. }) = listener.next().await {
                return upgrade.await.expect("a handshake");
            }
        }
    };
    let (accepted, dialled) = futures::future::join(answering, dialling).await;
    let (_reads_nothing, (_, mut connection)) = (accepted, dialled.expect("it answers"));
    let mut stream = poll_fn(|cx| connection.poll_outbound_unpin(cx))
        .await
        .expect("a stream");
    let settings = Settings::default();
    let unproved = fill(&mut stream).await;
    assert_eq!(unproved, settings.unproved_window_bytes as usize);
    people.meets(&peer);
    let met = unproved + fill(&mut stream).await;
    assert_eq!(met, settings.met_window_bytes as usize);
    people.trusts(peer);
    let trusted = met + fill(&mut stream).await;
    assert!(trusted > 4 << 20, "{trusted}");
}
