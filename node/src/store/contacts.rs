//! Whom the owner knows, follows, blocks and calls by a name.
//!
//! A card once seen is kept after unfollowing, so that single readers can
//! still be named. Blocking does not unfollow.

use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable};

use super::contact_file::{self, Contact, Contacts};
use super::tables::{BLOCKS, CARDS, FOLLOWS};
use super::{Store, StoreError};
use crate::api;
use crate::card::Card;
use crate::identity::IdentityId;
use crate::petname::Petname;

impl Store {
    /// Follows whom `card` names, and keeps the card. False if they were
    /// followed with the same card. Durable on return.
    ///
    /// # Errors
    /// `OwnCard` and `TooManyContacts`; `OldCard` if a certificate with a higher serial is known;
    /// `Disk` and `Index`.
    pub fn follow(&mut self, card: &Card) -> Result<bool, StoreError> {
        let identity = card.identity();
        if identity == self.keys.identity() {
            return Err(StoreError::OwnCard);
        }
        let newest = self.certificate_of(identity)?;
        if newest.is_some_and(|newest| newest.term.serial > card.delegation.term.serial) {
            return Err(StoreError::OldCard(identity));
        }
        let card = card.encode();
        self.change(identity, |contact| {
            contact.card = Some(card);
            contact.followed = true;
        })
    }

    /// Stops following `identity`. False if they were not followed. Durable on return.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn unfollow(&mut self, identity: IdentityId) -> Result<bool, StoreError> {
        self.change(identity, |contact| contact.followed = false)
    }

    /// Refuses `identity` everything from now on. False if that was so. Durable on return.
    ///
    /// # Errors
    /// `TooManyContacts`; `Disk` and `Index`.
    pub fn block(&mut self, identity: IdentityId) -> Result<bool, StoreError> {
        self.change(identity, |contact| contact.blocked = true)
    }

    /// Undoes [`Store::block`]. False if `identity` was not blocked. Durable on return.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn unblock(&mut self, identity: IdentityId) -> Result<bool, StoreError> {
        self.change(identity, |contact| contact.blocked = false)
    }

    /// Calls `identity` by a name, or by none. False if that was so. Durable on return.
    ///
    /// # Errors
    /// `NameTaken` if another identity is called so; `TooManyContacts`; `Disk` and `Index`.
    pub fn set_name(
        &mut self,
        identity: IdentityId,
        name: Option<Petname>,
    ) -> Result<bool, StoreError> {
        if let Some(name) = &name {
            self.check_name(identity, name)?;
        }
        self.change(identity, |contact| contact.name = name)
    }

    /// Whether `identity` can be called `name`.
    ///
    /// # Errors
    /// `NameTaken` if another identity is called so; `Disk` and `Index`.
    pub fn check_name(&self, identity: IdentityId, name: &Petname) -> Result<(), StoreError> {
        let contacts = Contacts::of_index(&self.read()?)?;
        match contacts.named(name) {
            Some(other) if other != identity => Err(StoreError::NameTaken {
                name: name.clone(),
                of: other,
            }),
            _ => Ok(()),
        }
    }

    /// What the owner calls others.
    ///
    /// # Errors
    /// `Disk`, `Index` and `DamagedEntry`.
    pub fn names(&self) -> Result<BTreeMap<IdentityId, Petname>, StoreError> {
        contact_file::names(&self.read()?)
    }

    /// Everybody known, by identity.
    ///
    /// # Errors
    /// `Disk`, `Index` and `DamagedEntry`.
    pub fn contacts(&self) -> Result<Vec<api::Contact>, StoreError> {
        let contacts = Contacts::of_index(&self.read()?)?;
        let known = contacts.iter().map(|(identity, contact)| {
            let card = contact.card.as_deref().map(Card::decode_kept);
            let card = card.transpose().map_err(StoreError::DamagedEntry)?;
            Ok(api::Contact {
                identity,
                name: contact.name.as_ref().map(ToString::to_string),
                peer: card.map(|card| card.peer),
                followed: contact.followed,
                blocked: contact.blocked,
            })
        });
        known.collect()
    }

    /// Changes what is known of `identity`, in the file and then in the index; whether that
    /// was something else before.
    fn change(
        &mut self,
        identity: IdentityId,
        change: impl FnOnce(&mut Contact),
    ) -> Result<bool, StoreError> {
        self.settle()?;
        let mut contacts = Contacts::of_index(&self.read()?)?;
        let before = contacts.of(&identity.0);
        let mut contact = before.clone();
        change(&mut contact);
        if contact == before {
            return Ok(false);
        }
        contacts.put(identity, contact)?;
        // From the rename on, a failure leaves open whether the change is there.
        self.unsettled = true;
        let mark = contacts.write(&self.disk, self.keys.identity())?;
        let txn = self.index.begin_write()?;
        contacts.enter_one(&txn, identity, &before, &mark)?;
        txn.commit()?;
        self.unsettled = false;
        Ok(true)
    }

    /// Cards of everybody followed, by identity.
    ///
    /// # Errors
    /// `Disk`, `Index` and `DamagedEntry`.
    pub fn following(&self) -> Result<Vec<Card>, StoreError> {
        let txn = self.read()?;
        let cards = txn.open_table(CARDS)?;
        let mut following = Vec::new();
        for entry in txn.open_table(FOLLOWS)?.iter()? {
            if let Some(card) = cards.get(entry?.0.value())? {
                following.push(Card::decode_kept(card.value()).map_err(StoreError::DamagedEntry)?);
            }
        }
        Ok(following)
    }

    /// Everybody blocked, sorted.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn blocked(&self) -> Result<Vec<IdentityId>, StoreError> {
        let txn = self.read()?;
        let mut blocked = Vec::new();
        for entry in txn.open_table(BLOCKS)?.iter()? {
            blocked.push(IdentityId(*entry?.0.value()));
        }
        Ok(blocked)
    }

    /// Whether `identity` is blocked.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn is_blocked(&self, identity: IdentityId) -> Result<bool, StoreError> {
        is_blocked(&self.read()?, identity)
    }

    /// The card of `identity`, followed or not, if it was ever seen.
    ///
    /// # Errors
    /// `Disk`, `Index` and `DamagedEntry`.
    pub fn card_of(&self, identity: IdentityId) -> Result<Option<Card>, StoreError> {
        let txn = self.read()?;
        let cards = txn.open_table(CARDS)?;
        cards
            .get(&identity.0)?
            .map(|card| Card::decode_kept(card.value()).map_err(StoreError::DamagedEntry))
            .transpose()
    }
}

/// Whether `identity` is blocked, as `txn` sees it.
pub(super) fn is_blocked(txn: &ReadTransaction, identity: IdentityId) -> Result<bool, StoreError> {
    Ok(txn.open_table(BLOCKS)?.get(&identity.0)?.is_some())
}
