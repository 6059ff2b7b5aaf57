//! V42: `CoDel` drops when its control law says so.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use orrery_sim::net::packet::{IPV4_HEADER_BYTES, Packet, UDP_HEADER_BYTES};
use orrery_sim::net::stage::{
    Codel, Condition, Controlled, Draws, DropReason, Fate, Pipeline, QueueLimit,
};
use orrery_sim::time::SimTime;
use orrery_sim::units::Rate;

use super::{Measured, Row};

/// A controller that waits twice as long before it drops.
const PATIENT: &str = "codel-interval-doubled";
/// A controller that tolerates any wait: tail drop.
const TOLERANT: &str = "codel-without-target";

pub const ROW: Row = Row {
    id: "V42",
    what: "CoDel, 8 Mbit/s offered 10 Mbit/s in packets of 1,000 B: first drop, drops in the 2 s after it",
    expected: "125 ms; 114",
    tolerance: "exact; ±1",
    source: "RFC 8289 §5: waits pass 5 ms at 25 ms; an interval later dropping begins, drop n + 1 is due 100 ms/√n after drop n",
    mutations: &[PATIENT, TOLERANT],
    run,
};

const PACKET_BYTES: usize = 1_000;
const RATE: Rate = Rate::from_mbps(8);
const GAP: Duration = Duration::from_micros(800);
/// Three seconds.
const PACKETS: u32 = 3_750;
const FIRST: SimTime = SimTime::from_millis(125);
const SPAN: Duration = Duration::from_secs(2);

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let stated = Controlled::default();
    let settings = match mutation {
        Some(PATIENT) => Controlled {
            interval: stated.interval * 2,
            ..stated
        },
        Some(TOLERANT) => Controlled {
            target: Duration::from_hours(1),
            ..stated
        },
        _ => stated,
    };
    let drops = drops(settings)?;
    let Some(&first) = drops.first() else {
        return Ok(Measured {
            text: "no drop".to_owned(),
            held: false,
        });
    };
    let after = drops
        .iter()
        .filter(|at| **at > first && **at <= first + SPAN);
    let after = after.count() as u32;
    Ok(Measured {
        text: format!("{} ms; {after}", (first - SimTime::ZERO).as_millis()),
        held: first == FIRST && after.abs_diff(drops_due(stated.interval)) <= 1,
    })
}

/// Drops that are due within the span after the first.
fn drops_due(interval: Duration) -> u32 {
    let mut due = Duration::ZERO;
    let mut count = 0;
    loop {
        due += interval.div_f64(f64::from(count + 1).sqrt());
        if due > SPAN {
            return count;
        }
        count += 1;
    }
}

/// When packets were dropped.
fn drops(settings: Controlled) -> Result<Vec<SimTime>, String> {
    let queue = Codel::new(RATE, QueueLimit::bytes(1 << 30), settings, PACKET_BYTES);
    let mut link = Pipeline::new(vec![Box::new(queue)]).map_err(|error| error.to_string())?;
    let mut draws = Draws::new(1, "validation", 0);
    let payload = Bytes::from(vec![0; PACKET_BYTES - IPV4_HEADER_BYTES - UDP_HEADER_BYTES]);
    let end = SocketAddr::from(([11, 0, 0, 1], 9));
    let packet = Packet::udp(end, end, payload);
    let mut drops = Vec::new();
    for number in 0..PACKETS {
        let now = SimTime::ZERO + GAP * number;
        while let Some(due) = link.next_wakeup().filter(|due| *due <= now) {
            link.wake(due, &mut draws);
            while let Some((_, fate)) = link.take_released() {
                if fate == Fate::Dropped(DropReason::Codel) {
                    drops.push(due);
                }
            }
        }
        link.push(now, &packet, Condition::Intact, &mut draws);
    }
    Ok(drops)
}
