//! Ops: the signed entries of a device's logs.
//!
//! Owns the header's format and the checks that need nothing but the op itself. Whether it fits what
//! else is known of its log is the store's business. The names of ops and logs are `op/name.rs`'s, the
//! reasons for which an op is refused `op/refusal.rs`'s.

mod name;
mod refusal;

use std::borrow::Cow;

use crate::body::BODY_BYTES_MAX;
use crate::codec::{DecodeError, Reader, Writer};
use crate::delegation::Delegation;
use crate::identity::{IdentityId, SignError, Signature, verify};
use crate::keys::Keys;
use crate::seal::SEAL_OVERHEAD_BYTES;

pub use name::{LogId, OpId};
pub use refusal::{OpRefusal, Outlook};

const WHAT: &str = "op header";
/// The purpose of a device's signature over an author and a header.
const OP_CONTEXT: &str = "orrery/op/2";
const VERSION: u64 = 2;
/// Headers of this version name no author in what is signed; their purpose was another, too.
/// They are read, since old posts have them, and made no more.
const VERSION_WITHOUT_AUTHOR: u64 = 1;
const OP_CONTEXT_WITHOUT_AUTHOR: &str = "orrery/op/1";

/// Longest header.
pub const HEADER_BYTES_MAX: usize = 1_024;
/// Most ops that a header may name as its causes.
pub const DEPS_MAX: usize = 16;
/// Longest body as it travels: sealed bodies are a tag longer than plain ones.
pub const SEALED_BODY_BYTES_MAX: usize = BODY_BYTES_MAX + SEAL_OVERHEAD_BYTES;

/// When its author says an op was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hlc {
    /// Hybrid logical clock, ms since 1970: never runs back on one device.
    pub logical_ms: u64,
    /// Orders ops of one `logical_ms`.
    pub counter: u64,
    /// The author's wall clock as it was, ms since 1970. May run back.
    pub stamp_ms: u64,
}

impl Hlc {
    /// The time of the op that follows `self`, made when the wall clock shows `wall_ms`.
    #[must_use]
    pub fn next(self, wall_ms: u64) -> Self {
        if wall_ms > self.logical_ms {
            return Self::first(wall_ms);
        }
        Self {
            logical_ms: self.logical_ms,
            counter: self.counter.saturating_add(1),
            stamp_ms: wall_ms,
        }
    }

    /// The time of a device's first op.
    #[must_use]
    pub fn first(wall_ms: u64) -> Self {
        Self {
            logical_ms: wall_ms,
            counter: 0,
            stamp_ms: wall_ms,
        }
    }
}

/// How a body travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Readable by anybody.
    None,
    /// XChaCha20-Poly1305 under a content key of its own.
    ContentKey,
}

/// What a device signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Whether the device's signature covers the author as well; false for posts that were made
    /// by version 1, which are read and made no more.
    pub names_author: bool,
    /// The log it belongs to.
    pub log: LogId,
    /// The device that wrote it.
    pub device: [u8; 32],
    /// Its place in the log, from 0.
    pub seq: u64,
    /// The op before it in the log; `None` at place 0 only.
    pub prev: Option<OpId>,
    /// When it was made.
    pub hlc: Hlc,
    /// BLAKE3 of the body as it travels.
    pub body_hash: [u8; 32],
    /// Length of the body as it travels.
    pub body_len: u32,
    /// How the body travels.
    pub encryption: Encryption,
    /// The author asks to forget it after this time, ms since 1970.
    pub expires_ms: Option<u64>,
    /// Ops it answers to, at most [`DEPS_MAX`].
    pub deps: Vec<OpId>,
    /// Reserved; kept as signed.
    pub flags: u32,
}

impl Header {
    /// The exact bytes that are signed and hashed.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.array(12);
        self.write_place(&mut writer);
        writer.bytes(&self.body_hash).u64(u64::from(self.body_len));
        self.write_rest(&mut writer);
        writer.finish()
    }

    /// What a sealed body is bound to: all of the header that can be known
    /// before the body is sealed. The signature then binds the sealed body.
    pub(crate) fn binding(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.array(10);
        self.write_place(&mut writer);
        self.write_rest(&mut writer);
        writer.finish()
    }

    fn write_place(&self, writer: &mut Writer) {
        writer
            .u64(if self.names_author {
                VERSION
            } else {
                VERSION_WITHOUT_AUTHOR
            })
            .bytes(&self.log.0)
            .bytes(&self.device)
            .u64(self.seq)
            .option(self.prev, |writer, prev| {
                writer.bytes(&prev.0);
            })
            .array(3)
            .u64(self.hlc.logical_ms)
            .u64(self.hlc.counter)
            .u64(self.hlc.stamp_ms);
    }

    fn write_rest(&self, writer: &mut Writer) {
        writer
            .u64(match self.encryption {
                Encryption::None => 0,
                Encryption::ContentKey => 1,
            })
            .option(self.expires_ms, |writer, expires| {
                writer.u64(expires);
            })
            .array(self.deps.len());
        for dep in &self.deps {
            writer.bytes(&dep.0);
        }
        writer.u64(u64::from(self.flags));
    }

    /// Reads a header. One header has one encoding: another that means the
    /// same is refused, since the op's name depends on the bytes.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > HEADER_BYTES_MAX {
            return Err(DecodeError::TooLong {
                what: WHAT,
                len: bytes.len() as u64,
                max: HEADER_BYTES_MAX as u64,
            });
        }
        let mut reader = Reader::new(WHAT, bytes);
        let names_author = match reader.versioned(12, VERSION) {
            Ok(()) => true,
            Err(DecodeError::Version {
                found: VERSION_WITHOUT_AUTHOR,
                ..
            }) => {
                reader = Reader::new(WHAT, bytes);
                reader.versioned(12, VERSION_WITHOUT_AUTHOR)?;
                false
            }
            Err(error) => return Err(error),
        };
        let header = Self {
            names_author,
            log: LogId(reader.fixed()?),
            device: reader.fixed()?,
            seq: reader.u64()?,
            prev: reader.option(|reader| reader.fixed().map(OpId))?,
            hlc: read_hlc(&mut reader)?,
            body_hash: reader.fixed()?,
            body_len: reader.u32()?,
            encryption: match reader.u64()? {
                0 => Encryption::None,
                1 => Encryption::ContentKey,
                _ => return Err(invalid("unknown encryption")),
            },
            expires_ms: reader.option(Reader::u64)?,
            deps: (0..reader.list(DEPS_MAX)?)
                .map(|_| reader.fixed().map(OpId))
                .collect::<Result<_, _>>()?,
            flags: reader.u32()?,
        };
        reader.end()?;
        if header.encode() != bytes {
            return Err(invalid("not in its shortest encoding"));
        }
        if (header.seq == 0) != header.prev.is_none() {
            return Err(invalid("only the first op of a log has no op before it"));
        }
        Ok(header)
    }
}

fn read_hlc(reader: &mut Reader<'_>) -> Result<Hlc, DecodeError> {
    reader.array(3)?;
    Ok(Hlc {
        logical_ms: reader.u64()?,
        counter: reader.u64()?,
        stamp_ms: reader.u64()?,
    })
}

fn invalid(reason: &'static str) -> DecodeError {
    DecodeError::Invalid { what: WHAT, reason }
}

/// A header with its device's signature, as bytes that were or will be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeader {
    /// The exact header bytes.
    pub bytes: Vec<u8>,
    /// The device's signature over them.
    pub signature: Signature,
}

impl SignedHeader {
    /// `header`, signed by the device of `keys` as written by their identity.
    ///
    /// # Errors
    /// [`SignError`] when the device's key cannot be reached.
    pub fn sign(header: &Header, keys: &Keys) -> Result<Self, SignError> {
        let bytes = header.encode();
        let (context, signed) = signed_bytes(header, keys.identity(), &bytes);
        let signature = keys.sign_as_device(context, &signed)?;
        Ok(Self { bytes, signature })
    }

    /// The op's name.
    pub fn id(&self) -> OpId {
        OpId(blake3::hash(&self.bytes).into())
    }

    /// The header, if `delegation`'s device signed it.
    ///
    /// # Errors
    /// [`OpRefusal`] `Format`, `Device`, `Signature` or `Ended`.
    pub fn verify(&self, delegation: &Delegation) -> Result<Header, OpRefusal> {
        let header = Header::decode(&self.bytes)?;
        if header.device != delegation.device {
            return Err(OpRefusal::Device);
        }
        let (context, signed) = signed_bytes(&header, delegation.identity, &self.bytes);
        if !verify(&header.device, context, &signed, &self.signature) {
            return Err(OpRefusal::Signature);
        }
        if !delegation.term.covers(header.hlc.logical_ms) {
            return Err(OpRefusal::Ended);
        }
        Ok(header)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.array(2).bytes(&self.bytes).bytes(&self.signature);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(2)?;
        Ok(Self {
            bytes: reader.bytes(HEADER_BYTES_MAX)?.to_vec(),
            signature: reader.fixed()?,
        })
    }
}

/// The purpose of a signature over `header`, and what is signed: author and header, so that the
/// same header is no op of anybody else.
fn signed_bytes<'a>(
    header: &Header,
    author: IdentityId,
    bytes: &'a [u8],
) -> (&'static str, Cow<'a, [u8]>) {
    if header.names_author {
        (OP_CONTEXT, Cow::Owned([&author.0, bytes].concat()))
    } else {
        (OP_CONTEXT_WITHOUT_AUTHOR, Cow::Borrowed(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delegation::Term;
    use crate::identity::{SeedSigner, Signer};
    use crate::seal::EncryptionKey;
    use proptest::prelude::*;

    fn header() -> Header {
        Header {
            names_author: true,
            log: LogId([1; 16]),
            device: SeedSigner::new([2; 32]).public(),
            seq: 1,
            prev: Some(OpId([3; 32])),
            hlc: Hlc::first(4),
            body_hash: [5; 32],
            body_len: 6,
            encryption: Encryption::ContentKey,
            expires_ms: Some(7),
            deps: vec![OpId([8; 32]); DEPS_MAX],
            flags: 9,
        }
    }

    /// Signed by the device `key` as written by the identity of [`delegation`].
    fn signed(header: &Header, key: [u8; 32]) -> SignedHeader {
        let author = IdentityId(SeedSigner::new([1; 32]).public());
        let bytes = header.encode();
        let (context, signed) = signed_bytes(header, author, &bytes);
        let signature = SeedSigner::new(key).sign(context, &signed).expect("signs");
        SignedHeader { bytes, signature }
    }

    fn delegation(device: [u8; 32]) -> Delegation {
        certified([1; 32], device)
    }

    fn certified(identity: [u8; 32], device: [u8; 32]) -> Delegation {
        let (identity, device) = (SeedSigner::new(identity), SeedSigner::new(device));
        Delegation::issue(&identity, &device, EncryptionKey([0; 32]), Term::FIRST).expect("signs")
    }

    #[test]
    fn a_full_header_fits_its_bound_and_reads_back() {
        let bytes = header().encode();
        assert!(bytes.len() <= HEADER_BYTES_MAX);
        assert_eq!(Header::decode(&bytes), Ok(header()));
    }

    #[test]
    fn a_longer_encoding_of_the_same_header_is_refused() {
        let mut bytes = header().encode();
        // The last entry, flags = 9, written with a length byte it does not need.
        assert_eq!(bytes.pop(), Some(9));
        bytes.extend([0x18, 9]);
        assert_eq!(
            Header::decode(&bytes),
            Err(invalid("not in its shortest encoding"))
        );
    }

    #[test]
    fn bounds_of_a_header_fire() {
        let many = Header {
            deps: vec![OpId([8; 32]); DEPS_MAX + 1],
            ..header()
        };
        assert!(matches!(
            Header::decode(&many.encode()),
            Err(DecodeError::TooLong { .. })
        ));
        assert!(matches!(
            Header::decode(&[0; HEADER_BYTES_MAX + 1]),
            Err(DecodeError::TooLong { .. })
        ));
    }

    #[test]
    fn only_the_first_op_of_a_log_has_none_before_it() {
        for (seq, prev) in [(0, Some(OpId([1; 32]))), (1, None)] {
            let odd = Header {
                seq,
                prev,
                ..header()
            };
            assert!(Header::decode(&odd.encode()).is_err());
        }
    }

    #[test]
    fn a_header_verifies_under_its_own_device_only() {
        let signed_right = signed(&header(), [2; 32]);
        assert_eq!(signed_right.verify(&delegation([2; 32])), Ok(header()));
        assert_eq!(
            signed_right.verify(&delegation([3; 32])),
            Err(OpRefusal::Device)
        );
        assert_eq!(
            signed(&header(), [3; 32]).verify(&delegation([2; 32])),
            Err(OpRefusal::Signature)
        );
    }

    #[test]
    fn a_header_is_the_op_of_one_author_only() {
        let other_author = certified([8; 32], [2; 32]);
        let refused = signed(&header(), [2; 32]).verify(&other_author);
        assert_eq!(refused, Err(OpRefusal::Signature));
    }

    #[test]
    fn posts_of_version_1_are_still_read() {
        let old = Header {
            names_author: false,
            ..header()
        };
        assert_eq!(Header::decode(&old.encode()), Ok(old.clone()));
        assert_eq!(signed(&old, [2; 32]).verify(&delegation([2; 32])), Ok(old));
    }

    #[test]
    fn logical_time_never_runs_back_and_the_stamp_may() {
        let first = Hlc::first(100);
        let set_back = first.next(40);
        assert_eq!(set_back.stamp_ms, 40);
        assert!(set_back > first);
        let later = set_back.next(101);
        assert!(later > set_back);
        assert_eq!(later, Hlc::first(101));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Header::decode(&bytes);
        }

        #[test]
        fn a_header_with_one_byte_changed_is_another_op_or_none(at in 0usize..200, to in any::<u8>()) {
            let signed = signed(&header(), [2; 32]);
            let mut altered = signed.clone();
            let at = at % altered.bytes.len();
            prop_assume!(altered.bytes[at] != to);
            altered.bytes[at] = to;
            prop_assert_ne!(altered.id(), signed.id());
            prop_assert!(altered.verify(&delegation([2; 32])).is_err());
        }
    }
}
