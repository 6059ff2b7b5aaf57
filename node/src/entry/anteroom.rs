//! A transport whose incoming connections wait in a room until their handshakes are done.
//!
//! Owns the places of that room: as many for each [`Carrier`]. Who comes when all are taken has one
//! given up for it. Who says nothing at first is not waited for.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::task::AtomicWaker;
use futures_timer::Delay;
use libp2p::core::transport::{DialOpts, TransportError, TransportEvent};
use libp2p::{Multiaddr, Transport};

use super::crowd::{Guest, gives_way};
use super::heard::{Arrivals, Sign};
use super::origin::{Carrier, Origin};
use crate::api::Event;
use crate::forward::forward_to;
use crate::outlet::Outlet;

/// The bound that is told when somebody gave way; no more often than this.
const LIMIT: &str = "pending-connections";
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// Counters: who gave way, and who said nothing.
const GAVE_WAY: &str = "pending-gave-way";
const SILENT: &str = "pending-silent";

/// What connections may cost while their handshakes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Places for each carrier.
    pub places: usize,
    /// Time to the first byte of a byte stream.
    pub first_byte: Duration,
}

/// Why a connection was given up before its peer was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum GivenUp {
    #[error("it gave way to another one")]
    GaveWay,
    #[error("it said nothing")]
    Silent,
}

/// Those who wait.
#[derive(Default)]
struct Room {
    waiting: BTreeMap<u64, Waiting>,
    taken: BTreeMap<Carrier, usize>,
    next: u64,
    /// When it was last told that all places are taken.
    told: Option<Instant>,
}

struct Waiting {
    origin: Origin,
    sign: Sign,
    exit: Arc<Exit>,
}

/// By which who gives way is told so.
#[derive(Default)]
struct Exit {
    open: AtomicBool,
    waker: AtomicWaker,
}

impl Room {
    /// Gives `origin` a place, and takes one from another if there is none. Its number, and
    /// whether somebody gave way.
    fn admit(&mut self, origin: Origin, sign: Sign, places: usize) -> (u64, Arc<Exit>, bool) {
        let carrier = origin.carrier;
        let id = self.next;
        self.next += 1;
        let exit = Arc::new(Exit::default());
        let waiting = Waiting {
            origin,
            sign,
            exit: Arc::clone(&exit),
        };
        self.waiting.insert(id, waiting);
        let taken = self.taken.entry(carrier).or_default();
        *taken += 1;
        let full = *taken > places;
        if full {
            self.make_room(carrier, id);
        }
        (id, exit, full)
    }

    /// Has one of this carrier give way, the newest one only if there is no other.
    fn make_room(&mut self, carrier: Carrier, newest: u64) {
        let guests: Vec<_> = self
            .waiting
            .iter()
            .filter(|(id, waiting)| waiting.origin.carrier == carrier && **id != newest)
            .map(|(id, waiting)| Guest {
                key: *id,
                origin: &waiting.origin,
                rank: u8::from(waiting.sign.load(Ordering::Relaxed)),
                used: *id,
            })
            .collect();
        let id = gives_way(&guests).unwrap_or(newest);
        if let Some(waiting) = self.leave(id) {
            waiting.exit.open.store(true, Ordering::Release);
            waiting.exit.waker.wake();
        }
    }

    fn leave(&mut self, id: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&id)?;
        if let Some(taken) = self.taken.get_mut(&waiting.origin.carrier) {
            *taken -= 1;
        }
        Some(waiting)
    }

    /// Whether it is to be told now that all places are taken.
    fn tells(&mut self, now: Instant) -> bool {
        let lately = |told: Instant| now.duration_since(told) < TOLD_EVERY;
        if self.told.is_some_and(lately) {
            return false;
        }
        self.told = Some(now);
        true
    }
}

/// `T`, the connections of others to which wait in the room.
pub struct Anteroom<T> {
    inner: T,
    arrivals: Arrivals,
    rules: Rules,
    room: Arc<Mutex<Room>>,
    outlet: Outlet,
}

impl<T> Anteroom<T> {
    /// A room with nobody in it before `inner`, whose byte streams give signs to `arrivals`.
    pub fn new(inner: T, arrivals: Arrivals, rules: Rules, outlet: Outlet) -> Self {
        Self {
            inner,
            arrivals,
            rules,
            room: Arc::default(),
            outlet,
        }
    }

    fn admit<F>(&self, upgrade: F, here: &Multiaddr, there: &Multiaddr) -> Admitted<F> {
        let (sign, timer) = match self.arrivals.take() {
            Some(sign) => (sign, Some(Delay::new(self.rules.first_byte))),
            // It begins with a packet of its dialer.
            None => (Arc::new(AtomicBool::new(true)), None),
        };
        let mut room = lock(&self.room);
        let origin = Origin::new(here, there);
        let (id, exit, full) = room.admit(origin, Arc::clone(&sign), self.rules.places);
        let tells = full && room.tells(Instant::now());
        drop(room);
        self.outlet.add(GAVE_WAY, u64::from(full));
        if tells {
            self.outlet.emit(&Event::LimitReached {
                limit: LIMIT.to_owned(),
            });
        }
        Admitted {
            upgrade,
            id,
            exit,
            sign,
            timer,
            room: Arc::clone(&self.room),
            outlet: self.outlet.clone(),
        }
    }
}

fn lock(room: &Mutex<Room>) -> MutexGuard<'_, Room> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection in the room. It leaves when it is dropped.
pub struct Admitted<F> {
    upgrade: F,
    id: u64,
    exit: Arc<Exit>,
    sign: Sign,
    /// Runs until something has come.
    timer: Option<Delay>,
    room: Arc<Mutex<Room>>,
    outlet: Outlet,
}

impl<F> Drop for Admitted<F> {
    fn drop(&mut self) {
        lock(&self.room).leave(self.id);
    }
}

impl<O, F: Future<Output = io::Result<O>> + Unpin> Future for Admitted<F> {
    type Output = io::Result<O>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.exit.waker.register(cx.waker());
        if this.exit.open.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::Error::other(GivenUp::GaveWay)));
        }
        if let Poll::Ready(upgraded) = this.upgrade.poll_unpin(cx) {
            return Poll::Ready(upgraded);
        }
        if this.sign.load(Ordering::Relaxed) {
            this.timer = None;
        }
        if let Some(timer) = &mut this.timer
            && timer.poll_unpin(cx).is_ready()
        {
            this.outlet.add(SILENT, 1);
            let error = io::Error::new(io::ErrorKind::TimedOut, GivenUp::Silent);
            return Poll::Ready(Err(error));
        }
        Poll::Pending
    }
}

impl<T> Transport for Anteroom<T>
where
    T: Transport<Error = io::Error> + Unpin,
    T::ListenerUpgrade: Unpin,
{
    type Output = T::Output;
    type Error = io::Error;
    type ListenerUpgrade = Admitted<T::ListenerUpgrade>;
    type Dial = T::Dial;

    forward_to!(inner: listening);

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<T::Dial, TransportError<io::Error>> {
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let polled = Pin::new(&mut self.inner).poll(cx);
        polled.map(|event| match event {
            TransportEvent::Incoming {
                listener_id,
                upgrade,
                local_addr,
                send_back_addr,
            } => TransportEvent::Incoming {
                listener_id,
                upgrade: self.admit(upgrade, &local_addr, &send_back_addr),
                local_addr,
                send_back_addr,
            },
            event => event.map_upgrade(|_| unreachable!("only what comes in has an upgrade")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(there: &str) -> Origin {
        let here = "/ip4/192.0.2.1/tcp/1".parse().expect("a multiaddr");
        Origin::new(&here, &there.parse().expect("a multiaddr"))
    }

    fn sign(heard: bool) -> Sign {
        Arc::new(AtomicBool::new(heard))
    }

    #[test]
    fn the_oldest_silent_one_of_a_crowd_gives_way_to_a_newcomer() {
        let mut room = Room::default();
        let mut come = |there: &str, heard| room.admit(origin(there), sign(heard), 3);
        let (_, alone, full) = come("/ip4/1.1.1.1/tcp/1", false);
        assert!(!full);
        let (_, busy, _) = come("/ip4/2.2.2.2/tcp/1", true);
        let (_, silent, full) = come("/ip4/2.2.2.2/tcp/2", false);
        assert!(!full);
        let (_, newcomer, full) = come("/ip4/3.3.3.3/tcp/1", false);
        assert!(full);
        let gone =
            [&alone, &busy, &silent, &newcomer].map(|exit| exit.open.load(Ordering::Acquire));
        assert_eq!(gone, [false, false, true, false]);
        assert_eq!((room.waiting.len(), room.taken[&Carrier::Stream]), (3, 3));
    }

    #[test]
    fn carriers_do_not_take_each_others_places() {
        let mut room = Room::default();
        let quic = Origin {
            carrier: Carrier::Quic,
            ..origin("/ip4/1.1.1.1/udp/1")
        };
        for expected in [false, true] {
            let (.., full) = room.admit(origin("/ip4/1.1.1.1/tcp/1"), sign(false), 1);
            assert_eq!(full, expected);
        }
        let (id, _, full) = room.admit(quic, sign(true), 1);
        assert!(!full);
        assert!(room.leave(id).is_some() && room.leave(id).is_none());
        assert_eq!(room.waiting.len(), 1);
    }

    #[test]
    fn without_places_the_newcomer_goes() {
        let mut room = Room::default();
        let (_, exit, full) = room.admit(origin("/ip4/1.1.1.1/tcp/1"), sign(false), 0);
        assert!(full && exit.open.load(Ordering::Acquire) && room.waiting.is_empty());
    }

    #[test]
    fn full_rooms_are_told_of_once_a_second() {
        let mut room = Room::default();
        let now = Instant::now();
        assert!(room.tells(now));
        assert!(!room.tells(now + TOLD_EVERY / 2));
        assert!(room.tells(now + TOLD_EVERY));
    }
}
