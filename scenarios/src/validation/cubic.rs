//! V25: a long CUBIC flow that loses every 1/p-th segment, against RFC 9438's average window.

use std::time::Duration;

use orrery_sim::net::link::LinkSpec;
use orrery_sim::tcp::{self, Algorithm, Congestion};

use super::bulk::{Bulk, Losses, MSS_BYTES};
use super::mutant::Mutant;
use super::{Measured, Row};

/// A window that follows a cubic with eight times the constant C: time passes twice as fast.
const STEEPER: &str = "cubic-with-eight-times-its-constant";
/// Reno in CUBIC's place.
const RENO: &str = "reno-in-place-of-cubic";

pub const ROW: Row = Row {
    id: "V25",
    what: "average window of one CUBIC flow, MSS 1,460, RTT 200 ms with every 10,000th segment lost, and 100 ms with every 20,000th",
    expected: "315, 315 segments",
    tolerance: "±20 %",
    source: "RFC 9438 §5.1, figure 6: 1.054 · (RTT/p)^0.75, above what Reno reaches (122, 173)",
    mutations: &[STEEPER, RENO],
    run,
};

/// Round-trip times, and segments from one loss to the next. A loss costs about a round trip in
/// which the window does not grow, which the formula leaves out: few losses keep that small.
const POINTS: [(Duration, u64); 2] = [
    (Duration::from_millis(200), 10_000),
    (Duration::from_millis(100), 20_000),
];
const TOLERANCE: f64 = 0.2;

/// Losses that are measured, after those in which the window comes down from slow start.
const LOSSES: (f64, f64) = (9.0, 6.0);

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let congestion = match mutation {
        Some(STEEPER) => Congestion::Other(Algorithm {
            name: STEEPER,
            build: |mss, segments| Box::new(Mutant::new(Congestion::Cubic, mss, segments).hasty(2)),
        }),
        Some(RENO) => Congestion::NewReno,
        _ => Congestion::Cubic,
    };
    let mut told = Vec::new();
    let mut held = true;
    for (rtt, apart) in POINTS {
        let expected = 1.054 * (rtt.as_secs_f64() * apart as f64).powf(0.75);
        let window = window(congestion, rtt, apart, expected)?;
        let error = window / expected - 1.0;
        held &= error.abs() <= TOLERANCE;
        told.push(format!("{window:.0} ({:+.1} %)", error * 100.0));
    }
    Ok(Measured {
        text: told.join(", ") + " segments",
        held,
    })
}

/// Segments that arrive in a round trip.
fn window(congestion: Congestion, rtt: Duration, apart: u64, expected: f64) -> Result<f64, String> {
    let gap = rtt.mul_f64(apart as f64 / expected);
    let (before, counted) = LOSSES;
    let measured = gap.mul_f64(counted);
    let bulk = Bulk {
        senders: 1,
        rtt,
        losses: Losses::EveryNth(apart),
        bottleneck: LinkSpec::default(),
        tcp: tcp::Config {
            congestion,
            delayed_ack: None,
            send_buffer_bytes: 8 << 20,
            receive_buffer_bytes: 16 << 20,
            ..tcp::Config::default()
        },
        first: None,
        start: Duration::ZERO,
        warmup: gap.mul_f64(before),
        measured,
    };
    let read = bulk.play(1)?[0] as f64;
    Ok(read / MSS_BYTES * rtt.as_secs_f64() / measured.as_secs_f64())
}
