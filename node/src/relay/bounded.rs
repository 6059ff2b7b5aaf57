//! libp2p's relay, whatever its clients do not take.
//!
//! Two things of libp2p-relay 0.22 are mended here. It forgets the connection on which a reservation has ended,
//! and panics if the answer to a renewal is taken only then; so it is told of that connection again.
//! And it waits without a limit for sources of circuits that take no answer, while it counts their circuits;
//! so these lose the connection in time, and a destination is asked for no more circuits at once than libp2p
//! waits for. Owns when; whom to serve is the policy's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures_timer::Delay;
use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::relay;
use libp2p::swarm::behaviour::ConnectionEstablished;
use libp2p::swarm::derive_prelude::Either;
use libp2p::swarm::{
    CloseConnection, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};

use super::underway::Underway;
use crate::api::Event;
use crate::forward::forward_to;
use crate::outlet::Outlet;

/// The bound that is told when somebody does not take what a relay has for them.
const LIMIT: &str = "relay-answers";
/// "Connection failed", in the words of circuit relay v2: what libp2p says of a destination that does not answer.
const CONNECTION_FAILED: i32 = 203;

/// The first of two types, by which those of libp2p's handler are named.
pub trait First {
    type Of;
}

impl<A, B> First for Either<A, B> {
    type Of = A;
}

/// What a connection tells libp2p's relay.
type Said = <THandlerOutEvent<relay::Behaviour> as First>::Of;
/// What that has a connection do.
type Tells = <THandlerInEvent<relay::Behaviour> as First>::Of;
type Action = ToSwarm<relay::Event, THandlerInEvent<relay::Behaviour>>;

/// A relay.
pub struct Bounded {
    inner: relay::Behaviour,
    /// How long a circuit may last.
    circuit_time: Duration,
    /// Connections that are up.
    up: BTreeMap<ConnectionId, ConnectedPoint>,
    /// Those with a reservation that has not ended, though it may not have been told yet.
    reserved: BTreeSet<ConnectionId>,
    circuits: Underway,
    closing: VecDeque<(PeerId, ConnectionId)>,
    outlet: Outlet,
    /// Rings when the first circuit is late.
    alarm: Option<(Instant, Delay)>,
}

impl Bounded {
    /// A relay of the node `us`. Who does not take its answers is told to `outlet`.
    pub fn new(us: PeerId, config: relay::Config, outlet: Outlet) -> Self {
        Self {
            circuit_time: config.max_circuit_duration,
            inner: relay::Behaviour::new(us, config),
            up: BTreeMap::new(),
            reserved: BTreeSet::new(),
            circuits: Underway::default(),
            closing: VecDeque::new(),
            outlet,
            alarm: None,
        }
    }

    /// Notes what libp2p has connections do.
    fn note(&mut self, action: Action) -> Action {
        let ToSwarm::NotifyHandler {
            peer_id,
            handler: NotifyHandler::One(connection),
            event: Either::Left(tells),
        } = action
        else {
            return action;
        };
        let told = |peer_id, connection, tells| ToSwarm::NotifyHandler {
            peer_id,
            handler: NotifyHandler::One(connection),
            event: Either::Left(tells),
        };
        match tells {
            Tells::AcceptReservationReq { .. } => {
                self.reserved.insert(connection);
            }
            Tells::NegotiateOutboundConnect {
                circuit_id,
                inbound_circuit_req,
                src_peer_id,
                src_connection_id,
            } => {
                let source = (src_peer_id, src_connection_id);
                let now = Instant::now();
                if !self.circuits.asked(circuit_id, source, connection, now)
                    && let Ok(status) = CONNECTION_FAILED.try_into()
                {
                    let denied = Tells::DenyCircuitReq {
                        circuit_id: Some(circuit_id),
                        inbound_circuit_req,
                        status,
                    };
                    return told(src_peer_id, src_connection_id, denied);
                }
                let asks = Tells::NegotiateOutboundConnect {
                    circuit_id,
                    inbound_circuit_req,
                    src_peer_id,
                    src_connection_id,
                };
                return told(peer_id, connection, asks);
            }
            _ => {}
        }
        told(peer_id, connection, tells)
    }

    /// Notes what a connection says of its circuits.
    fn hears(&mut self, said: &Said) {
        match said {
            Said::OutboundConnectNegotiated { circuit_id, .. }
            | Said::OutboundConnectNegotiationFailed { circuit_id, .. } => {
                self.circuits.answered(*circuit_id);
            }
            Said::CircuitReqAccepted { circuit_id, .. } => {
                let now = Instant::now();
                self.circuits.opened(*circuit_id, self.circuit_time, now);
            }
            Said::CircuitReqDenied {
                circuit_id: Some(circuit_id),
                ..
            }
            | Said::CircuitReqDenyFailed {
                circuit_id: Some(circuit_id),
                ..
            }
            | Said::CircuitReqAcceptFailed { circuit_id, .. }
            | Said::CircuitClosed { circuit_id, .. } => self.circuits.ended(*circuit_id),
            _ => {}
        }
    }

    /// Whether a circuit is late; sets the alarm for the first that will be.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let alarm = self.alarm.take();
        let Some(at) = self.circuits.next_time() else {
            return false;
        };
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        let mut alarm = alarm
            .filter(|(of, _)| *of == at)
            .unwrap_or_else(|| (at, Delay::new(left)));
        if alarm.1.poll_unpin(cx).is_ready() {
            return true;
        }
        self.alarm = Some(alarm);
        false
    }
}

impl NetworkBehaviour for Bounded {
    type ConnectionHandler = THandler<relay::Behaviour>;
    type ToSwarm = relay::Event;

    forward_to!(inner: pending, established);

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionEstablished(new) => {
                self.up.insert(new.connection_id, new.endpoint.clone());
            }
            FromSwarm::ConnectionClosed(closed) => {
                let connection = closed.connection_id;
                self.up.remove(&connection);
                self.reserved.remove(&connection);
                self.circuits.closed(connection);
            }
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if let Either::Left(said) = &event {
            self.hears(said);
        }
        let has_ended = matches!(event, Either::Left(Said::ReservationTimedOut {}));
        // A renewal that is taken only now is none: nobody has counted its place since its predecessor ended.
        if matches!(event, Either::Left(Said::ReservationReqAccepted { .. }))
            && !self.reserved.contains(&connection)
        {
            self.closing.push_back((peer, connection));
        }
        self.inner
            .on_connection_handler_event(peer, connection, event);
        if !has_ended {
            return;
        }
        self.reserved.remove(&connection);
        if let Some(endpoint) = self.up.get(&connection) {
            let again = ConnectionEstablished {
                peer_id: peer,
                connection_id: connection,
                endpoint,
                failed_addresses: &[],
                other_established: 0,
            };
            self.inner
                .on_swarm_event(FromSwarm::ConnectionEstablished(again));
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            if let Some((peer_id, connection)) = self.closing.pop_front() {
                self.outlet.emit(&Event::LimitReached {
                    limit: LIMIT.to_owned(),
                });
                return Poll::Ready(ToSwarm::CloseConnection {
                    peer_id,
                    connection: CloseConnection::One(connection),
                });
            }
            if let Poll::Ready(action) = self.inner.poll(cx) {
                return Poll::Ready(self.note(action));
            }
            if !self.is_late(cx) {
                return Poll::Pending;
            }
            self.closing.extend(self.circuits.late(Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests;
