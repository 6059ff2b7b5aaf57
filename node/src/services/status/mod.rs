//! What the node tells of itself when asked: its card, and how it stands.

use crate::api::Reply;
use crate::config::Config;
use crate::core::CommandError;
use crate::core::Core;
use crate::core::replies::{ReplySender, answer};

use super::Service;

/// Has no state of its own.
#[derive(Debug)]
pub struct Status;

impl Service for Status {
    fn new(_: &Config) -> Self {
        Self
    }
}

impl Status {
    /// Answers with this identity's card.
    pub fn card(&mut self, core: &mut Core, reply: ReplySender) {
        let card = core.own_card().map(|card| Reply::Card {
            card: card.to_string(),
        });
        answer(reply, card.map_err(|error| CommandError::invalid(&error)));
    }

    /// Answers with addresses, connections and counts.
    pub fn status(&mut self, core: &mut Core, reply: ReplySender) {
        let (swarm, context) = (&core.swarm, &core.context);
        let mut connections: Vec<_> = swarm.connected_peers().map(ToString::to_string).collect();
        connections.sort();
        let status = Reply::Status {
            identity: context.keys.identity().to_string(),
            peer: context.keys.peer().to_string(),
            listening: swarm.listeners().map(ToString::to_string).collect(),
            connections,
            counters: context.outlet.counters(),
        };
        answer(reply, Ok(status));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fake;

    #[test]
    fn the_card_names_identity_and_peer() {
        let (mut core, _) = fake::core(Config::default());
        let (reply, mut replied) = fake::caller();
        Status.card(&mut core, reply);
        let Some(Ok(Reply::Card { card })) = fake::reply(&mut replied) else {
            panic!("no card");
        };
        let card: crate::card::Card = card.parse().expect("a card");
        assert_eq!(card.identity(), core.context.keys.identity());
        assert_eq!(card.peer, core.context.keys.peer());
    }
}
