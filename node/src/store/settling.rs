//! Which of index and files counts, when a store is opened: for each file that says what the index says
//! too, and for the index itself, which may be that of another identity.
//!
//! Owns what the index notes of whose it is and of the files beside it. Makes no index, and reads no post.

use redb::{ReadableTable, TableError, WriteTransaction};

use super::contact_file::{self, Contacts};
use super::error::corrupted;
use super::proof_file::{self, Proofs};
use super::record::Record;
use super::tables::{CONTACTS_MARK, HEADS, OPS, OWNER};
use super::{Store, StoreError};
use crate::identity::IdentityId;

/// Why an index is put aside that is not of the identity whose keys are there.
pub(super) const OF_ANOTHER: &str = "it is another identity's";

/// Notes in the index whose it is, and the checksum of the file of proofs that it has all of.
pub(super) fn note(
    txn: &WriteTransaction,
    owner: IdentityId,
    proofs: &proof_file::Mark,
) -> Result<(), StoreError> {
    txn.open_table(OWNER)?.insert((), (&owner.0, proofs))?;
    Ok(())
}

impl Store {
    /// Refuses an index that is another identity's: left where a node was made anew, or where the files
    /// of another were put in place. Nothing of it may be entered, shown or served.
    ///
    /// # Errors
    /// `Index` with `Corrupted` and [`OF_ANOTHER`].
    pub(super) fn refuse_anothers(&self) -> Result<(), StoreError> {
        let me = self.keys.identity();
        let is_ours = match self.noted()? {
            Some((owner, _)) => owner == me,
            None => self.seems_ours()?,
        };
        if is_ours {
            return Ok(());
        }
        Err(corrupted(OF_ANOTHER))
    }

    /// Whether an index that does not say whose it is, being of before that, is ours by what is in it:
    /// by its own posts, or else by the file of contacts that it has noted.
    fn seems_ours(&self) -> Result<bool, StoreError> {
        let me = self.keys.identity();
        let txn = self.read()?;
        let (mut posts, mut ours) = (0, 0);
        let tables = match txn.open_table(HEADS) {
            Ok(heads) => Some((heads, txn.open_table(OPS)?)),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error.into()),
        };
        if let Some((heads, ops)) = tables {
            for head in heads.iter()? {
                let record = ops.get(head?.1.value().1)?;
                // One that is not there, or cannot be read, is for others to tell.
                let record = record.and_then(|record| Record::decode(record.value()).ok());
                if let Some(record) = record {
                    posts += 1;
                    ours += u32::from(record.author == me);
                }
            }
        }
        if posts > 0 {
            return Ok(ours == posts);
        }
        let (mark, _) = self.contacts_of_index()?;
        match (mark, Contacts::read(&self.disk, me)) {
            // It is of before the file of contacts, or ours is damaged: nothing is said.
            (None, _) | (_, Err(StoreError::Damaged { .. })) => Ok(true),
            (Some(mark), Ok(Some((_, of_file)))) => Ok(mark == of_file),
            (Some(_), Ok(None)) => Ok(false),
            (_, Err(error)) => Err(error),
        }
    }

    /// Whose the index says that it is, and the checksum of the file of proofs that it has all of;
    /// nothing in one of before that.
    fn noted(&self) -> Result<Option<(IdentityId, proof_file::Mark)>, StoreError> {
        let noted = match self.read()?.open_table(OWNER) {
            Ok(noted) => noted.get(())?.map(|noted| {
                let (owner, proofs) = noted.value();
                (IdentityId(*owner), *proofs)
            }),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(noted)
    }

    /// Makes the file of proofs and the index agree: what either has that the other lacks counts, since
    /// none of it is ever taken back. An index that has not noted the file as it is may be older than
    /// the file, as a copy is; or newer, after a crash or an older program.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub(super) fn settle_proofs(&self) -> Result<(), StoreError> {
        let me = self.keys.identity();
        let (of_file, is_damaged) = match Proofs::read(&self.disk, me) {
            Ok(of_file) => (of_file, false),
            Err(StoreError::Damaged { path, reason }) => {
                tracing::warn!(path, reason, "a damaged file of proofs is written anew");
                (Proofs::default(), true)
            }
            Err(error) => return Err(error),
        };
        let noted = self.noted()?.map(|(_, proofs)| proofs);
        if noted == Some(of_file.mark()) && !is_damaged {
            return Ok(());
        }
        let txn = self.index.begin_write()?;
        of_file.enter(&txn)?;
        let all = Proofs::of_index(&txn)?;
        if all != of_file || is_damaged {
            all.write(&self.disk, me)?;
        }
        note(&txn, me, &all.mark())?;
        txn.commit()?;
        Ok(())
    }

    /// Makes the file of contacts and the index agree. The file is newer if the index is as it was
    /// when it noted the file's checksum. If it is not, an older program wrote to it, which knows no
    /// such file; but only an index that was checked says so, for a changed bit looks the same.
    ///
    /// # Errors
    /// `Index` with `Corrupted` if it is to be checked first; `Disk`.
    pub(super) fn settle_contacts(&self) -> Result<(), StoreError> {
        let (mark, mut of_index) = self.contacts_of_index()?;
        let of_file = Contacts::read(&self.disk, self.keys.identity());
        if mark == Some(of_index.mark()) {
            match of_file {
                Ok(Some((_, of_file))) if mark == Some(of_file) => return Ok(()),
                Ok(Some((contacts, mark))) => return self.enter_contacts(&contacts, &mark),
                Ok(None) => tracing::warn!("the file of contacts was gone; it is written anew"),
                Err(StoreError::Damaged { path, reason }) => {
                    tracing::warn!(path, reason, "a damaged file of contacts is written anew");
                }
                Err(error) => return Err(error),
            }
        } else {
            if !self.is_checked {
                return Err(corrupted(if mark.is_some() {
                    "the contacts in it are not those that were noted"
                } else {
                    "it has no note of its contacts"
                }));
            }
            if mark.is_some() {
                tracing::warn!("an older program has changed the contacts in the index");
            } else {
                tracing::info!("the contacts in the index get a file of their own");
            }
            match of_file {
                Ok(Some((contacts, _))) => {
                    of_index.check_cards()?;
                    of_index.keep_blocks_of(&contacts);
                }
                Ok(None) | Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let mark = of_index.write(&self.disk, self.keys.identity())?;
        self.enter_contacts(&of_index, &mark)
    }

    /// As [`Store::settle_contacts`] and [`Store::settle_proofs`], where nothing can be written or
    /// checked: the files count, and who is blocked in either.
    pub(super) fn settle_in_memory(&self) -> Result<(), StoreError> {
        self.settle_contacts_in_memory()?;
        let of_file = match Proofs::read(&self.disk, self.keys.identity()) {
            Ok(of_file) => of_file,
            Err(StoreError::Damaged { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let txn = self.index.begin_write()?;
        of_file.enter(&txn)?;
        txn.commit()?;
        Ok(())
    }

    fn settle_contacts_in_memory(&self) -> Result<(), StoreError> {
        let (mark, of_index) = self.contacts_of_index()?;
        match Contacts::read(&self.disk, self.keys.identity()) {
            Ok(Some((_, of_file))) if mark == Some(of_file) && mark == Some(of_index.mark()) => {
                Ok(())
            }
            Ok(Some((mut contacts, of_file))) => {
                if mark != Some(of_index.mark()) {
                    contacts.keep_blocks_of(&of_index);
                }
                self.enter_contacts(&contacts, &of_file)
            }
            Ok(None) | Err(StoreError::Damaged { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The checksum of the file whose content the index noted, and the contacts that it has.
    fn contacts_of_index(&self) -> Result<(Option<contact_file::Mark>, Contacts), StoreError> {
        let txn = self.read()?;
        let mark = match txn.open_table(CONTACTS_MARK) {
            Ok(marks) => marks.get(())?.map(|mark| *mark.value()),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error.into()),
        };
        Ok((mark, Contacts::of_index(&txn)?))
    }

    fn enter_contacts(&self, contacts: &Contacts, mark: &[u8; 32]) -> Result<(), StoreError> {
        let txn = self.index.begin_write()?;
        contacts.enter(&txn, mark)?;
        txn.commit()?;
        Ok(())
    }
}
