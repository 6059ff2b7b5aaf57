//! The key file below [`KEYS_DIR`], which a disk should show to nobody else.
//!
//! Owns its format, and that it may be under a passphrase (`locked.rs`). Version 1 had four seeds and nothing else: it is read as keys that were never
//! rotated, and the next change of the keys writes version 2.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::locked::{self, Closed, Passphrase};
use super::{FORMER_MAX, Keys, KeysError};
use crate::codec::{DecodeError, Reader, Writer};
use crate::delegation::{DELEGATION_BYTES_MAX, Delegation, Term};
use crate::environment::Disk;
use crate::files;
use crate::revocation::{REVOCATION_BYTES_MAX, Revocation};

/// The folder whose files only their owner may read.
pub const KEYS_DIR: &str = "keys";
/// The key file, below a node's folder.
pub const KEYS_FILE: &str = "keys/secret.cbor";
const WHAT: &str = "key file";
const VERSION: u64 = 2;
const OLD_VERSION: u64 = 1;
const KEYS_BYTES_MAX: u64 = 16 * 1024;

/// 32 random bytes that a key is made of.
pub(super) type Seed = Zeroizing<[u8; 32]>;

/// The seeds of the keys in use.
#[derive(Clone)]
pub(super) struct Seeds {
    pub(super) identity: Seed,
    pub(super) device: Seed,
    pub(super) transport: Seed,
    pub(super) encryption: Seed,
}

/// What the key file holds.
pub(super) struct Kept {
    pub(super) seeds: Seeds,
    /// Of the certificate in use.
    pub(super) term: Term,
    /// Of earlier devices, at most [`FORMER_MAX`].
    pub(super) certificates: Vec<Delegation>,
    /// Of earlier encryption keys, at most [`FORMER_MAX`].
    pub(super) decryptions: Vec<Seed>,
    /// Of earlier devices, at most [`FORMER_MAX`].
    pub(super) revocations: Vec<Revocation>,
}

impl Keys {
    /// The keys on `disk`, if it has any, and they are not under a passphrase.
    ///
    /// # Errors
    /// [`KeysError::Disk`], [`KeysError::Damaged`] and [`KeysError::Locked`].
    pub fn load(disk: &Arc<dyn Disk>) -> Result<Option<Self>, KeysError> {
        Self::unlock(disk, None)
    }

    /// The keys on `disk`, if it has any; `passphrase` opens them, if they are under one.
    ///
    /// # Errors
    /// As [`Keys::load`]; [`KeysError::Passphrase`] and [`KeysError::LockedOtherwise`].
    pub fn unlock(
        disk: &Arc<dyn Disk>,
        passphrase: Option<&Passphrase>,
    ) -> Result<Option<Self>, KeysError> {
        let Some(bytes) = files::read(disk, KEYS_FILE, KEYS_BYTES_MAX)? else {
            return Ok(None);
        };
        let bytes = Zeroizing::new(bytes);
        Self::decode(&bytes, passphrase).map(Some)
    }

    /// The keys of a key file's content.
    ///
    /// # Errors
    /// As [`Keys::unlock`], but for `Disk`.
    pub fn decode(bytes: &[u8], passphrase: Option<&Passphrase>) -> Result<Self, KeysError> {
        if !locked::is_locked(bytes) {
            return Ok(Self::from_kept(Kept::decode(bytes)?));
        }
        let passphrase = passphrase.ok_or(KeysError::Locked)?;
        let opened = locked::unlock(bytes, passphrase).map_err(|closed| match closed {
            Closed::Passphrase => KeysError::Passphrase,
            Closed::Format(reason) => KeysError::LockedOtherwise(reason),
        })?;
        Ok(Self::from_kept(Kept::decode(&opened)?))
    }

    /// The content of a key file under no passphrase.
    ///
    /// # Errors
    /// [`KeysError::Elsewhere`] for [`Keys::with_signers`].
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, KeysError> {
        Ok(Zeroizing::new(self.kept()?.encode()))
    }

    /// Writes the keys to `disk`, durably and all or nothing; under `passphrase`, if there is one.
    ///
    /// # Errors
    /// [`KeysError::Disk`]; [`KeysError::Elsewhere`] for [`Keys::with_signers`].
    pub fn save_under(
        &self,
        disk: &Arc<dyn Disk>,
        passphrase: Option<&Passphrase>,
    ) -> Result<(), KeysError> {
        let mut content = self.encode()?;
        if let Some(passphrase) = passphrase {
            content = Zeroizing::new(locked::lock(&content, passphrase));
        }
        files::make_dir(disk, KEYS_DIR)?;
        files::replace(disk, KEYS_FILE, &content)?;
        files::sync_dir_of(disk, KEYS_FILE)?;
        Ok(())
    }

    /// Removes what a cut or a full disk left of a change of keys: it may hold seeds under no
    /// passphrase. Nothing else may be changing them.
    ///
    /// # Errors
    /// [`KeysError::Disk`].
    pub fn sweep(disk: &Arc<dyn Disk>) -> Result<(), KeysError> {
        let unfinished = format!("{KEYS_FILE}{}", files::TEMPORARY);
        match disk.remove(&unfinished) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error.into()),
            Ok(()) => {
                tracing::info!(path = unfinished, "removed what was never finished");
                Ok(files::sync_dir_of(disk, KEYS_FILE)?)
            }
        }
    }

    /// As [`Keys::save_under`], under no passphrase.
    ///
    /// # Errors
    /// As [`Keys::save_under`].
    pub fn save(&self, disk: &Arc<dyn Disk>) -> Result<(), KeysError> {
        self.save_under(disk, None)
    }
}

impl Kept {
    /// Keys that were never rotated.
    pub(super) fn first(seeds: Seeds) -> Self {
        Self {
            seeds,
            term: Term::FIRST,
            certificates: Vec::new(),
            decryptions: Vec::new(),
            revocations: Vec::new(),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer
            .array(10)
            .u64(VERSION)
            .bytes(&*self.seeds.identity)
            .bytes(&*self.seeds.device)
            .bytes(&*self.seeds.transport)
            .bytes(&*self.seeds.encryption)
            .u64(self.term.serial)
            .option(self.term.until_ms, |writer, until_ms| {
                writer.u64(until_ms);
            });
        writer.array(self.certificates.len());
        for certificate in &self.certificates {
            writer.bytes(&certificate.encode());
        }
        writer.array(self.decryptions.len());
        for seed in &self.decryptions {
            writer.bytes(&**seed);
        }
        writer.array(self.revocations.len());
        for revocation in &self.revocations {
            writer.bytes(&revocation.encode());
        }
        writer.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        if reader.versioned(5, OLD_VERSION).is_ok() {
            let kept = Self::first(Seeds::read(&mut reader)?);
            reader.end()?;
            return Ok(kept);
        }
        let mut reader = Reader::new(WHAT, bytes);
        reader.versioned(10, VERSION)?;
        let kept = Self {
            seeds: Seeds::read(&mut reader)?,
            term: Term {
                serial: reader.u64()?,
                until_ms: reader.option(Reader::u64)?,
            },
            certificates: (0..reader.list(FORMER_MAX)?)
                .map(|_| Delegation::decode(reader.bytes(DELEGATION_BYTES_MAX)?))
                .collect::<Result<_, _>>()?,
            decryptions: (0..reader.list(FORMER_MAX)?)
                .map(|_| reader.fixed().map(Zeroizing::new))
                .collect::<Result<_, _>>()?,
            revocations: (0..reader.list(FORMER_MAX)?)
                .map(|_| Revocation::decode(reader.bytes(REVOCATION_BYTES_MAX)?))
                .collect::<Result<_, _>>()?,
        };
        reader.end()?;
        Ok(kept)
    }
}

impl Seeds {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            identity: Zeroizing::new(reader.fixed()?),
            device: Zeroizing::new(reader.fixed()?),
            transport: Zeroizing::new(reader.fixed()?),
            encryption: Zeroizing::new(reader.fixed()?),
        })
    }
}
