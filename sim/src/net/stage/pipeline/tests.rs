//! Pipelines of several stages: order, changes, copies, and that no packet gets
//! lost without a word.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::net::stage::tests::{draws, packet};
use crate::net::stage::{
    Codel, Controlled, Corrupt, Delay, Duplicate, Jitter, Loss, Mtu, QueueLimit, RateQueue,
    Reorder, Reordering, Spread,
};
use crate::units::{Rate, Ratio};

const MS: Duration = Duration::from_millis(1);

/// 1,000 bytes take a millisecond.
const RATE: Rate = Rate::from_mbps(8);

fn rate() -> Box<dyn Stage> {
    Box::new(RateQueue::new(RATE, QueueLimit::packets(1)))
}

fn codel(rate: Rate) -> Box<dyn Stage> {
    let limit = QueueLimit::packets(100);
    Box::new(Codel::new(rate, limit, Controlled::default(), 1_500))
}

fn delay(delay: Duration) -> Box<dyn Stage> {
    Box::new(Delay::new(delay))
}

fn jitter() -> Box<dyn Stage> {
    Box::new(Jitter::reordering(Spread::Uniform { max: MS }))
}

fn departs(ms: u64) -> Fate {
    Fate::Departs(SimTime::from_millis(ms), Condition::Intact)
}

fn released(pipeline: &mut Pipeline) -> Vec<Fate> {
    std::iter::from_fn(|| pipeline.take_released())
        .map(|(_, fate)| fate)
        .collect()
}

#[test]
fn stages_add_up_and_the_first_drop_wins() {
    let mut pipeline = Pipeline::new(vec![Box::new(Mtu::new(1_500)), rate(), delay(10 * MS)])
        .expect("the order is right");
    let mut push =
        |len| pipeline.push(SimTime::ZERO, &packet(len), Condition::Intact, &mut draws());
    assert_eq!(push(1_000), departs(11));
    assert_eq!(push(2_000), Fate::Dropped(DropReason::TooLarge));
    assert_eq!(push(1_000), departs(12));
    assert_eq!(push(1_000), Fate::Dropped(DropReason::QueueFull));
    let counters = pipeline.counters();
    assert_eq!((counters.passed, counters.passed_bytes), (2, 2_000));
    let dropped = |reason: &&DropReason| counters.dropped(**reason) == 1;
    let met: Vec<_> = DropReason::ALL.iter().filter(dropped).collect();
    assert_eq!(met, [&DropReason::QueueFull, &DropReason::TooLarge]);
}

#[test]
fn pipelines_that_cannot_work_are_refused() {
    let check = |stages, error| match Pipeline::new(stages) {
        Ok(_) => assert_eq!(None, error),
        Err(refused) => assert_eq!(Some(refused), error),
    };
    check(
        vec![jitter(), rate()],
        Some(PipelineError::OutOfOrder { stage: 1 }),
    );
    check(
        vec![delay(MS), jitter(), delay(MS), codel(RATE)],
        Some(PipelineError::OutOfOrder { stage: 3 }),
    );
    check(
        vec![codel(RATE), codel(RATE)],
        Some(PipelineError::HoldsToo { stage: 1 }),
    );
    check(vec![rate(), jitter()], None);
    check(vec![jitter(), jitter()], None);
}

#[test]
fn a_change_lets_no_packet_overtake() {
    let mut pipeline = Pipeline::new(vec![delay(50 * MS)]).expect("one stage");
    let mut draws = draws();
    pipeline.push(SimTime::ZERO, &packet(100), Condition::Intact, &mut draws);
    pipeline
        .replace(SimTime::ZERO, vec![delay(10 * MS)], &mut draws)
        .expect("one stage");
    let mut push = |ms| {
        pipeline.push(
            SimTime::from_millis(ms),
            &packet(100),
            Condition::Intact,
            &mut draws,
        )
    };
    assert_eq!(push(1), departs(50));
    assert_eq!(push(45), departs(55));
}

#[test]
fn only_what_is_held_back_is_overtaken_after_a_change() {
    let reorder = |percent| -> Box<dyn Stage> {
        let ratio = Ratio::from_percent(percent);
        Box::new(Reorder::new(Reordering { ratio, by: 9 * MS }))
    };
    let mut draws = draws();
    let mut pipeline = Pipeline::new(vec![delay(50 * MS), reorder(100)]).expect("in order");
    let fate = pipeline.push(SimTime::ZERO, &packet(100), Condition::Intact, &mut draws);
    assert_eq!(fate, departs(59));
    pipeline
        .replace(SimTime::ZERO, vec![delay(MS), reorder(0)], &mut draws)
        .expect("in order");
    let fate = pipeline.push(SimTime::ZERO, &packet(100), Condition::Intact, &mut draws);
    assert_eq!(fate, departs(50));
}

#[test]
fn a_copy_follows_its_original_and_takes_its_place_on_the_link() {
    let twice = Box::new(Duplicate::new(Ratio::ONE));
    let mut pipeline = Pipeline::new(vec![twice, rate()]).expect("in order");
    let fate = pipeline.push(
        SimTime::ZERO,
        &packet(1_000),
        Condition::Intact,
        &mut draws(),
    );
    assert_eq!(fate, departs(1));
    assert_eq!(released(&mut pipeline), [departs(2)]);
    let fate = pipeline.push(
        SimTime::ZERO,
        &packet(1_000),
        Condition::Intact,
        &mut draws(),
    );
    assert_eq!(fate, Fate::Dropped(DropReason::QueueFull));
    let full = Fate::Dropped(DropReason::QueueFull);
    assert_eq!(released(&mut pipeline), [full]);
    assert_eq!(pipeline.counters().copied, 2);
}

#[test]
fn a_corrupted_packet_takes_as_long_as_others() {
    let all = Box::new(Corrupt::new(Ratio::ONE));
    let mut pipeline = Pipeline::new(vec![all, codel(RATE)]).expect("in order");
    let corrupted = |ms| Fate::Departs(SimTime::from_millis(ms), Condition::Corrupted);
    let mut draws = draws();
    let fate = pipeline.push(SimTime::ZERO, &packet(1_000), Condition::Intact, &mut draws);
    assert_eq!(fate, corrupted(1));
    let fate = pipeline.push(SimTime::ZERO, &packet(1_000), Condition::Intact, &mut draws);
    assert_eq!(fate, Fate::Held);
    pipeline.wake(SimTime::from_millis(1), &mut draws);
    assert_eq!(released(&mut pipeline), [corrupted(2)]);
}

/// Three packets on a link, one of which is on the wire.
fn held_by_codel() -> Pipeline {
    let mut pipeline = Pipeline::new(vec![codel(RATE), delay(MS)]).expect("in order");
    for expected in [departs(2), Fate::Held, Fate::Held] {
        let fate = pipeline.push(
            SimTime::ZERO,
            &packet(1_000),
            Condition::Intact,
            &mut draws(),
        );
        assert_eq!(fate, expected);
    }
    assert_eq!(pipeline.next_wakeup(), Some(SimTime::from_millis(1)));
    pipeline
}

#[test]
fn what_is_held_goes_over_to_the_changed_link() {
    let mut pipeline = held_by_codel();
    let mut draws = draws();
    let slower = vec![codel(Rate::from_mbps(4)), delay(MS)];
    pipeline
        .replace(SimTime::ZERO, slower, &mut draws)
        .expect("in order");
    pipeline.wake(SimTime::from_millis(1), &mut draws);
    assert_eq!(released(&mut pipeline), [departs(4)]);
    assert_eq!(pipeline.next_wakeup(), Some(SimTime::from_millis(3)));
    pipeline.wake(SimTime::from_millis(3), &mut draws);
    assert_eq!(released(&mut pipeline), [departs(6)]);
    assert_eq!(pipeline.next_wakeup(), None);
}

#[test]
fn what_is_held_arrives_anew_where_nothing_holds() {
    let mut pipeline = held_by_codel();
    let mut draws = draws();
    let stages: Vec<Box<dyn Stage>> = vec![rate(), delay(MS)];
    pipeline
        .replace(SimTime::ZERO, stages, &mut draws)
        .expect("in order");
    // One place waits for the wire, which is taken until the first has left.
    let full = Fate::Dropped(DropReason::QueueFull);
    assert_eq!(released(&mut pipeline), [departs(3), full]);
    assert_eq!(pipeline.next_wakeup(), None);
}

#[test]
#[should_panic(expected = "is before")]
fn time_does_not_go_back() {
    let mut pipeline = Pipeline::new(Vec::new()).expect("no stages");
    pipeline.push(
        SimTime::from_millis(1),
        &packet(100),
        Condition::Intact,
        &mut draws(),
    );
    pipeline.push(SimTime::ZERO, &packet(100), Condition::Intact, &mut draws());
}

/// Pushes packets, one a millisecond, and lists what left and when.
fn play(stages: Vec<Box<dyn Stage>>) -> Vec<Fate> {
    let mut pipeline = Pipeline::new(stages).expect("the order is right");
    let mut draws = draws();
    (0..1_000)
        .map(|ms| {
            pipeline.push(
                SimTime::from_millis(ms),
                &packet(500),
                Condition::Intact,
                &mut draws,
            )
        })
        .collect()
}

#[test]
fn equal_streams_give_equal_fates() {
    let run = || play(vec![Box::new(Loss::new(Ratio::from_percent(10))), jitter()]);
    assert_eq!(run(), run());
}

#[test]
fn one_impairment_more_loses_the_same_packets() {
    let lost = |stages| -> Vec<bool> {
        let fates = play(stages);
        fates
            .iter()
            .map(|fate| matches!(fate, Fate::Dropped(DropReason::Loss)))
            .collect()
    };
    let loss = || -> Box<dyn Stage> { Box::new(Loss::new(Ratio::from_percent(10))) };
    let corrupt = Box::new(Corrupt::new(Ratio::from_percent(50)));
    assert_eq!(lost(vec![loss()]), lost(vec![corrupt, loss(), jitter()]));
}

proptest! {
    #[test]
    fn every_packet_has_one_fate(
        steps in proptest::collection::vec((0_u64..4_000, 28_usize..1_500, 0_u8..20), 1..300),
        lossy in any::<bool>(),
    ) {
        let stages = |kind: u8| -> Vec<Box<dyn Stage>> {
            let mut stages: Vec<Box<dyn Stage>> =
                vec![Box::new(Duplicate::new(Ratio::from_percent(20)))];
            let limit = QueueLimit::packets(20);
            let settings = Controlled { target: MS, interval: 10 * MS };
            match kind {
                0 => stages.push(Box::new(RateQueue::new(RATE, limit))),
                1 => {}
                _ => stages.push(Box::new(Codel::new(RATE, limit, settings, 1_500))),
            }
            if lossy {
                stages.push(Box::new(Loss::new(Ratio::from_percent(10))));
            }
            stages.push(delay(MS));
            stages
        };
        let mut draws = draws();
        let mut pipeline = Pipeline::new(stages(2)).expect("in order");
        let (mut now, mut pushed, mut told, mut latest) = (SimTime::ZERO, 0_u64, 0_u64, SimTime::ZERO);
        let mut tell = |fate: Fate, now: SimTime| match fate {
            Fate::Held => {}
            Fate::Dropped(_) => told += 1,
            Fate::Departs(at, _) => {
                assert!(at >= now && at >= latest, "packets keep their order");
                latest = at;
                told += 1;
            }
        };
        for (gap_us, len, change) in steps {
            let next = now + Duration::from_micros(gap_us);
            while let Some(due) = pipeline.next_wakeup().filter(|due| *due <= next) {
                pipeline.wake(due, &mut draws);
                for fate in released(&mut pipeline) { tell(fate, due); }
            }
            now = next;
            if change < 4 {
                pipeline.replace(now, stages(change), &mut draws).expect("in order");
                for fate in released(&mut pipeline) { tell(fate, now); }
            }
            pushed += 1;
            tell(pipeline.push(now, &packet(len), Condition::Intact, &mut draws), now);
            for fate in released(&mut pipeline) { tell(fate, now); }
        }
        while let Some(due) = pipeline.next_wakeup() {
            pipeline.wake(due, &mut draws);
            for fate in released(&mut pipeline) { tell(fate, due); }
        }
        let counters = pipeline.counters();
        let dropped: u64 = DropReason::ALL.iter().map(|reason| counters.dropped(*reason)).sum();
        prop_assert_eq!(told, pushed + counters.copied);
        prop_assert_eq!(told, counters.passed + dropped);
    }
}

#[test]
fn a_link_that_holds_again_is_woken_again() {
    let mut pipeline = held_by_codel();
    let mut draws = draws();
    let soon = SimTime::from_millis(1);
    assert_eq!(pipeline.claim_wakeup(), Some(soon));
    assert_eq!(pipeline.claim_wakeup(), None, "it is seen to");
    let plain: Vec<Box<dyn Stage>> = vec![rate(), delay(MS)];
    pipeline
        .replace(SimTime::ZERO, plain, &mut draws)
        .expect("in order");
    pipeline.wake(soon, &mut draws);
    released(&mut pipeline);
    let later = SimTime::from_millis(10);
    pipeline
        .replace(later, vec![codel(RATE), delay(MS)], &mut draws)
        .expect("in order");
    for _ in 0..2 {
        pipeline.push(later, &packet(1_000), Condition::Intact, &mut draws);
    }
    assert_eq!(pipeline.claim_wakeup(), pipeline.next_wakeup());
    assert!(pipeline.next_wakeup().is_some());
}
