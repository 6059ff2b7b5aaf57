//! A transport that is polled only when something has woken it.
//!
//! `libp2p-swarm` polls its transport whenever it is polled itself, so with every event of every
//! connection, and a transport of several asks all of its listeners each time. Yet it has nothing
//! to say unless one of them has woken it since, or somebody has given it something to do.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::{Multiaddr, Transport};

/// `T`, asked only if it has been woken since it last had nothing to say.
pub struct WhenWoken<T> {
    inner: T,
    bell: Arc<Bell>,
    /// Rings the bell.
    waker: Waker,
}

struct Bell {
    /// Whether it has rung since the transport had nothing to say.
    rung: AtomicBool,
    /// Who polls the transport.
    listener: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.listener.wake();
    }
}

impl<T> WhenWoken<T> {
    /// A transport that is polled when it is woken; the first time in any case.
    pub fn new(inner: T) -> Self {
        let bell = Arc::new(Bell {
            rung: AtomicBool::new(true),
            listener: AtomicWaker::new(),
        });
        let waker = Waker::from(Arc::clone(&bell));
        Self { inner, bell, waker }
    }

    /// The transport, to be given something to do. It is asked again.
    fn touch(&mut self) -> &mut T {
        self.bell.rung.store(true, Ordering::Release);
        &mut self.inner
    }
}

impl<T: Transport + Unpin> Transport for WhenWoken<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<T::Error>> {
        self.touch().listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.touch().remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<T::Dial, TransportError<T::Error>> {
        self.touch().dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<T::ListenerUpgrade, T::Error>> {
        let Self { inner, bell, waker } = &mut *self;
        // First of all, so that nothing that rings from here on is missed.
        bell.listener.register(cx.waker());
        if !bell.rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let polled = Pin::new(inner).poll(&mut Context::from_waker(waker));
        if polled.is_ready() {
            // There may be more.
            bell.rung.store(true, Ordering::Release);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};
    use std::io;
    use std::sync::Mutex;

    use libp2p::core::Endpoint;
    use libp2p::core::transport::PortUse;

    use super::*;

    /// Tells of as many closed listeners as it is to, and remembers who polled it last.
    #[derive(Default)]
    struct Probe {
        events: u32,
        polls: u32,
        waker: Option<Waker>,
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Probe>>);

    impl Shared {
        fn with<R>(&self, f: impl FnOnce(&mut Probe) -> R) -> R {
            f(&mut self.0.lock().expect("nobody panicked"))
        }

        /// It has something to say, and wakes who asked last.
        fn happen(&self, events: u32) {
            let waker = self.with(|probe| {
                probe.events += events;
                probe.waker.take()
            });
            waker.into_iter().for_each(Waker::wake);
        }
    }

    impl Transport for Shared {
        type Output = ();
        type Error = io::Error;
        type ListenerUpgrade = Ready<io::Result<()>>;
        type Dial = Ready<io::Result<()>>;

        fn listen_on(
            &mut self,
            _: ListenerId,
            _: Multiaddr,
        ) -> Result<(), TransportError<io::Error>> {
            self.with(|probe| probe.events += 1);
            Ok(())
        }

        fn remove_listener(&mut self, _: ListenerId) -> bool {
            self.with(|probe| probe.events += 1);
            true
        }

        fn dial(
            &mut self,
            _: Multiaddr,
            _: DialOpts,
        ) -> Result<Self::Dial, TransportError<io::Error>> {
            self.with(|probe| probe.events += 1);
            Ok(ready(Ok(())))
        }

        fn poll(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
            self.with(|probe| {
                probe.polls += 1;
                if let Some(events) = probe.events.checked_sub(1) {
                    probe.events = events;
                    return Poll::Ready(TransportEvent::ListenerClosed {
                        listener_id: ListenerId::next(),
                        reason: Ok(()),
                    });
                }
                probe.waker = Some(cx.waker().clone());
                Poll::Pending
            })
        }
    }

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Woken(Mutex<u32>);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            *self.0.lock().expect("nobody panicked") += 1;
        }
    }

    /// Events until it has nothing more to say.
    fn drain(transport: &mut WhenWoken<Shared>, cx: &mut Context<'_>) -> u32 {
        std::iter::from_fn(|| Pin::new(&mut *transport).poll(cx).is_ready().then_some(1)).sum()
    }

    #[test]
    fn it_is_asked_once_and_then_only_when_it_was_woken() {
        let probe = Shared::default();
        let mut transport = WhenWoken::new(probe.clone());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        for _ in 0..5 {
            assert_eq!(drain(&mut transport, &mut cx), 0);
        }
        assert_eq!(probe.with(|probe| probe.polls), 1);

        probe.happen(3);
        assert_eq!(*woken.0.lock().expect("nobody panicked"), 1);
        assert_eq!(drain(&mut transport, &mut cx), 3, "all of them");
        assert_eq!(probe.with(|probe| probe.polls), 5);
        assert_eq!(drain(&mut transport, &mut cx), 0);
        assert_eq!(probe.with(|probe| probe.polls), 5);
    }

    #[test]
    fn it_is_asked_after_it_was_given_something_to_do() {
        let mut transport = WhenWoken::new(Shared::default());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(drain(&mut transport, &mut cx), 0);
        let listen = transport.listen_on(ListenerId::next(), Multiaddr::empty());
        assert!(listen.is_ok());
        assert_eq!(drain(&mut transport, &mut cx), 1);
        assert!(transport.remove_listener(ListenerId::next()));
        assert_eq!(drain(&mut transport, &mut cx), 1);
        let options = DialOpts {
            role: Endpoint::Dialer,
            port_use: PortUse::New,
        };
        assert!(transport.dial(Multiaddr::empty(), options).is_ok());
        assert_eq!(drain(&mut transport, &mut cx), 1);
    }

    #[test]
    fn who_asks_last_is_woken() {
        let probe = Shared::default();
        let mut transport = WhenWoken::new(probe.clone());
        let counts = [(); 2].map(|()| Arc::new(Woken::default()));
        for count in &counts {
            let waker = Waker::from(Arc::clone(count));
            assert_eq!(drain(&mut transport, &mut Context::from_waker(&waker)), 0);
        }
        probe.happen(1);
        let woken = counts.map(|count| *count.0.lock().expect("nobody panicked"));
        assert_eq!(woken, [0, 1]);
    }
}
