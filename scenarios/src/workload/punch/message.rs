//! What hosts that punch holes say to the rendezvous and to each other.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use bytes::Bytes;

/// Length of every message.
pub(super) const LENGTH: usize = 28;

/// A message of or about one side of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: Kind,
    /// Names the pair.
    pub(super) punch: u32,
    /// The side that speaks; that is spoken to by the rendezvous.
    pub(super) side: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// To the rendezvous: where do you see me?
    Register,
    /// From the rendezvous: the other side is seen there.
    Seen(SocketAddr),
    /// To the other side: do you hear me there?
    Ask(SocketAddr),
    /// To the other side: I hear what you sent there.
    Answer(SocketAddr),
}

impl Message {
    pub(super) fn write(self) -> Bytes {
        let (kind, at) = match self.kind {
            Kind::Register => (0, None),
            Kind::Seen(at) => (1, Some(at)),
            Kind::Ask(at) => (2, Some(at)),
            Kind::Answer(at) => (3, Some(at)),
        };
        let at = at.unwrap_or(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0));
        let ip = match at.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let mut bytes = vec![kind, self.side];
        bytes.extend(u64::from(self.punch).to_be_bytes());
        bytes.extend(ip.octets());
        bytes.extend(at.port().to_be_bytes());
        bytes.into()
    }

    /// `None` if it is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LENGTH] = bytes.try_into().ok()?;
        let (head, rest) = bytes.split_first_chunk::<2>()?;
        let (punch, rest) = rest.split_first_chunk::<8>()?;
        let (ip, port) = rest.split_first_chunk::<16>()?;
        let port = u16::from_be_bytes(port.try_into().ok()?);
        let ip = Ipv6Addr::from(*ip).to_canonical();
        let at = SocketAddr::new(ip, port);
        let kind = match head[0] {
            0 => Kind::Register,
            1 => Kind::Seen(at),
            2 => Kind::Ask(at),
            3 => Kind::Answer(at),
            _ => return None,
        };
        Some(Self {
            kind,
            punch: u32::try_from(u64::from_be_bytes(*punch)).ok()?,
            side: Some(head[1]).filter(|side| *side < 2)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let at = |text: &str| text.parse().expect("the test lists addresses");
        let kinds = [
            Kind::Register,
            Kind::Seen(at("11.0.0.1:7")),
            Kind::Ask(at("[2600::1]:8")),
            Kind::Answer(at("11.0.0.1:9")),
        ];
        for kind in kinds {
            let message = Message {
                kind,
                punch: 70_000,
                side: 1,
            };
            let bytes = message.write();
            assert_eq!(bytes.len(), LENGTH);
            assert_eq!(Message::read(&bytes), Some(message));
            assert_eq!(Message::read(&bytes[1..]), None);
        }
        let mut bytes = [0; LENGTH];
        bytes[0] = 4;
        assert_eq!(Message::read(&bytes), None);
        bytes[..2].copy_from_slice(&[0, 2]);
        assert_eq!(Message::read(&bytes), None);
    }
}
