//! A disk that refuses to sync while it is told to.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use orrery_node::environment::{Disk, DiskFile};

/// Files of another disk, with a switch.
pub struct FlakyDisk {
    inner: Box<dyn Disk>,
    broken: Arc<AtomicBool>,
}

struct FlakyFile {
    inner: Box<dyn DiskFile>,
    broken: Arc<AtomicBool>,
}

/// An error while the switch is on.
fn check(broken: &AtomicBool) -> io::Result<()> {
    if broken.load(Ordering::SeqCst) {
        return Err(io::Error::other("the disk is broken"));
    }
    Ok(())
}

impl FlakyDisk {
    pub fn new(inner: Box<dyn Disk>, broken: Arc<AtomicBool>) -> Self {
        Self { inner, broken }
    }
}

impl Disk for FlakyDisk {
    fn open(&self, path: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(FlakyFile {
            inner: self.inner.open(path, create)?,
            broken: Arc::clone(&self.broken),
        }))
    }

    fn create_dir_all(&self, path: &str) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.inner.list(path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        check(&self.broken)?;
        self.inner.sync_dir(path)
    }
}

impl DiskFile for FlakyFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        check(&self.broken)?;
        self.inner.sync()
    }
}
