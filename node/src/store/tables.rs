//! The index's tables: their keys, their order, and which of them can be rebuilt.
//!
//! Owns names and shapes. Names of identities, ops and logs are keys as raw
//! bytes, numbers sort by value, so that each question of the store is one range.

use redb::{Key, ReadableTable, Table, TableDefinition, Value, WriteTransaction};

use super::StoreError;

pub(super) type Name = &'static [u8; 32];
pub(super) type Log = &'static [u8; 16];
/// Reader, stamp and op.
pub(super) type ByStamp = (Name, u64, Name);
/// Reader and arrival.
pub(super) type ByArrival = (Name, u64);

/// The reader in whose name public ops are listed: no Ed25519 key is all zero
/// bytes and held by somebody.
pub(super) const ANYBODY: [u8; 32] = [0; 32];

/// Numbers by name, see the constants below.
pub(super) const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
/// The next arrival number.
pub(super) const NEXT_ARRIVAL: &str = "next-arrival";
/// The logical part of the device's clock.
pub(super) const HLC_LOGICAL_MS: &str = "hlc-logical-ms";
/// The counter part of the device's clock.
pub(super) const HLC_COUNTER: &str = "hlc-counter";

/// The shape of the index, one entry; none in the first.
pub(super) const FORMAT: TableDefinition<(), u64> = TableDefinition::new("format");
/// The shape of an index without conversations. 2 has types, ended logs, and what was held back; 3 what
/// authors take and when posts are to be forgotten; 4 has the file of proofs beside it.
pub(super) const INDEX_FORMAT: u64 = 4;
/// The shape of an index with the tables of conversations, which are made for the first message; 5 had
/// receipts that speak of a log from its beginning on, 6 no count of ours.
pub(super) const INDEX_FORMAT_WITH_CHATS: u64 = 7;
/// The first of those with these tables.
pub(super) const INDEX_FORMAT_WITH_FIRST_CHATS: u64 = 5;
/// The numbering of arrivals, one entry. Made with the index, and anew when a log is ended.
pub(super) const EPOCH: TableDefinition<(), &[u8; 16]> = TableDefinition::new("epoch");
/// Whose the index is, and the checksum of the file of proofs that it has all of, one entry; none in an
/// index of before.
pub(super) const OWNER: TableDefinition<(), (Name, Name)> = TableDefinition::new("owner");
/// The checksum of the contact file whose content the four tables after it copy, one entry.
pub(super) const CONTACTS_MARK: TableDefinition<(), &[u8; 32]> =
    TableDefinition::new("contacts-mark");
/// Cards of everybody known.
pub(super) const CARDS: TableDefinition<Name, &[u8]> = TableDefinition::new("cards");
/// Whom the owner follows.
pub(super) const FOLLOWS: TableDefinition<Name, ()> = TableDefinition::new("follows");
/// Whom the owner blocks.
pub(super) const BLOCKS: TableDefinition<Name, ()> = TableDefinition::new("blocks");
/// What the owner calls others. Made for the first name.
pub(super) const NAMES: TableDefinition<Name, &str> = TableDefinition::new("names");
/// Per author, where the strategy `cursor` goes on: epoch and arrival.
pub(super) const CURSORS: TableDefinition<Name, (&[u8; 16], u64)> = TableDefinition::new("cursors");
/// Certificates with a higher serial than those on the cards that are kept.
pub(super) const CERTIFICATES: TableDefinition<Name, &[u8]> = TableDefinition::new("certificates");
/// Revoked devices of others by (author, device): the revocation's serial, and the last moment of
/// their logical clocks that counts.
pub(super) const REVOCATIONS: TableDefinition<(Name, Name), (u64, u64)> =
    TableDefinition::new("revocations");
/// Per author, a page some of which was refused: where it begins, as epoch and arrival, and how
/// often it was asked for.
pub(super) const HELD_BACK: TableDefinition<Name, (&[u8; 16], u64, u64)> =
    TableDefinition::new("held-back");
/// Per author, what is there and is not taken, see `not_taken`. Made for the first of it.
pub(super) const NOT_TAKEN: TableDefinition<Name, &[u8]> = TableDefinition::new("not-taken");
/// Forked logs: the first forked place, and as proof two headers for it, and their author.
pub(super) const FORKS: TableDefinition<(Name, Log), (u64, &[u8])> = TableDefinition::new("forks");

/// Every op held, see `record`. The truth of others' ops; rebuilt for own ones.
pub(super) const OPS: TableDefinition<Name, &[u8]> = TableDefinition::new("ops");
/// Ops by (device, log, place).
pub(super) const PLACES: TableDefinition<(Name, Log, u64), Name> = TableDefinition::new("places");
/// How many ops are held by (device, log).
pub(super) const LOG_LENGTHS: TableDefinition<(Name, Log), u64> =
    TableDefinition::new("log-lengths");
/// Ops by (author, stamp, op).
pub(super) const HELD: TableDefinition<(Name, u64, Name), ()> = TableDefinition::new("held");
/// Authors by (stamp, op); of what is stamped far ahead, by (arrival, op).
pub(super) const TIMELINE: TableDefinition<(u64, Name), Name> = TableDefinition::new("timeline");

/// Ops whose authors asked to forget them, by (moment, op), until that is done.
pub(super) const EXPIRING: TableDefinition<(u64, Name), ()> = TableDefinition::new("expiring");
/// Bytes of ops that are kept of each author, own ones aside.
pub(super) const AUTHOR_BYTES: TableDefinition<Name, u64> = TableDefinition::new("author-bytes");
/// Own logs that are written no more.
pub(super) const ENDED: TableDefinition<Log, ()> = TableDefinition::new("ended");
/// Own logs by distinct audience.
pub(super) const AUDIENCES: TableDefinition<Name, Log> = TableDefinition::new("audiences");
/// Newest op of each own log: place, op, arrival.
pub(super) const HEADS: TableDefinition<Log, (u64, Name, u64)> = TableDefinition::new("heads");
/// Own logs by (reader, log): those whose every op the reader may read.
pub(super) const INTRODUCED: TableDefinition<(Name, Log), ()> = TableDefinition::new("introduced");
/// Own ops by (reader, stamp, op).
pub(super) const FEED_BY_STAMP: TableDefinition<ByStamp, ()> =
    TableDefinition::new("feed-by-stamp");
/// Own ops by (reader, arrival).
pub(super) const FEED_BY_ARRIVAL: TableDefinition<ByArrival, Name> =
    TableDefinition::new("feed-by-arrival");
/// Own ops by (type, order, number in it, op); the orders are those of `viewer_feed`: arrivals, a
/// grant's included, and stamps.
pub(super) const KINDS: TableDefinition<(&str, u8, u64, Name), ()> = TableDefinition::new("kinds");
/// Wrapped content keys by (op, reader).
pub(super) const WRAPS: TableDefinition<(Name, Name), &[u8]> = TableDefinition::new("wraps");

/// A message by (friend, the author's logical clock and counter, op).
pub(super) type ByClock = (Name, u64, u64, Name);
/// Messages of conversations, of both sides.
pub(super) const CHATS: TableDefinition<ByClock, ()> = TableDefinition::new("chats");
/// The last message of each friend's logs by (friend, log): its place, device and op.
pub(super) const CHAT_HEADS: TableDefinition<(Name, Log), (u64, Name, Name)> =
    TableDefinition::new("chat-heads");
/// How many places of a log, from its beginning on, are stored and read at its reader by (friend, side,
/// log); the sides are those of `receipts`: our receipts for the friend's logs, and the friend's for ours.
pub(super) const RECEIPTS: TableDefinition<(Name, u8, Log), (u64, u64)> =
    TableDefinition::new("receipts");

/// Further runs of places beyond one that is missing there, by (friend, side, log, first place): the place
/// after the last that is stored, and read; 0 for none.
pub(super) const RUNS: TableDefinition<(Name, u8, Log, u64), (u64, u64)> =
    TableDefinition::new("receipt-runs");

/// How many receipts of ours there are to each friend.
pub(super) const RECEIPTS_MADE: TableDefinition<Name, u64> = TableDefinition::new("receipts-made");

/// Everything that `reindex` rebuilds, open for writing.
pub(super) struct Derived<'txn> {
    /// For the tables of conversations, which most indexes do not have.
    pub(super) txn: &'txn WriteTransaction,
    /// Receipts of others for messages of ours that were not entered when they were.
    pub(super) late_receipts: Vec<[u8; 32]>,
    pub(super) numbers: Table<'txn, &'static str, u64>,
    pub(super) ops: Table<'txn, Name, &'static [u8]>,
    pub(super) places: Table<'txn, (Name, Log, u64), Name>,
    pub(super) log_lengths: Table<'txn, (Name, Log), u64>,
    pub(super) held: Table<'txn, (Name, u64, Name), ()>,
    pub(super) timeline: Table<'txn, (u64, Name), Name>,
    pub(super) expiring: Table<'txn, (u64, Name), ()>,
    pub(super) author_bytes: Table<'txn, Name, u64>,
    pub(super) ended: Table<'txn, Log, ()>,
    pub(super) audiences: Table<'txn, Name, Log>,
    pub(super) heads: Table<'txn, Log, (u64, Name, u64)>,
    pub(super) introduced: Table<'txn, (Name, Log), ()>,
    pub(super) feed_by_stamp: Table<'txn, (Name, u64, Name), ()>,
    pub(super) feed_by_arrival: Table<'txn, (Name, u64), Name>,
    pub(super) kinds: Table<'txn, (&'static str, u8, u64, Name), ()>,
    pub(super) wraps: Table<'txn, (Name, Name), &'static [u8]>,
}

impl<'txn> Derived<'txn> {
    /// Opens the tables, making those that are missing.
    pub(super) fn open(txn: &'txn WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            txn,
            late_receipts: Vec::new(),
            numbers: txn.open_table(NUMBERS)?,
            ops: txn.open_table(OPS)?,
            places: txn.open_table(PLACES)?,
            log_lengths: txn.open_table(LOG_LENGTHS)?,
            held: txn.open_table(HELD)?,
            timeline: txn.open_table(TIMELINE)?,
            expiring: txn.open_table(EXPIRING)?,
            author_bytes: txn.open_table(AUTHOR_BYTES)?,
            ended: txn.open_table(ENDED)?,
            audiences: txn.open_table(AUDIENCES)?,
            heads: txn.open_table(HEADS)?,
            introduced: txn.open_table(INTRODUCED)?,
            feed_by_stamp: txn.open_table(FEED_BY_STAMP)?,
            feed_by_arrival: txn.open_table(FEED_BY_ARRIVAL)?,
            kinds: txn.open_table(KINDS)?,
            wraps: txn.open_table(WRAPS)?,
        })
    }

    /// Empties all of them but the ops, which others' part of is the truth.
    pub(super) fn clear_all_but_ops(&mut self) -> Result<(), StoreError> {
        self.numbers.retain(|_, _| false)?;
        self.places.retain(|_, _| false)?;
        self.log_lengths.retain(|_, _| false)?;
        self.held.retain(|_, ()| false)?;
        self.timeline.retain(|_, _| false)?;
        self.expiring.retain(|_, ()| false)?;
        self.author_bytes.retain(|_, _| false)?;
        self.ended.retain(|_, ()| false)?;
        self.audiences.retain(|_, _| false)?;
        self.heads.retain(|_, _| false)?;
        self.introduced.retain(|_, ()| false)?;
        self.feed_by_stamp.retain(|_, ()| false)?;
        self.feed_by_arrival.retain(|_, _| false)?;
        self.kinds.retain(|_, ()| false)?;
        self.wraps.retain(|_, _| false)?;
        self.clear_chats()
    }

    /// Hash of all their entries, in order.
    pub(super) fn hash(&self) -> Result<[u8; 32], StoreError> {
        let mut hasher = blake3::Hasher::new_derive_key("orrery 2025 state");
        hash_table(&mut hasher, &self.numbers)?;
        hash_table(&mut hasher, &self.ops)?;
        hash_table(&mut hasher, &self.places)?;
        hash_table(&mut hasher, &self.log_lengths)?;
        hash_table(&mut hasher, &self.held)?;
        hash_table(&mut hasher, &self.timeline)?;
        hash_table(&mut hasher, &self.author_bytes)?;
        hash_table(&mut hasher, &self.ended)?;
        hash_table(&mut hasher, &self.audiences)?;
        hash_table(&mut hasher, &self.heads)?;
        hash_table(&mut hasher, &self.introduced)?;
        hash_table(&mut hasher, &self.feed_by_stamp)?;
        hash_table(&mut hasher, &self.feed_by_arrival)?;
        hash_table(&mut hasher, &self.kinds)?;
        hash_table(&mut hasher, &self.wraps)?;
        self.hash_chats(&mut hasher)?;
        Ok(hasher.finalize().into())
    }

    /// The number kept as `name`, 0 if none.
    pub(super) fn number(&self, name: &str) -> Result<u64, StoreError> {
        Ok(self.numbers.get(name)?.map_or(0, |number| number.value()))
    }
}

pub(super) fn hash_table<K: Key + 'static, V: Value + 'static>(
    hasher: &mut blake3::Hasher,
    table: &impl ReadableTable<K, V>,
) -> Result<(), StoreError> {
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    field(&table.len()?.to_le_bytes());
    for entry in table.iter()? {
        let (key, value) = entry?;
        field(K::as_bytes(&key.value()).as_ref());
        field(V::as_bytes(&value.value()).as_ref());
    }
    Ok(())
}
