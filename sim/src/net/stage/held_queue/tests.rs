//! A queue that holds: as good as one that tells at once while nothing changes, and
//! exact when something does.

use crate::net::stage::{Codel, RateQueue};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::net::stage::tests::{draws, packet};
use crate::net::stage::{Condition, Delay, Fate, Pipeline, RateTrace, TraceShape};
use crate::units::Rate;

const MS: Duration = Duration::from_millis(1);
/// 1,000 bytes take a millisecond.
const RATE: Rate = Rate::from_mbps(8);

fn at(us: u64) -> SimTime {
    SimTime::from_nanos(us * 1_000)
}

fn held(pace: Pace, codel: bool) -> Box<dyn Stage> {
    let queue = HeldQueue::new(pace, QueueLimit::packets(1_000));
    let settings = Controlled::default();
    Box::new(if codel {
        queue.managed(settings, 1_500)
    } else {
        queue
    })
}

/// A link under test, and when packets left it.
struct Link {
    pipeline: Pipeline,
    left: Vec<(SimTime, usize)>,
    dropped: usize,
}

impl Link {
    fn new(stages: Vec<Box<dyn Stage>>) -> Self {
        Self {
            pipeline: Pipeline::new(stages).expect("in order"),
            left: Vec::new(),
            dropped: 0,
        }
    }

    fn note(&mut self, fate: Fate, len: usize) {
        match fate {
            Fate::Departs(at, _) => self.left.push((at, len)),
            Fate::Dropped(_) => self.dropped += 1,
            Fate::Held => {}
        }
    }

    /// Lets it work until `until`.
    fn work(&mut self, until: SimTime) {
        loop {
            while let Some((packet, fate)) = self.pipeline.take_released() {
                self.note(fate, packet.wire_len());
            }
            let Some(due) = self.pipeline.next_wakeup().filter(|due| *due <= until) else {
                return;
            };
            self.pipeline.wake(due, &mut draws());
        }
    }

    fn push(&mut self, now: SimTime, len: usize) {
        self.work(now);
        let packet = packet(len);
        let fate = self
            .pipeline
            .push(now, &packet, Condition::Intact, &mut draws());
        self.note(fate, len);
    }

    fn change(&mut self, now: SimTime, stages: Vec<Box<dyn Stage>>) {
        self.work(now);
        let changed = self.pipeline.replace(now, stages, &mut draws());
        changed.expect("in order");
        self.work(now);
    }

    fn left_us(&self) -> Vec<u64> {
        self.left
            .iter()
            .map(|(at, _)| at.as_nanos() / 1_000)
            .collect()
    }
}

/// Five packets of 1,000 bytes wait, of which the second is half sent at 1.5 ms.
fn loaded(codel: bool) -> Link {
    let mut link = Link::new(vec![held(Pace::Constant(RATE), codel)]);
    for _ in 0..5 {
        link.push(SimTime::ZERO, 1_000);
    }
    link
}

#[test]
fn a_change_meets_what_waits_at_once() {
    let check = |pace: Pace, expected: [u64; 5]| {
        for codel in [false, true] {
            let mut link = loaded(codel);
            link.change(at(1_500), vec![held(pace.clone(), codel)]);
            link.work(at(10_000_000));
            assert_eq!(link.left_us(), expected, "{pace:?}, {codel}");
        }
    };
    check(
        Pace::Constant(Rate::from_mbps(80)),
        [1_000, 1_550, 1_650, 1_750, 1_850],
    );
    check(
        Pace::Constant(Rate::from_mbps(1)),
        [1_000, 5_500, 13_500, 21_500, 29_500],
    );
    check(Pace::Unlimited, [1_000, 1_500, 1_500, 1_500, 1_500]);
}

#[test]
fn a_limit_comes_to_a_link_without_one_and_goes_again() {
    let mut link = Link::new(vec![held(Pace::Unlimited, false)]);
    link.push(at(0), 1_000);
    link.change(at(10), vec![held(Pace::Constant(RATE), false)]);
    for _ in 0..3 {
        link.push(at(10), 1_000);
    }
    link.change(at(1_500), vec![held(Pace::Unlimited, false)]);
    link.push(at(1_500), 1_000);
    assert_eq!(link.left_us(), [0, 1_010, 1_500, 1_500, 1_500]);
}

#[test]
fn a_packet_on_the_wire_is_not_sent_twice_however_often_the_rate_changes() {
    let mut link = loaded(false);
    for step in 0..1_000 {
        let rate = Rate::from_mbps(if step % 2 == 0 { 4 } else { 12 });
        link.change(at(step * 10), vec![held(Pace::Constant(rate), false)]);
    }
    // 8 Mbit/s in the mean, as before.
    for (left, expected) in link
        .left_us()
        .into_iter()
        .zip([1_000, 2_000, 3_000, 4_000, 5_000])
    {
        assert!(left.abs_diff(expected) <= 10, "{left} {expected}");
    }
}

#[test]
fn what_waits_meets_the_delay_of_the_link_that_it_leaves() {
    let mut link = Link::new(vec![
        held(Pace::Constant(RATE), false),
        Box::new(Delay::new(50 * MS)),
    ]);
    for _ in 0..3 {
        link.push(SimTime::ZERO, 1_000);
    }
    let later: Vec<Box<dyn Stage>> = vec![
        held(Pace::Constant(RATE), false),
        Box::new(Delay::new(80 * MS)),
    ];
    link.change(at(1_500), later);
    link.work(at(10_000));
    assert_eq!(link.left_us(), [51_000, 82_000, 83_000]);
}

#[test]
fn opportunities_serve_who_waits_and_are_lost_to_who_does_not() {
    let steps = vec![(2_000_000, 3_000), (5_000_000, 1_500)];
    let shape = TraceShape::Opportunities {
        steps,
        period_ns: 10_000_000,
    };
    let trace = Arc::new(RateTrace::new(shape).expect("it is sound"));
    let mut link = Link::new(vec![held(Pace::Traced(trace), false)]);
    for len in [1_000, 1_000, 1_000, 500] {
        link.push(SimTime::ZERO, len);
    }
    // Comes after the opportunity at 5 ms, of which 1,000 bytes were left.
    link.push(at(6_000), 200);
    link.work(at(20_000));
    assert_eq!(link.left_us(), [2_000, 2_000, 2_000, 5_000, 12_000]);
}

proptest! {
    #[test]
    fn without_changes_it_is_as_the_queue_that_tells_at_once(
        packets in proptest::collection::vec((0_u64..3_000, 28_usize..1_500), 1..200),
        codel in any::<bool>(),
    ) {
        let limit = QueueLimit { packets: 10, bytes: 9_000 };
        let queue = HeldQueue::new(Pace::Constant(RATE), limit);
        let (plain, holds): (Box<dyn Stage>, Box<dyn Stage>) = if codel {
            let settings = Controlled { target: MS, interval: 5 * MS };
            let plain = Codel::new(RATE, limit, settings, 1_500);
            (Box::new(plain), Box::new(queue.managed(settings, 1_500)))
        } else {
            (Box::new(RateQueue::new(RATE, limit)), Box::new(queue))
        };
        let mut links = [Link::new(vec![plain]), Link::new(vec![holds])];
        for link in &mut links {
            let mut now_us = 0;
            for &(gap_us, len) in &packets {
                now_us += gap_us;
                link.push(at(now_us), len);
            }
            link.work(at(u64::from(u32::MAX)));
        }
        prop_assert_eq!(&links[0].left, &links[1].left);
        prop_assert_eq!(links[0].dropped, links[1].dropped);
    }

    #[test]
    fn it_carries_what_the_rates_sum_up_to(
        changes in proptest::collection::vec((1_u64..20_000, 1_u64..50_000), 1..40),
    ) {
        // Always something waits, so what has left is the sum of rate times time, up to a
        // packet. A kbit/s carries a millibit in a microsecond.
        const PACKET_MILLIBITS: u64 = 8_000_000;
        let mut link = Link::new(vec![held(Pace::Constant(RATE), false)]);
        let (mut now_us, mut kbps, mut carried, mut pushed) = (0, 8_000, 0, 0);
        for (gap_us, next_kbps) in changes {
            carried += gap_us * kbps;
            while pushed < carried / PACKET_MILLIBITS + 20 {
                link.push(at(now_us), 1_000);
                pushed += 1;
            }
            now_us += gap_us;
            link.work(at(now_us));
            let left = link.left.len() as u64 * PACKET_MILLIBITS;
            // Each end is rounded up to a nanosecond, in which 50 Mbit/s carry 50 millibits.
            let slack = 50 * (pushed + 100);
            let exact = left <= carried + slack && carried < left + PACKET_MILLIBITS + slack;
            prop_assert!(exact, "{left} of {carried}");
            kbps = next_kbps;
            let rate = Rate::from_bps(kbps * 1_000).expect("not zero");
            link.change(at(now_us), vec![held(Pace::Constant(rate), false)]);
        }
        prop_assert_eq!(link.dropped, 0);
        prop_assert!(link.left.is_sorted_by_key(|(at, _)| *at));
    }
}
