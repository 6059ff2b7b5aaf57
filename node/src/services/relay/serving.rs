//! Relaying for others: what libp2p's relay reports, told with its reasons.

use std::collections::BTreeMap;

use libp2p::PeerId;
use libp2p::relay::{self, StatusCode};

use crate::api::Event;
use crate::core::Core;
use crate::entry::Use;
use crate::relay::{CircuitDenial, CircuitEnd, Refusal, RequestKind};

use super::Relays;

/// Places that this node holds for others, by peer; as many as the relay's limit at most.
#[derive(Debug, Default)]
pub(super) struct Granted(BTreeMap<PeerId, usize>);

impl Granted {
    /// One more place for `peer`.
    fn add(&mut self, peer: PeerId) {
        *self.0.entry(peer).or_default() += 1;
    }

    /// Takes back what `peer` has beyond `most`, and says whether there was something.
    fn keep_at_most(&mut self, peer: &PeerId, most: usize) -> bool {
        let Some(places) = self.0.get_mut(peer).filter(|places| **places > most) else {
            return false;
        };
        *places = most;
        if most == 0 {
            self.0.remove(peer);
        }
        true
    }

    /// All places that are taken.
    fn total(&self) -> usize {
        self.0.values().sum()
    }

    fn of(&self, peer: &PeerId) -> usize {
        self.0.get(peer).copied().unwrap_or(0)
    }
}

impl Relays {
    /// libp2p's relay tells what it has done. Its deprecated events add nothing to these:
    /// they speak of answers that could not be sent.
    pub fn on_relay(&mut self, core: &mut Core, event: relay::Event) {
        use relay::Event as Happened;
        match event {
            Happened::ReservationReqAccepted {
                src_peer_id: peer,
                renewed,
            } => {
                let limits = &mut core.swarm.behaviour_mut().limits;
                limits.is_good_for(&peer, Use::Served);
                if !renewed {
                    self.granted.add(peer);
                    self.write_on_board();
                }
                core.emit(&Event::RelayGranted {
                    peer,
                    renewal: renewed,
                });
            }
            Happened::ReservationReqDenied {
                src_peer_id: peer,
                status,
            } => core.emit(&Event::RelayRefused {
                peer,
                reason: self.reason(RequestKind::Reserve, peer, &status).to_owned(),
            }),
            Happened::ReservationTimedOut { src_peer_id: peer } => {
                self.policy.expired(peer);
                let left = self.granted.of(&peer).saturating_sub(1);
                self.released(core, peer, left, "expired");
            }
            // Told of every connection that closes, whether or not there was a place on it.
            Happened::ReservationClosed { src_peer_id: peer } => {
                let left = core.links.with_peer(&peer).len();
                self.released(core, peer, left, "connection-closed");
            }
            Happened::CircuitReqAccepted {
                src_peer_id: from,
                dst_peer_id: to,
            } => {
                self.policy.circuit_opened(from);
                core.emit(&Event::CircuitOpened {
                    relay: Some(*core.swarm.local_peer_id()),
                    from,
                    to,
                });
            }
            Happened::CircuitReqDenied {
                src_peer_id: from,
                dst_peer_id: to,
                status,
            } => {
                // That status is the policy's, too, which counts no circuit that it refuses.
                if !matches!(status, StatusCode::ResourceLimitExceeded) {
                    self.policy.circuit_ended(from, false);
                }
                self.make_way(core);
                let reason = self.reason(RequestKind::Connect, from, &status);
                core.emit(&Event::CircuitDenied {
                    relay: Some(*core.swarm.local_peer_id()),
                    from,
                    to: Some(to),
                    reason: reason.to_owned(),
                });
            }
            Happened::CircuitClosed {
                src_peer_id: from,
                dst_peer_id: to,
                error,
            } => {
                self.policy.circuit_ended(from, true);
                core.emit(&Event::CircuitClosed {
                    relay: Some(*core.swarm.local_peer_id()),
                    from,
                    to,
                    reason: CircuitEnd::of_relay(error.as_ref()),
                });
            }
            _ => {}
        }
    }

    /// Ends circuits of sites that have many for one that has found no room.
    fn make_way(&self, core: &mut Core) {
        for source in self.policy.giving_way() {
            core.context.limit_reached("relay-circuits");
            for connection in core.links.with_peer(&source) {
                core.swarm.close_connection(connection);
            }
        }
    }

    /// Why a request was refused: what the policy knows of it, or else the status that was sent.
    fn reason(&self, request: RequestKind, peer: PeerId, status: &StatusCode) -> &'static str {
        let known = match status {
            StatusCode::ResourceLimitExceeded => self.policy.refusal(request, peer),
            _ => None,
        };
        known.map_or_else(|| CircuitDenial::of_status(status).name(), Refusal::name)
    }

    /// Tells the policy whom this node follows.
    pub(super) fn admit_friends(&self, core: &Core) {
        if core.context.config.relay.enabled {
            self.policy.set_friends(core.friends.peers().collect());
        }
    }

    fn write_on_board(&self) {
        let taken = self.granted.total();
        self.load.set_reservations(taken);
    }

    fn released(&mut self, core: &mut Core, peer: PeerId, left: usize, reason: &str) {
        if self.granted.keep_at_most(&peer, left) {
            self.write_on_board();
            core.emit(&Event::RelayReleased {
                peer,
                reason: reason.to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_released_once() {
        let mut granted = Granted::default();
        let peer = PeerId::random();
        assert!(!granted.keep_at_most(&peer, 0));
        granted.add(peer);
        assert_eq!(granted.of(&peer), 1);
        assert!(!granted.keep_at_most(&peer, 1));
        assert!(granted.keep_at_most(&peer, 0));
        assert!(!granted.keep_at_most(&peer, 0));
    }
}
