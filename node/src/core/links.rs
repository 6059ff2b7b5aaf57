//! The connections that are up, and which of several to one peer stays.
//!
//! When two nodes dial each other at once, both ends choose the same of their two connections, but
//! not at the same moment: one end may still use what the other has given up. So the surplus one
//! stays for a while, unused, and takes the chosen one's place should that be lost meanwhile.
//!
//! A relayed one that a direct one replaces goes only when the peer has answered over the direct
//! one: before that the peer may not have it yet, and would be left without any. Closes nothing
//! itself.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::ConnectionId;

use crate::api::{Path, Transport};
use crate::entry::Site;
use crate::identity::IdentityId;
use crate::protocol::is_dialer;
use crate::scope::Scope;

/// Two connections that began within this time are taken for both sides
/// having dialled at once.
const AT_ONCE: Duration = Duration::from_secs(5);

/// How long the surplus one of two connections of dials at once stays. The ends choose within a
/// round trip of each other; this is several, even over satellites and after a loss.
pub const SURPLUS_TIME: Duration = Duration::from_secs(5);
/// A direct connection takes the place of a relayed one that has ended no longer ago, if holes
/// were being punched: its end has overtaken the news of their success.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Ended relayed connections that are remembered at once.
const REMEMBERED_MAX: usize = 1024;

/// A connection that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about a connection"
)]
pub struct Link {
    /// At the other end.
    pub peer: PeerId,
    /// Whether we are its dialer: both ends agree on who is.
    pub dialer: bool,
    /// Whether a relay carries it.
    pub relayed: bool,
    /// What carries it.
    pub transport: Transport,
    /// From how far away the peer is.
    pub scope: Scope,
    /// Where the peer is.
    pub site: Site,
    /// When it came up.
    pub since: Instant,
    /// Whom the peer proved to speak for.
    pub identity: Option<IdentityId>,
    /// Whether another one to its peer has been chosen rather than this.
    surplus: bool,
    /// Whether it leads over a local network that both ends are on.
    local: bool,
    /// Whether it is a punched hole: it took the place of a relayed one, and leads farther than a
    /// local network.
    upgraded: bool,
    /// Direct dials of this side while it is relayed.
    punches: u32,
    heard: Heard,
}

/// When the peer was last known to have the connection, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Not yet.
    Never,
    /// It answered then.
    At(Instant),
    /// It does not answer the question, so that nothing can be waited for.
    Mute,
}

impl Link {
    /// A connection that has come up now, on which nothing has been proved.
    pub fn new(peer: PeerId, endpoint: &ConnectedPoint) -> Self {
        Self {
            peer,
            dialer: match endpoint {
                ConnectedPoint::Dialer {
                    address,
                    role_override,
                    ..
                } => is_dialer(address, *role_override),
                ConnectedPoint::Listener { .. } => false,
            },
            relayed: endpoint.is_relayed(),
            transport: Transport::of(match endpoint {
                ConnectedPoint::Dialer { address, .. } => address,
                ConnectedPoint::Listener { local_addr, .. } => local_addr,
            }),
            scope: Scope::of_peer(match endpoint {
                ConnectedPoint::Dialer { address, .. } => address,
                ConnectedPoint::Listener { send_back_addr, .. } => send_back_addr,
            }),
            site: Site::of(endpoint),
            since: Instant::now(),
            identity: None,
            surplus: false,
            local: false,
            upgraded: false,
            punches: 0,
            heard: Heard::Never,
        }
    }

    /// When it came up.
    pub fn with_since(mut self, since: Instant) -> Self {
        self.since = since;
        self
    }

    /// Whether it leads over a local network that both ends are on.
    pub fn with_local(mut self, local: bool) -> Self {
        self.local = local;
        self
    }

    /// Whether it and `other` are of two sides that have dialled each other `within` so much time.
    fn crosses(&self, other: &Self, within: Duration) -> bool {
        let (earlier, later) = if self.since <= other.since {
            (self, other)
        } else {
            (other, self)
        };
        self.peer == other.peer
            && self.relayed == other.relayed
            && self.dialer != other.dialer
            && later.since.duration_since(earlier.since) <= within
    }
}

/// A direct connection has taken the place of a relayed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrade {
    /// Direct dials of this side that it took.
    pub attempts: u32,
    /// What it is now: a punched hole, or a way over a local network.
    pub path: Path,
    /// Since the relayed connection was up.
    pub took: Duration,
}

/// All connections.
#[derive(Debug)]
pub struct Links {
    us: PeerId,
    up: BTreeMap<ConnectionId, Link>,
    /// Relayed connections that ended while holes were being punched: when, and what they were.
    ended: BTreeMap<PeerId, (Instant, Link)>,
}

impl Links {
    /// No connections of the node `us`.
    pub fn new(us: PeerId) -> Self {
        Self {
            us,
            up: BTreeMap::new(),
            ended: BTreeMap::new(),
        }
    }

    /// Adds a connection and names those that must be closed, so that one to
    /// its peer stays, or a relayed one beside a direct one. Both ends choose the same. Tells if
    /// it replaces a relayed one.
    pub fn add(
        &mut self,
        id: ConnectionId,
        mut link: Link,
    ) -> (Vec<ConnectionId>, Option<Upgrade>) {
        let mut close = Vec::new();
        let mut upgrade = self.upgrade_of_ended(&link);
        link.upgraded |= upgrade.is_some() && !link.local;
        for (old_id, old) in &self.up {
            if old.peer != link.peer || old.surplus {
                continue;
            }
            if old.relayed != link.relayed {
                if old.relayed {
                    link.upgraded = !link.local;
                    upgrade = Some(upgraded(old, &link));
                }
                continue;
            }
            if old.is_seen_beside(&link) {
                continue;
            }
            if self.stays(old, &link) {
                close.push(id);
                continue;
            }
            close.push(*old_id);
            link.upgraded |= old.upgraded;
        }
        // One that is direct already was there: the relayed one that ends has been replaced.
        let has_direct = |old: &Link| old.peer == link.peer && !old.relayed;
        if self.up.values().any(has_direct) {
            upgrade = None;
        }
        self.up.insert(id, link);
        close.dedup();
        (close, upgrade)
    }

    /// What `link` replaces, if it is direct and a relayed connection has just ended.
    fn upgrade_of_ended(&mut self, link: &Link) -> Option<Upgrade> {
        if link.relayed {
            return None;
        }
        let (ended_at, old) = self.ended.remove(&link.peer)?;
        let lately = link.since.duration_since(ended_at) <= REMEMBERED;
        lately.then(|| upgraded(&old, link))
    }

    /// Whether a direct connection with `peer` stands beside a relayed one.
    pub fn is_replaced(&self, peer: &PeerId) -> bool {
        let of_kind = |relayed| {
            self.up
                .values()
                .any(|l| l.peer == *peer && l.relayed == relayed)
        };
        of_kind(true) && of_kind(false)
    }

    /// The relayed connections with `peer` that are needed no more: since they have been up, the
    /// peer has answered over a direct one.
    pub fn replaced(&self, peer: &PeerId) -> Vec<ConnectionId> {
        let with_peer = || self.up.iter().filter(|(_, link)| link.peer == *peer);
        let direct_answers = |since: Instant| {
            with_peer().any(|(_, link)| !link.relayed && link.answered_after(since))
        };
        with_peer()
            .filter(|(_, link)| link.relayed && direct_answers(link.since))
            .map(|(id, _)| *id)
            .collect()
    }

    /// The peer has answered over a connection; or it never will, if it is `mute`.
    pub fn hears(&mut self, id: ConnectionId, mute: bool) {
        if let Some(link) = self.up.get_mut(&id) {
            link.heard = if mute {
                Heard::Mute
            } else {
                Heard::At(Instant::now())
            };
        }
    }

    /// Counts a direct dial of a peer with whom only a relay connects; which one it is.
    pub fn punch(&mut self, peer: &PeerId) -> Option<u32> {
        if self.path(peer) != Some(Path::Relayed) {
            return None;
        }
        let link = self.up.values_mut().find(|link| link.peer == *peer)?;
        link.punches += 1;
        Some(link.punches)
    }

    /// Whether this side has dialled a peer directly with whom only a relay connects.
    pub fn punches(&self, peer: &PeerId) -> bool {
        let mut links = self.up.values();
        links.any(|link| link.peer == *peer && link.punches > 0)
    }

    /// What carries the best connection with a peer.
    pub fn transport(&self, peer: &PeerId) -> Option<Transport> {
        let links = self.up.values().filter(|link| link.peer == *peer);
        let best = links.min_by_key(|link| (link.relayed, !link.upgraded, Reverse(link.since)));
        best.map(|link| link.transport)
    }

    /// Whether a direct connection with `peer` is carried by `transport`.
    pub fn has_transport(&self, peer: &PeerId, transport: Transport) -> bool {
        let mut links = self.up.values();
        links.any(|link| link.peer == *peer && link.transport == transport)
    }

    /// How a peer is connected, by its best connection.
    pub fn path(&self, peer: &PeerId) -> Option<Path> {
        let links = self.up.values().filter(|link| link.peer == *peer);
        let path = |link: &Link| match (link.relayed, link.upgraded) {
            (true, _) => Path::Relayed,
            (false, true) => Path::HolePunched,
            (false, false) => Path::Direct,
        };
        links.map(path).min()
    }

    /// Whether `old` is kept rather than `new`, which has just come up; both are relayed, or
    /// neither is.
    fn stays(&self, old: &Link, new: &Link) -> bool {
        // Nobody dials a peer it is connected with. So a second connection
        // by the same dialer, or a late one by the other, means that its
        // dialer has lost the first, though this end may not know it yet.
        if !old.crosses(new, AT_ONCE) {
            return false;
        }
        // Both dialled at once: the smaller peer's connection is kept.
        let we_are_smaller = self.us.to_bytes() < old.peer.to_bytes();
        old.dialer == we_are_smaller
    }

    /// Keeps `id`, which must be closed, as the surplus one of dials at once; or else it has to be
    /// closed now: its peer has lost it, or another kind of connection takes its place.
    pub fn keep_surplus(&mut self, id: ConnectionId) -> bool {
        let Some(link) = self.up.get(&id) else {
            return false;
        };
        let chosen = |other: &Link| !other.surplus && other.crosses(link, AT_ONCE);
        let keeps = self.up.values().any(chosen);
        if keeps && let Some(link) = self.up.get_mut(&id) {
            link.surplus = true;
        }
        keeps
    }

    /// Whether a connection is up that another one has been chosen for.
    pub fn is_surplus(&self, id: ConnectionId) -> bool {
        self.up.get(&id).is_some_and(|link| link.surplus)
    }

    /// From how far away the peer of this connection is.
    pub fn scope_of(&self, id: ConnectionId) -> Option<Scope> {
        self.up.get(&id).map(|link| link.scope)
    }

    /// How far away the farthest of all peers is; everywhere if there is none.
    pub fn farthest(&self) -> Scope {
        let scopes = self.up.values().map(|link| link.scope);
        scopes.max().unwrap_or(Scope::World)
    }

    /// The connections with `peer` on which nobody has proved an identity.
    pub fn unproved(&self, peer: &PeerId) -> Vec<ConnectionId> {
        let links = self.up.iter();
        let unproved = links.filter(|(_, link)| link.peer == *peer && link.identity.is_none());
        unproved.map(|(id, _)| *id).collect()
    }

    /// From how far away `peer` is connected, at the farthest; everywhere if it is not.
    pub fn scope_of_peer(&self, peer: &PeerId) -> Scope {
        let links = self.up.values().filter(|link| link.peer == *peer);
        let scopes = links.map(|link| link.scope);
        scopes.max().unwrap_or(Scope::World)
    }

    /// Whether a relay carries this connection.
    pub fn is_relayed(&self, id: ConnectionId) -> bool {
        self.up.get(&id).is_some_and(|link| link.relayed)
    }

    /// Nothing more is asked for on a connection, which is being closed.
    pub fn retire(&mut self, id: ConnectionId) {
        if let Some(link) = self.up.get_mut(&id) {
            link.identity = None;
        }
    }

    /// Takes a connection out.
    pub fn remove(&mut self, id: ConnectionId) -> Option<Link> {
        let link = self.up.remove(&id)?;
        if link.relayed && link.punches > 0 && !self.has_peer(&link.peer) {
            let now = Instant::now();
            self.ended
                .retain(|_, (at, _)| now.duration_since(*at) <= REMEMBERED);
            if self.ended.len() < REMEMBERED_MAX {
                self.ended.insert(link.peer, (now, link.clone()));
            }
        }
        Some(link)
    }

    /// Whether `link`, which is none of these, and one that stays are of two sides that have
    /// dialled each other `within` so much time.
    pub fn has_crossing(&self, link: &Link, within: Duration) -> bool {
        let mut chosen = self.up.values().filter(|known| !known.surplus);
        chosen.any(|known| known.crosses(link, within))
    }

    /// The surplus connection with `peer` that takes the chosen one's place, now that this is gone.
    pub fn take_surplus(&mut self, peer: &PeerId) -> Option<ConnectionId> {
        let links = self.up.iter().filter(|(_, link)| link.peer == *peer);
        let (id, surplus) = links.clone().find(|(_, link)| link.surplus)?;
        let chosen = |link: &Link| !link.surplus && link.relayed == surplus.relayed;
        if links.clone().any(|(_, link)| chosen(link)) {
            return None;
        }
        let id = *id;
        self.up.get_mut(&id)?.surplus = false;
        Some(id)
    }

    /// The best connection with `peer`: one that stays, a direct one, the newest.
    pub fn best(&self, peer: &PeerId) -> Option<ConnectionId> {
        let links = self.up.iter().rev().filter(|(_, link)| link.peer == *peer);
        let best = links.min_by_key(|(_, link)| (link.surplus, link.relayed));
        best.map(|(id, _)| *id)
    }

    /// Notes whom a connection's peer speaks for.
    pub fn prove(&mut self, id: ConnectionId, identity: IdentityId) {
        if let Some(link) = self.up.get_mut(&id) {
            link.identity = Some(identity);
        }
    }

    /// The newest connection on which `identity` has been proved, of those that stay if there are; a
    /// direct one, if there is any.
    pub fn of_identity(&self, identity: IdentityId) -> Option<(ConnectionId, PeerId)> {
        self.up
            .iter()
            .filter(|(_, link)| link.identity == Some(identity))
            .min_by_key(|(_, link)| (link.surplus, link.relayed, Reverse(link.since)))
            .map(|(id, link)| (*id, link.peer))
    }

    /// All connections on which `identity` has been proved.
    pub fn all_of_identity(&self, identity: IdentityId) -> Vec<(ConnectionId, PeerId)> {
        let proved = |link: &Link| link.identity == Some(identity);
        let links = self.up.iter().filter(|(_, link)| proved(link));
        links.map(|(id, link)| (*id, link.peer)).collect()
    }

    /// Whom `peer` has proved to speak for, on any of its connections.
    pub fn identity_of(&self, peer: &PeerId) -> Option<IdentityId> {
        let mut links = self.up.values().filter(|link| link.peer == *peer);
        links.find_map(|link| link.identity)
    }

    /// Where `peer` is, by one of its connections.
    pub fn site_of(&self, peer: &PeerId) -> Option<&Site> {
        let mut links = self.up.values().filter(|link| link.peer == *peer);
        links.next().map(|link| &link.site)
    }

    /// All who have proved who they are, each with one of their peers, in order.
    pub fn identities(&self) -> Vec<(IdentityId, PeerId)> {
        let proved = |link: &Link| Some((link.identity?, link.peer));
        let each: BTreeMap<_, _> = self.up.values().rev().filter_map(proved).collect();
        each.into_iter().collect()
    }

    /// Peers that have proved to speak for `identity`.
    pub fn peers_of(&self, identity: IdentityId) -> Vec<PeerId> {
        self.up
            .values()
            .filter(|link| link.identity == Some(identity))
            .map(|link| link.peer)
            .collect()
    }

    /// Whether there is a connection with `peer`.
    pub fn has_peer(&self, peer: &PeerId) -> bool {
        self.up.values().any(|link| link.peer == *peer)
    }

    /// Whether there are connections with `peer`, and it has answered over none of them since `time`.
    pub fn is_silent_since(&self, peer: &PeerId, time: Instant) -> bool {
        let with_peer = || self.up.values().filter(|link| link.peer == *peer);
        with_peer().next().is_some() && !with_peer().any(|link| link.answered_after(time))
    }

    /// Whether there is a direct connection with `peer` whose dialer we are, or are not.
    pub fn has_direct(&self, peer: &PeerId, dialer: bool) -> bool {
        self.up
            .values()
            .any(|link| link.peer == *peer && link.dialer == dialer && !link.relayed)
    }

    /// All connections with `peer`.
    pub fn with_peer(&self, peer: &PeerId) -> Vec<ConnectionId> {
        self.up
            .iter()
            .filter(|(_, link)| link.peer == *peer)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Whether there is no connection at all.
    pub fn is_empty(&self) -> bool {
        self.up.is_empty()
    }

    /// All connections.
    pub fn ids(&self) -> Vec<ConnectionId> {
        self.up.keys().copied().collect()
    }
}

impl Link {
    /// Whether `newer` comes from the same dialer, over another transport: it wants to be seen
    /// over both (see the service `keep_alive`), and has lost neither.
    fn is_seen_beside(&self, newer: &Self) -> bool {
        !self.relayed && self.dialer == newer.dialer && self.transport != newer.transport
    }

    /// Whether the peer has answered over it after `time`, or never would.
    fn answered_after(&self, time: Instant) -> bool {
        match self.heard {
            Heard::Never => false,
            Heard::At(heard) => heard >= time,
            Heard::Mute => true,
        }
    }
}

/// How `direct` has taken the place of `relayed`.
fn upgraded(relayed: &Link, direct: &Link) -> Upgrade {
    Upgrade {
        attempts: relayed.punches,
        path: if direct.local {
            Path::Direct
        } else {
            Path::HolePunched
        },
        took: direct.since.duration_since(relayed.since),
    }
}

#[cfg(test)]
mod tests;
