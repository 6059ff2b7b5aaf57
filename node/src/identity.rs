//! Persons, and the Ed25519 signatures that speak for them.
//!
//! Owns the name of an identity, the [`Signer`] seam and the one way in which
//! signatures are made and checked. Holds no secret of its own.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use libp2p::identity::ed25519;

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

/// Whether `signature` is by the key `public` over `bytes` for the purpose `context`.
pub fn verify(public: &[u8; 32], context: &str, bytes: &[u8], signature: &Signature) -> bool {
    ed25519::PublicKey::try_from_bytes(public)
        .is_ok_and(|key| key.verify(&signed_bytes(context, bytes), signature))
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
mod tests {
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
