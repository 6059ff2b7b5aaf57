//! What of an author's posts is there and is not taken, so that it is neither asked for again nor
//! taken for missing.
//!
//! Owns one small entry of the index for each such author: the places of posts that were refused for
//! good, and the quota at which there was no more room. Bounded: what finds no room counts as missing,
//! and is asked for ever more rarely.

use std::collections::BTreeSet;

use redb::{ReadTransaction, ReadableTable, TableError, WriteTransaction};

use super::StoreError;
use super::tables::{AUTHOR_BYTES, NOT_TAKEN, Name};
use crate::codec::{DecodeError, Reader, Writer};
use crate::identity::IdentityId;
use crate::op::LogId;

const WHAT: &str = "index entry of what is not taken";
/// Most places of one author that are remembered.
const PLACES_MAX: usize = 4_096;

/// What is not taken of one author.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NotTaken {
    /// Where there was no room for one more: bytes that might be kept of the author, and that were.
    full: Option<(u64, u64)>,
    /// Places of logs whose posts were refused for good. A log is one device's.
    places: BTreeSet<(LogId, u64)>,
    /// Those whose posts might have come right, and did not as often as they were asked for: they are
    /// missing.
    given_up: BTreeSet<(LogId, u64)>,
}

impl NotTaken {
    /// What is remembered of `author`. It is a memory alone: where it cannot be read, there is none.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub(super) fn of(txn: &ReadTransaction, author: IdentityId) -> Result<Self, StoreError> {
        let table = match txn.open_table(NOT_TAKEN) {
            Ok(table) => table,
            // It is made for the first entry.
            Err(TableError::TableDoesNotExist(_)) => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        };
        Self::in_table(&table, author)
    }

    /// As [`NotTaken::of`], within a change.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub(super) fn within(txn: &WriteTransaction, author: IdentityId) -> Result<Self, StoreError> {
        Self::in_table(&txn.open_table(NOT_TAKEN)?, author)
    }

    fn in_table(
        table: &impl ReadableTable<Name, &'static [u8]>,
        author: IdentityId,
    ) -> Result<Self, StoreError> {
        let Some(entry) = table.get(&author.0)? else {
            return Ok(Self::default());
        };
        Ok(Self::decode(entry.value()).unwrap_or_else(|error| {
            tracing::warn!(%author, %error, "forgot what was not taken");
            Self::default()
        }))
    }

    /// Keeps it as what is remembered of `author`.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub(super) fn keep(
        &self,
        txn: &WriteTransaction,
        author: IdentityId,
    ) -> Result<(), StoreError> {
        let mut table = txn.open_table(NOT_TAKEN)?;
        if *self == Self::default() {
            table.remove(&author.0)?;
        } else {
            table.insert(&author.0, self.encode().as_slice())?;
        }
        Ok(())
    }

    /// Whether nothing has changed since there was no room: neither what may be kept of `author`,
    /// which is `bytes_max`, nor what is.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub(super) fn is_still_full(
        &self,
        txn: &ReadTransaction,
        author: IdentityId,
        bytes_max: u64,
    ) -> Result<bool, StoreError> {
        let Some(full) = self.full else {
            return Ok(false);
        };
        let bytes = txn.open_table(AUTHOR_BYTES)?.get(&author.0)?;
        Ok(full == (bytes_max, bytes.map_or(0, |bytes| bytes.value())))
    }

    /// Whether there was no room where `bytes` were kept of the `bytes_max` that might be.
    pub(super) fn was_full_at(&self, bytes_max: u64, bytes: u64) -> bool {
        self.full == Some((bytes_max, bytes))
    }

    /// There is no room for one more where `bytes` are kept of the `bytes_max` that may be.
    pub(super) fn is_full_at(&mut self, bytes_max: u64, bytes: u64) {
        self.full = Some((bytes_max, bytes));
    }

    /// There is room again.
    pub(super) fn has_room(&mut self) {
        self.full = None;
    }

    /// The post in place `seq` of `log` was refused for good.
    pub(super) fn refuse(&mut self, log: LogId, seq: u64) {
        if self.places.len() < PLACES_MAX {
            self.places.insert((log, seq));
        }
    }

    /// The post in place `seq` of `log` was refused as often as it is asked for.
    pub(super) fn give_up(&mut self, log: LogId, seq: u64) {
        if self.given_up.len() < PLACES_MAX {
            self.given_up.insert((log, seq));
        }
    }

    /// The post in place `seq` of `log` was taken after all.
    pub(super) fn take(&mut self, log: LogId, seq: u64) {
        self.places.remove(&(log, seq));
        self.given_up.remove(&(log, seq));
    }

    /// Whether nobody waits for the post in place `seq` of `log`.
    pub(super) fn passes(&self, log: LogId, seq: u64) -> bool {
        self.places.contains(&(log, seq)) || self.given_up.contains(&(log, seq))
    }

    /// Refusals are judged anew.
    pub(super) fn forget_places(&mut self) {
        self.places.clear();
        self.given_up.clear();
    }

    /// How many posts of `log` up to place `seq` were refused for good.
    pub(super) fn refused_of(&self, log: LogId, seq: u64) -> u64 {
        self.places.range((log, 0)..=(log, seq)).count() as u64
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let lists = 2 + usize::from(!self.given_up.is_empty());
        writer
            .array(lists)
            .option(self.full, |writer, (max, bytes)| {
                writer.array(2).u64(max).u64(bytes);
            });
        write_places(&mut writer, &self.places);
        if !self.given_up.is_empty() {
            write_places(&mut writer, &self.given_up);
        }
        writer.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        let lists = reader.list(3)?;
        let full = reader.option(|reader| {
            reader.array(2)?;
            Ok((reader.u64()?, reader.u64()?))
        })?;
        let places = read_places(&mut reader)?;
        let given_up = if lists == 3 {
            read_places(&mut reader)?
        } else {
            BTreeSet::new()
        };
        reader.end()?;
        Ok(Self {
            full,
            places,
            given_up,
        })
    }
}

fn write_places(writer: &mut Writer, places: &BTreeSet<(LogId, u64)>) {
    writer.array(places.len());
    for (log, seq) in places {
        writer.array(2).bytes(&log.0).u64(*seq);
    }
}

fn read_places(reader: &mut Reader<'_>) -> Result<BTreeSet<(LogId, u64)>, DecodeError> {
    (0..reader.list(PLACES_MAX)?)
        .map(|_| {
            reader.array(2)?;
            Ok((LogId(reader.fixed()?), reader.u64()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_reads_back() {
        let mut kept = NotTaken::default();
        for seq in 0..2 * PLACES_MAX as u64 {
            kept.refuse(LogId([7; 16]), seq);
        }
        assert_eq!(kept.refused_of(LogId([7; 16]), 9), 10);
        assert_eq!(kept.refused_of(LogId([7; 16]), u64::MAX), PLACES_MAX as u64);
        assert_eq!(kept.refused_of(LogId([8; 16]), u64::MAX), 0);
        kept.is_full_at(u64::MAX, 5);
        assert_eq!(NotTaken::decode(&kept.encode()), Ok(kept.clone()));
        kept.give_up(LogId([8; 16]), 2);
        assert_eq!(NotTaken::decode(&kept.encode()), Ok(kept.clone()));
        assert_eq!(kept.refused_of(LogId([8; 16]), 9), 0);
        assert!(kept.passes(LogId([8; 16]), 2) && kept.passes(LogId([7; 16]), 3));
        kept.take(LogId([8; 16]), 2);
        assert!(!kept.passes(LogId([8; 16]), 2));
        kept.take(LogId([7; 16]), 3);
        assert_eq!(kept.refused_of(LogId([7; 16]), 9), 9);
        assert!(NotTaken::decode(b"?").is_err());
    }
}
