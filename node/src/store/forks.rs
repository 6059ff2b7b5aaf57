//! What is known of forked logs, and the proof of it.
//!
//! Forks are found while ingesting; they are told here. A fork is never forgotten.

use redb::ReadableTable;

use super::tables::FORKS;
use super::{Store, StoreError};
use crate::codec::Reader;
use crate::op::{LogId, SignedHeader};

/// A log whose device signed two ops for one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The device.
    pub device: [u8; 32],
    /// The log.
    pub log: LogId,
    /// The first forked place; nothing from there on is taken.
    pub seq: u64,
    /// The two headers: the one held first, then the other.
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
            let mut reader = Reader::new("index entry of a fork", proof);
            let proof = (0..reader.list(2).map_err(StoreError::DamagedEntry)?)
                .map(|_| SignedHeader::read(&mut reader))
                .collect::<Result<_, _>>()
                .map_err(StoreError::DamagedEntry)?;
            forks.push(Fork {
                device: *device,
                log: LogId(*log),
                seq,
                proof,
            });
        }
        Ok(forks)
    }
}
