//! A disk in memory for tests, with what is pending and what is durable kept apart.
//!
//! The power can be cut before any call; [`MemoryDisk::after_power_cut`] is
//! then the disk as the next boot finds it. Its flag `skip_sync` makes every
//! sync a lie, to show that tests of durability can fail.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::environment::{Disk, DiskFile};

/// A cheap handle: clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Clone, Default)]
struct State {
    files: Vec<File>,
    now: Names,
    durable: Names,
    calls: u64,
    syncs: u64,
    power_off_at: Option<u64>,
    fail_at: Option<u64>,
    skip_sync: bool,
    refuse_writes: Option<io::ErrorKind>,
    /// Files of which so many reads fail, and with what.
    failing_reads: BTreeMap<usize, FailingReads>,
}

/// How many more, and with what.
type FailingReads = (u32, fn() -> io::Error);

#[derive(Clone, Default)]
struct File {
    now: Vec<u8>,
    durable: Vec<u8>,
}

/// Folders and the files in them, by whole path.
#[derive(Clone, Default)]
struct Names {
    folders: BTreeSet<String>,
    files: BTreeMap<String, usize>,
}

impl MemoryDisk {
    /// The disk as nodes see it.
    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// How many calls were made so far.
    pub(crate) fn calls(&self) -> u64 {
        self.state().calls
    }

    /// How many syncs of files and folders were made so far.
    pub(crate) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Cuts the power after `calls` more calls: all later ones fail and do nothing.
    pub(crate) fn cut_power_after(&self, calls: u64) {
        let mut state = self.state();
        state.power_off_at = Some(state.calls + calls);
    }

    /// Lets the one call that follows `calls` more calls fail.
    pub(crate) fn fail_after(&self, calls: u64) {
        let mut state = self.state();
        state.fail_at = Some(state.calls + calls);
    }

    /// Makes every sync do nothing and succeed.
    pub(crate) fn skip_sync(&self) {
        self.state().skip_sync = true;
    }

    /// The disk after a power cut. `keep` is asked for each pending thing, in
    /// a fixed order, whether it happened to reach the platter.
    pub(crate) fn after_power_cut(&self, mut keep: impl FnMut() -> bool) -> Self {
        let old = self.state().clone();
        let mut names = old.durable.clone();
        for folder in &old.now.folders {
            if !names.folders.contains(folder) && keep() {
                names.folders.insert(folder.clone());
            }
        }
        let paths: BTreeSet<_> = old
            .now
            .files
            .keys()
            .chain(old.durable.files.keys())
            .collect();
        for path in paths {
            let (now, durable) = (old.now.files.get(path), old.durable.files.get(path));
            if now != durable && keep() {
                match now {
                    Some(file) => names.files.insert(path.clone(), *file),
                    None => names.files.remove(path),
                };
            }
        }
        names.files.retain(|path, _| {
            let above = folder_of(path);
            above.is_empty() || names.folders.contains(above)
        });
        let files = old
            .files
            .into_iter()
            .map(|file| {
                let content = if file.now != file.durable && keep() {
                    file.now
                } else {
                    file.durable
                };
                File {
                    now: content.clone(),
                    durable: content,
                }
            })
            .collect();
        let state = State {
            files,
            now: names.clone(),
            durable: names,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Refuses every write from now on, as a full or read-only disk does, or takes them again.
    pub(crate) fn refuse_writes(&self, kind: Option<io::ErrorKind>) {
        self.state().refuse_writes = kind;
    }

    /// Has the next so many reads of the file at `path` fail with `error`, also under another name.
    pub(crate) fn fail_reads(&self, path: &str, times: u32, error: fn() -> io::Error) {
        let mut state = self.state();
        let file = state.now.files[path];
        state.failing_reads.insert(file, (times, error));
    }

    /// Changes bytes of the file at `path`, durably.
    pub(crate) fn damage(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let file = state.now.files[path];
        let file = &mut state.files[file];
        change(&mut file.now);
        file.durable.clone_from(&file.now);
    }

    /// The files as they are now, by path.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let named = state.now.files.iter();
        let named = named.map(|(path, file)| (path.clone(), state.files[*file].now.clone()));
        named.collect()
    }

    /// A copy of the disk as it is.
    pub(crate) fn copy(&self) -> Self {
        self.after_power_cut(|| true)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .expect("no test panics while it holds the disk")
    }

    fn call(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if state.power_off_at.is_some_and(|at| state.calls >= at) {
            return Err(io::Error::other("the power is off"));
        }
        state.calls += 1;
        if state.fail_at == Some(state.calls - 1) {
            return Err(io::Error::other("the disk failed"));
        }
        Ok(state)
    }
}

impl MemoryDisk {
    fn changing_call(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.call()?;
        match state.refuse_writes {
            Some(kind) => Err(kind.into()),
            None => Ok(state),
        }
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn not_found(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, path.to_owned())
}

impl Disk for MemoryDisk {
    fn open(&self, path: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.call()?;
        let above = folder_of(path);
        if !above.is_empty() && !state.now.folders.contains(above) {
            return Err(not_found(above));
        }
        let file = match state.now.files.get(path) {
            Some(file) => *file,
            None if create => {
                if let Some(kind) = state.refuse_writes {
                    return Err(kind.into());
                }
                state.files.push(File::default());
                let file = state.files.len() - 1;
                state.now.files.insert(path.to_owned(), file);
                file
            }
            None => return Err(not_found(path)),
        };
        let disk = self.clone();
        Ok(Box::new(MemoryFile { disk, file }))
    }

    fn create_dir_all(&self, path: &str) -> io::Result<()> {
        let mut state = self.changing_call()?;
        let mut folder = path;
        while !folder.is_empty() {
            state.now.folders.insert(folder.to_owned());
            folder = folder_of(folder);
        }
        Ok(())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let state = self.call()?;
        let inside = |entry: &&String| folder_of(entry) == path && *entry != path;
        let mut names: Vec<_> = state
            .now
            .folders
            .iter()
            .chain(state.now.files.keys())
            .filter(inside)
            .map(|entry| entry.rsplit('/').next().unwrap_or(entry).to_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.changing_call()?;
        let file = state
            .now
            .files
            .remove(from)
            .ok_or_else(|| not_found(from))?;
        state.now.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let removed = self.changing_call()?.now.files.remove(path);
        removed.map(drop).ok_or_else(|| not_found(path))
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let mut guard = self.call()?;
        let state = &mut *guard;
        state.syncs += 1;
        if state.skip_sync {
            return Ok(());
        }
        let inside = |entry: &str| folder_of(entry) == path;
        state.durable.files.retain(|entry, _| !inside(entry));
        let files = state.now.files.iter().filter(|(entry, _)| inside(entry));
        state
            .durable
            .files
            .extend(files.map(|(entry, file)| (entry.clone(), *file)));
        let folders = state.now.folders.iter().filter(|entry| inside(entry));
        state.durable.folders.extend(folders.cloned());
        Ok(())
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    file: usize,
}

impl DiskFile for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.call()?.files[self.file].now.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.call()?;
        if let Some((times, error)) = state.failing_reads.get_mut(&self.file)
            && *times > 0
        {
            *times -= 1;
            return Err(error());
        }
        let from = offset as usize;
        let content = state.files[self.file].now.get(from..from + buffer.len());
        buffer.copy_from_slice(content.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.disk.changing_call()?;
        let content = &mut state.files[self.file].now;
        let (from, to) = (offset as usize, offset as usize + data.len());
        content.resize(content.len().max(to), 0);
        content[from..to].copy_from_slice(data);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.changing_call()?.files[self.file]
            .now
            .resize(len as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.call()?;
        state.syncs += 1;
        if !state.skip_sync {
            let file = &mut state.files[self.file];
            file.durable.clone_from(&file.now);
        }
        Ok(())
    }
}

#[test]
fn only_what_was_synced_survives_a_power_cut() {
    let memory = MemoryDisk::default();
    let disk = memory.disk();
    disk.create_dir_all("a").expect("makes a folder");
    disk.sync_dir("").expect("syncs");
    for name in ["a/synced", "a/unsynced"] {
        let file = disk.open(name, true).expect("opens");
        file.write_at(0, b"old").expect("writes");
        file.sync().expect("syncs");
        file.write_at(0, b"new").expect("writes");
    }
    disk.rename("a/unsynced", "a/renamed").expect("renames");
    disk.sync_dir("a").expect("syncs");
    disk.rename("a/renamed", "a/again").expect("renames");
    let after = memory.after_power_cut(|| false).disk();
    assert_eq!(after.list("a").expect("lists"), ["renamed", "synced"]);
    let mut content = [0; 3];
    let file = after.open("a/synced", false).expect("opens");
    file.read_at(0, &mut content).expect("reads");
    assert_eq!(&content, b"old");
    let lucky = memory.after_power_cut(|| true).disk();
    assert_eq!(lucky.list("a").expect("lists"), ["again", "synced"]);
}
