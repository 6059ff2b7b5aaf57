//! What happens from outside, one thing at a time.

use crate::format::scenario::flow::Load;
use crate::format::scenario::lookup::Sought;
use crate::format::scenario::workload::Readers;

/// Something that happens at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Somebody writes a post.
    Post {
        /// Who.
        host: u32,
        /// Who may read it.
        to: Readers,
        /// A friend who may not read it yet; a [`Step::Grant`] of the ticket follows.
        except: Option<u32>,
        /// Size of its text.
        size_bytes: u32,
        /// Names the post among all of the run, from 0 without gaps in no particular order.
        ticket: u32,
    },
    /// Somebody lets one more friend read an earlier post.
    Grant {
        /// The author.
        host: u32,
        /// The friend.
        reader: u32,
        /// Which post.
        ticket: u32,
    },
    /// Somebody pulls from everybody followed.
    Pull {
        /// Who.
        host: u32,
    },
    /// Somebody begins to send a flow.
    Flow {
        /// Who.
        host: u32,
        /// To whom.
        to: u32,
        /// How much.
        load: Load,
        /// From which port.
        port: Option<u16>,
        /// Names the flow among all of the run, from 0 without gaps in no particular order.
        flow: u32,
    },
    /// Somebody and another try to reach each other through NATs.
    Punch {
        /// The first side.
        host: u32,
        /// The second side.
        to: u32,
        /// Which workload says how, by its place.
        workload: usize,
        /// Names the attempt among all of the run, from 0 without gaps in no particular order.
        punch: u32,
    },
    /// Somebody blocks a friend.
    Block {
        /// Who blocks.
        host: u32,
        /// Who is blocked.
        whom: u32,
    },
    /// Somebody dials others.
    Dial {
        /// Who.
        host: u32,
        /// Whom, ascending.
        peers: Vec<u32>,
    },
    /// Somebody reaches somebody else.
    Connect {
        /// Who.
        host: u32,
        /// Whom.
        to: u32,
        /// Which workload says so, by its place.
        workload: usize,
        /// Names the attempt among all of the run, from 0 without gaps in no particular order.
        attempt: u32,
    },
    /// Somebody looks somebody else up.
    Lookup {
        /// Who looks.
        host: u32,
        /// Who is looked for.
        whom: u32,
        /// What is looked for.
        sought: Sought,
        /// Names the look-up among all of the run, from 0 without gaps in no particular order.
        ticket: u32,
    },
    /// Somebody sends a message to a group without storage.
    Publish {
        /// Who.
        host: u32,
        /// Which workload says so, by its place; it names the topic.
        workload: usize,
        /// Size of the message.
        size_bytes: u32,
        /// Names the message among all of the run, from 0 without gaps in no particular order.
        ticket: u32,
    },
    /// Somebody begins to send packets.
    Packets {
        /// Who.
        host: u32,
        /// To whom.
        to: u32,
        /// Which workload says how, by its place.
        workload: usize,
    },
    /// A fault begins or ends.
    Fault {
        /// Which, by its place among the scenario's faults.
        fault: usize,
        /// What changes.
        change: Change,
    },
}

/// What a fault changes at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Of what.
    pub target: Target,
    /// What happens there.
    pub phase: Phase,
}

/// What has conditions of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The network between all.
    Network,
    /// A host.
    Host(u32),
    /// A NAT or firewall.
    Gateway(usize),
}

/// What a fault does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is in force from now on.
    Begins,
    /// It is in force no more.
    Ends,
    /// It happens, and is not undone.
    Strikes {
        /// What was drawn for it, or 0; the unit is its kind's.
        amount: i64,
    },
}

impl Change {
    /// Whether a fault is in force from then on, or no more.
    pub fn lasts(&self) -> bool {
        match self.phase {
            Phase::Begins | Phase::Ends => true,
            Phase::Strikes { .. } => false,
        }
    }

    /// Whether it does harm, rather than end it: these are the effects that a fault declares.
    pub fn is_effect(&self) -> bool {
        match self.phase {
            Phase::Begins | Phase::Strikes { .. } => true,
            Phase::Ends => false,
        }
    }
}
