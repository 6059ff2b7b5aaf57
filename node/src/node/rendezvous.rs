//! Being found, and finding others, at rendezvous points.
//!
//! Owns which of the known nodes are such points, when we are registered there, and what
//! is asked of them: one thing at a time each, in pages. A point that breaks the rules is
//! not asked again. As a server, owns how often somebody may ask.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use libp2p::rendezvous::{self, Cookie, Registration, client, server};
use libp2p::{PeerId, StreamProtocol, identify};

use crate::api::{Event, Miss, Rung};
use crate::discovery::rendezvous::{namespace, renew_after};
use crate::identity::IdentityId;

use super::agenda::Errand;
use super::driver::Driver;

/// Registrations that are asked for at once.
const PAGE: usize = 16;
/// Pages after which nobody is looked for any more: others may have registered under a
/// name, to hide the one to whom it belongs.
const PAGES_MAX: u32 = 8;
/// Most addresses of one registration.
const ADDRESSES_MAX: usize = 64;
/// The pause before a refused registration is tried again.
const RETRY: Duration = Duration::from_mins(1);
/// The time over which the requests of a peer are counted.
const PERIOD: Duration = Duration::from_mins(1);
/// Peers whose requests are counted; beyond it, those who were silent longest are forgotten.
const COUNTED_MAX: usize = 1_024;

/// A known node that speaks the protocol.
#[derive(Debug, Default)]
struct Point {
    /// Whether it has our addresses.
    registered: bool,
    /// It has lied, and is not asked again.
    distrusted: bool,
    /// Who is being asked for, and which page of the answer.
    asking: Option<(IdentityId, u32)>,
    /// Who is asked for next.
    queue: VecDeque<IdentityId>,
}

/// Somebody who is looked for.
#[derive(Debug)]
struct Sought {
    peer: PeerId,
    /// Points that have not answered.
    waiting: BTreeSet<PeerId>,
    /// Others were found under the name.
    others: bool,
}

/// All that has to do with rendezvous points.
#[derive(Debug, Default)]
pub(super) struct Points {
    all: BTreeMap<PeerId, Point>,
    sought: BTreeMap<IdentityId, Sought>,
    /// Requests of each peer since some moment, at our own server.
    counts: BTreeMap<PeerId, (Instant, u32)>,
}

impl Points {
    /// Counts a request of `peer`; whether it is within the `limit`.
    fn count(&mut self, peer: PeerId, limit: u32, now: Instant) -> bool {
        if self.counts.len() >= COUNTED_MAX && !self.counts.contains_key(&peer) {
            let first = self.counts.iter().min_by_key(|(_, (since, _))| *since);
            if let Some(first) = first.map(|(peer, _)| *peer) {
                self.counts.remove(&first);
            }
        }
        let (since, count) = self.counts.entry(peer).or_insert((now, 0));
        if now.duration_since(*since) >= PERIOD {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= limit
    }
}

/// What a page of an answer brings for the search of `peer`.
#[derive(Debug, PartialEq, Eq)]
enum Page {
    /// There they are: the place of their registration.
    Found(usize),
    /// Others, and perhaps more of them.
    Others,
    /// Nobody.
    End,
    /// It is longer than asked for, or holds for longer than anybody may ask.
    Broken,
}

fn read(page: &[Registration], peer: PeerId) -> Page {
    let broken = |one: &Registration| {
        one.ttl > rendezvous::MAX_TTL || one.record.addresses().len() > ADDRESSES_MAX
    };
    if page.len() > PAGE || page.iter().any(broken) {
        return Page::Broken;
    }
    // libp2p has checked that a record is signed by its peer.
    let place = page.iter().position(|one| one.record.peer_id() == peer);
    match place {
        Some(place) => Page::Found(place),
        None if page.is_empty() => Page::End,
        None => Page::Others,
    }
}

impl Driver {
    /// Takes note of what a peer speaks.
    pub(super) fn may_be_point(&mut self, peer: PeerId, info: &identify::Info) {
        if self.context.config.rendezvous.client
            && self.known.contains_key(&peer)
            && info.protocols.contains(&POINT)
        {
            self.points.all.entry(peer).or_default();
            self.register_at(peer);
        }
    }

    /// We have learnt where we can be reached.
    pub(super) fn register_everywhere(&mut self) {
        let points: Vec<_> = self.points.all.keys().copied().collect();
        for point in points {
            self.register_at(point);
        }
    }

    fn register_at(&mut self, point: PeerId) {
        let registered = self.points.all.get(&point).map(|point| point.registered);
        if registered == Some(false) {
            self.renew_at(point);
        }
    }

    /// Registers at a point, or renews that.
    pub(super) fn renew_at(&mut self, point: PeerId) {
        self.agenda.cancel(Errand::Register(point));
        let name = namespace(self.context.keys.identity());
        let ttl_s = self.context.config.rendezvous.ttl.get().as_secs();
        let connected = self.links.has_peer(&point);
        let Some(client) = self.swarm.behaviour_mut().rendezvous.as_mut() else {
            return;
        };
        // Who is not connected is registered with after the next identification.
        if !connected {
            if let Some(point) = self.points.all.get_mut(&point) {
                point.registered = false;
            }
            return;
        }
        match client.register(name, point, Some(ttl_s)) {
            // Without an address it is tried again when there is one.
            Ok(()) | Err(client::RegisterError::NoExternalAddresses) => {}
            Err(error) => tracing::warn!(%error, "cannot sign our addresses"),
        }
    }

    /// The rung `rendezvous`: all points that we are connected with.
    pub(super) fn seek_at_rendezvous(&mut self, identity: IdentityId) {
        if !self.context.config.rendezvous.client {
            return self.not_found(identity, Rung::Rendezvous, Miss::Off);
        }
        self.with_peer(identity, move |driver, known| match known {
            Some((peer, _)) => driver.ask_points(identity, peer),
            // Under a name anybody can register: without a peer nobody can tell who it is.
            None => driver.not_found(identity, Rung::Rendezvous, Miss::Absent),
        });
    }

    fn ask_points(&mut self, identity: IdentityId, peer: PeerId) {
        if self.points.sought.contains_key(&identity) {
            return;
        }
        let links = &self.links;
        let usable =
            |(point, state): &(&PeerId, &Point)| !state.distrusted && links.has_peer(point);
        let points = self.points.all.iter().filter(usable);
        let waiting: BTreeSet<_> = points.map(|(point, _)| *point).collect();
        if waiting.is_empty() {
            return self.not_found(identity, Rung::Rendezvous, Miss::NobodyToAsk);
        }
        for point in &waiting {
            if let Some(point) = self.points.all.get_mut(point) {
                point.queue.push_back(identity);
            }
        }
        let sought = Sought {
            peer,
            waiting: waiting.clone(),
            others: false,
        };
        self.points.sought.insert(identity, sought);
        for point in waiting {
            self.ask_next_at(point);
        }
    }

    /// Asks a point for the next in its queue, unless it is being asked.
    fn ask_next_at(&mut self, point: PeerId) {
        let Some(state) = self.points.all.get_mut(&point) else {
            return;
        };
        if state.asking.is_some() {
            return;
        }
        if let Some(identity) = state.queue.pop_front() {
            state.asking = Some((identity, 1));
            self.discover(point, identity, None);
        }
    }

    fn discover(&mut self, point: PeerId, identity: IdentityId, after: Option<Cookie>) {
        self.context.outlet.add("rendezvous-questions", 1);
        if let Some(client) = self.swarm.behaviour_mut().rendezvous.as_mut() {
            client.discover(Some(namespace(identity)), after, Some(PAGE as u64), point);
        }
    }

    /// Acts on what rendezvous points answer.
    pub(super) fn rendezvous_event(&mut self, event: client::Event) {
        match event {
            client::Event::Discovered {
                rendezvous_node: point,
                registrations,
                cookie,
            } => self.discovered(point, &registrations, cookie),
            client::Event::DiscoverFailed {
                rendezvous_node: point,
                ..
            } => self.point_knows_nothing(point),
            client::Event::Registered {
                rendezvous_node: point,
                ttl,
                ..
            } => {
                let state = self.points.all.get_mut(&point);
                if let Some(state) = state {
                    state.registered = true;
                    self.emit(&Event::Registered {
                        point: point.to_string(),
                        ttl_s: ttl,
                    });
                    let after = renew_after(ttl, &self.context.config.rendezvous);
                    self.agenda
                        .set(Errand::Register(point), Instant::now() + after);
                }
            }
            client::Event::RegisterFailed {
                rendezvous_node: point,
                error,
                ..
            } => {
                tracing::info!(%point, ?error, "a rendezvous point does not register us");
                self.context.outlet.add("rendezvous-register-failed", 1);
                if self.points.all.contains_key(&point) {
                    self.agenda
                        .set(Errand::Register(point), Instant::now() + RETRY);
                }
            }
            client::Event::Expired { .. } => {}
        }
    }

    fn discovered(&mut self, point: PeerId, page: &[Registration], cookie: Cookie) {
        let Some(state) = self.points.all.get_mut(&point) else {
            return;
        };
        let Some((identity, number)) = state.asking else {
            return;
        };
        let Some(sought) = self.points.sought.get_mut(&identity) else {
            return self.point_knows_nothing(point);
        };
        match read(page, sought.peer) {
            Page::Found(place) => {
                let record = &page[place].record;
                let (peer, addresses) = (record.peer_id(), record.addresses().to_vec());
                self.points.sought.remove(&identity);
                self.found(identity, Rung::Rendezvous, peer, addresses);
                self.point_knows_nothing(point);
            }
            Page::Others => {
                sought.others = true;
                if number < PAGES_MAX {
                    state.asking = Some((identity, number + 1));
                    self.discover(point, identity, Some(cookie));
                } else {
                    self.context.limit_reached("rendezvous-pages");
                    self.point_knows_nothing(point);
                }
            }
            Page::End => self.point_knows_nothing(point),
            Page::Broken => {
                state.distrusted = true;
                sought.others = true;
                self.context.limit_reached("rendezvous-page");
                self.point_knows_nothing(point);
            }
        }
    }

    /// A point has no more to tell of the one it was asked for.
    fn point_knows_nothing(&mut self, point: PeerId) {
        let state = self.points.all.get_mut(&point);
        let asking = state.and_then(|state| state.asking.take());
        if let Some((identity, _)) = asking
            && let Some(sought) = self.points.sought.get_mut(&identity)
        {
            sought.waiting.remove(&point);
            if sought.waiting.is_empty() {
                let reason = if sought.others {
                    Miss::Wrong
                } else {
                    Miss::Absent
                };
                self.points.sought.remove(&identity);
                self.not_found(identity, Rung::Rendezvous, reason);
            }
        }
        self.ask_next_at(point);
    }

    /// Acts on what our own server was asked: who asks too often is disconnected.
    pub(super) fn rendezvous_served(&mut self, event: &server::Event) {
        let (peer, counter) = match event {
            server::Event::DiscoverServed { enquirer, .. } => (enquirer, "rendezvous-served"),
            server::Event::DiscoverNotServed { enquirer, .. } => (enquirer, "rendezvous-refused"),
            server::Event::PeerRegistered { peer, .. } => (peer, "rendezvous-accepted"),
            server::Event::PeerNotRegistered { peer, .. } => (peer, "rendezvous-refused"),
            server::Event::PeerUnregistered { peer, .. } => (peer, "rendezvous-unregistered"),
            server::Event::RegistrationExpired(_) => return,
        };
        self.context.outlet.add(counter, 1);
        let limit = self.context.config.rendezvous.max_per_minute;
        if !self.points.count(*peer, limit, Instant::now()) {
            self.context.limit_reached("rendezvous-requests");
            // It may have closed the connection already.
            let _ = self.swarm.disconnect_peer_id(*peer);
        }
    }
}

/// What points speak.
const POINT: StreamProtocol = StreamProtocol::new("/rendezvous/1.0.0");

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::core::PeerRecord;
    use libp2p::identity::Keypair;

    fn registration(keys: &Keypair, addresses: usize, ttl: u64) -> Registration {
        let address = |port: usize| format!("/ip4/192.0.2.1/tcp/{port}").parse().expect("one");
        let addresses = (1..=addresses).map(address).collect();
        Registration {
            namespace: namespace(IdentityId([1; 32])),
            record: PeerRecord::new(keys, addresses).expect("signs"),
            ttl,
        }
    }

    #[test]
    fn a_page_tells_of_the_peer_or_of_others_and_keeps_the_rules() {
        let (ours, other) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
        let peer = ours.public().to_peer_id();
        let check = |page: &[Registration], expected| assert_eq!(read(page, peer), expected);
        let found = registration(&ours, 1, 60);
        let foreign = registration(&other, 1, 60);
        check(&[], Page::End);
        check(&[foreign.clone(), found], Page::Found(1));
        check(std::slice::from_ref(&foreign), Page::Others);
        check(&vec![foreign; PAGE + 1], Page::Broken);
        check(&[registration(&ours, ADDRESSES_MAX + 1, 60)], Page::Broken);
        check(&[registration(&ours, 1, u64::MAX)], Page::Broken);
    }

    #[test]
    fn requests_are_counted_for_so_many_peers() {
        let start = Instant::now();
        let mut points = Points::default();
        let peer = PeerId::random();
        assert!(points.count(peer, 2, start));
        assert!(points.count(peer, 2, start));
        assert!(!points.count(peer, 2, start));
        assert!(points.count(peer, 2, start + PERIOD));
        for _ in 0..2 * COUNTED_MAX {
            points.count(PeerId::random(), 2, start);
        }
        assert_eq!(points.counts.len(), COUNTED_MAX);
    }
}
