//! Revocations: an identity takes back what one of its devices may sign from some time on.
//!
//! Owns the format and its check; a [`Revocation`] in memory has been verified. What was taken in
//! before stays; whether an op comes too late is the store's to ask ([`Revocation::covers`]).

use data_encoding::BASE32_NOPAD;

use crate::codec::{DecodeError, Reader, Writer};
use crate::identity::{IdentityId, SignError, Signature, Signer, verify};

const WHAT: &str = "revocation";
const CONTEXT: &str = "orrery/revocation/1";
const VERSION: u64 = 1;

/// Longest encoded revocation.
pub const REVOCATION_BYTES_MAX: usize = 192;
/// Most revocations of one identity that are told and kept.
pub const REVOCATIONS_MAX: usize = 16;

/// The name of a device as people read and write it: lower-case base32 without padding.
pub fn device_name(device: &[u8; 32]) -> String {
    BASE32_NOPAD.encode(device).to_ascii_lowercase()
}

/// The device of a name.
///
/// # Errors
/// [`DecodeError::Invalid`] for what is no name of 32 bytes.
pub fn device_of(name: &str) -> Result<[u8; 32], DecodeError> {
    let wrong = |reason| DecodeError::Invalid {
        what: "device",
        reason,
    };
    let bytes = BASE32_NOPAD
        .decode(name.to_ascii_uppercase().as_bytes())
        .map_err(|_| wrong("not base32"))?;
    bytes.try_into().map_err(|_| wrong("not 32 bytes"))
}

/// A device that speaks for its identity no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Whose device it was.
    pub identity: IdentityId,
    /// The device's Ed25519 key.
    pub device: [u8; 32],
    /// Of several revocations of one device the highest counts; the numbers are those of the
    /// identity's certificates.
    pub serial: u64,
    /// Ops that the device makes after this time by its own logical clock, ms since 1970, are
    /// refused.
    pub after_ms: u64,
    signature: Signature,
}

impl Revocation {
    /// Revokes `device` in the name of `identity`, from after `after_ms` on.
    ///
    /// # Errors
    /// [`SignError`] when the identity's key cannot be reached.
    pub fn issue(
        identity: &dyn Signer,
        device: [u8; 32],
        serial: u64,
        after_ms: u64,
    ) -> Result<Self, SignError> {
        let mut revocation = Self {
            identity: IdentityId(identity.public()),
            device,
            serial,
            after_ms,
            signature: [0; 64],
        };
        revocation.signature = identity.sign(CONTEXT, &revocation.claim())?;
        Ok(revocation)
    }

    /// Whether an op of the device whose logical clock shows `logical_ms` comes too late.
    pub fn covers(&self, logical_ms: u64) -> bool {
        logical_ms > self.after_ms
    }

    /// The revocation as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write_claim(&mut writer, 1);
        writer.bytes(&self.signature).finish()
    }

    /// Reads and verifies a revocation.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong; `Signature` if the identity did not sign it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        reader.versioned(6, VERSION)?;
        let revocation = Self {
            identity: IdentityId(reader.fixed()?),
            device: reader.fixed()?,
            serial: reader.u64()?,
            after_ms: reader.u64()?,
            signature: reader.fixed()?,
        };
        reader.end()?;
        let key = &revocation.identity.0;
        if verify(key, CONTEXT, &revocation.claim(), &revocation.signature) {
            Ok(revocation)
        } else {
            Err(DecodeError::Signature { what: WHAT })
        }
    }

    fn claim(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write_claim(&mut writer, 0);
        writer.finish()
    }

    /// Opens an array of the claim and `more` entries, and writes the claim.
    fn write_claim(&self, writer: &mut Writer, more: usize) {
        writer
            .array(5 + more)
            .u64(VERSION)
            .bytes(&self.identity.0)
            .bytes(&self.device)
            .u64(self.serial)
            .u64(self.after_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::SeedSigner;

    fn revocation() -> Revocation {
        let identity = SeedSigner::new([1; 32]);
        Revocation::issue(&identity, [2; 32], u64::MAX, u64::MAX).expect("a seed signs")
    }

    #[test]
    fn a_revocation_reads_back() {
        let bytes = revocation().encode();
        assert!(bytes.len() <= REVOCATION_BYTES_MAX);
        assert_eq!(Revocation::decode(&bytes), Ok(revocation()));
    }

    #[test]
    fn only_its_identity_revokes_a_device() {
        let forged = [
            Revocation {
                identity: IdentityId(SeedSigner::new([9; 32]).public()),
                ..revocation()
            },
            Revocation {
                device: [3; 32],
                ..revocation()
            },
            Revocation {
                after_ms: 0,
                ..revocation()
            },
        ];
        for forged in forged {
            let refused = Err(DecodeError::Signature { what: WHAT });
            assert_eq!(Revocation::decode(&forged.encode()), refused);
        }
    }

    #[test]
    fn a_device_reads_back_from_its_name() {
        assert_eq!(device_of(&device_name(&[0xa5; 32])), Ok([0xa5; 32]));
        for name in ["", "abc!", "aaaa"] {
            assert!(device_of(name).is_err(), "{name}");
        }
    }
}
