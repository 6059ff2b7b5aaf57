//! Persons, and the Ed25519 signatures that speak for them.
//!
//! Owns the name of an identity, the [`Signer`] seam and the one way in which
//! signatures are made and checked. Holds no secret of its own.
//!
//! Verification is strict: a public key or a signature's first half of small order is refused,
//! since anybody can sign for such a key.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use libp2p::PeerId;
use libp2p::identity::{PublicKey, ed25519};

use crate::api::text::written_as_text;
use crate::codec::DecodeError;

/// A person: an Ed25519 public key. Shown as lower-case base32 without padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityId(pub [u8; 32]);

impl fmt::Display for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityId({self})")
    }
}

written_as_text!(
    IdentityId,
    "Identity",
    "A person: the Ed25519 public key in lower-case base32 without padding."
);

impl FromStr for IdentityId {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let wrong = |reason| DecodeError::Invalid {
            what: "identity",
            reason,
        };
        let bytes = BASE32_NOPAD
            .decode(text.to_ascii_uppercase().as_bytes())
            .map_err(|_| wrong("not base32"))?;
        let bytes = bytes.try_into().map_err(|_| wrong("not 32 bytes"))?;
        if is_of_small_order(&bytes) {
            return Err(wrong("a key that anybody can sign for"));
        }
        Ok(Self(bytes))
    }
}

/// An Ed25519 signature.
pub type Signature = [u8; 64];

/// A signing key could not be used: a token was unplugged, a passphrase refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signing key cannot be used: {0}")]
pub struct SignError(pub String);

/// Holds an Ed25519 secret key, wherever that may be, and signs with it.
///
/// ```
/// use orrery_node::identity::{SeedSigner, Signer, verify};
///
/// let signer = SeedSigner::new([7; 32]);
/// let signature = signer.sign("orrery/example/1", b"hello")?;
/// assert!(verify(&signer.public(), "orrery/example/1", b"hello", &signature));
/// assert!(!verify(&signer.public(), "orrery/other/1", b"hello", &signature));
/// # Ok::<(), orrery_node::identity::SignError>(())
/// ```
pub trait Signer: Send + Sync {
    /// The public key.
    fn public(&self) -> [u8; 32];
    /// Signs `bytes` for the purpose `context`: a signature made for one
    /// purpose is worth nothing for another.
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be reached.
    fn sign(&self, context: &str, bytes: &[u8]) -> Result<Signature, SignError>;
}

/// A key made of a 32-byte seed that lies in memory.
pub struct SeedSigner(ed25519::Keypair);

impl SeedSigner {
    /// The key of `seed`.
    ///
    /// # Panics
    /// Never: every seed of 32 bytes is an Ed25519 secret key.
    pub fn new(seed: [u8; 32]) -> Self {
        let secret = ed25519::SecretKey::try_from_bytes(seed)
            .expect("every seed of 32 bytes is an Ed25519 secret key");
        Self(ed25519::Keypair::from(secret))
    }
}

impl Signer for SeedSigner {
    fn public(&self) -> [u8; 32] {
        self.0.public().to_bytes()
    }

    fn sign(&self, context: &str, bytes: &[u8]) -> Result<Signature, SignError> {
        self.0
            .sign(&signed_bytes(context, bytes))
            .try_into()
            .map_err(|_| SignError("it made a signature of a wrong length".into()))
    }
}

/// Whether `signature` is by the key `public` over `bytes` for the purpose `context`. Never for
/// a key of small order.
pub fn verify(public: &[u8; 32], context: &str, bytes: &[u8], signature: &Signature) -> bool {
    let nonce = signature.first_chunk();
    if is_of_small_order(public) || nonce.is_none_or(is_of_small_order) {
        return false;
    }
    ed25519::PublicKey::try_from_bytes(public)
        .is_ok_and(|key| key.verify(&signed_bytes(context, bytes), signature))
}

/// Ordinates of the eight points of small order, little endian: 0, 1, p - 1, those of order 8,
/// and the encodings of 0 and 1 that are not reduced (p and p + 1). Cremers and Jackson, "Prime,
/// Order Please!", CSF 2019, table 2.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    first_byte(1, [0; 32]),
    first_byte(0xec, NEAR_P),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    first_byte(0xed, NEAR_P),
    first_byte(0xee, NEAR_P),
];

/// All but the first byte of 2^255 - 19 and its neighbours.
const NEAR_P: [u8; 32] = {
    let mut bytes = [0xff; 32];
    bytes[31] = 0x7f;
    bytes
};

const fn first_byte(first: u8, mut bytes: [u8; 32]) -> [u8; 32] {
    bytes[0] = first;
    bytes
}

/// Whether a compressed point has small order, whatever its sign bit.
fn is_of_small_order(point: &[u8; 32]) -> bool {
    let mut ordinate = *point;
    ordinate[31] &= 0x7f;
    SMALL_ORDER.contains(&ordinate)
}

/// Whether anybody can speak for `peer`: it is named by an Ed25519 key of small order.
pub(crate) fn is_anybodys(peer: &PeerId) -> bool {
    let named = PublicKey::try_decode_protobuf(peer.as_ref().digest()).ok();
    let key = named.and_then(|key| key.try_into_ed25519().ok());
    key.is_some_and(|key| is_of_small_order(&key.to_bytes()))
}

/// Purposes are separated by a zero byte, which no context contains.
fn signed_bytes(context: &str, bytes: &[u8]) -> Vec<u8> {
    debug_assert!(!context.contains('\0'), "contexts contain no zero byte");
    let mut signed = Vec::with_capacity(context.len() + 1 + bytes.len());
    signed.extend_from_slice(context.as_bytes());
    signed.push(0);
    signed.extend_from_slice(bytes);
    signed
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn an_identity_reads_back_from_its_text() {
        let id = IdentityId([0xa5; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("".parse::<IdentityId>().is_err());
        assert!("abc!".parse::<IdentityId>().is_err());
        assert!("aaaa".parse::<IdentityId>().is_err());
    }

    #[test]
    fn keys_that_anybody_can_sign_for_are_no_identities() {
        // The zero scalar signs for a key of small order: s = 0 and R = -kA, which is one of
        // eight points whatever was signed.
        let points = SMALL_ORDER.into_iter().flat_map(|point| {
            let mut negative = point;
            negative[31] |= 0x80;
            [point, negative]
        });
        let points: Vec<[u8; 32]> = points.collect();
        let mut forgeries = 0;
        for key in &points {
            assert!(IdentityId(*key).to_string().parse::<IdentityId>().is_err());
            for nonce in &points {
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(nonce);
                let lax = ed25519::PublicKey::try_from_bytes(key)
                    .is_ok_and(|key| key.verify(&signed_bytes("a", b"bytes"), &signature));
                forgeries += u32::from(lax);
                assert!(!verify(key, "a", b"bytes", &signature));
            }
        }
        assert!(forgeries > 0, "without the check, forgeries pass");
    }

    /// Peers of small order.
    pub(crate) fn anybodys() -> Vec<PeerId> {
        let keys = SMALL_ORDER
            .iter()
            .filter_map(|key| ed25519::PublicKey::try_from_bytes(key).ok());
        keys.map(|key| PublicKey::from(key).to_peer_id()).collect()
    }

    #[test]
    fn peers_that_anybody_can_speak_for_are_known_by_their_names() {
        assert!(!anybodys().is_empty());
        assert!(anybodys().iter().all(is_anybodys));
        assert!(!(0..100).any(|_| is_anybodys(&PeerId::random())));
        let honest = libp2p::identity::Keypair::generate_ed25519();
        assert!(!is_anybodys(&honest.public().to_peer_id()));
    }

    #[test]
    fn a_signature_is_bound_to_key_purpose_and_bytes() {
        let signer = SeedSigner::new([1; 32]);
        let signature = signer.sign("a", b"bytes").expect("a seed signs");
        assert!(verify(&signer.public(), "a", b"bytes", &signature));
        assert!(!verify(&signer.public(), "b", b"bytes", &signature));
        assert!(!verify(&signer.public(), "a", b"other", &signature));
        let other = SeedSigner::new([2; 32]).public();
        assert!(!verify(&other, "a", b"bytes", &signature));
    }
}
