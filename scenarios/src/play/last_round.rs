//! How the last round of pulls of a host that is draining went.

/// Why a host's last round was not empty: whose pulls failed, by host, and with what.
#[derive(Debug, Default)]
pub struct LastRound {
    pub(super) failures: Vec<(u32, String)>,
}
