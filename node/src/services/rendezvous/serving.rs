//! Being a rendezvous point: registering others, and telling who is registered.
//!
//! Owns how often somebody may ask, and what is refused. A record is judged before it is kept, by the rule
//! of those who are told it. Strangers of one machine or home share what may be asked and kept there; who
//! asks too much by itself loses its connections.

use std::time::{Duration, Instant};

use libp2p::request_response::{Event as RequestEvent, Message, ResponseChannel};
use libp2p::{Multiaddr, PeerId};

use crate::config::Config;
use crate::core::Core;
use crate::discovery::rendezvous::{
    Bounds, Event, Newcomer, PROTOCOL, RecordError, Registry, Request, Response, Status,
    read_record,
};
use crate::entry::Site;
use crate::protocol::Reason;
use crate::protocol::one_frame::{Asked, Unreadable};
use crate::window_counts::{WhenFull, WindowCounts};

/// The time over which requests are counted.
const PERIOD: Duration = Duration::from_mins(1);
/// Peers, and sites, whose requests are counted; of more the first is forgotten.
const COUNTED_MAX: usize = 1_024;
/// So many times what a peer may ask all strangers at its site may.
const SITE_TIMES: u32 = 8;
/// The bound on requests, and on what is refused of them.
const LIMIT: &str = "rendezvous-requests";

/// A rendezvous point.
#[derive(Debug)]
pub(super) struct Server {
    registry: Registry,
    of_peer: WindowCounts<PeerId>,
    of_site: WindowCounts<Site>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admission {
    Admitted,
    /// Others at its site have asked too much.
    Busy,
    /// The peer has.
    TooMany,
}

/// What a request comes to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// None where the protocol has none.
    answer: Option<Response>,
    /// What it is counted by.
    counter: &'static str,
    /// Which rule the request breaks.
    breaks: Option<Reason>,
}

impl Outcome {
    fn of(answer: Response, counter: &'static str) -> Self {
        Self {
            answer: Some(answer),
            counter,
            breaks: None,
        }
    }

    fn refused(answer: Response, breaks: Option<Reason>) -> Self {
        Self {
            breaks,
            ..Self::of(answer, "rendezvous-refused")
        }
    }
}

impl Server {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            registry: Registry::new(Bounds::of(&config.rendezvous)),
            of_peer: WindowCounts::new(PERIOD, COUNTED_MAX, WhenFull::ForgetFirst),
            of_site: WindowCounts::new(PERIOD, COUNTED_MAX, WhenFull::ForgetFirst),
        }
    }

    /// When something that is registered ends.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.registry.next_time()
    }

    /// Forgets what has ended.
    pub(super) fn on_timer(&mut self, now: Instant) {
        self.registry.expire(now);
    }

    /// Acts on what peers ask.
    pub(super) fn on_event(&mut self, core: &mut Core, event: Event) {
        match event {
            RequestEvent::Message {
                peer,
                message:
                    Message::Request {
                        request, channel, ..
                    },
                ..
            } => self.on_asked(core, peer, request, channel),
            RequestEvent::InboundFailure { peer, error, .. } => {
                tracing::debug!(%peer, %error, "an answer does not reach a client");
            }
            // The server asks nothing.
            RequestEvent::Message { .. }
            | RequestEvent::OutboundFailure { .. }
            | RequestEvent::ResponseSent { .. } => {}
        }
    }

    fn on_asked(
        &mut self,
        core: &mut Core,
        peer: PeerId,
        asked: Asked<Request>,
        channel: ResponseChannel<Response>,
    ) {
        let now = Instant::now();
        let is_trusted = core.known.contains(&peer) || core.friends.has_peer(&peer);
        // All whose connection has just ended are taken to be at one site.
        let elsewhere = || Site::Other(Multiaddr::empty());
        let site = core.links.site_of(&peer).cloned().unwrap_or_else(elsewhere);
        let site = (!is_trusted).then_some(site);
        let limit = core.context.config.rendezvous.max_per_minute;
        let outcome = match (self.admits(peer, site.as_ref(), limit, now), asked) {
            (Admission::TooMany, _) => {
                core.context.limit_reached(LIMIT);
                // It may have closed the connection already.
                let _ = core.swarm.disconnect_peer_id(peer);
                return;
            }
            // Without its channel it gets no answer.
            (_, Err(Unreadable)) => return core.refuse(peer, &PROTOCOL, LIMIT, Reason::Malformed),
            (Admission::Busy, Ok(request)) => busy(&request),
            (Admission::Admitted, Ok(request)) => self.work_off(peer, site, request, now),
        };
        core.context.outlet.add(outcome.counter, 1);
        if let Some(answer) = outcome.answer
            && let Some(server) = core.swarm.behaviour_mut().rendezvous_server.as_mut()
        {
            // The peer may have gone meanwhile.
            let _ = server.send_response(channel, answer);
        }
        if let Some(reason) = outcome.breaks {
            core.refuse(peer, &PROTOCOL, LIMIT, reason);
        }
    }

    fn admits(&mut self, peer: PeerId, site: Option<&Site>, limit: u32, now: Instant) -> Admission {
        if !self.of_peer.admits(peer, limit, now) {
            return Admission::TooMany;
        }
        let of_site = limit.saturating_mul(SITE_TIMES);
        if site.is_some_and(|site| !self.of_site.admits(site.clone(), of_site, now)) {
            return Admission::Busy;
        }
        Admission::Admitted
    }

    fn work_off(
        &mut self,
        peer: PeerId,
        site: Option<Site>,
        request: Request,
        now: Instant,
    ) -> Outcome {
        match request {
            Request::Register {
                namespace,
                record,
                ttl_s,
            } => {
                let newcomer = Newcomer {
                    namespace,
                    peer,
                    site,
                    record,
                    ttl_s,
                };
                self.register(newcomer, now)
            }
            Request::Unregister { namespace } => {
                self.registry.unregister(namespace, peer);
                Outcome {
                    answer: None,
                    counter: "rendezvous-unregistered",
                    breaks: None,
                }
            }
            Request::Discover {
                namespace,
                cookie,
                limit,
            } => {
                let found =
                    self.registry
                        .discover(namespace.as_deref(), cookie.as_deref(), limit, now);
                match found {
                    Ok((registrations, cookie)) => {
                        let page = Response::Discovered {
                            registrations,
                            cookie,
                        };
                        Outcome::of(page, "rendezvous-served")
                    }
                    Err(status) => Outcome::refused(Response::not_discovered(status), None),
                }
            }
        }
    }

    /// Registers somebody whose record is their own.
    fn register(&mut self, newcomer: Newcomer, now: Instant) -> Outcome {
        let refused = |status, breaks| Outcome::refused(Response::not_registered(status), breaks);
        // How long it may stand is the registry's to say.
        match read_record(&newcomer.record, 0) {
            Ok(record) if record.peer_id() == newcomer.peer => {}
            Ok(_) => return refused(Status::NotAuthorized, Some(Reason::WrongViewer)),
            Err(error) => {
                let reason = match error {
                    RecordError::TooLong => Reason::Oversized,
                    RecordError::Malformed => Reason::Malformed,
                    RecordError::Forged => Reason::Forged,
                };
                return refused(Status::InvalidRecord, Some(reason));
            }
        }
        match self.registry.register(newcomer, now) {
            Ok(ttl_s) => Outcome::of(Response::Registered { ttl_s }, "rendezvous-accepted"),
            Err(status) => refused(status, None),
        }
    }
}

/// The point has been asked too much from where the request comes.
fn busy(request: &Request) -> Outcome {
    let status = Status::Unavailable;
    match request {
        Request::Register { .. } => Outcome::refused(Response::not_registered(status), None),
        Request::Discover { .. } => Outcome::refused(Response::not_discovered(status), None),
        Request::Unregister { .. } => Outcome {
            answer: None,
            counter: "rendezvous-refused",
            breaks: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use libp2p::core::PeerRecord;
    use libp2p::identity::Keypair;

    use super::*;
    use crate::discovery::rendezvous::ADDRESSES_MAX;

    fn record(keys: &Keypair, addresses: usize) -> Vec<u8> {
        let address = |port: usize| format!("/ip4/192.0.2.1/tcp/{port}").parse().expect("one");
        let addresses = (1..=addresses).map(address).collect();
        let record = PeerRecord::new(keys, addresses).expect("signs");
        record.into_signed_envelope().into_protobuf_encoding()
    }

    #[test]
    fn a_record_is_kept_if_clients_will_use_it_and_it_is_the_askers() {
        let mut server = Server::new(&Config::default());
        let keys = Keypair::generate_ed25519();
        let peer = keys.public().to_peer_id();
        let mut register = |record: Vec<u8>, ttl_s| {
            let request = Request::Register {
                namespace: "name".to_owned(),
                record,
                ttl_s,
            };
            let outcome = server.work_off(peer, None, request, Instant::now());
            (outcome.answer.expect("there is one"), outcome.breaks)
        };
        let mut refused = |record, ttl_s, status, breaks| {
            let expected = (Response::not_registered(status), breaks);
            assert_eq!(register(record, ttl_s), expected);
        };
        let others = record(&Keypair::generate_ed25519(), 1);
        let wrong = Some(Reason::WrongViewer);
        refused(others, None, Status::NotAuthorized, wrong);
        let long = record(&keys, ADDRESSES_MAX + 1);
        let invalid = Status::InvalidRecord;
        refused(long, None, invalid, Some(Reason::Oversized));
        refused(vec![0x7f; 40], None, invalid, Some(Reason::Malformed));
        let mut forged = record(&keys, 1);
        *forged.last_mut().expect("not empty") ^= 1;
        refused(forged, None, invalid, Some(Reason::Forged));
        refused(record(&keys, 1), Some(1), Status::InvalidTtl, None);
        let registered = Response::Registered { ttl_s: 7_200 };
        let most = record(&keys, ADDRESSES_MAX);
        assert_eq!(register(most, None), (registered, None));
    }

    #[test]
    fn a_peer_asks_so_much_and_strangers_at_a_site_eight_times_that() {
        let mut server = Server::new(&Config::default());
        let (now, limit, site) = (Instant::now(), 3, Site::V4(1));
        let mut asks = |peer, site, now| {
            let all = (0..9).map(|_| server.admits(peer, site, limit, now));
            let admitted = all.take_while(|admission| *admission == Admission::Admitted);
            admitted.count() as u32
        };
        let first = PeerId::random();
        assert_eq!(asks(first, Some(&site), now), limit);
        assert_eq!(asks(first, Some(&Site::V4(2)), now), 0);
        let crowd: u32 = (0..20)
            .map(|_| asks(PeerId::random(), Some(&site), now))
            .sum();
        assert_eq!(crowd, limit * (SITE_TIMES - 1));
        assert_eq!(asks(PeerId::random(), None, now), limit);
        assert_eq!(asks(first, Some(&site), now + PERIOD), limit);
    }
}
