//! A second dial where two nodes that dialled each other at once have spoilt the first.
//!
//! Dials go out of the port that is listened on, so that others see one address of us. When two
//! nodes dial each other at the same time, TCP makes one connection of both dials (RFC 9293 §3.5),
//! on which both sides speak as dialers: the handshake ends in what neither can read, at both. So
//! such a peer is dialled once more, out of another port. Owns which dials are second ones.

use std::collections::BTreeSet;
use std::io;

use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId, noise};

use crate::causes;
use crate::core::Core;

use super::Connections;

/// Second dials under way. The swarm's limit of pending dials bounds them.
#[derive(Debug, Default)]
pub(super) struct SecondDials(BTreeSet<ConnectionId>);

impl SecondDials {
    /// A dial has ended. Whether it was a second one.
    pub(super) fn ended(&mut self, connection: ConnectionId) -> bool {
        self.0.remove(&connection)
    }
}

impl Connections {
    /// Dials `peer` a second time, if its dial failed of a handshake that nobody could read.
    /// Which dial that is, if it does: then the first has not failed yet. It is chosen by whom the first
    /// was: anybody can answer what nobody can read.
    pub(super) fn dials_again(
        &mut self,
        core: &mut Core,
        connection: ConnectionId,
        peer: Option<PeerId>,
        error: &DialError,
    ) -> Option<ConnectionId> {
        let by = core.dial_ended(connection);
        if self.second_dials.ended(connection) {
            return None;
        }
        let (peer, addresses) = (peer?, spoilt(error));
        if addresses.is_empty() {
            return None;
        }
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses)
            .allocate_new_port()
            .build();
        let second = options.connection_id();
        core.dial(options, by).ok()?;
        tracing::debug!(%peer, "dialling again: both may have dialled at once");
        self.second_dials.0.insert(second);
        core.context.outlet.add("second-dials", 1);
        Some(second)
    }
}

/// Addresses at which a handshake failed of what was read.
fn spoilt(error: &DialError) -> Vec<Multiaddr> {
    let DialError::Transport(failures) = error else {
        return Vec::new();
    };
    let unreadable = |error: &io::Error| error.kind() == io::ErrorKind::InvalidData;
    // Noise shows the error that it wraps as its own.
    let no_noise = |error: &noise::Error| matches!(error, noise::Error::Io(e) if unreadable(e));
    failures
        .iter()
        .filter(|(_, error)| causes::any(error, unreadable) || causes::any(error, no_noise))
        .map(|(address, _)| address.clone())
        .collect()
}
