//! What the treatment of a packet depends on: the three grades that RFC 4787 has for
//! mapping (§4.1) and for filtering (§5) alike.
//!
//! Owns which part of a remote address counts. What is done with it is decided by
//! [`super::mapping`] and [`super::filtering`].

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// From the laxest to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dependence {
    /// On the inside endpoint alone ("full cone" if both mapping and filtering are).
    EndpointIndependent,
    /// On the remote address too.
    AddressDependent,
    /// On the remote address and port too (a mapping that is, is called "symmetric").
    AddressAndPortDependent,
}

impl Dependence {
    /// All three.
    pub const ALL: [Self; 3] = [
        Self::EndpointIndependent,
        Self::AddressDependent,
        Self::AddressAndPortDependent,
    ];

    /// What counts of `remote`; an address without port has port 0.
    pub(super) fn scope(self, remote: SocketAddr) -> Option<SocketAddr> {
        match self {
            Self::EndpointIndependent => None,
            Self::AddressDependent => Some(SocketAddr::new(remote.ip(), 0)),
            Self::AddressAndPortDependent => Some(remote),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_grade_tells_more_remotes_apart() {
        let remotes = ["11.0.0.1:7", "11.0.0.1:8", "11.0.0.2:7"];
        let check = |grade: Dependence, expected| {
            let mut scopes: Vec<_> = remotes
                .iter()
                .map(|text| grade.scope(text.parse().expect("the test lists addresses")))
                .collect();
            scopes.sort();
            scopes.dedup();
            assert_eq!(scopes.len(), expected, "{grade:?}");
        };
        check(Dependence::EndpointIndependent, 1);
        check(Dependence::AddressDependent, 2);
        check(Dependence::AddressAndPortDependent, 3);
    }
}
