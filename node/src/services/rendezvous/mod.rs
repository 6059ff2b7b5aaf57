//! Asking rendezvous points where somebody is, and being one.
//!
//! Owns which of the known nodes are such points, and what is asked of them: one look-up at a
//! time each, in pages. A point that breaks the rules is asked nothing for an hour. What others have
//! registered there is not its doing: that is judged by itself. Being registered is a matter of
//! `registrations`, being a point one of `serving`.

mod page;
mod registrations;
mod serving;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

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
use crate::discovery::rendezvous::{Event, PROTOCOL, Registration, Request, Response, namespace};
use crate::identity::IdentityId;
use crate::protocol::Reason;
use crate::protocol::frame::FrameError;
use crate::scope::Scope;

use super::Service;
use page::{Judged, Page};
use registrations::Registered;
use serving::Server;

/// Registrations that are asked for at once.
const PAGE: usize = 16;
/// Pages after which nobody is looked for any more: others may have registered under a
/// name, to hide the one to whom it belongs.
const PAGES_MAX: u32 = 8;
/// For how long a point that breaks the rules is asked nothing.
const DISTRUST: Duration = Duration::from_hours(1);

/// A known node that speaks the protocol.
#[derive(Debug, Default)]
struct Point {
    /// Whether it has our addresses.
    registered: Registered,
    /// How far the nearest reaches of the addresses that it has.
    nearest: Option<Scope>,
    /// It has lied, and is not asked before this.
    distrusted_until: Option<Instant>,
    /// What it is being asked.
    asking: Option<Question>,
    /// Who is asked for next.
    queue: VecDeque<IdentityId>,
}

impl Point {
    /// Until when it is not to be trusted, if it is not `now`.
    fn distrusted_until(&self, now: Instant) -> Option<Instant> {
        self.distrusted_until.filter(|until| now < *until)
    }
}

/// A question to a point.
#[derive(Debug)]
struct Question {
    request: OutboundRequestId,
    whom: IdentityId,
    /// Which page of the answer, from 1.
    page: u32,
    /// So many it may have.
    limit: usize,
    /// From the page before.
    cookie: Option<Vec<u8>>,
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
    /// What we are to others.
    server: Server,
    /// When our registration at a point is renewed.
    timers: Timers<PeerId>,
}

impl Service for Points {
    fn new(config: &Config) -> Self {
        Self {
            all: BTreeMap::new(),
            sought: BTreeMap::new(),
            server: Server::new(config),
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
        let times = [self.timers.next_time(), self.server.next_time()];
        times.into_iter().flatten().min()
    }

    fn on_timer(&mut self, core: &mut Core, now: Instant) {
        self.server.on_timer(now);
        if let Some(point) = self.timers.take_due(now) {
            self.renew_at(core, point);
        }
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
        let now = Instant::now();
        let usable = |(point, state): &(&PeerId, &Point)| {
            state.distrusted_until(now).is_none() && links.has_peer(point)
        };
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
        let miss = if state.distrusted_until(Instant::now()).is_some() {
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
            self.discover(core, point, (identity, 1), PAGE, None);
        }
    }

    /// Asks a point for a page of those under somebody's name, of `limit` at most.
    fn discover(
        &mut self,
        core: &mut Core,
        point: PeerId,
        (whom, page): (IdentityId, u32),
        limit: usize,
        cookie: Option<Vec<u8>>,
    ) {
        core.context.outlet.add("rendezvous-questions", 1);
        let question = Request::Discover {
            namespace: Some(namespace(whom)),
            cookie: cookie.clone(),
            limit: Some(limit as u64),
        };
        if let Some(client) = core.swarm.behaviour_mut().rendezvous.as_mut()
            && let Some(state) = self.all.get_mut(&point)
        {
            let request = client.send_request(&point, Ok(question));
            state.asking = Some(Question {
                request,
                whom,
                page,
                limit,
                cookie,
            });
        }
    }

    /// Acts on what rendezvous points answer, or do not.
    pub fn on_answer(&mut self, core: &mut Core, event: Event) {
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
            Ok(Response::NotDiscovered { .. }) => Miss::Absent,
            Ok(Response::Registered { .. } | Response::NotRegistered { .. })
            | Err(Silence::Unreadable) => {
                self.distrust(core, point, Reason::Malformed);
                Miss::Wrong
            }
            Err(Silence::Oversized) => {
                core.context.limit_reached("rendezvous-answer");
                if question.limit > 1 {
                    // Others may have registered what is long: one by one they cannot hide anybody.
                    let page = (question.whom, question.page);
                    return self.discover(core, point, page, 1, question.cookie.clone());
                }
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
        let Judged { page, left_out } = page::judge(page, question.limit, sought.peer);
        if left_out > 0 {
            core.context.outlet.add("rendezvous-left-out", left_out);
            core.context.limit_reached("rendezvous-registration");
        }
        match page {
            Page::Found(addresses) => {
                let peer = sought.peer;
                self.on_seek_ended(whom);
                core.raise(Signal::Found {
                    identity: whom,
                    by: LookupMethod::Rendezvous,
                    at: (peer, addresses),
                });
                Some(Miss::Absent)
            }
            Page::Others if question.page < PAGES_MAX => {
                let next = (whom, question.page + 1);
                self.discover(core, point, next, question.limit, Some(cookie));
                None
            }
            Page::Others => {
                core.context.limit_reached("rendezvous-pages");
                Some(Miss::Wrong)
            }
            Page::End if question.page > 1 => Some(Miss::Wrong),
            Page::End => Some(Miss::Absent),
            Page::Lie(reason) => {
                if reason == Reason::Oversized {
                    core.context.limit_reached("rendezvous-page");
                }
                self.distrust(core, point, reason);
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
            let until = Instant::now() + DISTRUST;
            state.distrusted_until = Some(until);
            self.timers.set(point, until);
        }
    }

    /// Acts on what our own server is asked.
    pub fn on_served(&mut self, core: &mut Core, event: Event) {
        self.server.on_event(core, event);
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
    /// There was one that says nothing that is known.
    Unreadable,
    /// There was one longer than is read.
    Oversized,
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
        match inside(error) {
            Some(FrameError::Oversized { .. }) => Self::Oversized,
            _ => Self::Unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fake;

    #[test]
    fn a_point_that_lied_is_asked_again_an_hour_later() {
        let (mut core, _) = fake::core(Config::default());
        let mut points = Points::new(&Config::default());
        let point = PeerId::random();
        points.all.insert(point, Point::default());
        points.distrust(&mut core, point, Reason::Malformed);
        let now = Instant::now();
        let until = points.all[&point].distrusted_until(now);
        let until = until.expect("it is not trusted");
        assert!(until > now && until <= now + DISTRUST);
        assert_eq!(
            points.next_time(),
            Some(until),
            "it is registered with then"
        );
        assert_eq!(points.all[&point].distrusted_until(until), None);
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
