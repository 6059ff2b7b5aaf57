//! What is under way in a queue, for the one that follows it when a link is changed.

use std::collections::VecDeque;

use super::control_law::ControlLaw;
use super::pace::{Pace, Transmission};
use super::waiting::Waiting;
use crate::time::SimTime;

/// What is under way in a queue. Each kind of queue takes over of it what it can.
#[derive(Debug, Clone, Copy)]
pub struct Backlog<'a> {
    /// When the transmission of all packets whose departure was told is over.
    pub(super) busy_until: SimTime,
    /// Start of transmission and size of those of them that wait.
    pub(super) told: Option<&'a VecDeque<(SimTime, u32)>>,
    /// The packets that are held and wait.
    pub(super) held: Option<&'a Waiting>,
    /// The one that is held and is being transmitted, and at which pace.
    pub(super) on_wire: Option<(&'a Pace, &'a Transmission)>,
    /// What drops from the head.
    pub(super) law: Option<&'a ControlLaw>,
}

impl Backlog<'_> {
    /// Nothing but a wire that is busy.
    pub(super) const fn busy(busy_until: SimTime) -> Self {
        Self {
            busy_until,
            told: None,
            held: None,
            on_wire: None,
            law: None,
        }
    }
}
