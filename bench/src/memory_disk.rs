//! A disk in memory for the node: what a node costs without a disk's own cost.
//!
//! Everything is durable at once, and syncing does nothing. Tests of durability
//! use other disks.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orrery_node::environment::{Disk, DiskFile};

type Content = Arc<Mutex<Vec<u8>>>;

/// An empty disk at first. Folders exist as soon as a file is in them.
#[derive(Default)]
pub struct MemoryDisk {
    files: Mutex<BTreeMap<String, Content>>,
}

struct MemoryFile(Content);

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    // No operation leaves anything half done, so a panic elsewhere does no harm.
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk for MemoryDisk {
    fn open(&self, path: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut files = lock(&self.files);
        let content = match files.get(path) {
            Some(content) => Arc::clone(content),
            None if create => Arc::clone(files.entry(path.to_owned()).or_default()),
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Box::new(MemoryFile(content)))
    }

    fn create_dir_all(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let prefix = match path {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let files = lock(&self.files);
        let inside = files.keys().filter_map(|name| name.strip_prefix(&prefix));
        let mut names: Vec<String> = inside
            .filter_map(|name| name.split('/').next().map(str::to_owned))
            .collect();
        names.dedup();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = lock(&self.files);
        let content = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let removed = lock(&self.files).remove(path);
        removed
            .map(drop)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.0).len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let content = lock(&self.0);
        let start = offset as usize;
        let bytes = content
            .get(start..start + buffer.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut content = lock(&self.0);
        let (start, end) = (offset as usize, offset as usize + data.len());
        if content.len() < end {
            content.resize(end, 0);
        }
        content[start..end].copy_from_slice(data);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        lock(&self.0).resize(len as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_keep_what_is_written_under_the_name_they_have() {
        let disk = MemoryDisk::default();
        let file = disk.open("a/b", true).expect("creates");
        file.write_at(2, b"xy").expect("writes");
        disk.rename("a/b", "c/d").expect("renames");
        let mut content = [9; 4];
        let renamed = disk.open("c/d", false).expect("is there");
        renamed.read_at(0, &mut content).expect("reads");
        assert_eq!(&content, b"\0\0xy");
        assert!(renamed.read_at(3, &mut content).is_err(), "beyond the end");
        assert!(disk.open("a/b", false).is_err(), "renamed away");
        disk.open("c/e", true).expect("creates");
        assert_eq!(disk.list("c").expect("lists"), ["d", "e"]);
        assert_eq!(disk.list("").expect("lists"), ["c"]);
        disk.remove("c/d").expect("removes");
        assert!(disk.remove("c/d").is_err(), "it is gone");
    }
}
