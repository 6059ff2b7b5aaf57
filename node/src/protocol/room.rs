//! How much of the feeds a connection carries: whatever there is, or what is left of a circuit.
//!
//! Owns how large a page of an answer may be, and how much both ends have used of a circuit. A
//! relay cuts a circuit when it has carried what it may, so that only whole pages that fit are
//! ever of use; it counts what both ends send, also what is not theirs to count here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pull::{PAGE_ITEMS_BYTES, PageBounds};

/// What handshakes, identify, pings and frames' heads take of a circuit, in bytes: 5 KiB were
/// measured between two nodes with feeds and DCUtR, on 2026-11-29.
const RESERVE_BYTES: u64 = 8 * 1024;

/// What the requests of some pulls may have used of a circuit that is still taken for a fresh one.
const REQUESTS_BYTES: u64 = 1024;

/// A page on a circuit is closed once its items have this many bytes, or this share of what the
/// circuit carries: what is cut off with the circuit is at most one page, and also a slow link
/// passes one in the two minutes that a circuit lasts.
const CIRCUIT_PAGE_BYTES: u64 = 16 * 1024;
const PAGES_OF_CIRCUIT: u64 = 8;

/// What relays allow that do not say otherwise (libp2p-relay 0.22).
const ASSUMED_BYTES: u64 = 1 << 17;

/// What a relay allows a circuit, both directions together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitLimit {
    /// Most bytes; `None`: as many as there are.
    pub bytes: Option<u64>,
    /// Whether it lasts only for a time.
    pub timed: bool,
}

impl Default for CircuitLimit {
    fn default() -> Self {
        Self {
            bytes: Some(ASSUMED_BYTES),
            timed: true,
        }
    }
}

/// The room for feeds on one connection. Clones share it.
#[derive(Debug, Clone)]
pub struct Room(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Set if a relay carries the connection.
    limit: Option<CircuitLimit>,
    /// Bytes of feeds in either direction.
    used: u64,
}

/// What fits on a connection now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fits {
    /// How large the next page may be.
    pub page: PageBounds,
    /// How large it could be on a fresh circuit.
    pub on_fresh_circuit: usize,
}

impl Room {
    /// That of a direct connection, or of a circuit whose relay has not said yet what it allows.
    pub fn new(relayed: bool) -> Self {
        let limit = relayed.then(CircuitLimit::default);
        Self(Arc::new(Mutex::new(State { limit, used: 0 })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The relay has said what it allows.
    pub fn limit(&self, limit: CircuitLimit) {
        self.state().limit = Some(limit);
    }

    /// Whether what both ends send counts towards one bound.
    pub fn is_shared(&self) -> bool {
        self.state()
            .limit
            .is_some_and(|limit| limit.bytes.is_some())
    }

    /// So many bytes of feeds have been sent or have come.
    pub fn uses(&self, bytes: usize) {
        let mut state = self.state();
        state.used = state.used.saturating_add(bytes as u64);
    }

    /// What fits now.
    pub fn fits(&self) -> Fits {
        let state = self.state();
        let all = PageBounds::default();
        let Some(limit) = state.limit else {
            return Fits::unbounded(all);
        };
        let Some(bytes) = limit.bytes else {
            let items_bytes = if limit.timed {
                CIRCUIT_PAGE_BYTES as usize
            } else {
                PAGE_ITEMS_BYTES
            };
            return Fits::unbounded(PageBounds { items_bytes, ..all });
        };
        let whole = bytes.saturating_sub(RESERVE_BYTES);
        let left = whole.saturating_sub(state.used);
        let soft = (bytes / PAGES_OF_CIRCUIT).clamp(1, CIRCUIT_PAGE_BYTES);
        Fits {
            page: PageBounds {
                items_bytes: saturated(soft),
                whole_bytes: saturated(left),
            },
            on_fresh_circuit: saturated(whole.saturating_sub(REQUESTS_BYTES)),
        }
    }
}

impl Fits {
    fn unbounded(page: PageBounds) -> Self {
        Self {
            page,
            on_fresh_circuit: usize::MAX,
        }
    }
}

fn saturated(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(bytes: Option<u64>, timed: bool) -> Room {
        let room = Room::new(true);
        room.limit(CircuitLimit { bytes, timed });
        room
    }

    #[test]
    fn a_direct_connection_and_an_unlimited_circuit_carry_whole_pages() {
        for room in [Room::new(false), limited(None, false)] {
            room.uses(1 << 30);
            assert_eq!(room.fits(), Fits::unbounded(PageBounds::default()));
            assert!(!room.is_shared());
        }
    }

    #[test]
    fn pages_of_a_circuit_are_small_and_fit_what_is_left() {
        let check = |room: &Room, soft: usize, hard: usize| {
            let page = room.fits().page;
            assert_eq!((page.items_bytes, page.whole_bytes), (soft, hard));
        };
        let assumed = Room::new(true);
        check(&assumed, 16 * 1024, 120 * 1024);
        assumed.uses(100 * 1024);
        check(&assumed, 16 * 1024, 20 * 1024);
        assumed.uses(100 * 1024);
        check(&assumed, 16 * 1024, 0);
        check(&limited(Some(16 * 1024), true), 2 * 1024, 8 * 1024);
        check(&limited(Some(100), true), 12, 0);
        check(&limited(None, true), 16 * 1024, usize::MAX);
    }

    #[test]
    fn what_fits_no_circuit_is_told_from_what_fits_this_one_no_more() {
        let room = limited(Some(48 * 1024), true);
        room.uses(REQUESTS_BYTES as usize);
        let fits = room.fits();
        assert_eq!(fits.page.whole_bytes, fits.on_fresh_circuit);
        room.uses(1);
        assert!(room.fits().page.whole_bytes < fits.on_fresh_circuit);
        assert_eq!(room.fits().on_fresh_circuit, fits.on_fresh_circuit);
    }
}
