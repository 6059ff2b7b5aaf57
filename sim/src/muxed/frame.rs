//! Frames: what they say, and how many bytes they are.
//!
//! A frame stands for a Yamux frame inside a Noise message of its own, which is
//! how libp2p sends them: 2 bytes of length, 12 of Yamux header (the Yamux
//! specification, "Framing"), the body, and 16 of authentication tag. Here the
//! tag's place is before the body, so that a body needs no copy to be followed.

/// Bytes before a body, the tag's place aside: Noise's length, Yamux's header.
pub(super) const HEADER_BYTES: usize = 2 + 12;

/// Bytes before a body at most, with the longest tag.
pub(super) const HEAD_BYTES_MAX: usize = HEADER_BYTES + TAG_BYTES_MAX;

/// The longest tag of a [`super::Shape`].
pub(super) const TAG_BYTES_MAX: usize = 64;

/// The largest body; longer writes are split (yamux 0.14: 16 KiB).
pub(super) const BODY_BYTES_MAX: usize = 16 * 1024;

/// The first frame of a stream.
pub(super) const SYN: u8 = 1;
/// The first frame of its other side; or the answer to a ping.
pub(super) const ACK: u8 = 2;
/// The sender writes no more.
pub(super) const FIN: u8 = 4;
/// The stream is gone.
pub(super) const RST: u8 = 8;

/// Why a peer goes away: it closes, the other broke the rules, or it cannot go on.
pub(super) const GONE_NORMALLY: u32 = 0;
pub(super) const GONE_PROTOCOL: u32 = 1;
pub(super) const GONE_INTERNAL: u32 = 2;

/// What a frame is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes of a stream.
    Data,
    /// The other side may send so many bytes more.
    Window,
    /// A question for the round trip, or its answer.
    Ping,
    /// The end of the connection.
    GoAway,
}

/// A frame without its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) flags: u8,
    /// 0 for the connection itself.
    pub(super) stream: u32,
    /// Length of the body, bytes of credit, number of the ping, or why.
    pub(super) value: u32,
}

/// Bytes that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other side sends no frames of this transport")]
pub(super) struct NoFrame;

impl Frame {
    pub(super) fn new(kind: Kind, flags: u8, stream: u32, value: u32) -> Self {
        Self {
            kind,
            flags,
            stream,
            value,
        }
    }

    /// Bytes after the head.
    pub(super) fn body_bytes(&self) -> usize {
        match self.kind {
            Kind::Data => self.value as usize,
            Kind::Window | Kind::Ping | Kind::GoAway => 0,
        }
    }

    /// The head, of which the first `HEADER_BYTES + tag_bytes` are sent.
    pub(super) fn encode(&self, tag_bytes: usize) -> [u8; HEAD_BYTES_MAX] {
        let mut head = [0; HEAD_BYTES_MAX];
        let rest = (HEADER_BYTES - 2 + tag_bytes + self.body_bytes()) as u16;
        head[..2].copy_from_slice(&rest.to_be_bytes());
        head[3] = self.kind as u8;
        head[5] = self.flags;
        head[6..10].copy_from_slice(&self.stream.to_be_bytes());
        head[10..14].copy_from_slice(&self.value.to_be_bytes());
        head
    }

    /// The frame whose head begins with `head`.
    pub(super) fn decode(head: &[u8; HEADER_BYTES], tag_bytes: usize) -> Result<Self, NoFrame> {
        let word =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let kind = match head[3] {
            0 => Kind::Data,
            1 => Kind::Window,
            2 => Kind::Ping,
            3 => Kind::GoAway,
            _ => return Err(NoFrame),
        };
        let frame = Self::new(kind, head[5], word(6), word(10));
        let rest = usize::from(u16::from_be_bytes([head[0], head[1]]));
        // The length is told twice: Noise's must be Yamux's and the rest.
        if frame.body_bytes() <= BODY_BYTES_MAX
            && rest == HEADER_BYTES - 2 + tag_bytes + frame.body_bytes()
        {
            Ok(frame)
        } else {
            Err(NoFrame)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_the_wire() {
        for (kind, value) in [
            (Kind::Data, 16_384),
            (Kind::Window, u32::MAX),
            (Kind::Ping, 7),
            (Kind::GoAway, GONE_PROTOCOL),
        ] {
            let frame = Frame::new(kind, SYN | FIN, 0xdead_beef, value);
            let head = frame.encode(16);
            let head = head.first_chunk().expect("a head is longer");
            assert_eq!(Frame::decode(head, 16), Ok(frame));
            assert_eq!(Frame::decode(head, 15), Err(NoFrame), "another length");
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        assert_eq!(Frame::decode(b"\x13/multistream/", 16), Err(NoFrame));
        let long = Frame::new(Kind::Data, 0, 1, BODY_BYTES_MAX as u32 + 1).encode(16);
        let long = long.first_chunk().expect("a head is longer");
        assert_eq!(Frame::decode(long, 16), Err(NoFrame));
    }
}
