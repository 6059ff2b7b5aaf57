//! The sections on relays: lending a way to others, and being lent one.
//!
//! Owns names, defaults and ranges. The defaults of `[relay]` are those of libp2p-relay 0.22.

use libp2p::PeerId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::IdentityId;

use super::time_span::TimeSpan;

/// Reservations beyond it would only load relays.
const RESERVATIONS_MAX: u32 = 16;
/// Whoever lists more serves anybody.
const LISTED_MAX: usize = 4096;
/// libp2p tells a circuit's duration in 32 bits of seconds.
const CIRCUIT_DURATION_MAX_S: u64 = u32::MAX as u64;

/// `[relay]`: carrying connections between nodes that cannot reach each other
/// (circuit relay v2, as a server).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Relay {
    /// Whether to relay for others.
    pub enabled: bool,
    /// Reservations of strangers at once, of which one address gets the fewer the fewer are left, and
    /// one network (/24, or /48 of IPv6). A full relay renews those that it has granted. Friends get
    /// one beyond it; all together are at most twice as many.
    pub max_reservations: usize,
    /// Reservations of one peer, one for each of its connections. libp2p grants one more.
    pub max_reservations_per_peer: usize,
    /// How long a reservation lasts; clients renew it after three quarters.
    pub reservation_duration: TimeSpan,
    /// Circuits that strangers have opened at once, of which one address and one network get the fewer the
    /// fewer are left. Friends get theirs beyond it; all together are at most twice as many.
    pub max_circuits: usize,
    /// Circuits at once in which one peer takes part. libp2p grants one more.
    pub max_circuits_per_peer: usize,
    /// How long a circuit lasts at most.
    pub max_circuit_duration: TimeSpan,
    /// Bytes of a circuit, both directions together; 0: as many as there are.
    pub max_circuit_bytes: u64,
    /// The price that the relay announces, by which clients may choose. It is not collected.
    pub price: u32,
    /// The peers that may reserve.
    pub reserve: RelayAccess,
    /// The peers that may open circuits.
    pub connect: RelayAccess,
    /// The listed: libp2p peer ids, and identities, which have to prove themselves.
    pub listed: Vec<String>,
    /// Circuits that one peer may open in an hour; 0: as many as it likes.
    pub circuits_per_peer_hour: u32,
    /// Requests for places of one peer that are answered at once, and how soon one more is;
    /// 0 requests: any number.
    pub reservation_burst_per_peer: u32,
    /// How soon one more is answered; see `reservation_burst_per_peer`.
    pub reservation_refill_per_peer: TimeSpan,
    /// The same for one IP address.
    pub reservation_burst_per_ip: u32,
    /// How soon one more is answered; see `reservation_burst_per_ip`.
    pub reservation_refill_per_ip: TimeSpan,
    /// Circuits that one peer may open at once, and how soon it may open one more; 0: any number.
    pub circuit_burst_per_peer: u32,
    /// How soon one more is answered; see `circuit_burst_per_peer`.
    pub circuit_refill_per_peer: TimeSpan,
    /// The same for one IP address.
    pub circuit_burst_per_ip: u32,
    /// How soon one more is answered; see `circuit_burst_per_ip`.
    pub circuit_refill_per_ip: TimeSpan,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            enabled: false,
            max_reservations: 128,
            max_reservations_per_peer: 4,
            reservation_duration: TimeSpan::from_secs(60 * 60),
            max_circuits: 16,
            max_circuits_per_peer: 4,
            max_circuit_duration: TimeSpan::from_secs(2 * 60),
            max_circuit_bytes: 1 << 17,
            price: 0,
            reserve: RelayAccess::Anybody,
            connect: RelayAccess::Anybody,
            listed: Vec::new(),
            circuits_per_peer_hour: 0,
            reservation_burst_per_peer: 30,
            reservation_refill_per_peer: TimeSpan::from_secs(2 * 60),
            reservation_burst_per_ip: 60,
            reservation_refill_per_ip: TimeSpan::from_secs(60),
            circuit_burst_per_peer: 30,
            circuit_refill_per_peer: TimeSpan::from_secs(2 * 60),
            circuit_burst_per_ip: 60,
            circuit_refill_per_ip: TimeSpan::from_secs(60),
        }
    }
}

impl Relay {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// The field and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let at_least_1s = |path, span: TimeSpan| {
            if span.get().as_secs() == 0 {
                return Err((path, "must be at least 1s".to_owned()));
            }
            Ok(())
        };
        at_least_1s("relay.reservation_duration", self.reservation_duration)?;
        at_least_1s("relay.max_circuit_duration", self.max_circuit_duration)?;
        if self.max_circuit_duration.get().as_secs() > CIRCUIT_DURATION_MAX_S {
            let reason = format!("must be at most {CIRCUIT_DURATION_MAX_S}s");
            return Err(("relay.max_circuit_duration", reason));
        }
        let refills = [
            (
                "relay.reservation_refill_per_peer",
                self.reservation_refill_per_peer,
            ),
            (
                "relay.reservation_refill_per_ip",
                self.reservation_refill_per_ip,
            ),
            (
                "relay.circuit_refill_per_peer",
                self.circuit_refill_per_peer,
            ),
            ("relay.circuit_refill_per_ip", self.circuit_refill_per_ip),
        ];
        for (path, span) in refills {
            at_least_1s(path, span)?;
        }
        if self.listed.len() > LISTED_MAX {
            return Err(("relay.listed", format!("must be at most {LISTED_MAX}")));
        }
        for name in &self.listed {
            if Listed::read(name).is_none() {
                let reason = format!("`{name}` is neither a libp2p peer id nor an identity");
                return Err(("relay.listed", reason));
            }
        }
        Ok(())
    }
}

/// The peers that a relay serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RelayAccess {
    /// Every peer.
    Anybody,
    /// Those that `relay.listed` names.
    Listed,
    /// Those whom this node follows.
    Friends,
}

/// Somebody on a relay's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// A peer, which its connection proves.
    Peer(PeerId),
    /// A person, who has to prove it.
    Identity(IdentityId),
}

impl Listed {
    /// Reads a name; `None` if it is none.
    pub fn read(name: &str) -> Option<Self> {
        match name.parse() {
            Ok(peer) => Some(Self::Peer(peer)),
            Err(_) => name.parse().ok().map(Self::Identity),
        }
    }
}

/// `[relay_client]`: reaching and being reached through relays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RelayClient {
    /// Whether circuits are dialled and accepted at all.
    pub enabled: bool,
    /// Relays on which to hold a reservation at once, of those that are connected.
    pub reservations: u32,
    /// When reservations are made.
    pub when: RelayWhen,
    /// Which relays are asked first.
    pub selector: RelayChoice,
    /// How long to wait for more relays to choose from when the first has shown up.
    pub gather: TimeSpan,
    /// How long a relay that has refused is left alone.
    pub set_aside: TimeSpan,
    /// A relay that has a reservation renewed sooner than this is left alone too.
    pub min_renewal: TimeSpan,
}

impl Default for RelayClient {
    fn default() -> Self {
        Self {
            enabled: false,
            reservations: 2,
            when: RelayWhen::Private,
            selector: RelayChoice::Random,
            gather: TimeSpan::from_secs(1),
            set_aside: TimeSpan::from_secs(5 * 60),
            min_renewal: TimeSpan::from_secs(10),
        }
    }
}

impl RelayClient {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// The field and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.reservations > RESERVATIONS_MAX {
            let reason = format!("must be at most {RESERVATIONS_MAX}");
            return Err(("relay_client.reservations", reason));
        }
        Ok(())
    }
}

/// When a node makes reservations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RelayWhen {
    /// Unless it is known to be reachable from anywhere.
    Private,
    /// In any case.
    Always,
}

/// Which relays a node asks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RelayChoice {
    /// Any.
    Random,
    /// The one with the shortest round trip.
    LowestRtt,
    /// The one with the largest share of free reservations, by its own account.
    LeastLoaded,
    /// Those of friends.
    FriendFirst,
    /// The one with the lowest price, by its own account.
    Cheapest,
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn what_no_relay_can_keep_is_refused() {
        let check = |text: &str, part: Option<&str>| {
            let read = Config::from_toml(text)
                .map(|_| ())
                .map_err(|e| e.to_string());
            match part {
                None => assert_eq!(read, Ok(()), "{text}"),
                Some(part) => assert!(read.expect_err(text).contains(part), "{text}"),
            }
        };
        check("relay.max_circuit_duration = \"1s\"", None);
        check("relay.max_circuit_duration = \"0s\"", Some("at least 1s"));
        check(
            "relay.max_circuit_duration = \"60000d\"",
            Some("at most 4294967295s"),
        );
        check("relay.reservation_duration = \"10ms\"", Some("at least 1s"));
        check("relay.circuit_refill_per_ip = \"0s\"", Some("at least 1s"));
        check("relay.listed = [\"me\"]", Some("neither a libp2p peer id"));
        check("relay.reserve = \"some\"", Some("relay.reserve"));
        check("relay_client.reservations = 17", Some("at most 16"));
        check(
            "relay_client.selector = \"best\"",
            Some("relay_client.selector"),
        );
    }
}
