//! How a node finds out where somebody is.

use orrery_node::CommandError;
use orrery_node::api::{Command, Event, Miss, Reply, Rung};
use orrery_node::card::Card;
use orrery_node::keys::Keys;

use crate::world::TestNode;

/// Friends are dialled late, so that nothing but the look-up makes events.
const CALM: &str = "dial.backoff_first = \"1h\"\ndial.backoff_max = \"1h\"";

async fn look_up(node: &TestNode, identity: String, by: &[Rung]) -> Result<Reply, CommandError> {
    let by = by.to_vec();
    node.handle.command(Command::Lookup { identity, by }).await
}

fn misses(node: &TestNode, whom: &str) -> Vec<(Rung, Miss)> {
    let mut misses = Vec::new();
    node.seen.each(|event| {
        if let Event::NotFound {
            identity,
            by,
            reason,
        } = event
            && identity == whom
        {
            misses.push((*by, *reason));
        }
    });
    misses
}

#[tokio::test]
async fn a_friend_is_found_by_the_first_rung_that_knows_and_no_other_is_asked() {
    let alice = TestNode::start(1, CALM).await;
    let bob = TestNode::start(2, CALM).await;
    alice.follow(&bob).await;
    let rungs = [Rung::Kad, Rung::Known, Rung::Mdns];
    let begun = look_up(&alice, bob.identity(), &rungs).await;
    assert_eq!(begun, Ok(Reply::Done));
    let card: Card = bob.card.parse().expect("a card");
    let expected = Event::Found {
        identity: bob.identity(),
        by: Rung::Known,
        peer: card.peer.to_string(),
        addresses: vec![card.addresses[0].to_string()],
    };
    alice
        .seen
        .wait("the card is found", |event| *event == expected)
        .await;
    assert_eq!(misses(&alice, &bob.identity()), [(Rung::Kad, Miss::Off)]);
    // The look-up has ended, so that there can be another.
    let begun = look_up(&alice, bob.identity(), &[Rung::Known]).await;
    assert_eq!(begun, Ok(Reply::Done));
}

#[tokio::test]
async fn every_rung_of_the_configuration_says_why_it_does_not_know_a_stranger() {
    let settings = format!("{CALM}\nreach.ladder = [\"relay\", \"known\"]");
    let settings = format!("{settings}\nrelay_client.enabled = true");
    let alice = TestNode::start(1, &settings).await;
    let stranger = Keys::generate(None).identity().to_string();
    let begun = look_up(&alice, stranger.clone(), &[]).await;
    assert_eq!(begun, Ok(Reply::Done));
    let last = |event: &Event| {
        matches!(
            event,
            Event::NotFound {
                by: Rung::Known,
                ..
            }
        )
    };
    alice.seen.wait("the last rung has answered", last).await;
    assert_eq!(
        misses(&alice, &stranger),
        [(Rung::Relay, Miss::Absent), (Rung::Known, Miss::Absent)]
    );
}

#[tokio::test]
async fn circuits_lead_through_the_nodes_of_the_configuration() {
    let relay = Keys::generate(Some([9; 32])).peer();
    let settings = format!(
        "{CALM}\nrelay_client.enabled = true\n\
         bootstrap.peers = [\"/memory/999999998/p2p/{relay}\"]"
    );
    let alice = TestNode::start(1, &settings).await;
    let bob = TestNode::start(2, CALM).await;
    alice.follow(&bob).await;
    let begun = look_up(&alice, bob.identity(), &[Rung::Relay]).await;
    assert_eq!(begun, Ok(Reply::Done));
    let peer = bob.keys.peer().to_string();
    let circuit = format!("/memory/999999998/p2p/{relay}/p2p-circuit/p2p/{peer}");
    let found = |event: &Event| matches!(event, Event::Found { by: Rung::Relay, addresses, .. } if *addresses == [circuit.as_str()]);
    alice.seen.wait("a circuit is named", found).await;
}

#[tokio::test]
async fn look_ups_are_bounded_and_a_second_one_of_the_same_is_refused() {
    let alice = TestNode::start(1, &format!("{CALM}\nreach.max_lookups = 1")).await;
    let [first, second] = [1, 2].map(|seed| {
        let keys = Keys::generate(Some([seed + 10; 32]));
        keys.identity().to_string()
    });
    // A stranger's card is asked of the disk, which takes longer than the next commands.
    let handle = &alice.handle;
    let command = |identity: &String| {
        let identity = identity.clone();
        let by = vec![Rung::Known];
        handle.command(Command::Lookup { identity, by })
    };
    let (begun, again, other) = tokio::join!(command(&first), command(&first), command(&second));
    assert_eq!(begun, Ok(Reply::Done));
    let busy = format!("{first} is being looked up");
    assert!(
        matches!(&again, Err(CommandError::Invalid { reason }) if *reason == busy),
        "{again:?}"
    );
    assert_eq!(other, Err(CommandError::Busy));
    let limit =
        |event: &Event| matches!(event, Event::LimitReached { limit } if limit == "lookups");
    assert_eq!(alice.seen.count(limit), 1);
}
