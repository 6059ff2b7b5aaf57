//! The highest serial of a certificate of ours that was heard of, and that is above that of the keys
//! here, as one small file beside the contacts.
//!
//! Owns the file's name and format. It says that own logs were ended for it: they are ended once for
//! each higher one. The next change of keys goes above it.

use std::sync::Arc;

use super::{StoreError, whole_file};
use crate::codec::{DecodeError, Reader, Writer};
use crate::environment::Disk;
use crate::files;
use crate::identity::IdentityId;

const WHAT: &str = "file of the newest serial";
const VERSION: u64 = 1;
const MARK_BYTES: usize = 32;
const FILE_BYTES_MAX: u64 = 64;

/// The file of an identity.
pub(super) fn path(identity: IdentityId) -> String {
    format!("identities/{identity}/newer-serial")
}

/// The serial that the file says; 0 if there is none, or it is not as written: then logs are ended once
/// more than is needed.
///
/// # Errors
/// `Disk`.
pub(super) fn read(disk: &Arc<dyn Disk>, identity: IdentityId) -> Result<u64, StoreError> {
    let path = path(identity);
    let bytes = match whole_file::read(disk, &path, FILE_BYTES_MAX) {
        Err(StoreError::Damaged { .. }) => Some(Vec::new()),
        other => other?,
    };
    let Some(bytes) = bytes else {
        return Ok(0);
    };
    Ok(decode(&bytes).unwrap_or_else(|| {
        tracing::warn!(path, "it is not as it was written, and says nothing");
        0
    }))
}

/// Puts the file in its place, durably. Old or new content is found there after a crash.
///
/// # Errors
/// Whatever the disk reports.
pub(super) fn write(
    disk: &Arc<dyn Disk>,
    identity: IdentityId,
    serial: u64,
) -> std::io::Result<()> {
    let mut writer = Writer::default();
    writer.array(2).u64(VERSION).u64(serial);
    let content = writer.finish();
    let mark = *blake3::hash(&content).as_bytes();
    let path = path(identity);
    if let Some((folder, _)) = path.rsplit_once('/') {
        files::make_dir(disk, folder)?;
    }
    files::replace(disk, &path, &[&mark[..], &content].concat())?;
    files::sync_dir_of(disk, &path)
}

fn decode(bytes: &[u8]) -> Option<u64> {
    let (mark, content) = bytes.split_first_chunk::<MARK_BYTES>()?;
    if blake3::hash(content).as_bytes() != mark {
        return None;
    }
    let read = || -> Result<u64, DecodeError> {
        let mut reader = Reader::new(WHAT, content);
        reader.versioned(2, VERSION)?;
        let serial = reader.u64()?;
        reader.end()?;
        Ok(serial)
    };
    read().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_disk::MemoryDisk;

    const OWNER: IdentityId = IdentityId([1; 32]);

    #[test]
    fn what_is_written_reads_back_and_what_is_damaged_says_nothing() {
        let memory = MemoryDisk::default();
        let disk = memory.disk();
        assert_eq!(read(&disk, OWNER).expect("reads"), 0);
        write(&disk, OWNER, u64::MAX).expect("writes");
        assert_eq!(read(&disk, OWNER).expect("reads"), u64::MAX);
        memory.damage(&path(OWNER), |bytes| bytes[40] ^= 1);
        assert_eq!(read(&disk, OWNER).expect("reads"), 0);
        memory.damage(&path(OWNER), |bytes| bytes.resize(100, 0));
        assert_eq!(read(&disk, OWNER).expect("reads"), 0);
    }
}
