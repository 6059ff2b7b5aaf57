//! The connections that are up: which of several to a peer stays, how they come about, and whether
//! they answer.
//!
//! Owns when a surplus connection is closed, and a relayed one that a direct one has replaced. What
//! a connection is for is decided by other services, which hear of it by signals: one that may be
//! there for a test alone (`dial_backs`) is none of theirs, and a dial that is made once more
//! (`second_dials`) has not failed.

mod awaited_dials;
mod dial_backs;
mod dials;
mod second_dials;

use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::core::ConnectedPoint;
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId, dcutr, identify, ping};

use crate::api::{Event, Path};
use crate::config::Config;
use crate::core::Core;
use crate::core::links::{Link, SURPLUS_TIME, Upgrade};
use crate::core::neighbours::is_private;
use crate::core::signal::Signal;
use crate::core::timers::Timers;

use super::Service;
use awaited_dials::AwaitedDials;
use dial_backs::DialBacks;
use second_dials::SecondDials;

/// A relayed connection stays at least so long beside the direct one that has replaced it: what is
/// under way on it arrives.
const LINGER: Duration = Duration::from_secs(1);

/// Something to be done later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Close the surplus one of two connections to a peer.
    CloseSurplus(ConnectionId),
    /// Decide about a connection that may have been made to test an address.
    SettleDialBack(ConnectionId),
    /// Close the relayed connections with a peer that direct ones have replaced.
    CloseRelayed(PeerId),
}

/// What is to be done about connections.
#[derive(Debug, Default)]
pub struct Connections {
    timers: Timers<Timer>,
    /// Connections that may have been made to test an address.
    dial_backs: DialBacks,
    /// Dials that are made once more.
    second_dials: SecondDials,
    /// Dials whose end commands wait for.
    awaited_dials: AwaitedDials,
}

impl Service for Connections {
    fn new(_: &Config) -> Self {
        Self::default()
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::Established {
                peer,
                connection,
                endpoint,
            } => {
                self.second_dials.ended(*connection);
                if !self.is_dial_back(core, *peer, *connection, endpoint) {
                    self.connected(core, *peer, *connection, endpoint, Instant::now());
                    self.awaited_dials.connected(core, *connection, *peer);
                }
            }
            Signal::Closed {
                peer,
                connection,
                reason,
                ..
            } => self.on_closed(core, *peer, *connection, reason),
            Signal::DialEnded {
                connection,
                peer,
                error,
            } => self.on_dial_ended(core, *connection, *peer, error),
            Signal::Proved {
                connection,
                identity,
                ..
            } => self.dial_back_proved(*connection, *identity),
            Signal::Dialing(peer) => on_behaviour_dials(core, *peer),
            _ => {}
        }
    }

    fn next_time(&self) -> Option<Instant> {
        self.timers.next_time()
    }

    fn on_timer(&mut self, core: &mut Core, now: Instant) {
        match self.timers.take_due(now) {
            Some(Timer::CloseSurplus(connection)) => close_surplus(core, connection),
            Some(Timer::SettleDialBack(connection)) => self.settle_dial_back(core, connection),
            Some(Timer::CloseRelayed(peer)) => self.close_relayed(core, peer),
            None => {}
        }
    }
}

impl Connections {
    fn connected(
        &mut self,
        core: &mut Core,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
        since: Instant,
    ) {
        core.emit(&Event::Connected {
            peer,
            dialer: endpoint.is_dialer(),
        });
        let local = is_on_local_network(core, &peer, endpoint.get_remote_address());
        let link = Link::new(peer, endpoint).with_since(since);
        self.link(core, connection, link.with_local(local));
        if !core.context.config.feed.enabled {
            // Nothing more is asked for than the key of its name.
            core.acquaintances.meets(&peer);
        }
        core.raise(Signal::Connected {
            peer,
            connection,
            endpoint: endpoint.clone(),
        });
    }

    fn on_closed(&mut self, core: &mut Core, peer: PeerId, connection: ConnectionId, reason: &str) {
        if !self.dial_back_closed(connection) {
            self.disconnected(core, peer, connection, reason);
        }
    }

    /// A dial has come to nothing, unless it is made once more.
    fn on_dial_ended(
        &mut self,
        core: &mut Core,
        connection: ConnectionId,
        peer: Option<PeerId>,
        error: &Arc<DialError>,
    ) {
        if let Some(second) = self.dials_again(core, connection, peer, error) {
            self.awaited_dials.goes_on(connection, second);
        } else {
            self.awaited_dials.failed(connection, peer, error);
            core.dial_failed(peer, Arc::clone(error));
        }
    }

    fn disconnected(
        &mut self,
        core: &mut Core,
        peer: PeerId,
        connection: ConnectionId,
        reason: &str,
    ) {
        let link = core.links.remove(connection);
        self.timers.cancel(Timer::CloseSurplus(connection));
        // Of two, the other one is used from now on.
        if let Some(other) = core.links.take_surplus(&peer) {
            self.timers.cancel(Timer::CloseSurplus(other));
        }
        core.emit(&Event::Disconnected {
            peer,
            reason: reason.to_owned(),
        });
        core.raise(Signal::Disconnected {
            peer,
            connection,
            identity: link.and_then(|link| link.identity),
        });
        if !core.links.has_peer(&peer) {
            core.raise(Signal::PeerGone(peer));
        }
    }

    /// Takes a connection that has come up into `links`; tells of it if it takes the place of a
    /// relayed one, and closes those that are too many: relayed ones later, when the peer is known
    /// to have the direct one, too.
    fn link(&mut self, core: &mut Core, connection: ConnectionId, link: Link) {
        let (peer, transport) = (link.peer, link.transport);
        let (surplus, upgrade) = core.links.add(connection, link);
        if let Some(Upgrade {
            attempts,
            path,
            took,
        }) = upgrade
        {
            core.emit(&Event::Upgraded {
                peer,
                path,
                transport,
                attempts,
                took_us: micros(took),
            });
        }
        for surplus in surplus {
            if core.links.keep_surplus(surplus) {
                core.context.outlet.add("crossing-dials", 1);
                let time = Instant::now() + SURPLUS_TIME;
                self.timers.set(Timer::CloseSurplus(surplus), time);
                continue;
            }
            tracing::debug!(%peer, ?surplus, "closing one of two connections");
            core.swarm.close_connection(surplus);
        }
        if core.links.is_replaced(&peer) {
            let time = Instant::now() + LINGER;
            self.timers.set(Timer::CloseRelayed(peer), time);
        }
    }

    /// Closes the relayed connections with `peer` if it has answered over a direct one; asks again
    /// until it has, or until that one has ended, as a connection does whose pings are not answered.
    fn close_relayed(&mut self, core: &mut Core, peer: PeerId) {
        for relayed in core.links.replaced(&peer) {
            tracing::debug!(%peer, ?relayed, "closing what a direct connection has replaced");
            core.swarm.close_connection(relayed);
        }
        if core.links.is_replaced(&peer) {
            let time = Instant::now() + LINGER;
            self.timers.set(Timer::CloseRelayed(peer), time);
        }
    }

    /// What DCUtR tells: its successes show as connections.
    pub fn on_hole_punch(&mut self, core: &mut Core, event: dcutr::Event) {
        let peer = event.remote_peer_id;
        let is_direct = core
            .links
            .path(&peer)
            .is_some_and(|path| path != Path::Relayed);
        // The peer's dial may have come through, so that ours has nothing left to do.
        if let Err(error) = event.result
            && !is_direct
        {
            core.emit(&Event::HolePunchFailed {
                peer,
                reason: error.to_string(),
            });
        }
    }

    /// A peer has told who it is.
    pub fn on_identify(&mut self, core: &mut Core, event: identify::Event) {
        if let identify::Event::Received {
            connection_id: connection,
            peer_id: peer,
            info,
        } = event
        {
            core.raise(Signal::Identified {
                peer,
                connection,
                info: Box::new(info),
            });
        }
    }

    /// A peer has answered a ping, or has not.
    pub fn on_ping(&mut self, core: &mut Core, event: ping::Event) {
        let ping::Event {
            peer,
            connection,
            result,
        } = event;
        match result {
            Ok(rtt) => {
                core.links.hears(connection, false);
                core.raise(Signal::Measured { peer, rtt });
                core.emit(&Event::Pinged {
                    peer,
                    rtt_us: micros(rtt),
                });
            }
            Err(ping::Failure::Unsupported) => core.links.hears(connection, true),
            Err(error) => {
                tracing::info!(%peer, %error, "closing a connection that does not answer");
                core.swarm.close_connection(connection);
            }
        }
    }
}

/// The other end, too, has had time to leave a connection for the chosen one.
fn close_surplus(core: &mut Core, connection: ConnectionId) {
    if core.links.is_surplus(connection) {
        tracing::debug!(?connection, "closing one of two connections");
        core.swarm.close_connection(connection);
    }
}

/// A behaviour dials `peer`. If a relay connects us, that is a hole punch: nothing else dials
/// those who are connected.
fn on_behaviour_dials(core: &mut Core, peer: PeerId) {
    if let Some(attempt) = core.links.punch(&peer) {
        core.emit(&Event::HolePunching { peer, attempt });
    }
}

/// Whether a connection with `peer` from or to `address` leads over a local network: it has been
/// found at that IP address there. A peer that has found us, and that we have not found yet, is
/// known by its private address, unless holes are being punched: customers of one carrier may
/// see each other's, too.
fn is_on_local_network(core: &Core, peer: &PeerId, address: &Multiaddr) -> bool {
    core.neighbours.has_at(peer, address) || (is_private(address) && !core.links.punches(peer))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io;

    use libp2p::core::transport::TransportError;
    use libp2p::swarm::dial_opts::DialOpts;
    use libp2p::swarm::{DialFailure, FromSwarm, NetworkBehaviour};

    use super::*;
    use crate::core::ChosenBy;
    use crate::services::fake;

    fn established(peer: PeerId, number: usize) -> Signal {
        Signal::Established {
            peer,
            connection: ConnectionId::new_unchecked(number),
            endpoint: fake::endpoint(),
        }
    }

    fn closed(peer: PeerId, number: usize) -> Signal {
        Signal::Closed {
            peer,
            connection: ConnectionId::new_unchecked(number),
            address: fake::address("/ip4/192.0.2.7/tcp/4150"),
            reason: "closed".to_owned(),
        }
    }

    #[test]
    fn a_peer_is_gone_with_its_last_connection() {
        let (mut core, told) = fake::core(Config::default());
        let mut connections = Connections::default();
        let peer = PeerId::random();
        connections.on_signal(&mut core, &established(peer, 1));
        let raised = fake::raised(&mut core);
        assert!(matches!(raised[..], [Signal::Connected { .. }]));
        assert!(core.links.has_peer(&peer));
        connections.on_signal(&mut core, &closed(peer, 1));
        let raised = fake::raised(&mut core);
        let [Signal::Disconnected { .. }, Signal::PeerGone(gone)] = raised[..] else {
            panic!("that the connection and the peer are gone is not raised");
        };
        assert_eq!(gone, peer);
        let told = told.take();
        assert!(matches!(
            told[..],
            [Event::Connected { .. }, Event::Disconnected { .. }]
        ));
    }

    /// A handshake that nobody could read ends a dial that was chosen `by`; dials that follow: of the node's
    /// own, and all.
    fn spoils(by: ChosenBy) -> (usize, u32) {
        let (mut core, _) = fake::core(Config::default());
        is_spoilt(&mut core, by, 1);
        let protocol = core.swarm.behaviour_mut().protocol.as_mut();
        let ours = protocol.expect("feeds are on").own_dials();
        (ours, fake::dials(&core))
    }

    fn is_spoilt(core: &mut Core, by: ChosenBy, number: usize) {
        let (peer, connection) = (PeerId::random(), ConnectionId::new_unchecked(number));
        let behaviours = core.swarm.behaviour_mut();
        if by == ChosenBy::Us {
            let protocol = behaviours.protocol.as_mut();
            protocol.expect("feeds are on").dials(connection);
        }
        let unreadable = io::Error::from(io::ErrorKind::InvalidData);
        let at = fake::address("/ip4/192.0.2.7/tcp/4150");
        let failures = vec![(at, TransportError::Other(unreadable))];
        let error = Arc::new(DialError::Transport(failures));
        behaviours.on_swarm_event(FromSwarm::DialFailure(DialFailure {
            peer_id: Some(peer),
            error: &error,
            connection_id: connection,
        }));
        let ended = Signal::DialEnded {
            connection,
            peer: Some(peer),
            error,
        };
        Connections::default().on_signal(core, &ended);
    }

    #[test]
    fn whoever_spoils_its_handshake_gets_no_place_beside_those_for_others() {
        let (mut core, _) = fake::core(Config::default());
        let max = core.context.config.connections.max_pending_outgoing;
        for number in 0..2 * max {
            is_spoilt(&mut core, ChosenBy::Others, 1_000_000 + number as usize);
        }
        assert_eq!(fake::dials(&core), max / 2);
        let ours = DialOpts::peer_id(PeerId::random())
            .addresses(vec![fake::address("/ip4/192.0.2.7/tcp/4150")]);
        let dialled = core.dial(ours.build(), ChosenBy::Us);
        assert!(dialled.is_ok(), "{dialled:?}");
    }

    #[test]
    fn a_second_dial_is_chosen_by_whom_the_first_was() {
        assert_eq!(spoils(ChosenBy::Others), (0, 1));
        assert_eq!(spoils(ChosenBy::Us), (1, 1));
    }

    #[test]
    fn of_connections_that_may_test_an_address_a_peer_has_two() {
        let config = Config::from_toml("autonat.enabled = true").expect("a configuration");
        let (mut core, _) = fake::core(config);
        let mut connections = Connections::default();
        let peer = PeerId::random();
        // We have dialled it.
        fake::connect(&mut core, peer, 1);
        let endpoint = ConnectedPoint::Listener {
            local_addr: fake::address("/ip4/192.0.2.1/tcp/4150"),
            send_back_addr: fake::address("/ip4/192.0.2.7/tcp/1"),
        };
        for number in 2..=50 {
            let established = Signal::Established {
                peer,
                connection: ConnectionId::new_unchecked(number),
                endpoint: endpoint.clone(),
            };
            connections.on_signal(&mut core, &established);
        }
        // Those that are closed at once have nothing to wait for.
        let late = Instant::now() + Duration::from_hours(1);
        let kept = std::iter::from_fn(|| connections.timers.take_due(late));
        assert_eq!(kept.count(), 2);
        let counted = core.context.outlet.counters();
        assert_eq!(counted["dial-backs-surplus"], 47);
        for number in 2..=50 {
            connections.on_signal(&mut core, &closed(peer, number));
        }
        assert!(
            fake::raised(&mut core).is_empty(),
            "they were none of its links"
        );
    }

    #[test]
    fn a_dial_of_a_peer_without_a_link_has_failed() {
        let (mut core, _) = fake::core(Config::default());
        let mut connections = Connections::default();
        let peer = PeerId::random();
        let ended = Signal::DialEnded {
            connection: ConnectionId::new_unchecked(1),
            peer: Some(peer),
            error: Arc::new(DialError::Aborted),
        };
        connections.on_signal(&mut core, &ended);
        let raised = fake::raised(&mut core);
        assert!(matches!(
            raised[..],
            [Signal::DialFailed { .. }, Signal::NotDialled { .. }]
        ));
        fake::connect(&mut core, peer, 2);
        connections.on_signal(&mut core, &ended);
        assert!(matches!(
            fake::raised(&mut core)[..],
            [Signal::DialFailed { .. }]
        ));
    }
}
