//! Frames out of a stream of bytes, each with its length before it, within a bound.
//!
//! Keeps no more of a peer's bytes than one frame within the bound and one read take. A larger
//! frame is left out as it comes, without being kept, and the next one is read as if nothing had
//! been: what a peer may send that we do not take must not end the stream. Knows nothing of what
//! frames hold.

use bytes::BytesMut;

/// Bytes of a length at most: seven bits of a 64-bit number in each.
const LENGTH_BYTES_MAX: usize = 10;

/// What comes out of the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A frame, with its length before it.
    Whole(BytesMut),
    /// A frame that is larger than the bound, of so many bytes without its length. It is left out.
    TooLarge(u64),
}

/// The bytes are no frames: where the next one begins cannot be known.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame's length has more than {LENGTH_BYTES_MAX} bytes")]
pub struct NoFrame;

/// Cuts bytes into frames.
#[derive(Debug)]
pub struct Frames {
    /// What has come and is not cut yet.
    buffer: BytesMut,
    /// Bytes to come that belong to a frame that is left out.
    left_out: u64,
    /// Bytes of a frame at most, its length included.
    bytes_max: usize,
}

impl Frames {
    /// Frames of `bytes_max` bytes at most, their lengths included, of which `buffer` has come.
    pub fn new(buffer: BytesMut, bytes_max: usize) -> Self {
        Self {
            buffer,
            left_out: 0,
            bytes_max,
        }
    }

    /// Takes in what has come.
    pub fn add(&mut self, bytes: &[u8]) {
        let skipped = usize::try_from(self.left_out).map_or(bytes.len(), |n| n.min(bytes.len()));
        self.left_out -= skipped as u64;
        self.buffer.extend_from_slice(&bytes[skipped..]);
    }

    /// The next frame, if all of it has come, or if it is known to be left out.
    ///
    /// # Errors
    /// [`NoFrame`] for a length that is none. Nothing that follows can be cut.
    pub fn next(&mut self) -> Result<Option<Frame>, NoFrame> {
        let Some((length, prefix)) = length_of(&self.buffer)? else {
            return Ok(None);
        };
        let fits = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(prefix))
            .filter(|total| *total <= self.bytes_max);
        let Some(total) = fits else {
            let here = ((self.buffer.len() - prefix) as u64).min(length);
            let _ = self.buffer.split_to(prefix + here as usize);
            self.left_out = length - here;
            return Ok(Some(Frame::TooLarge(length)));
        };
        Ok((self.buffer.len() >= total).then(|| Frame::Whole(self.buffer.split_to(total))))
    }
}

/// The length with which `bytes` begin, and how many bytes it takes; nothing if it goes on.
fn length_of(bytes: &[u8]) -> Result<Option<(u64, usize)>, NoFrame> {
    let mut length = 0_u64;
    for (index, byte) in bytes.iter().take(LENGTH_BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        // Of the tenth byte one bit is left.
        if index + 1 == LENGTH_BYTES_MAX && *byte > 1 {
            return Err(NoFrame);
        }
        length |= bits << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((length, index + 1)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame of so many bytes, all alike, with its length before it.
    fn frame(bytes: usize, fill: u8) -> Vec<u8> {
        let mut frame = Vec::new();
        let mut rest = bytes;
        while rest >= 0x80 {
            frame.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        frame.push(rest as u8);
        frame.resize(frame.len() + bytes, fill);
        frame
    }

    /// All that comes of bytes that arrive in pieces of `piece` bytes.
    fn cut(bytes: &[u8], piece: usize, bytes_max: usize) -> Result<Vec<Frame>, NoFrame> {
        let mut frames = Frames::new(BytesMut::new(), bytes_max);
        let mut cut = Vec::new();
        for piece in bytes.chunks(piece) {
            frames.add(piece);
            assert!(frames.buffer.len() <= bytes_max + piece.len());
            while let Some(frame) = frames.next()? {
                cut.push(frame);
            }
        }
        Ok(cut)
    }

    fn whole(bytes: usize, fill: u8) -> Frame {
        Frame::Whole(BytesMut::from(frame(bytes, fill).as_slice()))
    }

    #[test]
    fn frames_within_the_bound_come_out_however_they_arrive() {
        let bytes = [frame(300, 1), frame(0, 2), frame(7, 3)].concat();
        for piece in [1, 2, 5, 299, 1000] {
            let expected = vec![whole(300, 1), whole(0, 2), whole(7, 3)];
            assert_eq!(cut(&bytes, piece, 302), Ok(expected), "{piece}");
        }
    }

    #[test]
    fn two_frames_that_arrive_together_may_be_larger_than_the_bound() {
        let bytes = [frame(90, 1), frame(90, 2)].concat();
        let expected = vec![whole(90, 1), whole(90, 2)];
        assert_eq!(cut(&bytes, bytes.len(), 91), Ok(expected));
    }

    #[test]
    fn a_frame_beyond_the_bound_is_left_out_and_the_next_one_comes() {
        let bytes = [frame(5, 1), frame(301, 2), frame(6, 3)].concat();
        for piece in [1, 2, 5, 299, 1000] {
            let expected = vec![whole(5, 1), Frame::TooLarge(301), whole(6, 3)];
            assert_eq!(cut(&bytes, piece, 302), Ok(expected), "{piece}");
        }
    }

    #[test]
    fn a_length_without_end_is_none() {
        assert_eq!(cut(&[0xff; 20], 3, 100), Err(NoFrame));
        let longest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(
            cut(&longest, 1, 100),
            Ok(vec![Frame::TooLarge(u64::MAX)]),
            "it is left out for ever"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_cost_a_bounded_buffer(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
            piece in 1_usize..600,
        ) {
            // The bound is asserted as they are cut.
            let _ = cut(&bytes, piece, 100);
        }
    }
}
