//! Encryption to readers: a body once under a content key, the content key
//! once for each reader.
//!
//! Bodies use XChaCha20-Poly1305. Content keys are wrapped with HPKE (RFC 9180,
//! base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305).
//! Knows nothing of ops or audiences: what a ciphertext is bound to comes in
//! as bytes.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

use crate::codec::{DecodeError, Reader, Writer};
use crate::entropy;

type WrapAead = hpke::aead::ChaCha20Poly1305;
type WrapKdf = hpke::kdf::HkdfSha256;

const WRAP_INFO: &[u8] = b"orrery/wrap/1";

/// Bytes by which a sealed body is longer than its plaintext: the Poly1305 tag.
pub const SEAL_OVERHEAD_BYTES: usize = 16;
/// A wrapped content key: encapsulated key, ciphertext and tag.
const WRAP_CIPHERTEXT_BYTES: usize = 32 + 16;

/// An X25519 public key to which content keys are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EncryptionKey(pub [u8; 32]);

/// The points of small order of Curve25519 and its twist, little endian: 0, 1, both of order 8,
/// p - 1, and the encodings of 0 and 1 that are not reduced. With them every secret agrees on zero
/// (RFC 7748 §6.1); the list is that of libsodium's `crypto_scalarmult`.
const SMALL_ORDER: [[u8; 32]; 7] = {
    const fn near_p(first: u8) -> [u8; 32] {
        let mut bytes = [0xff; 32];
        bytes[0] = first;
        bytes[31] = 0x7f;
        bytes
    }
    let mut one = [0; 32];
    one[0] = 1;
    [
        [0; 32],
        one,
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f,
            0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16,
            0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83,
            0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd,
            0xd0, 0x9f, 0x11, 0x57,
        ],
        near_p(0xec),
        near_p(0xed),
        near_p(0xee),
    ]
};

impl EncryptionKey {
    /// Whether something can be sealed to it: not to a point of small order.
    pub fn is_usable(&self) -> bool {
        let mut point = self.0;
        // X25519 ignores the highest bit.
        point[31] &= 0x7f;
        !SMALL_ORDER.contains(&point)
    }
}

/// The secret half of an [`EncryptionKey`].
pub struct DecryptionKey {
    secret: <X25519HkdfSha256 as Kem>::PrivateKey,
    public: EncryptionKey,
}

impl DecryptionKey {
    /// The key derived from `seed` (RFC 9180 DeriveKeyPair).
    pub fn new(seed: &[u8; 32]) -> Self {
        let (secret, public) = X25519HkdfSha256::derive_keypair(seed);
        let public = EncryptionKey(public.to_bytes().into());
        Self { secret, public }
    }

    /// The public half.
    pub fn public(&self) -> EncryptionKey {
        self.public
    }
}

/// The key of one body, used for nothing else.
pub(crate) type ContentKey = Zeroizing<[u8; 32]>;

/// A fresh content key.
pub(crate) fn fresh_content_key() -> ContentKey {
    Zeroizing::new(entropy::bytes())
}

/// What could not be opened or sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The ciphertext is not for this key, or was altered.
    #[error("the ciphertext does not open under this key")]
    Open,
    /// The reader's encryption key is no point of the curve that can be used.
    #[error("the encryption key is unusable")]
    Key,
}

/// Encrypts `plaintext` under `key`, bound to `binding`.
///
/// A content key encrypts one body only, so a constant nonce never repeats
/// under it, and the same plaintext, key and binding give the same bytes: a
/// readable file and its key restore the ciphertext that was signed.
pub(crate) fn seal_body(key: &ContentKey, binding: &[u8], plaintext: &[u8]) -> Vec<u8> {
    XChaCha20Poly1305::new((&**key).into())
        .encrypt(
            &XNonce::default(),
            Payload {
                msg: plaintext,
                aad: binding,
            },
        )
        .expect("a body is far shorter than the cipher's bound of 256 GiB")
}

/// Decrypts what [`seal_body`] made.
pub(crate) fn open_body(
    key: &ContentKey,
    binding: &[u8],
    ciphertext: &[u8],
) -> Result<Vec<u8>, SealError> {
    XChaCha20Poly1305::new((&**key).into())
        .decrypt(
            &XNonce::default(),
            Payload {
                msg: ciphertext,
                aad: binding,
            },
        )
        .map_err(|_| SealError::Open)
}

/// A content key, wrapped for one reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrap {
    encapsulated: [u8; 32],
    ciphertext: [u8; WRAP_CIPHERTEXT_BYTES],
}

impl Wrap {
    /// Wraps `key` for `reader`, bound to `binding`.
    pub(crate) fn seal(
        key: &ContentKey,
        reader: &EncryptionKey,
        binding: &[u8],
    ) -> Result<Self, SealError> {
        let reader = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&reader.0)
            .map_err(|_| SealError::Key)?;
        let (encapsulated, ciphertext) = hpke::single_shot_seal::<
            WrapAead,
            WrapKdf,
            X25519HkdfSha256,
        >(
            &OpModeS::Base, &reader, WRAP_INFO, &**key, binding
        )
        .map_err(|_| SealError::Key)?;
        Ok(Self {
            encapsulated: encapsulated.to_bytes().into(),
            ciphertext: ciphertext.try_into().map_err(|_| SealError::Key)?,
        })
    }

    /// The content key, if this wrap is for `reader` and for `binding`.
    pub(crate) fn open(
        &self,
        reader: &DecryptionKey,
        binding: &[u8],
    ) -> Result<ContentKey, SealError> {
        let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&self.encapsulated)
            .map_err(|_| SealError::Open)?;
        let opened = Zeroizing::new(
            hpke::single_shot_open::<WrapAead, WrapKdf, X25519HkdfSha256>(
                &OpModeR::Base,
                &reader.secret,
                &encapsulated,
                WRAP_INFO,
                &self.ciphertext,
                binding,
            )
            .map_err(|_| SealError::Open)?,
        );
        let key = opened.as_slice().try_into().map_err(|_| SealError::Open)?;
        Ok(Zeroizing::new(key))
    }

    /// Writes the wrap as one entry.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer
            .array(2)
            .bytes(&self.encapsulated)
            .bytes(&self.ciphertext);
    }

    /// Reads one entry.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(2)?;
        Ok(Self {
            encapsulated: reader.fixed()?,
            ciphertext: reader.fixed()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrap_opens_for_its_reader_and_binding_only() {
        let reader = DecryptionKey::new(&[1; 32]);
        let other = DecryptionKey::new(&[2; 32]);
        let key = fresh_content_key();
        let wrap = Wrap::seal(&key, &reader.public(), b"op").expect("a valid key");
        assert_eq!(wrap.open(&reader, b"op").expect("its reader"), key);
        assert_eq!(wrap.open(&other, b"op"), Err(SealError::Open));
        assert_eq!(wrap.open(&reader, b"po"), Err(SealError::Open));
    }

    #[test]
    fn a_body_opens_under_its_key_and_binding_only() {
        let key = fresh_content_key();
        let sealed = seal_body(&key, b"header", b"text");
        assert_eq!(sealed.len(), 4 + SEAL_OVERHEAD_BYTES);
        assert_eq!(open_body(&key, b"header", &sealed), Ok(b"text".to_vec()));
        assert_eq!(open_body(&key, b"other", &sealed), Err(SealError::Open));
        let other = fresh_content_key();
        assert_eq!(open_body(&other, b"header", &sealed), Err(SealError::Open));
    }

    #[test]
    fn a_key_of_small_order_is_refused() {
        for point in SMALL_ORDER {
            let mut other = point;
            other[31] |= 0x80;
            for key in [EncryptionKey(point), EncryptionKey(other)] {
                assert!(!key.is_usable(), "{key:?}");
                let wrap = Wrap::seal(&fresh_content_key(), &key, b"");
                assert_eq!(wrap, Err(SealError::Key), "{key:?}");
            }
        }
        let key = DecryptionKey::new(&[1; 32]).public();
        assert!(key.is_usable());
        assert!(Wrap::seal(&fresh_content_key(), &key, b"").is_ok());
    }
}
