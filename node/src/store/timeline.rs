//! What the owner reads: posts of everybody held here, newest first.

use redb::ReadableTable;

use super::record::Record;
use super::tables::{BLOCKS, HELD, OPS, TIMELINE};
use super::{Store, StoreError};
use crate::api;
use crate::identity::IdentityId;
use crate::op::OpId;

/// Bytes of bodies after which a timeline ends; a post has at most 128 KiB.
const BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;

impl Store {
    /// The newest readable posts by stamp, own ones included; at most `limit`, and only of
    /// `author` if one is named. What is stamped far ahead stands where it arrived, and is
    /// marked; blocked authors are left out, and so is what has expired by `wall_ms`, and what
    /// cannot be shown, which is logged. There are fewer than `limit` once their bodies have 64
    /// MiB: a reply must not become longer than can be read.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn timeline_at(
        &self,
        limit: u32,
        author: Option<IdentityId>,
        wall_ms: u64,
    ) -> Result<Vec<api::Post>, StoreError> {
        let txn = self.read()?;
        let limit = limit as usize;
        if limit == 0 {
            return Ok(Vec::new());
        }
        let ops = txn.open_table(OPS)?;
        let mut posts = Vec::new();
        let mut bytes = 0;
        let mut show = |op: [u8; 32]| -> Result<bool, StoreError> {
            if let Some(record) = ops.get(&op)? {
                let read = Record::decode(record.value());
                match read.and_then(|record| shown(OpId(op), &record, wall_ms)) {
                    Ok(Some((post, body_bytes))) => {
                        bytes += body_bytes;
                        posts.push(post);
                    }
                    Ok(None) => {}
                    Err(error) => tracing::warn!(op = %OpId(op), %error, "cannot show a post"),
                }
            }
            Ok(posts.len() < limit && bytes < BODIES_BYTES_MAX)
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
        Ok(posts)
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

/// A held op as the owner reads it, with the bytes of its body; nothing if it has expired.
fn shown(
    op: OpId,
    record: &Record,
    wall_ms: u64,
) -> Result<Option<(api::Post, usize)>, StoreError> {
    let header = record.header()?;
    if Record::is_expired(&header, wall_ms) {
        return Ok(None);
    }
    let stamp_ms = header.hlc.stamp_ms;
    let body = record.body()?;
    body.check_depth().map_err(StoreError::DamagedEntry)?;
    let post = api::Post {
        op: op.to_string(),
        author: record.author.to_string(),
        stamp_ms,
        stamp_ahead: record.is_ahead(stamp_ms),
        body: body.value,
    };
    Ok(Some((post, body.text.len())))
}
