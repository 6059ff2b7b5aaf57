//! What hosts behind a gateway may send out, by protocol and remote port.
//!
//! Owns the rule alone. Answers to what was let in pass whatever the rule says, as with
//! connection tracking; so it is asked only of packets that would begin a session. ICMP
//! errors are not asked about.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::sessions::Protocol;

/// What may go out. All of it by default.
///
/// ```
/// use orrery_sim::net::nat::{Egress, RemotePorts};
///
/// let web_only = Egress {
///     tcp: RemotePorts::Only(vec![80..=80, 443..=443]),
///     udp: RemotePorts::Only(vec![53..=53]),
/// };
/// assert_ne!(web_only, Egress::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Egress {
    /// Connections.
    pub tcp: RemotePorts,
    /// Datagrams.
    pub udp: RemotePorts,
}

/// Ports of remotes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RemotePorts {
    /// All.
    #[default]
    All,
    /// Those of these ranges, of which there may be none.
    Only(Vec<RangeInclusive<u16>>),
}

impl Egress {
    /// Whether a packet to that port of a remote may begin a session.
    pub(super) fn allows(&self, protocol: Protocol, port: u16) -> bool {
        let ports = match protocol {
            Protocol::Tcp => &self.tcp,
            Protocol::Udp => &self.udp,
        };
        match ports {
            RemotePorts::All => true,
            RemotePorts::Only(ranges) => ranges.iter().any(|range| range.contains(&port)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_ports_of_its_own() {
        let egress = Egress {
            tcp: RemotePorts::Only(vec![80..=80, 8_000..=8_002]),
            udp: RemotePorts::Only(Vec::new()),
        };
        let check = |protocol, port, expected| {
            assert_eq!(
                egress.allows(protocol, port),
                expected,
                "{protocol:?} {port}"
            );
            assert!(Egress::default().allows(protocol, port));
        };
        for port in [80, 8_000, 8_002] {
            check(Protocol::Tcp, port, true);
            check(Protocol::Udp, port, false);
        }
        for port in [79, 81, 7_999, 8_003] {
            check(Protocol::Tcp, port, false);
        }
    }
}
