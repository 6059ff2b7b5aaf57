//! Listeners that end.

use std::pin::Pin;
use std::task::{Context, Poll};

use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::{Multiaddr, Transport};
use orrery_node::api::Event;
use orrery_node::environment::{ByteStream, Wire};

use crate::world::TestNode;

/// A transport whose first listener ends as soon as it is up.
struct Fickle<T> {
    inner: T,
    ends: bool,
}

impl<T: Transport + Unpin> Transport for Fickle<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<T::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<T::Dial, TransportError<T::Error>> {
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<T::ListenerUpgrade, T::Error>> {
        let polled = Pin::new(&mut self.inner).poll(cx);
        if let Poll::Ready(TransportEvent::NewAddress { listener_id, .. }) = &polled
            && std::mem::take(&mut self.ends)
        {
            self.inner.remove_listener(*listener_id);
        }
        polled
    }
}

#[tokio::test]
async fn a_listener_that_ends_is_told_of_and_another_takes_its_place() {
    let tcp = libp2p::tcp::tokio::Transport::default();
    let tcp = tcp.map(|stream, _| -> ByteStream { Box::pin(stream) });
    let fickle = Fickle {
        inner: tcp.boxed(),
        ends: true,
    };
    let wire = Wire::Stream(fickle.boxed());
    let settings = "dial.backoff_first = \"20ms\"";
    let configured = "/ip4/127.0.0.1/tcp/0";
    let node = TestNode::start_also_over(1, settings, wire, configured).await;
    let ended = |event: &Event| matches!(event, Event::ListeningEnded { address, .. } if address == configured);
    node.seen.wait("the listener's end is told", ended).await;
    let up =
        |event: &Event| matches!(event, Event::Listening { address } if address.contains("/tcp/"));
    let again = async {
        while node.seen.count(up) < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let again = tokio::time::timeout(crate::world::PATIENCE, again).await;
    assert!(again.is_ok(), "it listens no more");
    assert_eq!(node.seen.count(ended), 1);
}
