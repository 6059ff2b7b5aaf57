//! How many files and sockets the process may have open, against what the configuration asks for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Connections;

/// Files and sockets beside connections: the store, listeners, watchers, multicast, clients of the
/// control socket.
const OTHERS: u64 = 96;

/// Sockets of one dial: the swarm tries so many addresses of a peer at a time.
const OF_DIAL: u32 = 8;

/// The system lets the process open fewer files than the configuration asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "[connections] may need {needed} open files, and the system allows {allowed}: allow more \
     (`ulimit -Hn {needed}`, or LimitNOFILE={needed} in a unit of systemd), or lower the limits in \
     [connections]"
)]
pub struct TooFewFiles {
    /// What the configuration asks for.
    pub needed: u64,
    /// The hard limit.
    pub allowed: u64,
}

/// Sees to it that all connections that `connections` allow can be open at once: raises the soft
/// limit up to the hard one.
///
/// # Errors
/// [`TooFewFiles`] if the hard limit is lower.
pub fn allow_open_files(connections: &Connections) -> Result<(), TooFewFiles> {
    let needed = needed(connections);
    let limit = getrlimit(Resource::Nofile);
    if let Some(raised) = raised(limit, needed)? {
        // It may, up to the hard limit; if not, the soft one says what is to be done.
        setrlimit(Resource::Nofile, raised).map_err(|_| TooFewFiles {
            needed,
            allowed: limit.current.unwrap_or(u64::MAX),
        })?;
        tracing::info!(needed, "raised the limit of open files");
    }
    Ok(())
}

/// Open files that all connections need at once.
fn needed(connections: &Connections) -> u64 {
    [
        connections.max_established_incoming,
        connections.max_established_outgoing,
        connections.max_pending_incoming,
        connections.max_pending_outgoing.saturating_mul(OF_DIAL),
    ]
    .into_iter()
    .map(u64::from)
    .sum::<u64>()
        + OTHERS
}

/// The limits to set, if any are.
fn raised(limit: Rlimit, needed: u64) -> Result<Option<Rlimit>, TooFewFiles> {
    // None stands for no limit.
    if limit.current.is_none_or(|soft| soft >= needed) {
        return Ok(None);
    }
    match limit.maximum {
        Some(allowed) if allowed < needed => Err(TooFewFiles { needed, allowed }),
        maximum => Ok(Some(Rlimit {
            current: Some(needed),
            maximum,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        (current, maximum): (Option<u64>, Option<u64>),
        expected: Result<Option<u64>, TooFewFiles>,
    ) {
        let raised = raised(Rlimit { current, maximum }, 100);
        let soft = raised.map(|limit| limit.and_then(|limit| limit.current));
        assert_eq!(soft, expected, "{current:?} {maximum:?}");
    }

    #[test]
    fn the_soft_limit_is_raised_as_far_as_is_needed() {
        check((None, None), Ok(None));
        check((Some(100), Some(100)), Ok(None));
        check((Some(50), Some(1000)), Ok(Some(100)));
        check((Some(50), None), Ok(Some(100)));
        let refused = TooFewFiles {
            needed: 100,
            allowed: 99,
        };
        check((Some(50), Some(99)), Err(refused));
        assert!(refused.to_string().contains("LimitNOFILE=100"));
    }

    #[test]
    fn the_defaults_need_what_common_systems_allow() {
        // The hard limit that Linux has where nothing sets another.
        assert!(needed(&Connections::default()) <= 4096);
    }
}
