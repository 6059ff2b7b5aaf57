//! How a node finds out where somebody is, and reaches them.

use libp2p::Transport;
use libp2p::core::transport::{ListenerId, MemoryTransport};
use orrery_node::CommandError;
use orrery_node::api::{Command, Event, LookupMethod, Miss, Path, Reply, Unreached};
use orrery_node::card::Card;
use orrery_node::identity::IdentityId;
use orrery_node::keys::Keys;

use crate::world::TestNode;

/// Friends are dialled late, so that nothing but the look-up makes events.
const CALM: &str = "dial.backoff_first = \"1h\"\ndial.backoff_max = \"1h\"";

async fn look_up(
    node: &TestNode,
    identity: IdentityId,
    by: &[LookupMethod],
) -> Result<Reply, CommandError> {
    let by = by.to_vec();
    let command = Command::Lookup {
        identity,
        peer: None,
        by,
        wait: false,
    };
    node.handle.command(command).await
}

fn misses(node: &TestNode, whom: &IdentityId) -> Vec<(LookupMethod, Miss)> {
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
async fn a_friend_is_found_by_the_first_method_that_knows_and_no_other_is_asked() {
    let alice = TestNode::start(1, CALM).await;
    let bob = TestNode::start(2, CALM).await;
    alice.follow(&bob).await;
    let methods = [LookupMethod::Kad, LookupMethod::Known, LookupMethod::Mdns];
    let begun = look_up(&alice, bob.identity(), &methods).await;
    assert_eq!(begun, Ok(Reply::Done));
    let card: Card = bob.card.parse().expect("a card");
    let expected = Event::Found {
        identity: bob.keys.identity(),
        by: LookupMethod::Known,
        peer: card.peer,
        addresses: vec![card.addresses[0].to_string()],
    };
    alice
        .seen
        .wait("the card is found", |event| *event == expected)
        .await;
    assert_eq!(
        misses(&alice, &bob.identity()),
        [(LookupMethod::Kad, Miss::Off)]
    );
    // The look-up has ended, so that there can be another.
    let begun = look_up(&alice, bob.identity(), &[LookupMethod::Known]).await;
    assert_eq!(begun, Ok(Reply::Done));
}

#[tokio::test]
async fn every_method_of_the_configuration_says_why_it_does_not_know_a_stranger() {
    let settings = format!("{CALM}\nreach.lookup_order = [\"relay\", \"known\"]");
    let settings = format!("{settings}\nrelay_client.enabled = true");
    let alice = TestNode::start(1, &settings).await;
    let stranger = Keys::generate(None).identity();
    let begun = look_up(&alice, stranger, &[]).await;
    assert_eq!(begun, Ok(Reply::Done));
    let last = |event: &Event| {
        matches!(
            event,
            Event::NotFound {
                by: LookupMethod::Known,
                ..
            }
        )
    };
    alice.seen.wait("the last method has answered", last).await;
    assert_eq!(
        misses(&alice, &stranger),
        [
            (LookupMethod::Relay, Miss::Absent),
            (LookupMethod::Known, Miss::Absent)
        ]
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
    let begun = look_up(&alice, bob.identity(), &[LookupMethod::Relay]).await;
    assert_eq!(begun, Ok(Reply::Done));
    let peer = bob.keys.peer().to_string();
    let circuit = format!("/memory/999999998/p2p/{relay}/p2p-circuit/p2p/{peer}");
    let found = |event: &Event| matches!(event, Event::Found { by: LookupMethod::Relay, addresses, .. } if *addresses == [circuit.as_str()]);
    alice.seen.wait("a circuit is named", found).await;
}

#[tokio::test]
async fn look_ups_are_bounded_and_a_second_one_of_the_same_is_refused() {
    let alice = TestNode::start(1, &format!("{CALM}\nreach.max_lookups = 1")).await;
    let [first, second] = [1, 2].map(|seed| {
        let keys = Keys::generate(Some([seed + 10; 32]));
        keys.identity()
    });
    // A stranger's card is asked of the disk, which takes longer than the next commands.
    let handle = &alice.handle;
    let command = |identity: &IdentityId| {
        let identity = *identity;
        let by = vec![LookupMethod::Known];
        handle.command(Command::Lookup {
            identity,
            peer: None,
            by,
            wait: false,
        })
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

async fn reach(node: &TestNode, other: &Keys, addresses: &[&str]) {
    let command = Command::Reach {
        identity: other.identity(),
        peer: Some(other.peer()),
        addresses: addresses.iter().map(|&text| text.to_owned()).collect(),
        wait: false,
    };
    assert_eq!(node.handle.command(command).await, Ok(Reply::Done));
}

async fn fails(node: &TestNode, expected: Unreached, of: &str) {
    let fits = |event: &Event| match event {
        Event::ReachFailed {
            reason, last_error, ..
        } => *reason == expected && last_error.as_deref().unwrap_or_default().contains(of),
        _ => false,
    };
    node.seen.wait("reaching fails", fits).await;
}

#[tokio::test]
async fn somebody_is_reached_where_the_command_says_and_found_connected_then() {
    let alice = TestNode::start(1, CALM).await;
    let bob = TestNode::start(2, CALM).await;
    let card: Card = bob.card.parse().expect("a card");
    let address = card.addresses[0].to_string();
    let reached = |by: Option<LookupMethod>| move |event: &Event| matches!(event, Event::Reached { path: Path::Direct, by: found, .. } if *found == by);
    reach(&alice, &bob.keys, &[&address]).await;
    let known = reached(Some(LookupMethod::Known));
    alice.seen.wait("bob is reached", known).await;
    reach(&alice, &bob.keys, &[]).await;
    alice.seen.wait("bob is there", reached(None)).await;
}

#[tokio::test]
async fn reaching_tells_why_it_has_failed() {
    let settings = format!("{CALM}\nreach.lookup_order = [\"known\", \"kad\"]");
    let alice = TestNode::start(1, &settings).await;
    let stranger = Keys::generate(None);
    reach(&alice, &stranger, &[]).await;
    fails(&alice, Unreached::NotFound, "").await;
    let whom = stranger.identity();
    assert_eq!(
        misses(&alice, &whom),
        [
            (LookupMethod::Known, Miss::NoAddress),
            (LookupMethod::Kad, Miss::Off)
        ]
    );
    reach(&alice, &stranger, &["/memory/999999997"]).await;
    fails(&alice, Unreached::NotConnected, "/memory/999999997").await;
}

#[tokio::test]
async fn reaching_is_bounded_in_time_and_number() {
    let settings = format!("{CALM}\nreach.timeout = \"200ms\"\nreach.max_lookups = 1");
    let alice = TestNode::start(1, &settings).await;
    let [first, second] = [1, 2].map(|seed| Keys::generate(Some([seed + 20; 32])));
    // A listener that answers nothing.
    let mut memory = MemoryTransport::default();
    let port = "/memory/999999996".parse().expect("an address");
    memory.listen_on(ListenerId::next(), port).expect("free");
    reach(&alice, &first, &["/memory/999999996"]).await;
    let again = |keys: &Keys| Command::Reach {
        identity: keys.identity(),
        peer: None,
        addresses: vec![],
        wait: false,
    };
    let refused = alice.handle.command(again(&first)).await;
    assert!(
        matches!(&refused, Err(CommandError::Invalid { .. })),
        "{refused:?}"
    );
    let busy = alice.handle.command(again(&second)).await;
    assert_eq!(busy, Err(CommandError::Busy));
    fails(&alice, Unreached::TimedOut, "").await;
    // There is a place again.
    assert_eq!(alice.handle.command(again(&second)).await, Ok(Reply::Done));
}

/// A relay, and somebody who can only be reached through it: nobody knows another address.
async fn behind_a_relay() -> (TestNode, String, TestNode) {
    let relay = TestNode::start(1, &format!("{CALM}\nrelay.enabled = true")).await;
    let card: Card = relay.card.parse().expect("a card");
    let address = card.addresses[0].clone().with_p2p(card.peer);
    let knows_relay = format!(
        "bootstrap.peers = [\"{}\"]\nrelay_client.enabled = true\n\
         relay_client.gather = \"50ms\"",
        address.expect("its own")
    );
    let bob = TestNode::start(2, &format!("{CALM}\n{knows_relay}")).await;
    let reserved = |event: &Event| matches!(event, Event::RelayReserved { .. });
    bob.seen.wait("the relay has a place", reserved).await;
    (relay, knows_relay, bob)
}

#[tokio::test]
async fn the_last_method_leads_through_a_relay() {
    let (_relay, knows_relay, bob) = behind_a_relay().await;
    let order = "reach.lookup_order = [\"known\", \"relay\"]";
    let alice = TestNode::start(3, &format!("{CALM}\n{knows_relay}\n{order}")).await;
    let up = |event: &Event| matches!(event, Event::Connected { .. });
    alice.seen.wait("the relay is connected", up).await;
    reach(&alice, &bob.keys, &["/memory/999999995"]).await;
    let relayed = |event: &Event| {
        matches!(
            event,
            Event::Reached {
                path: Path::Relayed,
                by: Some(LookupMethod::Relay),
                ..
            }
        )
    };
    alice.seen.wait("bob is reached", relayed).await;
}

#[tokio::test]
async fn a_friend_whose_card_is_out_of_date_is_looked_for() {
    let (_relay, knows_relay, bob) = behind_a_relay().await;
    let seeks = "reach.lookup_order = [\"relay\"]\nreach.seek_friends = true\n\
                 dial.backoff_first = \"200ms\"";
    let alice = TestNode::start(3, &format!("{knows_relay}\n{seeks}")).await;
    let old = "/memory/999999994".parse().expect("an address");
    let card = bob.keys.card(&[old]).expect("keys in memory always sign");
    let card = card.to_string();
    let done = alice.handle.command(Command::follow(card)).await;
    assert_eq!(done, Ok(Reply::Done));
    alice.meets(&bob).await;
    let found = |event: &Event| {
        matches!(
            event,
            Event::Found {
                by: LookupMethod::Relay,
                ..
            }
        )
    };
    assert!(alice.seen.count(found) > 0);
}
