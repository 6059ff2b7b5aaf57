//! What TCP transports have in common, whatever network is below them: their listeners, and events that
//! wait to be told.
//!
//! It opens no socket and dials nothing: a transport gives it a [`Listening`] for each listener.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, Waker};

use futures::future::Ready;
use libp2p::Multiaddr;
use libp2p::core::transport::{ListenerId, TransportEvent};

/// What a transport with streams `S` tells.
pub type Event<S> = TransportEvent<Ready<io::Result<S>>, io::Error>;

/// A listener's socket.
pub trait Listening {
    /// Its connections.
    type Stream;

    /// What happens at the listener `id` next: a connection, or a change of its addresses.
    fn poll(&mut self, id: ListenerId, cx: &mut Context<'_>) -> Poll<Event<Self::Stream>>;
}

/// The listeners of a transport, and what it has to tell of them.
pub struct Listeners<L: Listening> {
    all: Vec<(ListenerId, L)>,
    events: VecDeque<Event<L::Stream>>,
    waker: Option<Waker>,
}

impl<L: Listening> Default for Listeners<L> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            events: VecDeque::new(),
            waker: None,
        }
    }
}

impl<L: Listening> Listeners<L> {
    /// One more, which listens at `addresses`.
    pub fn add(&mut self, id: ListenerId, listening: L, addresses: Vec<Multiaddr>) {
        self.all.push((id, listening));
        for listen_addr in addresses {
            self.push(TransportEvent::NewAddress {
                listener_id: id,
                listen_addr,
            });
        }
    }

    /// Closes a listener. Returns whether there was such a one.
    pub fn remove(&mut self, id: ListenerId) -> bool {
        let Some(at) = self.all.iter().position(|(known, _)| *known == id) else {
            return false;
        };
        self.all.remove(at);
        self.push(TransportEvent::ListenerClosed {
            listener_id: id,
            reason: Ok(()),
        });
        true
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &L> {
        self.all.iter().map(|(_, listening)| listening)
    }

    /// The next event: what waits to be told, then what happens at the listeners.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event<L::Stream>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        for (id, listening) in &mut self.all {
            if let Poll::Ready(event) = listening.poll(*id, cx) {
                return Poll::Ready(event);
            }
        }
        let known = self.waker.as_ref();
        if !known.is_some_and(|known| known.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn push(&mut self, event: Event<L::Stream>) {
        self.events.push_back(event);
        self.waker.take().into_iter().for_each(Waker::wake);
    }
}
