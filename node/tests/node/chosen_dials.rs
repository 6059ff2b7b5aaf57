//! Where a node dials for others.

use futures::AsyncReadExt;
use libp2p::Multiaddr;

use crate::hostile::Peer;
use crate::who_first::{has_dialled, spoils};
use crate::world::{PATIENCE, TestNode, address_over_tcp};

#[tokio::test]
async fn who_is_far_away_has_no_port_of_this_machine_dialled() {
    let node = TestNode::start_also_at(1, "autonat.server = true", "/ip4/127.0.0.1/tcp/0").await;
    let (listener, mut dialled) = spoils().await;
    // libp2p's TCP dials the last of two.
    let far: Multiaddr = "/ip4/198.51.100.1".parse().expect("an address");
    let behind: Multiaddr = far.iter().chain(listener.iter()).collect();
    for (seed, named) in [(9, &listener), (7, &behind)] {
        // Over memory it may be anywhere.
        let mut stranger = Peer::connect(seed, &node).await;
        let mut request = has_dialled(&mut stranger, named).await;
        let mut answer = Vec::new();
        let answered = tokio::time::timeout(PATIENCE, request.read_to_end(&mut answer)).await;
        assert!(answered.is_ok(), "it is told that it cannot be dialled");
        assert!(dialled.try_recv().is_err(), "the port hears of it");
    }
    let address: Multiaddr = address_over_tcp(&node).await.parse().expect("an address");
    let mut neighbour = Peer::connect_at(8, node.keys.peer(), address).await;
    let _request = has_dialled(&mut neighbour, &listener).await;
    let dial = tokio::time::timeout(PATIENCE, dialled.recv()).await;
    assert_eq!(
        dial,
        Ok(Some(())),
        "who is on the machine may name its ports"
    );
}
