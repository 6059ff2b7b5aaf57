//! V45 and V46: a link whose rate changes carries the sum of rate times time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use orrery_sim::net::packet::{IPV4_HEADER_BYTES, Packet, UDP_HEADER_BYTES};
use orrery_sim::net::stage::{
    Codel, Condition, Controlled, Draws, Fate, HeldQueue, Pace, Pipeline, QueueLimit, RateQueue,
    RateTrace, Stage, TraceShape,
};
use orrery_sim::random::Stream;
use orrery_sim::time::SimTime;
use orrery_sim::units::Rate;

use super::{Measured, Row};

/// What waits keeps the departures that it was given when it came.
const TOLD: &str = "rate-change-spares-what-waits";
/// Gaps of a trace are bridged by the rate before them.
const BRIDGED: &str = "trace-without-gaps";
/// An opportunity carries a packet with mahimahi's four bytes of header.
const LARGER: &str = "opportunities-of-1504-bytes";

pub const WAVE: Row = Row {
    id: "V45",
    what: "A link that changes between 10 and 2 Mbit/s every half second, with always something to send: bytes in 20 s, with tail drop and with CoDel",
    expected: "15,000,000; 15,000,000",
    tolerance: "a packet of 1,000 B",
    source: "the integral of the rate: 6 Mbit/s in the mean",
    mutations: &[TOLD],
    run: wave,
};

pub const TRACE: Row = Row {
    id: "V46",
    what: "A link that follows a trace, with always something to send: bytes in three rounds of it, as rates over time and as opportunities of 1,500 B",
    expected: "the trace's, thrice",
    tolerance: "a packet of 1,000 B",
    source: "the sum over the trace",
    mutations: &[BRIDGED, LARGER],
    run: trace,
};

const PACKET_BYTES: u64 = 1_000;
/// So many packets are kept waiting.
const BACKLOG: usize = 100;
const TICK: Duration = Duration::from_millis(1);

fn wave(mutation: Option<&str>) -> Result<Measured, String> {
    let half = Duration::from_millis(500);
    let length = 40 * half;
    let told = mutation == Some(TOLD);
    let queue = |rate: Rate, managed: bool| -> Box<dyn Stage> {
        let (limit, settings) = (QueueLimit::bytes(1 << 30), Controlled::default());
        match (told, managed) {
            (true, true) => Box::new(Codel::new(rate, limit, settings, 1_500)),
            (true, false) => Box::new(RateQueue::new(rate, limit)),
            (false, true) => {
                Box::new(HeldQueue::new(Pace::Constant(rate), limit).managed(settings, 1_500))
            }
            (false, false) => Box::new(HeldQueue::new(Pace::Constant(rate), limit)),
        }
    };
    let mut carried = Vec::new();
    for managed in [false, true] {
        let rates = [10, 2].map(Rate::from_mbps);
        let mut link = Link::new(queue(rates[0], managed))?;
        let mut now = SimTime::ZERO;
        for turn in 0..40 {
            if turn > 0 {
                link.change(now, queue(rates[turn % 2], managed))?;
            }
            link.saturate(now, now + half);
            now += half;
        }
        carried.push(link.bytes_until(SimTime::ZERO + length));
    }
    Ok(Measured {
        text: format!("{}; {}", carried[0], carried[1]),
        held: carried
            .iter()
            .all(|&bytes| bytes <= 15_000_000 && bytes + PACKET_BYTES > 15_000_000),
    })
}

fn trace(mutation: Option<&str>) -> Result<Measured, String> {
    let mut texts = Vec::new();
    let mut held = true;
    for (shape, expected) in [rates(mutation), opportunities(mutation)] {
        let (TraceShape::Rates { period_ns, .. } | TraceShape::Opportunities { period_ns, .. }) =
            shape;
        let trace = RateTrace::new(shape).map_err(|error| error.to_string())?;
        let pace = Pace::Traced(Arc::new(trace));
        let mut link = Link::new(Box::new(HeldQueue::new(pace, QueueLimit::bytes(1 << 30))))?;
        let end = SimTime::from_nanos(3 * period_ns);
        link.saturate(SimTime::ZERO, end);
        let (carried, expected) = (link.bytes_until(end), 3 * expected);
        held &= carried <= expected && carried + PACKET_BYTES > expected;
        texts.push(format!("{carried} of {expected}"));
    }
    Ok(Measured {
        text: texts.join("; "),
        held,
    })
}

/// A rate for each tenth of two seconds, and the bytes of all.
fn rates(mutation: Option<&str>) -> (TraceShape, u64) {
    let mut draws = Stream::new(1, "validation rates", 0);
    let (mut steps, mut bytes, mut last_bps) = (Vec::new(), 0, 8_000_000);
    for step in 0..20 {
        let bps = if step % 7 == 3 {
            0
        } else {
            draws.below(2_000) * 8_000
        };
        bytes += bps / 80;
        if bps > 0 || mutation != Some(BRIDGED) {
            last_bps = bps;
        }
        steps.push((step * 100_000_000, last_bps));
    }
    let period_ns = 2_000_000_000;
    (TraceShape::Rates { steps, period_ns }, bytes)
}

/// A thousand opportunities, 1 to 5 ms apart, and the bytes of all.
fn opportunities(mutation: Option<&str>) -> (TraceShape, u64) {
    let size = if mutation == Some(LARGER) {
        1_504
    } else {
        1_500
    };
    let mut draws = Stream::new(1, "validation opportunities", 0);
    let mut at_ns = 0;
    let steps: Vec<(u64, u64)> = (0..1_000)
        .map(|_| {
            at_ns += (1 + draws.below(5)) * 1_000_000;
            (at_ns, size)
        })
        .collect();
    let shape = TraceShape::Opportunities {
        steps,
        period_ns: at_ns,
    };
    (shape, 1_000 * 1_500)
}

/// A link that never has nothing to send.
struct Link {
    pipeline: Pipeline,
    draws: Draws,
    packet: Packet,
    /// When packets leave that have not left yet.
    leaving: VecDeque<SimTime>,
    held: usize,
    left: u64,
}

impl Link {
    fn new(queue: Box<dyn Stage>) -> Result<Self, String> {
        let headers = IPV4_HEADER_BYTES + UDP_HEADER_BYTES;
        let payload = Bytes::from(vec![0; PACKET_BYTES as usize - headers]);
        let end = SocketAddr::from(([11, 0, 0, 1], 9));
        Ok(Self {
            pipeline: Pipeline::new(vec![queue]).map_err(|error| error.to_string())?,
            draws: Draws::new(1, "validation", 0),
            packet: Packet::udp(end, end, payload),
            leaving: VecDeque::new(),
            held: 0,
            left: 0,
        })
    }

    fn change(&mut self, now: SimTime, queue: Box<dyn Stage>) -> Result<(), String> {
        let changed = self.pipeline.replace(now, vec![queue], &mut self.draws);
        changed.map_err(|error| error.to_string())?;
        self.note_released();
        Ok(())
    }

    /// Keeps packets waiting from `now` to `end`.
    fn saturate(&mut self, mut now: SimTime, end: SimTime) {
        while now < end {
            while self.held + self.leaving.len() < BACKLOG {
                match self
                    .pipeline
                    .push(now, &self.packet, Condition::Intact, &mut self.draws)
                {
                    Fate::Departs(at, _) => self.leaving.push_back(at),
                    Fate::Held => self.held += 1,
                    Fate::Dropped(_) => return,
                }
            }
            now += TICK;
            while let Some(due) = self.pipeline.next_wakeup().filter(|due| *due <= now) {
                self.pipeline.wake(due, &mut self.draws);
                self.note_released();
            }
            self.bytes_until(now);
        }
    }

    fn note_released(&mut self) {
        while let Some((_, fate)) = self.pipeline.take_released() {
            self.held -= 1;
            if let Fate::Departs(at, _) = fate {
                self.leaving.push_back(at);
            }
        }
    }

    /// Bytes that have left until then.
    fn bytes_until(&mut self, now: SimTime) -> u64 {
        while self.leaving.front().is_some_and(|at| *at <= now) {
            self.leaving.pop_front();
            self.left += PACKET_BYTES;
        }
        self.left
    }
}
