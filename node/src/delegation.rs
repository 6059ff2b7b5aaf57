//! Device certificates: an identity says which device may sign for it, and to
//! which key its readers' content keys are wrapped; the device says whose it is.
//!
//! Both sign, so that no identity certifies a device that is another's. Owns the format and its
//! check. A [`Delegation`] in memory has always been verified.
//!
//! Version 1 had no signature by the device. Cards that were kept before version 2 hold such
//! certificates, and only there they are read: what comes from a peer needs both signatures.

use crate::codec::{DecodeError, Reader, Writer};
use crate::identity::{IdentityId, SignError, Signature, Signer, verify};
use crate::seal::EncryptionKey;

const WHAT: &str = "device certificate";
/// The purpose of the identity's signature.
const CONTEXT: &str = "orrery/delegation/2";
/// The purpose of the device's signature over the same claim.
const DEVICE_CONTEXT: &str = "orrery/delegation/2/device";
const VERSION: u64 = 2;
const OLD_CONTEXT: &str = "orrery/delegation/1";
const OLD_VERSION: u64 = 1;

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
    /// By the identity.
    signature: Signature,
    /// By the device; `None` in version 1.
    consent: Option<Signature>,
}

impl Delegation {
    /// Certifies `device` in the name of `identity`, with the consent of both.
    ///
    /// # Errors
    /// [`SignError`] when one of the keys cannot be reached.
    pub fn issue(
        identity: &dyn Signer,
        device: &dyn Signer,
        encryption: EncryptionKey,
    ) -> Result<Self, SignError> {
        let (id, device_key) = (IdentityId(identity.public()), device.public());
        let claim = claim(VERSION, &id, &device_key, &encryption);
        Ok(Self {
            identity: id,
            device: device_key,
            encryption,
            signature: identity.sign(CONTEXT, &claim)?,
            consent: Some(device.sign(DEVICE_CONTEXT, &claim)?),
        })
    }

    /// The certificate as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        match self.consent {
            Some(_) => writer.array(6).u64(VERSION),
            None => writer.array(5).u64(OLD_VERSION),
        };
        writer
            .bytes(&self.identity.0)
            .bytes(&self.device)
            .bytes(&self.encryption.0)
            .bytes(&self.signature);
        if let Some(consent) = &self.consent {
            writer.bytes(consent);
        }
        writer.finish()
    }

    /// Reads and verifies a certificate.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong; `Version` for one that no device has signed, as older
    /// nodes have it; `Signature` if identity or device did not sign it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        reader.versioned(6, VERSION)?;
        Self::read(reader, VERSION)
    }

    /// Whether `bytes` begin as a certificate of version 1 does. Verifies nothing.
    pub(crate) fn is_of_version_1(bytes: &[u8]) -> bool {
        Reader::new(WHAT, bytes).versioned(5, OLD_VERSION).is_ok()
    }

    /// As [`Delegation::decode`], of version 1 as well: for what was kept before version 2.
    pub(crate) fn decode_kept(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        if reader.versioned(5, OLD_VERSION).is_ok() {
            return Self::read(reader, OLD_VERSION);
        }
        Self::decode(bytes)
    }

    fn read(mut reader: Reader<'_>, version: u64) -> Result<Self, DecodeError> {
        let mut delegation = Self {
            identity: IdentityId(reader.fixed()?),
            device: reader.fixed()?,
            encryption: EncryptionKey(reader.fixed()?),
            signature: reader.fixed()?,
            consent: None,
        };
        if version == VERSION {
            delegation.consent = Some(reader.fixed()?);
        }
        reader.end()?;
        if delegation.is_signed(version) {
            Ok(delegation)
        } else {
            Err(DecodeError::Signature { what: WHAT })
        }
    }

    fn is_signed(&self, version: u64) -> bool {
        let claim = claim(version, &self.identity, &self.device, &self.encryption);
        let by_identity = |context| verify(&self.identity.0, context, &claim, &self.signature);
        match &self.consent {
            None => by_identity(OLD_CONTEXT),
            Some(consent) => {
                by_identity(CONTEXT) && verify(&self.device, DEVICE_CONTEXT, &claim, consent)
            }
        }
    }
}

/// What identity and device sign.
fn claim(
    version: u64,
    identity: &IdentityId,
    device: &[u8; 32],
    encryption: &EncryptionKey,
) -> Vec<u8> {
    Writer::default()
        .array(4)
        .u64(version)
        .bytes(&identity.0)
        .bytes(device)
        .bytes(&encryption.0)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::SeedSigner;

    const ENCRYPTION: EncryptionKey = EncryptionKey([3; 32]);

    fn delegation() -> Delegation {
        let (identity, device) = (SeedSigner::new([1; 32]), SeedSigner::new([2; 32]));
        Delegation::issue(&identity, &device, ENCRYPTION).expect("seeds sign")
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
            device: SeedSigner::new([9; 32]).public(),
            ..delegation()
        };
        assert_eq!(
            Delegation::decode(&forged.encode()),
            Err(DecodeError::Signature { what: WHAT })
        );
    }

    /// As version 1 issued it.
    fn old() -> Delegation {
        let identity = SeedSigner::new([1; 32]);
        let delegation = delegation();
        let claim = claim(
            OLD_VERSION,
            &delegation.identity,
            &delegation.device,
            &ENCRYPTION,
        );
        Delegation {
            signature: identity.sign(OLD_CONTEXT, &claim).expect("a seed signs"),
            consent: None,
            ..delegation
        }
    }

    #[test]
    fn no_identity_certifies_a_device_that_is_anothers() {
        // Mallory signs for the device of the identity above, whose key it does not have.
        let mallory = SeedSigner::new([7; 32]);
        let stolen = delegation();
        let id = IdentityId(mallory.public());
        let claim = claim(VERSION, &id, &stolen.device, &ENCRYPTION);
        let own = mallory.sign(DEVICE_CONTEXT, &claim).expect("a seed signs");
        for consent in [stolen.consent, Some(own)] {
            let forged = Delegation {
                identity: id,
                signature: mallory.sign(CONTEXT, &claim).expect("a seed signs"),
                consent,
                ..stolen.clone()
            };
            assert_eq!(
                Delegation::decode(&forged.encode()),
                Err(DecodeError::Signature { what: WHAT })
            );
        }
    }

    #[test]
    fn a_certificate_of_version_1_is_read_from_what_was_kept_and_not_from_peers() {
        let bytes = old().encode();
        assert_eq!(
            Delegation::decode(&bytes),
            Err(DecodeError::Version {
                what: WHAT,
                found: OLD_VERSION
            })
        );
        assert_eq!(Delegation::decode_kept(&bytes), Ok(old()));
        let forged = Delegation {
            encryption: EncryptionKey([4; 32]),
            ..old()
        };
        assert_eq!(
            Delegation::decode_kept(&forged.encode()),
            Err(DecodeError::Signature { what: WHAT })
        );
    }
}
