//! Reaching somebody: dialling what one rung of the ladder after the other finds.
//!
//! Owns who is being reached, at which rung that stands, and how it ends. What
//! the rungs find is the ladder's; connections are the swarm's.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId};

use crate::api::{Event, Miss, Missed, Path, Reply, Rung, Transport, Unreached};
use crate::identity::IdentityId;

use super::CommandError;
use super::agenda::Errand;
use super::commands::answer;
use super::driver::Driver;
use super::links::{Link, SURPLUS_TIME, Upgrade};
use super::waiters::{ReplySender, now_or_then};

/// Most addresses that one can give with the command.
const ADDRESSES_MAX: usize = 16;

/// A relayed connection stays at least so long beside the direct one that has replaced it: what is
/// under way on it arrives.
const LINGER: Duration = Duration::from_secs(1);

/// A peer, and the addresses at which it may be.
type Given = (PeerId, Vec<Multiaddr>);

/// People who are being reached.
#[derive(Default)]
pub(super) struct Climbs(BTreeMap<IdentityId, Climb>);

/// One of them.
struct Climb {
    began: Instant,
    stage: Stage,
    /// The rung that is being asked or whose addresses are dialled, and those after it.
    rungs: VecDeque<Rung>,
    /// Where they may be, as given with the command.
    given: Option<Given>,
    /// The rungs that have not found them.
    missed: Vec<Missed>,
    last_error: Option<String>,
    /// Who waits for its end.
    reply: Option<ReplySender>,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Waiting for what a rung finds.
    Seeking,
    /// Waiting for a connection with this peer.
    Dialling(PeerId),
}

impl Driver {
    /// Begins to reach `identity`, perhaps at a peer with these addresses. Answers at `reply` when
    /// that has begun, or when it has ended.
    pub(super) fn reach(
        &mut self,
        identity: &str,
        peer: Option<&str>,
        addresses: &[String],
        wait: bool,
        reply: ReplySender,
    ) {
        let (identity, given) = match whereabouts(identity, peer, addresses) {
            Ok(wanted) => wanted,
            Err(error) => return answer(reply, Err(error)),
        };
        let connected = self
            .links
            .of_identity(identity)
            .map(|(_, peer)| peer)
            .or(given.as_ref().map(|(peer, _)| *peer))
            .filter(|peer| self.links.has_peer(peer));
        if connected.is_none()
            && let Err(error) = self.may_climb(identity)
        {
            return answer(reply, Err(error));
        }
        let (now, then) = now_or_then(reply, wait);
        if let Some(peer) = connected {
            self.reached(identity, peer, None, Duration::ZERO, then);
        } else {
            let rungs = self.context.config.reach.ladder.clone();
            self.climb(identity, given, rungs.into(), then);
        }
        if let Some(reply) = now {
            answer(reply, Ok(Reply::Done));
        }
    }

    /// Looks for a friend who could not be dialled where their card says; false if that is not
    /// wanted, or cannot be done now.
    pub(super) fn seek_friend(&mut self, identity: IdentityId) -> bool {
        if !self.context.config.reach.seek_friends || self.may_climb(identity).is_err() {
            return false;
        }
        let others = self.context.config.reach.ladder.iter().copied();
        let others = others.filter(|rung| *rung != Rung::Known).collect();
        self.climb(identity, None, others, None);
        true
    }

    fn may_climb(&self, identity: IdentityId) -> Result<(), CommandError> {
        if self.climbs.0.contains_key(&identity) {
            let error = format!("{identity} is being reached");
            return Err(CommandError::invalid(&error));
        }
        if self.climbs.0.len() >= self.context.config.reach.max_lookups as usize {
            self.context.limit_reached("reaching");
            return Err(CommandError::Busy);
        }
        Ok(())
    }

    fn climb(
        &mut self,
        identity: IdentityId,
        given: Option<Given>,
        rungs: VecDeque<Rung>,
        reply: Option<ReplySender>,
    ) {
        let began = Instant::now();
        let patience = self.context.config.reach.timeout.get();
        self.agenda
            .set(Errand::EndReach(identity), began + patience);
        let climb = Climb {
            began,
            stage: Stage::Seeking,
            rungs,
            given,
            missed: Vec::new(),
            last_error: None,
            reply,
        };
        self.climbs.0.insert(identity, climb);
        self.climb_on(identity);
    }

    /// Asks the rung at which `identity` is being reached, or gives up after the last.
    fn climb_on(&mut self, identity: IdentityId) {
        let Some(climb) = self.climbs.0.get_mut(&identity) else {
            return;
        };
        climb.stage = Stage::Seeking;
        match climb.rungs.front() {
            Some(rung) => {
                let rung = *rung;
                self.seek(identity, rung);
            }
            None if climb.last_error.is_some() => {
                self.not_reached(identity, Unreached::NotConnected);
            }
            None => self.not_reached(identity, Unreached::NotFound),
        }
    }

    /// Where `identity` may be, as whoever wants to reach it has said.
    pub(super) fn given(&self, identity: IdentityId) -> Option<Given> {
        self.climbs.0.get(&identity)?.given.clone()
    }

    /// Dials what `rung` has found, if `identity` is being reached by it, and where the peer has
    /// announced itself on the local network: no way there is shorter.
    pub(super) fn climb_found(
        &mut self,
        identity: IdentityId,
        rung: Rung,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) {
        let Some(climb) = self.climbs.0.get_mut(&identity) else {
            return;
        };
        if !climb.waits_for(rung) {
            return;
        }
        climb.stage = Stage::Dialling(peer);
        if self.links.has_peer(&peer) {
            self.climbs_arrive(peer);
            return;
        }
        let mut everywhere = self.neighbours.of(&peer);
        everywhere.extend(addresses);
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(self.ways(everywhere))
            .build();
        match self.swarm.dial(options) {
            // Whoever else dials this peer lets us know, too.
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => self.outgoing_failed(Some(peer), &error),
        }
    }

    /// Goes on to the next rung, if `identity` is being reached by this one.
    pub(super) fn climb_not_found(&mut self, identity: IdentityId, rung: Rung, reason: Miss) {
        if let Some(climb) = self.climbs.0.get_mut(&identity)
            && climb.waits_for(rung)
        {
            climb.rungs.pop_front();
            climb.missed.push(Missed { by: rung, reason });
            self.climb_on(identity);
        }
    }

    /// A dial of `peer` failed: those who are reached there go on to their next rung.
    pub(super) fn climbs_fail(&mut self, peer: PeerId, error: &str) {
        for identity in self.climbs.at(peer) {
            if let Some(climb) = self.climbs.0.get_mut(&identity) {
                climb.last_error = Some(error.to_owned());
                climb.rungs.pop_front();
            }
            self.climb_on(identity);
        }
    }

    /// There is a connection with `peer`: whoever is being reached there has been.
    pub(super) fn climbs_arrive(&mut self, peer: PeerId) {
        for (identity, climb) in self.climbs.take(peer) {
            self.agenda.cancel(Errand::EndReach(identity));
            let by = match climb.stage {
                Stage::Dialling(_) => climb.rungs.front().copied(),
                Stage::Seeking => None,
            };
            self.reached(identity, peer, by, climb.began.elapsed(), climb.reply);
        }
    }

    /// The time in which `identity` was to be reached is over.
    pub(super) fn reach_times_out(&mut self, identity: IdentityId) {
        self.not_reached(identity, Unreached::TimedOut);
    }

    /// Tells that `identity` is connected, also whoever waits for that.
    fn reached(
        &self,
        identity: IdentityId,
        peer: PeerId,
        by: Option<Rung>,
        took: Duration,
        reply: Option<ReplySender>,
    ) {
        let path = self.links.path(&peer).unwrap_or(Path::Direct);
        let transport = self.links.transport(&peer).unwrap_or(Transport::Other);
        let (peer, took_us) = (peer.to_string(), micros(took));
        self.emit(&Event::Reached {
            identity: identity.to_string(),
            peer: peer.clone(),
            path,
            transport,
            by,
            took_us,
        });
        if let Some(reply) = reply {
            let reached = Reply::Reached {
                peer,
                path,
                transport,
                by,
                took_us,
            };
            answer(reply, Ok(reached));
        }
    }

    fn not_reached(&mut self, identity: IdentityId, reason: Unreached) {
        self.agenda.cancel(Errand::EndReach(identity));
        let Some(climb) = self.climbs.0.remove(&identity) else {
            return;
        };
        self.emit(&Event::ReachFailed {
            identity: identity.to_string(),
            reason,
            last_error: climb.last_error.clone(),
        });
        if let Some(reply) = climb.reply {
            let not_reached = Reply::NotReached {
                reason,
                missed: climb.missed,
                last_error: climb.last_error.clone(),
            };
            answer(reply, Ok(not_reached));
        }
        let why = climb
            .last_error
            .unwrap_or_else(|| "no way to them is known".to_owned());
        self.friend_is_away(identity, &why);
    }

    /// Takes a connection that has come up into `links`; tells of it if it takes the place of a
    /// relayed one, and closes those that are too many: relayed ones later, when the peer is known
    /// to have the direct one, too.
    pub(super) fn link(&mut self, connection: ConnectionId, link: Link) {
        let (peer, transport) = (link.peer, link.transport);
        let (surplus, upgrade) = self.links.add(connection, link);
        if let Some(Upgrade {
            attempts,
            path,
            took,
        }) = upgrade
        {
            self.emit(&Event::Upgraded {
                peer: peer.to_string(),
                path,
                transport,
                attempts,
                took_us: micros(took),
            });
        }
        for surplus in surplus {
            if self.links.keep_surplus(surplus) {
                self.context.outlet.add("crossing-dials", 1);
                let time = Instant::now() + SURPLUS_TIME;
                self.agenda.set(Errand::CloseSurplus(surplus), time);
                continue;
            }
            tracing::debug!(%peer, ?surplus, "closing one of two connections");
            self.swarm.close_connection(surplus);
        }
        if self.links.is_replaced(&peer) {
            let time = Instant::now() + LINGER;
            self.agenda.set(Errand::CloseRelayed(peer), time);
        }
        self.speak_to(peer);
    }

    /// Closes the relayed connections with `peer` if it has answered over a direct one; asks again
    /// until it has, or until that one has ended, as a connection does whose pings are not answered.
    pub(super) fn close_relayed(&mut self, peer: PeerId) {
        for relayed in self.links.replaced(&peer) {
            tracing::debug!(%peer, ?relayed, "closing what a direct connection has replaced");
            self.swarm.close_connection(relayed);
        }
        if self.links.is_replaced(&peer) {
            let time = Instant::now() + LINGER;
            self.agenda.set(Errand::CloseRelayed(peer), time);
        }
    }

    /// The other end, too, has had time to leave a connection for the chosen one.
    pub(super) fn close_surplus(&mut self, connection: ConnectionId) {
        if self.links.is_surplus(connection) {
            tracing::debug!(?connection, "closing one of two connections");
            self.swarm.close_connection(connection);
        }
    }

    /// A connection with `peer` is gone: of two, the other one is used from now on.
    pub(super) fn fall_back(&mut self, peer: PeerId, gone: ConnectionId) {
        self.agenda.cancel(Errand::CloseSurplus(gone));
        if let Some(connection) = self.links.take_surplus(&peer) {
            self.agenda.cancel(Errand::CloseSurplus(connection));
        }
        self.speak_to(peer);
    }

    /// A behaviour dials `peer`. If a relay connects us, that is a hole punch: nothing else dials
    /// those who are connected.
    pub(super) fn behaviour_dials(&mut self, peer: PeerId) {
        if let Some(attempt) = self.links.punch(&peer) {
            self.emit(&Event::HolePunching {
                peer: peer.to_string(),
                attempt,
            });
        }
    }

    /// What DCUtR tells: its successes show as connections.
    pub(super) fn hole_punch_event(&self, event: libp2p::dcutr::Event) {
        let peer = event.remote_peer_id;
        let is_direct = self
            .links
            .path(&peer)
            .is_some_and(|path| path != Path::Relayed);
        // The peer's dial may have come through, so that ours has nothing left to do.
        if let Err(error) = event.result
            && !is_direct
        {
            self.emit(&Event::HolePunchFailed {
                peer: peer.to_string(),
                reason: error.to_string(),
            });
        }
    }
}

impl Climb {
    fn waits_for(&self, rung: Rung) -> bool {
        self.stage == Stage::Seeking && self.rungs.front() == Some(&rung)
    }

    /// Whether a connection with `peer` is what it wants.
    fn is_to(&self, peer: PeerId) -> bool {
        let given = self.given.as_ref().map(|(given, _)| *given);
        self.stage == Stage::Dialling(peer) || given == Some(peer)
    }
}

impl Climbs {
    /// Those that dial `peer`.
    fn at(&self, peer: PeerId) -> Vec<IdentityId> {
        let dialling = self.0.iter();
        dialling
            .filter(|(_, climb)| climb.stage == Stage::Dialling(peer))
            .map(|(identity, _)| *identity)
            .collect()
    }

    /// Takes out those that want a connection with `peer`.
    fn take(&mut self, peer: PeerId) -> Vec<(IdentityId, Climb)> {
        self.0
            .extract_if(.., |_, climb| climb.is_to(peer))
            .collect()
    }

    /// Whether `identity` is being reached.
    pub(super) fn contains(&self, identity: IdentityId) -> bool {
        self.0.contains_key(&identity)
    }
}

/// Whom to reach, and where they may be.
fn whereabouts(
    identity: &str,
    peer: Option<&str>,
    addresses: &[String],
) -> Result<(IdentityId, Option<Given>), CommandError> {
    let identity: IdentityId = parsed(identity)?;
    let peer = peer.map(parsed::<PeerId>).transpose()?;
    if addresses.len() > ADDRESSES_MAX {
        let error = format!("at most {ADDRESSES_MAX} addresses can be given");
        return Err(CommandError::invalid(&error));
    }
    let addresses = addresses.iter().map(|text| parsed(text));
    let addresses = addresses.collect::<Result<Vec<Multiaddr>, _>>()?;
    if peer.is_none() && !addresses.is_empty() {
        return Err(CommandError::invalid(&"addresses need the peer's name"));
    }
    Ok((identity, peer.map(|peer| (peer, addresses))))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, CommandError> {
    let parsed = text.trim().parse();
    parsed.map_err(|error| CommandError::invalid(&error))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
