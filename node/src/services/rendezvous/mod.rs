//! Asking rendezvous points where somebody is, and being one.
//!
//! Owns which of the known nodes are such points, and what is asked of them: one look-up at a
//! time each, in pages. A point that breaks the rules is not asked again, for anything. As a
//! server, owns how often somebody may ask. Being registered is a matter of `registrations`.

mod registrations;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use libp2p::rendezvous::{self, server};
use libp2p::request_response::{
    Event as RequestEvent, Message, OutboundFailure, OutboundRequestId,
};
use libp2p::{PeerId, identify};

use crate::api::{LookupMethod, Miss};
use crate::causes::inside;
use crate::config::Config;
use crate::core::Core;
use crate::core::signal::{Signal, Whereabouts};
use crate::core::timers::Timers;
use crate::discovery::rendezvous::{
    ClientEvent, PROTOCOL, Registration, Request, Response, ResponseError, namespace,
};
use crate::identity::IdentityId;
use crate::protocol::Reason;
use crate::protocol::frame::FrameError;
use crate::scope::Scope;
use crate::window_counts::{WhenFull, WindowCounts};

use super::Service;
use registrations::Registered;

/// Registrations that are asked for at once.
const PAGE: usize = 16;
/// Pages after which nobody is looked for any more: others may have registered under a
/// name, to hide the one to whom it belongs.
const PAGES_MAX: u32 = 8;
/// Most addresses of one registration.
const ADDRESSES_MAX: usize = 64;
/// The time over which the requests of a peer are counted.
const PERIOD: Duration = Duration::from_mins(1);
/// Peers whose requests are counted; beyond it, those who were silent longest are forgotten.
const COUNTED_MAX: usize = 1_024;

/// A known node that speaks the protocol.
#[derive(Debug, Default)]
struct Point {
    /// Whether it has our addresses.
    registered: Registered,
    /// How far the nearest reaches of the addresses that it has.
    nearest: Option<Scope>,
    /// It has lied, and is not asked again.
    distrusted: bool,
    /// What it is being asked.
    asking: Option<Question>,
    /// Who is asked for next.
    queue: VecDeque<IdentityId>,
}

/// A question to a point.
#[derive(Debug)]
struct Question {
    request: OutboundRequestId,
    whom: IdentityId,
    /// Which page of the answer, from 1.
    page: u32,
}

/// Somebody who is looked for.
#[derive(Debug)]
struct Sought {
    peer: PeerId,
    /// Points that have not answered.
    waiting: BTreeSet<PeerId>,
    /// Why they are not found, should nothing more come.
    miss: Miss,
}

/// All that has to do with rendezvous points.
#[derive(Debug)]
pub struct Points {
    all: BTreeMap<PeerId, Point>,
    sought: BTreeMap<IdentityId, Sought>,
    /// Requests of each peer at our own server.
    counts: WindowCounts<PeerId>,
    /// When our registration at a point is renewed.
    timers: Timers<PeerId>,
}

impl Service for Points {
    fn new(_: &Config) -> Self {
        Self {
            all: BTreeMap::new(),
            sought: BTreeMap::new(),
            counts: WindowCounts::new(PERIOD, COUNTED_MAX, WhenFull::ForgetFirst),
            timers: Timers::default(),
        }
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::Identified { peer, info, .. } => self.on_identified(core, *peer, info),
            Signal::PeerGone(peer) => self.on_point_gone(*peer),
            Signal::ReachChanged => self.register_everywhere(core),
            Signal::Connected { .. } => self.register_where_too_much_is_told(core),
            Signal::Seek {
                identity,
                by: LookupMethod::Rendezvous,
                given,
            } => self.seek(core, *identity, given.clone()),
            Signal::SeekEnded {
                identity,
                by: LookupMethod::Rendezvous,
            } => self.on_seek_ended(*identity),
            _ => {}
        }
    }

    fn next_time(&self) -> Option<Instant> {
        self.timers.next_time()
    }

    fn on_timer(&mut self, core: &mut Core, now: Instant) {
        if let Some(point) = self.timers.take_due(now) {
            self.renew_at(core, point);
        }
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
        one.ttl_s > rendezvous::MAX_TTL || one.record.addresses().len() > ADDRESSES_MAX
    };
    if page.len() > PAGE || page.iter().any(broken) {
        return Page::Broken;
    }
    // A record that its peer has not signed would not have been read.
    let place = page.iter().position(|one| one.record.peer_id() == peer);
    match place {
        Some(place) => Page::Found(place),
        None if page.is_empty() => Page::End,
        None => Page::Others,
    }
}

impl Points {
    /// Takes note of what a peer speaks.
    fn on_identified(&mut self, core: &mut Core, peer: PeerId, info: &identify::Info) {
        if core.context.config.rendezvous.client
            && core.known.contains(&peer)
            && info.protocols.contains(&PROTOCOL)
        {
            let point = self.all.entry(peer).or_default();
            if matches!(point.registered, Registered::No) {
                self.register_at(core, peer);
            }
        }
    }

    /// The method `rendezvous`: all points that we are connected with.
    fn seek(&mut self, core: &mut Core, identity: IdentityId, given: Option<Whereabouts>) {
        if !core.context.config.rendezvous.client {
            return core.raise(missed(identity, Miss::Off));
        }
        core.with_peer(
            self,
            identity,
            given,
            move |points, core, known| match known {
                Some((peer, _)) => points.ask_points(core, identity, peer),
                // Under a name anybody can register: without a peer it cannot be told who it is.
                None => core.raise(missed(identity, Miss::Absent)),
            },
        );
    }

    fn ask_points(&mut self, core: &mut Core, identity: IdentityId, peer: PeerId) {
        if self.sought.contains_key(&identity) {
            return;
        }
        let links = &core.links;
        let usable =
            |(point, state): &(&PeerId, &Point)| !state.distrusted && links.has_peer(point);
        let points = self.all.iter().filter(usable);
        let waiting: BTreeSet<_> = points.map(|(point, _)| *point).collect();
        if waiting.is_empty() {
            return core.raise(missed(identity, Miss::NobodyToAsk));
        }
        for point in &waiting {
            if let Some(point) = self.all.get_mut(point) {
                point.queue.push_back(identity);
            }
        }
        let sought = Sought {
            peer,
            waiting: waiting.clone(),
            miss: Miss::Absent,
        };
        self.sought.insert(identity, sought);
        for point in waiting {
            self.ask_next_at(core, point);
        }
    }

    /// Nobody waits any longer for where `identity` is: whoever has not been asked is not.
    fn on_seek_ended(&mut self, identity: IdentityId) {
        self.sought.remove(&identity);
        for point in self.all.values_mut() {
            point.queue.retain(|queued| *queued != identity);
        }
    }

    /// Asks a point for the next in its queue, unless it is being asked. One that is not to be
    /// trusted, or gone, is asked for nobody.
    fn ask_next_at(&mut self, core: &mut Core, point: PeerId) {
        let Some(state) = self.all.get_mut(&point) else {
            return;
        };
        if state.asking.is_some() {
            return;
        }
        let miss = if state.distrusted {
            Some(Miss::Wrong)
        } else {
            let gone = !core.links.has_peer(&point);
            gone.then_some(Miss::NobodyToAsk)
        };
        if let Some(miss) = miss {
            for identity in std::mem::take(&mut state.queue) {
                self.knows_no_more(core, point, identity, miss);
            }
        } else if let Some(identity) = state.queue.pop_front() {
            self.discover(core, point, identity, 1, None);
        }
    }

    fn discover(
        &mut self,
        core: &mut Core,
        point: PeerId,
        whom: IdentityId,
        page: u32,
        cookie: Option<Vec<u8>>,
    ) {
        core.context.outlet.add("rendezvous-questions", 1);
        let question = Request::Discover {
            namespace: namespace(whom),
            cookie,
            limit: PAGE as u64,
        };
        if let Some(client) = core.swarm.behaviour_mut().rendezvous.as_mut()
            && let Some(state) = self.all.get_mut(&point)
        {
            let request = client.send_request(&point, question);
            state.asking = Some(Question {
                request,
                whom,
                page,
            });
        }
    }

    /// Acts on what rendezvous points answer, or do not.
    pub fn on_answer(&mut self, core: &mut Core, event: ClientEvent) {
        match event {
            RequestEvent::Message {
                peer,
                message:
                    Message::Response {
                        request_id,
                        response,
                    },
                ..
            } => self.on_point_answered(core, peer, request_id, Ok(response)),
            RequestEvent::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => self.on_point_answered(core, peer, request_id, Err(Silence::of(&error))),
            // The client takes no requests.
            RequestEvent::Message { .. }
            | RequestEvent::InboundFailure { .. }
            | RequestEvent::ResponseSent { .. } => {}
        }
    }

    fn on_point_answered(
        &mut self,
        core: &mut Core,
        point: PeerId,
        request: OutboundRequestId,
        answer: Result<Response, Silence>,
    ) {
        let Some(state) = self.all.get_mut(&point) else {
            return;
        };
        if state.registered.waits_for(request) {
            self.register_answered(core, point, answer);
        } else if let Some(question) = state.asking.take_if(|asked| asked.request == request) {
            self.discover_answered(core, point, &question, answer);
        }
    }

    fn discover_answered(
        &mut self,
        core: &mut Core,
        point: PeerId,
        question: &Question,
        answer: Result<Response, Silence>,
    ) {
        let miss = match answer {
            Ok(Response::Discovered {
                registrations,
                cookie,
            }) => match self.turn_page(core, point, question, &registrations, cookie) {
                Some(miss) => miss,
                None => return,
            },
            Ok(Response::Refused { .. }) => Miss::Absent,
            Ok(Response::Registered { .. }) => {
                self.distrust(core, point, Reason::Malformed);
                Miss::Wrong
            }
            Err(Silence::Lie(reason)) => {
                self.distrust(core, point, reason);
                Miss::Wrong
            }
            Err(Silence::Fault) => Miss::TimedOut,
        };
        self.knows_no_more(core, point, question.whom, miss);
        self.ask_next_at(core, point);
    }

    /// Reads a page; returns why it does not help, unless the next one is under way.
    fn turn_page(
        &mut self,
        core: &mut Core,
        point: PeerId,
        question: &Question,
        page: &[Registration],
        cookie: Vec<u8>,
    ) -> Option<Miss> {
        let whom = question.whom;
        // They may have been found elsewhere.
        let Some(sought) = self.sought.get(&whom) else {
            return Some(Miss::Absent);
        };
        match read(page, sought.peer) {
            Page::Found(place) => {
                let record = &page[place].record;
                let (peer, addresses) = (record.peer_id(), record.addresses().to_vec());
                self.on_seek_ended(whom);
                core.raise(Signal::Found {
                    identity: whom,
                    by: LookupMethod::Rendezvous,
                    at: (peer, addresses),
                });
                Some(Miss::Absent)
            }
            Page::Others if question.page < PAGES_MAX => {
                self.discover(core, point, whom, question.page + 1, Some(cookie));
                None
            }
            Page::Others => {
                core.context.limit_reached("rendezvous-pages");
                Some(Miss::Wrong)
            }
            Page::End if question.page > 1 => Some(Miss::Wrong),
            Page::End => Some(Miss::Absent),
            Page::Broken => {
                core.context.limit_reached("rendezvous-page");
                self.distrust(core, point, Reason::Oversized);
                Some(Miss::Wrong)
            }
        }
    }

    /// A point has no more to tell of somebody.
    fn knows_no_more(&mut self, core: &mut Core, point: PeerId, whom: IdentityId, miss: Miss) {
        let Some(sought) = self.sought.get_mut(&whom) else {
            return;
        };
        sought.waiting.remove(&point);
        // That somebody lied says more than that somebody was silent.
        if miss == Miss::Wrong || sought.miss == Miss::Absent {
            sought.miss = miss;
        }
        if sought.waiting.is_empty() {
            let miss = sought.miss;
            self.sought.remove(&whom);
            core.raise(missed(whom, miss));
        }
    }

    /// A point has broken the rules.
    fn distrust(&mut self, core: &mut Core, point: PeerId, reason: Reason) {
        core.context.refused(&point, PROTOCOL.as_ref(), reason);
        if let Some(state) = self.all.get_mut(&point) {
            state.distrusted = true;
        }
    }

    /// Acts on what our own server was asked: who asks too often is disconnected.
    pub fn on_served(&mut self, core: &mut Core, event: server::Event) {
        let (peer, counter) = match &event {
            server::Event::DiscoverServed { enquirer, .. } => (enquirer, "rendezvous-served"),
            server::Event::DiscoverNotServed { enquirer, .. } => (enquirer, "rendezvous-refused"),
            server::Event::PeerRegistered { peer, .. } => (peer, "rendezvous-accepted"),
            server::Event::PeerNotRegistered { peer, .. } => (peer, "rendezvous-refused"),
            server::Event::PeerUnregistered { peer, .. } => (peer, "rendezvous-unregistered"),
            server::Event::RegistrationExpired(_) => return,
        };
        core.context.outlet.add(counter, 1);
        let limit = core.context.config.rendezvous.max_per_minute;
        if !self.counts.admits(*peer, limit, Instant::now()) {
            core.context.limit_reached("rendezvous-requests");
            // It may have closed the connection already.
            let _ = core.swarm.disconnect_peer_id(*peer);
        }
    }
}

/// The method has not found `identity`.
fn missed(identity: IdentityId, reason: Miss) -> Signal {
    Signal::NotFound {
        identity,
        by: LookupMethod::Rendezvous,
        reason,
    }
}

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// There was one, against the rules.
    Lie(Reason),
    /// Time ran out, or the connection broke.
    Fault,
}

impl Silence {
    fn of(failure: &OutboundFailure) -> Self {
        let OutboundFailure::Io(error) = failure else {
            return Self::Fault;
        };
        if error.kind() != std::io::ErrorKind::InvalidData {
            return Self::Fault;
        }
        if let Some(FrameError::Oversized { .. }) = inside(error) {
            return Self::Lie(Reason::Oversized);
        }
        Self::Lie(match inside(error) {
            Some(ResponseError::Forged) => Reason::Forged,
            _ => Reason::Malformed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fake;
    use libp2p::core::PeerRecord;
    use libp2p::identity::Keypair;

    fn registration(keys: &Keypair, addresses: usize, ttl_s: u64) -> Registration {
        let address = |port: usize| format!("/ip4/192.0.2.1/tcp/{port}").parse().expect("one");
        let addresses = (1..=addresses).map(address).collect();
        Registration {
            record: PeerRecord::new(keys, addresses).expect("signs"),
            ttl_s,
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
    fn somebody_is_sought_at_connected_points_alone() {
        let check = |client, given, expected| {
            let mut config = Config::default();
            config.rendezvous.client = client;
            // Without feeds there is no store to ask for a card.
            config.feed.enabled = false;
            let (mut core, _) = fake::core(config);
            let seek = Signal::Seek {
                identity: IdentityId([1; 32]),
                by: LookupMethod::Rendezvous,
                given,
            };
            let mut points = Points::new(&Config::default());
            points.all.insert(PeerId::random(), Point::default());
            points.on_signal(&mut core, &seek);
            let raised = fake::raised(&mut core);
            let [Signal::NotFound { reason, .. }] = raised[..] else {
                panic!("found");
            };
            assert_eq!(reason, expected);
        };
        let known = || Some((PeerId::random(), Vec::new()));
        check(false, known(), Miss::Off);
        check(true, known(), Miss::NobodyToAsk);
        check(true, None, Miss::Absent);
    }
}
