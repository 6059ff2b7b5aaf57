//! The index on a disk that refuses writes: what is written stays in memory, and is gone with it.
//!
//! So a store can be read on a full or read-only disk, although opening an index writes to it. Such
//! a store takes no changes; see `Store::settle`.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::environment::DiskFile;

const PAGE_BYTES: u64 = 4_096;

/// A file of which the changes stay in memory.
pub(super) struct Overlay {
    below: Box<dyn DiskFile>,
    changes: Mutex<Changes>,
}

struct Changes {
    /// Length as it was set.
    len: u64,
    /// Bytes of the file below that still count.
    below_len: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    /// `below`, unchanged.
    ///
    /// # Errors
    /// When its length cannot be read.
    pub(super) fn new(below: Box<dyn DiskFile>) -> io::Result<Self> {
        let len = below.len()?;
        Ok(Self {
            below,
            changes: Mutex::new(Changes {
                len,
                below_len: len,
                pages: BTreeMap::new(),
            }),
        })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Page `number` as it is now, zeroes beyond the end.
    fn page(&self, changes: &Changes, number: u64) -> io::Result<Vec<u8>> {
        if let Some(page) = changes.pages.get(&number) {
            return Ok(page.clone());
        }
        let mut page = vec![0; PAGE_BYTES as usize];
        let from = number * PAGE_BYTES;
        let len = changes.below_len.saturating_sub(from).min(PAGE_BYTES);
        if len > 0 {
            self.below.read_at(from, &mut page[..len as usize])?;
        }
        Ok(page)
    }
}

/// Calls `each` with every page that `offset..offset + len` touches: its number, where in it, and
/// where in the whole.
fn pages(
    offset: u64,
    len: usize,
    mut each: impl FnMut(u64, usize, std::ops::Range<usize>) -> io::Result<()>,
) -> io::Result<()> {
    let mut done = 0;
    while done < len {
        let at = offset + done as u64;
        let within = (at % PAGE_BYTES) as usize;
        let part = (PAGE_BYTES as usize - within).min(len - done);
        each(at / PAGE_BYTES, within, done..done + part)?;
        done += part;
    }
    Ok(())
}

impl DiskFile for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().len)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        if offset + buffer.len() as u64 > changes.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        pages(offset, buffer.len(), |number, within, part| {
            let page = self.page(&changes, number)?;
            let len = part.len();
            buffer[part].copy_from_slice(&page[within..within + len]);
            Ok(())
        })
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes();
        changes.len = changes.len.max(offset + data.len() as u64);
        pages(offset, data.len(), |number, within, part| {
            let mut page = self.page(&changes, number)?;
            page[within..within + part.len()].copy_from_slice(&data[part]);
            changes.pages.insert(number, page);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes();
        let last = len / PAGE_BYTES;
        let mut page = self.page(&changes, last)?;
        page[(len % PAGE_BYTES) as usize..].fill(0);
        changes.len = len;
        changes.below_len = changes.below_len.min(len);
        changes.pages.retain(|number, _| *number < last);
        changes.pages.insert(last, page);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_disk::MemoryDisk;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Change {
        Write(u64, Vec<u8>),
        SetLen(u64),
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let bytes = prop::collection::vec(any::<u8>(), 1..6_000);
        let write = (0..20_000_u64, bytes).prop_map(|(at, bytes)| Change::Write(at, bytes));
        let cut = (0..20_000_u64).prop_map(Change::SetLen);
        prop::collection::vec(prop_oneof![3 => write, 1 => cut], 0..12)
    }

    fn whole(file: &dyn DiskFile) -> Vec<u8> {
        let mut bytes = vec![0; file.len().expect("known") as usize];
        file.read_at(0, &mut bytes).expect("reads");
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn an_overlay_reads_as_the_file_would_and_leaves_it_alone(changes in changes()) {
            let disk = MemoryDisk::default().disk();
            let first: Vec<u8> = (0..9_000_u32).map(|at| at as u8).collect();
            for name in ["below", "changed"] {
                disk.open(name, true).expect("opens").write_at(0, &first).expect("writes");
            }
            let overlay = Overlay::new(disk.open("below", false).expect("opens")).expect("opens");
            let changed = disk.open("changed", false).expect("opens");
            for change in changes {
                for file in [&overlay as &dyn DiskFile, &*changed] {
                    match &change {
                        Change::Write(at, bytes) => file.write_at(*at, bytes),
                        Change::SetLen(len) => file.set_len(*len),
                    }
                    .expect("works");
                }
                prop_assert_eq!(whole(&overlay), whole(&*changed));
            }
            prop_assert_eq!(whole(&*disk.open("below", false).expect("opens")), first);
        }
    }
}
