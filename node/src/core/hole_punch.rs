//! Where holes are punched: at addresses at which friends and known nodes see the node, if any do.
//!
//! libp2p tells whom a circuit connects the twenty addresses of which it has heard last, whoever has seen
//! the node there, and forgets none. So there are two of it: one hears what friends and known nodes have
//! seen, and has all circuits that come up once there is any of that; the other hears what strangers
//! say, and has those of before.
//!
//! Nor does libp2p ever forget what it has tried to punch (libp2p-dcutr 0.15). So a view has a new one after
//! so many circuits, which hears where the node is seen, and the one before the last is given up: what is
//! open there has had the time of thousands of others. Connections that are not of its doing are known to one
//! of their own, which hears of no circuit and holds nothing of what has ended. Owns which connection belongs
//! to which; all else is libp2p's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::behaviour::NewExternalAddrCandidate;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, dcutr};

use crate::protocol::is_circuit;

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

/// Circuits and dials that one of libp2p's behaviours may have had until another takes its place.
const OF_ONE_MAX: usize = 4096;
/// Addresses that a new one hears: as many as libp2p remembers.
const CANDIDATES_MAX: usize = 20;

/// Whose word counts for a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// Strangers'.
    Strangers,
    /// That of friends and known nodes.
    Trusted,
}

const VIEWS: [View; 2] = [View::Strangers, View::Trusted];

/// To which behaviour a connection belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The one of connections that are direct without its doing.
    Direct,
    /// That of a view which has this number.
    Of(View, u64),
}

/// libp2p's behaviours for one view: the present one and the one before.
struct Generations<B> {
    present: B,
    before: Option<B>,
    /// How many there were before the present one.
    number: u64,
    /// What the present one has had.
    had: usize,
    /// What has been heard, the newest last.
    candidates: VecDeque<Multiaddr>,
}

impl<B: NetworkBehaviour> Generations<B> {
    fn new(present: B) -> Self {
        Self {
            present,
            before: None,
            number: 0,
            had: 0,
            candidates: VecDeque::new(),
        }
    }

    /// The behaviour of that number, unless it has been given up.
    fn get(&mut self, number: u64) -> Option<&mut B> {
        if number == self.number {
            return Some(&mut self.present);
        }
        let before = self.before.as_mut();
        before.filter(|_| number + 1 == self.number)
    }

    /// We are seen at `address`.
    fn hears(&mut self, address: &Multiaddr) {
        self.candidates.retain(|known| known != address);
        if self.candidates.len() >= CANDIDATES_MAX {
            self.candidates.pop_front();
        }
        self.candidates.push_back(address.clone());
        tell(&mut self.present, address);
    }

    /// The number of the behaviour that has a circuit which comes up; another takes its place, made by
    /// `make`, if it has had many. True if one has been given up for it.
    fn next(&mut self, make: impl FnOnce() -> B) -> (u64, bool) {
        let is_old = self.had >= OF_ONE_MAX;
        if is_old {
            let mut fresh = make();
            for address in &self.candidates {
                tell(&mut fresh, address);
            }
            self.before = Some(std::mem::replace(&mut self.present, fresh));
            (self.number, self.had) = (self.number + 1, 0);
        }
        self.had += 1;
        (self.number, is_old)
    }
}

fn tell<B: NetworkBehaviour>(behaviour: &mut B, addr: &Multiaddr) {
    let candidate = NewExternalAddrCandidate { addr };
    behaviour.on_swarm_event(FromSwarm::NewExternalAddrCandidate(candidate));
}

/// DCUtR, by who has seen the node.
pub struct HolePunch<B = dcutr::Behaviour> {
    make: Box<dyn Fn() -> B + Send>,
    direct: B,
    views: [Generations<B>; VIEWS.len()],
    /// To which of them circuits belong that come up.
    current: View,
    /// To which behaviour those belong that are up, and those that it dials.
    of: BTreeMap<ConnectionId, Owner>,
    dialling: BTreeMap<ConnectionId, Owner>,
    seen: SeenByTrusted,
}

impl HolePunch {
    /// Of the node `us`, which friends and known nodes see where `seen` says.
    pub fn new(us: PeerId, seen: SeenByTrusted) -> Self {
        Self::made_by(move || dcutr::Behaviour::new(us), seen)
    }
}

impl<B: NetworkBehaviour> HolePunch<B> {
    fn made_by(make: impl Fn() -> B + Send + 'static, seen: SeenByTrusted) -> Self {
        Self {
            direct: make(),
            views: VIEWS.map(|_| Generations::new(make())),
            make: Box::new(make),
            current: View::Strangers,
            of: BTreeMap::new(),
            dialling: BTreeMap::new(),
            seen,
        }
    }

    /// To which behaviour a connection belongs that comes up and is none of its dials.
    fn owner(&mut self, is_circuit: bool) -> Owner {
        if !is_circuit {
            return Owner::Direct;
        }
        let view = self.current;
        let (number, has_changed) = self.views[view as usize].next(&*self.make);
        if has_changed {
            let is_kept = |owner: &Owner| match owner {
                Owner::Of(of, old) => *of != view || old + 1 >= number,
                Owner::Direct => true,
            };
            self.of.retain(|_, owner| is_kept(owner));
            self.dialling.retain(|_, owner| is_kept(owner));
        }
        Owner::Of(view, number)
    }

    fn behaviour(&mut self, owner: Owner) -> Option<&mut B> {
        match owner {
            Owner::Direct => Some(&mut self.direct),
            Owner::Of(view, number) => self.views[view as usize].get(number),
        }
    }

    /// The same for a connection that comes up: that of direct ones holds nothing of one that has been
    /// given up.
    fn behaviour_or_direct(&mut self, owner: Owner) -> &mut B {
        match owner {
            Owner::Of(view, number) => {
                let of_view = self.views[view as usize].get(number);
                of_view.unwrap_or(&mut self.direct)
            }
            Owner::Direct => &mut self.direct,
        }
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
        let owner = self.owner(is_circuit(local));
        self.of.insert(connection, owner);
        self.behaviour_or_direct(owner)
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
        let owner = dialled.unwrap_or_else(|| self.owner(is_circuit(address)));
        self.of.insert(connection, owner);
        self.behaviour_or_direct(owner)
            .handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        let owner = match &event {
            FromSwarm::NewExternalAddrCandidate(new) => {
                let view = if self.seen.contains(new.addr) {
                    self.current = View::Trusted;
                    View::Trusted
                } else {
                    View::Strangers
                };
                return self.views[view as usize].hears(new.addr);
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
        if let Some(behaviour) = owner.and_then(|owner| self.behaviour(owner)) {
            behaviour.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let owner = self.of.get(&connection).copied();
        if let Some(behaviour) = owner.and_then(|owner| self.behaviour(owner)) {
            behaviour.on_connection_handler_event(peer, connection, event);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        for view in VIEWS {
            let generations = &mut self.views[view as usize];
            let present = generations.number;
            for number in present.saturating_sub(1)..=present {
                let polled = generations.get(number).map(|behaviour| behaviour.poll(cx));
                let Some(action @ Poll::Ready(_)) = polled else {
                    continue;
                };
                if let Poll::Ready(ToSwarm::Dial { opts }) = &action {
                    generations.had += usize::from(number == present);
                    let owner = Owner::Of(view, number);
                    self.dialling.insert(opts.connection_id(), owner);
                }
                return action;
            }
        }
        self.direct.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    use libp2p::core::ConnectedPoint;
    use libp2p::swarm::behaviour::{ConnectionClosed, DialFailure};
    use libp2p::swarm::dial_opts::DialOpts;
    use libp2p::swarm::{DialError, dummy};

    use super::*;

    /// In place of libp2p's behaviour, of which so many are there.
    #[derive(Default)]
    struct Fake {
        _alive: Arc<()>,
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

    fn comes(punch: &mut HolePunch<Fake>, id: ConnectionId, here: &Multiaddr) {
        let (peer, there) = (PeerId::random(), address(1));
        let came = punch.handle_established_inbound_connection(id, peer, here, &there);
        assert!(came.is_ok());
    }

    fn circuit() -> Multiaddr {
        let relay = "/ip4/192.0.2.1/tcp/1/p2p-circuit";
        relay.parse().expect("an address")
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

    fn closes(punch: &mut HolePunch<Fake>, connection_id: ConnectionId) {
        let endpoint = ConnectedPoint::Listener {
            local_addr: address(1),
            send_back_addr: address(1),
        };
        let closed = ConnectionClosed {
            peer_id: PeerId::random(),
            connection_id,
            endpoint: &endpoint,
            cause: None,
            remaining_established: 0,
        };
        punch.on_swarm_event(FromSwarm::ConnectionClosed(closed));
    }

    #[test]
    fn holes_are_punched_where_friends_see_us_whatever_strangers_say() {
        let seen = SeenByTrusted::default();
        let mut punch = HolePunch::made_by(Fake::default, seen.clone());
        // As long as only strangers see us, that is better than nothing.
        hears(&mut punch, 1);
        comes(&mut punch, id(1), &circuit());
        seen.note(&address(2));
        hears(&mut punch, 2);
        for number in 3..=34 {
            hears(&mut punch, number);
        }
        comes(&mut punch, id(2), &circuit());
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        while punch.poll(cx).is_ready() {}
        let dials = [0, 1].map(|view: usize| punch.views[view].present.dials);
        let dials = dials.map(|dial| dial.expect("each dials"));
        fails(&mut punch, dials[1]);
        is_dialled(&mut punch, dials[0]);
        is_dialled(&mut punch, id(3));
        comes(&mut punch, id(4), &address(1));
        let [strangers, trusted] = &punch.views;
        assert_eq!(trusted.present.heard, [address(2)]);
        assert_eq!(strangers.present.heard.len(), 33);
        assert_eq!(strangers.present.up, [dials[0], id(1)].into());
        assert_eq!(trusted.present.up, [id(2)].into());
        assert_eq!(trusted.present.failed, [dials[1]].into());
        assert_eq!(punch.direct.up, [id(3), id(4)].into());
        for connection in [dials[0], id(1), id(2), id(3), id(4)] {
            closes(&mut punch, connection);
        }
        let mut all = punch.views.iter().map(|view| &view.present);
        assert!(all.all(|behaviour| behaviour.up.is_empty()));
        assert!(punch.of.is_empty() && punch.dialling.is_empty());
    }

    #[test]
    fn circuits_that_came_and_went_leave_nothing_that_grows() {
        let alive = Arc::new(());
        let made = Arc::clone(&alive);
        let make = move || Fake {
            _alive: Arc::clone(&made),
            ..Fake::default()
        };
        let mut punch = HolePunch::made_by(make, SeenByTrusted::default());
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        while punch.poll(cx).is_ready() {}
        for number in 1..=30 {
            hears(&mut punch, number);
        }
        // One stays for ever, and so does a dial.
        comes(&mut punch, id(0), &circuit());
        let before = Arc::strong_count(&alive);
        for number in 1..=10 * OF_ONE_MAX {
            comes(&mut punch, id(number), &circuit());
            let _ = punch.poll(cx);
            closes(&mut punch, id(number));
        }
        assert!(punch.of.len() <= 1 && punch.dialling.len() <= 3);
        assert_eq!(Arc::strong_count(&alive), before + 1, "one of before");
        let strangers = &punch.views[View::Strangers as usize];
        let newest: Vec<_> = (11..=30).map(address).collect();
        assert_eq!(strangers.present.heard, newest);
        assert!(strangers.number >= 9);
        let dial = strangers.before.as_ref().and_then(|before| before.dials);
        // Who was dialled by what is no longer there is a direct connection like any.
        is_dialled(&mut punch, id(100_000));
        closes(&mut punch, id(100_000));
        closes(&mut punch, id(0));
        assert!(punch.direct.up.is_empty());
        is_dialled(&mut punch, dial.expect("each dials"));
        let before = punch.views[View::Strangers as usize].before.as_ref();
        assert_eq!(before.expect("there is one").up.len(), 1);
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
