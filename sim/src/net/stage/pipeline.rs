//! Stages in a row, and what became of the packets that went through.

use std::collections::VecDeque;

use super::slot::StageSlot;
use super::{Draws, DropReason, Stage, Verdict};
use crate::net::packet::Packet;
use crate::net::transit::Transit;
use crate::prefetch::prefetch;
use crate::time::SimTime;

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It leaves the last stage at that instant, in that condition.
    Departs(SimTime, Condition),
    /// A stage holds it: [`Pipeline::take_released`] will tell.
    Held,
    /// A stage dropped it.
    Dropped(DropReason),
}

/// Whether a packet's checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It is as it was sent.
    Intact,
    /// Bits are flipped; the receiver will find out.
    Corrupted,
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
    /// Two stages hold packets.
    #[error("stage {stage} holds packets, but a stage before it does so too")]
    HoldsToo {
        /// Position of the second, from 0.
        stage: usize,
    },
}

/// Packets that went through a pipeline. All that were pushed and copied either
/// passed, or were dropped, or are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Packets that depart.
    pub passed: u64,
    /// Bytes on the wire of those.
    pub passed_bytes: u64,
    /// Copies that were made.
    pub copied: u64,
    dropped: [u64; DropReason::ALL.len()],
}

/// What a link has done to packets so far, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkCounts {
    /// Packets whose fate on the link is decided.
    pub met: u64,
    /// Those of them that its random loss took; bursts of loss are not among them.
    pub lost: u64,
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
/// What becomes of a packet is told at once, as long as no stage holds it.
/// Fates that come later, and those of copies, wait for
/// [`Pipeline::take_released`], which is to be asked after each call here.
///
/// ```
/// use std::time::Duration;
/// use bytes::Bytes;
/// use orrery_sim::net::packet::Packet;
/// use orrery_sim::net::stage::{
///     Condition, Delay, Draws, Fate, Pipeline, QueueLimit, RateQueue,
/// };
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
/// let mut draws = Draws::new(1, "link", 0);
/// let fate = link.push(SimTime::ZERO, &packet, Condition::Intact, &mut draws);
/// let at = SimTime::from_nanos(100_100_000);
/// assert_eq!(fate, Fate::Departs(at, Condition::Intact));
/// # Ok::<(), orrery_sim::net::stage::PipelineError>(())
/// ```
#[derive(Debug, Default)]
pub struct Pipeline {
    stages: Box<[StageSlot]>,
    /// Position of the first stage that reorders, or else the number of stages.
    ordered: u32,
    /// Instant of the last arrival.
    arrived: SimTime,
    /// Latest departure from the stages that keep the order.
    departed: SimTime,
    /// Nothing leaves those before this: packets from before a change.
    floor: SimTime,
    passed: u64,
    passed_bytes: u64,
    /// What only some links need, made when it is first needed. A large world has
    /// thousands of links, and each line of memory less is a cache miss less.
    rare: Option<Box<RareState>>,
}

/// What a pipeline has beside the packets that pass at once.
#[derive(Debug, Default)]
struct RareState {
    /// Position of the stage that holds packets.
    holder: Option<usize>,
    /// Those packets, oldest first.
    held: VecDeque<(Box<Transit>, Condition)>,
    /// Copies that wait for their original to have gone on.
    copies: Vec<Progress>,
    released: VecDeque<(Box<Transit>, Fate)>,
    /// The earliest wake-up that is seen to.
    claimed: Option<SimTime>,
    copied: u64,
    dropped: [u64; DropReason::ALL.len()],
}

/// Where a packet is on its way through the stages.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// Position of the stage that is next.
    stage: usize,
    at: SimTime,
    condition: Condition,
}

impl Progress {
    fn first(at: SimTime, condition: Condition) -> Self {
        Self {
            stage: 0,
            at,
            condition,
        }
    }
}

impl Pipeline {
    /// A pipeline of `stages`; without any, packets pass unharmed.
    ///
    /// # Errors
    /// [`PipelineError::OutOfOrder`] if the stages are in an order that none
    /// of them can work in, [`PipelineError::HoldsToo`] if two hold packets.
    pub fn new(stages: Vec<Box<dyn Stage>>) -> Result<Self, PipelineError> {
        let (ordered, holder) = examine(&stages)?;
        let mut pipeline = Self {
            stages: in_slots(stages),
            ordered,
            ..Self::default()
        };
        pipeline.set_holder(holder);
        Ok(pipeline)
    }

    /// Changes the stages, from `now` on. Each new stage takes over from the old
    /// ones of its kind, and counters go on. Packets that have a departure keep
    /// it; what comes later overtakes none of them, reordering aside. Packets
    /// that a stage holds go over to the new stage that holds; if there is
    /// none, or one of another kind, they arrive anew, now.
    ///
    /// # Errors
    /// As [`Pipeline::new`]; the pipeline is then as before.
    pub fn replace(
        &mut self,
        now: SimTime,
        mut stages: Vec<Box<dyn Stage>>,
        draws: &mut Draws,
    ) -> Result<(), PipelineError> {
        let (ordered, holder) = examine(&stages)?;
        for after in &mut stages {
            for before in &self.stages {
                after.take_over(now, before.stage());
            }
        }
        self.stages = in_slots(stages);
        self.ordered = ordered;
        self.set_holder(holder);
        self.floor = self.departed;
        let taken_over = holder.map_or(0, |holder| self.stages[holder].stage().held());
        if let Some(rare) = &mut self.rare
            && rare.held.len() != taken_over
        {
            for (packet, condition) in std::mem::take(&mut rare.held) {
                self.let_go(packet, Progress::first(now, condition), draws);
            }
        }
        // What a faster link has no reason to hold any more leaves before all that comes.
        self.wake(now, draws);
        Ok(())
    }

    /// Runs `packet`, which arrives at `now` in `condition`, through the stages.
    ///
    /// # Panics
    /// If `now` is before the arrival of an earlier packet, or a stage lets a
    /// packet leave before it arrived: time does not go back.
    pub fn push(
        &mut self,
        now: SimTime,
        packet: &Packet,
        condition: Condition,
        draws: &mut Draws,
    ) -> Fate {
        assert!(now >= self.arrived, "{now} is before {}", self.arrived);
        self.arrived = now;
        let fate = self.run(Progress::first(now, condition), packet, draws);
        if self.rare.is_some() {
            self.run_copies(packet, draws);
        }
        fate
    }

    /// Prefetches what the next packet will meet.
    #[inline]
    pub(in crate::net) fn prefetch(&self) {
        prefetch(&*self.stages);
    }

    /// When a stage wants to let go of packets that it holds.
    #[inline]
    pub fn next_wakeup(&self) -> Option<SimTime> {
        let holder = self.rare.as_ref()?.holder?;
        self.stages[holder].stage().next_wakeup()
    }

    /// As [`Pipeline::next_wakeup`], once: nothing if that instant or an earlier one was told
    /// before and is yet to come, since the caller that was told sees to it.
    #[inline]
    pub fn claim_wakeup(&mut self) -> Option<SimTime> {
        let due = self.next_wakeup()?;
        let claimed = &mut self.rare.as_mut()?.claimed;
        if claimed.is_some_and(|at| at <= due) {
            return None;
        }
        *claimed = Some(due);
        Some(due)
    }

    /// Lets go what a stage holds until `now`.
    ///
    /// # Panics
    /// If the stage lets go more packets than it holds.
    pub fn wake(&mut self, now: SimTime, draws: &mut Draws) {
        let Some(rare) = &mut self.rare else {
            return;
        };
        // Also if no stage holds packets any more: one may do so again.
        rare.claimed = rare.claimed.filter(|at| *at > now);
        let Some(holder) = rare.holder else {
            return;
        };
        while let Some(at) = self.next_wakeup().filter(|due| *due <= now) {
            let release = self.stages[holder].stage_mut().release(at);
            for _ in 0..release.dropped {
                let (packet, _) = self.rare().held.pop_front().expect(HOLDS);
                let fate = self.dropped(release.reason);
                self.rare().released.push_back((packet, fate));
            }
            if let Some(at) = release.departs {
                let (packet, condition) = self.rare().held.pop_front().expect(HOLDS);
                let progress = Progress {
                    stage: holder + 1,
                    at,
                    condition,
                };
                self.let_go(packet, progress, draws);
            }
        }
    }

    /// The next packet of which more became than [`Pipeline::push`] told: a copy,
    /// or one that was held and is no more.
    #[inline]
    pub fn take_released(&mut self) -> Option<(Box<Transit>, Fate)> {
        self.rare.as_mut()?.released.pop_front()
    }

    /// What became of the packets so far.
    pub fn counters(&self) -> Counters {
        let mut counters = Counters {
            passed: self.passed,
            passed_bytes: self.passed_bytes,
            ..Counters::default()
        };
        if let Some(rare) = &self.rare {
            counters.copied = rare.copied;
            counters.dropped = rare.dropped;
        }
        counters
    }

    /// What the link has done so far, in short.
    pub(in crate::net) fn link_counts(&self) -> LinkCounts {
        let dropped = self
            .rare
            .as_ref()
            .map_or(0, |rare| rare.dropped.iter().sum());
        let lost = |slot: &StageSlot| match slot {
            StageSlot::Loss(loss) => loss.lost(),
            _ => 0,
        };
        LinkCounts {
            met: self.passed + dropped,
            lost: self.stages.iter().map(lost).sum(),
        }
    }

    fn rare(&mut self) -> &mut RareState {
        self.rare.get_or_insert_default()
    }

    fn set_holder(&mut self, holder: Option<usize>) {
        if holder.is_some() || self.rare.is_some() {
            self.rare().holder = holder;
        }
    }

    /// Runs a packet that was held, and its copies, through the stages.
    fn let_go(&mut self, packet: Box<Transit>, progress: Progress, draws: &mut Draws) {
        let first = self.rare().released.len();
        let fate = self.run(progress, &packet, draws);
        self.run_copies(&packet, draws);
        self.rare().released.insert(first, (packet, fate));
    }

    /// Runs the copies of a packet that went on.
    fn run_copies(&mut self, packet: &Packet, draws: &mut Draws) {
        // A copy is copied only by later stages, so this comes to an end.
        while let Some(progress) = self.rare().copies.pop() {
            self.rare().copied += 1;
            let fate = self.run(progress, packet, draws);
            if fate != Fate::Held {
                let copy = Transit::new(packet.clone());
                self.rare().released.push_back((copy, fate));
            }
        }
    }

    /// Runs a packet through the stages from where it is on.
    fn run(&mut self, mut progress: Progress, packet: &Packet, draws: &mut Draws) -> Fate {
        let ordered = self.ordered as usize;
        if progress.stage <= ordered {
            if let Some(fate) = self.run_until(ordered, &mut progress, packet, draws) {
                return fate;
            }
            progress.at = progress.at.max(self.floor);
            self.departed = self.departed.max(progress.at);
        }
        let fate = self.run_until(self.stages.len(), &mut progress, packet, draws);
        fate.unwrap_or_else(|| {
            self.passed += 1;
            self.passed_bytes += packet.wire_len() as u64;
            Fate::Departs(progress.at, progress.condition)
        })
    }

    /// Runs a packet through the stages before `end`; tells its fate if that is
    /// decided there.
    #[inline]
    fn run_until(
        &mut self,
        end: usize,
        progress: &mut Progress,
        packet: &Packet,
        draws: &mut Draws,
    ) -> Option<Fate> {
        while progress.stage < end {
            let stage = &mut self.stages[progress.stage];
            progress.stage += 1;
            match stage.on_packet(progress.at, packet, draws) {
                Verdict::Pass => {}
                Verdict::Until(later) => {
                    let at = progress.at;
                    assert!(later >= at, "{stage:?} goes back from {at} to {later}");
                    progress.at = later;
                }
                Verdict::Corrupt => progress.condition = Condition::Corrupted,
                Verdict::Twice => self.rare().copies.push(*progress),
                Verdict::Hold => {
                    let holds = stage.stage().holds();
                    assert!(holds, "{stage:?} did not say that it holds packets");
                    let packet = Transit::new(packet.clone());
                    self.rare().held.push_back((packet, progress.condition));
                    return Some(Fate::Held);
                }
                Verdict::Drop(reason) => return Some(self.dropped(reason)),
            }
        }
        None
    }

    fn dropped(&mut self, reason: DropReason) -> Fate {
        self.rare().dropped[reason as usize] += 1;
        Fate::Dropped(reason)
    }
}

/// Why a packet that a stage lets go is there.
const HOLDS: &str = "a stage lets go no more packets than it holds";

fn in_slots(stages: Vec<Box<dyn Stage>>) -> Box<[StageSlot]> {
    stages.into_iter().map(StageSlot::from).collect()
}

/// Position of the first stage that reorders, and of the one that holds.
fn examine(stages: &[Box<dyn Stage>]) -> Result<(u32, Option<usize>), PipelineError> {
    let mut ordered = stages.len();
    let mut holder = None;
    for (stage, one) in stages.iter().enumerate() {
        if ordered < stage && one.needs_order() {
            return Err(PipelineError::OutOfOrder { stage });
        }
        if one.reorders() {
            ordered = ordered.min(stage);
        }
        if one.holds() && holder.replace(stage).is_some() {
            return Err(PipelineError::HoldsToo { stage });
        }
    }
    Ok((ordered as u32, holder))
}

#[cfg(test)]
mod tests;
