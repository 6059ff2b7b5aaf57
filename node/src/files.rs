//! Whole small files on a [`Disk`]: read, and replaced all or nothing.
//!
//! A file is written beside its place, synced, and renamed into it. The name
//! is durable only after [`sync_dir_of`], which callers do once for several
//! files of a folder. A name that ends in [`TEMPORARY`] is what a crash left,
//! and means nothing.

use std::io;
use std::sync::Arc;

use crate::environment::Disk;

/// The ending of files that are not finished.
pub(crate) const TEMPORARY: &str = ".tmp";

/// What the medium under a file reports where it cannot be read: `EIO` on Linux, macOS and the BSDs.
const MEDIUM_FAILED: i32 = 5;

/// Whether it is the medium that failed, not what is asked of it.
fn is_of_medium(error: &io::Error) -> bool {
    error.raw_os_error() == Some(MEDIUM_FAILED)
}

/// Reads from `path` by `read`, and again where the medium has failed once: what it does not give the
/// second time is damaged.
///
/// # Errors
/// `InvalidData` for what the medium does not give; whatever the disk reports, with the path.
pub(crate) fn read_twice<T>(path: &str, mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let result = match read() {
        Err(error) if is_of_medium(&error) => {
            tracing::warn!(path, %error, "the medium has failed; it is read once more");
            read()
        }
        other => other,
    };
    result.map_err(|error| match error.kind() {
        _ if is_of_medium(&error) => io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{path} cannot be read from the disk: {error}"),
        ),
        io::ErrorKind::PermissionDenied => io::Error::other(format!(
            "{path} may not be read: {error}; if it is another user's, give it back with `chown`"
        )),
        _ => of_path(path, &error),
    })
}

/// The error with the path that it is of.
fn of_path(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path}: {error}"))
}

/// The content of the file at `path`, at most `max_bytes` of it; `None` if there is no such file.
///
/// # Errors
/// `InvalidData` for a longer file, and for one that the medium does not give, twice; whatever the disk
/// reports, with the path.
pub(crate) fn read(
    disk: &Arc<dyn Disk>,
    path: &str,
    max_bytes: u64,
) -> io::Result<Option<Vec<u8>>> {
    read_twice(path, || read_once(disk, path, max_bytes))
}

fn read_once(disk: &Arc<dyn Disk>, path: &str, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let len = file.len()?;
    if len > max_bytes {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it has {len} bytes, more than the {max_bytes} it may have"),
        ));
    }
    let mut content = vec![0; len as usize];
    file.read_at(0, &mut content)?;
    Ok(Some(content))
}

/// Puts `content` at `path`. Old or new content is found there after a crash, never a mixture. Where
/// it fails, what was written beside its place is removed, for it may be secret.
pub(crate) fn replace(disk: &Arc<dyn Disk>, path: &str, content: &[u8]) -> io::Result<()> {
    let temporary = format!("{path}{TEMPORARY}");
    let replaced = write_beside(disk, &temporary, content, path);
    if replaced.is_err() && disk.remove(&temporary).is_err() {
        tracing::debug!(path = temporary, "nothing unfinished could be removed");
    }
    replaced.map_err(|error| of_path(path, &error))
}

fn write_beside(
    disk: &Arc<dyn Disk>,
    temporary: &str,
    content: &[u8],
    path: &str,
) -> io::Result<()> {
    let file = disk.open(temporary, true)?;
    // The file may be what an earlier crash left half-written.
    file.set_len(0)?;
    file.write_at(0, content)?;
    file.sync()?;
    drop(file);
    disk.rename(temporary, path)
}

/// Makes the folder `path`, and the names of it and of those above it durable.
pub(crate) fn make_dir(disk: &Arc<dyn Disk>, path: &str) -> io::Result<()> {
    disk.create_dir_all(path)?;
    let mut folder = path;
    while let Some((above, _)) = folder.rsplit_once('/') {
        disk.sync_dir(above)?;
        folder = above;
    }
    disk.sync_dir("")
}

/// Makes the names in the folder of the file `path` durable.
pub(crate) fn sync_dir_of(disk: &Arc<dyn Disk>, path: &str) -> io::Result<()> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    disk.sync_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_disk::MemoryDisk;

    #[test]
    fn nothing_unfinished_is_left_where_any_call_fails() {
        for calls in 0.. {
            let memory = MemoryDisk::default();
            let disk = memory.disk();
            memory.fail_after(calls);
            let replaced = replace(&disk, "secret", b"seeds");
            memory.fail_after(u64::MAX - memory.calls());
            let names = disk.list("").expect("lists");
            if replaced.is_ok() {
                assert_eq!(names, ["secret"]);
                return;
            }
            assert_eq!(names, Vec::<String>::new(), "call {calls}");
        }
    }
}
