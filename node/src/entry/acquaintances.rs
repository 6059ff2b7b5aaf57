//! How well peers are known, for transports whose connections may hold more for those who are.
//!
//! What a peer sends lies in memory until it is read, as much as the connection's window allows.
//! So windows are small at first; a stranger who has shown to be a peer of ours gets more, as long
//! as a budget for all strangers lasts; friends and known nodes get what the transport gives at
//! most. Owns who is what, and the budget. A connection says itself how its window is widened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::PeerId;

/// How well a peer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It has the key of its name, and nothing else is known.
    Unproved,
    /// It is one of those that we work with, as anybody may be.
    Met,
    /// A friend's or a known node.
    Trusted,
}

/// Sets the window of a connection to what its peer's standing allows.
pub type Widen = Box<dyn Fn(Standing) + Send>;

/// Connections that are met within the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Connections with strangers that may have wider windows at once.
    pub met_max: u32,
}

struct Known {
    peer: PeerId,
    standing: Standing,
    widen: Widen,
}

#[derive(Default)]
struct Book {
    trusted: BTreeSet<PeerId>,
    connections: BTreeMap<u64, Known>,
    next: u64,
    met: u32,
}

/// How well peers are known. Copies are the same book.
#[derive(Clone)]
pub struct Acquaintances {
    book: Arc<Mutex<Book>>,
    budget: Budget,
}

impl fmt::Debug for Acquaintances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquaintances").finish_non_exhaustive()
    }
}

impl Acquaintances {
    /// Nobody is known.
    pub fn new(budget: Budget) -> Self {
        Self {
            book: Arc::default(),
            budget,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection with `peer` is up; it has the smallest window. `widen` is called under a lock
    /// and must not come back here.
    pub fn connects(&self, peer: PeerId, widen: Widen) -> Acquaintance {
        let mut book = self.book();
        let id = book.next;
        book.next += 1;
        let standing = if book.trusted.contains(&peer) {
            widen(Standing::Trusted);
            Standing::Trusted
        } else {
            Standing::Unproved
        };
        let known = Known {
            peer,
            standing,
            widen,
        };
        book.connections.insert(id, known);
        Acquaintance {
            id,
            of: self.clone(),
        }
    }

    /// `peer` is one that we work with.
    pub fn meets(&self, peer: &PeerId) {
        let mut book = self.book();
        let Book {
            connections, met, ..
        } = &mut *book;
        for known in connections.values_mut() {
            let unproved = known.standing == Standing::Unproved;
            if known.peer == *peer && unproved && *met < self.budget.met_max {
                *met += 1;
                known.standing = Standing::Met;
                (known.widen)(Standing::Met);
            }
        }
    }

    /// `peer` is a friend's or a known node, now and later.
    pub fn trusts(&self, peer: PeerId) {
        let mut book = self.book();
        book.trusted.insert(peer);
        let Book {
            connections, met, ..
        } = &mut *book;
        for known in connections.values_mut() {
            if known.peer == peer && known.standing != Standing::Trusted {
                if known.standing == Standing::Met {
                    *met -= 1;
                }
                known.standing = Standing::Trusted;
                (known.widen)(Standing::Trusted);
            }
        }
    }

    /// `peer` is a stranger again, on connections that are up as on those to come.
    pub fn forgets(&self, peer: &PeerId) {
        let mut book = self.book();
        if !book.trusted.remove(peer) {
            return;
        }
        for known in book.connections.values_mut() {
            if known.peer == *peer {
                known.standing = Standing::Unproved;
                (known.widen)(Standing::Unproved);
            }
        }
    }
}

/// A connection in the book; it leaves when this is dropped.
#[derive(Debug)]
pub struct Acquaintance {
    id: u64,
    of: Acquaintances,
}

impl Drop for Acquaintance {
    fn drop(&mut self) {
        let mut book = self.of.book();
        let known = book.connections.remove(&self.id);
        if known
            .as_ref()
            .is_some_and(|known| known.standing == Standing::Met)
        {
            book.met -= 1;
        }
        // What it holds of the connection goes after the lock.
        drop(book);
        drop(known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Window(Arc<Mutex<Option<Standing>>>);

    impl Window {
        fn widen(&self) -> Widen {
            let window = self.clone();
            Box::new(move |standing| *window.0.lock().expect("no panic") = Some(standing))
        }

        fn standing(&self) -> Option<Standing> {
            *self.0.lock().expect("no panic")
        }
    }

    #[test]
    fn strangers_share_a_budget_and_friends_need_none() {
        let people = Acquaintances::new(Budget { met_max: 1 });
        let [one, two, friend] = [(); 3].map(|()| PeerId::random());
        let windows: [Window; 4] = Default::default();
        let first = people.connects(one, windows[0].widen());
        let _second = people.connects(two, windows[1].widen());
        people.meets(&one);
        people.meets(&two);
        assert_eq!(windows[0].standing(), Some(Standing::Met));
        assert_eq!(windows[1].standing(), None, "the budget is spent");
        drop(first);
        people.meets(&two);
        assert_eq!(windows[1].standing(), Some(Standing::Met));
        people.trusts(friend);
        let _third = people.connects(friend, windows[2].widen());
        assert_eq!(windows[2].standing(), Some(Standing::Trusted));
        // Who becomes a friend gives its share back.
        people.trusts(two);
        let _fourth = people.connects(one, windows[3].widen());
        people.meets(&one);
        assert_eq!(windows[3].standing(), Some(Standing::Met));
        people.forgets(&friend);
        assert_eq!(windows[2].standing(), Some(Standing::Unproved));
        let _again = people.connects(friend, windows[0].widen());
        assert_eq!(people.book().connections.len(), 4);
    }
}
