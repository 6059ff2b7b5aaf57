//! What others have signed of their keys and logs, as one small file beside the contacts: their newest
//! certificates, revocations of devices, and proofs of forks.
//!
//! Owns the file's name and format. The index is asked, and has all of it; but nobody tells it twice,
//! so that the file is written whenever any of it changes, before the index is. Where the index is made
//! anew, or has noted another file than is there, what the file says more is entered (`settling`).

use std::sync::Arc;

use redb::{ReadableTable, WriteTransaction};

use super::contact_file::CONTACTS_MAX;
use super::lapsed::{Revoked as RevokedDevices, learn_certificate};
use super::own_logs::read_proof;
use super::tables::{CERTIFICATES, CURSORS, FORKS, REVOCATIONS};
use super::{StoreError, whole_file};
use crate::codec::{DecodeError, Reader, Writer};
use crate::delegation::{DELEGATION_BYTES_MAX, Delegation};
use crate::environment::Disk;
use crate::files;
use crate::identity::IdentityId;
use crate::op::HEADER_BYTES_MAX;
use crate::revocation::REVOCATIONS_MAX;

const WHAT: &str = "file of proofs";
const VERSION: u64 = 1;
const MARK_BYTES: usize = 32;

/// The checksum of a file of proofs: BLAKE3 of what follows it.
pub(super) type Mark = [u8; MARK_BYTES];

/// Longest proof of a fork, as the index has it: two headers, their signatures, and the author.
const FORK_BYTES_MAX: usize = 2 * (HEADER_BYTES_MAX + 80) + 48;
const REVOKED_MAX: usize = REVOCATIONS_MAX * CONTACTS_MAX;
/// Most forked logs of one author that are kept. Of more the first branch that came goes on, and
/// nothing is taken of the other.
pub(super) const FORKS_PER_AUTHOR_MAX: usize = 16;
const FORKS_MAX: usize = FORKS_PER_AUTHOR_MAX * CONTACTS_MAX;
const FILE_BYTES_MAX: u64 = 128
    + (DELEGATION_BYTES_MAX as u64 + 8) * CONTACTS_MAX as u64
    + 96 * REVOKED_MAX as u64
    + (FORK_BYTES_MAX as u64 + 72) * FORKS_MAX as u64;

/// A revoked device: author, device, serial, and the last moment of its clock that counts.
type Revoked = ([u8; 32], [u8; 32], u64, u64);
/// A forked log: device, log, place, and the proof as the index has it.
type Forked = ([u8; 32], [u8; 16], u64, Vec<u8>);

/// What others have signed of their keys and logs: what the file of proofs says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proofs {
    certificates: Vec<Vec<u8>>,
    revoked: Vec<Revoked>,
    forked: Vec<Forked>,
}

/// The file of an identity.
pub(super) fn path(identity: IdentityId) -> String {
    format!("identities/{identity}/proofs")
}

impl Proofs {
    /// What the file says; nothing if there is none.
    ///
    /// # Errors
    /// `Damaged` if it is not as written; `Disk`.
    pub(super) fn read(disk: &Arc<dyn Disk>, identity: IdentityId) -> Result<Self, StoreError> {
        let path = path(identity);
        let Some(bytes) = whole_file::read(disk, &path, FILE_BYTES_MAX)? else {
            return Ok(Self::default());
        };
        let damaged = |reason: String| StoreError::Damaged {
            path: path.clone(),
            reason,
        };
        let (mark, content) = bytes
            .split_first_chunk::<MARK_BYTES>()
            .ok_or_else(|| damaged("it is too short".into()))?;
        if blake3::hash(content).as_bytes() != mark {
            return Err(damaged("its checksum is another".into()));
        }
        Self::decode(content).map_err(|error| damaged(error.to_string()))
    }

    /// Puts the file in its place, durably. Old or new content is found there after a crash.
    pub(super) fn write(
        &self,
        disk: &Arc<dyn Disk>,
        identity: IdentityId,
    ) -> std::io::Result<Mark> {
        let content = self.encode();
        let mark = *blake3::hash(&content).as_bytes();
        let path = path(identity);
        files::replace(disk, &path, &[&mark[..], &content].concat())?;
        files::sync_dir_of(disk, &path)?;
        Ok(mark)
    }

    /// The checksum that the file has if it says this; also where nothing is said, and there is no file.
    pub(super) fn mark(&self) -> Mark {
        *blake3::hash(&self.encode()).as_bytes()
    }

    /// How many logs are forked.
    pub(super) fn forks(&self) -> u64 {
        self.forked.len() as u64
    }

    /// What the index says.
    pub(super) fn of_index(txn: &WriteTransaction) -> Result<Self, StoreError> {
        let mut proofs = Self::default();
        for entry in txn.open_table(CERTIFICATES)?.iter()? {
            proofs.certificates.push(entry?.1.value().to_vec());
        }
        for entry in txn.open_table(REVOCATIONS)?.iter()? {
            let (key, value) = entry?;
            let ((author, device), (serial, after_ms)) = (key.value(), value.value());
            proofs.revoked.push((*author, *device, serial, after_ms));
        }
        for entry in txn.open_table(FORKS)?.iter()? {
            let (key, value) = entry?;
            let ((device, log), (seq, proof)) = (key.value(), value.value());
            proofs.forked.push((*device, *log, seq, proof.to_vec()));
        }
        Ok(proofs)
    }

    /// Enters what the index lacks of it: certificates and revocations of higher serials, and forks. A
    /// certificate that nobody signed is left out. Whose revocation counts less than one before is asked
    /// for everything again.
    pub(super) fn enter(&self, txn: &WriteTransaction) -> Result<(), StoreError> {
        for bytes in &self.certificates {
            match Delegation::decode_kept(bytes) {
                Ok(read) => {
                    learn_certificate(txn, &read)?;
                }
                Err(error) => tracing::warn!(%error, "left out a certificate"),
            }
        }
        let of_one = |one: &Revoked, other: &Revoked| one.0 == other.0;
        for of_author in self.revoked.chunk_by(of_one) {
            let author = IdentityId(of_author[0].0);
            let mut known = RevokedDevices::open(txn, author)?;
            for (_, device, serial, after_ms) in of_author {
                known.keep(*device, (*serial, *after_ms))?;
            }
            if known.widened {
                txn.open_table(CURSORS)?.remove(&author.0)?;
            }
        }
        let mut forks = txn.open_table(FORKS)?;
        for (device, log, seq, proof) in &self.forked {
            let known = forks.get((device, log))?.map(|known| known.value().0);
            if known.is_none_or(|known| known > *seq) {
                forks.insert((device, log), (*seq, proof.as_slice()))?;
            }
        }
        Ok(())
    }

    /// Drops what the index cannot read of it, and enters again what the file has.
    pub(super) fn mend(
        txn: &WriteTransaction,
        disk: &Arc<dyn Disk>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let mut dropped = 0;
        let mut keeps = |reads: bool| {
            dropped += u64::from(!reads);
            reads
        };
        txn.open_table(CERTIFICATES)?
            .retain(|_, kept| keeps(Delegation::decode_kept(kept).is_ok()))?;
        txn.open_table(FORKS)?
            .retain(|_, (_, proof)| keeps(read_proof(proof).is_ok()))?;
        if dropped == 0 {
            return Ok(());
        }
        tracing::warn!(dropped, "entries of what others have signed were damaged");
        match Self::read(disk, identity) {
            Ok(of_file) => of_file.enter(txn),
            Err(StoreError::Damaged { path, reason }) => {
                tracing::warn!(path, reason, "and so is their file");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The file's content, without the checksum that stands before it.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.array(4).u64(VERSION).array(self.certificates.len());
        for certificate in &self.certificates {
            writer.bytes(certificate);
        }
        writer.array(self.revoked.len());
        for (author, device, serial, after_ms) in &self.revoked {
            writer.array(4).bytes(author).bytes(device);
            writer.u64(*serial).u64(*after_ms);
        }
        writer.array(self.forked.len());
        for (device, log, seq, proof) in &self.forked {
            writer.array(4).bytes(device).bytes(log);
            writer.u64(*seq).bytes(proof);
        }
        writer.finish()
    }

    /// Reads the file's content, whose checksum was found right.
    ///
    /// # Errors
    /// When it is not a file of proofs, is of another version, or holds more than is kept.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        reader.versioned(4, VERSION)?;
        let mut proofs = Self::default();
        for _ in 0..reader.list(CONTACTS_MAX)? {
            let certificate = reader.bytes(DELEGATION_BYTES_MAX)?;
            proofs.certificates.push(certificate.to_vec());
        }
        for _ in 0..reader.list(REVOKED_MAX)? {
            reader.array(4)?;
            let names = (reader.fixed()?, reader.fixed()?);
            let numbers = (reader.u64()?, reader.u64()?);
            proofs
                .revoked
                .push((names.0, names.1, numbers.0, numbers.1));
        }
        for _ in 0..reader.list(FORKS_MAX)? {
            reader.array(4)?;
            let names = (reader.fixed()?, reader.fixed()?);
            let seq = reader.u64()?;
            let proof = reader.bytes(FORK_BYTES_MAX)?.to_vec();
            proofs.forked.push((names.0, names.1, seq, proof));
        }
        reader.end()?;
        Ok(proofs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_disk::MemoryDisk;

    const OWNER: IdentityId = IdentityId([1; 32]);

    #[test]
    fn what_is_written_reads_back_and_every_damaged_byte_is_noticed() {
        let disk = MemoryDisk::default().disk();
        assert_eq!(
            Proofs::read(&disk, OWNER).expect("reads"),
            Proofs::default()
        );
        let proofs = Proofs {
            certificates: vec![vec![1; 40]],
            revoked: vec![([2; 32], [3; 32], 4, 5)],
            forked: vec![([6; 32], [7; 16], 8, vec![9; FORK_BYTES_MAX])],
        };
        files::make_dir(&disk, &format!("identities/{OWNER}")).expect("makes it");
        proofs.write(&disk, OWNER).expect("writes");
        assert_eq!(Proofs::read(&disk, OWNER).expect("reads"), proofs);
        let file = disk.open(&path(OWNER), false).expect("opens");
        let len = file.len().expect("reads");
        for at in 0..len {
            let mut byte = [0];
            file.read_at(at, &mut byte).expect("reads");
            file.write_at(at, &[byte[0] ^ 0x20]).expect("writes");
            let damaged = Proofs::read(&disk, OWNER);
            assert!(matches!(damaged, Err(StoreError::Damaged { .. })), "{at}");
            file.write_at(at, &byte).expect("writes");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Proofs::decode(&bytes);
        }
    }
}
