//! What the owner reads: posts of everybody held here, newest first.

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadableTable;
use serde_json::Value;

use super::record::Record;
use super::tables::{HELD, Name, OPS, TIMELINE};
use super::{Store, StoreError};
use crate::api;
use crate::chat;
use crate::identity::IdentityId;
use crate::op::OpId;

/// What bodies of a timeline may take in memory: each its text, and [`VALUE_BYTES`] for each value in it.
/// One author's take at most as much as is left then.
const BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longer bodies of an author whose share is spent are not even opened.
const SHORT_BYTES_MAX: usize = 4 * 1024;
/// What one value of a body takes in memory beside its text, about.
const VALUE_BYTES: usize = 64;

/// How far is looked for posts that are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    /// Posts of one author that are looked at and turn out not to be shown, mostly since they have expired
    /// and are not cleared away yet: the author's others are passed by then.
    pub(super) unshown: u32,
    /// The same, where no other author's posts are asked for.
    pub(super) unshown_alone: u32,
    /// Entries that are passed by, without looking at the posts, before older ones are left out: of those
    /// authors, and of blocked ones.
    pub(super) passed_by_limit: u32,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            unshown: 256,
            unshown_alone: 16_384,
            passed_by_limit: 1 << 20,
        }
    }
}

/// What bodies take in memory, and who may have one more shown.
#[derive(Default)]
struct Shares {
    all: usize,
    authors: BTreeMap<IdentityId, Share>,
}

#[derive(Default)]
struct Share {
    bytes: usize,
    /// A body was left out.
    spent: bool,
    /// Posts that were looked at and are not shown.
    unshown: u32,
}

impl Shares {
    /// Whether it may be worth while to open a body of `author` that is so long as it travels.
    fn may_show(&self, author: IdentityId, length: usize) -> bool {
        let spent = self.authors.get(&author).is_some_and(|share| share.spent);
        !spent || length <= SHORT_BYTES_MAX
    }

    /// How many posts of `author` were looked at in vain.
    fn unshown(&self, author: IdentityId) -> u32 {
        self.authors.get(&author).map_or(0, |share| share.unshown)
    }

    /// A post of `author` was looked at in vain.
    fn looked_in_vain(&mut self, author: IdentityId) {
        self.authors.entry(author).or_default().unshown += 1;
    }

    /// Whether a body of `author` that takes so much is shown; it is counted then.
    fn shows(&mut self, author: IdentityId, bytes: usize) -> bool {
        let share = self.authors.entry(author).or_default();
        let shows = share.bytes + bytes + self.all + bytes <= BODIES_BYTES_MAX;
        if shows {
            share.bytes += bytes;
            self.all += bytes;
        }
        share.spent |= !shows;
        shows
    }
}

/// A timeline.
#[derive(Debug, Default)]
pub struct Shown {
    /// Posts, newest first.
    pub posts: Vec<api::Post>,
    /// What was wrong with the first post that could not be read; those are left out.
    pub damaged: Option<StoreError>,
    /// How many those were.
    pub unreadable: u64,
    /// Whether there may be older posts that were not looked for.
    pub is_cut: bool,
}

impl Store {
    /// The newest readable posts by stamp, own ones included; at most `limit`, and only of
    /// `author` if one is named. What is stamped far ahead stands where it arrived, and is
    /// marked; blocked authors are left out, and so is what has expired by `wall_ms`, and what
    /// cannot be shown, which is logged. A reply must not become longer than can be read, nor larger
    /// than fits memory: bodies take 64 MiB, of which one author's get as much as is left then, and
    /// what is beyond it stands there without its body. Nor may a command take for ever: of an author
    /// with hundreds of expired posts that are not cleared away yet, no more are looked at, and of what
    /// is passed by, a million entries.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn timeline_at(
        &self,
        limit: u32,
        author: Option<IdentityId>,
        wall_ms: u64,
    ) -> Result<Shown, StoreError> {
        self.timeline_within(limit, author, wall_ms, Walk::default())
    }

    /// As [`Store::timeline_at`], looking as far as `walk` has it.
    pub(super) fn timeline_within(
        &self,
        limit: u32,
        author: Option<IdentityId>,
        wall_ms: u64,
        walk: Walk,
    ) -> Result<Shown, StoreError> {
        let txn = self.read()?;
        let limit = limit as usize;
        if limit == 0 {
            return Ok(Shown::default());
        }
        let ops = txn.open_table(OPS)?;
        let mut timeline = Shown::default();
        let mut shares = Shares::default();
        let (unshown, passed_by_limit) = match author {
            None => (walk.unshown, walk.passed_by_limit),
            Some(_) => (walk.unshown_alone, 0),
        };
        let blocked = match author {
            None => self.blocked()?.into_iter().collect(),
            Some(_) => BTreeSet::new(),
        };
        let mut passed_by = 0;
        // Whether more are to be looked for.
        let mut show = |op: [u8; 32], author: IdentityId| -> Result<bool, StoreError> {
            let is_blocked = blocked.contains(&author);
            if is_blocked || shares.unshown(author) >= unshown {
                passed_by += 1;
                let goes_on = passed_by < passed_by_limit;
                timeline.is_cut |= !is_blocked || !goes_on;
                return Ok(goes_on);
            }
            let shown_before = timeline.posts.len();
            if let Some(record) = ops.get(&op)? {
                let read = Record::decode(record.value());
                match read.and_then(|record| shown(OpId(op), &record, wall_ms, &mut shares)) {
                    Ok(Some(post)) => timeline.posts.push(post),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::warn!(op = %OpId(op), %error, "cannot show a post");
                        timeline.unreadable += 1;
                        timeline.damaged.get_or_insert(error);
                    }
                }
            }
            if timeline.posts.len() == shown_before {
                shares.looked_in_vain(author);
            }
            Ok(timeline.posts.len() < limit)
        };
        match author {
            None => {
                for entry in txn.open_table(TIMELINE)?.iter()?.rev() {
                    let (key, author) = entry?;
                    if !show(*key.value().1, IdentityId(*author.value()))? {
                        break;
                    }
                }
            }
            Some(author) => {
                let of_author = (&author.0, 0, &[0; 32])..=(&author.0, u64::MAX, &[0xff; 32]);
                let placed = txn.open_table(TIMELINE)?;
                let of_author = txn.open_table(HELD)?.range(of_author)?;
                for entry in of_author.rev().take(walk.passed_by_limit as usize) {
                    let op = *entry?.0.value().2;
                    if !is_said(&ops, &placed, &op) && !show(op, author)? {
                        break;
                    }
                }
            }
        }
        Ok(timeline)
    }

    /// Ops of all authors that are held and can be opened.
    ///
    /// # Errors
    /// `Disk`, `Index` and `DamagedEntry`.
    pub fn readable_ops(&self) -> Result<Vec<OpId>, StoreError> {
        let txn = self.read()?;
        let mut readable = Vec::new();
        for entry in txn.open_table(OPS)?.iter()? {
            let (op, record) = entry?;
            let record = Record::decode(record.value())?;
            if record.item.body.is_empty() {
                // It has expired, and is cleared away.
                continue;
            }
            record.body()?;
            readable.push(OpId(*op.value()));
        }
        Ok(readable)
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

/// Whether `op` is of a conversation, and therefore not on the timeline.
fn is_said(
    ops: &impl ReadableTable<Name, &'static [u8]>,
    timeline: &impl ReadableTable<(u64, Name), Name>,
    op: &[u8; 32],
) -> bool {
    let said = || {
        let record = ops.get(op)?.map(|record| Record::decode(record.value()));
        let Some(record) = record.transpose()? else {
            return Ok(false);
        };
        if !chat::is_of_conversation(&record.kind) {
            return Ok(false);
        }
        let shown_ms = record.shown_ms(record.header()?.hlc.stamp_ms);
        Ok::<_, StoreError>(timeline.get((shown_ms, op))?.is_none())
    };
    // What cannot be read is told when it is to be shown.
    said().unwrap_or(false)
}

/// A held op as the owner reads it, without its body if its author's share of `shares` is spent; nothing
/// if it has expired, or was taken in before depth was bounded and is deeper than can be shown.
fn shown(
    op: OpId,
    record: &Record,
    wall_ms: u64,
    shares: &mut Shares,
) -> Result<Option<api::Post>, StoreError> {
    let header = record.header()?;
    // One that was cleared away stays so, also when the clock is set back.
    if Record::is_expired(&header, wall_ms) || record.item.body.is_empty() {
        return Ok(None);
    }
    let stamp_ms = header.hlc.stamp_ms;
    let mut post = api::Post {
        op,
        author: record.author,
        author_name: None,
        stamp_ms,
        stamp_ahead: record.is_ahead(stamp_ms),
        body: Value::Null,
        body_left_out: true,
    };
    if !shares.may_show(record.author, record.item.body.len()) {
        return Ok(Some(post));
    }
    let body = record.body()?;
    if let Err(error) = body.check_depth() {
        tracing::warn!(%op, %error, "cannot show a post");
        return Ok(None);
    }
    let body_bytes = body.text.len() + body.values() * VALUE_BYTES;
    if shares.shows(record.author, body_bytes) {
        (post.body, post.body_left_out) = (body.value, false);
    }
    Ok(Some(post))
}
