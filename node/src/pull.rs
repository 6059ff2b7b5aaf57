//! Pull: the messages by which a reader asks a feed for what is new.
//!
//! Owns their formats and bounds. What a state means is known to its strategy
//! (see [`crate::sync_strategy`]), who may read what to the store.

use crate::body::TYPE_BYTES_MAX;
use crate::codec::{DecodeError, Reader, Writer};
use crate::delegation::DELEGATION_BYTES_MAX;
use crate::identity::IdentityId;
use crate::op::{HEADER_BYTES_MAX, OpId, SEALED_BODY_BYTES_MAX, SignedHeader};
use crate::revocation::{REVOCATION_BYTES_MAX, REVOCATIONS_MAX};
use crate::seal::Wrap;
use crate::sync_strategy::{PullState, SyncStrategy};

const VERSION: u64 = 1;
const REQUEST: &str = "pull request";
const PAGE: &str = "pull page";
const ITEM: &str = "pull item";

/// Most items on a page.
pub const PAGE_ITEMS_MAX: usize = 256;
/// A page is closed once its items have this many bytes. One item is always sent.
pub const PAGE_ITEMS_BYTES: usize = 512 * 1024;
/// Longest encoded item.
pub const ITEM_BYTES_MAX: usize =
    HEADER_BYTES_MAX + DELEGATION_BYTES_MAX + SEALED_BODY_BYTES_MAX + 256;
/// Most types a request may name.
pub const TYPES_MAX: usize = 16;
/// Most heads at the end of a pull: those of the logs written to last.
pub const HEADS_MAX: usize = 64;
/// Longest encoded request.
pub const REQUEST_BYTES_MAX: usize = 4 * 1024;
/// Longest encoded page: items, one beyond the soft bound, the end, and lapsed devices.
pub const PAGE_BYTES_MAX: usize =
    PAGE_ITEMS_BYTES + ITEM_BYTES_MAX + HEADS_MAX * HEAD_BYTES_MAX + LAPSED_BYTES_MAX + 1_024;
const LAPSED_BYTES_MAX: usize =
    REVOCATIONS_MAX * (DELEGATION_BYTES_MAX + REVOCATION_BYTES_MAX + 6) + 8;
/// Longest encoded head.
const HEAD_BYTES_MAX: usize = HEADER_BYTES_MAX + 80;

/// How large one page may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageBounds {
    /// It is closed once its items have this many bytes.
    pub items_bytes: usize,
    /// An item with which they would have more than this is left for another page, also if there
    /// is none before it.
    pub whole_bytes: usize,
}

impl Default for PageBounds {
    fn default() -> Self {
        Self {
            items_bytes: PAGE_ITEMS_BYTES,
            whole_bytes: usize::MAX,
        }
    }
}

impl PageBounds {
    /// Heads that fit beside items of `items_bytes`, but one in any case.
    pub(crate) fn heads_max(&self, items_bytes: usize) -> usize {
        let left = self.whole_bytes.saturating_sub(items_bytes);
        (left / HEAD_BYTES_MAX).clamp(1, HEADS_MAX)
    }
}

/// Whose ops are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All that this author wrote and the viewer may read.
    Author(IdentityId),
}

/// What a reader asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Who asks. Must be who the connection proved to be.
    pub viewer: IdentityId,
    /// Whose ops.
    pub scope: Scope,
    /// Only bodies of these types; of all types if empty. At most [`TYPES_MAX`].
    pub types: Vec<String>,
    /// At most this many items a page; the responder may send fewer.
    pub limit: u32,
    /// What the reader has, in the terms of a strategy.
    pub state: PullState,
}

impl PullRequest {
    /// The request as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Scope::Author(author) = self.scope;
        let mut writer = Writer::default();
        writer
            .array(6)
            .u64(VERSION)
            .bytes(&self.viewer.0)
            .bytes(&author.0)
            .array(self.types.len());
        for kind in &self.types {
            writer.text(kind);
        }
        writer.u64(u64::from(self.limit));
        self.state.write(&mut writer);
        writer.finish()
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(REQUEST, bytes);
        reader.array(6)?;
        reader.version(VERSION)?;
        let request = Self {
            viewer: IdentityId(reader.fixed()?),
            scope: Scope::Author(IdentityId(reader.fixed()?)),
            types: (0..reader.list(TYPES_MAX)?)
                .map(|_| reader.text(TYPE_BYTES_MAX).map(str::to_owned))
                .collect::<Result<_, _>>()?,
            limit: reader.u32()?,
            state: PullState::read(&mut reader)?,
        };
        reader.end()?;
        Ok(request)
    }

    /// Which strategy the request speaks to.
    pub fn strategy(&self) -> SyncStrategy {
        self.state.strategy()
    }
}

/// An op on its way to one reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The signed header.
    pub header: SignedHeader,
    /// The certificate of the device that signed it.
    pub delegation: Vec<u8>,
    /// The body, sealed unless the op is public.
    pub body: Vec<u8>,
    /// The content key for this reader; `None` if the op is public.
    pub wrap: Option<Wrap>,
}

impl Item {
    /// The op's name.
    pub fn id(&self) -> OpId {
        self.header.id()
    }

    /// Bytes of the item, up to a small constant.
    pub fn weight_bytes(&self) -> usize {
        self.header.bytes.len() + self.delegation.len() + self.body.len() + 256
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(4);
        self.header.write(writer);
        writer
            .bytes(&self.delegation)
            .bytes(&self.body)
            .option(self.wrap.as_ref(), |writer, wrap| wrap.write(writer));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(4)?;
        Ok(Self {
            header: SignedHeader::read(reader)?,
            delegation: reader.bytes(DELEGATION_BYTES_MAX)?.to_vec(),
            body: reader.bytes(SEALED_BODY_BYTES_MAX)?.to_vec(),
            wrap: reader.option(Wrap::read)?,
        })
    }

    /// The item as bytes of its own, as a store keeps it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads what [`Item::encode`] wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(ITEM, bytes);
        let item = Self::read(&mut reader)?;
        reader.end()?;
        Ok(item)
    }
}

/// The last that a pull tells: so that what was withheld shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Whether everything was sent that the viewer may read and asked for.
    pub complete: bool,
    /// The certificate of the device that signed the heads.
    pub delegation: Vec<u8>,
    /// Newest op of each log the viewer was introduced to, by log. At most [`HEADS_MAX`].
    pub heads: Vec<SignedHeader>,
}

/// A part of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullPage {
    /// Ops, in the strategy's order. At most [`PAGE_ITEMS_MAX`].
    pub items: Vec<Item>,
    /// With what to ask for what follows.
    pub next: PullState,
    /// Set on the last page.
    pub end: Option<End>,
    /// Devices of the author that are not in use any more.
    pub lapsed: Lapsed,
}

/// Devices of an author that are not in use any more: told on each page, since they bear on its items.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lapsed {
    /// Their last certificates, for heads that they signed. At most [`REVOCATIONS_MAX`].
    pub certificates: Vec<Vec<u8>>,
    /// Revocations of some of them. At most [`REVOCATIONS_MAX`].
    pub revocations: Vec<Vec<u8>>,
}

impl Lapsed {
    /// Bytes that it takes on a page, up to a small constant.
    pub fn weight_bytes(&self) -> usize {
        let told = self.certificates.iter().chain(&self.revocations);
        told.map(|bytes| bytes.len() + 3).sum()
    }

    fn is_empty(&self) -> bool {
        self.certificates.is_empty() && self.revocations.is_empty()
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(2);
        for list in [&self.certificates, &self.revocations] {
            writer.array(list.len());
            for bytes in list {
                writer.bytes(bytes);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(2)?;
        let mut list = |bytes_max| {
            let len = reader.list(REVOCATIONS_MAX)?;
            let entries = (0..len).map(|_| reader.bytes(bytes_max).map(<[u8]>::to_vec));
            entries.collect::<Result<_, _>>()
        };
        Ok(Self {
            certificates: list(DELEGATION_BYTES_MAX)?,
            revocations: list(REVOCATION_BYTES_MAX)?,
        })
    }
}

impl PullPage {
    /// The page as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        // Nodes that know nothing of it read what has no lapsed device.
        writer.array(4 + usize::from(!self.lapsed.is_empty()));
        writer.u64(VERSION).array(self.items.len());
        for item in &self.items {
            item.write(&mut writer);
        }
        self.next.write(&mut writer);
        writer.option(self.end.as_ref(), |writer, end| {
            writer
                .array(3)
                .bool(end.complete)
                .bytes(&end.delegation)
                .array(end.heads.len());
            for head in &end.heads {
                head.write(writer);
            }
        });
        if !self.lapsed.is_empty() {
            self.lapsed.write(&mut writer);
        }
        writer.finish()
    }

    /// Reads a page. Signatures are checked when it is ingested.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(PAGE, bytes);
        let fields = reader.list(5)?;
        if fields < 4 {
            return Err(DecodeError::Invalid {
                what: PAGE,
                reason: "it has too few fields",
            });
        }
        reader.version(VERSION)?;
        let page = Self {
            items: (0..reader.list(PAGE_ITEMS_MAX)?)
                .map(|_| Item::read(&mut reader))
                .collect::<Result<_, _>>()?,
            next: PullState::read(&mut reader)?,
            end: reader.option(read_end)?,
            lapsed: if fields == 5 {
                Lapsed::read(&mut reader)?
            } else {
                Lapsed::default()
            },
        };
        reader.end()?;
        Ok(page)
    }
}

fn read_end(reader: &mut Reader<'_>) -> Result<End, DecodeError> {
    reader.array(3)?;
    Ok(End {
        complete: reader.bool()?,
        delegation: reader.bytes(DELEGATION_BYTES_MAX)?.to_vec(),
        heads: (0..reader.list(HEADS_MAX)?)
            .map(|_| SignedHeader::read(reader))
            .collect::<Result<_, _>>()?,
    })
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The owner of the feed blocks the viewer.
    #[error("the viewer is blocked")]
    Blocked,
    /// The request names another viewer than the connection proved.
    #[error("the request is in the name of somebody else")]
    Viewer,
    /// This node does not serve that author's feed.
    #[error("that author's feed is not served here")]
    Scope,
    /// This node cannot read its store now.
    #[error("the feed cannot be read now")]
    Storage,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync_strategy::after_ts::AfterTs;
    use crate::sync_strategy::cursor::Cursor;
    use proptest::prelude::*;

    fn states() -> impl Strategy<Value = PullState> {
        let op = any::<[u8; 32]>().prop_map(OpId);
        let within = proptest::option::of((any::<u64>(), op));
        let after = (proptest::option::of(any::<u64>()), any::<u64>(), within);
        let cursor = (proptest::option::of(any::<[u8; 16]>()), any::<u64>());
        prop_oneof![
            after.prop_map(|(after_ms, overlap_ms, within)| {
                PullState::AfterTs(AfterTs {
                    after_ms,
                    overlap_ms,
                    within,
                })
            }),
            cursor.prop_map(|(epoch, arrival)| PullState::Cursor(Cursor { epoch, arrival })),
        ]
    }

    fn item(body: Vec<u8>) -> Item {
        Item {
            header: SignedHeader {
                bytes: vec![1; HEADER_BYTES_MAX],
                signature: [2; 64],
            },
            delegation: vec![3; DELEGATION_BYTES_MAX],
            body,
            wrap: None,
        }
    }

    fn page(items: Vec<Item>) -> PullPage {
        let head = item(Vec::new()).header;
        PullPage {
            items,
            next: PullState::Cursor(Cursor::default()),
            end: Some(End {
                complete: true,
                delegation: vec![3; DELEGATION_BYTES_MAX],
                heads: vec![head; HEADS_MAX],
            }),
            lapsed: Lapsed {
                certificates: vec![vec![4; DELEGATION_BYTES_MAX]; REVOCATIONS_MAX],
                revocations: vec![vec![5; REVOCATION_BYTES_MAX]; REVOCATIONS_MAX],
            },
        }
    }

    #[test]
    fn the_largest_page_fits_its_bound_and_reads_back() {
        let light = item(vec![0; PAGE_ITEMS_BYTES / (PAGE_ITEMS_MAX - 1) - 2_000]);
        let mut items = vec![light; PAGE_ITEMS_MAX - 1];
        assert!(items.iter().map(Item::weight_bytes).sum::<usize>() < PAGE_ITEMS_BYTES);
        items.push(item(vec![0; SEALED_BODY_BYTES_MAX]));
        let page = page(items);
        let bytes = page.encode();
        assert!(bytes.len() <= PAGE_BYTES_MAX);
        assert_eq!(PullPage::decode(&bytes), Ok(page));
    }

    #[test]
    fn bounds_of_a_page_fire() {
        let many = page(vec![item(Vec::new()); PAGE_ITEMS_MAX + 1]);
        let long = page(vec![item(vec![0; SEALED_BODY_BYTES_MAX + 1])]);
        let mut heads = page(Vec::new());
        if let Some(end) = &mut heads.end {
            end.heads.push(item(Vec::new()).header);
        }
        let mut lapsed = [page(Vec::new()), page(Vec::new())];
        lapsed[0].lapsed.certificates.push(Vec::new());
        lapsed[1].lapsed.revocations.push(Vec::new());
        let [certificates, revocations] = lapsed;
        for page in [many, long, heads, certificates, revocations] {
            assert!(matches!(
                PullPage::decode(&page.encode()),
                Err(DecodeError::TooLong { .. })
            ));
        }
    }

    #[test]
    fn a_list_that_announces_more_than_it_holds_allocates_nothing() {
        // [1, [256 items announced, none there
        let bytes = [0x84, 0x01, 0x99, 0x01, 0x00];
        assert!(matches!(
            PullPage::decode(&bytes),
            Err(DecodeError::Malformed { .. })
        ));
    }

    #[test]
    fn bounds_of_a_request_fire() {
        let request = |types: Vec<String>| PullRequest {
            viewer: IdentityId([1; 32]),
            scope: Scope::Author(IdentityId([2; 32])),
            types,
            limit: 1,
            state: PullState::Cursor(Cursor::default()),
        };
        let most = request(vec!["x".repeat(TYPE_BYTES_MAX); TYPES_MAX]);
        assert!(most.encode().len() <= REQUEST_BYTES_MAX);
        assert_eq!(PullRequest::decode(&most.encode()), Ok(most));
        for types in [
            vec![String::new(); TYPES_MAX + 1],
            vec!["x".repeat(TYPE_BYTES_MAX + 1)],
        ] {
            assert!(PullRequest::decode(&request(types).encode()).is_err());
        }
    }

    proptest! {
        #[test]
        fn requests_read_back(state in states(), limit: u32) {
            let request = PullRequest {
                viewer: IdentityId([1; 32]),
                scope: Scope::Author(IdentityId([2; 32])),
                types: vec!["note/1".into()],
                limit,
                state,
            };
            prop_assert_eq!(PullRequest::decode(&request.encode()), Ok(request));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = PullRequest::decode(&bytes);
            let _ = PullPage::decode(&bytes);
        }

        #[test]
        fn a_damaged_page_never_panics(at: prop::sample::Index, to: u8) {
            let mut bytes = page(vec![item(vec![7; 20])]).encode();
            let at = at.index(bytes.len());
            bytes[at] = to;
            let _ = PullPage::decode(&bytes);
            let _ = PullPage::decode(&bytes[..at]);
        }
    }
}
