//! Repair of losses with selective acknowledgements (RFC 2018, RFC 6675).

use std::time::Duration;

use bytes::Bytes;

use super::{Channel, Pair, Side, byte_stream};
use crate::tcp::{Config, Congestion, Flags, Options, Segment};

const MSS: usize = 1_460;

fn config(sack: bool) -> Config {
    Config {
        sack,
        congestion: Congestion::NewReno,
        delayed_ack: None,
        initial_window_segments: 30,
        ..Config::default()
    }
}

/// Writes `segments` segments at once and loses those of the given numbers,
/// counted from 0; later ones arrive. Returns the pair when B has everything.
fn after_losses(config: Config, segments: usize, lost: &[usize]) -> (Pair, Duration) {
    let mut pair = Pair::established(config, Channel::default(), 1);
    pair.settle();
    pair.log.clear();
    let start = pair.now;
    pair.a().write(&byte_stream(segments * MSS));
    for number in 0..segments {
        let now = pair.now;
        let segment = pair.a().poll_transmit(now).expect("the window is open");
        if !lost.contains(&number) {
            pair.transmit(Side::A, &segment);
        }
    }
    pair.flush();
    pair.drive(|pair| {
        let b = pair.b.as_ref();
        b.is_some_and(|b| b.readable() == segments * MSS)
    });
    let took = pair.now - start;
    let mut got = vec![0; segments * MSS];
    assert_eq!(pair.b().read(&mut got), got.len());
    assert!(got == byte_stream(got.len()), "bytes are intact");
    (pair, took)
}

#[test]
fn several_losses_in_a_window_take_one_round_trip() {
    let lost = [2, 5, 9, 10, 14];
    // 50 ms until the first gap shows, 50 ms back, 50 ms for the repetitions;
    // with a window halved to 15, half of the acknowledgements open it again.
    let (mut pair, took) = after_losses(config(true), 30, &lost);
    let stats = pair.a().stats();
    assert_eq!(took, Duration::from_millis(150));
    assert_eq!((stats.timeouts, stats.fast_recoveries), (0, 1));
    assert_eq!(stats.retransmits, lost.len() as u64);

    // Without SACK every further one costs a round trip.
    let (mut pair, took) = after_losses(config(false), 30, &lost);
    assert!(took >= Duration::from_millis(450), "{took:?}");
    assert!(pair.a().stats().retransmits >= lost.len() as u64);
}

#[test]
fn nothing_is_sent_twice_that_has_arrived() {
    for lost in [
        vec![0],
        vec![28],
        vec![0, 29],
        (0..20).collect(),
        vec![3, 4, 5, 29],
    ] {
        let (mut pair, _) = after_losses(config(true), 30, &lost);
        let stats = pair.a().stats();
        assert_eq!(stats.retransmits, lost.len() as u64, "{lost:?}");
    }
}

#[test]
fn a_lost_tail_behind_a_gap_is_rescued_without_a_timeout() {
    let (mut pair, took) = after_losses(config(true), 30, &[4, 29]);
    assert_eq!(pair.a().stats().timeouts, 0);
    assert_eq!(took, Duration::from_millis(250));
}

#[test]
fn the_window_is_reduced_once_for_all_losses_of_a_window() {
    let (mut pair, _) = after_losses(config(true), 30, &[1, 7, 13, 19, 25]);
    pair.settle();
    let stats = pair.a().stats();
    assert_eq!(stats.fast_recoveries, 1);
    // Half of what was unacknowledged: all but the first segment.
    assert_eq!(stats.window_bytes, 29 * MSS as u64 / 2);
}

#[test]
fn after_a_timeout_only_what_is_missing_is_sent_again() {
    // The first repetition is lost too, so that the timer has to fire.
    let mut pair = Pair::established(config(true), Channel::default(), 1);
    pair.settle();
    pair.a().write(&byte_stream(20 * MSS));
    for number in 0..20 {
        let now = pair.now;
        let segment = pair.a().poll_transmit(now).expect("the window is open");
        if ![0, 7, 8].contains(&number) {
            pair.transmit(Side::A, &segment);
        }
    }
    pair.pass(Duration::from_millis(60));
    pair.silent.push(Side::A);
    pair.pass(Duration::from_millis(60));
    pair.silent.clear();
    pair.settle();
    let stats = pair.a().stats();
    assert_eq!(pair.b().readable(), 20 * MSS);
    assert_eq!(stats.timeouts, 1);
    assert_eq!(stats.retransmits, 6, "three are missing, twice");
}

#[test]
fn a_receiver_that_reneges_gets_what_it_threw_away() {
    // All ten segments are lost, yet an acknowledgement tells of nine.
    let mut pair = Pair::established(config(true), Channel::default(), 1);
    pair.settle();
    pair.silent.push(Side::A);
    pair.a().write(&byte_stream(10 * MSS));
    pair.flush();
    pair.silent.clear();
    let next = pair.b().expected();
    let mut options = Options::default();
    let block = [1, 10].map(|segments| next.wrapping_add(segments * MSS as u32));
    options.sack.push(block[0], block[1]);
    let claim = Segment {
        seq: pair.a().expected(),
        ack: next,
        flags: Flags::ACK,
        window: u16::MAX,
        options,
        payload: Bytes::new(),
    };
    let now = pair.now;
    pair.a().on_segment(now, claim);
    pair.flush();
    pair.settle();
    assert_eq!(pair.b().readable(), 10 * MSS);
    assert_eq!(pair.a().stats().timeouts, 1);
}

#[test]
fn sack_is_used_only_if_both_sides_offer_it() {
    for (ours, theirs) in [(true, false), (false, true), (false, false), (true, true)] {
        let mut pair = Pair::with_configs([config(ours), config(theirs)], Channel::default(), 1);
        pair.connect(Side::A);
        pair.settle();
        pair.log.clear();
        pair.a().write(&byte_stream(5 * MSS));
        let now = pair.now;
        let lost = pair.a().poll_transmit(now);
        assert!(lost.is_some());
        pair.flush();
        pair.settle();
        let told = pair.transcript().iter().any(|line| line.contains("sack"));
        assert_eq!(told, ours && theirs, "{ours} {theirs}");
        assert_eq!(pair.b().readable(), 5 * MSS);
    }
}

#[test]
fn segments_with_blocks_still_fit_the_link() {
    // Both sides send and lose at once, so that data carries blocks.
    let mut pair = Pair::established(config(true), Channel::default(), 1);
    pair.settle();
    pair.log.clear();
    for side in [Side::A, Side::B] {
        let now = pair.now;
        let end = pair.end(side).as_mut().expect("both are connected");
        end.write(&byte_stream(60 * MSS));
        let lost = end.poll_transmit(now);
        assert!(lost.is_some());
    }
    pair.flush();
    pair.settle();
    assert_eq!(
        (pair.a().readable(), pair.b().readable()),
        (60 * MSS, 60 * MSS)
    );
    let full = pair.sizes.iter().filter(|&&size| size == 1_480).count();
    let with_blocks = pair
        .transcript()
        .iter()
        .filter(|line| line.contains(" sack") && line.split(' ').count() == 5)
        .count();
    assert!(full > 50 && with_blocks > 0);
    assert!(pair.sizes.iter().all(|&size| size <= 1_480));
}

#[test]
fn limited_transmit_sends_for_the_first_two_duplicates() {
    for sack in [true, false] {
        let config = Config {
            initial_window_segments: 4,
            ..config(sack)
        };
        let mut pair = Pair::established(config, Channel::default(), 1);
        pair.settle();
        // An acknowledgement that also opens the window is no duplicate, as the
        // first after the handshake does.
        pair.a().write(b"x");
        pair.flush();
        pair.settle();
        pair.a().write(&byte_stream(20 * MSS));
        let now = pair.now;
        let lost = pair.a().poll_transmit(now);
        assert!(lost.is_some());
        pair.flush();
        // Three arrive behind the lost one: two let new ones out (RFC 3042),
        // the third proves the loss.
        pair.pass(Duration::from_millis(100));
        assert_eq!(pair.a().stats().in_flight_bytes, 6 * MSS as u64, "{sack}");
        assert_eq!(pair.a().stats().fast_recoveries, 1, "{sack}");
    }
}
