//! Device certificates: an identity says which device may sign for it, and to
//! which key its readers' content keys are wrapped.
//!
//! Owns the format and its check. A [`Delegation`] in memory has always been
//! verified.

use crate::codec::{DecodeError, Reader, Writer};
use crate::identity::{IdentityId, SignError, Signature, Signer, verify};
use crate::seal::EncryptionKey;

const WHAT: &str = "device certificate";
const CONTEXT: &str = "orrery/delegation/1";
const VERSION: u64 = 1;

/// Longest encoded certificate.
pub const DELEGATION_BYTES_MAX: usize = 256;

/// A device, certified by its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// Whose device it is.
    pub identity: IdentityId,
    /// The device's Ed25519 key, which signs ops.
    pub device: [u8; 32],
    /// The device's X25519 key.
    pub encryption: EncryptionKey,
    signature: Signature,
}

impl Delegation {
    /// Certifies `device` in the name of `identity`.
    ///
    /// # Errors
    /// [`SignError`] when the identity's key cannot be reached.
    pub fn issue(
        identity: &dyn Signer,
        device: [u8; 32],
        encryption: EncryptionKey,
    ) -> Result<Self, SignError> {
        let id = IdentityId(identity.public());
        let claim = claim(&id, &device, &encryption);
        Ok(Self {
            identity: id,
            device,
            encryption,
            signature: identity.sign(CONTEXT, &claim)?,
        })
    }

    /// The certificate as bytes.
    pub fn encode(&self) -> Vec<u8> {
        Writer::default()
            .array(5)
            .u64(VERSION)
            .bytes(&self.identity.0)
            .bytes(&self.device)
            .bytes(&self.encryption.0)
            .bytes(&self.signature)
            .finish()
    }

    /// Reads and verifies a certificate.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong; `Signature` if the identity did not sign it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        reader.array(5)?;
        reader.version(VERSION)?;
        let delegation = Self {
            identity: IdentityId(reader.fixed()?),
            device: reader.fixed()?,
            encryption: EncryptionKey(reader.fixed()?),
            signature: reader.fixed()?,
        };
        reader.end()?;
        let claim = claim(
            &delegation.identity,
            &delegation.device,
            &delegation.encryption,
        );
        if !verify(
            &delegation.identity.0,
            CONTEXT,
            &claim,
            &delegation.signature,
        ) {
            return Err(DecodeError::Signature { what: WHAT });
        }
        Ok(delegation)
    }
}

/// What the identity signs.
fn claim(identity: &IdentityId, device: &[u8; 32], encryption: &EncryptionKey) -> Vec<u8> {
    Writer::default()
        .array(4)
        .u64(VERSION)
        .bytes(&identity.0)
        .bytes(device)
        .bytes(&encryption.0)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::SeedSigner;

    fn delegation() -> Delegation {
        Delegation::issue(&SeedSigner::new([1; 32]), [2; 32], EncryptionKey([3; 32]))
            .expect("a seed signs")
    }

    #[test]
    fn a_certificate_reads_back() {
        let bytes = delegation().encode();
        assert!(bytes.len() <= DELEGATION_BYTES_MAX);
        assert_eq!(Delegation::decode(&bytes), Ok(delegation()));
    }

    #[test]
    fn another_device_under_the_same_signature_is_refused() {
        let forged = Delegation {
            device: [9; 32],
            ..delegation()
        };
        assert_eq!(
            Delegation::decode(&forged.encode()),
            Err(DecodeError::Signature { what: WHAT })
        );
    }
}
