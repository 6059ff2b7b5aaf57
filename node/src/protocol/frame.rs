//! Length-delimited frames: an unsigned varint, then that many bytes.
//!
//! Owns the byte layout and its bounds. A sender's word for a length is never
//! believed: memory grows only with bytes that have come.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest frame that any of the node's protocols accepts, in bytes.
pub const FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A length below 2^28 needs at most this many varint bytes.
const LENGTH_BYTES_MAX: usize = 4;

/// Memory that a frame's announced length alone may claim, in bytes.
const TRUST_BYTES: usize = 16 * 1024;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream ended before a frame began.
    #[error("the stream has ended")]
    Ended,
    /// The stream ended, or failed, within a frame.
    #[error("the stream broke: {0}")]
    Broken(#[from] io::Error),
    /// The announced length is beyond the bound.
    #[error("a frame of {length} bytes is longer than {max}")]
    Oversized {
        /// What the sender announced.
        length: usize,
        /// The bound.
        max: usize,
    },
    /// The length is not a minimal varint of at most 28 bits.
    #[error("the frame's length is malformed")]
    Malformed,
}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Broken(error) => error,
            FrameError::Ended => io::ErrorKind::UnexpectedEof.into(),
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}

/// Reads one frame of at most `max` bytes.
///
/// # Errors
/// [`FrameError`]; after any, the stream must not be read further.
pub async fn read_frame<R: AsyncRead + Unpin>(
    reader: &mut R,
    max: usize,
) -> Result<Vec<u8>, FrameError> {
    let length = read_length(reader, max).await?;
    let mut frame = Vec::with_capacity(length.min(TRUST_BYTES));
    read_content(reader, length, &mut frame).await?;
    Ok(frame)
}

/// Reads the length of a frame, which is at most `max`.
pub(super) async fn read_length<R: AsyncRead + Unpin>(
    reader: &mut R,
    max: usize,
) -> Result<usize, FrameError> {
    let mut prefix = Vec::with_capacity(LENGTH_BYTES_MAX);
    let length = loop {
        let mut byte = [0];
        if reader.read(&mut byte).await? == 0 {
            return Err(if prefix.is_empty() {
                FrameError::Ended
            } else {
                FrameError::Broken(io::ErrorKind::UnexpectedEof.into())
            });
        }
        prefix.push(byte[0]);
        if let Some(length) = decode(&prefix)? {
            break length;
        }
    };
    if length > max {
        return Err(FrameError::Oversized { length, max });
    }
    Ok(length)
}

/// Reads exactly `count` more bytes of a frame to the end of `frame`.
pub(super) async fn read_content<R: AsyncRead + Unpin>(
    reader: &mut R,
    count: usize,
    frame: &mut Vec<u8>,
) -> Result<(), FrameError> {
    if reader.take(count as u64).read_to_end(frame).await? < count {
        return Err(FrameError::Broken(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(())
}

/// Writes one frame and flushes it.
///
/// # Errors
/// [`FrameError::Broken`]; [`FrameError::Oversized`] beyond [`FRAME_BYTES_MAX`].
pub async fn write_frame<W: AsyncWrite + Unpin>(
    writer: &mut W,
    frame: &[u8],
) -> Result<(), FrameError> {
    writer.write_all(&frame_bytes(frame)?).await?;
    writer.flush().await?;
    Ok(())
}

/// A frame as it goes over the wire, with its length.
pub(super) fn frame_bytes(frame: &[u8]) -> Result<Vec<u8>, FrameError> {
    if frame.len() > FRAME_BYTES_MAX {
        return Err(FrameError::Oversized {
            length: frame.len(),
            max: FRAME_BYTES_MAX,
        });
    }
    let mut bytes = Vec::with_capacity(frame.len() + LENGTH_BYTES_MAX);
    encode_length(frame.len(), &mut bytes);
    bytes.extend_from_slice(frame);
    Ok(bytes)
}

fn encode_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// The length that `prefix`, a frame's first bytes so far, announces; nothing
/// if more bytes belong to it.
///
/// # Errors
/// [`FrameError::Malformed`].
#[doc(hidden)]
pub fn decode(prefix: &[u8]) -> Result<Option<usize>, FrameError> {
    let mut length = 0;
    for (at, byte) in prefix.iter().enumerate() {
        if at >= LENGTH_BYTES_MAX {
            return Err(FrameError::Malformed);
        }
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            // A trailing zero group would give one length two spellings.
            if *byte == 0 && at > 0 {
                return Err(FrameError::Malformed);
            }
            return Ok(Some(length));
        }
    }
    if prefix.len() >= LENGTH_BYTES_MAX {
        return Err(FrameError::Malformed);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::io::Cursor;

    fn read(bytes: &[u8], max: usize) -> Result<Vec<u8>, FrameError> {
        block_on(read_frame(&mut Cursor::new(bytes), max))
    }

    fn check_refused(bytes: &[u8], part: &str) {
        let error = read(bytes, 1000).expect_err("refused").to_string();
        assert!(error.contains(part), "{bytes:?}: {error}");
    }

    #[test]
    fn malformed_frames_are_refused_by_kind() {
        check_refused(&[], "has ended");
        check_refused(&[0x80], "broke");
        check_refused(&[3, 1, 2], "broke");
        check_refused(&[0xe9, 0x07], "1001 bytes is longer than 1000");
        check_refused(&[0xff, 0xff, 0xff, 0x7f], "longer than 1000");
        check_refused(&[0xff, 0xff, 0xff, 0xff, 0x01], "malformed");
        check_refused(&[0x80, 0x00], "malformed");
    }

    #[test]
    fn a_frame_beyond_the_bound_is_not_sent() {
        let frame = vec![0; FRAME_BYTES_MAX + 1];
        let sent = block_on(write_frame(&mut Cursor::new(Vec::new()), &frame));
        assert!(matches!(sent, Err(FrameError::Oversized { .. })));
    }

    #[test]
    fn a_liar_about_length_gets_little_memory() {
        let mut lie = Vec::new();
        encode_length(FRAME_BYTES_MAX, &mut lie);
        lie.push(1);
        assert!(matches!(
            read(&lie, FRAME_BYTES_MAX),
            Err(FrameError::Broken(_))
        ));
    }

    proptest::proptest! {
        #[test]
        fn a_written_frame_reads_back(frame in proptest::collection::vec(0_u8.., 0..5000)) {
            let mut wire = Cursor::new(Vec::new());
            block_on(write_frame(&mut wire, &frame)).expect("memory takes it");
            proptest::prop_assert_eq!(read(&wire.into_inner(), 5000).expect("reads back"), frame);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(0_u8.., 0..64)) {
            let _ = read(&bytes, 1000);
            let _ = decode(&bytes);
        }
    }
}
