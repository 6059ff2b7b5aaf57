//! Looking somebody up: ways to learn where they are, asked one after the other.
//!
//! Owns which ways are being asked for whom, and what a look-up does with their answers. A way
//! belongs to a service, which is asked by [`Signal::Seek`] and answers then or later by
//! [`Signal::Found`] or [`Signal::NotFound`]; one that does not answer in time has not found. Dials
//! no peer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use libp2p::{Multiaddr, PeerId};

use crate::api::{Event, LookupMethod, Miss, Missed, Reply};
use crate::core::CommandError;
use crate::core::Core;
use crate::core::replies::{ReplySender, answer, now_or_then};
use crate::core::signal::{Signal, Whereabouts};
use crate::identity::IdentityId;

use super::{Reach, Timer};

/// Most addresses that are taken of one method's answer.
const ADDRESSES_MAX: usize = 16;

/// Who is being looked for.
#[derive(Default)]
pub(super) struct Lookups {
    /// Methods that have been asked and have not answered.
    seeks: BTreeSet<(IdentityId, LookupMethod)>,
    /// Look-ups under way.
    under_way: BTreeMap<IdentityId, Lookup>,
}

/// A look-up under way.
struct Lookup {
    /// The method that is being asked, and those after it.
    methods: VecDeque<LookupMethod>,
    /// Those before it.
    missed: Vec<Missed>,
    /// Their peer, as given with the command.
    peer: Option<PeerId>,
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

impl Reach {
    /// Begins to look `identity` up: `by` these methods in their order, or by those of the
    /// configuration if there are none, until one has found it. Answers at `reply` when that has
    /// begun, or when it has ended.
    pub fn look_up(
        &mut self,
        core: &mut Core,
        identity: IdentityId,
        peer: Option<PeerId>,
        by: Vec<LookupMethod>,
        wait: bool,
        reply: ReplySender,
    ) {
        let methods = match self.may_look_up(core, identity, by) {
            Ok(methods) => methods,
            Err(error) => return answer(reply, Err(error)),
        };
        let (now, then) = now_or_then(reply, wait);
        let lookup = Lookup {
            methods,
            missed: Vec::new(),
            peer,
            reply: then,
        };
        self.lookups.under_way.insert(identity, lookup);
        self.ask_next(core, identity);
        if let Some(reply) = now {
            core.answer_then(reply, Ok(Reply::Done));
        }
    }

    /// By which methods to look `identity` up, if that can begin.
    fn may_look_up(
        &self,
        core: &Core,
        identity: IdentityId,
        by: Vec<LookupMethod>,
    ) -> Result<VecDeque<LookupMethod>, CommandError> {
        let config = &core.context.config.reach;
        let by = if by.is_empty() {
            config.lookup_order.clone()
        } else {
            by
        };
        if BTreeSet::from_iter(&by).len() < by.len() {
            return Err(CommandError::invalid(&"a lookup method is named twice"));
        }
        if self.lookups.under_way.contains_key(&identity) {
            let error = format!("{identity} is being looked up");
            return Err(CommandError::invalid(&error));
        }
        if self.lookups.under_way.len() >= config.max_lookups as usize {
            core.context.limit_reached("lookups");
            return Err(CommandError::Busy);
        }
        Ok(by.into())
    }

    /// Asks the method at which the look-up of `identity` stands; the look-up ends after the last.
    fn ask_next(&mut self, core: &mut Core, identity: IdentityId) {
        let Some(lookup) = self.lookups.under_way.get(&identity) else {
            return;
        };
        if let Some(method) = lookup.methods.front() {
            self.seek(core, identity, *method);
        } else if let Some(lookup) = self.lookups.under_way.remove(&identity) {
            lookup.ends(|missed| Reply::NotFound { missed });
        }
    }

    /// Asks one method where `identity` is. Its answer goes to everybody who waits for it.
    pub(super) fn seek(&mut self, core: &mut Core, identity: IdentityId, method: LookupMethod) {
        if !self.lookups.seeks.insert((identity, method)) {
            return;
        }
        let patience = core.context.config.reach.method_timeout.get();
        self.timers
            .set(Timer::EndSeek(identity, method), Instant::now() + patience);
        if method == LookupMethod::Known {
            return self.seek_known(core, identity);
        }
        core.raise(Signal::Seek {
            identity,
            by: method,
            given: self.given(identity).or_else(|| self.peer_given(identity)),
        });
    }

    /// A method has found `identity` at `peer`; the addresses may end in its name, or not. An
    /// answer that nobody waits for, such as a late one, is ignored.
    pub(super) fn on_found(
        &mut self,
        core: &mut Core,
        identity: IdentityId,
        by: LookupMethod,
        (peer, mut addresses): Whereabouts,
    ) {
        if !self.seek_ends(identity, by) {
            return;
        }
        if addresses.len() > ADDRESSES_MAX {
            core.context.limit_reached("addresses-found");
            addresses.truncate(ADDRESSES_MAX);
        }
        core.emit(&Event::Found {
            identity,
            by,
            peer,
            addresses: addresses.iter().map(ToString::to_string).collect(),
        });
        if self.lookup_waits_for(identity, by)
            && let Some(lookup) = self.lookups.under_way.remove(&identity)
        {
            lookup.ends(|_| Reply::Found {
                by,
                peer,
                addresses: dialable(peer, &addresses),
            });
        }
        self.attempt_found(core, identity, by, peer, addresses);
    }

    /// A method has not found `identity`. An answer that nobody waits for is ignored.
    pub(super) fn on_not_found(
        &mut self,
        core: &mut Core,
        identity: IdentityId,
        by: LookupMethod,
        reason: Miss,
    ) {
        if !self.seek_ends(identity, by) {
            return;
        }
        core.emit(&Event::NotFound {
            identity,
            by,
            reason,
        });
        if self.lookup_waits_for(identity, by) {
            if let Some(lookup) = self.lookups.under_way.get_mut(&identity) {
                lookup.methods.pop_front();
                lookup.missed.push(Missed { by, reason });
            }
            self.ask_next(core, identity);
        }
        self.attempt_not_found(core, identity, by, reason);
    }

    /// Whether the method was being asked, which it is no longer.
    fn seek_ends(&mut self, identity: IdentityId, method: LookupMethod) -> bool {
        self.timers.cancel(Timer::EndSeek(identity, method));
        self.lookups.seeks.remove(&(identity, method))
    }

    /// The peer that was named to whoever looks `identity` up, without addresses: where a card says
    /// that they are is not what is asked.
    fn peer_given(&self, identity: IdentityId) -> Option<Whereabouts> {
        let peer = self.lookups.under_way.get(&identity)?.peer?;
        Some((peer, Vec::new()))
    }

    fn lookup_waits_for(&self, identity: IdentityId, method: LookupMethod) -> bool {
        let lookup = self.lookups.under_way.get(&identity);
        lookup.and_then(|lookup| lookup.methods.front()) == Some(&method)
    }

    /// The method `known`: the addresses that came with the command, or those of the card we hold,
    /// and the configuration's addresses of that peer.
    fn seek_known(&mut self, core: &mut Core, identity: IdentityId) {
        let given = self.given(identity);
        core.with_peer(self, identity, given, move |reach, core, known| {
            let Some((peer, mut addresses)) = known else {
                return reach.on_not_found(core, identity, LookupMethod::Known, Miss::Absent);
            };
            addresses.extend_from_slice(core.known.addresses(&peer));
            if addresses.is_empty() {
                return reach.on_not_found(core, identity, LookupMethod::Known, Miss::NoAddress);
            }
            reach.on_found(core, identity, LookupMethod::Known, (peer, addresses));
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
    use crate::config::Config;
    use crate::services::{Service, fake};

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

    #[test]
    fn one_way_is_asked_after_the_other_until_the_last_has_missed() {
        let (mut core, told) = fake::core(Config::default());
        let mut reach = Reach::default();
        let identity = IdentityId([1; 32]);
        let by = vec![LookupMethod::Mdns, LookupMethod::Kad];
        let (reply, mut replied) = fake::caller();
        reach.look_up(&mut core, identity, None, by.clone(), true, reply);
        for by in by {
            let raised = fake::raised(&mut core);
            let asked =
                |signal: &Signal| matches!(signal, Signal::Seek { by: asked, .. } if *asked == by);
            assert!(raised.len() == 1 && asked(&raised[0]));
            assert_eq!(fake::reply(&mut replied), None);
            let reason = Miss::Absent;
            let missed = Signal::NotFound {
                identity,
                by,
                reason,
            };
            reach.on_signal(&mut core, &missed);
            // A late answer is ignored.
            reach.on_signal(&mut core, &missed);
        }
        let Some(Ok(Reply::NotFound { missed })) = fake::reply(&mut replied) else {
            panic!("not answered");
        };
        assert_eq!(missed.len(), 2);
        assert_eq!(told.take().len(), 2);
        assert_eq!(reach.next_time(), None);
    }
}
