//! How connections begin: three-way, simultaneous, lost and refused.

use std::time::Duration;

use super::{Channel, Pair, Side};
use crate::tcp::{Config, Connection, State, TcpError};
use crate::time::SimTime;

fn pair() -> Pair {
    Pair::new(Config::default(), Channel::default(), 1)
}

#[test]
fn three_segments_open_a_connection() {
    let mut pair = pair();
    pair.connect(Side::A);
    pair.settle();
    assert_eq!(pair.states(), [Some(State::Established); 2]);
    assert_eq!(pair.transcript(), ["A SYN", "B SYN|ACK", "A ACK"]);
    assert_eq!(pair.a().stats().rtt, Some(Duration::from_millis(100)));
    assert_eq!(pair.now, SimTime::from_millis(150));
}

#[test]
fn data_written_early_leaves_with_the_handshake() {
    let mut pair = pair();
    pair.connect(Side::A);
    pair.a().write(b"hello");
    pair.drive(|pair| pair.b.as_ref().is_some_and(|b| b.readable() == 5));
    assert_eq!(pair.now, SimTime::from_millis(150));
}

#[test]
fn both_ends_may_open_at_once() {
    for gap_ms in [0, 10, 49] {
        let mut pair = pair();
        pair.listening = false;
        pair.connect(Side::A);
        pair.pass(Duration::from_millis(gap_ms));
        pair.connect(Side::B);
        pair.settle();
        assert_eq!(pair.states(), [Some(State::Established); 2], "{gap_ms} ms");
        assert!(pair.now < SimTime::from_millis(300), "no timeout needed");
        pair.a().write(b"ping");
        pair.b().write(b"pong");
        pair.flush();
        pair.settle();
        assert_eq!((pair.a().readable(), pair.b().readable()), (4, 4));
    }
}

#[test]
fn simultaneous_open_survives_the_loss_of_either_syn() {
    for lost in [Side::A, Side::B] {
        let mut pair = pair();
        pair.listening = false;
        pair.silent.push(lost);
        pair.connect(lost);
        pair.silent.clear();
        pair.connect(lost.other());
        pair.settle();
        assert_eq!(pair.states(), [Some(State::Established); 2], "{lost:?}");
    }
}

#[test]
fn a_port_without_listener_refuses() {
    let mut pair = pair();
    pair.listening = false;
    pair.connect(Side::A);
    pair.settle();
    assert_eq!(pair.a().error(), Some(TcpError::Refused));
    assert_eq!(pair.now, SimTime::from_millis(100));
}

#[test]
fn silence_ends_in_a_timeout_after_seven_syns() {
    let mut pair = pair();
    pair.silent.push(Side::A);
    pair.connect(Side::A);
    pair.settle();
    assert_eq!(pair.transcript(), ["A SYN"; 7]);
    // 1 + 2 + 4 + … + 64 seconds, as on Linux.
    assert_eq!(pair.now, SimTime::from_secs(127));
    assert_eq!(pair.a().error(), Some(TcpError::TimedOut));
}

#[test]
fn an_unanswered_syn_ack_is_given_up() {
    let mut pair = pair();
    pair.silent.push(Side::B);
    pair.connect(Side::A);
    pair.settle();
    assert_eq!(pair.b().error(), Some(TcpError::TimedOut));
    assert!(
        pair.transcript()
            .iter()
            .filter(|s| *s == "B SYN|ACK")
            .count()
            >= 6
    );
}

#[test]
fn a_lost_acknowledgement_does_not_hinder_data_from_the_client() {
    let mut pair = pair();
    pair.connect(Side::A);
    pair.pass(Duration::from_millis(60));
    pair.silent.push(Side::A);
    pair.pass(Duration::from_millis(50));
    pair.silent.clear();
    pair.a().write(b"hello");
    pair.flush();
    pair.drive(|pair| pair.b.as_ref().is_some_and(|b| b.readable() == 5));
    assert_eq!(pair.b().state(), State::Established);
}

#[test]
fn one_lost_syn_keeps_the_initial_window_and_two_do_not() {
    for (lost, segments) in [(1, 10), (2, 1)] {
        let mut pair = pair();
        pair.silent.push(Side::A);
        pair.connect(Side::A);
        pair.pass(Duration::from_secs((1 << lost) - 2));
        pair.silent.clear();
        pair.drive(|pair| pair.a.as_ref().is_some_and(Connection::is_established));
        let stats = pair.a().stats();
        assert_eq!(stats.window_bytes, segments * 1_460, "{lost} lost");
        // RFC 6298 §5.7.
        assert_eq!(stats.rto, Duration::from_secs(3));
    }
}

#[test]
fn a_restarted_peer_meets_its_stale_connection_and_gets_through() {
    let mut pair = Pair::established(Config::default(), Channel::default(), 1);
    pair.settle();
    // A loses its memory and dials again from the same port.
    pair.a = None;
    pair.connect(Side::A);
    pair.settle();
    assert_eq!(pair.states(), [Some(State::Established); 2]);
    let transcript = pair.transcript();
    assert_eq!(
        transcript[3..],
        ["A SYN", "B ACK", "A RST", "A SYN", "B SYN|ACK", "A ACK"]
    );
}

#[test]
fn windows_scale_only_if_both_offer() {
    let mut pair = pair();
    pair.connect(Side::A);
    let (_, (to, mut syn)) = pair.in_flight.pop_first().expect("a SYN was sent");
    assert_eq!(syn.options.window_scale, Some(6));
    syn.options.window_scale = None;
    pair.deliver(to, syn);
    let reply = pair.b().poll_transmit(SimTime::ZERO).expect("a SYN-ACK");
    assert_eq!(reply.options.window_scale, None);
    pair.a().on_segment(SimTime::ZERO, reply);
    pair.flush();
    let ack = pair.in_flight.pop_first().expect("an ACK").1.1;
    assert_eq!(ack.window, u16::MAX);
}

#[test]
fn an_absurd_mss_is_not_believed() {
    for (announced, expected) in [(None, 536), (Some(0), 48), (Some(u16::MAX), 1_460)] {
        let mut pair = pair();
        pair.connect(Side::A);
        let (_, (to, mut syn)) = pair.in_flight.pop_first().expect("a SYN was sent");
        syn.options.mss = announced;
        pair.deliver(to, syn);
        assert_eq!(pair.b().stats().mss_bytes, expected);
    }
}
