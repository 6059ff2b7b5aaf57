//! Counts the frames of Yamux that a peer sends, from their headers alone.
//!
//! Hands on every byte as it came. Whether a frame is as it should be is Yamux's to say; what is read here of its
//! header only decides how many frames are unread.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

use super::unread::Unread;
use crate::api::Event;
use crate::outlet::Outlet;

/// The bound that is told when too many frames are unread.
const LIMIT: &str = "unread-frames";

/// A header of Yamux, version 0: version, type, flags (2 bytes), number of the substream (4), length (4).
const HEADER_BYTES: usize = 12;
const DATA: u8 = 0;
const WINDOW_UPDATE: u8 = 1;
const SYN: u8 = 1;
const RST: u8 = 8;

/// Why a connection has ended.
#[derive(Debug, thiserror::Error)]
#[error("too many small frames that nobody has read")]
struct TooManyFrames;

/// Headers in a stream of bytes that arrives in pieces.
#[derive(Debug, Default)]
struct Headers {
    header: [u8; HEADER_BYTES],
    /// Bytes of it that are there.
    present: usize,
    /// Bytes of the present frame's body that are still to come.
    body: u32,
}

impl Headers {
    /// Counts the frames whose headers end in `bytes`; whether there are few enough.
    fn count(&mut self, mut bytes: &[u8], unread: &mut Unread) -> bool {
        while !bytes.is_empty() {
            if self.body > 0 {
                let passed = bytes.len().min(self.body as usize);
                self.body -= passed as u32;
                bytes = &bytes[passed..];
                continue;
            }
            let taken = bytes.len().min(HEADER_BYTES - self.present);
            self.header[self.present..self.present + taken].copy_from_slice(&bytes[..taken]);
            self.present += taken;
            bytes = &bytes[taken..];
            if self.present == HEADER_BYTES {
                self.present = 0;
                if !self.arrived(unread) {
                    return false;
                }
            }
        }
        true
    }

    /// A header is complete.
    fn arrived(&mut self, unread: &mut Unread) -> bool {
        let [_, kind, _, flags, n0, n1, n2, n3, l0, l1, l2, l3] = self.header;
        let number = u32::from_be_bytes([n0, n1, n2, n3]);
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        if kind == DATA {
            self.body = length;
        }
        let is_reset = flags & RST != 0;
        if matches!(kind, DATA | WINDOW_UPDATE) && flags & SYN != 0 && !is_reset {
            unread.opened(number);
        }
        kind != DATA || is_reset || unread.arrived(number, length)
    }
}

/// A connection below Yamux, whose frames are counted as they are read.
pub struct Guarded<C> {
    below: C,
    headers: Headers,
    unread: Arc<Mutex<Unread>>,
    outlet: Outlet,
}

impl<C> Guarded<C> {
    /// Counts in `unread` what is read from `below`; that there is too much is told to `outlet`.
    pub fn new(below: C, unread: Arc<Mutex<Unread>>, outlet: Outlet) -> Self {
        Self {
            below,
            headers: Headers::default(),
            unread,
            outlet,
        }
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Guarded<C> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let bytes = ready!(Pin::new(&mut this.below).poll_read(cx, buffer))?;
        let mut unread = this.unread.lock().unwrap_or_else(PoisonError::into_inner);
        if this.headers.count(&buffer[..bytes], &mut unread) {
            return Poll::Ready(Ok(bytes));
        }
        this.outlet.emit(&Event::LimitReached {
            limit: LIMIT.to_owned(),
        });
        Poll::Ready(Err(io::Error::other(TooManyFrames)))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Guarded<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.below).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_however_their_bytes_are_cut() {
        let mut bytes = vec![0, WINDOW_UPDATE, 0, SYN, 0, 0, 0, 7, 0, 0, 0, 9];
        // A ping, whose length is a number and no body follows.
        bytes.extend([0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
        for length in [0, 1, 30] {
            bytes.extend([0, DATA, 0, 0, 0, 0, 0, 7, 0, 0, 0, length]);
            bytes.extend(vec![0xff; usize::from(length)]);
        }
        bytes.extend([0, DATA, 0, RST, 0, 0, 0, 7, 0, 0, 0, 1, 0]);
        let bytes = bytes.repeat(64);
        let counted = |piece: usize| {
            let (mut headers, mut unread) = (Headers::default(), Unread::new(1));
            for piece in bytes.chunks(piece) {
                assert!(headers.count(piece, &mut unread));
            }
            assert_eq!((headers.present, headers.body), (0, 0));
            format!("{unread:?}")
        };
        let whole = counted(bytes.len());
        // Of two frames with bytes each time, two groups of 64 are full.
        assert!(whole.contains("groups: 2"), "{whole}");
        for piece in [1, 2, 5, 11, 13, 100] {
            assert_eq!(counted(piece), whole);
        }
    }
}
