//! Why the store did not do what it was asked.

use std::io;

use crate::codec::DecodeError;
use crate::identity::{IdentityId, SignError};
use crate::op::OpId;
use crate::petname::Petname;
use crate::seal::SealError;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk refused us. What was asked was not done, or not durably.
    #[error("the disk refused: {0}")]
    Disk(#[from] std::io::Error),
    /// The disk refused writes when the store was opened, so that it can only be read.
    #[error("the disk refuses writes ({0}); what is kept can be read")]
    ReadOnly(String),
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
    /// The index is gone, and so is the file of contacts.
    #[error(
        "there are posts, but neither an index nor the contacts beside them: whom this node \
         blocks and follows is not known. Restore `{path}` or `index.redb` from a copy; or begin \
         without contacts by `orrery-node reindex --forget-contacts`, then follow and block anew"
    )]
    ContactsLost {
        /// The file of contacts, below the node's folder.
        path: String,
    },
    /// The index is of a later version.
    #[error("the index is of version {0}, which this program does not read; use a newer one")]
    NewerIndex(u64),
    /// More contacts than are kept.
    #[error("no more than {max} contacts are kept")]
    TooManyContacts {
        /// How many.
        max: usize,
    },
    /// Another identity is called so.
    #[error("`{name}` is what you call {of}; choose another name, or take it from them first")]
    NameTaken {
        /// The name.
        name: Petname,
        /// Whose it is.
        of: IdentityId,
    },
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
    /// What belongs to a conversation is for the two alone.
    #[error("{0} is of a conversation, into which nobody else is let")]
    OfConversation(OpId),
    /// No message of the conversation has this name.
    #[error("no message of this conversation is named {0}")]
    UnknownMessage(OpId),
    /// The own post is sealed to a key of ours that is gone.
    #[error(
        "the key of {0} is gone, since these keys are from before it was made; post its text anew"
    )]
    KeyGone(OpId),
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
    /// A page answers with another strategy than was asked.
    #[error("the answer is of another strategy than the request")]
    OtherEngine,
    /// A page that is not the last leads back to where it was asked from.
    #[error("the answer does not end and leads nowhere")]
    NoProgress,
    /// The device's key cannot be used.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// What helps a store that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cure {
    /// It is opened anew: what an unfinished write left behind is found out only by reading it again.
    Reopen,
    /// All of its index is checked as well.
    Check,
    /// Its index is whole and yet holds what cannot be read: it is made anew from the files.
    Reindex,
}

impl StoreError {
    /// What helps.
    pub(crate) fn cure(&self) -> Cure {
        match self {
            Self::DamagedEntry(_) => Cure::Reindex,
            error if error.is_damage_of_index() => Cure::Check,
            _ => Cure::Reopen,
        }
    }

    /// Whether disk or index are to blame, not what was asked.
    pub fn is_storage(&self) -> bool {
        match self {
            Self::Disk(_)
            | Self::ReadOnly(_)
            | Self::Index(_)
            | Self::Damaged { .. }
            | Self::DamagedEntry(_)
            | Self::ContactsLost { .. }
            | Self::NewerIndex(_) => true,
            Self::TooManyContacts { .. }
            | Self::NameTaken { .. }
            | Self::Body(_)
            | Self::TooManyReaders { .. }
            | Self::UnknownReader(_)
            | Self::UnusableReader { .. }
            | Self::Blocked(_)
            | Self::UnknownOp(_)
            | Self::OfConversation(_)
            | Self::UnknownMessage(_)
            | Self::KeyGone(_)
            | Self::OwnCard
            | Self::OldCard(_)
            | Self::CertificateEnded
            | Self::NotFollowed(_)
            | Self::OtherEngine
            | Self::NoProgress
            | Self::Sign(_) => false,
        }
    }

    /// Whether the disk takes no writes, but may be read.
    pub(crate) fn is_refused_write(&self) -> bool {
        let kind = match self {
            Self::Disk(error) => error.kind(),
            Self::Index(error) => match &**error {
                redb::Error::Io(error) => error.kind(),
                _ => return false,
            },
            _ => return false,
        };
        matches!(
            kind,
            io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::FileTooLarge
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::PermissionDenied
        )
    }

    /// Whether the index is not as it was written, so that it must be checked as a whole.
    pub(crate) fn is_damage_of_index(&self) -> bool {
        match self {
            Self::Index(error) => match &**error {
                redb::Error::Corrupted(_) | redb::Error::TableDoesNotExist(_) => true,
                redb::Error::Io(error) => matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ),
                _ => false,
            },
            Self::DamagedEntry(_) => true,
            _ => false,
        }
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

/// The index is not as it was written.
pub(super) fn corrupted(reason: &str) -> StoreError {
    StoreError::Index(Box::new(redb::Error::Corrupted(reason.to_owned())))
}
