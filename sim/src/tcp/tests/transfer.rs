//! Bytes arrive, intact and in order, over links that harm them.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::{Channel, Pair, Side};
use crate::tcp::{Config, Congestion, RtoFloor, State};
use crate::time::SimTime;
use crate::units::{Rate, Ratio};

/// Sends `data` from A to B, which reads at once; returns when all had arrived.
fn transfer(pair: &mut Pair, len: usize) -> SimTime {
    let mut data = Bytes::from(vec![5; len]);
    let mut received = 0;
    pair.connect(Side::A);
    while received < len {
        if !data.is_empty() {
            pair.a().write_chunk(&mut data);
            pair.flush();
        }
        assert!(pair.step(), "stalled after {received} bytes");
        if let Some(b) = &mut pair.b {
            while let Some(chunk) = b.read_chunk() {
                received += chunk.len();
            }
            pair.flush();
        }
    }
    pair.now
}

#[test]
fn a_cold_megabyte_takes_about_seven_round_trips() {
    // V26: 100 Mbit/s, 100 ms, initial window 10.
    for delayed_ack in [None, Some(Duration::from_millis(40))] {
        let config = Config {
            delayed_ack,
            ..Config::default()
        };
        let channel = Channel {
            rate: Some(Rate::from_mbps(100)),
            ..Channel::default()
        };
        let end = transfer(&mut Pair::new(config, channel, 1), 1_000_000);
        let rtts = end.as_secs_f64() / 0.1;
        assert!((6.0..8.0).contains(&rtts), "{rtts} {delayed_ack:?}");
    }
}

#[test]
fn a_single_loss_is_repaired_without_a_timeout() {
    let mut pair = Pair::established(Config::default(), Channel::default(), 1);
    pair.settle();
    let start = pair.now;
    pair.a().write(&[1; 14_600]);
    let now = pair.now;
    let first = pair.a().poll_transmit(now);
    assert!(first.is_some(), "this one is lost");
    pair.flush();
    pair.drive(|pair| pair.b.as_ref().is_some_and(|b| b.readable() == 14_600));
    assert_eq!(pair.now - start, Duration::from_millis(150));
    let stats = pair.a().stats();
    assert_eq!(
        (stats.fast_recoveries, stats.timeouts, stats.retransmits),
        (1, 0, 1)
    );
}

#[test]
fn a_lost_tail_waits_for_the_timer() {
    let config = Config {
        rto_floor: RtoFloor::Total(Duration::from_millis(200)),
        ..Config::default()
    };
    let mut pair = Pair::established(config, Channel::default(), 1);
    pair.settle();
    let start = pair.now;
    pair.silent.push(Side::A);
    pair.a().write(b"hello");
    pair.flush();
    pair.silent.clear();
    pair.drive(|pair| pair.b.as_ref().is_some_and(|b| b.readable() == 5));
    // RTT 100 ms measured once: SRTT + 4 · RTTVAR = 300 ms, then one way.
    assert_eq!(pair.now - start, Duration::from_millis(350));
    let stats = pair.a().stats();
    assert_eq!((stats.timeouts, stats.retransmits), (1, 1));
    assert_eq!(stats.window_bytes, 1_460);
}

#[test]
fn a_reader_that_stops_stops_the_sender() {
    let config = Config {
        send_buffer_bytes: 50_000,
        receive_buffer_bytes: 30_000,
        ..Config::default()
    };
    let mut pair = Pair::established(config, Channel::default(), 1);
    let mut written = 0;
    for _ in 0..100 {
        written += pair.a().write(&[3; 10_000]);
        pair.flush();
        pair.pass(Duration::from_millis(300));
    }
    assert_eq!(written, 80_000);
    assert_eq!(pair.b().readable(), 30_000);
    let stats = pair.a().stats();
    assert!(stats.probes > 3 && stats.timeouts == 0, "{stats:?}");

    // However long it takes, an answered probe keeps the connection, and
    // reading revives it.
    pair.pass(Duration::from_mins(50));
    assert_eq!(pair.a().state(), State::Established);
    let mut buffer = vec![0; 100_000];
    let mut read = 0;
    while read < written {
        read += pair.b().read(&mut buffer);
        pair.flush();
        assert!(read == written || pair.step());
    }
}

#[test]
fn a_lost_window_update_is_made_good_by_a_probe() {
    let config = Config {
        receive_buffer_bytes: 30_000,
        ..Config::default()
    };
    let mut pair = Pair::established(config, Channel::default(), 1);
    pair.a().write(&vec![3; 60_000]);
    pair.flush();
    pair.pass(Duration::from_secs(2));
    pair.silent.push(Side::B);
    let mut buffer = vec![0; 30_000];
    assert_eq!(pair.b().read(&mut buffer), 30_000);
    pair.flush();
    pair.silent.clear();
    pair.pass(Duration::from_secs(10));
    assert_eq!(pair.b().readable(), 30_000);
}

#[test]
fn every_second_segment_is_acknowledged_after_the_first_ones() {
    let mut pair = Pair::established(Config::default(), Channel::default(), 1);
    pair.settle();
    for _ in 0..6 {
        pair.a().write(&[1; 14_600]);
        pair.flush();
        pair.settle();
    }
    let acks = pair
        .transcript()
        .iter()
        .filter(|line| *line == "B ACK")
        .count();
    // 16 quick ones and half of the other 44.
    assert!((38..=39).contains(&acks), "{acks}");
}

#[test]
fn a_lone_segment_is_acknowledged_after_the_delay() {
    let mut pair = Pair::established(Config::default(), Channel::default(), 1);
    for _ in 0..16 {
        pair.a().write(b"x");
        pair.flush();
        pair.settle();
    }
    pair.log.clear();
    let start = pair.now;
    pair.a().write(b"x");
    pair.flush();
    pair.settle();
    let (acked, ..) = pair.log[1];
    assert_eq!(acked - start, Duration::from_millis(90));
}

#[test]
fn small_writes_leave_at_once_unless_nagle_holds_them() {
    for (nagle, expected) in [(false, 3), (true, 1)] {
        let config = Config {
            nagle,
            ..Config::default()
        };
        let mut pair = Pair::established(config, Channel::default(), 1);
        pair.settle();
        pair.log.clear();
        for _ in 0..3 {
            pair.a().write(b"x");
            pair.flush();
        }
        assert_eq!(pair.log.len(), expected, "nagle {nagle}");
    }
}

#[test]
fn heavy_loss_in_one_window_is_survived() {
    let channel = Channel {
        loss: Ratio::from_percent(30),
        rate: Some(Rate::from_mbps(10)),
        ..Channel::default()
    };
    transfer(&mut Pair::new(Config::default(), channel, 3), 200_000);
}

#[derive(Debug, Clone)]
struct Plan {
    lens: [usize; 2],
    write: usize,
    read: usize,
    config: Config,
    channel: Channel,
    /// Both ends open, B that much after A, if not B listens.
    both: Option<Duration>,
    seed: u64,
}

fn plans() -> impl Strategy<Value = Plan> {
    let sizes = (
        0usize..20_000,
        0usize..20_000,
        1usize..9_000,
        20usize..9_000,
    );
    let config = (
        1usize..20_000,
        20usize..20_000,
        any::<bool>(),
        any::<bool>(),
        100u16..2_000,
        prop_oneof![Just(Congestion::Cubic), Just(Congestion::NewReno)],
        any::<[bool; 2]>(),
    );
    let channel = (0u64..100, 0u64..60, 0u32..=30, 0u32..=20, any::<bool>());
    (sizes, config, channel, any::<u64>()).prop_map(|(sizes, config, channel, seed)| Plan {
        lens: [sizes.0, sizes.1],
        write: sizes.2,
        read: sizes.3,
        config: Config {
            send_buffer_bytes: config.0,
            receive_buffer_bytes: config.1,
            nagle: config.2,
            delayed_ack: config.3.then_some(Duration::from_millis(40)),
            mtu: config.4,
            congestion: config.5,
            sack: config.6[0],
            // Silence is the channel's here, not the peer's.
            user_timeout: Duration::from_secs(1_000_000),
            syn_retries: 1_000,
            syn_ack_retries: 1_000,
            ..Config::default()
        },
        channel: Channel {
            delay: Duration::from_millis(channel.0),
            jitter: Duration::from_millis(channel.1),
            loss: Ratio::from_percent(channel.2),
            duplicate: Ratio::from_percent(channel.3),
            rate: channel.4.then(|| Rate::from_mbps(1)),
        },
        // Earlier than A's SYN can have reached B.
        both: config.6[1].then(|| Duration::from_millis(channel.0 * 3 / 4)),
        seed,
    })
}

/// The byte that `side` sends at `position`.
fn byte(side: usize, position: usize) -> u8 {
    (position * 31 + position / 251 + side * 101) as u8
}

/// Lets both applications write and read what they can.
fn work(pair: &mut Pair, plan: &Plan, written: &mut [usize; 2], read: &mut [usize; 2]) {
    for (index, side) in [Side::A, Side::B].into_iter().enumerate() {
        let Some(end) = pair.end(side) else { continue };
        let len = plan.write.min(plan.lens[index] - written[index]);
        let data: Vec<u8> = (written[index]..written[index] + len)
            .map(|position| byte(index, position))
            .collect();
        written[index] += end.write(&data);
        if written[index] == plan.lens[index] {
            end.shutdown_write();
        }
        let mut buffer = vec![0; plan.read];
        let count = end.read(&mut buffer);
        for got in &buffer[..count] {
            assert_eq!(*got, byte(1 - index, read[index]), "at {}", read[index]);
            read[index] += 1;
        }
    }
    pair.flush();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn bytes_arrive_intact_and_in_order(plan in plans()) {
        let mut pair = Pair::new(plan.config.clone(), plan.channel.clone(), plan.seed);
        let (mut written, mut read) = ([0; 2], [0; 2]);
        pair.connect(Side::A);
        if let Some(gap) = plan.both {
            pair.listening = false;
            if !gap.is_zero() {
                pair.pass(gap);
            }
            pair.connect(Side::B);
        }
        let mut steps = 0;
        loop {
            work(&mut pair, &plan, &mut written, &mut read);
            let done = |end: &Option<crate::tcp::Connection>| {
                end.as_ref().is_some_and(|end| end.eof() && (end.is_flushed() || end.is_closed()))
            };
            if done(&pair.a) && done(&pair.b) {
                break;
            }
            let unread = [&pair.a, &pair.b].into_iter().flatten().any(|end| end.readable() > 0);
            prop_assert!(pair.step() || unread, "stalled: {:?}", pair.states());
            steps += 1;
            prop_assert!(steps < 1_000_000, "does not end: {:?}", pair.states());
        }
        prop_assert_eq!(read, [plan.lens[1], plan.lens[0]]);
        prop_assert_eq!((pair.a().error(), pair.b().error()), (None, None));
    }
}
