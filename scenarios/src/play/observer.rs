//! What nodes tell of themselves, and where it is noted.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use libp2p::PeerId;
use orrery_node::api::Event;
use orrery_node::environment::Observer;
use orrery_node::protocol::{FEED_PROTOCOL, Reason};

use super::run::{Run, State};
use crate::workload::NodeEvent;

/// Passes on what the node of a host tells.
pub struct NodeObserver {
    pub run: Arc<Run>,
    pub host: u32,
}

impl Observer for NodeObserver {
    fn event(&self, event: &Event) {
        self.run.testbed.report(self.host, &told(event));
        self.run.note(self.host, event);
    }
}

/// An event's name and its fields one after the other, for the trace hash: what `Hash` feeds to a
/// hasher is unambiguous, and costs a tenth of writing it as JSON. `Hash` begins with the variant's
/// position, in whose place the name stands: a new kind of event changes no hash of the others.
fn told(event: &Event) -> Vec<u8> {
    let mut fields = Bytes::default();
    event.hash(&mut fields);
    let fields = &fields.0[size_of::<isize>()..];
    [event.name().as_bytes(), &[0], fields].concat()
}

/// What is fed to a hasher.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Never asked for: the bytes themselves are hashed.
    fn finish(&self) -> u64 {
        0
    }
}

impl Run {
    fn note(&self, host: u32, event: &Event) {
        let now_ns = self.now_ns();
        let measured = self.is_measured(now_ns);
        let mut state = self.state();
        let state = &mut *state;
        state.counters.told(host);
        if measured {
            let names = &state.names;
            let is_teller = |peer: &PeerId| names.of_peer(peer) == Some(host);
            state.measured.note(&is_teller, now_ns, event);
        }
        state.trackers.on_event(&NodeEvent {
            host,
            now_ns,
            measured,
            event,
            names: &state.names,
            nodes: &state.nodes,
        });
        match event {
            Event::Posted {
                op,
                stamp_ms,
                readers,
            } => {
                let public = readers.is_empty();
                let readers: Vec<u32> = if public {
                    self.world.friends.of(host).to_vec()
                } else {
                    readers
                        .iter()
                        .filter_map(|reader| state.names.of_identity(reader))
                        .filter(|&reader| {
                            let program = &self.scenario.group_of(reader).program;
                            program.is_owed_posts()
                        })
                        .collect()
                };
                state
                    .ledger
                    .posted(*op, host, now_ns, *stamp_ms, readers, public);
            }
            Event::Granted { op, reader } => {
                if let Some(reader) = state.names.of_identity(reader) {
                    state.ledger.granted(*op, reader, now_ns);
                }
            }
            Event::Received { op, .. } => {
                state.last_received_ns.insert(host, now_ns);
                state.ledger.received(*op, host, now_ns);
            }
            // What comes with each message is of no concern to anything below.
            Event::GossipReceived { .. } => {}
            Event::Pinged { peer, rtt_us } => {
                if let Some(peer) = state.names.of_peer(peer).filter(|_| measured) {
                    let ends = (self.region(host), self.region(peer));
                    state.counters.pinged(now_ns, ends, *rtt_us);
                }
            }
            Event::NeighbourFound { peer, .. } => {
                if let Some(peer) = state.names.of_peer(peer) {
                    let neighbourhood = &mut state.neighbourhood;
                    neighbourhood.found((host, peer), now_ns, measured);
                }
            }
            Event::Refused {
                peer,
                protocol,
                reason,
            } => {
                state.counters.note(host, now_ns, measured, event);
                state.refuses(host, peer, [protocol, reason], now_ns);
            }
            other => {
                state.counters.note(host, now_ns, measured, other);
                let host_of = |peer: &PeerId| state.names.of_peer(peer);
                state.relays.note(host, now_ns, measured, other, host_of);
                state.overlay.note(host, now_ns, other, host_of);
                if self.follows_links() {
                    state.links_change(host, now_ns, other);
                }
            }
        }
    }
}

impl State {
    /// The node on `host` has turned a request down.
    fn refuses(&mut self, host: u32, peer: &PeerId, [protocol, reason]: [&str; 2], now_ns: u64) {
        if protocol == FEED_PROTOCOL.as_ref()
            && reason == Reason::TooLargeForRelay.name()
            && let Some(reader) = self.names.of_peer(peer)
        {
            self.ledger.too_large(host, reader, now_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use orrery_node::api::{Event, LookupMethod, Miss, NoMapping, Path, Transport, Unreached};

    use super::{Bytes, Hash, told};

    #[test]
    fn what_is_told_begins_with_the_events_name() {
        let event = Event::LimitReached {
            limit: "peers".into(),
        };
        assert_eq!(told(&event), b"limit-reached\0peers\xff");
    }

    /// Fields are told by position: a choice that is added goes behind these.
    #[test]
    fn choices_within_events_keep_their_positions() {
        use LookupMethod::{Friends, Kad, Known, Mdns, Relay, Rendezvous};
        use Miss::{Absent, Busy, NoAddress, NobodyToAsk, Off, Wrong};
        use Transport::{Circuit, Other, Quic, Tcp};
        use Unreached::{NotConnected, NotFound, TimedOut};

        fn positions<T: Hash + Copy>(choices: &[T]) -> bool {
            choices.iter().enumerate().all(|(position, choice)| {
                let mut bytes = Bytes::default();
                choice.hash(&mut bytes);
                bytes.0 == position.to_ne_bytes()
            })
        }
        assert!(positions(&[
            Off,
            Absent,
            NoAddress,
            NobodyToAsk,
            Wrong,
            Busy,
            Miss::TimedOut
        ]));
        assert!(positions(&[NoMapping::NoRouter, NoMapping::NotPublic]));
        assert!(positions(&[Path::Direct, Path::HolePunched, Path::Relayed]));
        assert!(positions(&[Known, Mdns, Kad, Rendezvous, Friends, Relay]));
        assert!(positions(&[Tcp, Quic, Circuit, Other]));
        assert!(positions(&[NotFound, NotConnected, TimedOut]));
    }
}
