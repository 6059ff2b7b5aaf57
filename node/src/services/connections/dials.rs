//! Dials as the node is told to make them.
//!
//! Owns what is asked: which peer, at which addresses. Dials that the node makes for its own ends
//! are those of its services.

use libp2p::multiaddr::Protocol;
use libp2p::swarm::DialError;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};

use crate::api::Reply;
use crate::core::CommandError;
use crate::core::dial_failure;
use crate::core::replies::{ReplySender, answer};
use crate::core::{ChosenBy, Core};

use super::Connections;

/// Addresses of one peer that are dialled at once.
const ADDRESSES_MAX: usize = 64;

impl Connections {
    /// Dials an address. A peer that is connected, or being dialled, is left as it is. Answers at
    /// `reply` when the dial has begun, or, if it is to `wait`, when it has ended.
    pub fn dial_address(
        &mut self,
        core: &mut Core,
        address: String,
        wait: bool,
        reply: ReplySender,
    ) {
        let options = parsed(&address).map(|address| match peer_of(&address) {
            Some(peer) => to_peer(peer, vec![address]),
            None => DialOpts::unknown_peer_id().address(address).build(),
        });
        let options = match options {
            Ok(options) => options,
            Err(error) => return answer(reply, Err(error)),
        };
        if wait && self.awaited_dials.is_full() {
            core.context.limit_reached("awaited-dials");
            return answer(reply, Err(CommandError::Busy));
        }
        let (connection, peer) = (options.connection_id(), options.get_peer_id());
        match dial_with(core, options) {
            Ok(_) if wait => {
                self.awaited_dials.add(connection, peer, reply);
                if let Some(peer) = peer.filter(|peer| core.links.has_peer(peer)) {
                    self.awaited_dials.connected(core, connection, peer);
                }
            }
            result => answer(reply, result),
        }
    }

    /// Dials a peer at all of `addresses`, which name it. Otherwise as [`Self::dial_address`].
    pub fn dial_peer(&mut self, core: &mut Core, addresses: Vec<String>, reply: ReplySender) {
        let options = of_one_peer(&addresses).map(|(peer, addresses)| {
            let ways = core.ways(addresses);
            to_peer(peer, ways)
        });
        answer(reply, options.and_then(|options| dial_with(core, options)));
    }
}

/// The addresses, and the one peer that all of them name.
fn of_one_peer(addresses: &[String]) -> Result<(PeerId, Vec<Multiaddr>), CommandError> {
    if addresses.len() > ADDRESSES_MAX {
        let found = addresses.len();
        let error = format!("name at most {ADDRESSES_MAX} addresses, not {found}");
        return Err(CommandError::invalid(&error));
    }
    let addresses = addresses.iter().map(|address| parsed(address));
    let addresses = addresses.collect::<Result<Vec<Multiaddr>, _>>()?;
    let Some(peer) = addresses.first().and_then(peer_of) else {
        let error = "name an address of the peer at least, with /p2p/… at its end";
        return Err(CommandError::invalid(&error));
    };
    let is_other = |address: &&Multiaddr| peer_of(address) != Some(peer);
    if let Some(other) = addresses.iter().find(is_other) {
        let error = format!("`{other}` does not end in /p2p/{peer}, as the first address does");
        return Err(CommandError::invalid(&error));
    }
    Ok((peer, addresses))
}

fn dial_with(core: &mut Core, options: DialOpts) -> Result<Reply, CommandError> {
    let peer = options.get_peer_id();
    match core.dial(options, ChosenBy::Us) {
        Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => Ok(Reply::Done),
        Err(error) => {
            if let DialError::Denied { cause } = &error {
                core.denied_by(peer, cause);
            }
            Err(CommandError::invalid(&dial_failure::plain(&error)))
        }
    }
}

fn parsed(address: &str) -> Result<Multiaddr, CommandError> {
    address
        .trim()
        .parse()
        .map_err(|error| CommandError::invalid(&format!("`{address}`: {error}")))
}

/// Whom an address names at its end: one through a relay names the relay before.
fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

fn to_peer(peer: PeerId, addresses: Vec<Multiaddr>) -> DialOpts {
    DialOpts::peer_id(peer)
        .condition(PeerCondition::DisconnectedAndNotDialing)
        .addresses(addresses)
        .build()
}
