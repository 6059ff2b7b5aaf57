//! TCP segments: fields, flags, options, and their size on the wire.
//!
//! Owns the representation (RFC 9293 §3.1), not the meaning: what a segment
//! does to a connection is decided elsewhere.

use std::fmt;
use std::ops::BitOr;

use bytes::Bytes;

use crate::trace::Encoding;

/// Bytes of a TCP header without options.
pub const HEADER_BYTES: usize = 20;

/// One TCP segment. Cloning shares the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Sequence number of the first byte, or of the SYN.
    pub seq: u32,
    /// Next sequence number expected from the other side, if ACK is set.
    pub ack: u32,
    /// Control flags.
    pub flags: Flags,
    /// Advertised window, to be shifted by the window scale except in a SYN.
    pub window: u16,
    /// Options.
    pub options: Options,
    /// Payload.
    pub payload: Bytes,
}

impl Segment {
    /// Bytes of TCP header, options (padded to 32 bits) and payload.
    pub fn wire_len(&self) -> usize {
        HEADER_BYTES + self.options.wire_len() + self.payload.len()
    }

    /// Sequence numbers that the segment takes: payload, SYN and FIN.
    pub fn sequence_len(&self) -> u32 {
        // A payload beyond 4 GiB cannot exist in one packet.
        self.payload.len() as u32
            + u32::from(self.flags.contains(Flags::SYN))
            + u32::from(self.flags.contains(Flags::FIN))
    }

    /// Whether this asks for a new connection: SYN without ACK or RST.
    pub fn is_connection_request(&self) -> bool {
        self.flags.contains(Flags::SYN)
            && !self.flags.contains(Flags::ACK)
            && !self.flags.contains(Flags::RST)
    }

    /// The reply to a segment that belongs to no connection: a reset, unless
    /// the segment is itself one (RFC 9293 §3.10.7.1).
    pub fn reset_reply(&self) -> Option<Self> {
        if self.flags.contains(Flags::RST) {
            return None;
        }
        let (seq, ack, flags) = if self.flags.contains(Flags::ACK) {
            (self.ack, 0, Flags::RST)
        } else {
            let ack = self.seq.wrapping_add(self.sequence_len());
            (0, ack, Flags::RST | Flags::ACK)
        };
        Some(Self {
            seq,
            ack,
            flags,
            window: 0,
            options: Options::default(),
            payload: Bytes::new(),
        })
    }

    pub(crate) fn digest_into(&self, encoding: &mut Encoding) {
        let mut head = [0u8; 19];
        head[0..4].copy_from_slice(&self.seq.to_le_bytes());
        head[4..8].copy_from_slice(&self.ack.to_le_bytes());
        head[8] = self.flags.0;
        head[9..11].copy_from_slice(&self.window.to_le_bytes());
        head[11..13].copy_from_slice(&self.options.mss.unwrap_or(0).to_le_bytes());
        head[13] = u8::from(self.options.mss.is_some())
            | u8::from(self.options.window_scale.is_some()) << 1
            | u8::from(self.options.sack_permitted) << 2;
        head[14] = self.options.window_scale.unwrap_or(0);
        head[15..19].copy_from_slice(&(self.payload.len() as u32).to_le_bytes());
        encoding.update(&head);
        for (start, end) in self.options.sack.iter() {
            encoding.update(&start.to_le_bytes());
            encoding.update(&end.to_le_bytes());
        }
        encoding.update(&[self.options.sack.len()]);
        encoding.update(&self.payload);
    }
}

/// Control flags of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Deliver at once.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement field counts.
    pub const ACK: Self = Self(0x10);

    /// Flags from the header's byte (RFC 9293 §3.1); all patterns are allowed.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The header's byte.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other`'s flags are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
        let mut separator = "";
        for (bit, name) in NAMES.iter().enumerate() {
            if self.0 & 1 << bit != 0 {
                write!(f, "{separator}{name}")?;
                separator = "|";
            }
        }
        if self.0 == 0 {
            f.write_str("none")
        } else {
            Ok(())
        }
    }
}

/// Options of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Largest payload that the sender of the option can take (RFC 9293 §3.7.1).
    pub mss: Option<u16>,
    /// Shift of the sender's advertised windows (RFC 7323 §2.2).
    pub window_scale: Option<u8>,
    /// Selective acknowledgements are understood (RFC 2018 §2).
    pub sack_permitted: bool,
    /// Blocks received out of order (RFC 2018 §3).
    pub sack: SackBlocks,
}

impl Options {
    /// Bytes of the options, padded to a multiple of four.
    pub fn wire_len(&self) -> usize {
        let mss = if self.mss.is_some() { 4 } else { 0 };
        let scale = if self.window_scale.is_some() { 3 } else { 0 };
        let permitted = if self.sack_permitted { 2 } else { 0 };
        let sack = match self.sack.len() {
            0 => 0,
            blocks => 2 + 8 * blocks,
        };
        (mss + scale + permitted + sack as usize).next_multiple_of(4)
    }
}

/// Up to four selective-acknowledgement blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SackBlocks {
    blocks: [(u32, u32); Self::MAX],
    len: u8,
}

impl SackBlocks {
    /// As many as fit the option space (RFC 2018 §3).
    pub const MAX: usize = 4;

    /// Adds the block of sequence numbers from `start` up to, without, `end`.
    /// A fifth block is left out: the option has no room for it.
    pub fn push(&mut self, start: u32, end: u32) {
        if let Some(slot) = self.blocks.get_mut(usize::from(self.len)) {
            *slot = (start, end);
            self.len += 1;
        }
    }

    /// Number of blocks.
    pub const fn len(&self) -> u8 {
        self.len
    }

    /// Whether there are no blocks.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The blocks, as pushed.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.blocks.iter().take(usize::from(self.len)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(flags: Flags, seq: u32, ack: u32, payload: &'static [u8]) -> Segment {
        Segment {
            seq,
            ack,
            flags,
            window: 0,
            options: Options::default(),
            payload: Bytes::from_static(payload),
        }
    }

    #[test]
    fn options_are_padded_to_words() {
        let check = |options: Options, expected| assert_eq!(options.wire_len(), expected);
        let mut options = Options::default();
        check(options, 0);
        options.mss = Some(1460);
        check(options, 4);
        options.window_scale = Some(7);
        check(options, 8);
        options.sack_permitted = true;
        check(options, 12);
        let mut options = Options::default();
        for block in 0..6 {
            options.sack.push(block, block + 1);
        }
        assert_eq!(options.sack.len(), 4);
        check(options, 36);
    }

    #[test]
    fn resets_answer_as_the_rfc_says() {
        let check = |input: Segment, expected: Option<Segment>| {
            assert_eq!(input.reset_reply(), expected);
        };
        check(segment(Flags::RST, 5, 6, b""), None);
        check(
            segment(Flags::ACK, 5, 6, b"abc"),
            Some(segment(Flags::RST, 6, 0, b"")),
        );
        check(
            segment(Flags::SYN, u32::MAX, 0, b""),
            Some(segment(Flags::RST | Flags::ACK, 0, 0, b"")),
        );
        check(
            segment(Flags::SYN | Flags::FIN, 10, 0, b"abc"),
            Some(segment(Flags::RST | Flags::ACK, 0, 15, b"")),
        );
    }

    #[test]
    fn flags_print_their_names() {
        assert_eq!(format!("{:?}", Flags::SYN | Flags::ACK), "SYN|ACK");
        assert_eq!(format!("{:?}", Flags::default()), "none");
    }
}
