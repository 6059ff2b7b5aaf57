//! V41: losses in bursts are as many and as close together as their chain tells.

use std::net::SocketAddr;

use bytes::Bytes;
use orrery_sim::net::packet::Packet;
use orrery_sim::net::stage::{
    BurstLoss, Condition, Draws, Fate, GilbertElliott, Loss, Pipeline, Stage,
};
use orrery_sim::time::SimTime;
use orrery_sim::units::Ratio;

use super::{Measured, Row};

/// As many losses, each on its own.
const INDEPENDENT: &str = "losses-independent";
/// A bad state that is left half as often.
const LONGER: &str = "bad-state-twice-as-long";

pub const ROW: Row = Row {
    id: "V41",
    what: "losses in bursts, p = 1 %, r = 20 %, h = 10 %, k = 99.9 %: share lost, and after a loss",
    expected: "4.38 %; 70.5 %",
    tolerance: "±3 % of each at 4·10⁶ packets",
    source: "stationary law of the chain; Hasslinger and Hohlfeld, The Gilbert-Elliott Model, 2008",
    mutations: &[INDEPENDENT, LONGER],
    run,
};

const PACKETS: u32 = 4_000_000;
const TOLERANCE: f64 = 0.03;
const P: f64 = 0.01;
const R: f64 = 0.2;
const H: f64 = 0.1;
const K: f64 = 0.999;

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let ratio = |value| Ratio::from_f64(value).ok_or("a probability is from 0 to 1");
    let stage: Box<dyn Stage> = if mutation == Some(INDEPENDENT) {
        Box::new(Loss::new(ratio(share_lost())?))
    } else {
        let leave = if mutation == Some(LONGER) { R / 2.0 } else { R };
        Box::new(GilbertElliott::new(BurstLoss {
            to_bad: ratio(P)?,
            to_good: ratio(leave)?,
            pass_bad: ratio(H)?,
            pass_good: ratio(K)?,
        }))
    };
    let mut link = Pipeline::new(vec![stage]).map_err(|error| error.to_string())?;
    let mut draws = Draws::new(1, "validation", 0);
    let end = SocketAddr::from(([11, 0, 0, 1], 9));
    let packet = Packet::udp(end, end, Bytes::new());
    let (mut lost, mut pairs, mut before) = (0_u32, 0_u32, false);
    for _ in 0..PACKETS {
        let fate = link.push(SimTime::ZERO, &packet, Condition::Intact, &mut draws);
        let now = matches!(fate, Fate::Dropped(_));
        lost += u32::from(now);
        pairs += u32::from(now && before);
        before = now;
    }
    let share = f64::from(lost) / f64::from(PACKETS);
    let after = f64::from(pairs) / f64::from(lost.max(1));
    let near = |measured: f64, expected: f64| (measured / expected - 1.0).abs() <= TOLERANCE;
    Ok(Measured {
        text: format!("{:.3} %; {:.2} %", share * 100.0, after * 100.0),
        held: near(share, share_lost()) && near(after, share_after_a_loss()),
    })
}

fn share_lost() -> f64 {
    (R * (1.0 - K) + P * (1.0 - H)) / (P + R)
}

/// The state at a loss is known by Bayes; then the chain moves once.
fn share_after_a_loss() -> f64 {
    let bad = P / (P + R) * (1.0 - H) / share_lost();
    let from_bad = (1.0 - R) * (1.0 - H) + R * (1.0 - K);
    let from_good = (1.0 - P) * (1.0 - K) + P * (1.0 - H);
    bad * from_bad + (1.0 - bad) * from_good
}
