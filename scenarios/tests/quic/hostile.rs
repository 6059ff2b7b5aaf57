//! What strangers can do to an endpoint: packets that mean nothing, and how much they cost.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_timer::Delay;
use orrery_node::quic::Settings;
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::net::{self, address};
use orrery_sim::random::Stream;
use orrery_sim::{HostId, host};

use crate::harness::*;

const PACKETS: u32 = 3_000;

/// Sends what `make` makes to the listener, a packet a millisecond.
async fn flood(from: HostId, to: HostId, make: fn(&mut Stream) -> Vec<u8>) {
    let socket = UdpSocket::bind(from, 0).expect("a port is free");
    let mut stream = Stream::new(1, "garbage", 0);
    for _ in 0..PACKETS {
        let to = SocketAddr::new(address::v4(to).into(), PORT);
        let packet = Bytes::from(make(&mut stream));
        socket.send_to(to, packet).expect("it fits");
        Delay::new(Duration::from_millis(1)).await;
    }
}

fn random(stream: &mut Stream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.fill_bytes(&mut bytes);
    bytes
}

/// A short header: a packet of a connection that does not exist.
fn stray(stream: &mut Stream) -> Vec<u8> {
    let mut packet = random(stream, 1_200);
    packet[0] = packet[0] & 0x3f | 0x40;
    packet
}

/// A first packet of a version that nobody has.
fn unknown_version(stream: &mut Stream) -> Vec<u8> {
    let mut packet = random(stream, 1_200);
    packet[0] |= 0xc0;
    packet[5] = 8;
    packet[14] = 8;
    packet
}

/// A first packet of version 1 whose protection does not fit.
fn broken_initial(stream: &mut Stream) -> Vec<u8> {
    let mut packet = unknown_version(stream);
    packet[0] = 0xc0;
    packet[1..5].copy_from_slice(&[0, 0, 0, 1]);
    // No token; a length of two bytes that takes the rest.
    packet[23..26].copy_from_slice(&[0, 0x44, 0x90]);
    packet
}

fn noise(stream: &mut Stream) -> Vec<u8> {
    let length = stream.below(1_400) as usize + 1;
    random(stream, length)
}

#[test]
fn garbage_is_answered_with_less_than_it_is_and_harms_nobody() {
    let check = |what: &str, make: fn(&mut Stream) -> Vec<u8>| {
        let told = simulate(move |world, log| {
            let (listener, dialer) = pair();
            let stranger = add("stranger", link());
            host::executor(listener).spawn(Node::listening(listener, Settings::default()).echo());
            host::executor(stranger).spawn(flood(stranger, listener, make));
            let before = host::tasks(listener);
            host::executor(dialer).spawn(async move {
                let mut node = Node::new(dialer, Settings::default());
                Delay::new(Duration::from_secs(1)).await;
                let (_, mut connection) = node.dial(at(listener, PORT)).await.expect("it answers");
                let back = exchange(&mut connection, pattern(50_000)).await;
                log.line(back.is_ok_and(|back| back == pattern(50_000)));
            });
            world.run_for(Duration::from_secs(20));
            let stranger = net::traffic(stranger);
            assert!(stranger.sent_packets >= u64::from(PACKETS), "{stranger:?}");
            assert!(
                stranger.received_packets <= stranger.sent_packets
                    && stranger.received_bytes < stranger.sent_bytes,
                "{stranger:?}"
            );
            // No packet has left a task behind.
            assert!(host::tasks(listener) <= before + 2);
        });
        assert_eq!(told, ["true"], "{what}");
    };
    check("noise", noise);
    check("stray", stray);
    check("unknown version", unknown_version);
    check("broken initial", broken_initial);
}
