//! The one event queue: a heap from which any event can be taken out again.
//!
//! Most timers never fire: a connection's idle timer is pushed back at every
//! packet. A plain heap would carry the dead ones until their time comes, so
//! every event here knows its place in the heap and can be moved or removed.

use super::order::Key;
use crate::prefetch::prefetch;

/// Names an event that waits in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    slot: u32,
    generation: u32,
}

/// Events in the order of their [`Key`]s. Insertion, removal and rescheduling
/// cost O(log n).
pub struct Queue<E> {
    /// A 4-ary heap of keys with the slot of each event.
    heap: Vec<(Key, u32)>,
    slots: Vec<Slot<E>>,
    /// Where in the heap each slot's event is. Apart from the slots, because
    /// every move within the heap writes here: 16 to a cache line.
    positions: Vec<u32>,
    free: Vec<u32>,
}

struct Slot<E> {
    generation: u32,
    event: Option<E>,
}

const ARITY: usize = 4;

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self {
            heap: Vec::new(),
            slots: Vec::new(),
            positions: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<E> Queue<E> {
    /// Waiting events.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// The key of the next event.
    pub fn peek(&self) -> Option<Key> {
        self.heap.first().map(|entry| entry.0)
    }

    /// The next event. Those of which one follows it are prefetched, so that this
    /// costs little when it is their turn.
    pub fn prefetch_next(&self) -> Option<(Key, &E)> {
        let (key, slot) = self.heap.first()?;
        for (_, slot) in self.heap.iter().skip(1).take(ARITY) {
            prefetch(&self.slots[*slot as usize]);
        }
        let event = self.slots[*slot as usize].event.as_ref()?;
        Some((*key, event))
    }

    /// Adds an event.
    pub fn push(&mut self, key: Key, event: E) -> Ticket {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                event: None,
            });
            self.positions.push(0);
            self.slots.len() as u32 - 1
        });
        self.slots[slot as usize].event = Some(event);
        self.heap.push((key, slot));
        self.sift_up(self.heap.len() - 1);
        Ticket {
            slot,
            generation: self.slots[slot as usize].generation,
        }
    }

    /// Takes the next event.
    pub fn pop(&mut self) -> Option<(Key, E)> {
        let (key, slot) = *self.heap.first()?;
        let event = self.take(slot);
        Some((key, event))
    }

    /// Takes an event out before its time. `None` if it is gone already.
    pub fn cancel(&mut self, ticket: Ticket) -> Option<E> {
        self.holds(ticket).then(|| self.take(ticket.slot))
    }

    /// Moves a waiting event to another place in the order. False if it is gone.
    pub fn reschedule(&mut self, ticket: Ticket, key: Key) -> bool {
        if !self.holds(ticket) {
            return false;
        }
        let position = self.positions[ticket.slot as usize] as usize;
        let before = std::mem::replace(&mut self.heap[position].0, key);
        if key < before {
            self.sift_up(position);
        } else {
            self.sift_down(position);
        }
        true
    }

    fn holds(&self, ticket: Ticket) -> bool {
        self.slots
            .get(ticket.slot as usize)
            .is_some_and(|slot| slot.generation == ticket.generation && slot.event.is_some())
    }

    fn take(&mut self, slot: u32) -> E {
        let entry = &mut self.slots[slot as usize];
        let position = self.positions[slot as usize] as usize;
        let event = entry
            .event
            .take()
            .expect("a slot in the heap holds an event");
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(slot);
        self.heap.swap_remove(position);
        if position < self.heap.len() {
            // The former last entry may belong above or below its new place.
            // If it moves up, its old parent comes here, which stays.
            self.sift_up(position);
            self.sift_down(position);
        }
        event
    }

    fn sift_up(&mut self, mut position: usize) {
        let entry = self.heap[position];
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if self.heap[parent].0 <= entry.0 {
                break;
            }
            self.place(position, self.heap[parent]);
            position = parent;
        }
        self.place(position, entry);
    }

    fn sift_down(&mut self, mut position: usize) {
        let entry = self.heap[position];
        while let Some(least) = self.least_child(position) {
            let child = self.heap[least];
            if entry.0 <= child.0 {
                break;
            }
            self.place(position, child);
            position = least;
        }
        self.place(position, entry);
    }

    /// Where the least of the entries below `position` is, if there are any.
    fn least_child(&self, position: usize) -> Option<usize> {
        let first = position * ARITY + 1;
        let below = self.heap.get(first..).filter(|below| !below.is_empty())?;
        let Some(children) = below.first_chunk::<ARITY>() else {
            return (first..self.heap.len()).min_by_key(|&child| self.heap[child].0);
        };
        // In pairs, so that the processor compares two at a time and has nothing to guess.
        let keys = children.map(|child| child.0);
        let left = usize::from(keys[1] < keys[0]);
        let right = 2 + usize::from(keys[3] < keys[2]);
        let least = if keys[right] < keys[left] {
            right
        } else {
            left
        };
        Some(first + least)
    }

    fn place(&mut self, position: usize, entry: (Key, u32)) {
        self.heap[position] = entry;
        self.positions[entry.1 as usize] = position as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::super::order::{Class, HostId};
    use super::*;
    use crate::time::SimTime;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn key(time: u64, sequence: u64) -> Key {
        Key::new(SimTime::from_nanos(time), Class::Timer, HostId(0), sequence)
    }

    proptest! {
        #[test]
        fn the_queue_behaves_as_a_sorted_map(
            steps in prop::collection::vec((0_u8..4, 0_u64..50, 0_usize..64), 1..400)
        ) {
            let mut queue = Queue::default();
            let mut model = BTreeMap::new();
            let mut tickets = Vec::new();
            for (sequence, (action, time, pick)) in steps.into_iter().enumerate() {
                let new = key(time, sequence as u64);
                match action {
                    0 | 1 => {
                        tickets.push((queue.push(new, sequence), new));
                        model.insert(new, sequence);
                    }
                    2 => prop_assert_eq!(queue.pop(), model.pop_first()),
                    _ if tickets.is_empty() => {}
                    _ => {
                        let at = pick % tickets.len();
                        let (ticket, old) = tickets[at];
                        if pick % 2 == 0 {
                            prop_assert_eq!(queue.cancel(ticket), model.remove(&old));
                        } else {
                            let held = model.remove(&old);
                            prop_assert_eq!(queue.reschedule(ticket, new), held.is_some());
                            model.extend(held.map(|event| (new, event)));
                            tickets[at].1 = new;
                        }
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.peek(), model.keys().next().copied());
            }
            while let Some(next) = queue.pop() {
                prop_assert_eq!(Some(next), model.pop_first());
            }
            prop_assert!(model.is_empty());
        }
    }

    #[test]
    fn a_ticket_of_a_past_event_touches_no_other() {
        let mut queue = Queue::default();
        let old = queue.push(key(1, 0), "old");
        assert_eq!(queue.pop(), Some((key(1, 0), "old")));
        queue.push(key(2, 1), "new");
        assert_eq!(queue.cancel(old), None);
        assert!(!queue.reschedule(old, key(0, 2)));
        assert_eq!(queue.len(), 1);
    }
}
