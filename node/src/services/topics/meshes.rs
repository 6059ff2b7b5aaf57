//! Which peers are in the mesh of each group, as it was last told.
//!
//! gossipsub hands a message on to the peers of its topic's mesh, and tells nobody when that
//! changes. This compares; it asks for nothing and changes no mesh.

use std::collections::BTreeMap;

use libp2p::PeerId;
use libp2p::gossipsub::TopicHash;

/// Meshes by topic. As many as there are topics that the node has joined or sent to, each as
/// large as `gossip.mesh_n_high` lets it grow.
#[derive(Debug, Default)]
pub struct Meshes(BTreeMap<TopicHash, Vec<PeerId>>);

/// Topics at most that are compared; those of another node's messages are among them only if
/// the topic was joined.
const TOPICS_MAX: usize = 2 * crate::topic::TOPICS_MAX;

impl Meshes {
    /// The mesh of `topic`, which is `peers` now, if that is not what it was.
    pub fn changed<'a, I: Iterator<Item = &'a PeerId>>(
        &mut self,
        topic: &TopicHash,
        peers: impl Fn() -> I,
    ) -> Option<&[PeerId]> {
        match self.0.get(topic) {
            Some(known) if known.iter().eq(peers()) => return None,
            None if peers().next().is_none() || self.0.len() >= TOPICS_MAX => return None,
            Some(_) | None => {}
        }
        let mesh = self.0.entry(topic.clone()).or_default();
        mesh.clear();
        mesh.extend(peers());
        Some(mesh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mesh_is_told_when_it_is_another() {
        let peers: Vec<PeerId> = (0..3).map(|_| PeerId::random()).collect();
        let topic = TopicHash::from_raw("t");
        let mut meshes = Meshes::default();
        let mut told = |now: &[PeerId]| meshes.changed(&topic, || now.iter()).map(<[_]>::to_vec);
        assert_eq!(told(&[]), None, "there was none before");
        assert_eq!(told(&peers[..2]), Some(peers[..2].to_vec()));
        assert_eq!(told(&peers[..2]), None);
        assert_eq!(told(&peers[1..]), Some(peers[1..].to_vec()));
        assert_eq!(told(&[]), Some(Vec::new()));
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn the_memory_of_meshes_is_bounded() {
        let peer = PeerId::random();
        let mut meshes = Meshes::default();
        for number in 0..2 * TOPICS_MAX {
            let topic = TopicHash::from_raw(format!("t{number}"));
            let told = meshes.changed(&topic, || [&peer].into_iter()).is_some();
            assert_eq!(told, number < TOPICS_MAX);
        }
    }
}
