//! Sync strategies: interchangeable ways to ask a feed for "all that is new for me".
//!
//! A strategy decides what a reader's state is, in which order a responder
//! sends, and where the next page goes on. It sees stamps, arrival numbers and
//! names through a [`Feed`], never bodies or keys.

pub mod after_ts;
pub mod cursor;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, Reader, Writer};
use crate::op::OpId;
use after_ts::AfterTs;
use cursor::Cursor;

const WHAT: &str = "pull state";

/// Which strategy a reader uses.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SyncStrategy {
    /// Everything that the author stamped after the newest stamp held.
    AfterTs,
    /// Everything that arrived at the responder after the last answer.
    #[default]
    Cursor,
}

impl fmt::Display for SyncStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AfterTs => "after_ts",
            Self::Cursor => "cursor",
        })
    }
}

impl FromStr for SyncStrategy {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        match text {
            "after_ts" => Ok(Self::AfterTs),
            "cursor" => Ok(Self::Cursor),
            _ => Err(DecodeError::Invalid {
                what: "sync strategy",
                reason: "not one of after_ts, cursor",
            }),
        }
    }
}

/// What a reader has, in the terms of its strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullState {
    /// See [`after_ts`].
    AfterTs(AfterTs),
    /// See [`cursor`].
    Cursor(Cursor),
}

impl PullState {
    /// Whose terms these are.
    pub fn strategy(&self) -> SyncStrategy {
        match self {
            Self::AfterTs(_) => SyncStrategy::AfterTs,
            Self::Cursor(_) => SyncStrategy::Cursor,
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        // The number is the strategy's on the wire: others follow, none changes.
        match self {
            Self::AfterTs(state) => state.write(writer.array(2).u64(0)),
            Self::Cursor(state) => state.write(writer.array(2).u64(1)),
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(2)?;
        match reader.u64()? {
            0 => AfterTs::read(reader).map(Self::AfterTs),
            1 => Cursor::read(reader).map(Self::Cursor),
            _ => Err(DecodeError::Invalid {
                what: WHAT,
                reason: "unknown sync strategy",
            }),
        }
    }
}

/// What a strategy may look at: the ops of a responder that one viewer may read.
pub(crate) trait Feed {
    /// What reading can fail with.
    type Error;

    /// Names the responder's numbering of arrivals.
    fn epoch(&self) -> [u8; 16];

    /// The number of the next arrival.
    fn next_arrival(&self) -> u64;

    /// Up to `max` ops that sort after `after`, by (stamp, name); from the
    /// first if `None`.
    fn by_stamp(&self, after: Option<(u64, OpId)>, max: usize) -> Result<Found, Self::Error>;

    /// Up to `max` ops that arrived at number `from` or later, by arrival.
    fn by_arrival(&self, from: u64, max: usize) -> Result<Found, Self::Error>;
}

/// Ops of a feed.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// In the order that was asked for, with the number it goes by.
    pub(crate) ops: Vec<(u64, OpId)>,
    /// How far was looked, if that is not to the end though fewer were found than asked for.
    pub(crate) looked_to: Option<(u64, OpId)>,
}

impl Found {
    /// Whether these are all there are, of `max` that were asked for.
    pub(crate) fn is_all(&self, max: usize) -> bool {
        self.ops.len() < max && self.looked_to.is_none()
    }
}

/// What a responder goes through for one page: candidates in order, each with
/// the state that follows once it has been sent or passed over.
pub(crate) struct Selection {
    /// The candidates.
    pub(crate) ops: Vec<(OpId, PullState)>,
    /// The state if there is no candidate.
    pub(crate) start: PullState,
    /// Whether the candidates are all there are.
    pub(crate) exhausted: bool,
    /// The state after all candidates, if more was looked at than they.
    pub(crate) looked_to: Option<PullState>,
}

/// The candidates that `state` asks for, at most `max`.
pub(crate) fn select<F: Feed>(
    state: &PullState,
    feed: &F,
    max: usize,
) -> Result<Selection, F::Error> {
    match state {
        PullState::AfterTs(state) => state.select(feed, max),
        PullState::Cursor(state) => state.select(feed, max),
    }
}
