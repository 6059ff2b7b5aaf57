//! What is known of forked logs, and the proof of it.
//!
//! Forks are found while ingesting; they are told here. A fork is never forgotten.

use redb::ReadableTable;

use super::own_logs::read_proof;
use super::tables::FORKS;
use super::{Store, StoreError};
use crate::op::{LogId, SignedHeader};

/// A log whose device signed two ops for one place, or one that follows another than it signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The device.
    pub device: [u8; 32],
    /// The log.
    pub log: LogId,
    /// The first forked place; nothing from there on is taken.
    pub seq: u64,
    /// Two headers that exclude each other, the one held first: both for this place, or one for
    /// it and one for the next that follows another.
    pub proof: Vec<SignedHeader>,
}

impl Store {
    /// All forks known, by (device, log).
    ///
    /// # Errors
    /// `Disk`, `Index` and `DamagedEntry`.
    pub fn forks(&self) -> Result<Vec<Fork>, StoreError> {
        let txn = self.read()?;
        let mut forks = Vec::new();
        for entry in txn.open_table(FORKS)?.iter()? {
            let (key, value) = entry?;
            let (device, log) = key.value();
            let (seq, proof) = value.value();
            forks.push(Fork {
                device: *device,
                log: LogId(*log),
                seq,
                proof: read_proof(proof)?,
            });
        }
        Ok(forks)
    }
}
