//! Whom the owner knows, follows, blocks and calls by a name, as one small file beside the posts.
//!
//! Owns the file's name and format. The file is the truth, for none of it can be derived from
//! anything else; the index has a copy, to be asked quickly, and the file's checksum. Which of
//! the two is newer after a crash is decided in `opening`.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, TableError, WriteTransaction};

use super::tables::{BLOCKS, CARDS, CONTACTS_MARK, FOLLOWS, NAMES};
use super::{StoreError, whole_file};
use crate::card::{CARD_BYTES_MAX, Card};
use crate::codec::{DecodeError, Reader, Writer};
use crate::environment::Disk;
use crate::files;
use crate::identity::IdentityId;
use crate::petname::{PETNAME_BYTES_MAX, Petname};

const WHAT: &str = "contact file";
/// The first version, written as long as nobody is called by a name of the owner's; programs that
/// know no names read it.
const NAMELESS: u64 = 1;
/// With names.
const VERSION: u64 = 2;
/// Most contacts that are kept.
pub(super) const CONTACTS_MAX: usize = 20_000;
/// Longest card as it is kept: its claim and the signatures over it.
const KEPT_CARD_BYTES_MAX: usize = CARD_BYTES_MAX + 1_024;
/// A contact takes a card, its identity, a name and a few bytes.
const FILE_BYTES_MAX: u64 =
    128 + (KEPT_CARD_BYTES_MAX as u64 + PETNAME_BYTES_MAX as u64 + 64) * CONTACTS_MAX as u64;
const MARK_BYTES: usize = 32;

/// The checksum of a contact file: BLAKE3 of what follows it.
pub(super) type Mark = [u8; MARK_BYTES];

/// What is known of one identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contact {
    /// Whether the owner follows it.
    pub(super) followed: bool,
    /// Whether the owner blocks it.
    pub(super) blocked: bool,
    /// Its card, if it was ever seen, as it was given.
    pub(super) card: Option<Vec<u8>>,
    /// What the owner calls it.
    pub(super) name: Option<Petname>,
}

/// Everybody the owner knows: what the file of contacts says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contacts(BTreeMap<[u8; 32], Contact>);

/// The file of an identity.
pub(super) fn path(identity: IdentityId) -> String {
    format!("identities/{identity}/contacts")
}

impl Contacts {
    /// What the file says; `None` if there is none.
    ///
    /// # Errors
    /// `Damaged` if it is not as written; `Disk`.
    pub(super) fn read(
        disk: &Arc<dyn Disk>,
        identity: IdentityId,
    ) -> Result<Option<(Self, Mark)>, StoreError> {
        let path = path(identity);
        let Some(bytes) = whole_file::read(disk, &path, FILE_BYTES_MAX)? else {
            return Ok(None);
        };
        let damaged = |reason: String| StoreError::Damaged {
            path: path.clone(),
            reason,
        };
        let (mark, content) = bytes
            .split_first_chunk::<MARK_BYTES>()
            .ok_or_else(|| damaged("it is too short".into()))?;
        if blake3::hash(content).as_bytes() != mark {
            return Err(damaged("its checksum is another".into()));
        }
        let contacts = Self::decode(content).map_err(|error| damaged(error.to_string()))?;
        Ok(Some((contacts, *mark)))
    }

    /// Puts the file in its place, durably. Old or new content is found there after a crash.
    pub(super) fn write(
        &self,
        disk: &Arc<dyn Disk>,
        identity: IdentityId,
    ) -> std::io::Result<Mark> {
        let content = self.encode();
        let mark = *blake3::hash(&content).as_bytes();
        let path = path(identity);
        if let Some((folder, _)) = path.rsplit_once('/') {
            files::make_dir(disk, folder)?;
        }
        files::replace(disk, &path, &[&mark[..], &content].concat())?;
        files::sync_dir_of(disk, &path)?;
        Ok(mark)
    }

    /// The checksum that the file has if it holds these contacts.
    pub(super) fn mark(&self) -> Mark {
        *blake3::hash(&self.encode()).as_bytes()
    }

    /// The file's content, without the checksum that stands before it.
    pub fn encode(&self) -> Vec<u8> {
        let named = self.0.values().any(|contact| contact.name.is_some());
        let version = if named { VERSION } else { NAMELESS };
        let mut writer = Writer::default();
        writer.array(2).u64(version).array(self.0.len());
        for (identity, contact) in &self.0 {
            writer
                .array(if named { 5 } else { 4 })
                .bytes(identity)
                .bool(contact.followed)
                .bool(contact.blocked)
                .option(contact.card.as_ref(), |writer, card| {
                    writer.bytes(card);
                });
            if named {
                writer.option(contact.name.as_ref(), |writer, name| {
                    writer.text(name.as_str());
                });
            }
        }
        writer.finish()
    }

    /// Reads the file's content, whose checksum was found right.
    ///
    /// # Errors
    /// When it is not a file of contacts, is of another version, or holds more than is kept.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        reader.array(2)?;
        let named = match reader.u64()? {
            NAMELESS => false,
            VERSION => true,
            found => return Err(DecodeError::Version { what: WHAT, found }),
        };
        let mut contacts = BTreeMap::new();
        for _ in 0..reader.list(CONTACTS_MAX)? {
            reader.array(if named { 5 } else { 4 })?;
            let identity = reader.fixed()?;
            let contact = Contact {
                followed: reader.bool()?,
                blocked: reader.bool()?,
                card: reader
                    .option(|reader| reader.bytes(KEPT_CARD_BYTES_MAX).map(<[u8]>::to_vec))?,
                name: if named {
                    reader.option(|reader| Petname::kept(reader.text(PETNAME_BYTES_MAX)?))?
                } else {
                    None
                },
            };
            contacts.insert(identity, contact);
        }
        reader.end()?;
        Ok(Self(contacts))
    }

    /// What the index says.
    pub(super) fn of_index(txn: &redb::ReadTransaction) -> Result<Self, StoreError> {
        let mut contacts = BTreeMap::<_, Contact>::new();
        for entry in txn.open_table(CARDS)?.iter()? {
            let (identity, card) = entry?;
            contacts.entry(*identity.value()).or_default().card = Some(card.value().to_vec());
        }
        for entry in txn.open_table(FOLLOWS)?.iter()? {
            contacts.entry(*entry?.0.value()).or_default().followed = true;
        }
        for entry in txn.open_table(BLOCKS)?.iter()? {
            contacts.entry(*entry?.0.value()).or_default().blocked = true;
        }
        for (identity, name) in names(txn)? {
            contacts.entry(identity.0).or_default().name = Some(name);
        }
        Ok(Self(contacts))
    }

    /// Makes the index say the same, and notes the file's checksum in it.
    pub(super) fn enter(&self, txn: &WriteTransaction, mark: &Mark) -> Result<(), StoreError> {
        let mut cards = txn.open_table(CARDS)?;
        let mut follows = txn.open_table(FOLLOWS)?;
        let mut blocks = txn.open_table(BLOCKS)?;
        txn.delete_table(NAMES)?;
        cards.retain(|identity, _| self.0.contains_key(identity))?;
        follows.retain(|identity, ()| self.of(identity).followed)?;
        blocks.retain(|identity, ()| self.of(identity).blocked)?;
        for (identity, contact) in &self.0 {
            if let Some(card) = &contact.card {
                let known = cards.get(identity)?.is_some_and(|old| old.value() == card);
                if !known {
                    cards.insert(identity, card.as_slice())?;
                }
            }
            if contact.followed {
                follows.insert(identity, ())?;
            }
            if contact.blocked {
                blocks.insert(identity, ())?;
            }
            if let Some(name) = &contact.name {
                txn.open_table(NAMES)?.insert(identity, name.as_str())?;
            }
        }
        txn.open_table(CONTACTS_MARK)?.insert((), mark)?;
        Ok(())
    }

    /// Makes the index say of `identity` what is said here, and notes the file's checksum in it;
    /// `before` is what it said.
    pub(super) fn enter_one(
        &self,
        txn: &WriteTransaction,
        identity: IdentityId,
        before: &Contact,
        mark: &Mark,
    ) -> Result<(), StoreError> {
        let name = &identity.0;
        let contact = self.of(name);
        // The table is made for the first name: where nobody has one, the index is as ever.
        if let Some(called) = &contact.name {
            txn.open_table(NAMES)?.insert(name, called.as_str())?;
        } else if before.name.is_some() {
            txn.open_table(NAMES)?.remove(name)?;
        }
        if let Some(card) = &contact.card {
            txn.open_table(CARDS)?.insert(name, card.as_slice())?;
        }
        let mut follows = txn.open_table(FOLLOWS)?;
        let mut blocks = txn.open_table(BLOCKS)?;
        if contact.followed {
            follows.insert(name, ())?;
        } else {
            follows.remove(name)?;
        }
        if contact.blocked {
            blocks.insert(name, ())?;
        } else {
            blocks.remove(name)?;
        }
        txn.open_table(CONTACTS_MARK)?.insert((), mark)?;
        Ok(())
    }

    /// All of it, in the order of the identities.
    pub(super) fn iter(&self) -> impl Iterator<Item = (IdentityId, &Contact)> {
        self.0
            .iter()
            .map(|(identity, contact)| (IdentityId(*identity), contact))
    }

    /// Who is called `name`.
    pub(super) fn named(&self, name: &Petname) -> Option<IdentityId> {
        let mut contacts = self.iter();
        let found = contacts.find(|(_, contact)| contact.name.as_ref() == Some(name));
        found.map(|(identity, _)| identity)
    }

    /// What is known of `identity`.
    pub(super) fn of(&self, identity: &[u8; 32]) -> Contact {
        self.0.get(identity).cloned().unwrap_or_default()
    }

    /// Puts `contact` in the place of what was known of `identity`.
    ///
    /// # Errors
    /// `TooManyContacts`: it was not known, and no more are kept.
    pub(super) fn put(&mut self, identity: IdentityId, contact: Contact) -> Result<(), StoreError> {
        if self.0.len() >= CONTACTS_MAX && !self.0.contains_key(&identity.0) {
            return Err(StoreError::TooManyContacts { max: CONTACTS_MAX });
        }
        self.0.insert(identity.0, contact);
        Ok(())
    }

    /// Blocks whom `other` blocks, too; as far as there is room.
    pub(super) fn keep_blocks_of(&mut self, other: &Self) {
        for (identity, _) in other.0.iter().filter(|(_, contact)| contact.blocked) {
            let mut contact = self.of(identity);
            contact.blocked = true;
            if self.put(IdentityId(*identity), contact).is_err() {
                tracing::warn!("there are too many contacts to keep all blocks");
            }
        }
    }

    /// Whether all cards can be read.
    ///
    /// # Errors
    /// `DamagedEntry`.
    pub(super) fn check_cards(&self) -> Result<(), StoreError> {
        for card in self.0.values().filter_map(|contact| contact.card.as_ref()) {
            Card::decode_kept(card).map_err(StoreError::DamagedEntry)?;
        }
        Ok(())
    }

    /// How many are known, and how many of them are blocked.
    pub(super) fn count(&self) -> (u64, u64) {
        let blocked = self.0.values().filter(|contact| contact.blocked).count();
        (self.0.len() as u64, blocked as u64)
    }
}

/// Who is called by a name of the owner's, by the index.
pub(super) fn names(txn: &ReadTransaction) -> Result<BTreeMap<IdentityId, Petname>, StoreError> {
    let table = match txn.open_table(NAMES) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(BTreeMap::new()),
        other => other?,
    };
    let mut names = BTreeMap::new();
    for entry in table.iter()? {
        let (identity, name) = entry?;
        let name = Petname::kept(name.value()).map_err(StoreError::DamagedEntry)?;
        names.insert(IdentityId(*identity.value()), name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_disk::MemoryDisk;

    const OWNER: IdentityId = IdentityId([1; 32]);

    fn some() -> Contacts {
        let mut contacts = Contacts::default();
        let contact = Contact {
            followed: true,
            blocked: false,
            card: Some(vec![7; 40]),
            name: None,
        };
        contacts.put(IdentityId([2; 32]), contact).expect("fits");
        let blocked = Contact {
            blocked: true,
            ..Contact::default()
        };
        contacts.put(IdentityId([3; 32]), blocked).expect("fits");
        contacts
    }

    #[test]
    fn what_is_written_reads_back_and_every_damaged_byte_is_noticed() {
        let disk = MemoryDisk::default().disk();
        let mark = some().write(&disk, OWNER).expect("writes");
        let read = Contacts::read(&disk, OWNER).expect("reads");
        assert_eq!(read, Some((some(), mark)));
        let file = disk.open(&path(OWNER), false).expect("opens");
        let len = file.len().expect("reads");
        for at in 0..len {
            let mut byte = [0];
            file.read_at(at, &mut byte).expect("reads");
            file.write_at(at, &[byte[0] ^ 0x20]).expect("writes");
            let damaged = Contacts::read(&disk, OWNER);
            assert!(matches!(damaged, Err(StoreError::Damaged { .. })), "{at}");
            file.write_at(at, &byte).expect("writes");
        }
        for short in 0..len {
            file.set_len(short).expect("cuts");
            assert!(Contacts::read(&disk, OWNER).is_err(), "{short}");
        }
    }

    #[test]
    fn names_are_kept_and_who_has_none_is_written_as_ever() {
        let mut contacts = some();
        let nameless = contacts.encode();
        assert_eq!(&nameless[..2], [0x82, 1], "programs without names read it");
        let mut ada = contacts.of(&[2; 32]);
        ada.name = Some("Ada L.".parse().expect("a name"));
        contacts.put(IdentityId([2; 32]), ada).expect("known");
        let read = Contacts::decode(&contacts.encode()).expect("reads");
        assert_eq!(read, contacts);
        let name = "Ada L.".parse().expect("a name");
        assert_eq!(read.named(&name), Some(IdentityId([2; 32])));
        assert_eq!(Contacts::decode(&nameless), Ok(some()));
    }

    #[test]
    fn more_than_are_kept_are_refused() {
        let mut contacts = Contacts::default();
        for number in 0..CONTACTS_MAX as u64 {
            let mut name = [0; 32];
            name[..8].copy_from_slice(&number.to_le_bytes());
            let put = contacts.put(IdentityId(name), Contact::default());
            put.expect("there is room");
        }
        let one_more = contacts.put(OWNER, Contact::default());
        assert!(matches!(
            one_more,
            Err(StoreError::TooManyContacts { max: CONTACTS_MAX })
        ));
        let known = contacts.put(IdentityId([0; 32]), Contact::default());
        assert!(known.is_ok());
    }
}
