//! Device certificates: an identity says which device may sign for it, and to
//! which key its readers' content keys are wrapped; the device says whose it is.
//!
//! Both sign, so that no identity certifies a device that is another's. Owns the format and its
//! check. A [`Delegation`] in memory has always been verified.
//!
//! Of several certificates of one identity, the one with the highest serial says which device and
//! which encryption key are in use; the others stay good for what their devices signed. An op that
//! its device made after the certificate's end is refused.
//!
//! Version 2 had neither serial nor end: its serial is 0, and it never ends. Version 1 had no
//! signature by the device. Cards that were kept before version 2 hold such certificates, and only
//! there they are read: what comes from a peer needs both signatures.

use crate::codec::{DecodeError, Reader, Writer};
use crate::identity::{IdentityId, SignError, Signature, Signer, verify};
use crate::seal::EncryptionKey;

const WHAT: &str = "device certificate";
/// Purposes of the identity's signature, and of the device's over the same claim.
const CONTEXT: &str = "orrery/delegation/3";
const DEVICE_CONTEXT: &str = "orrery/delegation/3/device";
const VERSION: u64 = 3;
/// Version 2: without serial and end.
const PLAIN_CONTEXT: &str = "orrery/delegation/2";
const PLAIN_DEVICE_CONTEXT: &str = "orrery/delegation/2/device";
const PLAIN_VERSION: u64 = 2;
/// Version 1: without the device's signature.
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
    /// Its place among the certificates of its identity, and its end.
    pub term: Term,
    version: u64,
    /// By the identity.
    signature: Signature,
    /// By the device; `None` in version 1.
    consent: Option<Signature>,
}

/// A certificate's place among those of its identity, and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Term {
    /// The highest of an identity's certificates counts. From 1; 0 for those of versions 1 and 2.
    pub serial: u64,
    /// Ops that the device makes after this time by its own logical clock, ms since 1970, are
    /// refused; `None` if it never ends.
    pub until_ms: Option<u64>,
}

impl Term {
    /// The term of an identity's first certificate, which never ends.
    pub const FIRST: Self = Self {
        serial: 1,
        until_ms: None,
    };

    /// Whether an op whose logical clock shows `logical_ms` was made before the end.
    pub fn covers(&self, logical_ms: u64) -> bool {
        self.until_ms.is_none_or(|until_ms| logical_ms <= until_ms)
    }
}

impl Delegation {
    /// Certifies `device` in the name of `identity` for `term`, with the consent of both.
    ///
    /// # Errors
    /// [`SignError`] when one of the keys cannot be reached.
    pub fn issue(
        identity: &dyn Signer,
        device: &dyn Signer,
        encryption: EncryptionKey,
        term: Term,
    ) -> Result<Self, SignError> {
        let mut delegation = Self {
            identity: IdentityId(identity.public()),
            device: device.public(),
            encryption,
            term,
            version: VERSION,
            signature: [0; 64],
            consent: None,
        };
        let claim = delegation.claim();
        delegation.signature = identity.sign(CONTEXT, &claim)?;
        delegation.consent = Some(device.sign(DEVICE_CONTEXT, &claim)?);
        Ok(delegation)
    }

    /// The certificate as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let signatures = 1 + usize::from(self.consent.is_some());
        self.write_claim(&mut writer, signatures);
        writer.bytes(&self.signature);
        if let Some(consent) = &self.consent {
            writer.bytes(consent);
        }
        writer.finish()
    }

    /// What identity and device sign.
    fn claim(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write_claim(&mut writer, 0);
        writer.finish()
    }

    /// Opens an array of the claim and `more` entries, and writes the claim.
    fn write_claim(&self, writer: &mut Writer, more: usize) {
        let has_term = self.version == VERSION;
        writer
            .array(4 + 2 * usize::from(has_term) + more)
            .u64(self.version)
            .bytes(&self.identity.0)
            .bytes(&self.device)
            .bytes(&self.encryption.0);
        if has_term {
            writer.u64(self.term.serial);
            writer.option(self.term.until_ms, |writer, until_ms| {
                writer.u64(until_ms);
            });
        }
    }

    /// Reads and verifies a certificate. One whose encryption key cannot be sealed to is none: it
    /// would be taken here, and refused wherever it is needed.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong; `Version` for one that no device has signed, as older
    /// nodes have it; `Signature` if identity or device did not sign it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let delegation = Self::decode_consented(bytes)?;
        if !delegation.encryption.is_usable() {
            return Err(DecodeError::Invalid {
                what: WHAT,
                reason: "nothing can be sealed to its encryption key",
            });
        }
        Ok(delegation)
    }

    /// As [`Delegation::decode`], whatever its encryption key is.
    fn decode_consented(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        match reader.versioned(8, VERSION) {
            Ok(()) => Self::read(reader, VERSION),
            Err(DecodeError::Version {
                found: PLAIN_VERSION,
                ..
            }) => {
                let mut reader = Reader::new(WHAT, bytes);
                reader.versioned(6, PLAIN_VERSION)?;
                Self::read(reader, PLAIN_VERSION)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether `bytes` begin as a certificate of version 1 does. Verifies nothing.
    pub(crate) fn is_of_version_1(bytes: &[u8]) -> bool {
        Reader::new(WHAT, bytes).versioned(5, OLD_VERSION).is_ok()
    }

    /// As [`Delegation::decode`], of version 1 as well, and whatever the encryption key is: for what
    /// was kept before that was checked.
    pub(crate) fn decode_kept(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        if reader.versioned(5, OLD_VERSION).is_ok() {
            return Self::read(reader, OLD_VERSION);
        }
        Self::decode_consented(bytes)
    }

    fn read(mut reader: Reader<'_>, version: u64) -> Result<Self, DecodeError> {
        let mut delegation = Self {
            identity: IdentityId(reader.fixed()?),
            device: reader.fixed()?,
            encryption: EncryptionKey(reader.fixed()?),
            term: Term::default(),
            version,
            signature: [0; 64],
            consent: None,
        };
        if version == VERSION {
            delegation.term.serial = reader.u64()?;
            delegation.term.until_ms = reader.option(Reader::u64)?;
        }
        delegation.signature = reader.fixed()?;
        if version != OLD_VERSION {
            delegation.consent = Some(reader.fixed()?);
        }
        reader.end()?;
        if delegation.is_signed() {
            Ok(delegation)
        } else {
            Err(DecodeError::Signature { what: WHAT })
        }
    }

    fn is_signed(&self) -> bool {
        let claim = self.claim();
        let (by_identity, by_device) = match self.version {
            VERSION => (CONTEXT, Some(DEVICE_CONTEXT)),
            PLAIN_VERSION => (PLAIN_CONTEXT, Some(PLAIN_DEVICE_CONTEXT)),
            _ => (OLD_CONTEXT, None),
        };
        let device_agrees = match (by_device, &self.consent) {
            (None, None) => true,
            (Some(context), Some(consent)) => verify(&self.device, context, &claim, consent),
            (None, Some(_)) | (Some(_), None) => false,
        };
        device_agrees && verify(&self.identity.0, by_identity, &claim, &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::SeedSigner;

    const ENCRYPTION: EncryptionKey = EncryptionKey([3; 32]);

    fn delegation() -> Delegation {
        let (identity, device) = (SeedSigner::new([1; 32]), SeedSigner::new([2; 32]));
        Delegation::issue(&identity, &device, ENCRYPTION, Term::FIRST).expect("seeds sign")
    }

    #[test]
    fn a_certificate_reads_back() {
        let (identity, device) = (SeedSigner::new([1; 32]), SeedSigner::new([2; 32]));
        let longest = Term {
            serial: u64::MAX,
            until_ms: Some(u64::MAX),
        };
        for term in [Term::FIRST, longest] {
            let issued = Delegation::issue(&identity, &device, ENCRYPTION, term);
            let issued = issued.expect("seeds sign");
            let bytes = issued.encode();
            assert!(bytes.len() <= DELEGATION_BYTES_MAX);
            assert_eq!(Delegation::decode(&bytes), Ok(issued));
        }
    }

    #[test]
    fn another_serial_or_end_under_the_same_signatures_is_refused() {
        for term in [
            Term {
                serial: 2,
                ..Term::FIRST
            },
            Term {
                until_ms: Some(1),
                ..Term::FIRST
            },
        ] {
            let forged = Delegation {
                term,
                ..delegation()
            };
            assert_eq!(
                Delegation::decode(&forged.encode()),
                Err(DecodeError::Signature { what: WHAT })
            );
        }
    }

    #[test]
    fn a_certificate_covers_what_was_made_before_its_end() {
        assert!(Term::FIRST.covers(u64::MAX));
        let ends = Term {
            serial: 1,
            until_ms: Some(5),
        };
        assert!(ends.covers(5));
        assert!(!ends.covers(6));
    }

    #[test]
    fn a_certificate_to_whose_key_nothing_can_be_sealed_is_refused_but_where_it_was_kept() {
        let (identity, device) = (SeedSigner::new([1; 32]), SeedSigner::new([2; 32]));
        let useless = EncryptionKey([0; 32]);
        let issued = Delegation::issue(&identity, &device, useless, Term::FIRST);
        let issued = issued.expect("seeds sign");
        let refused = Delegation::decode(&issued.encode());
        assert!(
            matches!(refused, Err(DecodeError::Invalid { .. })),
            "{refused:?}"
        );
        assert_eq!(Delegation::decode_kept(&issued.encode()), Ok(issued));
    }

    /// As version 2 issued it.
    fn plain() -> Delegation {
        let (identity, device) = (SeedSigner::new([1; 32]), SeedSigner::new([2; 32]));
        let mut plain = Delegation {
            term: Term::default(),
            version: PLAIN_VERSION,
            ..delegation()
        };
        let claim = plain.claim();
        plain.signature = identity.sign(PLAIN_CONTEXT, &claim).expect("a seed signs");
        plain.consent = device.sign(PLAIN_DEVICE_CONTEXT, &claim).ok();
        plain
    }

    #[test]
    fn a_certificate_of_version_2_is_read_as_the_first() {
        let bytes = plain().encode();
        assert_eq!(Delegation::decode(&bytes), Ok(plain()));
        assert_eq!(plain().term.serial, 0);
        let forged = Delegation {
            version: PLAIN_VERSION,
            ..delegation()
        };
        assert_eq!(
            Delegation::decode(&forged.encode()),
            Err(DecodeError::Signature { what: WHAT })
        );
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
        let mut old = Delegation {
            term: Term::default(),
            version: OLD_VERSION,
            consent: None,
            ..delegation()
        };
        let claim = old.claim();
        old.signature = identity.sign(OLD_CONTEXT, &claim).expect("a seed signs");
        old
    }

    #[test]
    fn no_identity_certifies_a_device_that_is_anothers() {
        // Mallory signs for the device of the identity above, whose key it does not have.
        let mallory = SeedSigner::new([7; 32]);
        let stolen = delegation();
        let named = Delegation {
            identity: IdentityId(mallory.public()),
            ..stolen.clone()
        };
        let claim = named.claim();
        let own = mallory.sign(DEVICE_CONTEXT, &claim).expect("a seed signs");
        for consent in [stolen.consent, Some(own)] {
            let forged = Delegation {
                signature: mallory.sign(CONTEXT, &claim).expect("a seed signs"),
                consent,
                ..named.clone()
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
