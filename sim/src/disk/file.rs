//! An open file.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::content::Content;
use super::journal::Record;
use super::{Inner, SimDisk, lock};

/// An open file of a [`SimDisk`]. After a power cut every operation fails.
#[derive(Debug)]
pub struct SimFile {
    disk: SimDisk,
    epoch: u64,
    content: Arc<Mutex<Content>>,
}

impl SimFile {
    pub(super) fn new(disk: SimDisk, epoch: u64, content: Arc<Mutex<Content>>) -> Self {
        Self {
            disk,
            epoch,
            content,
        }
    }

    /// Length in bytes.
    ///
    /// # Errors
    /// `BrokenPipe` after a power cut.
    #[expect(
        clippy::len_without_is_empty,
        reason = "asking for the length is an operation of the disk"
    )]
    pub fn len(&self) -> io::Result<u64> {
        let _inner = self.operation()?;
        Ok(lock(&self.content).len())
    }

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` beyond the end, `BrokenPipe` after a power cut.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut inner = self.operation()?;
        lock(&self.content).read_at(offset, buffer)?;
        inner.stats.read_bytes += buffer.len() as u64;
        Ok(())
    }

    /// Writes all of `data` at `offset`, growing the file as needed.
    ///
    /// # Errors
    /// `FileTooLarge` beyond [`super::FILE_BYTES_MAX`], `BrokenPipe` after a
    /// power cut.
    pub fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut inner = self.operation()?;
        lock(&self.content).write_at(offset, data)?;
        inner.stats.written_bytes += data.len() as u64;
        Ok(())
    }

    /// Cuts or grows (with zeroes) the file to `len` bytes.
    ///
    /// # Errors
    /// `FileTooLarge` beyond [`super::FILE_BYTES_MAX`], `BrokenPipe` after a
    /// power cut.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        let _inner = self.operation()?;
        lock(&self.content).set_len(len)
    }

    /// Makes content and length durable once completed.
    ///
    /// # Errors
    /// `BrokenPipe` after a power cut.
    pub fn sync(&self) -> io::Result<()> {
        let mut inner = self.operation()?;
        let (bytes, snapshot) = {
            let mut content = lock(&self.content);
            (content.dirty_bytes(), content.snapshot())
        };
        let content = Arc::clone(&self.content);
        inner.sync(bytes, |done| Record::bytes(done, content, snapshot));
        Ok(())
    }

    fn operation(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let mut inner = self.disk.lock();
        if inner.epoch != self.epoch {
            return Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the power was cut after this file was opened",
            ));
        }
        inner.operation();
        Ok(inner)
    }
}
