//! What the node has to do at which time.
//!
//! Each errand stands in the agenda at most once, so its size is bounded by
//! the number of friends, known nodes, listen addresses, look-ups and waiting commands.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;

use crate::api::Rung;
use crate::identity::IdentityId;

/// Something to be done later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Errand {
    /// Dial a friend who is not connected.
    Dial(IdentityId),
    /// Dial a known node that is not connected.
    Bootstrap(PeerId),
    /// Listen again at the address with this place in the configuration.
    ListenAgain(usize),
    /// Pull a friend's feed.
    Pull(IdentityId),
    /// Stop reaching somebody.
    EndReach(IdentityId),
    /// Stop waiting for what a rung finds.
    EndSeek(IdentityId, Rung),
    /// Close the surplus one of two connections to a peer.
    CloseSurplus(ConnectionId),
    /// Decide about a connection that may have been made to test an address.
    SettleDialBack(ConnectionId),
    /// Close the relayed connections with a peer that direct ones have replaced.
    CloseRelayed(PeerId),
    /// Ask relays for reservations.
    Reserve,
    /// Publish the own addresses anew.
    Publish,
    /// Renew our registration at a rendezvous point.
    Register(PeerId),
    /// Stop waiting for what friends know of somebody.
    EndInquiry(u64),
    /// Answer a waiting command with what there is.
    GiveUp(u64),
    /// Drop what authors want forgotten by now.
    Forget,
}

/// Errands by time.
#[derive(Debug, Default)]
pub struct Agenda {
    times: BTreeMap<Errand, Instant>,
    order: BTreeSet<(Instant, Errand)>,
}

impl Agenda {
    /// Puts `errand` at `time`, wherever it stood before.
    pub fn set(&mut self, errand: Errand, time: Instant) {
        self.cancel(errand);
        self.times.insert(errand, time);
        self.order.insert((time, errand));
    }

    /// Strikes `errand` out.
    pub fn cancel(&mut self, errand: Errand) {
        if let Some(time) = self.times.remove(&errand) {
            self.order.remove(&(time, errand));
        }
    }

    /// When the next errand is due.
    pub fn next_time(&self) -> Option<Instant> {
        self.order.first().map(|(time, _)| *time)
    }

    /// Takes the first errand that is due at `now`.
    pub fn take_due(&mut self, now: Instant) -> Option<Errand> {
        let (time, errand) = *self.order.first()?;
        if time > now {
            return None;
        }
        self.cancel(errand);
        Some(errand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn errands_come_in_order_of_time_and_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut agenda = Agenda::default();
        let friend = IdentityId([1; 32]);
        agenda.set(Errand::Pull(friend), at(5));
        agenda.set(Errand::Dial(friend), at(3));
        agenda.set(Errand::GiveUp(1), at(4));
        agenda.set(Errand::Pull(friend), at(2));
        agenda.cancel(Errand::GiveUp(1));
        assert_eq!(agenda.next_time(), Some(at(2)));
        assert_eq!(agenda.take_due(at(1)), None);
        assert_eq!(agenda.take_due(at(9)), Some(Errand::Pull(friend)));
        assert_eq!(agenda.take_due(at(9)), Some(Errand::Dial(friend)));
        assert_eq!(agenda.take_due(at(9)), None);
        assert_eq!(agenda.next_time(), None);
    }
}
