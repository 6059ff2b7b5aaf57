//! Commands that reply at the end of a search, as a person at a terminal wants them to.

use std::time::Duration;

use futures::StreamExt;
use libp2p::Transport;
use libp2p::core::transport::{ListenerId, MemoryTransport};
use orrery_node::CommandError;
use orrery_node::api::{self, Command, Event, LookupMethod, Miss, Missed, Path, Reply, Unreached};
use orrery_node::card::Card;
use orrery_node::discovery::friends::PROTOCOL;
use orrery_node::identity::IdentityId;
use orrery_node::keys::Keys;
use orrery_node::real::{ControlSocket, SOCKET_NAME, ask};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::discovery::false_friend;
use crate::hostile::Peer;
use crate::world::{PATIENCE, TestNode};

/// Friends are dialled late, so that nothing but the search makes connections.
const CALM: &str = "dial.backoff_first = \"1h\"\ndial.backoff_max = \"1h\"";

fn look_up(identity: &IdentityId, by: &[LookupMethod]) -> Command {
    Command::Lookup {
        identity: *identity,
        peer: None,
        by: by.to_vec(),
        wait: true,
    }
}

fn reach(other: &Keys, addresses: &[&str]) -> Command {
    Command::Reach {
        identity: other.identity(),
        peer: Some(other.peer()),
        addresses: addresses.iter().map(|&text| text.to_owned()).collect(),
        wait: true,
    }
}

fn missed(misses: &[(LookupMethod, Miss)]) -> Vec<Missed> {
    let misses = misses.iter();
    misses.map(|&(by, reason)| Missed { by, reason }).collect()
}

fn stranger(seed: u8) -> Keys {
    Keys::generate(Some([seed; 32]))
}

/// An address in memory where somebody takes connections and says nothing.
fn silent(address: &str) -> MemoryTransport {
    let mut memory = MemoryTransport::default();
    let address = address.parse().expect("an address");
    memory
        .listen_on(ListenerId::next(), address)
        .expect("a free port");
    memory
}

/// A node with a friend who never says what they know.
async fn silent_friend(settings: &str) -> (TestNode, Peer) {
    false_friend(&format!(
        "{CALM}\nfriends_lookup.enabled = true\n{settings}"
    ))
    .await
}

#[tokio::test]
async fn who_waits_is_told_where_somebody_is_and_can_dial_that() {
    let alice = TestNode::start(1, CALM).await;
    let bob = TestNode::start(2, CALM).await;
    alice.follow(&bob).await;
    let card: Card = bob.card.parse().expect("a card");
    let expected = Reply::Found {
        by: LookupMethod::Known,
        peer: card.peer,
        addresses: vec![format!("{}/p2p/{}", card.addresses[0], card.peer)],
    };
    let command = look_up(
        &bob.identity(),
        &[LookupMethod::Kad, LookupMethod::Known, LookupMethod::Mdns],
    );
    let found = alice.handle.command(command).await;
    assert_eq!(found, Ok(expected));
}

#[tokio::test]
async fn who_waits_is_told_why_each_method_does_not_know() {
    let settings = format!("{CALM}\nreach.lookup_order = [\"relay\", \"known\"]");
    let alice = TestNode::start(1, &settings).await;
    let whom = stranger(5).identity();
    let reply = alice.handle.command(look_up(&whom, &[])).await;
    let misses = missed(&[
        (LookupMethod::Relay, Miss::Off),
        (LookupMethod::Known, Miss::Absent),
    ]);
    assert_eq!(reply, Ok(Reply::NotFound { missed: misses }));
    let twice = look_up(&whom, &[LookupMethod::Known, LookupMethod::Known]);
    let refused = alice.handle.command(twice).await;
    assert!(
        matches!(&refused, Err(CommandError::Invalid { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn searches_that_are_waited_for_are_bounded() {
    let settings = format!("{CALM}\nreach.max_lookups = 1");
    let alice = TestNode::start(1, &settings).await;
    let [first, second] = [5, 6].map(|seed| stranger(seed).identity());
    let ask = |whom| alice.handle.command(look_up(whom, &[LookupMethod::Known]));
    // A stranger's card is asked of the disk, which takes longer than the next commands.
    let (waiting, again, other) = tokio::join!(ask(&first), ask(&first), ask(&second));
    let misses = missed(&[(LookupMethod::Known, Miss::Absent)]);
    assert_eq!(waiting, Ok(Reply::NotFound { missed: misses }));
    assert!(
        matches!(&again, Err(CommandError::Invalid { .. })),
        "{again:?}"
    );
    assert_eq!(other, Err(CommandError::Busy));
}

#[tokio::test]
async fn a_method_that_does_not_answer_keeps_none_waiting_for_longer_than_its_time() {
    let settings = "reach.method_timeout = \"200ms\"\nfriends_lookup.hop_timeout = \"1h\"";
    let (node, mut friend) = silent_friend(settings).await;
    let mut asked = friend
        .control
        .accept(PROTOCOL)
        .expect("nobody else accepts");
    let whom = stranger(5).identity();
    let methods = [LookupMethod::Friends, LookupMethod::Known];
    let (reply, question) =
        tokio::join!(node.handle.command(look_up(&whom, &methods)), asked.next());
    assert!(question.is_some());
    let misses = missed(&[
        (LookupMethod::Friends, Miss::TimedOut),
        (LookupMethod::Known, Miss::Absent),
    ]);
    assert_eq!(reply, Ok(Reply::NotFound { missed: misses }));
}

#[tokio::test]
async fn who_waits_is_told_how_somebody_was_reached() {
    let alice = TestNode::start(1, CALM).await;
    let bob = TestNode::start(2, CALM).await;
    let card: Card = bob.card.parse().expect("a card");
    let address = card.addresses[0].to_string();
    let reached = alice.handle.command(reach(&bob.keys, &[&address])).await;
    let Ok(Reply::Reached {
        peer,
        path: Path::Direct,
        transport: api::Transport::Other,
        by: Some(LookupMethod::Known),
        took_us,
    }) = reached
    else {
        panic!("{reached:?}");
    };
    assert_eq!(peer, card.peer);
    assert!(took_us > 0);
    // What the reply says, the event says, too.
    let told =
        |event: &Event| matches!(event, Event::Reached { took_us: told, .. } if *told == took_us);
    assert_eq!(alice.seen.count(told), 1);
    let again = alice.handle.command(reach(&bob.keys, &[])).await;
    let expected = Reply::Reached {
        peer,
        path: Path::Direct,
        transport: api::Transport::Other,
        by: None,
        took_us: 0,
    };
    assert_eq!(again, Ok(expected));
}

#[tokio::test]
async fn who_waits_is_told_why_somebody_was_not_reached() {
    let settings =
        format!("{CALM}\nreach.lookup_order = [\"known\", \"kad\"]\nreach.timeout = \"2s\"");
    let alice = TestNode::start(1, &settings).await;
    let whom = stranger(5);
    let reply = alice.handle.command(reach(&whom, &[])).await;
    let misses = [
        (LookupMethod::Known, Miss::NoAddress),
        (LookupMethod::Kad, Miss::Off),
    ];
    let expected = Reply::NotReached {
        reason: Unreached::NotFound,
        missed: missed(&misses),
        last_error: None,
    };
    assert_eq!(reply, Ok(expected));

    let nowhere = "/memory/999999993";
    let reply = alice.handle.command(reach(&whom, &[nowhere])).await;
    let Ok(Reply::NotReached {
        reason: Unreached::NotConnected,
        missed: misses,
        last_error: Some(error),
    }) = reply
    else {
        panic!("{reply:?}");
    };
    assert_eq!(misses, missed(&[(LookupMethod::Kad, Miss::Off)]));
    assert!(error.contains(nowhere), "{error}");

    let _silent = silent("/memory/999999992");
    let silence = reach(&whom, &["/memory/999999992"]);
    let reply = alice.handle.command(silence).await;
    let expected = Reply::NotReached {
        reason: Unreached::TimedOut,
        missed: vec![],
        last_error: None,
    };
    assert_eq!(reply, Ok(expected));
    // Another can be waited for then.
    let reply = alice.handle.command(reach(&whom, &[])).await;
    assert!(matches!(reply, Ok(Reply::NotReached { .. })), "{reply:?}");
}

#[tokio::test]
async fn who_waits_hears_that_the_node_stops() {
    let (node, mut friend) = silent_friend("friends_lookup.hop_timeout = \"1h\"").await;
    let mut asked = friend
        .control
        .accept(PROTOCOL)
        .expect("nobody else accepts");
    let _silent = silent("/memory/999999991");
    let [sought, wanted] = [5, 6].map(stranger);
    let sought = sought.identity();
    let both = async {
        tokio::join!(
            node.handle.command(reach(&wanted, &["/memory/999999991"])),
            node.handle
                .command(look_up(&sought, &[LookupMethod::Friends])),
        )
    };
    let stop = async {
        let question = asked.next().await;
        node.handle.stop().await;
        question
    };
    let ends = tokio::time::timeout(PATIENCE.min(Duration::from_secs(10)), async {
        tokio::join!(both, stop)
    });
    let ((reached, found), question) = ends.await.expect("nobody is left waiting");
    assert!(question.is_some(), "the friend was asked");
    assert_eq!(reached, Err(CommandError::Stopped));
    assert_eq!(found, Err(CommandError::Stopped));
}

#[tokio::test]
async fn clients_that_have_left_hold_no_places() {
    let node = TestNode::start(1, "").await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _control = ControlSocket::open(folder.path(), node.handle.clone()).expect("opens");
    let _silent = silent("/memory/7100001");
    let address = "/memory/7100001".parse().expect("an address");
    let card = stranger(9).card(&[address]).expect("signs").to_string();
    let follow = Command::Follow {
        card,
        name: None,
        wait: true,
    };
    let mut line = serde_json::to_vec(&follow).expect("plain data");
    line.push(b'\n');
    let mut clients = Vec::new();
    for _ in 0..16 {
        let client = UnixStream::connect(folder.path().join(SOCKET_NAME)).await;
        let mut client = client.expect("it listens");
        client.write_all(&line).await.expect("written");
        clients.push(client);
    }
    let status = async || {
        let asked = ask(folder.path(), &Command::Status).await;
        asked.expect("it answers").expect("it runs")
    };
    assert_eq!(status().await, Err(CommandError::Busy));
    drop(clients);
    let served = async {
        while status().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // Far sooner than what they have asked for shows.
    let served = tokio::time::timeout(PATIENCE / 2, served).await;
    served.expect("there are places again");
}
