//! Puts frames together from what TCP delivers.
//!
//! A frame is handed on once its last byte is there, as a Noise message can
//! only be decrypted as a whole; until then, all that follows waits too. Owns
//! the bytes of at most one unfinished frame and of what came with its last
//! segment.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::frame::{Frame, HEADER_BYTES, NoFrame};

/// Bytes received and not yet part of a whole frame.
#[derive(Debug)]
pub(super) struct Assembler {
    pieces: VecDeque<Bytes>,
    len: usize,
    tag_bytes: usize,
    /// Bytes that are to be passed over.
    skip: usize,
    /// The frame whose body is awaited.
    awaited: Option<Frame>,
}

impl Assembler {
    /// An assembler that passes over `skip` bytes first.
    pub(super) fn new(tag_bytes: usize, skip: usize) -> Self {
        Self {
            pieces: VecDeque::new(),
            len: 0,
            tag_bytes,
            skip,
            awaited: None,
        }
    }

    /// Adds received bytes.
    pub(super) fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        self.pieces.push_back(piece);
    }

    /// The next whole frame; its body is to be taken before the next call.
    ///
    /// # Errors
    /// [`NoFrame`] if the bytes are none.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, NoFrame> {
        if self.skip > 0 {
            let now = self.skip.min(self.len);
            self.skip -= now;
            self.discard(now);
        }
        let frame = match self.awaited.take() {
            Some(frame) => frame,
            None if self.len < HEADER_BYTES + self.tag_bytes => return Ok(None),
            None => {
                let mut head = [0; HEADER_BYTES];
                self.copy_to(&mut head);
                let frame = Frame::decode(&head, self.tag_bytes)?;
                self.discard(self.tag_bytes);
                frame
            }
        };
        if self.len < frame.body_bytes() {
            self.awaited = Some(frame);
            return Ok(None);
        }
        Ok(Some(frame))
    }

    /// Takes the next `len` bytes, which are there, piece by piece.
    pub(super) fn take(&mut self, mut len: usize, mut each: impl FnMut(Bytes)) {
        self.len -= len;
        while len > 0
            && let Some(front) = self.pieces.front_mut()
        {
            if front.len() > len {
                each(front.split_to(len));
                return;
            }
            len -= front.len();
            if let Some(piece) = self.pieces.pop_front() {
                each(piece);
            }
        }
    }

    fn discard(&mut self, len: usize) {
        self.take(len, drop);
    }

    fn copy_to(&mut self, mut out: &mut [u8]) {
        if let Some(front) = self.pieces.front_mut()
            && front.len() > out.len()
        {
            out.copy_from_slice(&front[..out.len()]);
            front.advance(out.len());
            self.len -= out.len();
            return;
        }
        let len = out.len();
        self.take(len, |piece| {
            let (now, rest) = std::mem::take(&mut out).split_at_mut(piece.len());
            now.copy_from_slice(&piece);
            out = rest;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Kind;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_they_are_cut(
            bodies in prop::collection::vec(0usize..3_000, 1..12),
            cuts in prop::collection::vec(1usize..1_460, 1..12),
            skip in 0usize..80,
        ) {
            let mut wire = vec![0xff; skip];
            for (stream, &body) in bodies.iter().enumerate() {
                let frame = Frame::new(Kind::Data, 0, stream as u32, body as u32);
                wire.extend_from_slice(&frame.encode(16)[..HEADER_BYTES + 16]);
                wire.extend((0..body).map(|i| (i * 3 + stream) as u8));
            }
            let mut assembler = Assembler::new(16, skip);
            let mut wire = Bytes::from(wire);
            let mut cuts = cuts.into_iter().cycle();
            let mut seen = 0;
            while !wire.is_empty() {
                let cut = cuts.next().expect("a cycle does not end").min(wire.len());
                assembler.push(wire.split_to(cut));
                while let Some(frame) = assembler.next().expect("all are frames") {
                    prop_assert_eq!(frame.stream as usize, seen);
                    let mut body = Vec::new();
                    assembler.take(frame.body_bytes(), |piece| body.extend_from_slice(&piece));
                    let expected: Vec<u8> =
                        (0..bodies[seen]).map(|i| (i * 3 + seen) as u8).collect();
                    prop_assert_eq!(body, expected);
                    seen += 1;
                }
            }
            prop_assert_eq!(seen, bodies.len());
            prop_assert_eq!(assembler.len, 0);
        }
    }
}
