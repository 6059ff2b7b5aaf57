//! Finding people through friends and at rendezvous points, and what liars can do there.

use futures::{AsyncWriteExt, StreamExt};
use orrery_node::api::{Command, Event, LookupMethod, Miss, Reply};
use orrery_node::card::Card;
use orrery_node::discovery::friends::{ANSWER_BYTES_MAX, Answer, PROTOCOL, Question};
use orrery_node::identity::IdentityId;
use orrery_node::keys::Keys;
use orrery_node::protocol::Reason;
use orrery_node::protocol::frame::{read_frame, write_frame};

use crate::hostile::{Peer, framed};
use crate::world::TestNode;

const FRIENDS: &str = "friends_lookup.enabled = true\n";

async fn look_up(node: &TestNode, identity: IdentityId, method: LookupMethod) {
    let by = vec![method];
    let command = Command::Lookup {
        identity,
        peer: None,
        by,
        wait: false,
    };
    let begun = node.handle.command(command).await;
    assert_eq!(begun, Ok(Reply::Done));
}

async fn finds(node: &TestNode, whom: &IdentityId, method: LookupMethod, at: &str) {
    let fits = |event: &Event| match event {
        Event::Found {
            identity,
            by,
            addresses,
            ..
        } => identity == whom && *by == method && addresses.iter().any(|address| address == at),
        _ => false,
    };
    node.seen.wait("somebody is found", fits).await;
}

async fn misses(node: &TestNode, whom: &IdentityId, method: LookupMethod, why: Miss) {
    let expected = Event::NotFound {
        identity: *whom,
        by: method,
        reason: why,
    };
    let fits = |event: &Event| *event == expected;
    node.seen.wait("somebody is not found", fits).await;
}

/// Both follow each other and are connected.
async fn befriend(one: &TestNode, other: &TestNode) {
    one.follow(other).await;
    other.follow(one).await;
    one.meets(other).await;
    other.meets(one).await;
}

fn address_of(node: &TestNode) -> String {
    let card: Card = node.card.parse().expect("a card");
    card.addresses[0].to_string()
}

#[tokio::test]
async fn a_friends_friend_is_found_through_the_friend() {
    let [alice, bob, carol] = [
        TestNode::start(1, FRIENDS).await,
        TestNode::start(2, FRIENDS).await,
        TestNode::start(3, FRIENDS).await,
    ];
    befriend(&alice, &bob).await;
    befriend(&bob, &carol).await;
    look_up(&alice, carol.identity(), LookupMethod::Friends).await;
    finds(
        &alice,
        &carol.identity(),
        LookupMethod::Friends,
        &address_of(&carol),
    )
    .await;
    // Carol answered herself: bob asked her.
    let sent = bob.handle.counters().get("friends-questions-sent").copied();
    assert_eq!(sent, Some(1));
    let nobody = Keys::generate(Some([9; 32])).identity();
    look_up(&alice, nobody, LookupMethod::Friends).await;
    misses(&alice, &nobody, LookupMethod::Friends, Miss::Absent).await;
}

#[tokio::test]
async fn who_is_asked_where_it_is_tells_no_private_address_to_be_handed_on() {
    let announced = r#"listen.announce = ["/ip4/192.168.1.2/tcp/1", "/ip4/192.0.2.1/tcp/1"]"#;
    let bob = TestNode::start(2, FRIENDS).await;
    let carol = TestNode::start(3, &format!("{FRIENDS}{announced}")).await;
    befriend(&bob, &carol).await;
    look_up(&bob, carol.identity(), LookupMethod::Friends).await;
    let public = "/ip4/192.0.2.1/tcp/1";
    finds(&bob, &carol.identity(), LookupMethod::Friends, public).await;
    let private = |event: &Event| {
        matches!(event, Event::Found { addresses, .. }
            if addresses.iter().any(|address| address.contains("192.168")))
    };
    assert_eq!(bob.seen.count(private), 0);
}

#[tokio::test]
async fn the_card_of_a_friend_who_named_a_private_address_is_not_told_to_who_is_elsewhere() {
    let alice = TestNode::start(1, &format!("{FRIENDS}friends_lookup.hops = 1")).await;
    let bob = TestNode::start(2, FRIENDS).await;
    let announced = r#"listen.announce = ["/ip4/192.168.1.2/tcp/1", "/ip4/192.0.2.1/tcp/1"]"#;
    let carol = TestNode::start(3, &format!("{FRIENDS}{announced}")).await;
    befriend(&alice, &bob).await;
    befriend(&bob, &carol).await;
    look_up(&alice, carol.identity(), LookupMethod::Friends).await;
    misses(
        &alice,
        &carol.identity(),
        LookupMethod::Friends,
        Miss::Absent,
    )
    .await;
    assert_eq!(bob.handle.counters()["friends-answers-kept-back"], 1);
}

#[tokio::test]
async fn a_question_of_one_hop_gets_what_the_friend_has_and_reaches_nobody_else() {
    let near = format!("{FRIENDS}friends_lookup.hops = 1");
    let alice = TestNode::start(1, &near).await;
    let bob = TestNode::start(2, FRIENDS).await;
    let carol = TestNode::start(3, FRIENDS).await;
    befriend(&alice, &bob).await;
    befriend(&bob, &carol).await;
    look_up(&alice, carol.identity(), LookupMethod::Friends).await;
    finds(
        &alice,
        &carol.identity(),
        LookupMethod::Friends,
        &address_of(&carol),
    )
    .await;
    assert_eq!(bob.handle.counters().get("friends-questions-sent"), None);
}

#[tokio::test]
async fn who_has_no_friends_here_asks_nobody_and_who_is_none_is_told_nothing() {
    let eve = TestNode::start(1, FRIENDS).await;
    let bob = TestNode::start(2, FRIENDS).await;
    let carol = TestNode::start(3, FRIENDS).await;
    look_up(&eve, carol.identity(), LookupMethod::Friends).await;
    misses(
        &eve,
        &carol.identity(),
        LookupMethod::Friends,
        Miss::NobodyToAsk,
    )
    .await;
    befriend(&bob, &carol).await;
    eve.follow(&bob).await;
    eve.meets(&bob).await;
    look_up(&eve, carol.identity(), LookupMethod::Friends).await;
    bob.seen.refusal(PROTOCOL.as_ref(), "stranger").await;
    misses(&eve, &carol.identity(), LookupMethod::Friends, Miss::Absent).await;
}

/// A node, and a friend of its who does what the test says.
pub async fn false_friend(settings: &str) -> (TestNode, Peer) {
    let node = TestNode::start(1, settings).await;
    let card = Keys::generate(Some([9; 32])).card(&[]).expect("signs");
    let card = card.to_string();
    let done = node.handle.command(Command::follow(card)).await;
    assert_eq!(done, Ok(Reply::Done));
    let peer = Peer::authenticate(9, &node).await;
    (node, peer)
}

#[tokio::test]
async fn a_friend_who_asks_without_end_is_told_to_stop() {
    let settings = format!("{FRIENDS}friends_lookup.max_per_minute = 3");
    let (node, mut peer) = false_friend(&settings).await;
    for asked in 0..5 {
        let question = Question {
            id: [asked; 16],
            whom: IdentityId([asked; 32]),
            hops: u32::MAX,
            budget: u32::MAX,
        };
        let mut stream = peer.open(PROTOCOL).await;
        write_frame(&mut stream, &question.encode())
            .await
            .expect("written");
        let frame = read_frame(&mut stream, ANSWER_BYTES_MAX).await;
        let answer = Answer::decode(&frame.expect("answered"));
        let expected = if asked < 3 {
            Answer::Unknown
        } else {
            Answer::Refused(Reason::Busy)
        };
        assert_eq!(answer, Ok(expected));
    }
    node.seen.refusal(PROTOCOL.as_ref(), "busy").await;
    // What is no question gets no answer.
    for nonsense in [framed(&[0xff; 40]), framed(&[0; 500]), vec![0xff; 8]] {
        let mut stream = peer.open(PROTOCOL).await;
        stream.write_all(&nonsense).await.expect("written");
        stream.flush().await.expect("flushed");
        let end = read_frame(&mut stream, ANSWER_BYTES_MAX).await;
        assert!(end.is_err(), "{end:?}");
    }
}

#[tokio::test]
async fn who_goes_on_with_what_is_refused_loses_the_connection() {
    let node = TestNode::start(1, FRIENDS).await;
    let mut peer = Peer::connect(9, &node).await;
    let question = Question {
        id: [1; 16],
        whom: IdentityId([1; 32]),
        hops: 1,
        budget: 1,
    };
    let mut answered = 0;
    for _ in 0..1_000 {
        let Some(mut stream) = peer.opens(PROTOCOL).await else {
            break;
        };
        let asked = write_frame(&mut stream, &question.encode()).await;
        let frame = read_frame(&mut stream, ANSWER_BYTES_MAX).await;
        if asked.is_err() || frame.is_err() {
            break;
        }
        answered += 1;
    }
    assert!((250..=310).contains(&answered), "{answered}");
    let told = |event: &Event| matches!(event, Event::LimitReached { limit } if limit == "friends-questions");
    node.seen.wait("the bound is told", told).await;
}

#[tokio::test]
async fn a_friend_who_answers_with_lies_is_found_out() {
    let (node, mut peer) = false_friend(FRIENDS).await;
    let sought = Keys::generate(Some([5; 32])).identity();
    let other = Keys::generate(Some([6; 32])).card(&[]).expect("signs");
    let lies = [
        (Answer::Here(Box::new(other)).encode(), "forged"),
        (vec![0; ANSWER_BYTES_MAX + 1], "malformed"),
        (vec![7], "malformed"),
    ];
    let mut asked = peer.control.accept(PROTOCOL).expect("nobody else accepts");
    for (lie, reason) in lies {
        look_up(&node, sought, LookupMethod::Friends).await;
        let (_, mut stream) = asked.next().await.expect("it is asked");
        // The node may turn away while it is being written.
        let _ = stream.write_all(&framed(&lie)).await;
        let _ = stream.close().await;
        node.seen.refusal(PROTOCOL.as_ref(), reason).await;
        misses(&node, &sought, LookupMethod::Friends, Miss::Absent).await;
    }
}

/// A rendezvous point, and the settings of those who know it.
async fn point(settings: &str) -> (TestNode, String) {
    let settings = format!("rendezvous.server = true\n{settings}");
    let point = TestNode::start(10, &settings).await;
    let card: Card = point.card.parse().expect("a card");
    let known = format!(
        "rendezvous.client = true\nbootstrap.peers = [\"{}/p2p/{}\"]\n",
        card.addresses[0], card.peer
    );
    (point, known)
}

/// Where a registered node says that it is; nobody dials it.
const THERE: &str = "/ip4/192.0.2.7/tcp/4150";

#[tokio::test]
async fn whoever_is_registered_is_found_and_nobody_else() {
    let (_point, known) = point("").await;
    let settings = format!("{known}listen.announce = [\"{THERE}\"]");
    let bob = TestNode::start(2, &settings).await;
    // Alice is registered, too: then she knows that the point is one.
    let alice = TestNode::start(1, &settings).await;
    let carol = TestNode::start(3, "").await;
    alice.follow(&bob).await;
    alice.follow(&carol).await;
    let registered = |event: &Event| matches!(event, Event::Registered { .. });
    bob.seen.wait("bob is registered", registered).await;
    alice.seen.wait("alice is registered", registered).await;
    look_up(&alice, bob.identity(), LookupMethod::Rendezvous).await;
    finds(&alice, &bob.identity(), LookupMethod::Rendezvous, THERE).await;
    look_up(&alice, carol.identity(), LookupMethod::Rendezvous).await;
    misses(
        &alice,
        &carol.identity(),
        LookupMethod::Rendezvous,
        Miss::Absent,
    )
    .await;
    let stranger = Keys::generate(Some([9; 32])).identity();
    look_up(&alice, stranger, LookupMethod::Rendezvous).await;
    misses(&alice, &stranger, LookupMethod::Rendezvous, Miss::Absent).await;
}

#[tokio::test]
async fn who_asks_a_rendezvous_point_without_end_is_disconnected() {
    let (point, known) = point("rendezvous.max_per_minute = 1").await;
    let settings = format!("{known}listen.announce = [\"{THERE}\"]");
    let bob = TestNode::start(2, &settings).await;
    let carol = TestNode::start(3, "").await;
    bob.follow(&carol).await;
    let registered = |event: &Event| matches!(event, Event::Registered { .. });
    bob.seen.wait("bob is registered", registered).await;
    look_up(&bob, carol.identity(), LookupMethod::Rendezvous).await;
    let limit = |event: &Event| matches!(event, Event::LimitReached { limit } if limit == "rendezvous-requests");
    point.seen.wait("the bound is told", limit).await;
    let gone = |event: &Event| matches!(event, Event::Disconnected { .. });
    bob.seen.wait("bob is disconnected", gone).await;
}
