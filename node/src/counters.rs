//! What happened so far, as numbers, and the one place where events leave the node.
//!
//! Every event is counted before it is shown, so that counters and events
//! never disagree. Owns no behaviour.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::Event;
use crate::environment::Observer;

/// Shows events to the observer and counts them by kind.
#[derive(Clone)]
pub struct Outlet {
    observer: Arc<dyn Observer>,
    counters: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

impl Outlet {
    /// An outlet to `observer`, all counters absent.
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        Self {
            observer,
            counters: Arc::default(),
        }
    }

    /// Counts `event` and shows it.
    pub fn emit(&self, event: &Event) {
        self.add(event.name(), 1);
        self.observer.event(event);
    }

    /// Adds to a counter that no event stands for.
    pub fn add(&self, counter: &'static str, amount: u64) {
        if amount == 0 {
            return;
        }
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let value = counters.entry(counter).or_insert(0);
        *value = value.saturating_add(amount);
    }

    /// All counters that are not zero, sorted by name.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect()
    }
}

impl Event {
    /// The name of an event's kind, by which it is counted.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Listening { .. } => "listening",
            Event::Connected { .. } => "connected",
            Event::Disconnected { .. } => "disconnected",
            Event::DialFailed { .. } => "dial-failed",
            Event::NeighbourFound { .. } => "neighbour-found",
            Event::NeighbourGone { .. } => "neighbour-gone",
            Event::PortMapped { .. } => "port-mapped",
            Event::PortUnmapped { .. } => "port-unmapped",
            Event::PortMappingFailed { .. } => "port-mapping-failed",
            Event::Registered { .. } => "registered",
            Event::Found { .. } => "found",
            Event::NotFound { .. } => "not-found",
            Event::Reached { .. } => "reached",
            Event::ReachFailed { .. } => "reach-failed",
            Event::HolePunching { .. } => "hole-punching",
            Event::HolePunchFailed { .. } => "hole-punch-failed",
            Event::Upgraded { .. } => "upgraded",
            Event::QueryBegan { .. } => "query-began",
            Event::QueryEnded { .. } => "query-ended",
            Event::AddressPublished { .. } => "address-published",
            Event::Pinged { .. } => "pinged",
            Event::Authenticated { .. } => "authenticated",
            Event::CertificateChanged { .. } => "certificate-changed",
            Event::Posted { .. } => "posted",
            Event::Granted { .. } => "granted",
            Event::Received { .. } => "received",
            Event::GossipReceived { .. } => "gossip-received",
            Event::GroupJoined { .. } => "group-joined",
            Event::GroupLeft { .. } => "group-left",
            Event::MeshChanged { .. } => "mesh-changed",
            Event::GossipDropped { .. } => "gossip-dropped",
            Event::GossipRefused { .. } => "gossip-refused",
            Event::GossipStreamReset { .. } => "gossip-stream-reset",
            Event::PullEnded { .. } => "pull-ended",
            Event::PullFailed { .. } => "pull-failed",
            Event::Refused { .. } => "refused",
            Event::Forked { .. } => "forked",
            Event::PostsMissing { .. } => "posts-missing",
            Event::OwnLogEnded { .. } => "own-log-ended",
            Event::IndexRebuilt { .. } => "index-rebuilt",
            Event::AddressTested { .. } => "address-tested",
            Event::RelayReserved { .. } => "relay-reserved",
            Event::RelayReservationFailed { .. } => "relay-reservation-failed",
            Event::RelayReservationLost { .. } => "relay-reservation-lost",
            Event::RelayGranted { .. } => "relay-granted",
            Event::RelayRefused { .. } => "relay-refused",
            Event::RelayReleased { .. } => "relay-released",
            Event::CircuitOpened { .. } => "circuit-opened",
            Event::CircuitClosed { .. } => "circuit-closed",
            Event::CircuitDenied { .. } => "circuit-denied",
            Event::ListeningEnded { .. } => "listening-ended",
            Event::LimitReached { .. } => "limit-reached",
            Event::StorageFailed { .. } => "storage-failed",
            Event::PostSetAside { .. } => "post-set-aside",
            Event::ReaderLeftOut { .. } => "reader-left-out",
            Event::KeysAreOld { .. } => "keys-are-old",
        }
    }
}
