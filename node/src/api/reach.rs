//! Finding and reaching an identity: the ways, and why they fail.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::named::{listed, named};

listed! {
    /// A way to learn where a person is. The declaration has the nearest and cheapest first.
    #[derive(
        Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
    )]
    #[serde(rename_all = "kebab-case")]
    pub enum LookupMethod {
        /// Their card, and the configuration.
        Known = "known",
        /// Who announces itself on the local network.
        Mdns = "mdns",
        /// A signed record in the Kademlia table.
        Kad = "kad",
        /// A rendezvous server.
        Rendezvous = "rendezvous",
        /// Friends, and their friends.
        Friends = "friends",
        /// A relay that both ends know.
        Relay = "relay",
    }
}

named! {
    /// What carries a connection.
    #[derive(
        Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
    )]
    #[serde(rename_all = "kebab-case")]
    pub enum Transport {
        /// TCP.
        Tcp = "tcp",
        /// QUIC.
        Quic = "quic",
        /// A relay, however that is reached.
        Circuit = "circuit",
        /// What an environment has beside them.
        Other = "other",
    }
}

impl Transport {
    /// What a connection to, or at, `address` is carried by.
    pub fn of(address: &Multiaddr) -> Self {
        let mut carrier = Self::Other;
        for part in address {
            match part {
                Protocol::P2pCircuit => return Self::Circuit,
                Protocol::Tcp(_) => carrier = Self::Tcp,
                Protocol::QuicV1 => carrier = Self::Quic,
                _ => {}
            }
        }
        carrier
    }
}

/// Why a method has not found an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Miss {
    /// The configuration has switched it off.
    Off,
    /// It was asked, and does not know them.
    Absent,
    /// It knows them, but no address.
    NoAddress,
    /// There is no peer to ask.
    NobodyToAsk,
    /// What it was told is wrong, such as a record that they have not signed.
    Wrong,
    /// It is busy.
    Busy,
    /// It did not answer in time.
    TimedOut,
}

/// A method that has not found an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Missed {
    /// Which.
    pub by: LookupMethod,
    /// Why.
    pub reason: Miss,
}

/// Why no port can be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoMapping {
    /// No router of the local network has answered, or it has not told its address.
    NoRouter,
    /// The router's own address is not one of the public network.
    NotPublic,
}

/// How two nodes are connected.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// One has dialled the other.
    Direct,
    /// Directly, after a relay had helped them to dial each other.
    HolePunched,
    /// Through a relay.
    Relayed,
}

/// Why an identity was not reached.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Unreached {
    /// No lookup method knew an address.
    NotFound,
    /// No address that was found could be dialled.
    NotConnected,
    /// It took too long.
    TimedOut,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_called_by_the_name_by_which_they_are_configured() {
        for method in LookupMethod::ALL {
            let configured = serde_json::to_value(method).map_err(|error| error.to_string());
            assert_eq!(configured, Ok(method.name().into()));
        }
    }
}
