//! Why a dial has come to nothing, in plain words.
//!
//! libp2p's own text nests error in error, and tells of some nothing. Owns the words; decides nothing.

use std::error::Error;
use std::io;

use libp2p::allow_block_list::Blocked;
use libp2p::core::transport::TransportError;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{ConnectionDenied, DialError};
use libp2p::{Multiaddr, noise};

use crate::causes;
use crate::entry::{Anybodys, NoPlace};

/// Addresses whose failures are told one by one.
const TOLD_MAX: usize = 4;

/// Why a dial failed, on one line: for each address what came of it there.
pub fn plain(error: &DialError) -> String {
    match error {
        DialError::LocalPeerId { .. } => "this node itself is there".to_owned(),
        DialError::NoAddresses => "no address is known".to_owned(),
        DialError::DialPeerConditionFalse(_) => {
            "the peer is connected or being dialled already".to_owned()
        }
        DialError::Aborted => "the dial was given up".to_owned(),
        DialError::WrongPeerId { obtained, address } => {
            format!("{}: another peer is there, {obtained}", bare(address))
        }
        DialError::Denied { cause } => denied(cause),
        DialError::Transport(failures) => at_addresses(failures),
    }
}

fn denied(cause: &ConnectionDenied) -> String {
    if cause.downcast_ref::<NoPlace>().is_some() {
        "there are too many connections".to_owned()
    } else if cause.downcast_ref::<Blocked>().is_some() {
        "the peer is blocked here".to_owned()
    } else if cause.downcast_ref::<Anybodys>().is_some() {
        "the peer's key is anybody's".to_owned()
    } else {
        causes::root(cause)
    }
}

fn at_addresses(failures: &[(Multiaddr, TransportError<io::Error>)]) -> String {
    let told = failures.iter().take(TOLD_MAX);
    let told = told.map(|(address, error)| match error {
        TransportError::MultiaddrNotSupported(_) => {
            format!("{}: nothing here can dial such an address", bare(address))
        }
        TransportError::Other(error) => format!("{}: {}", bare(address), at_address(error)),
    });
    let mut told: Vec<_> = told.collect();
    if failures.len() > TOLD_MAX {
        told.push(format!("and {} more", failures.len() - TOLD_MAX));
    }
    told.join("; ")
}

/// What the deepest cause is, in the words of people who run programs.
fn at_address(error: &(dyn Error + 'static)) -> String {
    let kind = causes::inside::<io::Error>(error).map(innermost);
    let no_handshake = |error: &noise::Error| !matches!(error, noise::Error::Io(_));
    let word = match kind {
        Some(io::ErrorKind::ConnectionRefused) => "refused, nothing listens there",
        Some(io::ErrorKind::TimedOut) => "no answer in time",
        Some(io::ErrorKind::HostUnreachable) => "the host cannot be reached",
        Some(io::ErrorKind::NetworkUnreachable) => "the network cannot be reached",
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) => {
            "closed by the other end"
        }
        Some(io::ErrorKind::InvalidData) => "what answers there is no node",
        _ if causes::any(error, no_handshake) => "the handshake failed",
        _ => return without_number(&causes::root(error)),
    };
    word.to_owned()
}

/// The kind of the deepest error of input and output.
fn innermost(error: &io::Error) -> io::ErrorKind {
    let below = error
        .get_ref()
        .map(|wrapped| wrapped as &(dyn Error + 'static));
    let below = below.and_then(causes::inside::<io::Error>);
    below.map_or_else(|| error.kind(), innermost)
}

/// Without the number that the system's errors end in.
fn without_number(text: &str) -> String {
    let cut = text.split_once(" (os error ");
    cut.map_or(text, |(words, _)| words).to_owned()
}

/// An address without the name of its peer.
fn bare(address: &Multiaddr) -> Multiaddr {
    let mut bare = address.clone();
    if let Some(Protocol::P2p(_)) = bare.iter().last() {
        bare.pop();
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::PeerId;

    fn failed(kind: io::ErrorKind) -> TransportError<io::Error> {
        // As deep as libp2p wraps it.
        TransportError::Other(io::Error::other(io::Error::other(io::Error::from(kind))))
    }

    #[test]
    fn each_address_is_told_of_in_a_few_words() {
        let address =
            |text: &str| -> Multiaddr { text.parse().expect("the test lists multiaddrs") };
        let peer = PeerId::random();
        let check = |error: DialError, expected: &str| assert_eq!(plain(&error), expected);
        let there = address(&format!("/ip4/192.0.2.7/tcp/4150/p2p/{peer}"));
        check(
            DialError::Transport(vec![
                (there.clone(), failed(io::ErrorKind::ConnectionRefused)),
                (
                    address("/ip4/192.0.2.8/tcp/1"),
                    failed(io::ErrorKind::TimedOut),
                ),
            ]),
            "/ip4/192.0.2.7/tcp/4150: refused, nothing listens there; \
             /ip4/192.0.2.8/tcp/1: no answer in time",
        );
        let unsupported = TransportError::MultiaddrNotSupported(there.clone());
        check(
            DialError::Transport(vec![(there.clone(), unsupported)]),
            "/ip4/192.0.2.7/tcp/4150: nothing here can dial such an address",
        );
        check(
            DialError::WrongPeerId {
                obtained: peer,
                address: there.clone(),
            },
            &format!("/ip4/192.0.2.7/tcp/4150: another peer is there, {peer}"),
        );
        check(DialError::NoAddresses, "no address is known");
        let many = (0..6).map(|_| (there.clone(), failed(io::ErrorKind::TimedOut)));
        let told = plain(&DialError::Transport(many.collect()));
        assert!(told.ends_with("; and 2 more"), "{told}");
    }

    #[test]
    fn the_system_speaks_without_numbers() {
        let odd = io::Error::from_raw_os_error(1);
        assert_eq!(at_address(&odd), "Operation not permitted");
    }
}
