//! Equal flows over one bottleneck share it equally.

use std::time::Duration;

use orrery_sim::net::link::LinkSpec;
use orrery_sim::tcp::{self, Algorithm, Congestion};
use orrery_sim::units::Rate;

use super::bulk::{Bulk, Losses};
use super::mutant::Mutant;
use super::{Measured, Row};
use crate::fairness::jain;

/// One flow whose window grows by ten segments a round trip, in place of one.
const ONE_GREEDY: &str = "one-flow-grows-ten-times-as-fast";

pub const ROW: Row = Row {
    id: "fairness",
    what: "Jain's index of n equal flows, 2 and 8 of them with each controller, over one bottleneck of 4 Mbit/s a flow, RTT 40 ms, its queue one bandwidth-delay product",
    expected: "1",
    tolerance: "≥ 0.95",
    source: "Chiu and Jain 1989: additive increase and multiplicative decrease converge to equal shares; the bound is the project's",
    mutations: &[ONE_GREEDY],
    run,
};

const JAIN_MIN: f64 = 0.95;
const FLOWS: [u32; 2] = [2, 8];
const RATE_MBPS: u64 = 4;
const RTT: Duration = Duration::from_millis(40);

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let first = (mutation == Some(ONE_GREEDY)).then_some(Congestion::Other(Algorithm {
        name: ONE_GREEDY,
        build: |mss, segments| {
            Box::new(Mutant::new(Congestion::NewReno, mss, segments).growing(10))
        },
    }));
    let mut told = Vec::new();
    let mut held = true;
    for (name, congestion) in [
        ("new-reno", Congestion::NewReno),
        ("cubic", Congestion::Cubic),
    ] {
        for flows in FLOWS {
            let index = jain(&share(congestion, first, flows)?);
            held &= index >= JAIN_MIN;
            told.push(format!("{name} {flows}: {index:.3}"));
        }
    }
    Ok(Measured {
        text: told.join(", "),
        held,
    })
}

/// Bytes that each flow brought through.
fn share(
    congestion: Congestion,
    first: Option<Congestion>,
    flows: u32,
) -> Result<Vec<u64>, String> {
    let rate = Rate::from_mbps(RATE_MBPS * u64::from(flows));
    let product_bytes = rate.bits_per_second() / 8 * RTT.as_millis() as u64 / 1_000;
    let bulk = Bulk {
        senders: flows,
        rtt: RTT,
        losses: Losses::None,
        bottleneck: LinkSpec {
            rate: Some(rate),
            queue_bytes: product_bytes,
            ..LinkSpec::default()
        },
        tcp: tcp::Config {
            congestion,
            ..tcp::Config::default()
        },
        first,
        start: Duration::from_secs(1),
        warmup: Duration::from_secs(10),
        measured: Duration::from_secs(40),
    };
    bulk.play(1)
}
