//! V27: a link's queue under Poisson arrivals is the queue of the textbooks.
//!
//! Packets run through the pipeline of a link. Sizes, and with them times of
//! transmission, are exponential or all alike; arrivals come at exponential
//! intervals.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use orrery_sim::net::packet::{IPV4_HEADER_BYTES, Packet, UDP_HEADER_BYTES};
use orrery_sim::net::stage::{Condition, Draws, DropReason, Fate, Pipeline, QueueLimit, RateQueue};
use orrery_sim::random::Stream;
use orrery_sim::time::SimTime;
use orrery_sim::units::Rate;

use super::{Measured, Row};

/// A link that transmits twice as fast as it is told to.
const FASTER: &str = "queue-served-at-twice-the-rate";
/// A queue with room for one packet more than it is told to have.
const ROOMIER: &str = "queue-with-one-place-more";
/// Times of transmission that do not depend on the size.
const ALIKE: &str = "packets-all-of-one-size";

pub const ROW: Row = Row {
    id: "V27",
    what: "link queue, Poisson arrivals, ρ = 0.8: M/M/1 sojourn, M/D/1 wait, M/M/1/10 loss",
    expected: "5 S; 2 S; 2.35 %",
    tolerance: "±3 % of each at 10⁷ packets",
    source: "Kleinrock, Queueing Systems I, 1975: S/(1−ρ); ρS/(2(1−ρ)); (1−ρ)ρ¹⁰/(1−ρ¹¹)",
    mutations: &[FASTER, ROOMIER, ALIKE],
    run,
};

/// The standard error of the M/M/1 sojourn is then 0.3 %: its sums vary by
/// ρ(2 + 5ρ − 4ρ² + ρ³)/(1 − ρ)⁴ S² a packet (Daley 1968).
const PACKETS: u32 = if cfg!(debug_assertions) {
    // A build for debugging is slow; the standard error is 0.9 %.
    1_000_000
} else {
    10_000_000
};
const TOLERANCE: f64 = 0.03;

/// Mean size. Headers make no packet smaller than 28 bytes, which touches one in 3,500.
const SIZE_BYTES: u32 = 100_000;
/// The mean size takes a millisecond.
const RATE: Rate = Rate::from_mbps(800);
const SERVICE: Duration = Duration::from_millis(1);
/// ρ = 0.8.
const GAP: Duration = Duration::from_micros(1_250);
const LOAD: f64 = 0.8;
/// Packets in the finite system, the one on the wire included.
const PLACES: u32 = 10;

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let sizes = |sizes| match mutation {
        Some(ALIKE) => Sizes::Alike,
        _ => sizes,
    };
    let rate = match mutation {
        Some(FASTER) => Rate::from_mbps(1_600),
        _ => RATE,
    };
    let waiting = PLACES as usize - usize::from(mutation != Some(ROOMIER));
    let unbounded = QueueLimit::packets(usize::MAX);

    let open = serve(rate, unbounded, sizes(Sizes::Exponential), "M/M/1")?;
    let alike = serve(rate, unbounded, Sizes::Alike, "M/D/1")?;
    let finite = serve(
        rate,
        QueueLimit::packets(waiting),
        sizes(Sizes::Exponential),
        "M/M/1/K",
    )?;

    let sojourn = open.sojourn.as_secs_f64() / SERVICE.as_secs_f64();
    let wait = alike.sojourn.as_secs_f64() / SERVICE.as_secs_f64() - 1.0;
    let loss = finite.lost;
    let full = LOAD.powi(PLACES as i32);
    let expected = [
        1.0 / (1.0 - LOAD),
        LOAD / (2.0 * (1.0 - LOAD)),
        (1.0 - LOAD) * full / (1.0 - full * LOAD),
    ];
    let near = |(measured, expected): (f64, f64)| (measured / expected - 1.0).abs() <= TOLERANCE;
    Ok(Measured {
        text: format!("{sojourn:.3} S; {wait:.3} S; {:.3} %", loss * 100.0),
        held: [sojourn, wait, loss].into_iter().zip(expected).all(near),
    })
}

#[derive(Clone, Copy)]
enum Sizes {
    Exponential,
    Alike,
}

/// What many packets met.
struct Served {
    /// Mean time from arrival to departure of those that departed.
    sojourn: Duration,
    /// Share of those that found the queue full.
    lost: f64,
}

/// Sends packets at exponential intervals through a queue.
fn serve(rate: Rate, limit: QueueLimit, sizes: Sizes, purpose: &str) -> Result<Served, String> {
    let queue = Box::new(RateQueue::new(rate, limit));
    let mut link = Pipeline::new(vec![queue]).map_err(|error| error.to_string())?;
    let mut draws = Draws::new(1, "validation", 0);
    let mut gaps = Stream::new(1, &format!("{purpose} gaps"), 0);
    let mut lengths = Stream::new(1, &format!("{purpose} sizes"), 0);
    let headers = (IPV4_HEADER_BYTES + UDP_HEADER_BYTES) as u32;
    // An exponential time is at most 45 times its mean.
    let zeros = Bytes::from(vec![0; SIZE_BYTES as usize * 45]);
    let end = SocketAddr::from(([11, 0, 0, 1], 9));
    let mut now = SimTime::ZERO;
    let mut spent_ns: u128 = 0;
    for _ in 0..PACKETS {
        now += gaps.exponential(GAP);
        let bytes = match sizes {
            Sizes::Alike => SIZE_BYTES,
            // As a time in nanoseconds, for that is what streams draw.
            Sizes::Exponential => {
                let bytes = lengths.exponential(Duration::from_nanos(SIZE_BYTES.into()));
                bytes.as_nanos() as u32
            }
        };
        let payload = zeros.slice(..bytes.saturating_sub(headers) as usize);
        let packet = Packet::udp(end, end, payload);
        match link.push(now, &packet, Condition::Intact, &mut draws) {
            Fate::Departs(at, _) => spent_ns += (at - now).as_nanos(),
            Fate::Dropped(_) => {}
            Fate::Held => return Err("a queue with tail drop held a packet".to_owned()),
        }
    }
    let counters = link.counters();
    let passed = u128::from(counters.passed.max(1));
    Ok(Served {
        sojourn: Duration::from_nanos((spent_ns / passed) as u64),
        lost: counters.dropped(DropReason::QueueFull) as f64 / f64::from(PACKETS),
    })
}
