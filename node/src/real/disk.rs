//! A [`Disk`] made of the operating system's files below one folder.
//!
//! Files are readable by their owner alone, since keys and private posts are
//! among them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use crate::environment::{Disk, DiskFile};

/// Files below a folder.
#[derive(Debug, Clone)]
pub struct FolderDisk {
    root: PathBuf,
}

impl FolderDisk {
    /// A disk whose root is `root`, which is created if absent.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    pub fn create(root: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        Ok(Self {
            root: root.to_path_buf(),
        })
    }

    /// The place of `path`, which must stay below the root.
    fn place(&self, path: &str) -> io::Result<PathBuf> {
        let inside = Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if inside {
            Ok(self.root.join(path))
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{path}` does not stay below the disk's root"),
            ))
        }
    }
}

impl Disk for FolderDisk {
    fn open(&self, path: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let place = self.place(path)?;
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .mode(0o600)
            .open(&place);
        match opened {
            Err(error) if !create && takes_no_writes(&error) => Ok(Box::new(FolderFile {
                file: File::open(place)?,
                refuses: Some(error.kind()),
            })),
            opened => Ok(Box::new(FolderFile {
                file: opened?,
                refuses: None,
            })),
        }
    }

    fn create_dir_all(&self, path: &str) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.place(path)?)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.place(path)?) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            // Every name we write is UTF-8; others are none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.place(from)?, self.place(to)?)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.place(path)?)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        File::open(self.place(path)?)?.sync_all()
    }
}

/// Whether a file may be there to be read, though it cannot be written to.
fn takes_no_writes(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

struct FolderFile {
    file: File,
    /// Why it could be opened for reading only.
    refuses: Option<io::ErrorKind>,
}

impl FolderFile {
    fn writable(&self) -> io::Result<&File> {
        match self.refuses {
            None => Ok(&self.file),
            Some(kind) => Err(kind.into()),
        }
    }
}

impl DiskFile for FolderFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.writable()?.write_all_at(data, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writable()?.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.writable()?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_was_written_is_read_and_only_by_its_owner() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = FolderDisk::create(&folder.path().join("data")).expect("created");
        disk.create_dir_all("a/b").expect("created");
        let file = disk.open("a/b/c", true).expect("opened");
        file.write_at(3, b"xyz").expect("written");
        file.sync().expect("synced");
        disk.sync_dir("a/b").expect("synced");
        let mut back = [1; 6];
        file.read_at(0, &mut back).expect("read");
        assert_eq!(&back, b"\0\0\0xyz");
        assert_eq!(file.len().expect("known"), 6);
        let mode = fs::metadata(folder.path().join("data/a/b/c"))
            .expect("exists")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        disk.rename("a/b/c", "a/d").expect("renamed");
        assert_eq!(disk.list("a").expect("listed"), ["b", "d"]);
        disk.remove("a/d").expect("removed");
        let kind = disk.open("a/d", false).err().map(|error| error.kind());
        assert_eq!(kind, Some(io::ErrorKind::NotFound));
        assert!(disk.list("nowhere").expect("empty").is_empty());
    }

    #[test]
    fn no_path_leaves_the_root() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = FolderDisk::create(folder.path()).expect("created");
        for path in ["../x", "/etc/x", "a/../../x", "./x"] {
            let kind = disk.open(path, true).err().map(|error| error.kind());
            assert_eq!(kind, Some(io::ErrorKind::InvalidInput), "{path}");
        }
    }
}
