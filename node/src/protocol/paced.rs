//! Frames whose bytes have to keep coming, or going.
//!
//! A page may take long on a slow link, and is worth it as long as it moves. So patience is for
//! each step of a frame and not for the whole: a peer that stops is found out as soon, and one
//! that trickles is not waited for.

use std::time::Duration;

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::deadline::{TimedOut, within};
use super::frame::{FrameError, frame_bytes, read_content, read_length};

/// Bytes that have to pass each time; what is left of a frame may be less.
const STEP_BYTES: usize = 16 * 1024;

/// How a frame did not pass.
#[derive(Debug, thiserror::Error)]
pub enum PacedError {
    /// It stood still.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// It failed.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Reads one frame of at most `max` bytes, of which the next come within `patience` each time.
///
/// # Errors
/// [`PacedError`]; after any, the stream must not be read further.
pub async fn read_frame_paced<R: AsyncRead + Unpin>(
    reader: &mut R,
    max: usize,
    patience: Duration,
) -> Result<Vec<u8>, PacedError> {
    let mut frame = Vec::new();
    let first = async {
        let length = read_length(reader, max).await?;
        read_content(reader, STEP_BYTES.min(length), &mut frame).await?;
        Ok::<_, FrameError>(length)
    };
    let length = within(patience, first).await??;
    while frame.len() < length {
        let step = STEP_BYTES.min(length - frame.len());
        within(patience, read_content(reader, step, &mut frame)).await??;
    }
    Ok(frame)
}

/// Writes one frame and flushes it; each step is taken within `patience`.
///
/// # Errors
/// [`PacedError`].
pub async fn write_frame_paced<W: AsyncWrite + Unpin>(
    writer: &mut W,
    frame: &[u8],
    patience: Duration,
) -> Result<(), PacedError> {
    let bytes = frame_bytes(frame)?;
    let (steps, last) = bytes.split_at(bytes.len() - bytes.len() % STEP_BYTES);
    for step in steps.chunks(STEP_BYTES) {
        let written = within(patience, writer.write_all(step)).await?;
        written.map_err(FrameError::Broken)?;
    }
    let ended = async {
        writer.write_all(last).await?;
        writer.flush().await
    };
    let ended = within(patience, ended).await?;
    Ok(ended.map_err(FrameError::Broken)?)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures::FutureExt;
    use futures::executor::block_on;
    use futures::io::Cursor;
    use futures_timer::Delay;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    /// Gives `bytes` in pieces of `piece`, one each `pause`, and then nothing.
    struct Slow {
        bytes: Vec<u8>,
        piece: usize,
        /// What is left of the piece that has come last.
        there: usize,
        pause: Duration,
        next: Delay,
    }

    impl AsyncRead for Slow {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<std::io::Result<usize>> {
            if self.there == 0 {
                if self.next.poll_unpin(cx).is_pending() || self.bytes.is_empty() {
                    return Poll::Pending;
                }
                self.there = self.piece.min(self.bytes.len());
                let pause = self.pause;
                self.next.reset(pause);
            }
            let count = self.there.min(buffer.len());
            self.there -= count;
            for (to, from) in buffer.iter_mut().zip(self.bytes.drain(..count)) {
                *to = from;
            }
            Poll::Ready(Ok(count))
        }
    }

    fn read(piece: usize, pause_ms: u64, keep: usize) -> Result<usize, PacedError> {
        let mut bytes = frame_bytes(&vec![7; 4 * STEP_BYTES]).expect("short enough");
        bytes.truncate(keep);
        let pause = Duration::from_millis(pause_ms);
        let mut slow = Slow {
            bytes,
            piece,
            there: 0,
            pause,
            next: Delay::new(Duration::ZERO),
        };
        let frame = block_on(read_frame_paced(&mut slow, 1 << 20, PATIENCE))?;
        Ok(frame.len())
    }

    #[test]
    fn a_frame_may_take_longer_than_patience_if_it_moves() {
        let whole = read(STEP_BYTES, 300, usize::MAX);
        assert!(
            matches!(whole, Ok(length) if length == 4 * STEP_BYTES),
            "{whole:?}"
        );
    }

    #[test]
    fn a_frame_that_stops_or_trickles_is_given_up() {
        for stopped in [read(STEP_BYTES, 0, STEP_BYTES), read(16, 20, usize::MAX)] {
            assert!(
                matches!(stopped, Err(PacedError::TimedOut(_))),
                "{stopped:?}"
            );
        }
    }

    #[test]
    fn a_frame_written_in_steps_is_one_frame() {
        let frame = vec![3; 3 * STEP_BYTES + 5];
        let mut wire = Cursor::new(Vec::new());
        block_on(write_frame_paced(&mut wire, &frame, PATIENCE)).expect("memory takes it");
        let mut wire = Cursor::new(wire.into_inner());
        let read = block_on(read_frame_paced(&mut wire, 1 << 20, PATIENCE));
        assert_eq!(read.expect("reads back"), frame);
    }
}
