//! The send buffer: bytes from the application until they are acknowledged.
//!
//! Owns the bytes and their stream offsets; it decides nothing about when they
//! are sent. A segment that lies within one chunk shares its memory; one that
//! spans chunks is copied.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

/// Writes below this are gathered, so that many small ones cost no more memory
/// than one large one.
const GATHER_BELOW: usize = 2_048;
/// How much is gathered in one allocation.
const GATHER_BYTES: usize = 4_096;

/// A bounded queue of bytes addressed by stream offset.
#[derive(Debug)]
pub(super) struct SendBuffer {
    chunks: VecDeque<Bytes>,
    /// Small writes not yet in `chunks`; they follow the last chunk.
    gathered: BytesMut,
    /// Stream offset of the first byte held.
    start: u64,
    len: usize,
    capacity: usize,
    /// Where the last slice was found: new data is looked for from there on.
    cursor: Cursor,
}

#[derive(Debug, Clone, Copy)]
struct Cursor {
    index: usize,
    /// Stream offset of the chunk's first byte.
    at: u64,
}

impl SendBuffer {
    /// An empty buffer whose first byte will have the offset `start`.
    pub(super) fn new(start: u64, capacity: usize) -> Self {
        Self {
            chunks: VecDeque::new(),
            gathered: BytesMut::new(),
            start,
            len: 0,
            capacity,
            cursor: Cursor {
                index: 0,
                at: start,
            },
        }
    }

    /// Offset after the last byte held.
    pub(super) fn end(&self) -> u64 {
        self.start + self.len as u64
    }

    /// Bytes that can still be written.
    pub(super) fn room(&self) -> usize {
        self.capacity - self.len
    }

    /// Bytes of memory held beside itself.
    pub(super) fn memory_bytes(&self) -> usize {
        let slots = self.chunks.capacity() * size_of::<Bytes>();
        self.len + slots + self.gathered.capacity()
    }

    /// Copies as much of `data` as there is room for; returns how much.
    pub(super) fn write(&mut self, data: &[u8]) -> usize {
        let data = &data[..data.len().min(self.room())];
        if data.len() >= GATHER_BELOW {
            self.flush();
            self.chunks.push_back(Bytes::copy_from_slice(data));
        } else if !data.is_empty() {
            if self.gathered.capacity() - self.gathered.len() < data.len() {
                self.flush();
                self.gathered = BytesMut::with_capacity(GATHER_BYTES);
            }
            self.gathered.extend_from_slice(data);
        }
        self.len += data.len();
        data.len()
    }

    /// Takes as much from the front of `data` as there is room for, without
    /// copying unless it is little; returns how much.
    pub(super) fn write_chunk(&mut self, data: &mut Bytes) -> usize {
        let accepted = data.split_to(data.len().min(self.room()));
        if accepted.len() < GATHER_BELOW {
            return self.write(&accepted);
        }
        self.flush();
        self.len += accepted.len();
        let count = accepted.len();
        self.chunks.push_back(accepted);
        count
    }

    fn flush(&mut self) {
        if !self.gathered.is_empty() {
            self.chunks.push_back(self.gathered.split().freeze());
        }
    }

    /// Drops what lies before `until`: it was acknowledged.
    pub(super) fn release(&mut self, until: u64) {
        let mut count = (until.min(self.end()) - self.start) as usize;
        self.start += count as u64;
        self.len -= count;
        while count > 0 {
            let Some(front) = self.chunks.front_mut() else {
                // Only what was sliced can be acknowledged by a peer, and
                // slicing flushes; still, account for gathered bytes too.
                self.gathered.advance(count);
                break;
            };
            if front.len() > count {
                front.advance(count);
                break;
            }
            count -= front.len();
            self.chunks.pop_front();
            self.cursor.index = self.cursor.index.saturating_sub(1);
        }
        if self.cursor.index == 0 {
            self.cursor.at = self.start;
        }
        if self.len == 0 {
            self.gathered = BytesMut::new();
            self.chunks = VecDeque::new();
        }
    }

    /// The `len` bytes from offset `at` on.
    ///
    /// # Panics
    /// If they are not all held.
    pub(super) fn slice(&mut self, at: u64, len: usize) -> Bytes {
        assert!(
            self.start <= at && at + len as u64 <= self.end(),
            "bytes {at}+{len} are outside of {}..{}",
            self.start,
            self.end()
        );
        if len == 0 {
            return Bytes::new();
        }
        let front = self.chunks.front().map_or(0, Bytes::len);
        let cursor = if at + (len as u64) <= self.start + front as u64 {
            // Retransmissions are mostly here; the cursor stays with new data.
            Cursor {
                index: 0,
                at: self.start,
            }
        } else {
            self.seek(at)
        };
        let skip = (at - cursor.at) as usize;
        let chunk = &self.chunks[cursor.index];
        if skip + len <= chunk.len() {
            return chunk.slice(skip..skip + len);
        }
        self.gather(cursor.index, skip, len)
    }

    /// Moves the cursor to the chunk that holds offset `at`.
    fn seek(&mut self, at: u64) -> Cursor {
        self.flush();
        if at < self.cursor.at {
            self.cursor = Cursor {
                index: 0,
                at: self.start,
            };
        }
        while at >= self.cursor.at + self.chunks[self.cursor.index].len() as u64 {
            self.cursor.at += self.chunks[self.cursor.index].len() as u64;
            self.cursor.index += 1;
        }
        self.cursor
    }

    /// Copies `len` bytes that span chunks.
    fn gather(&self, index: usize, mut skip: usize, len: usize) -> Bytes {
        let mut out = BytesMut::with_capacity(len);
        for chunk in self.chunks.range(index..) {
            let part = &chunk[skip..];
            let part = &part[..part.len().min(len - out.len())];
            out.extend_from_slice(part);
            skip = 0;
            if out.len() == len {
                break;
            }
        }
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_buffer_takes_no_more() {
        let mut buffer = SendBuffer::new(1, 4);
        assert_eq!(buffer.write(b"abcdef"), 4);
        assert_eq!(buffer.write(b"x"), 0);
        let mut chunk = Bytes::from_static(b"yz");
        assert_eq!(buffer.write_chunk(&mut chunk), 0);
        assert_eq!(chunk.len(), 2);
        buffer.release(3);
        assert_eq!(buffer.write_chunk(&mut chunk), 2);
        assert_eq!(&buffer.slice(3, 4)[..], b"cdyz");
    }

    #[test]
    fn slices_of_a_large_chunk_share_its_memory() {
        let mut chunk = Bytes::from(vec![7; 100_000]);
        let original = chunk.as_ptr();
        let mut buffer = SendBuffer::new(0, 1 << 20);
        buffer.write_chunk(&mut chunk);
        assert_eq!(
            buffer.slice(5_000, 1_460).as_ptr(),
            original.wrapping_add(5_000)
        );
    }

    #[test]
    fn an_emptied_buffer_gives_its_memory_back() {
        let mut buffer = SendBuffer::new(0, 1 << 20);
        for _ in 0..1_000 {
            buffer.write(&[1; 3_000]);
        }
        buffer.write(b"x");
        buffer.release(buffer.end());
        assert_eq!(buffer.chunks.capacity(), 0);
        assert_eq!(buffer.gathered.capacity(), 0);
    }

    proptest! {
        #[test]
        fn slices_are_what_was_written(
            writes in prop::collection::vec((1usize..6_000, any::<bool>()), 1..20),
            picks in prop::collection::vec((any::<u16>(), 1u64..3_000, any::<bool>()), 1..60),
        ) {
            let mut buffer = SendBuffer::new(1, 1 << 20);
            let mut model = Vec::new();
            for (len, copied) in writes {
                let data: Vec<u8> = (0..len).map(|i| (model.len() + i * 7) as u8).collect();
                model.extend_from_slice(&data);
                if copied {
                    buffer.write(&data);
                } else {
                    buffer.write_chunk(&mut Bytes::from(data));
                }
            }
            let mut released = 0u64;
            for (position, len, release) in picks {
                let left = model.len() as u64 - released;
                if left == 0 {
                    break;
                }
                let at = released + u64::from(position) % left;
                let len = len.min(model.len() as u64 - at);
                let slice = buffer.slice(1 + at, len as usize);
                prop_assert_eq!(&slice[..], &model[at as usize..(at + len) as usize]);
                if release {
                    released = at;
                    buffer.release(1 + at);
                }
            }
        }
    }
}
