//! Friends who come back while their connection from before has not been missed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use libp2p::Transport;
use orrery_node::api::{Audience, Command, Event, Reply};
use orrery_node::environment::{ByteStream, Wire};

use crate::world::{TestNode, address_over_tcp};

/// A byte stream that says nothing any more, not even that it has ended, once it is of a life that is
/// over.
struct Frail {
    stream: ByteStream,
    life: usize,
    lives: Arc<AtomicUsize>,
}

impl Frail {
    fn is_dead(&self) -> bool {
        self.life < self.lives.load(Ordering::SeqCst)
    }
}

impl AsyncRead for Frail {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_dead() {
            return Poll::Pending;
        }
        let read = self.stream.as_mut().poll_read(cx, bytes);
        if self.is_dead() { Poll::Pending } else { read }
    }
}

impl AsyncWrite for Frail {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_dead() {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.stream.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_dead() {
            return Poll::Ready(Ok(()));
        }
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_close(cx)
    }
}

#[tokio::test]
async fn a_friend_who_comes_back_is_pulled_from_though_addresses_are_tested() {
    let lives = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&lives);
    let tcp = libp2p::tcp::tokio::Transport::default();
    let tcp = tcp.map(move |stream, _| -> ByteStream {
        Box::pin(Frail {
            stream: Box::pin(stream),
            life: theirs.load(Ordering::SeqCst),
            lives: Arc::clone(&theirs),
        })
    });
    let wire = Wire::Stream(tcp.boxed());
    let settings = "autonat.enabled = true\nping.interval = \"300ms\"\nping.timeout = \"300ms\"\n\
                    sync.pull_interval = \"1h\"";
    let home = "/ip4/127.0.0.1/tcp/0";
    let node = TestNode::start_also_over(1, settings, wire, home).await;
    let listens = format!("listen.addresses = [\"{home}\"]");
    let friend = TestNode::start_real(2, &listens).await;
    // The node has dialled.
    node.follow(&friend).await;
    node.meets(&friend).await;
    lives.fetch_add(1, Ordering::SeqCst);
    let friend = Box::pin(friend.restart_real(2, &listens)).await;
    let address = address_over_tcp(&node).await;
    let dialled = friend.handle.command(Command::dial(address)).await;
    assert_eq!(dialled, Ok(Reply::Done));
    friend.meets(&node).await;
    let post = friend.post("I am back", Audience::Public).await;
    let from = friend.identity();
    // Two pings have to fail, the second for want of a substream, for which libp2p waits ten seconds.
    let connected = |event: &Event| matches!(event, Event::Connected { dialer: false, .. });
    node.seen.wait("it counts as a connection", connected).await;
    let pulled = node
        .handle
        .command(Command::Pull { from: Some(from) })
        .await;
    assert!(matches!(pulled, Ok(Reply::Pulled { .. })), "{pulled:?}");
    node.received(&post).await;
}
