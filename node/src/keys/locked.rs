//! Key files under a passphrase: the `age` format, version 1, with its scrypt recipient
//! (<https://age-encryption.org/v1>), so that `age --decrypt` opens them, too.
//!
//! Owns the format for contents of one chunk. The crate `age` would bring some ninety others and
//! second versions of a dozen; these are the primitives that the node has anyway, and scrypt.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use data_encoding::BASE64_NOPAD;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::entropy;

const MAGIC: &str = "age-encryption.org/v1";
const SCRYPT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";
/// Memory and time that a guess costs: 2^17 blocks of 1 KiB.
const WORK: u8 = 17;
/// Most work that a file may ask for, 1 GiB: what is beyond was not made here.
const WORK_MAX: u8 = 20;
/// Content is one chunk of the format.
const CONTENT_BYTES_MAX: usize = 64 * 1024;
const TAG_BYTES: usize = 16;

/// What a person types to open a key file. Empty ones are none.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// `text` without the line end that files have; nothing if that is empty.
    pub fn new(text: String) -> Option<Self> {
        let text = Zeroizing::new(text);
        let typed = text.trim_end_matches(['\r', '\n']);
        (!typed.is_empty()).then(|| Self(Zeroizing::new(typed.to_owned())))
    }
}

impl PartialEq for Passphrase {
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

/// Why a file was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// Another passphrase, or altered bytes.
    Passphrase,
    /// Not as we write it, for the reason.
    Format(&'static str),
}

/// Whether `bytes` begin as an `age` file does.
pub(super) fn is_locked(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC.as_bytes())
}

/// `content` under `passphrase`.
///
/// # Panics
/// When `content` is longer than a key file.
pub(super) fn lock(content: &[u8], passphrase: &Passphrase) -> Vec<u8> {
    lock_with(content, passphrase, WORK)
}

fn lock_with(content: &[u8], passphrase: &Passphrase, work: u8) -> Vec<u8> {
    assert!(content.len() <= CONTENT_BYTES_MAX, "a key file is short");
    let salt: [u8; 16] = entropy::bytes();
    let file_key = Zeroizing::new(entropy::bytes::<16>());
    let wrap_key = wrap_key(passphrase, &salt, work).expect("the work is one of scrypt's");
    let wrapped = seal(&wrap_key, &Nonce::default(), &*file_key);
    let header = format!(
        "{MAGIC}\n-> scrypt {} {work}\n{}\n---",
        BASE64_NOPAD.encode(&salt),
        BASE64_NOPAD.encode(&wrapped)
    );
    let mac = header_mac(&*file_key, header.as_bytes()).finalize();
    let mac = BASE64_NOPAD.encode(&mac.into_bytes());
    let nonce: [u8; 16] = entropy::bytes();
    let sealed = seal(&payload_key(&*file_key, &nonce), &last_chunk(), content);
    let header = format!("{header} {mac}\n");
    [header.as_bytes(), &nonce, &sealed].concat()
}

/// What [`lock`] made of it.
pub(super) fn unlock(bytes: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, Closed> {
    let header = Header::read(bytes)?;
    let wrap_key = wrap_key(passphrase, &header.salt, header.work)
        .ok_or(Closed::Format("its work factor is none"))?;
    let file_key = open(&wrap_key, &Nonce::default(), &header.wrapped)?;
    header_mac(&file_key, header.signed)
        .verify_slice(&header.mac)
        .map_err(|_| Closed::Passphrase)?;
    let Some((nonce, sealed)) = header.payload.split_first_chunk::<16>() else {
        return Err(Closed::Format("it is cut off"));
    };
    if sealed.len() > CONTENT_BYTES_MAX + TAG_BYTES {
        return Err(Closed::Format("it is longer than a key file"));
    }
    open(&payload_key(&file_key, nonce), &last_chunk(), sealed)
}

/// The parts of a file.
struct Header<'a> {
    salt: [u8; 16],
    work: u8,
    wrapped: Vec<u8>,
    /// What the code that follows is over.
    signed: &'a [u8],
    mac: Vec<u8>,
    payload: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Closed> {
        let mut lines = Lines { bytes, at: 0 };
        if lines.next()? != MAGIC {
            return Err(Closed::Format("it is no age file of version 1"));
        }
        let arguments = lines.next()?.strip_prefix("-> scrypt ");
        let Some((salt, work)) = arguments.and_then(|arguments| arguments.split_once(' ')) else {
            return Err(Closed::Format("it is not encrypted with a passphrase"));
        };
        let salt = decoded(salt)?;
        let salt = salt.try_into().map_err(|_| Closed::Format("its salt"))?;
        let work: u8 = work
            .parse()
            .map_err(|_| Closed::Format("its work factor"))?;
        if !(1..=WORK_MAX).contains(&work) {
            return Err(Closed::Format("its work factor is beyond 20"));
        }
        let wrapped = decoded(lines.next()?)?;
        let signed_to = lines.at + "---".len();
        let mac = lines.next()?.strip_prefix("--- ");
        let mac = decoded(mac.ok_or(Closed::Format("it has more than one recipient"))?)?;
        Ok(Self {
            salt,
            work,
            wrapped,
            signed: &bytes[..signed_to],
            mac,
            payload: &bytes[lines.at..],
        })
    }
}

struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a str, Closed> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|byte| *byte == b'\n');
        let line = &rest[..len.ok_or(Closed::Format("it is cut off"))?];
        self.at += line.len() + 1;
        std::str::from_utf8(line).map_err(|_| Closed::Format("its header is no text"))
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, Closed> {
    BASE64_NOPAD
        .decode(text.as_bytes())
        .map_err(|_| Closed::Format("its header is no base64"))
}

fn wrap_key(passphrase: &Passphrase, salt: &[u8; 16], work: u8) -> Option<Zeroizing<[u8; 32]>> {
    let params = scrypt::Params::new(work, 8, 1).ok()?;
    let salt = [SCRYPT_LABEL, salt].concat();
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(passphrase.0.as_bytes(), &salt, &params, &mut *key).ok()?;
    Some(key)
}

fn derive(file_key: &[u8], salt: &[u8], info: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt), file_key)
        .expand(info.as_bytes(), &mut *key)
        .expect("32 bytes are no more than HKDF gives");
    key
}

fn header_mac(file_key: &[u8], signed: &[u8]) -> Hmac<Sha256> {
    let key = derive(file_key, &[], "header");
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&*key)
        .expect("HMAC takes keys of any length");
    mac.update(signed);
    mac
}

fn payload_key(file_key: &[u8], nonce: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    derive(file_key, nonce, "payload")
}

/// The nonce of a first chunk that is the last.
fn last_chunk() -> Nonce {
    let mut nonce = Nonce::default();
    nonce[11] = 1;
    nonce
}

fn seal(key: &[u8; 32], nonce: &Nonce, content: &[u8]) -> Vec<u8> {
    let payload = Payload {
        msg: content,
        aad: &[],
    };
    ChaCha20Poly1305::new(key.into())
        .encrypt(nonce, payload)
        .expect("a key file is far shorter than the cipher's bound")
}

fn open(key: &[u8; 32], nonce: &Nonce, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Closed> {
    let payload = Payload {
        msg: sealed,
        aad: &[],
    };
    ChaCha20Poly1305::new(key.into())
        .decrypt(nonce, payload)
        .map(Zeroizing::new)
        .map_err(|_| Closed::Passphrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned()).expect("not empty")
    }

    #[test]
    fn what_was_locked_opens_with_its_passphrase_alone() {
        let locked = lock_with(b"secrets", &passphrase("correct horse\n"), 4);
        assert!(is_locked(&locked));
        let opened = unlock(&locked, &passphrase("correct horse"));
        assert_eq!(opened.as_deref(), Ok(&b"secrets".to_vec()));
        let refused = unlock(&locked, &passphrase("battery staple"));
        assert_eq!(refused, Err(Closed::Passphrase));
        assert!(Passphrase::new("\n".to_owned()).is_none());
    }

    #[test]
    fn an_altered_or_cut_file_does_not_open() {
        let key = passphrase("x");
        let locked = lock_with(b"secrets", &key, 1);
        for at in 0..locked.len() {
            let mut altered = locked.clone();
            altered[at] ^= 1;
            assert!(unlock(&altered, &key).is_err(), "byte {at}");
            assert!(unlock(&locked[..at], &key).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_file_that_asks_for_too_much_work_is_refused() {
        let locked = lock_with(b"secrets", &passphrase("x"), 1);
        let text = String::from_utf8_lossy(&locked).into_owned();
        let greedy = text.replacen(" 1\n", " 63\n", 1);
        let refused = unlock(greedy.as_bytes(), &passphrase("x"));
        assert!(matches!(refused, Err(Closed::Format(_))));
    }

    /// Made by the crate `age`, by way of its Python binding pyrage.
    #[test]
    fn a_file_of_age_itself_opens() {
        let made = include_bytes!("sample.age");
        let opened = unlock(made, &passphrase("correct horse"));
        assert_eq!(opened.as_deref(), Ok(&b"made by age\n".to_vec()));
    }
}
