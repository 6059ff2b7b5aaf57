//! An in-memory byte stream with two ends, for tests of protocols.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures::{AsyncRead, AsyncWrite};

/// Bytes that one direction holds before its writer waits.
const CAPACITY_BYTES: usize = 4096;

#[derive(Default)]
struct Lane {
    bytes: VecDeque<u8>,
    closed: bool,
    wakers: Vec<Waker>,
}

impl Lane {
    fn wake(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }
}

/// One end.
pub struct End {
    incoming: Arc<Mutex<Lane>>,
    outgoing: Arc<Mutex<Lane>>,
}

/// Two connected ends.
pub fn pipe() -> (End, End) {
    let (there, back) = (Arc::default(), Arc::default());
    let left = End {
        incoming: Arc::clone(&back),
        outgoing: Arc::clone(&there),
    };
    let right = End {
        incoming: there,
        outgoing: back,
    };
    (left, right)
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut lane = self.incoming.lock().expect("no panic in tests");
        if lane.bytes.is_empty() && !lane.closed {
            lane.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buffer.len().min(lane.bytes.len());
        for (slot, byte) in buffer.iter_mut().zip(lane.bytes.drain(..count)) {
            *slot = byte;
        }
        lane.wake();
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut lane = self.outgoing.lock().expect("no panic in tests");
        if lane.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(CAPACITY_BYTES - lane.bytes.len());
        if count == 0 && !bytes.is_empty() {
            lane.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        lane.bytes.extend(&bytes[..count]);
        lane.wake();
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut lane = self.outgoing.lock().expect("no panic in tests");
        lane.closed = true;
        lane.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        for lane in [&self.incoming, &self.outgoing] {
            let mut lane = lane.lock().expect("no panic in tests");
            lane.closed = true;
            lane.wake();
        }
    }
}
