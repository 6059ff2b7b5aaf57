//! What a page of registrations brings for a look-up.
//!
//! Owns what is the point's doing and what is not. Anybody may register under a name, so one registration
//! of others that is of no use says nothing of the point, and hides nobody.

use libp2p::{Multiaddr, PeerId};

use crate::discovery::rendezvous::{RecordError, Registration, read_record};
use crate::protocol::Reason;

/// What a page of an answer brings for the search of a peer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// There they are.
    Found(Vec<Multiaddr>),
    /// Others, and perhaps more of them.
    Others,
    /// Nobody.
    End,
    /// The point breaks the rules: it tells more than it was asked for, or what nobody can have registered.
    Lie(Reason),
}

/// A page, read as far as it matters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) page: Page,
    /// Registrations before that end that are longer than is used.
    pub(super) left_out: u64,
}

/// Reads a page of at most `limit` for the search of `peer`.
pub(super) fn judge(page: &[Registration], limit: usize, peer: PeerId) -> Judged {
    let mut left_out = 0;
    let mut judge = || {
        if page.len() > limit {
            return Page::Lie(Reason::Oversized);
        }
        for one in page {
            match read_record(&one.record, one.ttl_s) {
                Ok(record) if record.peer_id() == peer => {
                    return Page::Found(record.addresses().to_vec());
                }
                Ok(_) => {}
                Err(RecordError::TooLong) => left_out += 1,
                Err(RecordError::Malformed) => return Page::Lie(Reason::Malformed),
                Err(RecordError::Forged) => return Page::Lie(Reason::Forged),
            }
        }
        if page.is_empty() {
            Page::End
        } else {
            Page::Others
        }
    };
    let page = judge();
    Judged { page, left_out }
}

#[cfg(test)]
mod tests {
    use libp2p::core::PeerRecord;
    use libp2p::identity::Keypair;

    use super::*;
    use crate::discovery::rendezvous::{ADDRESSES_MAX, RECORD_BYTES_MAX, TTL_MAX};

    fn registration(keys: &Keypair, addresses: usize) -> Registration {
        let address = |port: usize| format!("/ip4/192.0.2.1/tcp/{port}").parse().expect("one");
        let addresses = (1..=addresses).map(address).collect();
        let record = PeerRecord::new(keys, addresses).expect("signs");
        let record = record.into_signed_envelope().into_protobuf_encoding();
        Registration {
            namespace: "name".to_owned(),
            record: record.into(),
            ttl_s: 60,
        }
    }

    #[test]
    fn a_page_tells_of_the_peer_or_of_others_and_keeps_the_rules() {
        let (ours, other) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
        let peer = ours.public().to_peer_id();
        let check = |page: &[Registration], expected| {
            let judged = judge(page, 2, peer);
            assert_eq!((judged.page, judged.left_out), (expected, 0));
        };
        let (found, foreign) = (registration(&ours, 1), registration(&other, 1));
        let addresses = vec!["/ip4/192.0.2.1/tcp/1".parse().expect("one")];
        check(&[], Page::End);
        check(&[foreign.clone(), found], Page::Found(addresses));
        check(std::slice::from_ref(&foreign), Page::Others);
        check(&vec![foreign.clone(); 3], Page::Lie(Reason::Oversized));
        let mut forged = foreign.record.to_vec();
        *forged.last_mut().expect("not empty") ^= 1;
        for (record, reason) in [
            (forged, Reason::Forged),
            (vec![0x7f; 40], Reason::Malformed),
        ] {
            let one = Registration {
                record: record.into(),
                ..foreign.clone()
            };
            check(&[one], Page::Lie(reason));
        }
    }

    #[test]
    fn what_others_have_registered_too_long_hides_nobody() {
        let (ours, other) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
        let peer = ours.public().to_peer_id();
        let found = registration(&ours, 1);
        let addresses = vec!["/ip4/192.0.2.1/tcp/1".parse().expect("one")];
        let eternal = Registration {
            ttl_s: TTL_MAX.as_secs() + 1,
            ..registration(&other, 1)
        };
        let long = Registration {
            record: vec![0; RECORD_BYTES_MAX + 1].into(),
            ..eternal.clone()
        };
        let page = [registration(&other, ADDRESSES_MAX + 1), eternal, long];
        let judged = judge(&page, 16, peer);
        assert_eq!((judged.page, judged.left_out), (Page::Others, 3));
        let judged = judge(&[&page[..], &[found]].concat(), 16, peer);
        assert_eq!((judged.page, judged.left_out), (Page::Found(addresses), 3));
    }
}
