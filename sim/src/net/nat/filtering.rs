//! Filtering behaviour (RFC 4787 §5): from which remotes packets are let in.

use std::net::SocketAddr;

use super::dependence::Dependence;
use super::sessions::Sessions;

/// Whether a packet of `remote` may come in to `key`, by which remotes that has sent to.
pub(super) fn admits<K: Copy + Ord>(
    filtering: Dependence,
    sessions: &Sessions<K>,
    key: K,
    remote: SocketAddr,
) -> bool {
    match filtering {
        Dependence::EndpointIndependent => sessions.has_any(key),
        Dependence::AddressDependent => sessions.has_address(key, remote),
        Dependence::AddressAndPortDependent => sessions.has(key, remote),
    }
}

#[cfg(test)]
mod tests {
    use super::super::lifetime::{Lifetimes, NatDirection, Refresh};
    use super::super::sessions::{Header, Terms};
    use super::*;
    use crate::time::SimTime;

    #[test]
    fn each_grade_lets_fewer_in() {
        let at = |text: &str| -> SocketAddr { text.parse().expect("the test lists addresses") };
        let terms = Terms {
            lifetimes: Lifetimes::default(),
            refresh: Refresh::Outbound,
            sessions_max: 8,
        };
        let mut sessions = Sessions::new();
        let now = SimTime::ZERO;
        for (key, remote) in [(4_u64, "11.0.0.9:7"), (6, "11.0.0.1:7")] {
            let noted = sessions.note(now, key, at(remote), NatDirection::Out, Header::Udp, &terms);
            assert_eq!(noted, Ok(()));
        }
        // The same endpoint, another port, another address; another key.
        let cases = [
            (4, "11.0.0.9:7"),
            (4, "11.0.0.9:8"),
            (4, "11.0.0.1:7"),
            (5, "11.0.0.9:7"),
        ];
        let check = |filtering, expected: [bool; 4]| {
            let admitted = cases.map(|(key, from)| admits(filtering, &sessions, key, at(from)));
            assert_eq!(admitted, expected, "{filtering:?}");
        };
        check(Dependence::EndpointIndependent, [true, true, true, false]);
        check(Dependence::AddressDependent, [true, true, false, false]);
        check(
            Dependence::AddressAndPortDependent,
            [true, false, false, false],
        );
    }
}
