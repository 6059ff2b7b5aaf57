//! What the owner reads: posts of everybody held here, newest first.

use redb::ReadableTable;

use super::record::Record;
use super::tables::{HELD, OPS, TIMELINE};
use super::{Store, StoreError};
use crate::api;
use crate::identity::IdentityId;
use crate::op::OpId;

impl Store {
    /// The newest readable posts by stamp, own ones included; at most `limit`,
    /// and only of `author` if one is named.
    ///
    /// # Errors
    /// `Disk`, `Index` and `DamagedEntry`.
    pub fn timeline(
        &self,
        limit: u32,
        author: Option<IdentityId>,
    ) -> Result<Vec<api::Post>, StoreError> {
        let txn = self.read()?;
        let limit = limit as usize;
        let mut newest = Vec::new();
        match author {
            None => {
                for entry in txn.open_table(TIMELINE)?.iter()?.rev().take(limit) {
                    newest.push(*entry?.0.value().1);
                }
            }
            Some(IdentityId(author)) => {
                let of_author = (&author, 0, &[0; 32])..=(&author, u64::MAX, &[0xff; 32]);
                let held = txn.open_table(HELD)?;
                for entry in held.range(of_author)?.rev().take(limit) {
                    newest.push(*entry?.0.value().2);
                }
            }
        }
        let ops = txn.open_table(OPS)?;
        let mut posts = Vec::with_capacity(newest.len());
        for op in newest {
            let Some(record) = ops.get(&op)? else {
                continue;
            };
            let record = Record::decode(record.value())?;
            posts.push(api::Post {
                op: OpId(op).to_string(),
                author: record.author.to_string(),
                stamp_ms: record.header()?.hlc.stamp_ms,
                body: record.body()?.value,
            });
        }
        Ok(posts)
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
