//! How connections end: FIN, RST, TIME_WAIT, and timeouts.

use std::time::Duration;

use bytes::Bytes;

use super::{Channel, Pair, Side, address};
use crate::tcp::{Config, Connection, Flags, Options, Segment, State, TcpError};
use crate::time::SimTime;

fn pair() -> Pair {
    let mut pair = Pair::established(Config::default(), Channel::default(), 1);
    pair.settle();
    pair.log.clear();
    pair
}

#[test]
fn closing_one_after_the_other_takes_four_segments() {
    let mut pair = pair();
    pair.a().shutdown_write();
    pair.flush();
    pair.settle();
    assert_eq!(
        pair.states(),
        [Some(State::FinWait2), Some(State::CloseWait)]
    );
    assert!(pair.b().eof());
    pair.b().shutdown_write();
    pair.flush();
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.states(), [Some(State::TimeWait), Some(State::Closed)]);
    assert_eq!(
        pair.transcript(),
        ["A ACK|FIN", "B ACK", "B ACK|FIN", "A ACK"].map(flag_order)
    );
    pair.settle();
    assert_eq!(pair.states(), [Some(State::Closed); 2]);
    assert_eq!((pair.a().error(), pair.b().error()), (None, None));
}

/// Flags print from the lowest bit on.
fn flag_order(line: &str) -> String {
    line.replace("ACK|FIN", "FIN|ACK")
}

#[test]
fn a_half_closed_connection_still_carries_data() {
    let mut pair = pair();
    pair.a().shutdown_write();
    pair.flush();
    pair.settle();
    assert_eq!(pair.a().write(b"late"), 0);
    pair.b().write(b"reply");
    pair.b().shutdown_write();
    pair.flush();
    pair.pass(Duration::from_secs(1));
    let mut buffer = [0; 16];
    assert!(!pair.a().eof());
    assert_eq!(pair.a().read(&mut buffer), 5);
    assert!(pair.a().eof());
}

#[test]
fn closing_at_once_ends_in_time_wait_on_both_sides() {
    let mut pair = pair();
    pair.a().shutdown_write();
    pair.b().shutdown_write();
    pair.flush();
    pair.pass(Duration::from_millis(50));
    assert_eq!(pair.states(), [Some(State::Closing); 2]);
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.states(), [Some(State::TimeWait); 2]);
    let start = pair.now;
    pair.settle();
    assert_eq!(pair.states(), [Some(State::Closed); 2]);
    assert!(pair.now - start < Duration::from_mins(1));
}

#[test]
fn a_lost_last_acknowledgement_is_repeated() {
    let mut pair = pair();
    pair.a().shutdown_write();
    pair.flush();
    pair.settle();
    pair.b().shutdown_write();
    pair.flush();
    pair.silent.push(Side::A);
    pair.pass(Duration::from_millis(100));
    assert_eq!(pair.states(), [Some(State::TimeWait), Some(State::LastAck)]);
    pair.silent.clear();
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.states(), [Some(State::TimeWait), Some(State::Closed)]);
}

#[test]
fn data_before_the_fin_arrives_first() {
    let mut pair = pair();
    pair.a().write(&vec![9; 100_000]);
    pair.a().shutdown_write();
    pair.flush();
    pair.drive(|pair| {
        pair.b
            .as_ref()
            .is_some_and(|b| b.state() == State::CloseWait)
    });
    assert_eq!(pair.b().readable(), 100_000);
    pair.settle();
    assert!(pair.a().is_flushed());
}

#[test]
fn an_abort_resets_the_other_side() {
    let mut pair = pair();
    pair.a().write(b"lost");
    pair.a().abort();
    pair.flush();
    pair.settle();
    assert_eq!(pair.states(), [Some(State::Closed); 2]);
    assert_eq!(pair.a().error(), Some(TcpError::Aborted));
    assert_eq!(pair.b().error(), Some(TcpError::Reset));
    assert_eq!(pair.transcript(), ["A RST|ACK"]);
}

#[test]
fn closing_with_unread_data_resets() {
    let mut pair = pair();
    pair.a().write(b"never read");
    pair.flush();
    pair.settle();
    let now = pair.now;
    pair.b().close(now);
    pair.flush();
    pair.settle();
    assert_eq!(pair.a().error(), Some(TcpError::Reset));
}

#[test]
fn data_for_nobody_resets() {
    let mut pair = pair();
    let now = pair.now;
    pair.b().close(now);
    pair.flush();
    pair.pass(Duration::from_millis(200));
    assert_eq!(
        pair.states(),
        [Some(State::CloseWait), Some(State::FinWait2)]
    );
    pair.a().write(b"too late");
    pair.flush();
    pair.settle();
    assert_eq!(pair.a().error(), Some(TcpError::Reset));
}

#[test]
fn nobody_waits_for_ever_for_a_fin() {
    let mut pair = pair();
    let now = pair.now;
    pair.b().close(now);
    pair.flush();
    pair.settle();
    assert_eq!(pair.states(), [Some(State::CloseWait), Some(State::Closed)]);
    assert!(pair.now - now < Duration::from_secs(61));
}

#[test]
fn a_vanished_peer_is_noticed_after_the_user_timeout() {
    let config = Config {
        user_timeout: Duration::from_secs(30),
        ..Config::default()
    };
    let mut pair = Pair::established(config, Channel::default(), 1);
    pair.settle();
    pair.b = None;
    pair.silent.push(Side::B);
    pair.pass(Duration::from_secs(500));
    let written = pair.now;
    pair.a().write(b"anyone?");
    pair.flush();
    pair.settle();
    assert_eq!(pair.a().error(), Some(TcpError::TimedOut));
    assert_eq!(pair.now - written, Duration::from_secs(30));
}

#[test]
fn a_peer_without_memory_resets_at_the_next_data() {
    let mut pair = pair();
    pair.b = None;
    pair.a().write(b"hello");
    pair.flush();
    pair.settle();
    assert_eq!(pair.a().error(), Some(TcpError::Reset));
}

#[test]
fn only_the_exact_number_resets() {
    // RFC 5961 §3: off by one within the window is challenged.
    for (offset, survives) in [(0u32, false), (1, true), (1_000, true), (u32::MAX, true)] {
        let mut pair = pair();
        let expected = pair.b().expected();
        let now = pair.now;
        pair.b()
            .on_segment(now, bare(Flags::RST, expected.wrapping_add(offset)));
        assert_eq!(pair.b().is_established(), survives, "{offset}");
    }
}

#[test]
fn challenges_are_rare() {
    let mut pair = pair();
    let expected = pair.b().expected();
    for _ in 0..100 {
        let now = pair.now;
        pair.b()
            .on_segment(now, bare(Flags::SYN, expected.wrapping_add(5)));
        pair.flush();
        pair.pass(Duration::from_millis(10));
    }
    let acks = pair.transcript().len();
    assert!((2..=3).contains(&acks), "{acks}");
}

#[test]
fn time_wait_gives_way_to_a_newer_request() {
    let mut pair = pair();
    pair.a().shutdown_write();
    pair.b().shutdown_write();
    pair.flush();
    pair.pass(Duration::from_secs(1));
    let expected = pair.a().expected();
    let syn = |offset: u32| bare(Flags::SYN, expected.wrapping_add(offset));
    assert!(pair.a().may_be_replaced_by(&syn(0)));
    assert!(pair.a().may_be_replaced_by(&syn(1_000_000)));
    assert!(!pair.a().may_be_replaced_by(&syn(u32::MAX)));
    assert!(!pair.a().may_be_replaced_by(&bare(Flags::ACK, expected)));
}

#[test]
fn an_unfinished_dial_closes_quietly() {
    let mut dial = Connection::connect(
        SimTime::ZERO,
        &std::sync::Arc::new(Config::default()),
        address(Side::A),
        address(Side::B),
        1,
    );
    dial.poll_transmit(SimTime::ZERO);
    dial.close(SimTime::ZERO);
    assert!(dial.is_closed());
    assert_eq!(dial.poll_transmit(SimTime::ZERO), None);
    assert_eq!(dial.next_timeout(), None);
}

fn bare(flags: Flags, seq: u32) -> Segment {
    Segment {
        seq,
        ack: 0,
        flags,
        window: 0,
        options: Options::default(),
        payload: Bytes::new(),
    }
}
