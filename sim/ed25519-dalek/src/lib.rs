//! The published `ed25519-dalek`, behind a memory of what a thread has verified
//! before.
//!
//! Verifying a signature is a function of key, message and signature alone. Real
//! hosts each compute it for themselves; a thousand simulated hosts on one thread
//! that receive the same message would compute it a thousand times for the same
//! answer. A thread that [`remember`]s computes it once. Every other thread
//! computes every time, as the published crate does. This crate computes nothing
//! by itself, and has as much of the published API as libp2p uses.
//!
//! ```
//! use ed25519_dalek::{Signer, SigningKey, Verifier};
//! ed25519_dalek::remember(true);
//! let key = SigningKey::from_bytes(&[7; 32]);
//! let signature = key.sign(b"hello");
//! for _ in 0..1_000 {
//!     assert!(key.verifying_key().verify(b"hello", &signature).is_ok());
//!     assert!(key.verifying_key().verify(b"hullo", &signature).is_err());
//! }
//! ```

use std::hash::{Hash, Hasher};

pub use published::{
    KEYPAIR_LENGTH, PUBLIC_KEY_LENGTH, SECRET_KEY_LENGTH, SIGNATURE_LENGTH, SecretKey, Signature,
    SignatureError, Signer, Verifier,
};

mod memory;

pub use memory::remember;

/// A key that signs.
#[derive(Clone)]
pub struct SigningKey(published::SigningKey);

impl SigningKey {
    /// The key of a secret.
    pub fn from_bytes(secret: &SecretKey) -> Self {
        Self(published::SigningKey::from_bytes(secret))
    }

    /// The key of a secret and the public key that goes with it.
    ///
    /// # Errors
    /// If it does not go with it.
    pub fn from_keypair_bytes(bytes: &[u8; KEYPAIR_LENGTH]) -> Result<Self, SignatureError> {
        published::SigningKey::from_keypair_bytes(bytes).map(Self)
    }

    /// The secret.
    pub fn to_bytes(&self) -> SecretKey {
        self.0.to_bytes()
    }

    /// The secret and the public key.
    pub fn to_keypair_bytes(&self) -> [u8; KEYPAIR_LENGTH] {
        self.0.to_keypair_bytes()
    }

    /// The key that verifies what this one signs.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }
}

impl Signer<Signature> for SigningKey {
    fn try_sign(&self, message: &[u8]) -> Result<Signature, SignatureError> {
        self.0.try_sign(message)
    }
}

/// A key that verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyingKey(published::VerifyingKey);

impl VerifyingKey {
    /// The key of a compressed point (RFC 8032 §5.1.2).
    ///
    /// # Errors
    /// If no point of the curve is compressed so.
    pub fn from_bytes(bytes: &[u8; PUBLIC_KEY_LENGTH]) -> Result<Self, SignatureError> {
        memory::key(bytes, published::VerifyingKey::from_bytes).map(Self)
    }

    /// The compressed point.
    pub fn to_bytes(&self) -> [u8; PUBLIC_KEY_LENGTH] {
        self.0.to_bytes()
    }

    /// The compressed point.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY_LENGTH] {
        self.0.as_bytes()
    }
}

// Not derived: equal keys are those with equal bytes, which is what is hashed.
impl Hash for VerifyingKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Verifier<Signature> for VerifyingKey {
    fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        memory::verified(self.as_bytes(), message, signature, || {
            self.0.verify(message, signature)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// With a memory, each answer is what the published crate says.
        #[test]
        fn answers_are_those_of_the_published_crate(
            steps in prop::collection::vec((0_u8..3, 0_u8..3, 0_u8..3, any::<u16>()), 1..40),
        ) {
            remember(true);
            for (signer, claimed, message, damage) in steps {
                let key = |number: u8| published::SigningKey::from_bytes(&[number; 32]);
                let mut message = vec![message; 100];
                let mut signature = key(signer).sign(&message).to_bytes();
                match damage {
                    // Half of all stay as they are.
                    0..0x8000 => {}
                    0x8000..0xc000 => message[usize::from(damage) % 100] ^= 1,
                    _ => signature[usize::from(damage) % 64] ^= 1 << (damage % 7),
                }
                let signature = Signature::from_bytes(&signature);
                let bytes = key(claimed).verifying_key().to_bytes();
                let ours = VerifyingKey::from_bytes(&bytes)?.verify(&message, &signature);
                let theirs = key(claimed).verifying_key().verify(&message, &signature);
                prop_assert_eq!(ours.is_ok(), theirs.is_ok());
            }
        }

        #[test]
        fn bytes_are_a_key_where_the_published_crate_takes_them(bytes: [u8; 32]) {
            remember(true);
            for _ in 0..2 {
                let ours = VerifyingKey::from_bytes(&bytes).map(|key| key.to_bytes());
                let theirs = published::VerifyingKey::from_bytes(&bytes);
                prop_assert_eq!(ours.ok(), theirs.ok().map(|key| key.to_bytes()));
            }
        }
    }
}
