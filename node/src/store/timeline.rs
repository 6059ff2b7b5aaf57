//! What the owner reads: posts of everybody held here, newest first.

use redb::ReadableTable;

use super::record::Record;
use super::tables::{BLOCKS, HELD, OPS, TIMELINE};
use super::{Store, StoreError};
use crate::api;
use crate::identity::IdentityId;
use crate::op::OpId;

/// What bodies may take in memory before a timeline ends: each its text, and [`VALUE_BYTES`] for each
/// value in it.
const BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What one value of a body takes in memory beside its text, about.
const VALUE_BYTES: usize = 64;

/// A timeline.
#[derive(Debug, Default)]
pub struct Shown {
    /// Posts, newest first.
    pub posts: Vec<api::Post>,
    /// What was wrong with the first post that could not be read; those are left out.
    pub damaged: Option<StoreError>,
}

impl Store {
    /// The newest readable posts by stamp, own ones included; at most `limit`, and only of
    /// `author` if one is named. What is stamped far ahead stands where it arrived, and is
    /// marked; blocked authors are left out, and so is what has expired by `wall_ms`, and what
    /// cannot be shown, which is logged. There are fewer than `limit` once their bodies take 64
    /// MiB: a reply must not become longer than can be read, nor larger than fits memory.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn timeline_at(
        &self,
        limit: u32,
        author: Option<IdentityId>,
        wall_ms: u64,
    ) -> Result<Shown, StoreError> {
        let txn = self.read()?;
        let limit = limit as usize;
        if limit == 0 {
            return Ok(Shown::default());
        }
        let ops = txn.open_table(OPS)?;
        let mut timeline = Shown::default();
        let mut bytes = 0;
        let mut show = |op: [u8; 32]| -> Result<bool, StoreError> {
            if let Some(record) = ops.get(&op)? {
                let read = Record::decode(record.value());
                match read.and_then(|record| shown(OpId(op), &record, wall_ms)) {
                    Ok(Some((post, body_bytes))) => {
                        bytes += body_bytes;
                        timeline.posts.push(post);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        tracing::warn!(op = %OpId(op), %error, "cannot show a post");
                        timeline.damaged.get_or_insert(error);
                    }
                }
            }
            Ok(timeline.posts.len() < limit && bytes < BODIES_BYTES_MAX)
        };
        match author {
            None => {
                let blocked = txn.open_table(BLOCKS)?;
                for entry in txn.open_table(TIMELINE)?.iter()?.rev() {
                    let (key, author) = entry?;
                    let is_blocked = blocked.get(author.value())?.is_some();
                    if !is_blocked && !show(*key.value().1)? {
                        break;
                    }
                }
            }
            Some(IdentityId(author)) => {
                let of_author = (&author, 0, &[0; 32])..=(&author, u64::MAX, &[0xff; 32]);
                for entry in txn.open_table(HELD)?.range(of_author)?.rev() {
                    if !show(*entry?.0.value().2)? {
                        break;
                    }
                }
            }
        }
        Ok(timeline)
    }

    /// Ops of all authors that are held and can be opened.
    ///
    /// # Errors
    /// `Disk`, `Index` and `DamagedEntry`.
    pub fn readable_ops(&self) -> Result<Vec<OpId>, StoreError> {
        let txn = self.read()?;
        let mut readable = Vec::new();
        for entry in txn.open_table(OPS)?.iter()? {
            let (op, record) = entry?;
            let record = Record::decode(record.value())?;
            if record.item.body.is_empty() {
                // It has expired, and is cleared away.
                continue;
            }
            record.body()?;
            readable.push(OpId(*op.value()));
        }
        Ok(readable)
    }

    /// Own ops and their stamps, by (stamp, name).
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn owned_ops(&self) -> Result<Vec<(OpId, u64)>, StoreError> {
        let txn = self.read()?;
        let me = self.keys.identity().0;
        let own = (&me, 0, &[0; 32])..=(&me, u64::MAX, &[0xff; 32]);
        let mut owned = Vec::new();
        for entry in txn.open_table(HELD)?.range(own)? {
            let (key, _) = entry?;
            let (_, stamp, op) = key.value();
            owned.push((OpId(*op), stamp));
        }
        Ok(owned)
    }

    /// Whether `op` is held and readable here.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn holds(&self, op: OpId) -> Result<bool, StoreError> {
        Ok(self.read()?.open_table(OPS)?.get(&op.0)?.is_some())
    }
}

/// A held op as the owner reads it, with what its body takes in memory; nothing if it has expired, or
/// was taken in before depth was bounded and is deeper than can be shown.
fn shown(
    op: OpId,
    record: &Record,
    wall_ms: u64,
) -> Result<Option<(api::Post, usize)>, StoreError> {
    let header = record.header()?;
    // One that was cleared away stays so, also when the clock is set back.
    if Record::is_expired(&header, wall_ms) || record.item.body.is_empty() {
        return Ok(None);
    }
    let stamp_ms = header.hlc.stamp_ms;
    let body = record.body()?;
    if let Err(error) = body.check_depth() {
        tracing::warn!(%op, %error, "cannot show a post");
        return Ok(None);
    }
    let body_bytes = body.text.len() + body.values() * VALUE_BYTES;
    let post = api::Post {
        op,
        author: record.author,
        author_name: None,
        stamp_ms,
        stamp_ahead: record.is_ahead(stamp_ms),
        body: body.value,
    };
    Ok(Some((post, body_bytes)))
}
