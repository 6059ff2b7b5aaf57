//! V24: a long Reno flow under losses, against Mathis's and Padhye's formulas.

use std::time::Duration;

use orrery_sim::net::link::LinkSpec;
use orrery_sim::tcp::{self, Algorithm, Congestion};
use orrery_sim::units::Ratio;

use super::bulk::{Bulk, Losses, MSS_BYTES};
use super::mutant::Mutant;
use super::{Measured, Row};

/// A window that keeps seven eighths after a loss, in place of a half.
const BARELY_REDUCED: &str = "reno-keeps-seven-eighths-after-a-loss";
/// A window that grows by two segments a round trip, in place of one.
const DOUBLE_INCREASE: &str = "reno-grows-twice-as-fast";

pub const ROW: Row = Row {
    id: "V24",
    what: "goodput of one Reno flow, MSS 1,460, acknowledgements not delayed, RTO minimum 200 ms, at RTT and loss (every 1/p-th: n, random: r)",
    expected: "(100 ms, 1e-4 n) 14.30, (50 ms, 1e-3 n) 9.05, (100 ms, 1e-3 r) 4.52, (100 ms, 1e-2 r) 1.27 Mbit/s",
    tolerance: "±15 % to 1e-3, ±25 % at 1e-2",
    source: "Mathis and others 1997, MSS/RTT · √(3/2p); Padhye and others 1998, equation 30, T0 = 300 ms",
    mutations: &[BARELY_REDUCED, DOUBLE_INCREASE],
    run,
};

/// One point of the curve.
struct Point {
    rtt: Duration,
    per_million: u32,
    random: bool,
    /// Loss events to be averaged over.
    losses: u32,
}

const POINTS: [Point; 4] = [
    Point {
        rtt: Duration::from_millis(100),
        per_million: 100,
        random: false,
        losses: 6,
    },
    Point {
        rtt: Duration::from_millis(50),
        per_million: 1_000,
        random: false,
        losses: 30,
    },
    Point {
        rtt: Duration::from_millis(100),
        per_million: 1_000,
        random: true,
        losses: 150,
    },
    Point {
        rtt: Duration::from_millis(100),
        per_million: 10_000,
        random: true,
        losses: 500,
    },
];

/// From this share of losses on, timeouts count, and Padhye's formula is the measure.
const PADHYE_FROM_PPM: u32 = 10_000;

impl Point {
    fn p(&self) -> f64 {
        f64::from(self.per_million) / 1e6
    }

    /// Expected goodput in bits per second, and its tolerance.
    fn expected(&self) -> (f64, f64) {
        let (rtt, p) = (self.rtt.as_secs_f64(), self.p());
        if self.per_million < PADHYE_FROM_PPM {
            return (MSS_BYTES * 8.0 / rtt * (1.5 / p).sqrt(), 0.15);
        }
        // Linux's timeout over a constant round trip: SRTT + 200 ms.
        let timeout = rtt + 0.2;
        let repair = timeout * (3.0 * (3.0 * p / 8.0).sqrt()).min(1.0) * p * (1.0 + 32.0 * p * p);
        let segments = 1.0 / (rtt * (2.0 * p / 3.0).sqrt() + repair);
        (MSS_BYTES * 8.0 * segments, 0.25)
    }

    fn measure(&self, congestion: Congestion) -> Result<f64, String> {
        // Loss events are as long apart as 1/p segments take at the expected goodput.
        let (bps, _) = self.expected();
        let gap = MSS_BYTES * 8.0 / self.p() / bps;
        let measured = Duration::from_secs_f64(gap * f64::from(self.losses));
        let bulk = Bulk {
            senders: 1,
            rtt: self.rtt,
            losses: if self.random {
                Losses::Random(Ratio::from_ppm(self.per_million))
            } else {
                Losses::EveryNth(u64::from(1_000_000 / self.per_million))
            },
            bottleneck: LinkSpec::default(),
            tcp: config(congestion),
            first: None,
            start: Duration::ZERO,
            warmup: Duration::from_secs_f64(3.0 * gap),
            measured,
        };
        let read = bulk.play(1)?;
        Ok(read[0] as f64 * 8.0 / measured.as_secs_f64())
    }
}

fn config(congestion: Congestion) -> tcp::Config {
    tcp::Config {
        congestion,
        delayed_ack: None,
        // Nothing but the congestion window is to limit a flow.
        send_buffer_bytes: 8 << 20,
        receive_buffer_bytes: 16 << 20,
        ..tcp::Config::default()
    }
}

fn reno(mss: u64, segments: u32) -> Mutant {
    Mutant::new(Congestion::NewReno, mss, segments)
}

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let congestion = match mutation {
        Some(BARELY_REDUCED) => Congestion::Other(Algorithm {
            name: BARELY_REDUCED,
            build: |mss, segments| Box::new(reno(mss, segments).keeping(7)),
        }),
        Some(DOUBLE_INCREASE) => Congestion::Other(Algorithm {
            name: DOUBLE_INCREASE,
            build: |mss, segments| Box::new(reno(mss, segments).growing(2)),
        }),
        _ => Congestion::NewReno,
    };
    let mut told = Vec::new();
    let mut held = true;
    for point in &POINTS {
        let (expected, tolerance) = point.expected();
        let goodput = point.measure(congestion)?;
        let apart = goodput / expected - 1.0;
        held &= apart.abs() <= tolerance;
        told.push(format!("{:.2} ({:+.1} %)", goodput / 1e6, apart * 100.0));
    }
    Ok(Measured {
        text: told.join(", ") + " Mbit/s",
        held,
    })
}
