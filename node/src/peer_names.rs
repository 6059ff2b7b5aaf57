//! Peers as people read them.

use std::collections::BTreeMap;

use libp2p::PeerId;

/// The names of peers that were told of lately: to spell one out in base 58 costs more than the
/// rest of what is told with it.
#[derive(Debug, Default)]
pub struct PeerNames(BTreeMap<PeerId, Box<str>>);

/// As many are remembered; then memory begins anew.
const NAMES_MAX: usize = 256;

impl PeerNames {
    /// How `peer` is spelt.
    pub fn of(&mut self, peer: PeerId) -> &str {
        if self.0.len() >= NAMES_MAX && !self.0.contains_key(&peer) {
            self.0.clear();
        }
        let name = self.0.entry(peer);
        name.or_insert_with(|| peer.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_names_is_bounded() {
        let mut names = PeerNames::default();
        for _ in 0..2 * NAMES_MAX {
            let peer = PeerId::random();
            assert_eq!(names.of(peer), peer.to_string());
            assert!(names.0.len() <= NAMES_MAX);
        }
    }
}
