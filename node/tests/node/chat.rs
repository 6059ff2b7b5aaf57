//! Two real nodes talk: messages, what is said of them, and what is not believed.

use orrery_node::CommandError;
use orrery_node::api::{ChatMessage, Command, Event, MessageState, Reply};
use orrery_node::identity::IdentityId;
use orrery_node::op::OpId;

use crate::world::TestNode;

const QUICK: &str = "sync.pull_interval = \"100ms\"\ndial.backoff_first = \"50ms\"\n\
                     chat.receipt_delay = \"50ms\"\n";
/// Nothing comes but by push before the test gives up.
const PUSHED: &str = "sync.pull_interval = \"1h\"\ndial.backoff_first = \"50ms\"\n\
                      chat.receipt_delay = \"50ms\"\npush.enabled = true\n";

impl TestNode {
    async fn say(&self, to: &Self, text: &str) -> OpId {
        self.say_to(to.identity(), text).await
    }

    async fn say_to(&self, to: IdentityId, text: &str) -> OpId {
        let command = Command::ChatSend {
            to,
            text: text.to_owned(),
            reply_to: None,
        };
        match self.handle.command(command).await {
            Ok(Reply::Posted { op, .. }) => op,
            other => panic!("not sent: {other:?}"),
        }
    }

    async fn reads(&self, with: &Self) -> u64 {
        let with = with.identity();
        match self.handle.command(Command::ChatRead { with }).await {
            Ok(Reply::MarkedRead { messages }) => messages,
            other => panic!("not read: {other:?}"),
        }
    }

    async fn conversation(&self, with: &Self) -> Vec<ChatMessage> {
        let command = Command::ChatShow {
            with: with.identity(),
            limit: 100,
        };
        match self.handle.command(command).await {
            Ok(Reply::Messages { messages, .. }) => messages,
            other => panic!("nothing shown: {other:?}"),
        }
    }

    async fn hears(&self, message: OpId) {
        let fits =
            |event: &Event| matches!(event, Event::MessageReceived { op, .. } if *op == message);
        self.seen.wait("the message came", fits).await;
    }

    async fn knows_delivered(&self, message: OpId) {
        let fits =
            |event: &Event| matches!(event, Event::MessageDelivered { op, .. } if *op == message);
        self.seen.wait("it was delivered", fits).await;
    }

    async fn knows_read(&self, message: OpId) {
        let fits = |event: &Event| matches!(event, Event::MessageRead { op, .. } if *op == message);
        self.seen.wait("it was read", fits).await;
    }
}

/// Two who follow each other and are connected.
async fn friends(settings: &str) -> [TestNode; 2] {
    let alice = TestNode::start(1, settings).await;
    let bob = TestNode::start(2, settings).await;
    alice.follow(&bob).await;
    bob.follow(&alice).await;
    bob.meets(&alice).await;
    alice.meets(&bob).await;
    [alice, bob]
}

#[tokio::test]
async fn two_talk_and_each_knows_what_the_other_has() {
    let [alice, bob] = friends(QUICK).await;
    let message = alice.say(&bob, "At noon?").await;
    bob.hears(message).await;
    alice.knows_delivered(message).await;
    assert_eq!(bob.reads(&alice).await, 1);
    assert_eq!(bob.reads(&alice).await, 0);
    alice.knows_read(message).await;
    let answer = bob.say(&alice, "Yes").await;
    alice.hears(answer).await;
    let shown = alice.conversation(&bob).await;
    let shown: Vec<_> = shown
        .iter()
        .map(|it| (it.text.as_str(), it.state))
        .collect();
    let expected = [
        ("At noon?", MessageState::Read),
        ("Yes", MessageState::Unread),
    ];
    assert_eq!(shown, expected);
    assert!(alice.texts().await.is_empty(), "messages are no posts");
}

#[tokio::test]
async fn with_push_messages_and_receipts_come_at_once() {
    let [alice, bob] = friends(PUSHED).await;
    bob.pull().await.expect("pulled");
    alice.pull().await.expect("pulled");
    let message = alice.say(&bob, "now").await;
    bob.hears(message).await;
    alice.knows_delivered(message).await;
    bob.reads(&alice).await;
    alice.knows_read(message).await;
}

#[tokio::test]
async fn what_is_said_to_a_friend_who_is_away_comes_when_both_are_there() {
    let [alice, bob] = friends(QUICK).await;
    let to = bob.identity();
    let folder = bob.leave().await;
    let first = alice.say_to(to, "are you there?").await;
    let alice = alice.restart(1, QUICK).await;
    let second = alice.say_to(to, "I was away").await;
    let bob = TestNode::start_in(folder, 2, QUICK).await;
    // Memory addresses are new at each start, so cards are, too.
    alice.follow(&bob).await;
    bob.follow(&alice).await;
    bob.hears(first).await;
    bob.hears(second).await;
    alice.knows_delivered(second).await;
    let texts: Vec<String> = bob
        .conversation(&alice)
        .await
        .into_iter()
        .map(|it| it.text)
        .collect();
    assert_eq!(texts, ["are you there?", "I was away"]);
}

#[tokio::test]
async fn a_receipt_that_a_power_cut_has_kept_back_is_made_at_the_next_start() {
    let slow = "sync.pull_interval = \"100ms\"\nchat.receipt_delay = \"1h\"";
    let [alice, bob] = friends(slow).await;
    let message = alice.say(&bob, "one").await;
    bob.hears(message).await;
    let bob = bob.restart(2, QUICK).await;
    alice.follow(&bob).await;
    alice.knows_delivered(message).await;
}

#[tokio::test]
async fn a_blocked_friend_hears_nothing() {
    let [alice, bob] = friends(QUICK).await;
    let message = alice.say(&bob, "one").await;
    bob.hears(message).await;
    let identity = bob.identity();
    let block = Command::Block { identity };
    assert_eq!(alice.handle.command(block).await, Ok(Reply::Done));
    let send = Command::ChatSend {
        to: identity,
        text: "two".to_owned(),
        reply_to: None,
    };
    let sent = alice.handle.command(send).await;
    assert!(
        matches!(sent, Err(CommandError::Invalid { .. })),
        "{sent:?}"
    );
    let reads = Command::ChatRead { with: identity };
    let read = alice.handle.command(reads).await;
    assert!(
        matches!(read, Err(CommandError::Invalid { .. })),
        "{read:?}"
    );
}
