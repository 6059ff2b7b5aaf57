//! What the node tells of itself when asked: its card, and how it stands.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::api::{Friend, Reachability, Reply};
use crate::config::Config;
use crate::core::CommandError;
use crate::core::Core;
use crate::core::addresses::relay_of;
use crate::core::replies::{ReplySender, answer};
use crate::core::signal::Signal;
use crate::identity::IdentityId;
use crate::petname::Petname;
use crate::protocol::{is_circuit, within};
use crate::wall_clock::wall_clock_ms;

use super::Service;

/// What a store that is busy or broken gets to say what friends are called: the rest is told without.
const NAMES_TIME: Duration = Duration::from_secs(2);

/// Since when the node runs, and when friends were last connected.
#[derive(Debug)]
pub struct Status {
    since: Instant,
    /// When friends who were connected have gone, by the wall clock.
    seen: BTreeMap<IdentityId, u64>,
}

impl Service for Status {
    fn new(_: &Config) -> Self {
        Self {
            since: Instant::now(),
            seen: BTreeMap::new(),
        }
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::Disconnected {
                identity: Some(identity),
                ..
            } if core.friends.contains(identity) => {
                self.seen.insert(*identity, wall_clock_ms());
            }
            Signal::FriendRemoved { identity, .. } => {
                self.seen.remove(identity);
            }
            _ => {}
        }
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

    /// Answers with addresses, connections, friends and counts.
    pub fn status(&mut self, core: &mut Core, reply: ReplySender) {
        let store = core.context.store.clone();
        let names = async move {
            let names = within(NAMES_TIME, store.with(|store| store.names())).await;
            // How the store fares is told by whoever needs it.
            match names {
                Ok(Ok(Ok(names))) => names,
                Ok(Ok(Err(_)) | Err(_)) | Err(_) => BTreeMap::new(),
            }
        };
        core.start_job(names, |status: &mut Self, core, names| {
            answer(reply, Ok(status.told(core, &names)));
        });
    }

    fn told(&self, core: &Core, names: &BTreeMap<IdentityId, Petname>) -> Reply {
        let (swarm, context) = (&core.swarm, &core.context);
        let mut connections: Vec<_> = swarm.connected_peers().copied().collect();
        connections.sort_by_cached_key(ToString::to_string);
        let relays = swarm.listeners().filter(|address| is_circuit(address));
        let mut reservations: Vec<_> = relays.filter_map(relay_of).collect();
        reservations.sort_by_cached_key(ToString::to_string);
        reservations.dedup();
        let reachable_at: Vec<_> = swarm.external_addresses().collect();
        let reachability = if reachable_at.iter().any(|address| !is_circuit(address)) {
            Reachability::Public
        } else if reservations.is_empty() && reachable_at.is_empty() {
            Reachability::Unknown
        } else {
            Reachability::Relayed
        };
        Reply::Status {
            identity: context.keys.identity(),
            peer: context.keys.peer(),
            listening: swarm.listeners().map(ToString::to_string).collect(),
            connections,
            counters: context.outlet.counters(),
            running: true,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            friends: self.friends(core, names),
            reservations,
            reachability,
            reachable_at: reachable_at.iter().map(ToString::to_string).collect(),
        }
    }

    fn friends(&self, core: &Core, names: &BTreeMap<IdentityId, Petname>) -> Vec<Friend> {
        let friends = core.friends.identities();
        let cards = friends.filter_map(|friend| Some((friend, core.friends.card(&friend)?)));
        cards
            .map(|(identity, card)| {
                let link = core.link_with(identity);
                Friend {
                    identity,
                    name: names.get(&identity).map(ToString::to_string),
                    peer: card.peer,
                    link,
                    last_seen_ms: match link {
                        Some(_) => Some(wall_clock_ms()),
                        None => self.seen.get(&identity).copied(),
                    },
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::friends::Friends;
    use crate::services::fake;

    #[test]
    fn the_card_names_identity_and_peer() {
        let (mut core, _) = fake::core(Config::default());
        let (reply, mut replied) = fake::caller();
        Status::new(&Config::default()).card(&mut core, reply);
        let Some(Ok(Reply::Card { card })) = fake::reply(&mut replied) else {
            panic!("no card");
        };
        let card: crate::card::Card = card.parse().expect("a card");
        assert_eq!(card.identity(), core.context.keys.identity());
        assert_eq!(card.peer, core.context.keys.peer());
    }

    #[test]
    fn friends_stand_with_their_names_and_when_they_were_seen() {
        let (mut core, _) = fake::core(Config::default());
        let mut status = Status::new(&Config::default());
        let ada = fake::card(1, None);
        let identity = ada.identity();
        core.friends = Friends::default();
        core.friends.insert(ada.clone());
        let names = [(identity, "Ada".parse().expect("a name"))].into();
        let friends = status.friends(&core, &names);
        assert_eq!(friends[0].name.as_deref(), Some("Ada"));
        assert_eq!((friends[0].link, friends[0].last_seen_ms), (None, None));
        let gone = Signal::Disconnected {
            peer: ada.peer,
            connection: libp2p::swarm::ConnectionId::new_unchecked(1),
            identity: Some(identity),
        };
        status.on_signal(&mut core, &gone);
        assert!(status.friends(&core, &names)[0].last_seen_ms.is_some());
        let told = status.told(&core, &names);
        assert!(
            matches!(
                told,
                Reply::Status {
                    running: true,
                    reachability: Reachability::Unknown,
                    ..
                }
            ),
            "{told:?}"
        );
    }
}
