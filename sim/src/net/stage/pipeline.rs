//! Stages in a row, and what became of the packets that went through.

use super::{DropReason, Stage, Verdict};
use crate::net::packet::Packet;
use crate::random::Stream;
use crate::time::SimTime;

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It leaves the last stage at that instant.
    Departs(SimTime),
    /// A stage dropped it.
    Dropped(DropReason),
}

/// A pipeline that cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PipelineError {
    /// A stage that needs packets in order comes after one that reorders.
    #[error("stage {stage} needs packets in order, but a stage before it reorders them")]
    OutOfOrder {
        /// Position of the stage, from 0.
        stage: usize,
    },
}

/// Packets that went through a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Packets that depart.
    pub passed: u64,
    /// Bytes on the wire of those.
    pub passed_bytes: u64,
    dropped: [u64; DropReason::ALL.len()],
}

impl Counters {
    /// Packets dropped for `reason`.
    pub const fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }
}

/// Stages that a packet runs through in order, each at the instant at which it
/// leaves the one before.
///
/// ```
/// use std::time::Duration;
/// use bytes::Bytes;
/// use orrery_sim::net::packet::Packet;
/// use orrery_sim::net::stage::{Delay, Fate, Pipeline, QueueLimit, RateQueue};
/// use orrery_sim::random::Stream;
/// use orrery_sim::time::SimTime;
/// use orrery_sim::units::Rate;
///
/// let mut link = Pipeline::new(vec![
///     Box::new(RateQueue::new(Rate::from_mbps(100), QueueLimit::packets(100))),
///     Box::new(Delay::new(Duration::from_millis(100))),
/// ])?;
/// let from = "10.0.0.1:1".parse().unwrap();
/// let to = "10.0.0.2:1".parse().unwrap();
/// let packet = Packet::udp(from, to, Bytes::from(vec![0; 1_222]));
/// let fate = link.push(SimTime::ZERO, &packet, &mut Stream::new(1, "link", 0));
/// assert_eq!(fate, Fate::Departs(SimTime::from_nanos(100_100_000)));
/// # Ok::<(), orrery_sim::net::stage::PipelineError>(())
/// ```
#[derive(Debug, Default)]
pub struct Pipeline {
    stages: Vec<Box<dyn Stage>>,
    reorders: bool,
    counters: Counters,
    /// Instant of the last arrival.
    arrived: SimTime,
    /// Latest departure so far.
    departed: SimTime,
    /// Nothing departs before this: packets in order from before a change.
    floor: SimTime,
}

impl Pipeline {
    /// A pipeline of `stages`; without any, packets pass unharmed.
    ///
    /// # Errors
    /// [`PipelineError::OutOfOrder`] if the stages are in an order that none
    /// of them can work in.
    pub fn new(stages: Vec<Box<dyn Stage>>) -> Result<Self, PipelineError> {
        let mut pipeline = Self::default();
        pipeline.replace(stages)?;
        Ok(pipeline)
    }

    /// Changes the stages, from the next packet on. Counters go on; packets
    /// that were in order stay so across the change.
    ///
    /// # Errors
    /// As [`Pipeline::new`]; the pipeline is then as before.
    pub fn replace(&mut self, stages: Vec<Box<dyn Stage>>) -> Result<(), PipelineError> {
        let mut reorders = false;
        for (position, stage) in stages.iter().enumerate() {
            if reorders && stage.needs_order() {
                return Err(PipelineError::OutOfOrder { stage: position });
            }
            reorders |= stage.reorders();
        }
        if !self.reorders && !reorders {
            self.floor = self.departed;
        }
        self.stages = stages;
        self.reorders = reorders;
        Ok(())
    }

    /// Runs `packet`, which arrives at `now`, through the stages.
    ///
    /// # Panics
    /// If `now` is before the arrival of an earlier packet, or a stage lets a
    /// packet leave before it arrived: time does not go back.
    pub fn push(&mut self, now: SimTime, packet: &Packet, rng: &mut Stream) -> Fate {
        assert!(now >= self.arrived, "{now} is before {}", self.arrived);
        self.arrived = now;
        let mut at = now;
        for stage in &mut self.stages {
            match stage.on_packet(at, packet, rng) {
                Verdict::Pass => {}
                Verdict::Until(later) => {
                    assert!(later >= at, "{stage:?} goes back from {at} to {later}");
                    at = later;
                }
                Verdict::Drop(reason) => {
                    self.counters.dropped[reason as usize] += 1;
                    return Fate::Dropped(reason);
                }
            }
        }
        let at = at.max(self.floor);
        self.departed = self.departed.max(at);
        self.counters.passed += 1;
        self.counters.passed_bytes += packet.wire_len() as u64;
        Fate::Departs(at)
    }

    /// What became of the packets so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::stage::tests::{packet, rng};
    use crate::net::stage::{Delay, Jitter, Loss, Mtu, QueueLimit, RateQueue, Spread};
    use crate::units::{Rate, Ratio};

    const MS: Duration = Duration::from_millis(1);

    fn rate() -> Box<dyn Stage> {
        let rate = Rate::from_mbps(8);
        Box::new(RateQueue::new(rate, QueueLimit::packets(1)))
    }

    fn jitter() -> Box<dyn Stage> {
        Box::new(Jitter::reordering(Spread::Uniform { max: MS }))
    }

    #[test]
    fn stages_add_up_and_the_first_drop_wins() {
        let mut pipeline = Pipeline::new(vec![
            Box::new(Mtu::new(1_500)),
            rate(),
            Box::new(Delay::new(10 * MS)),
        ])
        .expect("the order is right");
        let mut push = |len| pipeline.push(SimTime::ZERO, &packet(len), &mut rng());
        assert_eq!(push(1_000), Fate::Departs(SimTime::from_millis(11)));
        assert_eq!(push(2_000), Fate::Dropped(DropReason::TooLarge));
        assert_eq!(push(1_000), Fate::Departs(SimTime::from_millis(12)));
        assert_eq!(push(1_000), Fate::Dropped(DropReason::QueueFull));
        let counters = pipeline.counters();
        assert_eq!((counters.passed, counters.passed_bytes), (2, 2_000));
        let dropped = DropReason::ALL.map(|reason| counters.dropped(reason));
        assert_eq!(dropped, [0, 1, 1]);
    }

    #[test]
    fn reordering_before_a_stage_with_memory_is_refused() {
        let refused = Pipeline::new(vec![jitter(), rate()]).expect_err("rate needs order");
        assert_eq!(refused, PipelineError::OutOfOrder { stage: 1 });
        assert!(Pipeline::new(vec![rate(), jitter()]).is_ok());
        assert!(Pipeline::new(vec![jitter(), jitter()]).is_ok());
    }

    #[test]
    fn a_change_lets_no_packet_overtake() {
        let delay = |delay| -> Vec<Box<dyn Stage>> { vec![Box::new(Delay::new(delay))] };
        let mut pipeline = Pipeline::new(delay(50 * MS)).expect("one stage");
        let mut rng = rng();
        pipeline.push(SimTime::ZERO, &packet(100), &mut rng);
        pipeline.replace(delay(10 * MS)).expect("one stage");
        let mut push = |ms| pipeline.push(SimTime::from_millis(ms), &packet(100), &mut rng);
        assert_eq!(push(1), Fate::Departs(SimTime::from_millis(50)));
        assert_eq!(push(45), Fate::Departs(SimTime::from_millis(55)));
    }

    #[test]
    #[should_panic(expected = "is before")]
    fn time_does_not_go_back() {
        let mut pipeline = Pipeline::new(Vec::new()).expect("no stages");
        pipeline.push(SimTime::from_millis(1), &packet(100), &mut rng());
        pipeline.push(SimTime::ZERO, &packet(100), &mut rng());
    }

    #[test]
    fn equal_streams_give_equal_fates() {
        let run = || {
            let mut pipeline = Pipeline::new(vec![
                Box::new(Loss::new(Ratio::from_percent(10))),
                rate(),
                jitter(),
            ])
            .expect("the order is right");
            let mut rng = rng();
            (0..1_000)
                .map(|ms| pipeline.push(SimTime::from_millis(ms), &packet(500), &mut rng))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(), run());
    }
}
