//! Audiences: who may read a post, and which log it therefore goes to.
//!
//! Owns the name of a distinct audience. Who is a friend at a moment is told by the store.

use std::collections::BTreeSet;

use crate::api;
use crate::identity::IdentityId;

/// Most readers of one post: each costs an HPKE wrap of about 90 bytes.
pub const READERS_MAX: usize = 1_024;

/// Who may read a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Anybody.
    Public,
    /// Everybody followed at the moment of posting.
    Friends,
    /// These identities.
    Only(BTreeSet<IdentityId>),
}

impl From<api::Audience> for Audience {
    fn from(audience: api::Audience) -> Self {
        match audience {
            api::Audience::Public => Self::Public,
            api::Audience::Friends => Self::Friends,
            api::Audience::Only(readers) => Self::Only(readers.into_iter().collect()),
        }
    }
}

/// An audience with its readers fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Anybody.
    Public,
    /// These, besides the author.
    Only(BTreeSet<IdentityId>),
}

impl Readers {
    /// Names the distinct audience: same readers, same log.
    pub(crate) fn key(&self) -> [u8; 32] {
        match self {
            Self::Public => [0; 32],
            Self::Only(readers) => {
                let mut hasher = blake3::Hasher::new_derive_key("orrery 2025 audience");
                for reader in readers {
                    hasher.update(&reader.0);
                }
                hasher.finalize().into()
            }
        }
    }

    /// The readers by name; none for public.
    pub(crate) fn names(&self) -> Vec<IdentityId> {
        match self {
            Self::Public => Vec::new(),
            Self::Only(readers) => readers.iter().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_readers_are_one_audience_in_any_order() {
        let [a, b] = [[1; 32], [2; 32]].map(IdentityId);
        let only = |names: &[IdentityId]| Readers::Only(names.iter().copied().collect());
        assert_eq!(only(&[a, b]).key(), only(&[b, a]).key());
        assert_ne!(only(&[a]).key(), only(&[b]).key());
        assert_ne!(only(&[]).key(), Readers::Public.key());
    }

    #[test]
    fn who_is_named_twice_reads_once() {
        let id = IdentityId([7; 32]);
        let named = api::Audience::Only(vec![id, id]);
        assert_eq!(Audience::from(named), Audience::Only(BTreeSet::from([id])));
    }
}
