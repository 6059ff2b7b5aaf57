//! Frames of a connection that nobody has read yet.
//!
//! Yamux bounds the bytes of a substream that wait to be read, and keeps each frame of them in an allocation of its
//! own (yamux 0.14): a byte in a frame of its own costs some 64. Owns the number of those frames, and its bound.

use std::collections::{BTreeMap, VecDeque};

/// Frames that are counted together.
const GROUP: u32 = 64;
/// Full groups for each substream that a connection may have: what is unread may come in frames of 512 bytes on
/// all of them at once.
const GROUPS_OF_SUBSTREAM: usize = 8;

/// The frames of one substream.
#[derive(Debug, Default)]
struct Frames {
    arrived_bytes: u64,
    read_bytes: u64,
    /// Frames since the last full group.
    beyond: u32,
    /// Where the full groups end of which something is unread, in bytes since the beginning.
    ends: VecDeque<u64>,
}

/// The frames of all substreams of a connection.
#[derive(Debug)]
pub struct Unread {
    substreams: BTreeMap<u32, Frames>,
    groups: usize,
    groups_max: usize,
}

impl Unread {
    /// Of a connection with up to so many substreams.
    pub fn new(substreams_max: usize) -> Self {
        Self {
            substreams: BTreeMap::new(),
            groups: 0,
            groups_max: substreams_max.saturating_mul(GROUPS_OF_SUBSTREAM),
        }
    }

    /// There is a substream of this number.
    pub fn opened(&mut self, number: u32) {
        self.substreams.entry(number).or_default();
    }

    /// A frame of so many bytes has arrived for a substream; whether there are few enough. Those for substreams
    /// that are not there are kept by nobody.
    pub fn arrived(&mut self, number: u32, bytes: u32) -> bool {
        let Some(frames) = self.substreams.get_mut(&number) else {
            return true;
        };
        if bytes == 0 {
            return true;
        }
        frames.arrived_bytes += u64::from(bytes);
        frames.beyond += 1;
        if frames.beyond == GROUP {
            frames.beyond = 0;
            frames.ends.push_back(frames.arrived_bytes);
            self.groups += 1;
        }
        self.groups <= self.groups_max
    }

    /// So many bytes of a substream have been read.
    pub fn read(&mut self, number: u32, bytes: usize) {
        let Some(frames) = self.substreams.get_mut(&number) else {
            return;
        };
        frames.read_bytes += bytes as u64;
        while frames
            .ends
            .front()
            .is_some_and(|end| *end <= frames.read_bytes)
        {
            frames.ends.pop_front();
            self.groups -= 1;
        }
    }

    /// A substream is no longer there, nor what was unread of it.
    pub fn closed(&mut self, number: u32) {
        if let Some(frames) = self.substreams.remove(&number) {
            self.groups -= frames.ends.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many frames of so many bytes a connection takes that nobody reads, up to a bound.
    fn taken(unread: &mut Unread, number: u32, bytes: u32, most: usize) -> usize {
        (0..most)
            .take_while(|_| unread.arrived(number, bytes))
            .count()
    }

    #[test]
    fn so_many_frames_wait_to_be_read_however_small_they_are() {
        let most = 2 * GROUPS_OF_SUBSTREAM * GROUP as usize;
        let mut unread = Unread::new(2);
        for number in [1, 2] {
            unread.opened(number);
        }
        assert_eq!(taken(&mut unread, 1, 1, most), most);
        // Those that end a group more are too many, on any substream, until some are read.
        let beyond = GROUP as usize - 1;
        assert_eq!(taken(&mut unread, 2, 1, most), beyond);
        unread.read(1, GROUP as usize);
        assert_eq!(taken(&mut unread, 2, 1, most), beyond);
        unread.closed(1);
        assert_eq!(
            taken(&mut unread, 2, 1, most),
            most - GROUP as usize * 2 + beyond
        );
        unread.closed(2);
        assert_eq!((unread.groups, unread.substreams.len()), (0, 0));
    }

    #[test]
    fn what_is_read_or_kept_by_nobody_counts_no_more() {
        let mut unread = Unread::new(1);
        unread.opened(1);
        for _ in 0..100_000 {
            assert!(unread.arrived(1, 3) && unread.arrived(1, 0) && unread.arrived(5, 1));
            unread.read(1, 3);
        }
        assert_eq!((unread.groups, unread.substreams.len()), (0, 1));
    }
}
