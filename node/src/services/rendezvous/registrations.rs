//! Being registered at rendezvous points, so that others find us there.
//!
//! Owns when a point is given our addresses: once it is known to be one, when they change,
//! at half of the time that it keeps them, and again after it was away, for it may have
//! forgotten us. A point that refuses, or is silent, is left alone for a while.

use std::time::{Duration, Instant};

use libp2p::core::PeerRecord;
use libp2p::request_response::OutboundRequestId;
use libp2p::{Multiaddr, PeerId};

use crate::api::Event;
use crate::core::Core;
use crate::discovery::rendezvous::{Request, Response, fitting, namespace, renew_after};
use crate::protocol::Reason;
use crate::scope::Scope;

use super::{Point, Points, Silence};

/// The pause before a refused registration is tried again.
const RETRY: Duration = Duration::from_mins(1);

/// Whether a point has our addresses.
#[derive(Debug, Default)]
pub(super) enum Registered {
    /// No, or we cannot know.
    #[default]
    No,
    /// It has been asked to take them.
    Asked {
        request: OutboundRequestId,
        /// They have changed since.
        stale: bool,
    },
    /// It has them.
    Yes,
    /// It has not taken them, and is asked again later.
    Refused,
}

impl Registered {
    /// Whether `request` is the one that has been sent.
    pub(super) fn waits_for(&self, request: OutboundRequestId) -> bool {
        matches!(self, Self::Asked { request: sent, .. } if *sent == request)
    }
}

impl Points {
    /// Addresses at which we can be reached have come or gone.
    pub(super) fn register_everywhere(&mut self, core: &mut Core) {
        let points: Vec<_> = self.all.keys().copied().collect();
        for point in points {
            self.register_at(core, point);
        }
    }

    /// A peer is connected, who may be farther away than all others: points that have an address which
    /// must not be known any longer are given others.
    pub(super) fn register_where_too_much_is_told(&mut self, core: &mut Core) {
        let farthest = core.links.farthest();
        let tells = |point: &Point| point.nearest.is_some_and(|nearest| nearest < farthest);
        let points = self.all.iter().filter(|(_, point)| tells(point));
        for point in points.map(|(point, _)| *point).collect::<Vec<_>>() {
            self.register_at(core, point);
        }
    }

    /// A registration has to be renewed, or the pause after a refusal is over.
    pub(super) fn renew_at(&mut self, core: &mut Core, point: PeerId) {
        if let Some(state) = self.all.get_mut(&point) {
            state.registered = Registered::No;
            self.register_at(core, point);
        }
    }

    /// Gives a point our addresses, unless it has refused them a moment ago.
    pub(super) fn register_at(&mut self, core: &mut Core, point: PeerId) {
        let Some(state) = self.all.get_mut(&point) else {
            return;
        };
        match &mut state.registered {
            Registered::No | Registered::Yes => {}
            Registered::Asked { stale, .. } => {
                *stale = true;
                return;
            }
            Registered::Refused => return,
        }
        // Who is not connected is registered with after the next identification.
        if !core.links.has_peer(&point) {
            return;
        }
        if let Some(until) = state.distrusted_until(Instant::now()) {
            self.timers.set(point, until);
            return;
        }
        let mut addresses: Vec<_> = core.swarm.external_addresses().cloned().collect();
        // The point tells them to whoever asks.
        let farthest = core.links.farthest();
        addresses.retain(|address| farthest.may_know(address));
        // It keeps them for hours, and may tell who comes later.
        let is_public = |address: &Multiaddr| Scope::of(address) == Scope::World;
        if addresses.iter().any(is_public) {
            addresses.retain(is_public);
        }
        // Without an address it is tried again when there is one.
        if addresses.is_empty() {
            return;
        }
        addresses.sort_unstable();
        let addresses = fitting(addresses);
        state.nearest = addresses.iter().map(Scope::of).min();
        let record = match PeerRecord::new(core.context.keys.transport(), addresses) {
            Ok(record) => record.into_signed_envelope().into_protobuf_encoding(),
            Err(error) => return tracing::warn!(%error, "cannot sign our addresses"),
        };
        let wanted = Request::Register {
            namespace: namespace(core.context.keys.identity()),
            record,
            ttl_s: Some(core.context.config.rendezvous.ttl.get().as_secs()),
        };
        self.timers.cancel(point);
        if let Some(client) = core.swarm.behaviour_mut().rendezvous.as_mut() {
            let request = client.send_request(&point, Ok(wanted));
            state.registered = Registered::Asked {
                request,
                stale: false,
            };
        }
    }

    /// A point has answered that it takes our addresses, or not.
    pub(super) fn register_answered(
        &mut self,
        core: &mut Core,
        point: PeerId,
        answer: Result<Response, Silence>,
    ) {
        let (registered, after) = match answer {
            Ok(Response::Registered { ttl_s }) => {
                core.emit(&Event::Registered { point, ttl_s });
                let after = renew_after(ttl_s, &core.context.config.rendezvous);
                (Registered::Yes, after)
            }
            answer => {
                tracing::info!(%point, ?answer, "a rendezvous point does not register us");
                core.context.outlet.add("rendezvous-register-failed", 1);
                match answer {
                    Ok(Response::Discovered { .. } | Response::NotDiscovered { .. })
                    | Err(Silence::Unreadable) => {
                        self.distrust(core, point, Reason::Malformed);
                    }
                    // This answer is the point's alone.
                    Err(Silence::Oversized) => self.distrust(core, point, Reason::Oversized),
                    Ok(_) | Err(Silence::Fault) => {}
                }
                (Registered::Refused, RETRY)
            }
        };
        let Some(state) = self.all.get_mut(&point) else {
            return;
        };
        let before = std::mem::replace(&mut state.registered, registered);
        self.timers.set(point, Instant::now() + after);
        if matches!(before, Registered::Asked { stale: true, .. }) {
            self.register_at(core, point);
        }
    }

    /// There is no connection with a point any more: it may have lost its memory.
    pub(super) fn on_point_gone(&mut self, point: PeerId) {
        if let Some(state) = self.all.get_mut(&point) {
            state.registered = Registered::No;
            self.timers.cancel(point);
        }
    }
}
