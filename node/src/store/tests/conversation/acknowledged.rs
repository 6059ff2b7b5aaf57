//! What is here is acknowledged, whatever was refused, lost or written in between, and nothing else is.

use super::*;

#[test]
fn who_was_restored_from_a_copy_acknowledges_what_a_friend_writes_on() {
    let [mut alice, mut bob] = friends();
    alice.say(&bob, "before the copy");
    bob.hears(&alice);
    bob.acknowledges(&alice, false);
    alice.hears(&bob);
    let copy = alice.disk.after_power_cut(|| true);
    for text in ["during", "the day"] {
        alice.say(&bob, text);
        bob.hears(&alice);
        bob.acknowledges(&alice, false);
        alice.hears(&bob);
    }
    // Bob's receipts for what the copy lacks come again, and are for nothing that is there.
    alice = Person::on(copy, 1).expect("opens");
    let (news, refused) = alice.hears(&bob);
    assert_eq!((news.len(), refused), (2, vec![]));
    alice.store.begin_logs().expect("ends the copied ones");
    bob.say(&alice, "are you back?");
    assert_eq!(alice.hears(&bob).0, [News::Message]);
    for (reads, expected) in [(false, Delivered), (true, Read)] {
        assert_eq!(alice.acknowledges(&bob, reads).0, 1);
        bob.hears(&alice);
        let of_bob = bob
            .said(&alice)
            .into_iter()
            .find(|it| it.0.starts_with("are"));
        assert_eq!(of_bob.map(|it| it.1), Some(expected));
    }
    assert!(alice.store.chats_owed().expect("reads").is_empty());
}

#[test]
fn what_is_refused_for_good_keeps_no_later_message_from_being_acknowledged() {
    let [mut alice, mut bob] = friends();
    alice.say(&bob, "one");
    // What another program writes as a message that none may be.
    for body in [
        json!({"type": "chat/1", "text": ""}),
        json!({"type": "chat/1"}),
    ] {
        let written = alice.store.publish(body, &only(&[&bob]), NOW_MS);
        written.expect("publishes");
    }
    alice.say(&bob, "two");
    let (news, refused) = bob.hears(&alice);
    assert_eq!((news.len(), refused.len()), (2, 2));
    for (reads, newly_read, expected) in [(false, 0, Delivered), (true, 2, Read)] {
        assert_eq!(bob.acknowledges(&alice, reads), (1, newly_read));
        assert_eq!(bob.acknowledges(&alice, reads), (0, 0));
        alice.hears(&bob);
        // Of what was refused nothing is claimed.
        assert_eq!(
            alice.said(&bob),
            said(&[("one", expected), ("two", expected)])
        );
    }
    assert!(bob.store.chats_owed().expect("reads").is_empty());
    let log = alice.log_of(alice.conversation(&bob)[0].op);
    let txn = alice.store.read().expect("reads");
    let chats = crate::store::chat_index::Chats::open(&txn).expect("reads");
    let side = crate::store::receipts::Side::Ours;
    let told = chats.expect("there").told(bob.me(), side, &log.0);
    let read = told.expect("reads").read;
    let covered: Vec<_> = (0..5).map(|place| read.cover(place)).collect();
    assert_eq!(covered, [true, false, false, true, false]);
    drop(txn);
    for person in [&mut alice, &mut bob] {
        let before = person.store.state_hash().expect("hashes");
        assert_eq!(person.store.reindex().expect("reindexes").after, before);
    }
    // It goes on behind the hole.
    alice.say(&bob, "three");
    bob.hears(&alice);
    assert_eq!(bob.acknowledges(&alice, true), (1, 1));
    alice.hears(&bob);
    assert_eq!(alice.said(&bob)[2], ("three".to_owned(), Read));
}

#[test]
fn what_cannot_be_opened_and_is_given_up_keeps_no_later_message_from_being_acknowledged() {
    let [mut alice, mut bob] = friends();
    let lost = alice.say(&bob, "sealed to a key that is gone");
    alice.say(&bob, "two");
    for asked in 0..=16 {
        let request = bob
            .store
            .pull_request(alice.me(), SyncStrategy::Cursor, 0, 100)
            .expect("reads");
        let mut page = alice.store.answer(bob.me(), &request).expect("answers");
        for item in &mut page.items {
            if item.id() == lost.op {
                item.wrap = None;
            }
        }
        let kept = bob.store.ingest(alice.me(), &request, &page, NOW_MS);
        assert_eq!(kept.expect("ingests").given_up, u64::from(asked == 16));
        let receipts = usize::from(asked == 16);
        assert_eq!(bob.acknowledges(&alice, false).0, receipts, "{asked}");
    }
    alice.hears(&bob);
    assert_eq!(alice.said(&bob)[1], ("two".to_owned(), Delivered));
    assert_eq!(alice.said(&bob)[0].1, Sent);
    // It came right after all.
    bob.store.ask_again(alice.me()).expect("writes");
    bob.hears(&alice);
    assert_eq!(bob.acknowledges(&alice, false).0, 1);
    alice.hears(&bob);
    assert_eq!(alice.said(&bob)[0].1, Delivered);
}

#[test]
fn many_receipts_before_a_message_keep_it_not_from_being_acknowledged() {
    let [mut alice, mut bob] = friends();
    // Whoever listens alone has nothing but receipts in its log.
    let said_once = alice.say(&bob, "listen");
    let log = alice.log_of(said_once.op);
    bob.hears(&alice);
    for _ in 0..40 {
        let up_to = Some(UpTo {
            seq: 0,
            op: said_once.op,
        });
        let reach = Reach {
            log,
            from: 0,
            delivered: up_to,
            read: None,
        };
        bob.claims(&alice, reach);
    }
    bob.say(&alice, "at last");
    alice.hears(&bob);
    assert_eq!(alice.acknowledges(&bob, false).0, 1);
    bob.hears(&alice);
    assert_eq!(bob.said(&alice)[1], ("at last".to_owned(), Delivered));
}

#[test]
fn one_receipt_speaks_of_several_logs_and_of_all_sooner_or_later() {
    let [mut alice, mut bob] = friends();
    let logs = crate::store::receipts::LOGS_MAX.min(70);
    for log in 0..logs {
        alice.say(&bob, &format!("{log:04}"));
        alice.store.begin_logs().expect("ends them");
    }
    bob.hears(&alice);
    assert_eq!(bob.acknowledges(&alice, false).0, 1);
    assert_eq!(bob.store.chats_owed().expect("reads").len(), 1);
    assert_eq!(bob.acknowledges(&alice, false).0, 1);
    assert_eq!(bob.acknowledges(&alice, false).0, 0);
    assert_eq!(bob.acknowledges(&alice, true), (1, 64));
    assert_eq!(bob.acknowledges(&alice, true), (1, logs as u64 - 64));
    let (news, refused) = alice.hears(&bob);
    let delivered = |news: &News| match news {
        News::Receipt { delivered, .. } => delivered.len(),
        _ => 0,
    };
    let delivered: Vec<_> = news.iter().map(delivered).collect();
    assert_eq!((delivered, refused), (vec![64, logs - 64, 0, 0], vec![]));
    assert!(alice.said(&bob).iter().all(|(_, state)| *state == Read));
}

#[test]
fn what_a_receipt_says_holds_though_it_expires() {
    let [mut alice, mut bob] = friends();
    let sent = alice.say(&bob, "one");
    bob.hears(&alice);
    let receipt = bob.store.acknowledge(alice.me(), true, NOW_MS);
    let receipt = receipt.expect("acknowledges").receipt.expect("was due");
    let log = alice.log_of(sent.op);
    let reach = Reach {
        log,
        from: 0,
        delivered: None,
        read: Some(UpTo {
            seq: 0,
            op: sent.op,
        }),
    };
    let said = Said::Receipt(Receipt {
        reaches: vec![reach],
    });
    let item = super::hidden::until(&mut bob, &alice, receipt, &said, NOW_MS + 5);
    assert_eq!(super::hidden::takes(&mut alice, &bob, vec![item]), 1);
    let read = [("one".to_owned(), Read)];
    assert_eq!(alice.said(&bob), read);
    alice.store.forget_expired(NOW_MS + 6).expect("writes");
    let before = alice.store.state_hash().expect("hashes");
    assert_eq!(alice.store.reindex().expect("reindexes").after, before);
    assert_eq!(alice.said(&bob), read);
}

#[test]
fn what_receipts_take_counts_for_whom_they_are_made() {
    let [mut alice, mut bob] = friends();
    // Room for a few messages and three receipts.
    alice.store.set_author_bytes_max(3 * 16 * 1024 + 8_000);
    let mut made = 0;
    for at in 0..6 {
        bob.say(&alice, &format!("{at}"));
        alice.hears(&bob);
        let done = alice.store.acknowledge(bob.me(), false, NOW_MS);
        let done = done.expect("acknowledges");
        assert_eq!(done.is_spent, done.receipt.is_none());
        made += u32::from(done.receipt.is_some());
    }
    assert_eq!(made, 4, "the last goes beyond it");
    // What comes is stored all the same, and what is read is said.
    assert_eq!(alice.conversation(&bob).len(), 6);
    assert_eq!(alice.acknowledges(&bob, true), (1, 6));
    bob.hears(&alice);
    assert!(bob.said(&alice).iter().all(|(_, state)| *state == Read));
    let before = alice.store.state_hash().expect("hashes");
    assert_eq!(alice.store.reindex().expect("reindexes").after, before);
}

#[test]
fn messages_of_a_friend_are_taken_in_in_so_many_logs() {
    let [mut alice, mut bob] = friends();
    let logs = crate::store::receipts::LOGS_MAX;
    let mut items = Vec::new();
    let said = |at: usize| {
        Said::Message(crate::chat::Message {
            text: format!("{at}"),
            reply_to: None,
        })
    };
    for at in 0..=logs {
        let sent = bob.say(&alice, "x");
        items.push(super::hidden::until(
            &mut bob,
            &alice,
            sent.op,
            &said(at),
            u64::MAX,
        ));
    }
    let taken: Vec<_> = items
        .chunks(205)
        .map(|page| super::hidden::takes(&mut alice, &bob, page.to_vec()))
        .collect();
    assert_eq!(taken, [205, 205, 205, 205, 204]);
    assert_eq!(alice.conversation(&bob).len(), 1_000);
    let mut receipts = 0;
    while alice.acknowledges(&bob, false).0 > 0 {
        receipts += 1;
    }
    assert_eq!(receipts, logs / 64);
    assert!(alice.store.chats_owed().expect("reads").is_empty());
}
