//! The connections that are up, and which of several to one peer stays.
//!
//! When two nodes dial each other at once, both ends choose the same of their two connections, but
//! not at the same moment: one end may still use what the other has given up. So the surplus one
//! stays for a while, unused, and takes the chosen one's place should that be lost meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::ConnectionId;

use crate::api::Path;
use crate::identity::IdentityId;
use crate::protocol::is_dialer;

/// Two connections that began within this time are taken for both sides
/// having dialled at once.
const AT_ONCE: Duration = Duration::from_secs(5);

/// How long the surplus one of two connections of dials at once stays. The ends choose within a
/// round trip of each other; this is several, even over satellites and after a loss.
pub const SURPLUS_TIME: Duration = Duration::from_secs(5);

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
    /// When it came up.
    pub since: Instant,
    /// Whom the peer proved to speak for.
    pub identity: Option<IdentityId>,
    /// Whether another one to its peer has been chosen rather than this.
    surplus: bool,
    /// Whether it took the place of a relayed one.
    upgraded: bool,
    /// Direct dials of this side while it is relayed.
    punches: u32,
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
            since: Instant::now(),
            identity: None,
            surplus: false,
            upgraded: false,
            punches: 0,
        }
    }

    /// When it came up.
    pub fn with_since(mut self, since: Instant) -> Self {
        self.since = since;
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
    /// Since the relayed connection was up.
    pub took: Duration,
}

/// All connections.
#[derive(Debug)]
pub struct Links {
    us: PeerId,
    up: BTreeMap<ConnectionId, Link>,
}

impl Links {
    /// No connections of the node `us`.
    pub fn new(us: PeerId) -> Self {
        Self {
            us,
            up: BTreeMap::new(),
        }
    }

    /// Adds a connection and names those that must be closed, so that one to
    /// its peer stays. Both ends choose the same. Tells if it replaces a relayed one.
    pub fn add(
        &mut self,
        id: ConnectionId,
        mut link: Link,
    ) -> (Vec<ConnectionId>, Option<Upgrade>) {
        let mut close = Vec::new();
        let mut upgrade = None;
        for (old_id, old) in &self.up {
            if old.peer != link.peer || old.surplus {
                continue;
            }
            if self.stays(old, &link) {
                close.push(id);
                continue;
            }
            close.push(*old_id);
            link.upgraded |= old.upgraded;
            if old.relayed && !link.relayed {
                link.upgraded = true;
                upgrade = Some(Upgrade {
                    attempts: old.punches,
                    took: link.since.duration_since(old.since),
                });
            }
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

    /// Counts a direct dial of a peer with whom only a relay connects; which one it is.
    pub fn punch(&mut self, peer: &PeerId) -> Option<u32> {
        if self.path(peer) != Some(Path::Relayed) {
            return None;
        }
        let link = self.up.values_mut().find(|link| link.peer == *peer)?;
        link.punches += 1;
        Some(link.punches)
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

    /// Whether `old` is kept rather than `new`, which has just come up.
    fn stays(&self, old: &Link, new: &Link) -> bool {
        // A relay is the last resort.
        if old.relayed != new.relayed {
            return new.relayed;
        }
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

    /// Takes a connection out.
    pub fn remove(&mut self, id: ConnectionId) -> Option<Link> {
        self.up.remove(&id)
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

    /// The oldest connection on which `identity` has been proved, of those that stay if there are.
    pub fn of_identity(&self, identity: IdentityId) -> Option<(ConnectionId, PeerId)> {
        self.up
            .iter()
            .filter(|(_, link)| link.identity == Some(identity))
            .min_by_key(|(_, link)| link.surplus)
            .map(|(id, link)| (*id, link.peer))
    }

    /// Whom `peer` has proved to speak for, on any of its connections.
    pub fn identity_of(&self, peer: &PeerId) -> Option<IdentityId> {
        let mut links = self.up.values().filter(|link| link.peer == *peer);
        links.find_map(|link| link.identity)
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

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    /// Two peers, the smaller first.
    fn peers() -> (PeerId, PeerId) {
        let peer = |seed| {
            let keys = Keypair::ed25519_from_bytes([seed; 32]).expect("any seed is a key");
            keys.public().to_peer_id()
        };
        let (a, b) = (peer(1), peer(2));
        if a.to_bytes() < b.to_bytes() {
            (a, b)
        } else {
            (b, a)
        }
    }

    /// Who dialled.
    #[derive(Clone, Copy, PartialEq)]
    enum By {
        Us,
        Them,
    }

    /// Which of an old and a new connection one end closes: the new one?
    fn check(us_smaller: bool, [old_by, new_by]: [By; 2], gap_s: u64, closes_new: bool) {
        let (small, large) = peers();
        let (us, peer) = if us_smaller {
            (small, large)
        } else {
            (large, small)
        };
        let start = Instant::now();
        let link = |by, after_s| Link {
            peer,
            dialer: by == By::Us,
            relayed: false,
            since: start + Duration::from_secs(after_s),
            identity: None,
            surplus: false,
            upgraded: false,
            punches: 0,
        };
        let old = ConnectionId::new_unchecked(1);
        let new = ConnectionId::new_unchecked(2);
        let mut links = Links::new(us);
        assert_eq!(links.add(old, link(old_by, 0)), (vec![], None));
        let expected = if closes_new { new } else { old };
        assert_eq!(links.add(new, link(new_by, gap_s)), (vec![expected], None));
    }

    #[test]
    fn of_two_dials_at_once_both_ends_keep_the_smaller_peers() {
        check(true, [By::Us, By::Them], 1, true);
        check(false, [By::Them, By::Us], 1, true);
        check(true, [By::Them, By::Us], 1, false);
        check(false, [By::Us, By::Them], 1, false);
    }

    #[test]
    fn the_surplus_one_of_dials_at_once_stays_and_takes_the_others_place() {
        let (us, peer) = peers();
        let [ours, theirs, again] = [1, 2, 3].map(ConnectionId::new_unchecked);
        let start = Instant::now();
        let link = |dialer, after_ms| Link {
            peer,
            dialer,
            relayed: false,
            since: start + Duration::from_millis(after_ms),
            identity: None,
            surplus: false,
            upgraded: false,
            punches: 0,
        };
        let mut links = Links::new(us);
        links.add(theirs, link(false, 0));
        assert_eq!(links.best(&peer), Some(theirs));
        // We are the smaller.
        assert_eq!(links.add(ours, link(true, 80)).0, [theirs]);
        assert!(links.keep_surplus(theirs));
        assert!(links.is_surplus(theirs) && !links.is_surplus(ours));
        assert_eq!(links.best(&peer), Some(ours));
        assert_eq!(links.take_surplus(&peer), None);
        links.remove(ours);
        assert_eq!(links.take_surplus(&peer), Some(theirs));
        assert_eq!(links.best(&peer), Some(theirs));
        // Its dialer has lost it: nothing to fall back on.
        assert_eq!(links.add(again, link(false, 900)).0, [theirs]);
        assert!(!links.keep_surplus(theirs));
    }

    #[test]
    fn a_direct_connection_replaces_a_relayed_one_whoever_dialled() {
        let (us, peer) = peers();
        let (relayed, direct) = (
            ConnectionId::new_unchecked(1),
            ConnectionId::new_unchecked(2),
        );
        let link = |relayed| Link {
            peer,
            dialer: relayed,
            relayed,
            since: Instant::now(),
            identity: None,
            surplus: false,
            upgraded: false,
            punches: 0,
        };
        let mut links = Links::new(us);
        assert_eq!(links.path(&peer), None);
        assert_eq!(links.add(relayed, link(true)), (vec![], None));
        assert_eq!(links.path(&peer), Some(Path::Relayed));
        assert_eq!([links.punch(&peer), links.punch(&peer)], [Some(1), Some(2)]);
        let (closed, upgrade) = links.add(direct, link(false));
        assert_eq!(closed, [relayed]);
        assert_eq!(upgrade.map(|upgrade| upgrade.attempts), Some(2));
        assert_eq!(links.path(&peer), Some(Path::HolePunched));
        assert_eq!(links.punch(&peer), None);
        let mut links = Links::new(us);
        assert_eq!(links.add(direct, link(false)), (vec![], None));
        assert_eq!(links.add(relayed, link(true)), (vec![relayed], None));
        assert_eq!(links.path(&peer), Some(Path::Direct));
    }

    #[test]
    fn a_relayed_connection_is_replaced_once() {
        let (us, peer) = peers();
        let [relayed, first, second] = [1, 2, 3].map(ConnectionId::new_unchecked);
        let link = |relayed, dialer| Link {
            peer,
            dialer,
            relayed,
            since: Instant::now(),
            identity: None,
            surplus: false,
            upgraded: false,
            punches: 0,
        };
        let mut links = Links::new(us);
        links.add(relayed, link(true, true));
        assert!(links.add(first, link(false, false)).1.is_some());
        // The relayed one has not ended yet when the other side's dial comes through, too.
        let (closed, upgrade) = links.add(second, link(false, true));
        assert_eq!((closed, upgrade), (vec![relayed, first], None));
        for gone in [relayed, first] {
            links.remove(gone);
        }
        assert_eq!(links.path(&peer), Some(Path::HolePunched));
    }

    #[test]
    fn a_dialer_that_comes_again_has_lost_its_connection() {
        check(true, [By::Us, By::Them], 60, false);
        check(false, [By::Them, By::Us], 60, false);
        check(true, [By::Them, By::Them], 1, false);
        check(false, [By::Us, By::Us], 1, false);
    }
}
