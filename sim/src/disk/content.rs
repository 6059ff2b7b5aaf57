//! The bytes of one file: an image that is seen and one that is durable.
//!
//! Owns both images and what differs between them. Pages are shared until one
//! of the images changes them, so that a synced file is held once.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

const PAGE_BYTES: usize = 4_096;

/// Longest file, in bytes: 16 GiB.
pub const FILE_BYTES_MAX: u64 = 16 << 30;

type Page = Arc<[u8; PAGE_BYTES]>;

/// Pages and length; a missing page is all zeroes, and so is what lies in the
/// last page beyond the length.
#[derive(Debug, Clone, Default)]
struct Image {
    pages: Vec<Option<Page>>,
    len: u64,
}

/// The bytes of one file.
#[derive(Debug, Default)]
pub(super) struct Content {
    visible: Image,
    durable: Image,
    /// What happened to `visible` since the last sync was issued.
    changes: Changes,
}

/// What a sync makes durable.
#[derive(Debug, Default)]
struct Changes {
    dirty: BTreeSet<usize>,
    /// The fewest pages that the file had meanwhile, if it was cut.
    cut_to: Option<usize>,
    written_bytes: u64,
}

/// What a sync will have made durable when it completes.
#[derive(Debug)]
pub(super) struct Snapshot {
    pages: Vec<(usize, Option<Page>)>,
    cut_to: Option<usize>,
    len: u64,
    /// Bytes written since the sync before.
    pub(super) written_bytes: u64,
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.visible.len
    }

    /// Bytes that a sync has to write, in whole pages.
    pub(super) fn dirty_bytes(&self) -> u64 {
        (self.changes.dirty.len() * PAGE_BYTES) as u64
    }

    /// Fills `buffer` from `offset`.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.visible.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut at = offset as usize;
        let mut rest = buffer;
        while !rest.is_empty() {
            let within = at % PAGE_BYTES;
            let count = rest.len().min(PAGE_BYTES - within);
            let (part, after) = rest.split_at_mut(count);
            match &self.visible.pages[at / PAGE_BYTES] {
                Some(page) => part.copy_from_slice(&page[within..within + count]),
                None => part.fill(0),
            }
            at += count;
            rest = after;
        }
        Ok(())
    }

    /// Writes `data` at `offset`, growing the file as needed.
    pub(super) fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let end = offset
            .checked_add(data.len() as u64)
            .filter(|&end| end <= FILE_BYTES_MAX)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        self.visible.grow(end);
        let mut at = offset as usize;
        let mut rest = data;
        while !rest.is_empty() {
            let within = at % PAGE_BYTES;
            let (part, after) = rest.split_at(rest.len().min(PAGE_BYTES - within));
            let page = self.page_mut(at / PAGE_BYTES);
            page[within..within + part.len()].copy_from_slice(part);
            at += part.len();
            rest = after;
        }
        self.changes.written_bytes += data.len() as u64;
        Ok(())
    }

    /// The page to write to, in existence and marked.
    fn page_mut(&mut self, index: usize) -> &mut [u8; PAGE_BYTES] {
        self.changes.dirty.insert(index);
        let page = self.visible.pages[index].get_or_insert_with(|| Arc::new([0; PAGE_BYTES]));
        Arc::make_mut(page)
    }

    /// Cuts or grows the file to `len`.
    pub(super) fn set_len(&mut self, len: u64) -> io::Result<()> {
        if len > FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if len >= self.visible.len {
            self.visible.grow(len);
            return Ok(());
        }
        let count = pages(len);
        self.visible.pages.truncate(count);
        self.visible.len = len;
        let within = len as usize % PAGE_BYTES;
        if within > 0 && self.visible.pages[count - 1].is_some() {
            self.page_mut(count - 1)[within..].fill(0);
        }
        self.changes.dirty.split_off(&count);
        let cut_to = self.changes.cut_to.map_or(count, |cut| cut.min(count));
        self.changes.cut_to = Some(cut_to);
        Ok(())
    }

    /// Takes what a sync issued now makes durable.
    pub(super) fn snapshot(&mut self) -> Snapshot {
        let changes = std::mem::take(&mut self.changes);
        let page = |index: usize| (index, self.visible.pages[index].clone());
        Snapshot {
            pages: changes.dirty.into_iter().map(page).collect(),
            cut_to: changes.cut_to,
            len: self.visible.len,
            written_bytes: changes.written_bytes,
        }
    }

    /// A sync has completed.
    pub(super) fn commit(&mut self, snapshot: Snapshot) {
        let durable = &mut self.durable;
        if let Some(count) = snapshot.cut_to {
            durable.pages.truncate(count);
        }
        durable.pages.resize(pages(snapshot.len), None);
        durable.len = snapshot.len;
        for (index, page) in snapshot.pages {
            durable.pages[index] = page;
        }
    }

    /// Forgets all that is not durable; returns how many written bytes that
    /// were, without those of syncs under way.
    pub(super) fn recover(&mut self) -> u64 {
        self.visible = self.durable.clone();
        std::mem::take(&mut self.changes).written_bytes
    }
}

impl Image {
    fn grow(&mut self, len: u64) {
        if len > self.len {
            self.len = len;
            self.pages.resize(pages(len), None);
        }
    }
}

/// Pages that `len` bytes take.
fn pages(len: u64) -> usize {
    len.div_ceil(PAGE_BYTES as u64) as usize
}
