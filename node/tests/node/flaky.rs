//! A disk that refuses to sync, or panics as a damaged index does, while it is told to.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use orrery_node::environment::{Disk, DiskFile};

/// Files of another disk, with switches.
pub struct FlakyDisk {
    inner: Box<dyn Disk>,
    broken: Arc<AtomicBool>,
    panics: Arc<AtomicU32>,
}

struct FlakyFile {
    inner: Box<dyn DiskFile>,
    broken: Arc<AtomicBool>,
    panics: Arc<AtomicU32>,
}

/// Panics as often as is wanted.
fn perhaps_panic(panics: &AtomicU32) {
    let wanted = panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    });
    assert!(wanted.is_err(), "a panic that the test wants");
}

/// An error while the switch is on.
fn check(broken: &AtomicBool) -> io::Result<()> {
    if broken.load(Ordering::SeqCst) {
        return Err(io::Error::other("the disk is broken"));
    }
    Ok(())
}

impl FlakyDisk {
    /// Refuses to sync while `broken` is set; the next so many syncs panic as `panics` says.
    pub fn new(inner: Box<dyn Disk>, broken: Arc<AtomicBool>, panics: Arc<AtomicU32>) -> Self {
        Self {
            inner,
            broken,
            panics,
        }
    }
}

impl Disk for FlakyDisk {
    fn open(&self, path: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(FlakyFile {
            inner: self.inner.open(path, create)?,
            broken: Arc::clone(&self.broken),
            panics: Arc::clone(&self.panics),
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
        perhaps_panic(&self.panics);
        check(&self.broken)?;
        self.inner.sync()
    }
}
