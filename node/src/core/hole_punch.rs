//! Where holes are punched: at addresses at which friends and known nodes see the node, if any do.
//!
//! libp2p tells whom a circuit connects the twenty addresses of which it has heard last, whoever has seen
//! the node there, and forgets none. So there are two of it: one hears what friends and known nodes have
//! seen, and has all connections that come up once there is any of that; the other hears what strangers
//! say, and has those of before. Owns which connection belongs to which; all else is libp2p's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, dcutr};

/// Addresses at which friends and known nodes see us; of more the oldest are forgotten.
const SEEN_MAX: usize = 64;

/// Where friends and known nodes see us, noted where that is heard.
#[derive(Debug, Clone, Default)]
pub struct SeenByTrusted(Arc<Mutex<VecDeque<Multiaddr>>>);

impl SeenByTrusted {
    /// Notes that one of them sees us at `address`.
    pub fn note(&self, address: &Multiaddr) {
        let mut seen = self.seen();
        if seen.contains(address) {
            return;
        }
        if seen.len() >= SEEN_MAX {
            seen.pop_front();
        }
        seen.push_back(address.clone());
    }

    /// Whether one of them does.
    pub fn contains(&self, address: &Multiaddr) -> bool {
        self.seen().contains(address)
    }

    fn seen(&self) -> MutexGuard<'_, VecDeque<Multiaddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose word counts for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// Strangers'.
    Strangers,
    /// That of friends and known nodes.
    Trusted,
}

const VIEWS: [View; 2] = [View::Strangers, View::Trusted];

/// DCUtR, by who has seen the node.
pub struct HolePunch<B = dcutr::Behaviour> {
    views: [B; VIEWS.len()],
    /// To which of them connections belong that come up.
    current: View,
    /// To which those belong that are up, and those that they dial.
    of: BTreeMap<ConnectionId, View>,
    dialling: BTreeMap<ConnectionId, View>,
    seen: SeenByTrusted,
}

impl HolePunch {
    /// Of the node `us`, which friends and known nodes see where `seen` says.
    pub fn new(us: PeerId, seen: SeenByTrusted) -> Self {
        Self::of(VIEWS.map(|_| dcutr::Behaviour::new(us)), seen)
    }
}

impl<B> HolePunch<B> {
    fn of(views: [B; VIEWS.len()], seen: SeenByTrusted) -> Self {
        Self {
            views,
            current: View::Strangers,
            of: BTreeMap::new(),
            dialling: BTreeMap::new(),
            seen,
        }
    }

    fn view(&mut self, view: View) -> &mut B {
        &mut self.views[view as usize]
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for HolePunch<B> {
    type ConnectionHandler = THandler<B>;
    type ToSwarm = B::ToSwarm;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let view = self.current;
        self.of.insert(connection, view);
        self.view(view)
            .handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let dialled = self.dialling.remove(&connection);
        let view = dialled.unwrap_or(self.current);
        self.of.insert(connection, view);
        self.view(view)
            .handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        let of = match &event {
            FromSwarm::NewExternalAddrCandidate(new) => {
                let trusted = self.seen.contains(new.addr);
                if trusted {
                    self.current = View::Trusted;
                }
                Some(if trusted {
                    View::Trusted
                } else {
                    View::Strangers
                })
            }
            FromSwarm::ConnectionClosed(closed) => self.of.remove(&closed.connection_id),
            FromSwarm::ListenFailure(failed) => self.of.remove(&failed.connection_id),
            FromSwarm::DialFailure(failed) => {
                let dialled = self.dialling.remove(&failed.connection_id);
                dialled.or_else(|| self.of.remove(&failed.connection_id))
            }
            // Nothing else is of any concern to libp2p's behaviour.
            _ => None,
        };
        if let Some(view) = of {
            self.view(view).on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if let Some(view) = self.of.get(&connection).copied() {
            self.view(view)
                .on_connection_handler_event(peer, connection, event);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        for view in VIEWS {
            let action = self.view(view).poll(cx);
            if let Poll::Ready(ToSwarm::Dial { opts }) = &action {
                self.dialling.insert(opts.connection_id(), view);
            }
            if action.is_ready() {
                return action;
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    use libp2p::core::ConnectedPoint;
    use libp2p::swarm::behaviour::{ConnectionClosed, DialFailure, NewExternalAddrCandidate};
    use libp2p::swarm::dial_opts::DialOpts;
    use libp2p::swarm::{DialError, dummy};

    use super::*;

    /// In place of libp2p's behaviour.
    #[derive(Default)]
    struct Fake {
        heard: Vec<Multiaddr>,
        up: BTreeSet<ConnectionId>,
        failed: BTreeSet<ConnectionId>,
        dials: Option<ConnectionId>,
    }

    impl NetworkBehaviour for Fake {
        type ConnectionHandler = dummy::ConnectionHandler;
        type ToSwarm = Infallible;

        fn handle_established_inbound_connection(
            &mut self,
            id: ConnectionId,
            _: PeerId,
            _: &Multiaddr,
            _: &Multiaddr,
        ) -> Result<THandler<Self>, ConnectionDenied> {
            self.up.insert(id);
            Ok(dummy::ConnectionHandler)
        }

        fn handle_established_outbound_connection(
            &mut self,
            id: ConnectionId,
            _: PeerId,
            _: &Multiaddr,
            _: Endpoint,
            _: PortUse,
        ) -> Result<THandler<Self>, ConnectionDenied> {
            self.up.insert(id);
            Ok(dummy::ConnectionHandler)
        }

        fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
            match event {
                FromSwarm::NewExternalAddrCandidate(new) => self.heard.push(new.addr.clone()),
                FromSwarm::ConnectionClosed(closed) => {
                    assert!(self.up.remove(&closed.connection_id), "libp2p panics");
                }
                FromSwarm::DialFailure(failed) => {
                    self.failed.insert(failed.connection_id);
                }
                _ => panic!("{event:?}"),
            }
        }

        fn on_connection_handler_event(
            &mut self,
            _: PeerId,
            _: ConnectionId,
            event: THandlerOutEvent<Self>,
        ) {
            match event {}
        }

        fn poll(
            &mut self,
            _: &mut Context<'_>,
        ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
            let opts = DialOpts::peer_id(PeerId::random()).build();
            if self.dials.is_some() {
                return Poll::Pending;
            }
            self.dials = Some(opts.connection_id());
            Poll::Ready(ToSwarm::Dial { opts })
        }
    }

    fn address(number: u8) -> Multiaddr {
        let address = format!("/ip4/198.51.100.{number}/tcp/4150");
        address.parse().expect("an address")
    }

    fn id(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(1_000_000 + number)
    }

    fn hears(punch: &mut HolePunch<Fake>, number: u8) {
        let addr = &address(number);
        let candidate = NewExternalAddrCandidate { addr };
        punch.on_swarm_event(FromSwarm::NewExternalAddrCandidate(candidate));
    }

    fn comes(punch: &mut HolePunch<Fake>, number: usize) {
        let (peer, at) = (PeerId::random(), address(1));
        let came = punch.handle_established_inbound_connection(id(number), peer, &at, &at);
        assert!(came.is_ok());
    }

    fn is_dialled(punch: &mut HolePunch<Fake>, id: ConnectionId) {
        let (peer, at) = (PeerId::random(), address(1));
        let (role, port) = (Endpoint::Dialer, PortUse::Reuse);
        let came = punch.handle_established_outbound_connection(id, peer, &at, role, port);
        assert!(came.is_ok());
    }

    fn fails(punch: &mut HolePunch<Fake>, connection_id: ConnectionId) {
        punch.on_swarm_event(FromSwarm::DialFailure(DialFailure {
            peer_id: None,
            error: &DialError::Aborted,
            connection_id,
        }));
    }

    #[test]
    fn holes_are_punched_where_friends_see_us_whatever_strangers_say() {
        let seen = SeenByTrusted::default();
        let mut punch = HolePunch::of([Fake::default(), Fake::default()], seen.clone());
        // As long as only strangers see us, that is better than nothing.
        hears(&mut punch, 1);
        comes(&mut punch, 1);
        seen.note(&address(2));
        hears(&mut punch, 2);
        for number in 3..=34 {
            hears(&mut punch, number);
        }
        comes(&mut punch, 2);
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        while punch.poll(cx).is_ready() {}
        let dials = [0, 1].map(|view: usize| punch.views[view].dials.expect("each dials"));
        fails(&mut punch, dials[1]);
        is_dialled(&mut punch, dials[0]);
        is_dialled(&mut punch, id(3));
        let [strangers, trusted] = &punch.views;
        assert_eq!(trusted.heard, [address(2)]);
        assert_eq!(strangers.heard.len(), 33);
        assert_eq!(strangers.up, [dials[0], id(1)].into());
        assert_eq!(trusted.up, [id(2), id(3)].into());
        assert_eq!(trusted.failed, [dials[1]].into());
        let endpoint = ConnectedPoint::Listener {
            local_addr: address(1),
            send_back_addr: address(1),
        };
        for connection_id in [dials[0], id(1), id(2), id(3)] {
            let closed = ConnectionClosed {
                peer_id: PeerId::random(),
                connection_id,
                endpoint: &endpoint,
                cause: None,
                remaining_established: 0,
            };
            punch.on_swarm_event(FromSwarm::ConnectionClosed(closed));
        }
        assert!(punch.views.iter().all(|view| view.up.is_empty()));
        assert!(punch.of.is_empty() && punch.dialling.is_empty());
    }

    #[test]
    fn where_friends_see_us_is_remembered_up_to_a_bound() {
        let seen = SeenByTrusted::default();
        for number in 0..=u8::MAX {
            seen.note(&address(number));
            seen.note(&address(number));
        }
        assert_eq!(seen.seen().len(), SEEN_MAX);
        assert!(seen.contains(&address(u8::MAX)) && !seen.contains(&address(0)));
    }
}
