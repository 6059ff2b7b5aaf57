//! Why a node does not start, or does not do what it is told.

use std::io;

use libp2p::{Multiaddr, noise};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::environment::StorageClosed;
use crate::store::StoreError;
use crate::store_handle::StoreHandleError;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error("cannot open the store: {0}")]
    Store(#[from] StoreError),
    /// The store cannot be used.
    #[error("{0}; move `index.redb` aside and start again, or look into the log")]
    Storage(String),
    /// There is no disk.
    #[error(transparent)]
    Closed(StorageClosed),
    /// The transport key cannot be used.
    #[error("cannot use the transport key: {0}")]
    Noise(#[from] noise::Error),
    /// libp2p refuses the settings of groups or of Kademlia.
    #[error("cannot take part in groups: {0}")]
    Gossip(String),
    /// The local network cannot be watched.
    #[error("cannot find nodes on the local network: {0}; set `mdns.enabled = false`")]
    LocalNetwork(io::Error),
    /// The environment has no router that could be asked.
    #[error("no router can be asked to map ports here; set `upnp.enabled = false`")]
    NoUpnp,
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {reason}; choose another in `listen.addresses`")]
    Listen {
        /// Which.
        address: Multiaddr,
        /// Why.
        reason: String,
    },
}

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "error", rename_all = "kebab-case")]
pub enum CommandError {
    /// Too many commands are waiting.
    #[error("the node is busy; try again")]
    Busy,
    /// The node has ended.
    #[error("the node has stopped")]
    Stopped,
    /// What was asked makes no sense, or not now.
    #[error("{reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// The disk refused; nothing was acknowledged.
    #[error("the disk refused: {reason}")]
    Storage {
        /// What the store reports.
        reason: String,
    },
}

impl CommandError {
    /// What was asked makes no sense.
    pub(crate) fn invalid(reason: &impl ToString) -> Self {
        Self::Invalid {
            reason: reason.to_string(),
        }
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        let reason = error.to_string();
        if error.is_storage() {
            Self::Storage { reason }
        } else {
            Self::Invalid { reason }
        }
    }
}

impl From<StoreHandleError> for StartError {
    fn from(error: StoreHandleError) -> Self {
        match error {
            StoreHandleError::Closed(error) => Self::Closed(error),
            StoreHandleError::Open(error) => Self::Store(error),
            error @ (StoreHandleError::Panicked | StoreHandleError::Lost) => {
                Self::Storage(error.to_string())
            }
        }
    }
}

impl From<StoreHandleError> for CommandError {
    fn from(error: StoreHandleError) -> Self {
        Self::Storage {
            reason: error.to_string(),
        }
    }
}
