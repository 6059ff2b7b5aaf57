//! Simulated UDP sockets as quinn uses them.

use std::future::poll_fn;
use std::io::{ErrorKind, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_timer::Delay;
use orrery_sim::net::{self, address};
use orrery_sim::{HostId, HostSpec, Simulation, World, host, quic};
use quinn::AsyncUdpSocket;
use quinn::udp::{RecvMeta, Transmit};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Start here: a world of two hosts.
fn simulate(main: impl FnOnce(&mut World, HostId, HostId) + Send) {
    let ((), outcome) = Simulation::new(1)
        .run(|world| {
            let (a, b) = (
                host::add(HostSpec::named("a")),
                host::add(HostSpec::named("b")),
            );
            main(world, a, b);
        })
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None);
}

fn send(socket: &dyn AsyncUdpSocket, to: SocketAddr, contents: &[u8], segment: Option<usize>) {
    let transmit = Transmit {
        destination: to,
        ecn: None,
        contents,
        segment_size: segment,
        src_ip: None,
    };
    socket.try_send(&transmit).expect("nothing is refused");
}

/// Lengths of what waits, in one call with `places` buffers of 100 bytes.
async fn receive(socket: &Arc<dyn AsyncUdpSocket>, places: usize) -> Vec<usize> {
    let mut bytes = vec![[0; 100]; places];
    let mut buffers: Vec<_> = bytes
        .iter_mut()
        .map(|place| IoSliceMut::new(place))
        .collect();
    let mut metas = vec![RecvMeta::default(); places];
    let received = poll_fn(|cx| match socket.poll_recv(cx, &mut buffers, &mut metas) {
        Poll::Ready(count) => Poll::Ready(count.expect("the host is up")),
        Poll::Pending => Poll::Ready(0),
    });
    let count = received.await;
    metas[..count].iter().map(|meta| meta.len).collect()
}

#[test]
fn a_host_binds_its_own_addresses_and_each_port_once() {
    simulate(|_, a, b| {
        let bind = |ip, port| quic::bind(a, SocketAddr::new(ip, port));
        let first = bind(V4, 4_001).expect("the port is free");
        assert_eq!(first.local_addr().unwrap(), SocketAddr::new(V4, 4_001));
        assert!(!first.may_fragment());
        assert_eq!(bind(V4, 4_001).unwrap_err().kind(), ErrorKind::AddrInUse);
        // A port is bound for both families.
        let v6 = IpAddr::from(Ipv6Addr::UNSPECIFIED);
        assert_eq!(bind(v6, 4_001).unwrap_err().kind(), ErrorKind::AddrInUse);
        let own = IpAddr::from(address::v4(a));
        let any = bind(own, 0)
            .expect("some port is free")
            .local_addr()
            .unwrap();
        assert!(any.ip() == own && any.port() != 0);
        let others = bind(address::v4(b).into(), 0).unwrap_err();
        assert_eq!(others.kind(), ErrorKind::AddrNotAvailable);
        drop(first);
        assert!(bind(V4, 4_001).is_ok());
    });
}

#[test]
fn a_socket_takes_what_is_of_its_family_and_cuts_what_is_too_long() {
    simulate(|world, a, b| {
        host::executor(b).spawn(async move {
            let socket = quic::bind(b, SocketAddr::new(V4, 4_001)).expect("the port is free");
            Delay::new(Duration::from_millis(10)).await;
            assert_eq!(receive(&socket, 2).await, [10, 100]);
            assert_eq!(receive(&socket, 8).await, [40, 40, 5]);
            assert_eq!(receive(&socket, 8).await, [0; 0]);
        });
        host::executor(a).spawn(async move {
            let v4 = quic::bind(a, SocketAddr::new(V4, 0)).expect("a port is free");
            let v6 = quic::bind(a, SocketAddr::new(V6, 0)).expect("a port is free");
            send(&*v6, (address::v6(b), 4_001).into(), &[7; 10], None);
            let to = (address::v4(b), 4_001).into();
            send(&*v4, to, &[7; 10], None);
            send(&*v4, to, &[7; 300], None);
            send(&*v4, to, &[7; 85], Some(40));
        });
        world.run_for(Duration::from_secs(1));
    });
}

#[test]
fn a_datagram_that_does_not_fit_is_lost_without_a_word() {
    simulate(|_, a, b| {
        let socket = quic::bind(a, SocketAddr::new(V4, 0)).expect("a port is free");
        let to = (address::v4(b), 4_001).into();
        // 28 bytes of headers: 1,472 fill a link of 1,500.
        send(&*socket, to, &[7; 1_473], None);
        assert_eq!(net::traffic(a).sent_packets, 0);
        send(&*socket, to, &[7; 1_472], None);
        assert_eq!(net::traffic(a).sent_packets, 1);
    });
}
