//! What the store knows of others' keys as they change: newest certificates, and revoked devices.
//!
//! Both come with the pages of a followed author's feed, which only the author serves. Owns their
//! tables and what one author may put into them. What was taken in before a revocation stays.

use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable, Table, TableError, WriteTransaction};

use super::tables::{CARDS, CERTIFICATES, HLC_LOGICAL_MS, NUMBERS, Name, REVOCATIONS};
use super::{Store, StoreError};
use crate::card::Card;
use crate::delegation::Delegation;
use crate::identity::IdentityId;
use crate::pull::Lapsed;
use crate::revocation::{REVOCATIONS_MAX, Revocation};

/// Devices that one author has revoked.
pub(super) struct Revoked<'txn> {
    author: IdentityId,
    table: Table<'txn, (Name, Name), (u64, u64)>,
    /// By device: serial, and the last logical time that counts.
    known: BTreeMap<[u8; 32], (u64, u64)>,
    /// Whether something new was learned.
    pub(super) changed: bool,
    /// Whether a device may have signed later than was known: what was refused is to be judged anew.
    pub(super) widened: bool,
    /// Revocations that were left out, because the author has too many.
    pub(super) left_out: u64,
}

impl<'txn> Revoked<'txn> {
    pub(super) fn open(
        txn: &'txn WriteTransaction,
        author: IdentityId,
    ) -> Result<Self, StoreError> {
        let table = txn.open_table(REVOCATIONS)?;
        let mut known = BTreeMap::new();
        for entry in table.range((&author.0, &[0; 32])..=(&author.0, &[0xff; 32]))? {
            let (key, value) = entry?;
            known.insert(*key.value().1, value.value());
        }
        Ok(Self {
            author,
            table,
            known,
            changed: false,
            widened: false,
            left_out: 0,
        })
    }

    /// Learns what a page tells. What is not signed by the author proves nothing and is passed over.
    pub(super) fn learn(&mut self, told: &Lapsed) -> Result<(), StoreError> {
        for bytes in &told.revocations {
            let Ok(revocation) = Revocation::decode(bytes) else {
                continue;
            };
            if revocation.identity != self.author {
                continue;
            }
            self.keep(revocation.device, (revocation.serial, revocation.after_ms))?;
        }
        Ok(())
    }

    /// Keeps a revocation of the author's, its serial and the last logical time that counts, if its
    /// serial is above that of the one that is known of `device`.
    pub(super) fn keep(&mut self, device: [u8; 32], value: (u64, u64)) -> Result<(), StoreError> {
        let known = self.known.get(&device);
        if known.is_some_and(|known| known.0 >= value.0) {
            return Ok(());
        }
        if known.is_none() && self.known.len() >= REVOCATIONS_MAX {
            self.left_out += 1;
            return Ok(());
        }
        self.widened |= known.is_some_and(|known| known.1 < value.1);
        self.known.insert(device, value);
        self.table.insert((&self.author.0, &device), value)?;
        self.changed = true;
        Ok(())
    }

    /// Whether an op of `device` whose logical clock shows `logical_ms` comes too late.
    pub(super) fn covers(&self, device: &[u8; 32], logical_ms: u64) -> bool {
        let known = self.known.get(device);
        known.is_some_and(|(_, after_ms)| logical_ms > *after_ms)
    }
}

/// Keeps `newest` if its serial is above those of all that is kept of its identity; whether it was.
pub(super) fn learn_certificate(
    txn: &WriteTransaction,
    newest: &Delegation,
) -> Result<bool, StoreError> {
    let name = &newest.identity.0;
    let cards = txn.open_table(CARDS)?;
    let mut certificates = txn.open_table(CERTIFICATES)?;
    let on_card = cards.get(name)?.map(|card| read_card(card.value()));
    let kept = certificates.get(name)?.map(|kept| read(kept.value()));
    let serial = |known: Option<Result<u64, StoreError>>| known.unwrap_or(Ok(0));
    let of_card = serial(on_card.map(|card| card.map(|card| card.delegation.term.serial)))?;
    let of_kept = serial(kept.map(|kept| kept.map(|kept| kept.term.serial)))?;
    if newest.term.serial <= of_card.max(of_kept) {
        return Ok(false);
    }
    certificates.insert(name, newest.encode().as_slice())?;
    Ok(true)
}

fn read_card(bytes: &[u8]) -> Result<Card, StoreError> {
    Card::decode_kept(bytes).map_err(StoreError::DamagedEntry)
}

fn read(bytes: &[u8]) -> Result<Delegation, StoreError> {
    Delegation::decode_kept(bytes).map_err(StoreError::DamagedEntry)
}

/// The certificate of `identity` with the highest serial among what is kept; nothing if its card
/// was never seen.
pub(super) fn newest_certificate(
    txn: &ReadTransaction,
    identity: IdentityId,
) -> Result<Option<Delegation>, StoreError> {
    let cards = txn.open_table(CARDS)?;
    let Some(card) = cards.get(&identity.0)? else {
        return Ok(None);
    };
    let on_card = read_card(card.value())?.delegation;
    let kept = match txn.open_table(CERTIFICATES) {
        Ok(table) => table.get(&identity.0)?.map(|kept| read(kept.value())),
        // Stores that were made before there was such a table.
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let kept = kept.transpose()?;
    Ok(Some(match kept {
        Some(kept) if kept.term.serial > on_card.term.serial => kept,
        Some(_) | None => on_card,
    }))
}

impl Store {
    /// Follows whom `card` names, as [`Store::follow`] does, unless it is older than the card that is
    /// kept of them, when the own wall clock shows `wall_ms`.
    ///
    /// # Errors
    /// `OldCard`; as [`Store::follow`].
    pub fn follow_newer(&mut self, card: &Card, wall_ms: u64) -> Result<bool, StoreError> {
        let kept = self.card_of(card.identity())?;
        if kept.is_some_and(|kept| card.is_older_than(&kept, wall_ms)) {
            return Err(StoreError::OldCard(card.identity()));
        }
        self.follow(card)
    }

    /// The logical clock of the newest own post, ms since 1970; 0 if there is none.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn clock_ms(&self) -> Result<u64, StoreError> {
        let numbers = self.read()?.open_table(NUMBERS)?;
        Ok(numbers
            .get(HLC_LOGICAL_MS)?
            .map_or(0, |clock| clock.value()))
    }

    /// The certificate of `identity` with the highest serial, if its card was ever seen.
    ///
    /// # Errors
    /// `Disk`, `Index` and `DamagedEntry`.
    pub fn certificate_of(&self, identity: IdentityId) -> Result<Option<Delegation>, StoreError> {
        newest_certificate(&self.read()?, identity)
    }
}
