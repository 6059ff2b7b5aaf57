//! Why the store did not do what it was asked.

use crate::codec::DecodeError;
use crate::identity::{IdentityId, SignError};
use crate::op::OpId;
use crate::seal::SealError;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk refused us. What was asked was not done, or not durably.
    #[error("the disk refused: {0}")]
    Disk(#[from] std::io::Error),
    /// The index refused us, mostly because the disk did.
    #[error("the index refused: {0}")]
    Index(Box<redb::Error>),
    /// A file is not as it was written.
    #[error("{path} is damaged: {reason}; restore it from a copy, then reindex")]
    Damaged {
        /// Which file, below the node's folder.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An entry of the index is not as it was written.
    #[error("the index holds a damaged entry: {0}; reindex")]
    DamagedEntry(DecodeError),
    /// The body breaks its rules.
    #[error(transparent)]
    Body(DecodeError),
    /// More readers than one post may have.
    #[error("{found} readers are more than the {max} that one post may have")]
    TooManyReaders {
        /// How many were named.
        found: usize,
        /// How many are allowed.
        max: usize,
    },
    /// A reader's card is needed and not known.
    #[error("the card of {0} is not known; follow them, or ask them for it")]
    UnknownReader(IdentityId),
    /// A reader's card holds a key to which nothing can be encrypted.
    #[error("the encryption key of {identity} cannot be used: {reason}")]
    UnusableReader {
        /// Whose key.
        identity: IdentityId,
        /// Why.
        reason: SealError,
    },
    /// A blocked identity was to be given something.
    #[error("{0} is blocked; unblock them first")]
    Blocked(IdentityId),
    /// No own post has this name.
    #[error("no own post is named {0}")]
    UnknownOp(OpId),
    /// The card is one's own.
    #[error("this is one's own card")]
    OwnCard,
    /// A newer card, or a newer certificate, is known.
    #[error(
        "this card of {0} is older than what is known of them; ask them for what `orrery-node card` \
         prints now"
    )]
    OldCard(IdentityId),
    /// The device's certificate has ended.
    #[error(
        "this device's certificate has ended, so nothing it signs is taken any more; stop the node \
         and run `orrery-node keys renew`"
    )]
    CertificateEnded,
    /// A page came from somebody who is not followed.
    #[error("{0} is not followed")]
    NotFollowed(IdentityId),
    /// A page answers with another engine than was asked.
    #[error("the answer is of another engine than the request")]
    OtherEngine,
    /// A page that is not the last leads back to where it was asked from.
    #[error("the answer does not end and leads nowhere")]
    NoProgress,
    /// The device's key cannot be used.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl StoreError {
    /// Whether disk or index are to blame, not what was asked.
    pub fn is_storage(&self) -> bool {
        matches!(
            self,
            Self::Disk(_) | Self::Index(_) | Self::Damaged { .. } | Self::DamagedEntry(_)
        )
    }
}

/// redb has an error type for each of its calls; all of them mean the same here.
macro_rules! from_index {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Index(Box::new(error.into()))
            }
        }
    )*};
}
from_index!(
    redb::CommitError,
    redb::DatabaseError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError
);
