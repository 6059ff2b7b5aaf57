//! ICMP errors find their way through NATs, in both directions.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use orrery_sim::net::icmp::IcmpKind;
use orrery_sim::net::nat::{Block, GatewayId, Hairpinning, NatSpec};
use orrery_sim::net::packet::{Packet, Transport};
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::net::wire;
use orrery_sim::{HostId, Simulation, World, host};

use crate::harness::{
    MS, access, arrives, behind, drops, gateway, home, public, received, seen, send, simulate, udp,
    v4,
};

/// A client behind two NATs and a server, 10 ms apart.
fn nested() -> ([GatewayId; 2], HostId, HostId) {
    let carrier = home(NatSpec {
        inside: Block::Carrier,
        ..NatSpec::default()
    });
    host::set_access(carrier.host(), &access(5 * MS, 1_500));
    let home = gateway(Some(NatSpec::default()), None, Some(carrier));
    let client = behind(home, "client");
    ([home, carrier], client, public("server"))
}

fn send_bytes(socket: &UdpSocket, to: std::net::SocketAddr, len: usize) -> io::Result<()> {
    socket.send_to(to, Bytes::from(vec![7; len]))
}

fn is_too_large(result: &io::Result<()>) -> bool {
    let code = result.as_ref().err().and_then(io::Error::raw_os_error);
    code == Some(libc_emsgsize())
}

/// `EMSGSIZE` on Linux.
const fn libc_emsgsize() -> i32 {
    90
}

#[test]
fn a_refused_datagram_is_told_to_who_sent_it_from_behind_two_nats() {
    simulate(|world| {
        let (_, client, server) = nested();
        let socket = udp(client, 5_000);
        socket.keep_errors().expect("it has power");
        send(&socket, v4(server, 9));
        world.run_for(11 * MS);
        let error = socket.take_error().expect("it was refused");
        assert_eq!(error.to, v4(server, 9));
        assert_eq!(error.kind, IcmpKind::PortUnreachable);
    });
}

#[test]
fn who_is_behind_two_nats_refuses_too() {
    simulate(|world| {
        let (gateways, client, server) = nested();
        let at = v4(server, 7);
        let server = udp(server, 7);
        server.keep_errors().expect("it has power");
        let socket = udp(client, 5_000);
        send(&socket, at);
        world.run_for(10 * MS);
        let mapped = received(&server)[0];
        drop(socket);
        send(&server, mapped);
        world.run_for(20 * MS);
        let error = server.take_error().expect("it was refused");
        assert_eq!(error.to, mapped);
        assert_eq!(mapped, v4(gateways[1].host(), 5_000));
    });
}

#[test]
fn a_hairpinned_datagram_is_refused_likewise() {
    simulate(|world| {
        let home = home(NatSpec {
            hairpinning: Hairpinning::ExternalSource,
            ..NatSpec::default()
        });
        let server = public("server");
        let at = v4(server, 7);
        let server = udp(server, 7);
        let sockets = ["one", "two"].map(|name| udp(behind(home, name), 5_000));
        let mapped = [0, 1].map(|number| seen(world, &sockets[number], &server, at));
        let [one, two] = sockets;
        send(&two, mapped[0]);
        world.run_for(MS);
        drop(two);
        one.keep_errors().expect("it has power");
        send(&one, mapped[1]);
        world.run_for(MS);
        let error = one.take_error().expect("it was refused");
        assert_eq!(error.to, mapped[1]);
    });
}

#[test]
fn narrow_links_on_any_side_are_told_of() {
    // Where the narrow link is, and who sends what is too large for it.
    let check = |narrow: fn(&mut World, [GatewayId; 2], HostId, HostId), by_client: bool| {
        simulate(move |world| {
            let (gateways, client, server) = nested();
            narrow(world, gateways, client, server);
            let at = v4(server, 7);
            let (socket, server) = (udp(client, 5_000), udp(server, 7));
            send(&socket, at);
            world.run_for(50 * MS);
            let mapped = received(&server)[0];
            let (from, to) = if by_client {
                (&socket, at)
            } else {
                (&server, mapped)
            };
            assert!(send_bytes(from, to, 1_300).is_ok(), "it cannot know yet");
            world.run_for(50 * MS);
            assert_eq!(drops("too-large"), 1);
            assert!(is_too_large(&send_bytes(from, to, 1_300)));
            assert!(send_bytes(from, to, 1_000 - 28).is_ok());
            world.run_for(50 * MS);
            let (socket, server) = (received(&socket).len(), received(&server).len());
            assert_eq!(socket + server, 1);
        });
    };
    let narrow = |host: HostId| host::set_access(host, &access(MS, 1_000));
    check(
        |_, _, _, server| host::set_access(server, &access(MS, 1_000)),
        true,
    );
    check(
        |_, gateways, _, _| host::set_access(gateways[1].host(), &access(MS, 1_000)),
        true,
    );
    check(
        |_, gateways, _, _| host::set_access(gateways[0].host(), &access(MS, 1_000)),
        true,
    );
    check(
        |_, gateways, _, _| host::set_access(gateways[0].host(), &access(MS, 1_000)),
        false,
    );
    check(
        |_, _, client, _| host::set_access(client, &access(MS, 1_000)),
        false,
    );
    // The sender's own link refuses at once.
    simulate(move |_| {
        let (_, client, server) = nested();
        narrow(client);
        let at = v4(server, 7);
        assert!(is_too_large(&send_bytes(&udp(client, 5_000), at, 1_300)));
    });
}

#[test]
fn an_error_about_what_was_not_sent_is_not_let_in() {
    simulate(|world| {
        let (_, client, server) = nested();
        let at = v4(server, 7);
        let socket = udp(client, 5_000);
        socket.keep_errors().expect("it has power");
        let other = public("other");
        send(&socket, at);
        // The other one refuses a datagram that no host behind the NAT has sent it, to
        // a port of it that is bound.
        let mapped = v4(HostId(0), 5_000);
        let server = udp(server, 7);
        world.run_for(20 * MS);
        drop(server);
        assert!(!arrives(world, &udp(other, 9), &socket, mapped));
        world.run_for(20 * MS);
        assert!(socket.take_error().is_none());
    });
}

/// The packets of a capture: the blocks of type 6 (enhanced packets) hold 20 bytes before
/// the packet, whose length comes third.
fn packets(file: &[u8]) -> Vec<Packet> {
    let word = |at: usize| {
        let bytes = file[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes) as usize
    };
    let mut all = Vec::new();
    let mut at = 0;
    while at < file.len() {
        if word(at) == 6 {
            let bytes = &file[at + 28..at + 28 + word(at + 20)];
            all.push(wire::decode(bytes).expect("its checksums are right"));
        }
        at += word(at + 4);
    }
    all
}

#[test]
fn captures_show_inside_addresses_at_the_host_and_outside_ones_at_the_gateway() {
    let name = format!("orrery-nat-capture-{}", std::process::id());
    let folder: PathBuf = std::env::temp_dir().join(name);
    let ((), outcome) = Simulation::new(1)
        .capturing(&folder)
        .run(|world| {
            let home = home(NatSpec::default());
            let (client, server) = (behind(home, "client"), public("server"));
            let socket = udp(client, 5_000);
            send(&socket, v4(server, 9));
            world.run_for(MS);
        })
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None);
    let of = |name: &str| {
        let path = folder.join(format!("capture-{name}.pcapng"));
        packets(&std::fs::read(path).expect("it was captured"))
    };
    let ends = |packet: &Packet| {
        let quoted = match &packet.transport {
            Transport::Icmp(error) => format!(" about {}", error.quote.src),
            _ => String::new(),
        };
        format!("{} {}{quoted}", packet.src, packet.dst)
    };
    let client: Vec<String> = of("client").iter().map(ends).collect();
    let expected = [
        "192.168.0.2:5000 11.0.0.3:9",
        "11.0.0.3:0 192.168.0.2:0 about 192.168.0.2:5000",
    ];
    assert_eq!(client, expected);
    let outside: Vec<String> = of("gateway").iter().map(ends).collect();
    let expected = [
        "11.0.0.1:5000 11.0.0.3:9",
        "11.0.0.3:0 11.0.0.1:0 about 11.0.0.1:5000",
    ];
    assert_eq!(outside, expected);
    std::fs::remove_dir_all(&folder).expect("it was made");
}
