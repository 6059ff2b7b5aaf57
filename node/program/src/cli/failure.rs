//! Why a command failed, and with which exit code.

use orrery_node::config::ConfigError;
use orrery_node::keys::KeysError;
use orrery_node::real::{ControlError, LockError};
use orrery_node::{CommandError, StartError};

/// Why a command failed. The text says what to do where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The arguments, a file or a command make no sense.
    #[error("{0}")]
    Input(String),
    /// The disk or a permission refused.
    #[error("{0}")]
    Disk(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
    /// The running node has ended by itself: its loop panicked.
    #[error("the node has failed in itself; start it again, and report what it logged")]
    Broken,
    /// The running node has ended by itself: its store cannot be used.
    #[error("the node's store cannot be used any more; look into the log, then start it again")]
    StorageLost,
    /// Nobody reads our output any more.
    #[error("the output was closed")]
    OutputClosed,
}

impl Failure {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_) => 2,
            Self::Disk(_) => 6,
            // EX_SOFTWARE and EX_IOERR of sysexits(3): a supervisor starts the node again.
            Self::Broken => 70,
            Self::StorageLost => 74,
            Self::Other(_) | Self::OutputClosed => 1,
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let text = error.to_string();
        match error {
            CommandError::Invalid { .. } => Self::Input(text),
            CommandError::Storage { .. } => Self::Disk(text),
            CommandError::Busy | CommandError::Stopped => Self::Other(text),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let text = error.to_string();
        match error {
            StartError::Store(_) | StartError::Storage(_) | StartError::Closed(_) => {
                Self::Disk(text)
            }
            StartError::Noise(_)
            | StartError::Gossip(_)
            | StartError::LocalNetwork(_)
            | StartError::NoUpnp
            | StartError::Listen { .. } => Self::Other(text),
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let text = error.to_string();
        match error {
            LockError::InUse(_) => Self::Other(text),
            LockError::Disk { .. } => Self::Disk(text),
        }
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let text = error.to_string();
        match error {
            ControlError::Socket { .. } => Self::Disk(text),
            ControlError::Answer(_) | ControlError::Silent(_) => Self::Other(text),
        }
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        let text = error.to_string();
        match error {
            KeysError::Disk(_) | KeysError::Damaged(_) | KeysError::LockedOtherwise(_) => {
                Self::Disk(text)
            }
            KeysError::Elsewhere | KeysError::Sign(_) | KeysError::Spent => Self::Other(text),
            KeysError::Locked
            | KeysError::Passphrase
            | KeysError::InUse(_)
            | KeysError::UnknownDevice(_) => Self::Input(text),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Input(error.to_string())
    }
}
