//! Certificates and cards that are signed by fewer than they need, in whatever version the node
//! writes: its own bytes, with something in the claim replaced.
//!
//! Knows of their formats that a claim is followed by signatures of 64 bytes, that it begins with
//! its version, and what the purposes of signatures are called.

use orrery_node::delegation::Delegation;
use orrery_node::identity::Signature;
use orrery_node::keys::Keys;

use crate::frames::cbor;

/// A signature of 64 bytes as CBOR: two bytes of head.
const SIGNATURE_BYTES: usize = 66;

/// What identity and device sign of a certificate, and its version.
pub struct Claim {
    bytes: Vec<u8>,
    version: u8,
}

impl Claim {
    /// The claim of a certificate with two signatures.
    pub fn of(delegation: &Delegation) -> Self {
        let mut bytes = delegation.encode();
        bytes.truncate(bytes.len().saturating_sub(2 * SIGNATURE_BYTES));
        // An array of fewer than 24 entries has its length in its first byte; the version follows.
        bytes[0] -= 2;
        let version = bytes[1];
        Self { bytes, version }
    }

    /// Puts `new` where `old` stands, which is as long.
    ///
    /// # Panics
    /// If the claim does not hold `old`.
    #[must_use]
    pub fn with(mut self, old: &[u8; 32], new: &[u8; 32]) -> Self {
        let at = self.bytes.windows(32).position(|bytes| bytes == old);
        let at = at.expect("a claim names keys and identity as they are");
        self.bytes[at..at + 32].copy_from_slice(new);
        self
    }

    /// The identity's signature over it.
    pub fn signed(&self, keys: &Keys) -> Signature {
        let context = format!("orrery/delegation/{}", self.version);
        let signature = keys.sign_as_identity(&context, &self.bytes);
        signature.expect("a key in memory signs")
    }

    /// The device's signature over it.
    pub fn agreed(&self, keys: &Keys) -> Signature {
        let context = format!("orrery/delegation/{}/device", self.version);
        let signature = keys.sign_as_device(&context, &self.bytes);
        signature.expect("a key in memory signs")
    }

    /// The certificate with these signatures of identity and device.
    pub fn certificate(&self, identity: &Signature, device: &Signature) -> Vec<u8> {
        let mut whole = self.bytes.clone();
        whole[0] += 2;
        whole.extend(cbor(|to| {
            to.bytes(identity)?.bytes(device)?;
            Ok(())
        }));
        whole
    }
}

/// A certificate by the identity of `keys` for the device of `stolen`, which has not agreed: its
/// consent is that to its own identity.
pub fn of_anothers_device(keys: &Keys, stolen: &Delegation) -> Vec<u8> {
    let own = keys.delegation();
    let claim = Claim::of(own).with(&own.device, &stolen.device);
    let theirs = stolen.encode();
    let consent = theirs.last_chunk().copied().unwrap_or([0; 64]);
    claim.certificate(&claim.signed(keys), &consent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_node::DecodeError;

    #[test]
    fn what_is_taken_apart_and_signed_again_is_a_certificate() {
        let keys = Keys::generate(Some([1; 32]));
        let claim = Claim::of(keys.delegation());
        let whole = claim.certificate(&claim.signed(&keys), &claim.agreed(&keys));
        assert_eq!(whole, keys.delegation().encode());
    }

    #[test]
    fn a_certificate_for_anothers_device_fails_by_its_signature_alone() {
        let keys = Keys::generate(Some([1; 32]));
        let other = Keys::generate(Some([2; 32]));
        let forged = of_anothers_device(&keys, other.delegation());
        let refused = Delegation::decode(&forged);
        assert!(
            matches!(refused, Err(DecodeError::Signature { .. })),
            "{refused:?}"
        );
    }
}
