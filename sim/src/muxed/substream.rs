//! A substream as a program holds it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};

use super::muxer::Shared;
use super::stream::StreamName;

/// One end of a substream. Dropping it resets what was not closed.
#[derive(Debug)]
pub struct Substream {
    connection: Shared,
    name: StreamName,
}

impl Substream {
    pub(super) fn new(connection: Shared, id: u32) -> Self {
        Self {
            connection,
            name: StreamName::new(id),
        }
    }
}

impl AsyncRead for Substream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // A reset reads as the end, as with Yamux.
        let Self { connection, name } = &mut *self;
        let read = connection.lock().poll_read(cx, name, buffer);
        read.map(Ok)
    }
}

impl AsyncWrite for Substream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { connection, name } = &mut *self;
        connection.lock().poll_write(cx, name, data)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was written is on its way.
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.lock().close_stream(self.name.id);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Substream {
    fn drop(&mut self) {
        self.connection.lock().drop_stream(self.name.id);
    }
}
