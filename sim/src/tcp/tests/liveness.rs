//! Silence: keepalive, the user timeout, and peers that have restarted.

use std::time::Duration;

use super::{Channel, Pair, Side};
use crate::tcp::{Config, Keepalive, State, TcpError};

const KEEPALIVE: Keepalive = Keepalive {
    idle: Duration::from_mins(1),
    interval: Duration::from_secs(10),
    probes: 3,
};

fn watched() -> Pair {
    let ours = Config {
        keepalive: Some(KEEPALIVE),
        ..Config::default()
    };
    let configs = [ours, Config::default()];
    let mut pair = Pair::with_configs(configs, Channel::default(), 1);
    pair.connect(Side::A);
    pair.pass(Duration::from_secs(1));
    pair.log.clear();
    pair
}

#[test]
fn without_keepalive_an_idle_connection_has_no_timers() {
    let mut pair = Pair::established(Config::default(), Channel::default(), 1);
    pair.a().write(b"hello");
    pair.b().write(b"hello");
    pair.flush();
    pair.settle();
    assert_eq!(pair.a().next_timeout(), None);
    assert_eq!(pair.b().next_timeout(), None);
}

#[test]
fn an_answered_keepalive_keeps_the_connection() {
    let mut pair = watched();
    pair.pass(Duration::from_secs(605));
    assert_eq!(pair.states(), [Some(State::Established); 2]);
    // One probe a minute and its answer.
    let probes = pair.a().stats().probes;
    assert!((9..=11).contains(&probes), "{probes}");
    assert_eq!(pair.log.len(), 2 * probes as usize);
}

#[test]
fn keepalive_notices_a_peer_that_has_gone() {
    let mut pair = watched();
    let heard = pair.now;
    pair.b = None;
    pair.silent.push(Side::B);
    pair.settle();
    assert_eq!(pair.a().error(), Some(TcpError::TimedOut));
    assert_eq!(pair.a().stats().probes, 3);
    // The last segment came in the second before.
    let took = pair.now - heard;
    assert!((89..=90).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn traffic_puts_keepalive_off() {
    let mut pair = watched();
    for _ in 0..20 {
        pair.b().write(b"x");
        pair.flush();
        pair.pass(Duration::from_secs(50));
    }
    assert_eq!(pair.a().stats().probes, 0);
}

#[test]
fn the_user_timeout_bounds_silence_under_data() {
    // RFC 5482: counted from the data, whatever the repetitions.
    for seconds in [5, 30, 100] {
        let config = Config {
            user_timeout: Duration::from_secs(seconds),
            ..Config::default()
        };
        let mut pair = Pair::established(config, Channel::default(), 1);
        pair.settle();
        pair.silent.push(Side::B);
        let written = pair.now;
        pair.a().write(b"anyone?");
        pair.flush();
        pair.drive(|pair| {
            pair.a
                .as_ref()
                .is_some_and(crate::tcp::Connection::is_closed)
        });
        assert_eq!(pair.a().error(), Some(TcpError::TimedOut));
        assert_eq!(pair.now - written, Duration::from_secs(seconds));
    }
}

#[test]
fn a_closed_window_is_probed_ever_more_rarely() {
    let config = Config {
        receive_buffer_bytes: 10_000,
        ..Config::default()
    };
    let mut pair = Pair::established(config, Channel::default(), 1);
    pair.a().write(&vec![1; 20_000]);
    pair.flush();
    pair.pass(Duration::from_secs(1));
    pair.log.clear();
    pair.pass(Duration::from_mins(30));
    let times: Vec<_> = pair
        .log
        .iter()
        .filter(|entry| entry.1 == Side::A)
        .map(|entry| entry.0)
        .collect();
    let gaps: Vec<u64> = times
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs())
        .collect();
    assert!(gaps.windows(2).all(|pair| pair[0] <= pair[1]), "{gaps:?}");
    assert_eq!(gaps.last(), Some(&120), "{gaps:?}");
    assert!((15..=30).contains(&times.len()), "{}", times.len());
}

#[test]
fn a_restarted_dialer_may_use_its_port_again() {
    // RFC 9293 §3.5.2 with RFC 5961 §4: the stale end challenges the SYN, the
    // new one resets it, and its next SYN is a first one.
    let mut pair = Pair::established(Config::default(), Channel::default(), 1);
    pair.settle();
    let start = pair.now;
    pair.log.clear();
    pair.a = None;
    pair.connect(Side::A);
    pair.drive(|pair| {
        pair.a
            .as_ref()
            .is_some_and(|a| a.state() == State::Established)
    });
    assert_eq!(
        pair.transcript(),
        ["A SYN", "B ACK", "A RST", "A SYN", "B SYN|ACK", "A ACK"]
    );
    assert_eq!(pair.now - start, Duration::from_millis(1_100));
    pair.settle();
    pair.a().write(b"again");
    pair.flush();
    pair.settle();
    assert_eq!(pair.b().readable(), 5);
}

#[test]
fn a_restarted_dialer_gets_through_with_losses() {
    for (seed, percent) in (0..40).zip([0, 5, 10, 20].into_iter().cycle()) {
        let mut pair = Pair::established(Config::default(), Channel::default(), seed);
        pair.a().write(b"old");
        pair.flush();
        pair.channel.loss = crate::units::Ratio::from_percent(percent);
        pair.a = None;
        pair.connect(Side::A);
        pair.settle();
        let a = pair.a().state();
        assert_eq!(a, State::Established, "seed {seed}");
    }
}
