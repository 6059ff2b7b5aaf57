//! Which registrations are used: the same rule for points that take them and clients that are told them,
//! so that no point of ours tells what a client leaves out.

use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::core::{PeerRecord, SignedEnvelope};

/// Most addresses of one registration.
pub const ADDRESSES_MAX: usize = 64;
/// What they may take together, in bytes.
const ADDRESSES_BYTES_MAX: usize = 8 * 1024;
/// Longest record, in bytes: that many addresses, and a key and a signature of any kind.
pub const RECORD_BYTES_MAX: usize = 10 * 1024;
/// For no longer a registration stands: the longest time of the specification.
pub const TTL_MAX: Duration = Duration::from_hours(72);

/// Why a registration is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It has too many bytes or addresses, or stands for too long.
    #[error("it is longer than a registration may be")]
    TooLong,
    /// It is no envelope.
    #[error("it cannot be read")]
    Malformed,
    /// The peer that it names has not signed it.
    #[error("it is not signed by its peer")]
    Forged,
}

/// Reads a record that is to stand for `ttl_s` seconds, and verifies that its peer has signed it.
///
/// # Errors
/// [`RecordError`]; signatures of records that are too long are not verified.
pub fn read_record(record: &[u8], ttl_s: u64) -> Result<PeerRecord, RecordError> {
    if record.len() > RECORD_BYTES_MAX || ttl_s > TTL_MAX.as_secs() {
        return Err(RecordError::TooLong);
    }
    let envelope =
        SignedEnvelope::from_protobuf_encoding(record).map_err(|_| RecordError::Malformed)?;
    // This checks the signature, and that the signer is the peer of the record.
    let record = PeerRecord::from_signed_envelope(envelope).map_err(|_| RecordError::Forged)?;
    if record.addresses().len() > ADDRESSES_MAX {
        return Err(RecordError::TooLong);
    }
    Ok(record)
}

/// The first of `addresses` that fit a record.
pub fn fitting(addresses: impl IntoIterator<Item = Multiaddr>) -> Vec<Multiaddr> {
    let mut bytes = 0;
    let fits = |address: &Multiaddr| {
        bytes += address.len();
        bytes <= ADDRESSES_BYTES_MAX
    };
    let addresses = addresses.into_iter().take(ADDRESSES_MAX);
    addresses.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;

    use super::*;

    fn record(keys: &Keypair, addresses: Vec<Multiaddr>) -> Vec<u8> {
        let record = PeerRecord::new(keys, addresses).expect("signs");
        record.into_signed_envelope().into_protobuf_encoding()
    }

    fn addresses(count: usize) -> Vec<Multiaddr> {
        let address = |port| format!("/ip4/192.0.2.1/tcp/{port}");
        let addresses = (0..count).map(|port| address(port).parse().expect("an address"));
        addresses.collect()
    }

    #[test]
    fn each_is_judged_by_its_lengths_and_by_its_signature() {
        let keys = Keypair::ed25519_from_bytes([3; 32]).expect("a key");
        let good = record(&keys, addresses(ADDRESSES_MAX));
        let read = read_record(&good, TTL_MAX.as_secs()).expect("good");
        assert_eq!(read.peer_id(), keys.public().to_peer_id());
        let check = |record: &[u8], ttl_s, expected| {
            assert_eq!(read_record(record, ttl_s), Err(expected));
        };
        check(&good, TTL_MAX.as_secs() + 1, RecordError::TooLong);
        let many = record(&keys, addresses(ADDRESSES_MAX + 1));
        check(&many, 60, RecordError::TooLong);
        check(&[0; RECORD_BYTES_MAX + 1], 60, RecordError::TooLong);
        check(&[0x7f; 40], 60, RecordError::Malformed);
        let mut forged = good;
        *forged.last_mut().expect("not empty") ^= 1;
        check(&forged, 60, RecordError::Forged);
    }

    #[test]
    fn addresses_that_fit_make_a_record_that_is_used() {
        let keys = Keypair::ed25519_from_bytes([3; 32]).expect("a key");
        let long = format!("/dns4/{}/tcp/1", "n".repeat(250));
        let long: Multiaddr = long.parse().expect("an address");
        for given in [addresses(200), vec![long; 200], addresses(3)] {
            let fit = fitting(given.clone());
            assert!(!fit.is_empty() && given.starts_with(&fit));
            assert!(read_record(&record(&keys, fit), 60).is_ok());
        }
    }
}
