//! Making posts, and opening them to readers later.
//!
//! Owns the order in which a post becomes durable: its files, their folder,
//! the index, and only then the caller hears of it.

use std::collections::BTreeSet;

use redb::ReadableTable;
use serde_json::Value;

use super::post_files::{OwnGrant, OwnPost, log_dir};
use super::record::{Record, wrap_binding};
use super::tables::{AUDIENCES, Derived, ENDED, FOLLOWS, HEADS, LOG_LENGTHS};
use super::tables::{HLC_COUNTER, HLC_LOGICAL_MS};
use super::tables::{NEXT_ARRIVAL, NUMBERS, OPS, WRAPS};
use super::{Store, StoreError, contacts, lapsed};
use crate::audience::{Audience, READERS_MAX, Readers};
use crate::body::Body;
use crate::chat;
use crate::codec::DecodeError;
use crate::entropy;
use crate::files;
use crate::identity::IdentityId;
use crate::op::{Encryption, Header, Hlc, LogId, OpId, SignedHeader};
use crate::seal::{self, EncryptionKey, Wrap};

/// A post that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Its name.
    pub op: OpId,
    /// Its place in its log, from 0.
    pub seq: u64,
    /// Its stamp: the wall clock it was made at, ms since 1970.
    pub stamp_ms: u64,
    /// Its readers, sorted; none if public.
    pub readers: Vec<IdentityId>,
    /// Friends who are no readers, since nothing can be sealed to the key that is known of them.
    pub left_out: Vec<IdentityId>,
}

/// What became of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// The reader can read the post from now on; this is durable.
    New,
    /// The reader could read it before.
    Already,
}

/// Whom a post is sealed to, and who is left out.
type SealedTo = (Vec<(IdentityId, EncryptionKey)>, Vec<IdentityId>);

/// Where the next op of a log goes.
struct LogSlot {
    log: LogId,
    seq: u64,
    prev: Option<OpId>,
    hlc: Hlc,
    arrival: u64,
}

impl Store {
    /// Publishes `body` to `to`, stamped `wall_ms`. Durable on return. Messages of conversations are not
    /// published so.
    ///
    /// # Errors
    /// `Body`, `TooManyReaders`, `UnknownReader`, `UnusableReader` for a reader that was named,
    /// `Blocked`, `CertificateEnded` and `Sign`: nothing was done. `Disk` and `Index`: the post is
    /// not acknowledged; it may turn up once the disk works again.
    pub fn post(&mut self, body: Value, to: &Audience, wall_ms: u64) -> Result<Posted, StoreError> {
        if body["type"].as_str().is_some_and(chat::is_of_conversation) {
            return Err(StoreError::Body(DecodeError::Invalid {
                what: "body",
                reason: "messages of this type are sent by `chat send`, and acknowledged by `chat read`",
            }));
        }
        self.publish(body, to, wall_ms)
    }

    /// As [`Store::post`], a body of any type.
    pub(super) fn publish(
        &mut self,
        body: Value,
        to: &Audience,
        wall_ms: u64,
    ) -> Result<Posted, StoreError> {
        self.settle()?;
        let body = Body::encode(body).map_err(StoreError::Body)?;
        let mut readers = self.resolve(to)?;
        let (sealed_to, left_out) = self.reader_keys(to, &mut readers)?;
        let place = self.place(&readers, wall_ms)?;
        let post = self.make(body, &readers, &sealed_to, &place)?;
        if place.seq == 0 {
            files::make_dir(&self.disk, &log_dir(self.keys.identity(), place.log))?;
        }
        // From the first rename on, a failure leaves open whether the post is there.
        self.unsettled = true;
        post.write(&self.disk, self.keys.identity())?;
        self.commit(|derived, keys| derived.enter_own(&post, keys))?;
        Ok(Posted {
            op: post.id(),
            seq: place.seq,
            stamp_ms: place.hlc.stamp_ms,
            readers: readers.names(),
            left_out,
        })
    }

    /// Opens the own post `op` to `reader` too. Durable on return.
    ///
    /// # Errors
    /// `UnknownOp`, `OfConversation`, `KeyGone`, `UnknownReader`, `UnusableReader` and `Blocked`: nothing was done.
    /// `Disk` and `Index`: not acknowledged; it may hold once the disk
    /// works again.
    pub fn grant(&mut self, op: OpId, reader: IdentityId) -> Result<Granted, StoreError> {
        self.settle()?;
        let Some(grant) = self.make_grant(op, reader)? else {
            return Ok(Granted::Already);
        };
        self.unsettled = true;
        grant.write(&self.disk, self.keys.identity())?;
        self.commit(|derived, _| derived.enter_grant(&grant))?;
        Ok(Granted::New)
    }

    /// Ends a change of the files: enters it into the index, durably.
    fn commit(
        &mut self,
        enter: impl FnOnce(&mut Derived<'_>, &crate::keys::Keys) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let txn = self.index.begin_write()?;
        enter(&mut Derived::open(&txn)?, &self.keys)?;
        txn.commit()?;
        self.unsettled = false;
        Ok(())
    }

    /// Who `to` means now. The author is left out: they read their own posts anyway.
    fn resolve(&self, to: &Audience) -> Result<Readers, StoreError> {
        let mut readers = match to {
            Audience::Public => return Ok(Readers::Public),
            Audience::Friends => {
                let txn = self.read()?;
                let follows = txn.open_table(FOLLOWS)?;
                let mut friends = BTreeSet::new();
                for entry in follows.iter()? {
                    let friend = IdentityId(*entry?.0.value());
                    if !contacts::is_blocked(&txn, friend)? {
                        friends.insert(friend);
                    }
                }
                friends
            }
            Audience::Only(readers) => readers.clone(),
        };
        readers.remove(&self.keys.identity());
        if readers.len() > READERS_MAX {
            return Err(StoreError::TooManyReaders {
                found: readers.len(),
                max: READERS_MAX,
            });
        }
        Ok(Readers::Only(readers))
    }

    /// The keys to which a post to `to` is sealed, the author's first. No friend keeps the post from
    /// the others: one to whose key nothing can be sealed is taken out of `readers`, and named.
    fn reader_keys(&self, to: &Audience, readers: &mut Readers) -> Result<SealedTo, StoreError> {
        let Readers::Only(names) = readers else {
            return Ok((Vec::new(), Vec::new()));
        };
        let txn = self.read()?;
        let own = (self.keys.identity(), self.keys.delegation().encryption);
        let (mut keys, mut left_out) = (vec![own], Vec::new());
        for reader in names.iter() {
            let key = reader_key(&txn, *reader)?;
            if *to == Audience::Friends && !key.is_usable() {
                left_out.push(*reader);
            } else {
                keys.push((*reader, key));
            }
        }
        names.retain(|reader| !left_out.contains(reader));
        Ok((keys, left_out))
    }

    fn place(&self, readers: &Readers, wall_ms: u64) -> Result<LogSlot, StoreError> {
        let txn = self.read()?;
        let numbers = txn.open_table(NUMBERS)?;
        let number = |name| -> Result<Option<u64>, StoreError> {
            Ok(numbers.get(name)?.map(|number| number.value()))
        };
        let hlc = match (number(HLC_LOGICAL_MS)?, number(HLC_COUNTER)?) {
            (Some(logical_ms), Some(counter)) => Hlc {
                logical_ms,
                counter,
                stamp_ms: 0,
            }
            .next(wall_ms),
            _ => Hlc::first(wall_ms),
        };
        if !self.keys.delegation().term.covers(hlc.logical_ms) {
            return Err(StoreError::CertificateEnded);
        }
        let arrival = number(NEXT_ARRIVAL)?.unwrap_or(0);
        let ended = txn.open_table(ENDED)?;
        let log = txn
            .open_table(AUDIENCES)?
            .get(&readers.key())?
            .map(|log| *log.value());
        let log = match log {
            Some(log) if ended.get(&log)?.is_some() => None,
            Some(log) if self.is_of_another_device(&txn, &log)? => None,
            other => other,
        };
        let Some(log) = log else {
            return Ok(LogSlot {
                log: LogId(entropy::bytes()),
                seq: 0,
                prev: None,
                hlc,
                arrival,
            });
        };
        let heads = txn.open_table(HEADS)?;
        let head = heads.get(&log)?;
        let head = head.as_ref().map(redb::AccessGuard::value);
        Ok(LogSlot {
            log: LogId(log),
            seq: head.map_or(0, |(seq, _, _)| seq + 1),
            prev: head.map(|(_, op, _)| OpId(*op)),
            hlc,
            arrival,
        })
    }

    /// Whether another device wrote `log`, before a change of keys or after one that these keys are
    /// from before of: a log is one device's.
    fn is_of_another_device(
        &self,
        txn: &redb::ReadTransaction,
        log: &[u8; 16],
    ) -> Result<bool, StoreError> {
        let lengths = txn.open_table(LOG_LENGTHS)?;
        let own = lengths.get((&self.keys.delegation().device, log))?;
        Ok(own.is_none())
    }

    fn make(
        &self,
        body: Body,
        readers: &Readers,
        sealed_to: &[(IdentityId, EncryptionKey)],
        place: &LogSlot,
    ) -> Result<OwnPost, StoreError> {
        let delegation = self.keys.delegation();
        let mut header = Header {
            names_author: true,
            log: place.log,
            device: delegation.device,
            seq: place.seq,
            prev: place.prev,
            hlc: place.hlc,
            body_hash: [0; 32],
            body_len: 0,
            encryption: match readers {
                Readers::Public => Encryption::None,
                Readers::Only(_) => Encryption::ContentKey,
            },
            expires_ms: None,
            deps: Vec::new(),
            flags: 0,
        };
        let content_key = seal::fresh_content_key();
        let travelling = match header.encryption {
            Encryption::None => body.text.clone(),
            Encryption::ContentKey => seal::seal_body(&content_key, &header.binding(), &body.text),
        };
        header.body_hash = blake3::hash(&travelling).into();
        header.body_len = travelling.len() as u32;
        let signed = SignedHeader::sign(&header, &self.keys)?;
        let wraps = sealed_to
            .iter()
            .map(|(reader, key)| Ok((*reader, wrap(&content_key, key, signed.id(), *reader)?)))
            .collect::<Result<_, StoreError>>()?;
        Ok(OwnPost {
            signed,
            header,
            delegation: delegation.encode(),
            arrival: place.arrival,
            wraps,
            body,
            keyless: false,
        })
    }

    /// The grant, unless `reader` can read `op` already.
    fn make_grant(&self, op: OpId, reader: IdentityId) -> Result<Option<OwnGrant>, StoreError> {
        let txn = self.read()?;
        let record = txn
            .open_table(OPS)?
            .get(&op.0)?
            .map(|record| Record::decode(record.value()))
            .transpose()?
            .filter(|record| record.author == self.keys.identity())
            .ok_or(StoreError::UnknownOp(op))?;
        if chat::is_of_conversation(&record.kind) {
            return Err(StoreError::OfConversation(op));
        }
        let Some(content_key) = &record.content_key else {
            if record.is_keyless(&record.header()?) {
                return Err(StoreError::KeyGone(op));
            }
            return Ok(None);
        };
        if txn.open_table(WRAPS)?.get((&op.0, &reader.0))?.is_some() {
            return Ok(None);
        }
        let key = reader_key(&txn, reader)?;
        let header = record.header()?;
        let arrival = txn.open_table(NUMBERS)?.get(NEXT_ARRIVAL)?;
        Ok(Some(OwnGrant {
            log: header.log,
            seq: header.seq,
            op,
            reader,
            arrival: arrival.map_or(0, |arrival| arrival.value()),
            wrap: wrap(content_key, &key, op, reader)?,
        }))
    }
}

/// The key to which content keys for `reader` are wrapped.
fn reader_key(
    txn: &redb::ReadTransaction,
    reader: IdentityId,
) -> Result<EncryptionKey, StoreError> {
    if contacts::is_blocked(txn, reader)? {
        return Err(StoreError::Blocked(reader));
    }
    let newest = lapsed::newest_certificate(txn, reader)?;
    let newest = newest.ok_or(StoreError::UnknownReader(reader))?;
    Ok(newest.encryption)
}

fn wrap(
    content_key: &seal::ContentKey,
    key: &EncryptionKey,
    op: OpId,
    reader: IdentityId,
) -> Result<Wrap, StoreError> {
    Wrap::seal(content_key, key, &wrap_binding(op, reader)).map_err(|reason| {
        StoreError::UnusableReader {
            identity: reader,
            reason,
        }
    })
}
