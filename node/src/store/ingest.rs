//! Asking others, and taking what they answer.
//!
//! Everything that arrives is checked op by op; what fails is refused by
//! itself and does not hold up the rest. One page is one durable transaction.

use redb::{ReadableTable, Table, WriteTransaction};

use super::chat_index::News;
use super::lapsed::{Revoked, learn_certificate};
use super::not_taken::NotTaken;
use super::own_logs::author_of_fork;
use super::proof_file::{FORKS_PER_AUTHOR_MAX, Proofs};
use super::record::{self, Record, wrap_binding};
use super::tables::{CURSORS, Derived, FOLLOWS, FORKS, HELD, HELD_BACK, Log, Name};
use super::{Store, StoreError, settling};
use crate::codec::Writer;
use crate::delegation::Delegation;
use crate::identity::IdentityId;
use crate::keys::Keys;
use crate::op::{Encryption, Header, OpId, OpRefusal, Outlook, SignedHeader};
use crate::pull::{Item, Lapsed, PullPage, PullRequest, Scope};
use crate::sync_strategy::after_ts::AfterTs;
use crate::sync_strategy::cursor::Cursor;
use crate::sync_strategy::{PullState, SyncStrategy};

/// How often pages of one author of which something was refused that may come right are asked for
/// again, all of them together.
const ASKED_AGAIN_MAX: u64 = 16;

/// The type of post that is asked for where there is no room for any: there is none, so that the
/// author tells of its keys alone.
const KEYS_ALONE: &str = "none";

/// What became of a page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ingested {
    /// Ops that are new, durable and readable, in the page's order.
    pub new: Vec<Received>,
    /// Items that were held already.
    pub duplicates: u64,
    /// Items that were not taken, by place on the page.
    pub refused: Vec<(usize, OpRefusal)>,
    /// Places at which this page proved a log forked, in the page's order.
    pub forks: Vec<u64>,
    /// Whether one of the new ops is to be forgotten some day.
    pub expiring: bool,
    /// Forked logs that are not kept, since as many of the author's are as may be.
    pub forks_left_out: u64,
    /// The author's certificate, if this page has told a newer one than was known.
    pub certificate: Option<Delegation>,
    /// Revocations of the author's that were left out, since more are kept already than may be.
    pub revocations_left_out: u64,
    /// Items that were refused, for good or as often as they are asked for: they are not asked for
    /// again by the cursor.
    pub given_up: u64,
    /// Whether the pull is to end here: pages after this one would have to be asked for again.
    pub ends_pull: bool,
    /// Whether there is no room for more of this author: until there is, no post is asked for.
    pub full: bool,
    /// Ops that the signed heads prove to exist for this reader, that are not held after this page
    /// and that were not refused for good. 0 before the last page, and where there is no room.
    pub missing: u64,
}

/// A new op of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its name.
    pub op: OpId,
    /// Its author.
    pub author: IdentityId,
    /// Its stamp: the author's wall clock, ms since 1970.
    pub stamp_ms: u64,
    /// What it is.
    pub news: News,
}

impl Store {
    /// The request that asks `author` for what is new; where there is no room for more of theirs, for
    /// what they say of their keys. `overlap_ms` is read by `after_ts` only.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn pull_request(
        &self,
        author: IdentityId,
        strategy: SyncStrategy,
        overlap_ms: u64,
        limit: u32,
    ) -> Result<PullRequest, StoreError> {
        let txn = self.read()?;
        let state = match strategy {
            SyncStrategy::AfterTs => {
                let held = txn.open_table(HELD)?;
                let of_author = (&author.0, 0, &[0; 32])..=(&author.0, u64::MAX, &[0xff; 32]);
                let newest = held.range(of_author)?.next_back().transpose()?;
                PullState::AfterTs(AfterTs {
                    after_ms: newest.map(|(key, _)| key.value().1),
                    overlap_ms,
                    within: None,
                })
            }
            SyncStrategy::Cursor => {
                let cursors = txn.open_table(CURSORS)?;
                let cursor = cursors.get(&author.0)?;
                PullState::Cursor(cursor.map_or_else(Cursor::default, |cursor| {
                    let (epoch, arrival) = cursor.value();
                    Cursor {
                        epoch: Some(*epoch),
                        arrival,
                    }
                }))
            }
        };
        let not_taken = NotTaken::of(&txn, author)?;
        let is_full = not_taken.is_still_full(&txn, author, self.author_bytes_max)?;
        let types = if is_full {
            vec![KEYS_ALONE.to_owned()]
        } else {
            Vec::new()
        };
        Ok(PullRequest {
            viewer: self.keys.identity(),
            scope: Scope::Author(author),
            types,
            limit,
            state,
        })
    }

    /// Checks, opens and keeps the page by which `author` answered `request`, at `wall_ms` by
    /// the own wall clock. Durable on return.
    ///
    /// A page for a request that names types keeps its ops, but does not move
    /// the cursor: the reader has not seen the other types.
    ///
    /// # Errors
    /// `NotFollowed`, `OtherEngine` and `NoProgress`: nothing was done. `Disk` and `Index`:
    /// the page must be asked for again.
    pub fn ingest(
        &mut self,
        author: IdentityId,
        request: &PullRequest,
        page: &PullPage,
        wall_ms: u64,
    ) -> Result<Ingested, StoreError> {
        if page.next.strategy() != request.strategy() {
            return Err(StoreError::OtherEngine);
        }
        if page.end.is_none() && page.next == request.state {
            return Err(StoreError::NoProgress);
        }
        self.settle()?;
        let txn = self.index.begin_write()?;
        if txn.open_table(FOLLOWS)?.get(&author.0)?.is_none() {
            return Err(StoreError::NotFollowed(author));
        }
        let (mut result, noted) = self.take_page(&txn, author, page, wall_ms)?;
        if noted.proofs || !result.forks.is_empty() {
            let me = self.keys.identity();
            let mark = Proofs::of_index(&txn)?.write(&self.disk, me)?;
            settling::note(&txn, me, &mark)?;
        }
        let moved = move_cursor(&txn, author, request, page, &mut result)?;
        let gave_up = result.given_up > 0 && give_up(&txn, author, page, &result)?;
        let changed = moved || noted.proofs || noted.not_taken || gave_up;
        // Most pulls bring nothing: they then cost no sync.
        if changed || !result.new.is_empty() || !result.forks.is_empty() {
            txn.commit()?;
        } else {
            txn.abort()?;
        }
        Ok(result)
    }

    fn take_page(
        &self,
        txn: &WriteTransaction,
        author: IdentityId,
        page: &PullPage,
        wall_ms: u64,
    ) -> Result<(Ingested, Noted), StoreError> {
        let mut intake = Intake::open(txn, self, author, wall_ms)?;
        intake.revoked.learn(&page.lapsed)?;
        if intake.revoked.widened {
            txn.open_table(CURSORS)?.remove(&author.0)?;
            intake.not_taken.forget_places();
        }
        for (place, item) in page.items.iter().enumerate() {
            if let Err(refusal) = intake.take(item)? {
                intake.remember(item, &refusal);
                intake.result.refused.push((place, refusal));
            }
        }
        intake.judge_room();
        if let Some(end) = &page.end {
            intake.learn_certificate(txn, &end.delegation)?;
            intake.count_missing(&end.delegation, &page.lapsed, &end.heads)?;
        }
        if !intake.result.new.is_empty() {
            let bytes = intake.bytes;
            intake.derived.author_bytes.insert(&author.0, bytes)?;
        }
        let not_taken = intake.not_taken != intake.not_taken_before;
        if not_taken {
            intake.not_taken.keep(txn, author)?;
        }
        let Intake {
            revoked,
            mut result,
            ..
        } = intake;
        result.revocations_left_out = revoked.left_out;
        let proofs = revoked.changed || result.certificate.is_some();
        Ok((result, Noted { proofs, not_taken }))
    }
}

/// What a page has changed beside the ops.
struct Noted {
    /// What the author has signed of its keys and logs.
    proofs: bool,
    /// What is there and is not taken.
    not_taken: bool,
}

/// Keeps where the next pull goes on; whether that, or something beside it, is otherwise than
/// before. What was refused for good is passed. What may come right is not: its page is asked for
/// again, and nothing after it meanwhile, [`ASKED_AGAIN_MAX`] times for all pages of the author until
/// one of them has come right. Nor is passed what there is no room for.
fn move_cursor(
    txn: &WriteTransaction,
    author: IdentityId,
    request: &PullRequest,
    page: &PullPage,
    result: &mut Ingested,
) -> Result<bool, StoreError> {
    let has = |outlook| {
        let mut refused = result.refused.iter();
        refused.any(|(_, refusal)| refusal.outlook() == outlook)
    };
    let (needs_room, may_come_right) = (has(Outlook::Room), has(Outlook::AskedAgain));
    result.ends_pull = needs_room;
    let (PullState::Cursor(from), PullState::Cursor(to)) = (request.state, page.next) else {
        return Ok(false);
    };
    let Some(epoch) = to.epoch.filter(|_| request.types.is_empty()) else {
        return Ok(false);
    };
    let mut cursors = txn.open_table(CURSORS)?;
    let stands = cursors.get(&author.0)?.map(|cursor| {
        let (epoch, arrival) = cursor.value();
        (*epoch, arrival)
    });
    if stands != from.epoch.map(|epoch| (epoch, from.arrival)) {
        // Something of a page before this one was refused.
        return Ok(false);
    }
    if needs_room {
        return Ok(false);
    }
    let mut held_back = txn.open_table(HELD_BACK)?;
    let place = (from.epoch.unwrap_or_default(), from.arrival);
    let before = held_back.get(&author.0)?.map(|held_back| {
        let (epoch, arrival, times) = held_back.value();
        ((*epoch, arrival), times)
    });
    let mut changed = false;
    if may_come_right {
        let times = before.map_or(0, |(_, times)| times);
        if times < ASKED_AGAIN_MAX {
            held_back.insert(&author.0, (&place.0, place.1, times + 1))?;
            result.ends_pull = true;
            return Ok(true);
        }
    } else if before.is_some_and(|(held, _)| held == place) {
        held_back.remove(&author.0)?;
        changed = true;
    }
    result.given_up = result.refused.len() as u64;
    cursors.insert(&author.0, (&epoch, to.arrival))?;
    Ok(changed || stands != Some((epoch, to.arrival)))
}

/// Remembers what might have come right and is passed by now; whether there is any.
fn give_up(
    txn: &WriteTransaction,
    author: IdentityId,
    page: &PullPage,
    result: &Ingested,
) -> Result<bool, StoreError> {
    let mut not_taken = NotTaken::within(txn, author)?;
    let before = not_taken.clone();
    for (place, refusal) in &result.refused {
        let header = page.items.get(*place).map(|item| &item.header.bytes);
        let header = header.and_then(|bytes| Header::decode(bytes).ok());
        if let Some(header) = header.filter(|_| refusal.outlook() == Outlook::AskedAgain) {
            not_taken.give_up(header.log, header.seq);
        }
    }
    if not_taken == before {
        return Ok(false);
    }
    not_taken.keep(txn, author)?;
    Ok(true)
}

/// One page on its way into the index.
struct Intake<'txn> {
    derived: Derived<'txn>,
    forks: Table<'txn, (Name, Log), (u64, &'static [u8])>,
    keys: &'txn Keys,
    author: IdentityId,
    /// Bytes that are kept of the author, and that may be.
    bytes: u64,
    bytes_max: u64,
    /// The reader's wall clock.
    wall_ms: u64,
    /// Devices that the author has revoked.
    revoked: Revoked<'txn>,
    /// What is there and is not taken, now and before this page.
    not_taken: NotTaken,
    not_taken_before: NotTaken,
    /// The certificate seen last, which the next item mostly has too.
    certificate: Option<(Vec<u8>, Delegation)>,
    result: Ingested,
}

impl<'txn> Intake<'txn> {
    fn open(
        txn: &'txn WriteTransaction,
        store: &'txn Store,
        author: IdentityId,
        wall_ms: u64,
    ) -> Result<Self, StoreError> {
        let derived = Derived::open(txn)?;
        let bytes = derived.author_bytes.get(&author.0)?;
        let bytes = bytes.map_or(0, |bytes| bytes.value());
        let not_taken = NotTaken::of(&store.read()?, author)?;
        Ok(Self {
            derived,
            forks: txn.open_table(FORKS)?,
            keys: &store.keys,
            author,
            bytes,
            bytes_max: store.author_bytes_max,
            wall_ms,
            revoked: Revoked::open(txn, author)?,
            not_taken_before: not_taken.clone(),
            not_taken,
            certificate: None,
            result: Ingested::default(),
        })
    }

    /// Takes one item, or says why not.
    fn take(&mut self, item: &Item) -> Result<Result<(), OpRefusal>, StoreError> {
        let op = item.id();
        if let Some(held) = self.derived.ops.get(&op.0)? {
            let holder = Record::decode(held.value())?.author;
            if holder != self.author {
                return Ok(Err(OpRefusal::Taken(holder)));
            }
            self.result.duplicates += 1;
            return Ok(Ok(()));
        }
        let header = match self.verify(&item.delegation, &item.header) {
            Ok(header) => header,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if self.revoked.covers(&header.device, header.hlc.logical_ms) {
            return Ok(Err(OpRefusal::Revoked));
        }
        if let Some(refusal) = self.check_place(op, &header, &item.header)? {
            return Ok(Err(refusal));
        }
        let record = match self.read(item, &header) {
            Ok(record) => record,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let bytes = record.item.weight_bytes() as u64;
        if self.bytes.saturating_add(bytes) > self.bytes_max {
            return Ok(Err(OpRefusal::Quota));
        }
        let friend = record.friend_of_author(&header);
        let news = match friend {
            None => News::Post,
            Some(friend) => match self.derived.judge_chat(friend, &record)? {
                Ok(news) => news,
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        self.bytes += bytes;
        self.derived.enter(&record, &header, friend)?;
        self.not_taken.take(header.log, header.seq);
        self.result.expiring |= header.expires_ms.is_some();
        self.result.new.push(Received {
            op,
            author: self.author,
            stamp_ms: header.hlc.stamp_ms,
            news,
        });
        Ok(Ok(()))
    }

    /// Remembers that `item` was refused for good, if that would make it seem missing: of a frozen log
    /// nothing does, nor of a revoked device.
    fn remember(&mut self, item: &Item, refusal: &OpRefusal) {
        if refusal.outlook() != Outlook::Never
            || matches!(refusal, OpRefusal::Fork { .. } | OpRefusal::Revoked)
        {
            return;
        }
        if let Ok(header) = Header::decode(&item.header.bytes) {
            self.not_taken.refuse(header.log, header.seq);
        }
    }

    /// Notes whether there was room for all of the page.
    fn judge_room(&mut self) {
        let mut refused = self.result.refused.iter();
        if refused.any(|(_, refusal)| refusal.outlook() == Outlook::Room) {
            self.not_taken.is_full_at(self.bytes_max, self.bytes);
        } else if !self.not_taken.was_full_at(self.bytes_max, self.bytes) {
            self.not_taken.has_room();
        }
        self.result.full = self.not_taken.was_full_at(self.bytes_max, self.bytes);
    }

    fn verify(&mut self, certificate: &[u8], signed: &SignedHeader) -> Result<Header, OpRefusal> {
        signed.verify(&self.delegation(certificate)?)
    }

    /// The author's certificate of these bytes, verified.
    fn delegation(&mut self, certificate: &[u8]) -> Result<Delegation, OpRefusal> {
        if let Some((bytes, delegation)) = &self.certificate
            && bytes == certificate
        {
            return Ok(delegation.clone());
        }
        let delegation = record::certificate(certificate, self.author)?;
        self.certificate = Some((certificate.to_vec(), delegation.clone()));
        Ok(delegation)
    }

    /// Whether the op fits what is held of its log.
    fn check_place(
        &mut self,
        op: OpId,
        header: &Header,
        signed: &SignedHeader,
    ) -> Result<Option<OpRefusal>, StoreError> {
        let log = (&header.device, &header.log.0);
        let frozen = self.forks.get(log)?.map(|fork| fork.value().0);
        if let Some(seq) = frozen.filter(|seq| *seq <= header.seq) {
            return Ok(Some(OpRefusal::Fork { seq }));
        }
        if let Some(held) = self.held_at(header, header.seq)?
            && held != op
        {
            let proof = self.signed_header(held)?;
            self.freeze(header, header.seq, &[&proof, signed])?;
            return Ok(Some(OpRefusal::Fork { seq: header.seq }));
        }
        if let Some(before) = header.seq.checked_sub(1)
            && let Some(held) = self.held_at(header, before)?
            && Some(held) != header.prev
        {
            let proof = self.signed_header(held)?;
            self.freeze(header, before, &[&proof, signed])?;
            return Ok(Some(OpRefusal::Fork { seq: before }));
        }
        if let Some(after) = header.seq.checked_add(1)
            && let Some(held) = self.held_at(header, after)?
        {
            let proof = self.signed_header(held)?;
            let after = Header::decode(&proof.bytes).map_err(StoreError::DamagedEntry)?;
            if after.prev != Some(op) {
                self.freeze(header, header.seq, &[&proof, signed])?;
                return Ok(Some(OpRefusal::Fork { seq: header.seq }));
            }
        }
        Ok(None)
    }

    /// Reads the body of a verified header.
    fn read(&self, item: &Item, header: &Header) -> Result<Record, OpRefusal> {
        record::check_hash(header, &item.body)?;
        let content_key = match header.encryption {
            Encryption::None => None,
            Encryption::ContentKey => {
                let wrap = item.wrap.as_ref().ok_or(OpRefusal::Unreadable)?;
                let binding = wrap_binding(item.id(), self.keys.identity());
                let key = self.keys.open(wrap, &binding);
                Some(key.ok_or(OpRefusal::Unreadable)?)
            }
        };
        let body = record::open(header, &item.body, content_key.as_ref())?;
        body.check_shape()?;
        Ok(Record {
            item: Item {
                wrap: None,
                ..item.clone()
            },
            author: self.author,
            kind: body.kind().to_owned(),
            content_key,
            received_ms: Some(self.wall_ms),
        })
    }

    /// Keeps the author's certificate if it is newer than what is known.
    fn learn_certificate(
        &mut self,
        txn: &WriteTransaction,
        certificate: &[u8],
    ) -> Result<(), StoreError> {
        let Ok(told) = self.delegation(certificate) else {
            return Ok(());
        };
        if learn_certificate(txn, &told)? {
            self.result.certificate = Some(told);
        }
        Ok(())
    }

    /// Compares the signed heads with what is held. Heads that do not verify
    /// prove nothing and are passed over, and so are those that a revoked device signed too late.
    fn count_missing(
        &mut self,
        certificate: &[u8],
        lapsed: &Lapsed,
        heads: &[SignedHeader],
    ) -> Result<(), StoreError> {
        let earlier: Vec<_> = lapsed
            .certificates
            .iter()
            .filter_map(|bytes| record::certificate(bytes, self.author).ok())
            .collect();
        for signed in heads {
            let mut verified = self.verify(certificate, signed);
            if verified == Err(OpRefusal::Device) {
                let mut by_earlier = earlier.iter().map(|earlier| signed.verify(earlier));
                verified = by_earlier
                    .find(|verified| *verified != Err(OpRefusal::Device))
                    .unwrap_or(verified);
            }
            let Ok(header) = verified else {
                continue;
            };
            if self.revoked.covers(&header.device, header.hlc.logical_ms) {
                continue;
            }
            if let Some(held) = self.held_at(&header, header.seq)?
                && held != signed.id()
            {
                let proof = self.signed_header(held)?;
                self.freeze(&header, header.seq, &[&proof, signed])?;
                continue;
            }
            let log = (&header.device, &header.log.0);
            if self.forks.get(log)?.is_some() {
                // That the rest of it is not taken has been told.
                continue;
            }
            let held = self.derived.log_lengths.get(log)?;
            let held = held.map_or(0, |held| held.value());
            let exist = header.seq.saturating_add(1);
            let refused = self.not_taken.refused_of(header.log, header.seq);
            let missing = exist.saturating_sub(held).saturating_sub(refused);
            self.result.missing = self.result.missing.saturating_add(missing);
        }
        if self.result.full {
            // What is not here there is no room for.
            self.result.missing = 0;
        }
        Ok(())
    }

    fn held_at(&self, header: &Header, seq: u64) -> Result<Option<OpId>, StoreError> {
        let place = (&header.device, &header.log.0, seq);
        let held = self.derived.places.get(place)?;
        Ok(held.map(|op| OpId(*op.value())))
    }

    fn signed_header(&self, op: OpId) -> Result<SignedHeader, StoreError> {
        let record = self.derived.ops.get(&op.0)?;
        let record = record.ok_or(StoreError::UnknownOp(op))?;
        Ok(Record::decode(record.value())?.item.header)
    }

    /// How many logs of the author are known to be forked.
    fn forks_of_author(&self) -> Result<usize, StoreError> {
        let mut forks = 0;
        for entry in self.forks.iter()? {
            let author = author_of_fork(entry?.1.value().1);
            forks += usize::from(author == Some(self.author));
        }
        Ok(forks)
    }

    /// Freezes the log of `header` at place `seq`, with both headers as proof.
    fn freeze(
        &mut self,
        header: &Header,
        seq: u64,
        proof: &[&SignedHeader; 2],
    ) -> Result<(), StoreError> {
        let log = (&header.device, &header.log.0);
        let frozen = self.forks.get(log)?.map(|fork| fork.value().0);
        if frozen.is_some_and(|frozen| frozen <= seq) {
            return Ok(());
        }
        if frozen.is_none() && self.forks_of_author()? >= FORKS_PER_AUTHOR_MAX {
            self.result.forks_left_out += 1;
            return Ok(());
        }
        let mut writer = Writer::default();
        writer.array(proof.len());
        for signed in proof {
            signed.write(&mut writer);
        }
        writer.bytes(&self.author.0);
        self.forks.insert(log, (seq, writer.finish().as_slice()))?;
        self.result.forks.push(seq);
        Ok(())
    }
}
