//! Slots for strangers whose pulls are being answered.
//!
//! An answer holds a page in memory until its reader has taken it, so there are only so many at
//! once. Who comes when all are taken gets that of a pull from the address or network that has most
//! of them, and is turned away only where nobody has more than it. Friends need no slot: their
//! pulls are bounded by their connections. Knows no requests and no streams.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;

use crate::entry::{Guest, Origin, gives_way};

/// How useful a pull is that is being answered, and one that asks for a slot: among equals the
/// work that was begun is not thrown away.
const BEGUN: u8 = 1;
const NEWCOMER: u8 = 0;

/// The slots. Copies of its `Arc` are the same slots.
pub struct PullSlots {
    max: usize,
    room: Mutex<Room>,
}

#[derive(Default)]
struct Room {
    taken: BTreeMap<u64, Taken>,
    next: u64,
}

struct Taken {
    origin: Arc<Origin>,
    /// Dropped, it tells the slot's holder that it is gone.
    _holds: oneshot::Sender<()>,
}

impl PullSlots {
    /// So many slots, all of them free.
    pub fn new(max: u32) -> Self {
        Self {
            max: max as usize,
            room: Mutex::default(),
        }
    }

    /// A slot for a pull from `origin`, if there is one or another's is taken for it.
    pub fn enter(self: &Arc<Self>, origin: &Arc<Origin>) -> Option<PullSlot> {
        let mut room = self.room();
        let id = room.next;
        if room.taken.len() >= self.max {
            let newcomer = Guest {
                key: id,
                origin: origin.as_ref(),
                rank: NEWCOMER,
                used: id,
            };
            let guests: Vec<_> = room
                .taken
                .iter()
                .map(|(id, taken)| Guest {
                    key: *id,
                    origin: taken.origin.as_ref(),
                    rank: BEGUN,
                    used: *id,
                })
                .chain([newcomer])
                .collect();
            let gone = gives_way(&guests).filter(|gone| *gone != id)?;
            room.taken.remove(&gone);
        }
        let (holds, given_up) = oneshot::channel();
        room.next += 1;
        let taken = Taken {
            origin: Arc::clone(origin),
            _holds: holds,
        };
        room.taken.insert(id, taken);
        Some(PullSlot {
            of: Arc::clone(self),
            id,
            given_up,
        })
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slot, until it is dropped or given up for another.
pub struct PullSlot {
    of: Arc<PullSlots>,
    id: u64,
    given_up: oneshot::Receiver<()>,
}

impl PullSlot {
    /// Ends when the slot has been given up for another's pull.
    pub async fn given_up(&mut self) {
        // Nothing is ever sent: it ends as the other end is dropped.
        let _ = (&mut self.given_up).await;
    }
}

impl Drop for PullSlot {
    fn drop(&mut self) {
        self.of.room().taken.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn origin(ip: &str) -> Arc<Origin> {
        let address = |ip: &str| {
            let address = format!("/ip4/{ip}/tcp/1").parse();
            address.expect("the test lists addresses")
        };
        Arc::new(Origin::new(&address("192.0.2.1"), &address(ip)))
    }

    fn is_given_up(slot: &mut PullSlot) -> bool {
        slot.given_up().now_or_never().is_some()
    }

    #[test]
    fn a_newcomer_from_elsewhere_gets_a_place_of_those_who_have_most() {
        let slots = Arc::new(PullSlots::new(4));
        let enter = |ip| slots.enter(&origin(ip));
        let mut alone = enter("1.1.1.1").expect("free");
        let mut crowd = [(); 3].map(|()| enter("2.2.2.2").expect("free"));
        assert!(enter("2.2.2.2").is_none(), "it has more than others");
        let _newcomer = enter("3.3.3.3").expect("given up");
        let gone = crowd.each_mut().map(is_given_up);
        assert_eq!(gone, [true, false, false], "the oldest of the crowd goes");
        assert!(!is_given_up(&mut alone));
        assert_eq!(slots.room().taken.len(), 4);
    }

    #[test]
    fn among_equals_what_was_begun_goes_on() {
        let slots = Arc::new(PullSlots::new(2));
        let enter = |ip| slots.enter(&origin(ip));
        let first = enter("1.1.1.1").expect("free");
        let _second = enter("2.2.2.2").expect("free");
        assert!(enter("3.3.3.3").is_none());
        drop(first);
        assert!(enter("3.3.3.3").is_some());
    }

    #[test]
    fn without_slots_strangers_are_turned_away() {
        assert!(
            Arc::new(PullSlots::new(0))
                .enter(&origin("1.1.1.1"))
                .is_none()
        );
    }
}
