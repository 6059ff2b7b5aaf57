//! Rewrites the packet that an ICMP error quotes, so that its sender recognizes it
//! (RFC 5508 §4).

use std::net::{IpAddr, SocketAddr};

use crate::net::icmp::{Quote, QuotedTransport};

/// Replaces the source of the quoted packet.
pub(super) fn set_source(quote: &mut Quote, src: SocketAddr) {
    amend(&mut quote.transport, quote.src, src);
    quote.src = src;
}

/// Replaces the destination of the quoted packet.
pub(super) fn set_destination(quote: &mut Quote, dst: SocketAddr) {
    amend(&mut quote.transport, quote.dst, dst);
    quote.dst = dst;
}

/// A quoted UDP checksum covers addresses and ports; of TCP, it is not quoted.
fn amend(transport: &mut QuotedTransport, before: SocketAddr, after: SocketAddr) {
    let QuotedTransport::Udp { checksum } = transport else {
        return;
    };
    // RFC 1624 §3, equation 3: HC' = ~(~HC + ~m + m').
    let mut sum = u32::from(!*checksum);
    sum += words(before).map(|word| u32::from(!word)).sum::<u32>();
    sum += words(after).map(u32::from).sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Zero would say that there is no checksum (RFC 768).
    *checksum = match !(sum as u16) {
        0 => u16::MAX,
        checksum => checksum,
    };
}

/// What a checksum covers of an endpoint, in words of 16 bits.
fn words(endpoint: SocketAddr) -> impl Iterator<Item = u16> {
    let octets = match endpoint.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let pairs = octets.len() / 2;
    let word = move |at: usize| u16::from_be_bytes([octets[2 * at], octets[2 * at + 1]]);
    (0..pairs).map(word).chain([endpoint.port()])
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::net::icmp::{IcmpError, IcmpKind};
    use crate::net::packet::Packet;

    fn endpoint() -> impl Strategy<Value = SocketAddr> {
        (any::<[u8; 4]>(), any::<u16>()).prop_map(SocketAddr::from)
    }

    fn quote(src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Quote {
        let packet = Packet::udp(src, dst, Bytes::copy_from_slice(payload));
        let error = IcmpError::about(IcmpKind::PortUnreachable, &packet);
        error.expect("it is no error").quote
    }

    proptest! {
        #[test]
        fn a_rewritten_quotation_is_that_of_the_rewritten_packet(
            [src, dst, new] in [endpoint(), endpoint(), endpoint()],
            payload in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut rewritten = quote(src, dst, &payload);
            set_source(&mut rewritten, new);
            prop_assert_eq!(rewritten, quote(new, dst, &payload));
            let mut rewritten = quote(src, dst, &payload);
            set_destination(&mut rewritten, new);
            prop_assert_eq!(rewritten, quote(src, new, &payload));
        }
    }
}
