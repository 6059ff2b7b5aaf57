//! Records of where a person's node is reached, signed by the person and by the transport key of the
//! node.
//!
//! Owns the format and its check; an [`AddressRecord`] in memory has been verified.
//! Anybody may hand on and keep a record, and nobody but its person can make one, nor in it name a peer
//! that is another's. Records of version 1, which had no signature by the transport key, are refused.
//! A later record has a higher version, and each has an end, so that neither an old
//! record nor a forgotten one leads anybody astray for ever.

use libp2p::{Multiaddr, PeerId};

use crate::card::{
    CARD_ADDRESS_BYTES_MAX, CARD_ADDRESSES_MAX, CONSENT_BYTES_MAX, PEER_BYTES_MAX, fitting,
    has_signed, read_addresses, write_addresses,
};
use crate::codec::{DecodeError, Reader, Writer};
use crate::identity::{IdentityId, SignError, Signature, verify};
use crate::keys::Keys;

const WHAT: &str = "address record";
/// The purpose of the identity's signature.
const CONTEXT: &str = "orrery/address/2";
/// The purpose of the transport key's signature over the same claim; a zero byte ends it.
const PEER_CONTEXT: &[u8] = b"orrery/address/2/peer\0";
const FORMAT: u64 = 2;

/// Longest signed part: its addresses, each with its length, and 160 bytes for the rest.
const CLAIM_BYTES_MAX: usize = CARD_ADDRESSES_MAX * (CARD_ADDRESS_BYTES_MAX + 3) + 160;
/// Longest encoded record: the signed part, two signatures, and their lengths.
pub const RECORD_BYTES_MAX: usize = CLAIM_BYTES_MAX + 72 + CONSENT_BYTES_MAX + 2;

/// Wall clocks of author and reader may differ by so much, milliseconds.
const SKEW_MAX_MS: u64 = 10 * 60 * 1_000;

/// Where a person's node is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRecord {
    /// Whose node.
    pub identity: IdentityId,
    /// Its libp2p name.
    pub peer: PeerId,
    /// Grows with every record of the identity.
    pub version: u64,
    /// When it ends, by its author's wall clock: milliseconds since 1970.
    pub expires_ms: u64,
    /// Where to dial, best first; at most [`CARD_ADDRESSES_MAX`].
    pub addresses: Vec<Multiaddr>,
    /// By the identity.
    signature: Signature,
    /// By the transport key.
    consent: Vec<u8>,
}

/// Why a record is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It cannot be read, or its signature is wrong.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It lies under a key that is not its identity's.
    #[error("the record is of another identity than its key")]
    WrongKey,
    /// Its end has come.
    #[error("the record has expired")]
    Expired,
    /// Its end is later than records may live.
    #[error("the record would live too long")]
    TooLong,
    /// A newer one is known.
    #[error("a record of version {known} is known, this one has {found}")]
    Old {
        /// The version that is known.
        known: u64,
        /// The version found.
        found: u64,
    },
    /// It names an address that somebody who is connected must not know.
    #[error("the record names an address of a local network")]
    Private,
    /// There is no room, and those kept are nearer to this node.
    #[error("no room for a record so far away")]
    Full,
}

impl RecordError {
    /// The name in events and counters, kebab-case.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Decode(DecodeError::Signature { .. }) => "forged",
            Self::Decode(DecodeError::TooLong { .. }) => "oversized",
            Self::Decode(DecodeError::Version { .. }) => "other-format",
            Self::Decode(_) => "malformed",
            Self::WrongKey => "wrong-key",
            Self::Expired => "expired",
            Self::TooLong => "too-long-a-life",
            Self::Old { .. } => "old-version",
            Self::Private => "private-address",
            Self::Full => "full",
        }
    }
}

impl AddressRecord {
    /// Signs a record in the name of the identity of `keys` and of its peer. Addresses that are too
    /// long, or too many, are left out.
    ///
    /// # Errors
    /// [`SignError`] when the identity's key cannot be reached, or the transport key does not sign.
    pub fn issue(
        keys: &Keys,
        version: u64,
        expires_ms: u64,
        addresses: &[Multiaddr],
    ) -> Result<Self, SignError> {
        let mut record = Self {
            identity: keys.identity(),
            peer: keys.peer(),
            version,
            expires_ms,
            addresses: fitting(addresses),
            signature: [0; 64],
            consent: Vec::new(),
        };
        record.sign(keys)?;
        Ok(record)
    }

    fn sign(&mut self, keys: &Keys) -> Result<(), SignError> {
        let claim = self.claim();
        self.signature = keys.sign_as_identity(CONTEXT, &claim)?;
        let consent = keys.transport().sign(&[PEER_CONTEXT, &claim].concat());
        self.consent = consent.map_err(|error| SignError(error.to_string()))?;
        Ok(())
    }

    /// The record as bytes, at most [`RECORD_BYTES_MAX`].
    pub fn encode(&self) -> Vec<u8> {
        Writer::default()
            .array(3)
            .bytes(&self.claim())
            .bytes(&self.signature)
            .bytes(&self.consent)
            .finish()
    }

    /// Reads a record and verifies its signatures.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong; `Version` for a record of version 1.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        match reader.list(3)? {
            3 => {}
            2 => {
                return Err(DecodeError::Version {
                    what: WHAT,
                    found: 1,
                });
            }
            _ => {
                return Err(DecodeError::Invalid {
                    what: WHAT,
                    reason: "its parts",
                });
            }
        }
        let claim = reader.bytes(CLAIM_BYTES_MAX)?;
        let signature = reader.fixed()?;
        let consent = reader.bytes(CONSENT_BYTES_MAX)?.to_vec();
        reader.end()?;
        let mut reader = Reader::new(WHAT, claim);
        reader.array(6)?;
        reader.version(FORMAT)?;
        let identity = IdentityId(reader.fixed()?);
        let peer = PeerId::from_bytes(reader.bytes(PEER_BYTES_MAX)?);
        let record = Self {
            identity,
            peer: peer.map_err(|_| DecodeError::Invalid {
                what: WHAT,
                reason: "peer",
            })?,
            version: reader.u64()?,
            expires_ms: reader.u64()?,
            addresses: read_addresses(&mut reader)?,
            signature,
            consent,
        };
        reader.end()?;
        // What is kept is what was signed, so that it can be handed on.
        let is_signed = record.claim() == claim
            && verify(&identity.0, CONTEXT, claim, &signature)
            && has_signed(&record.peer, PEER_CONTEXT, claim, &record.consent)?;
        if !is_signed {
            return Err(DecodeError::Signature { what: WHAT });
        }
        Ok(record)
    }

    /// Reads what lies under `key`, and checks that it is of use at `now_ms`.
    /// `life_max_ms` is the longest life of a record.
    ///
    /// # Errors
    /// [`RecordError`], by what is wrong; never `Old`, `Private` or `Full`.
    pub fn check(
        key: &[u8],
        value: &[u8],
        now_ms: u64,
        life_max_ms: u64,
    ) -> Result<Self, RecordError> {
        let record = Self::decode(value)?;
        if super::address_key(&record.identity).as_ref() != key {
            return Err(RecordError::WrongKey);
        }
        if record.expires_ms.saturating_add(SKEW_MAX_MS) <= now_ms {
            return Err(RecordError::Expired);
        }
        let latest_ms = now_ms.saturating_add(life_max_ms);
        if record.expires_ms > latest_ms.saturating_add(SKEW_MAX_MS) {
            return Err(RecordError::TooLong);
        }
        Ok(record)
    }

    /// What identity and transport key sign.
    fn claim(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer
            .array(6)
            .u64(FORMAT)
            .bytes(&self.identity.0)
            .bytes(&self.peer.to_bytes())
            .u64(self.version)
            .u64(self.expires_ms);
        write_addresses(&mut writer, &self.addresses);
        writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kad::address_key;
    use proptest::prelude::*;

    const NOW_MS: u64 = 1_700_000_000_000;
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

    fn issue(seed: u8, version: u64, expires_ms: u64, addresses: usize) -> AddressRecord {
        let address = |port| format!("/ip4/192.0.2.1/tcp/{port}").parse();
        let addresses: Result<Vec<Multiaddr>, _> = (1..=addresses).map(address).collect();
        let keys = Keys::generate(Some([seed; 32]));
        AddressRecord::issue(&keys, version, expires_ms, &addresses.expect("addresses"))
            .expect("keys in memory sign")
    }

    #[track_caller]
    fn check(of: u8, record: &AddressRecord, expected: Result<(), &str>) {
        let identity = Keys::generate(Some([of; 32])).identity();
        let key = address_key(&identity);
        let found = AddressRecord::check(key.as_ref(), &record.encode(), NOW_MS, DAY_MS);
        match (&found, expected) {
            (Ok(found), Ok(())) => assert_eq!(found, record),
            (Err(error), Err(name)) => assert_eq!(error.name(), name),
            _ => panic!("{found:?}"),
        }
    }

    #[test]
    fn a_record_is_taken_under_its_own_key_within_its_life() {
        check(1, &issue(1, 7, NOW_MS + DAY_MS, 2), Ok(()));
        check(2, &issue(1, 7, NOW_MS + DAY_MS, 2), Err("wrong-key"));
        check(1, &issue(1, 7, NOW_MS - SKEW_MAX_MS, 2), Err("expired"));
        check(1, &issue(1, 7, NOW_MS - SKEW_MAX_MS + 1, 2), Ok(()));
        let too_late = NOW_MS + DAY_MS + SKEW_MAX_MS + 1;
        check(1, &issue(1, 7, too_late, 2), Err("too-long-a-life"));
        check(1, &issue(1, 7, too_late - 1, 2), Ok(()));
        check(1, &issue(1, 7, u64::MAX, 2), Err("too-long-a-life"));
    }

    #[test]
    fn what_was_changed_after_signing_is_forged() {
        let honest = issue(1, 7, NOW_MS + DAY_MS, 1);
        let forged = AddressRecord {
            version: 8,
            ..honest
        };
        check(1, &forged, Err("forged"));
    }

    #[test]
    fn a_record_that_names_anothers_peer_is_forged() {
        let [liar, alice] = [1, 2].map(|seed| Keys::generate(Some([seed; 32])));
        let mut forged = issue(1, 7, NOW_MS + DAY_MS, 1);
        forged.peer = alice.peer();
        forged.sign(&liar).expect("keys in memory sign");
        check(1, &forged, Err("forged"));
        // Nor does what she signed of herself serve another.
        let honest = issue(2, 7, NOW_MS + DAY_MS, 1);
        forged.consent.clone_from(&honest.consent);
        check(1, &forged, Err("forged"));
        forged.peer = PeerId::random();
        forged.sign(&liar).expect("keys in memory sign");
        check(1, &forged, Err("malformed"));
    }

    #[test]
    fn a_record_of_version_1_is_refused_as_such() {
        let record = issue(1, 7, NOW_MS + DAY_MS, 1);
        let old = Writer::default()
            .array(2)
            .bytes(&record.claim())
            .bytes(&record.signature)
            .finish();
        let key = address_key(&record.identity);
        let refused = AddressRecord::check(key.as_ref(), &old, NOW_MS, DAY_MS);
        assert_eq!(refused.map_err(|error| error.name()), Err("other-format"));
    }

    #[test]
    fn the_largest_record_is_within_its_bound() {
        let long: String = (0..11).map(|_| "/p2p-circuit").collect();
        let address: Multiaddr = format!("/dns4/{}{long}", "x".repeat(70))
            .parse()
            .expect("an address");
        let address = (address.len() <= CARD_ADDRESS_BYTES_MAX).then_some(address);
        let addresses = vec![address.expect("it fits"); 20];
        let keys = Keys::generate(Some([1; 32]));
        let record = AddressRecord::issue(&keys, u64::MAX, u64::MAX, &addresses).expect("signs");
        assert_eq!(record.addresses.len(), CARD_ADDRESSES_MAX);
        assert!(record.encode().len() <= RECORD_BYTES_MAX);
        assert_eq!(AddressRecord::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn what_is_no_record_is_malformed() {
        let key = address_key(&Keys::generate(Some([1; 32])).identity());
        for value in [&[][..], &[0; 40], &[0xff; 4_000]] {
            let error = AddressRecord::check(key.as_ref(), value, NOW_MS, DAY_MS);
            assert_eq!(error.map_err(|error| error.name()), Err("malformed"));
        }
    }

    proptest! {
        #[test]
        fn an_altered_byte_never_panics_and_never_passes(at: prop::sample::Index, to: u8) {
            let mut bytes = issue(1, 7, NOW_MS, 1).encode();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            prop_assert!(AddressRecord::decode(&bytes).is_err());
            prop_assert!(AddressRecord::decode(&bytes[..at]).is_err());
        }
    }
}
