//! Two talk: what each has of the other's messages, whatever is claimed, cut off or lost.

use super::crash::{LUCK, luck};
use super::*;
use crate::api::{ChatMessage, MessageState, ReceiptRefusal};
use crate::chat::{Reach, Receipt, Said, UpTo};
use crate::identity::IdentityId;
use crate::op::{LogId, OpRefusal};
use crate::store::News;

impl Person {
    fn me(&self) -> IdentityId {
        self.store.keys().identity()
    }

    fn say(&mut self, to: &Self, text: &str) -> Posted {
        let sent = self.store.chat_send(to.me(), text.to_owned(), None, NOW_MS);
        sent.expect("sends")
    }

    /// Acknowledges what is here of `friend`; how many receipts that took, and how many were newly read.
    fn acknowledges(&mut self, friend: &Self, reads: bool) -> (usize, u64) {
        let done = self.store.acknowledge(friend.me(), reads, NOW_MS);
        let done = done.expect("acknowledges");
        (usize::from(done.receipt.is_some()), done.newly_read)
    }

    fn conversation(&self, friend: &Self) -> Vec<ChatMessage> {
        let shown = self.store.conversation(friend.me(), 1_000, NOW_MS);
        let shown = shown.expect("reads");
        assert_eq!((shown.unreadable, shown.is_cut), (0, false));
        shown.shown
    }

    /// The conversation as texts with their states.
    fn said(&self, friend: &Self) -> Vec<(String, MessageState)> {
        let shown = self.conversation(friend).into_iter();
        shown.map(|it| (it.text, it.state)).collect()
    }

    /// Publishes a receipt as no store makes it.
    fn claims(&mut self, to: &Self, reach: Reach) {
        let reaches = vec![reach];
        let body = Said::Receipt(Receipt { reaches }).to_body();
        self.store
            .publish(body, &only(&[to]), NOW_MS)
            .expect("publishes");
    }

    /// What the ops were that a pull from `author` brought, and what was refused of it.
    fn hears(&mut self, author: &Self) -> (Vec<News>, Vec<OpRefusal>) {
        let pages = self.pull_pages(author, SyncStrategy::Cursor, 100);
        let news = pages
            .iter()
            .flat_map(|page| page.new.iter().map(|new| new.news.clone()));
        let refused = pages
            .iter()
            .flat_map(|page| page.refused.iter().map(|(_, why)| why.clone()));
        (news.collect(), refused.collect())
    }

    /// The log of `op`, of one's own.
    fn log_of(&self, op: OpId) -> LogId {
        let record = self
            .store
            .read()
            .expect("reads")
            .open_table(super::super::tables::OPS);
        let record = record
            .expect("there")
            .get(&op.0)
            .expect("reads")
            .expect("held");
        let record = super::super::record::Record::decode(record.value()).expect("whole");
        record.header().expect("whole").log
    }
}

fn friends() -> [Person; 2] {
    let [mut alice, mut bob] = [1, 2].map(Person::new);
    alice.befriend(&mut bob);
    [alice, bob]
}

fn said(texts: &[(&str, MessageState)]) -> Vec<(String, MessageState)> {
    texts
        .iter()
        .map(|(text, state)| ((*text).to_owned(), *state))
        .collect()
}

mod acknowledged;
mod hidden;

use MessageState::{Delivered, Read, Sent, Unread};

#[test]
fn a_message_is_sent_then_delivered_then_read() {
    let [mut alice, mut bob] = friends();
    let first = alice.say(&bob, "one");
    alice.say(&bob, "two");
    assert_eq!(alice.said(&bob), said(&[("one", Sent), ("two", Sent)]));
    assert_eq!(bob.hears(&alice), (vec![News::Message; 2], vec![]));
    assert_eq!(bob.said(&alice), said(&[("one", Unread), ("two", Unread)]));
    assert_eq!(bob.store.chats_owed().expect("reads"), [alice.me()].into());
    // Two messages are acknowledged by one receipt, and once.
    assert_eq!(bob.acknowledges(&alice, false), (1, 0));
    assert_eq!(bob.acknowledges(&alice, false), (0, 0));
    assert!(bob.store.chats_owed().expect("reads").is_empty());
    let (news, _) = alice.hears(&bob);
    let [
        News::Receipt {
            delivered,
            read,
            refused: None,
        },
    ] = &news[..]
    else {
        panic!("{news:?}");
    };
    assert_eq!((delivered.len(), read.len()), (1, 0));
    assert_eq!(
        alice.said(&bob),
        said(&[("one", Delivered), ("two", Delivered)])
    );
    assert_eq!(bob.acknowledges(&alice, true), (1, 2));
    assert_eq!(bob.acknowledges(&alice, true), (0, 0));
    alice.hears(&bob);
    assert_eq!(alice.said(&bob), said(&[("one", Read), ("two", Read)]));
    assert_eq!(bob.said(&alice), said(&[("one", Read), ("two", Read)]));
    // Receipts are not acknowledged in turn.
    assert!(alice.store.chats_owed().expect("reads").is_empty());
    let answer = bob
        .store
        .chat_send(alice.me(), "to that".into(), Some(first.op), NOW_MS);
    answer.expect("sends");
    alice.hears(&bob);
    let shown = alice.conversation(&bob);
    assert_eq!(shown[2].reply_to, Some(first.op));
    let listed = alice.store.conversations(NOW_MS).expect("reads").shown;
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].with, listed[0].unread), (bob.me(), 1));
    assert_eq!(listed[0].newest.text, "to that");
}

#[test]
fn what_is_said_is_no_post() {
    let [mut alice, mut bob] = friends();
    alice.post("a post", &Audience::Friends, NOW_MS);
    let sent = alice.say(&bob, "between us");
    bob.hears(&alice);
    bob.acknowledges(&alice, true);
    for person in [&alice, &bob] {
        assert_eq!(person.texts(), ["a post"]);
        let of_alice = person.store.timeline(10, Some(alice.me())).expect("reads");
        assert_eq!(of_alice.len(), 1);
    }
    let mut carol = Person::new(3);
    alice.befriend(&mut carol);
    let granted = alice.store.grant(sent.op, carol.me());
    assert!(matches!(granted, Err(StoreError::OfConversation(op)) if op == sent.op));
    let body = json!({"type": "chat/1", "text": "x"});
    let posted = alice.store.post(body, &only(&[&bob]), NOW_MS);
    assert!(matches!(posted, Err(StoreError::Body(_))));
    assert_eq!(carol.hears(&alice).0, [], "it is for bob alone");
}

#[test]
fn only_friends_are_talked_with() {
    let [mut alice, mut bob] = friends();
    alice.say(&bob, "one");
    bob.hears(&alice);
    let text = || "x".to_owned();
    let stranger = Person::new(3);
    let sent = alice.store.chat_send(stranger.me(), text(), None, NOW_MS);
    assert!(matches!(sent, Err(StoreError::NotFollowed(_))));
    bob.store.block(alice.me()).expect("blocks");
    let sent = bob.store.chat_send(alice.me(), text(), None, NOW_MS);
    assert!(matches!(sent, Err(StoreError::Blocked(_))));
    let told = bob.store.acknowledge(alice.me(), true, NOW_MS);
    assert!(matches!(told, Err(StoreError::Blocked(_))));
    assert!(
        bob.store
            .conversations(NOW_MS)
            .expect("reads")
            .shown
            .is_empty()
    );
    let answer = alice
        .store
        .chat_send(bob.me(), text(), Some(OpId([9; 32])), NOW_MS);
    assert!(matches!(answer, Err(StoreError::UnknownMessage(_))));
}

#[test]
fn receipts_for_what_was_not_said_to_their_signer_count_for_nothing_and_keep_their_places() {
    let [mut alice, mut bob] = friends();
    let mut carol = Person::new(3);
    alice.befriend(&mut carol);
    let to_bob = alice.say(&bob, "for bob");
    let to_carol = alice.say(&carol, "for carol");
    let beside = alice.store.post(note("a post"), &only(&[&bob]), NOW_MS);
    let beside = beside.expect("posts");
    let (of_bob, of_carol) = (alice.log_of(to_bob.op), alice.log_of(to_carol.op));
    let up_to = |seq, op| Some(UpTo { seq, op });
    let claims = [
        // Another's message; a message that is not written yet; another name than the one in its place;
        // a post that is no message; a log that is not there.
        (of_carol, up_to(0, to_carol.op)),
        (of_bob, up_to(2, OpId([7; 32]))),
        (of_bob, up_to(0, OpId([7; 32]))),
        (of_bob, up_to(1, beside.op)),
        (of_bob, up_to(u64::MAX, to_bob.op)),
        (LogId([7; 16]), up_to(0, to_bob.op)),
    ];
    for (log, read) in claims {
        bob.claims(
            &alice,
            Reach {
                log,
                from: 0,
                delivered: None,
                read,
            },
        );
    }
    let (news, refused) = alice.hears(&bob);
    let counts_for_nothing = News::Receipt {
        delivered: vec![],
        read: vec![],
        refused: Some(ReceiptRefusal::UnknownMessage),
    };
    assert_eq!((news, refused), (vec![counts_for_nothing; 6], vec![]));
    assert_eq!(alice.said(&bob), said(&[("for bob", Sent)]));
    // They are missing nowhere, what is right goes on to count, and so does what alice says of bob's.
    bob.claims(
        &alice,
        Reach {
            log: of_bob,
            from: 0,
            delivered: None,
            read: up_to(0, to_bob.op),
        },
    );
    bob.say(&alice, "for alice");
    let pages = alice.pull_pages(&bob, SyncStrategy::Cursor, 100);
    assert_eq!((pages[0].missing, pages[0].refused.len()), (0, 0));
    assert_eq!(alice.acknowledges(&bob, true), (1, 1));
    bob.hears(&alice);
    assert_eq!(bob.said(&alice)[1], ("for alice".to_owned(), Read));
    assert_eq!(alice.said(&bob)[0], ("for bob".to_owned(), Read));
    let before = alice.store.state_hash().expect("hashes");
    assert_eq!(alice.store.reindex().expect("reindexes").after, before);
}

#[test]
fn receipts_go_forwards_alone() {
    let [mut alice, mut bob] = friends();
    let (first, second) = (alice.say(&bob, "one"), alice.say(&bob, "two"));
    let log = alice.log_of(first.op);
    let at = |posted: &Posted| {
        Some(UpTo {
            seq: posted.seq,
            op: posted.op,
        })
    };
    bob.claims(
        &alice,
        Reach {
            log,
            from: 0,
            delivered: None,
            read: at(&second),
        },
    );
    bob.claims(
        &alice,
        Reach {
            log,
            from: 0,
            delivered: at(&first),
            read: None,
        },
    );
    bob.claims(
        &alice,
        Reach {
            log,
            from: 0,
            delivered: at(&second),
            read: at(&first),
        },
    );
    let (news, refused) = alice.hears(&bob);
    let receipt = |ops: &[OpId], refused| News::Receipt {
        delivered: ops.to_vec(),
        read: ops.to_vec(),
        refused,
    };
    let behind = Some(ReceiptRefusal::Behind);
    let expected = [
        receipt(&[second.op], None),
        receipt(&[], behind),
        receipt(&[], behind),
    ];
    assert_eq!(news, expected);
    assert_eq!(refused, []);
    assert_eq!(alice.said(&bob), said(&[("one", Read), ("two", Read)]));
    let before = alice.store.state_hash().expect("hashes");
    assert_eq!(alice.store.reindex().expect("reindexes").after, before);
}

#[test]
fn nothing_is_acknowledged_beyond_a_gap() {
    let [mut alice, mut bob] = friends();
    alice.say(&bob, "one");
    bob.hears(&alice);
    let lost = alice.say(&bob, "two");
    alice.say(&bob, "three");
    // Bob's node has not taken the second one.
    let request = bob
        .store
        .pull_request(alice.me(), SyncStrategy::Cursor, 0, 100);
    let request = request.expect("reads");
    let mut page = alice.store.answer(bob.me(), &request).expect("answers");
    page.items.retain(|item| item.id() != lost.op);
    bob.store
        .ingest(alice.me(), &request, &page, NOW_MS)
        .expect("ingests");
    assert_eq!(bob.acknowledges(&alice, true), (1, 1));
    alice.hears(&bob);
    assert_eq!(
        alice.said(&bob),
        said(&[("one", Read), ("two", Sent), ("three", Sent)])
    );
    bob.store.ask_again(alice.me()).expect("writes");
    bob.hears(&alice);
    assert_eq!(bob.acknowledges(&alice, true), (1, 2));
    alice.hears(&bob);
    assert_eq!(
        alice.said(&bob),
        said(&[("one", Read), ("two", Read), ("three", Read)])
    );
}

#[test]
fn a_conversation_survives_its_index() {
    let [mut alice, mut bob] = friends();
    for text in ["one", "two"] {
        alice.say(&bob, text);
        bob.hears(&alice);
        bob.acknowledges(&alice, true);
        bob.say(&alice, &format!("{text} is here"));
        alice.hears(&bob);
        alice.acknowledges(&bob, false);
    }
    bob.hears(&alice);
    let expected = [alice.said(&bob), bob.said(&alice)];
    for person in [&mut alice, &mut bob] {
        let before = person.store.state_hash().expect("hashes");
        let done = person.store.reindex().expect("reindexes");
        assert_eq!((done.before, done.after), (before, before));
    }
    // Without an index each pulls the other's part again, and knows what it has acknowledged.
    for (seed, person) in [(1, &mut alice), (2, &mut bob)] {
        let disk = person.disk.clone();
        *person = Person::new(9);
        disk.disk().remove("index.redb").expect("removes");
        *person = Person::on(disk, seed).expect("opens");
    }
    assert_eq!(alice.said(&bob).len(), 2);
    assert_eq!(alice.hears(&bob).1, []);
    assert_eq!(bob.hears(&alice).1, []);
    assert_eq!([alice.said(&bob), bob.said(&alice)], expected);
    assert!(bob.store.chats_owed().expect("reads").is_empty());
    for person in [&mut alice, &mut bob] {
        let before = person.store.state_hash().expect("hashes");
        assert_eq!(person.store.reindex().expect("reindexes").after, before);
    }
}

#[test]
fn an_index_with_a_conversation_is_of_a_version_that_older_programs_refuse() {
    use super::super::tables::{FORMAT, INDEX_FORMAT, INDEX_FORMAT_WITH_CHATS};
    use redb::ReadableDatabase;
    let format = |person: &Person| {
        let txn = person.store.index.begin_read().expect("reads");
        let formats = txn.open_table(FORMAT).expect("is there");
        formats.get(()).expect("reads").expect("noted").value()
    };
    let [mut alice, mut bob] = friends();
    alice.post("a post", &Audience::Friends, NOW_MS);
    bob.hears(&alice);
    assert_eq!([format(&alice), format(&bob)], [INDEX_FORMAT; 2]);
    alice.say(&bob, "one");
    bob.hears(&alice);
    assert_eq!([format(&alice), format(&bob)], [INDEX_FORMAT_WITH_CHATS; 2]);
}

/// What was said before the power went at one of the two, and what of it the other was told.
fn talk_until(cut: usize, calls: u64, bits: u64) -> bool {
    let mut people = friends();
    people[cut].disk.cut_power_after(calls);
    let mut acknowledged = Vec::new();
    let mut ended = true;
    let [alice, bob] = &mut people;
    for at in 0..3 {
        let text = format!("message {at}");
        match alice.store.chat_send(bob.me(), text.clone(), None, NOW_MS) {
            Ok(_) => acknowledged.push(text),
            Err(error) => assert!(error.is_storage(), "{error}"),
        }
        ended &= try_pull(bob, alice);
        ended &= bob.store.acknowledge(alice.me(), at == 1, NOW_MS).is_ok();
        ended &= try_pull(alice, bob);
    }
    ended &= acknowledged.len() == 3;
    // What each was told before the cut; the one without power has only what it finds afterwards.
    let told = if cut == 0 {
        Vec::new()
    } else {
        alice.said(bob)
    };
    let disk = people[cut].disk.after_power_cut(luck(bits));
    people[cut] = Person::new(9);
    people[cut] = Person::on(disk, cut as u8 + 1).expect("opens after the cut");
    let [alice, bob] = &mut people;
    let of_bob = bob.said(alice);
    for (text, state) in &told {
        let held = of_bob.iter().any(|(of_bob, _)| of_bob == text);
        assert!(
            *state == Sent || held,
            "{text} is {state:?} and not there: {of_bob:?}"
        );
        let read = of_bob.contains(&(text.clone(), Read));
        assert!(
            *state != Read || read,
            "{text} was told as read: {of_bob:?}"
        );
    }
    // It goes on where it was: all that was acknowledged is there, once, and in order.
    bob.hears(alice);
    bob.acknowledges(alice, true);
    alice.hears(bob);
    for (person, friend) in [(&*alice, &*bob), (&*bob, &*alice)] {
        let mut texts: Vec<String> = person.said(friend).into_iter().map(|it| it.0).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        let all = texts.len();
        texts.dedup();
        assert_eq!(texts.len(), all, "nothing comes twice");
        assert!(
            acknowledged.iter().all(|text| texts.contains(text)),
            "{texts:?}"
        );
        assert!(person.said(friend).iter().all(|(_, state)| *state == Read));
    }
    for person in [alice, bob] {
        let before = person.store.state_hash().expect("hashes");
        assert_eq!(person.store.reindex().expect("reindexes").after, before);
    }
    ended
}

/// Pulls, if the disks of both let it.
fn try_pull(reader: &mut Person, author: &mut Person) -> bool {
    let request = reader
        .store
        .pull_request(author.me(), SyncStrategy::Cursor, 0, 100);
    let page = request.and_then(|request| {
        let page = author.store.answer(reader.me(), &request);
        Ok((page.map_err(|_| StoreError::NoProgress)?, request))
    });
    let kept =
        page.and_then(|(page, request)| reader.store.ingest(author.me(), &request, &page, NOW_MS));
    kept.is_ok()
}

#[test]
fn no_acknowledged_message_is_lost_and_no_receipt_is_untrue_after_a_power_cut_at_any_call() {
    for cut in [0, 1] {
        for calls in 0.. {
            let bits = LUCK[calls as usize % LUCK.len()];
            if talk_until(cut, calls, bits) {
                assert!(calls > 30, "messages cost many calls");
                break;
            }
        }
    }
}
