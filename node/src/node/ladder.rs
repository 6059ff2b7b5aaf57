//! The ladder: ways to learn where somebody is, asked one after the other.
//!
//! Owns which rungs are being asked for whom, and what a look-up does with
//! their answers. A rung is one function of the loop, called by
//! [`Driver::seek`], which answers then or later by [`Driver::found`] or
//! [`Driver::not_found`]; whoever does not answer in time has not found. The
//! ladder dials nobody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use crate::api::{Event, Miss, Missed, Reply, Rung};
use crate::card::Card;
use crate::identity::IdentityId;

use super::CommandError;
use super::agenda::Errand;
use super::commands::answer;
use super::driver::{Driver, Then};
use super::waiters::{ReplySender, now_or_then};

/// Most addresses that are taken of one rung's answer.
const ADDRESSES_MAX: usize = 16;

/// What is being looked for.
#[derive(Default)]
pub(super) struct Ladder {
    /// Rungs that have been asked and have not answered.
    seeks: BTreeSet<(IdentityId, Rung)>,
    /// Look-ups under way.
    lookups: BTreeMap<IdentityId, Lookup>,
}

/// A look-up under way.
struct Lookup {
    /// The rung that is being asked, and those after it.
    rungs: VecDeque<Rung>,
    /// Those before it.
    missed: Vec<Missed>,
    /// Who waits for its end.
    reply: Option<ReplySender>,
}

impl Lookup {
    fn ends(self, outcome: impl FnOnce(Vec<Missed>) -> Reply) {
        if let Some(reply) = self.reply {
            answer(reply, Ok(outcome(self.missed)));
        }
    }
}

impl Driver {
    /// Begins to look `identity` up: `by` these rungs in their order, or by those of the
    /// configuration if there are none, until one has found it. Answers at `reply` when that has
    /// begun, or when it has ended.
    pub(super) fn look_up(
        &mut self,
        identity: &str,
        by: Vec<Rung>,
        wait: bool,
        reply: ReplySender,
    ) {
        let (identity, rungs) = match self.may_look_up(identity, by) {
            Ok(wanted) => wanted,
            Err(error) => return answer(reply, Err(error)),
        };
        let (now, then) = now_or_then(reply, wait);
        let lookup = Lookup {
            rungs,
            missed: Vec::new(),
            reply: then,
        };
        self.ladder.lookups.insert(identity, lookup);
        self.ask_next(identity);
        if let Some(reply) = now {
            answer(reply, Ok(Reply::Done));
        }
    }

    /// Whom to look up by which rungs, if that can begin.
    fn may_look_up(
        &self,
        identity: &str,
        by: Vec<Rung>,
    ) -> Result<(IdentityId, VecDeque<Rung>), CommandError> {
        let identity: IdentityId = identity
            .trim()
            .parse()
            .map_err(|error| CommandError::invalid(&error))?;
        let config = &self.context.config.reach;
        let by = if by.is_empty() {
            config.ladder.clone()
        } else {
            by
        };
        if BTreeSet::from_iter(&by).len() < by.len() {
            return Err(CommandError::invalid(&"a rung is named twice"));
        }
        if self.ladder.lookups.contains_key(&identity) {
            let error = format!("{identity} is being looked up");
            return Err(CommandError::invalid(&error));
        }
        if self.ladder.lookups.len() >= config.max_lookups as usize {
            self.context.limit_reached("lookups");
            return Err(CommandError::Busy);
        }
        Ok((identity, by.into()))
    }

    /// Asks the rung at which the look-up of `identity` stands; the look-up ends after the last.
    fn ask_next(&mut self, identity: IdentityId) {
        let Some(lookup) = self.ladder.lookups.get(&identity) else {
            return;
        };
        if let Some(rung) = lookup.rungs.front() {
            self.seek(identity, *rung);
        } else if let Some(lookup) = self.ladder.lookups.remove(&identity) {
            lookup.ends(|missed| Reply::NotFound { missed });
        }
    }

    /// Asks one rung where `identity` is. Its answer goes to everybody who waits for it.
    pub(super) fn seek(&mut self, identity: IdentityId, rung: Rung) {
        if !self.ladder.seeks.insert((identity, rung)) {
            return;
        }
        let patience = self.context.config.reach.rung_timeout.get();
        self.agenda
            .set(Errand::EndSeek(identity, rung), Instant::now() + patience);
        match rung {
            Rung::Known => self.seek_known(identity),
            Rung::Relay => self.seek_relay(identity),
            Rung::Kad => self.seek_kad(identity),
            Rung::Mdns => self.seek_neighbour(identity),
            Rung::Rendezvous => self.seek_at_rendezvous(identity),
            Rung::Friends => self.seek_among_friends(identity),
        }
    }

    /// A rung has found `identity` at `peer`; the addresses may end in its name, or not. An
    /// answer that nobody waits for, such as a late one, is ignored.
    pub(super) fn found(
        &mut self,
        identity: IdentityId,
        by: Rung,
        peer: PeerId,
        mut addresses: Vec<Multiaddr>,
    ) {
        if !self.seek_ends(identity, by) {
            return;
        }
        if addresses.len() > ADDRESSES_MAX {
            self.context.limit_reached("addresses-found");
            addresses.truncate(ADDRESSES_MAX);
        }
        self.emit(&Event::Found {
            identity: identity.to_string(),
            by,
            peer: peer.to_string(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
        });
        if self.lookup_waits_for(identity, by)
            && let Some(lookup) = self.ladder.lookups.remove(&identity)
        {
            lookup.ends(|_| Reply::Found {
                by,
                peer: peer.to_string(),
                addresses: dialable(peer, &addresses),
            });
        }
        self.climb_found(identity, by, peer, addresses);
    }

    /// A rung has not found `identity`. An answer that nobody waits for is ignored.
    pub(super) fn not_found(&mut self, identity: IdentityId, by: Rung, reason: Miss) {
        if !self.seek_ends(identity, by) {
            return;
        }
        self.emit(&Event::NotFound {
            identity: identity.to_string(),
            by,
            reason,
        });
        if self.lookup_waits_for(identity, by) {
            if let Some(lookup) = self.ladder.lookups.get_mut(&identity) {
                lookup.rungs.pop_front();
                lookup.missed.push(Missed { by, reason });
            }
            self.ask_next(identity);
        }
        self.climb_not_found(identity, by, reason);
    }

    /// Whether the rung was being asked, which it is no longer.
    fn seek_ends(&mut self, identity: IdentityId, rung: Rung) -> bool {
        self.agenda.cancel(Errand::EndSeek(identity, rung));
        self.ladder.seeks.remove(&(identity, rung))
    }

    fn lookup_waits_for(&self, identity: IdentityId, rung: Rung) -> bool {
        let lookup = self.ladder.lookups.get(&identity);
        lookup.and_then(|lookup| lookup.rungs.front()) == Some(&rung)
    }

    /// The rung `known`: the addresses that came with the command, or those of the card we hold,
    /// and the configuration's addresses of that peer.
    fn seek_known(&mut self, identity: IdentityId) {
        self.with_peer(identity, move |driver, known| {
            let Some((peer, mut addresses)) = known else {
                return driver.not_found(identity, Rung::Known, Miss::Absent);
            };
            if let Some(known) = driver.known.get(&peer) {
                addresses.extend_from_slice(known.addresses());
            }
            if addresses.is_empty() {
                return driver.not_found(identity, Rung::Known, Miss::NoAddress);
            }
            driver.found(identity, Rung::Known, peer, addresses);
        });
    }

    /// The rung `relay`: circuits to their peer, if it is known, through the nodes that we know from the
    /// start. Whether any of them relays, and holds a reservation of the peer, a dial shows.
    fn seek_relay(&mut self, identity: IdentityId) {
        if !self.context.config.relay_client.enabled {
            return self.not_found(identity, Rung::Relay, Miss::Off);
        }
        self.with_peer(identity, move |driver, known| {
            let Some((peer, _)) = known else {
                return driver.not_found(identity, Rung::Relay, Miss::Absent);
            };
            let circuits = driver.circuits_to(peer);
            if circuits.is_empty() {
                return driver.not_found(identity, Rung::Relay, Miss::NoAddress);
            }
            driver.found(identity, Rung::Relay, peer, circuits);
        });
    }

    /// Addresses of `peer` through each known node but itself.
    fn circuits_to(&self, peer: PeerId) -> Vec<Multiaddr> {
        self.known
            .iter()
            .filter(|(relay, _)| **relay != peer)
            .flat_map(|(_, known)| known.addresses())
            .map(|address| {
                address
                    .clone()
                    .with(Protocol::P2pCircuit)
                    .with(Protocol::P2p(peer))
            })
            .collect()
    }

    /// Gives `then` the peer of `identity` and its addresses, as they came with the command or
    /// stand on the card that we hold, if any.
    pub(super) fn with_peer(
        &mut self,
        identity: IdentityId,
        then: impl FnOnce(&mut Self, Option<(PeerId, Vec<Multiaddr>)>) + Send + 'static,
    ) {
        let of_card = |card: &Card| (card.peer, card.addresses.clone());
        let friend = |driver: &Self| Some(of_card(&driver.friends.get(&identity)?.card));
        if let Some(known) = self.given(identity).or_else(|| friend(self)) {
            return then(self, Some(known));
        }
        if !self.context.config.feed.enabled {
            return then(self, None);
        }
        let shelf = self.context.shelf.clone();
        self.start_job(async move {
            let read = shelf.with(move |store| store.card_of(identity)).await;
            let done: Then = Box::new(move |driver| {
                let card = match read {
                    Ok(Ok(card)) => card,
                    Ok(Err(error)) => {
                        driver.context.storage_failed("reading a card", &error);
                        None
                    }
                    Err(error) => {
                        let context = &driver.context;
                        context.storage_unreached("reading a card", &error.to_string());
                        None
                    }
                };
                then(driver, card.as_ref().map(of_card));
            });
            done
        });
    }
}

/// The addresses as text, each with the peer's name at its end unless it names somebody itself.
fn dialable(peer: PeerId, addresses: &[Multiaddr]) -> Vec<String> {
    let addresses = addresses.iter().cloned();
    addresses
        .map(|address| {
            let named = address.with_p2p(peer);
            named.unwrap_or_else(|other| other).to_string()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_can_be_dialled_by_themselves() {
        let [peer, other] = [PeerId::random(), PeerId::random()];
        let bare = "/ip4/192.0.2.7/tcp/4150";
        let circuit = format!("{bare}/p2p/{other}/p2p-circuit");
        let check = |text: &str, expected: String| {
            let address = text.parse().expect("an address");
            assert_eq!(dialable(peer, &[address]), [expected]);
        };
        check(bare, format!("{bare}/p2p/{peer}"));
        check(&format!("{bare}/p2p/{peer}"), format!("{bare}/p2p/{peer}"));
        check(
            &format!("{bare}/p2p/{other}"),
            format!("{bare}/p2p/{other}"),
        );
        check(&circuit, format!("{circuit}/p2p/{peer}"));
    }
}
