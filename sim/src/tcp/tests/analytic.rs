//! Long flows against the formulae that their authors give.

use std::time::Duration;

use bytes::Bytes;

use super::{Channel, Pair, Side};
use crate::tcp::{Config, Congestion};

const MSS: u64 = 1_460;
const RTT: Duration = Duration::from_millis(100);

/// Mean window in segments of a flow that loses every `every`-th segment, in the
/// `measured` round trips after the first 200, and the timeouts.
fn mean_window(congestion: Congestion, every: u64, measured: u32) -> (f64, u64) {
    let config = Config {
        congestion,
        delayed_ack: None,
        send_buffer_bytes: 8 << 20,
        receive_buffer_bytes: 8 << 20,
        ..Config::default()
    };
    let channel = Channel {
        delay: RTT / 2,
        lose_every: Some(every),
        ..Channel::default()
    };
    let mut pair = Pair::new(config, channel, 1);
    pair.connect(Side::A);
    pair.pass(RTT);
    let data = Bytes::from(vec![5; 1 << 20]);
    let mut counted = [0, 0];
    let start = pair.now + RTT * 200;
    let end = start + RTT * measured;
    let mut received = 0;
    while pair.now < end {
        while pair.a().write_chunk(&mut data.clone()) > 0 {}
        pair.flush();
        assert!(pair.step());
        while let Some(chunk) = pair.b().read_chunk() {
            received += chunk.len() as u64;
        }
        counted[usize::from(pair.now >= start)] = received;
        pair.log.clear();
        pair.sizes.clear();
    }
    let segments = (counted[1] - counted[0]) as f64 / MSS as f64;
    (segments / f64::from(measured), pair.a().stats().timeouts)
}

fn check(congestion: Congestion, every: u64, measured: u32, expected: f64) {
    let (window, timeouts) = mean_window(congestion, every, measured);
    let off = window / expected - 1.0;
    assert!(
        off.abs() < 0.1,
        "{congestion:?}, one in {every}: {window:.1} segments instead of {expected:.1}, {timeouts} timeouts"
    );
}

#[test]
fn new_reno_reaches_what_mathis_says() {
    // √(3/2) / √p: Mathis et al. 1997, equation 3, for periodic losses and an
    // acknowledgement for each segment.
    for every in [1_000, 5_000] {
        let expected = (1.5 * every as f64).sqrt();
        check(Congestion::NewReno, every, 1_000, expected);
    }
}

#[test]
fn cubic_reaches_what_its_rfc_says() {
    // RFC 9438 equation 6: 1.054 · (RTT / p)^0.75.
    for every in [3_000, 10_000] {
        let expected = 1.054 * (RTT.as_secs_f64() * every as f64).powf(0.75);
        check(Congestion::Cubic, every, 600, expected);
    }
}
