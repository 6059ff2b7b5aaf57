//! Stores that version 1 left: certificates without the device's consent, headers that name no
//! author, cards that no peer signed. They are read; only what comes from a peer is not.

use super::*;
use crate::codec::{DecodeError, Writer};
use crate::op::{Encryption, Header, Hlc, LogId, OpRefusal, SignedHeader};
use crate::store::tables::{CARDS, FOLLOWS};

const LOG: LogId = LogId([9; 16]);

/// What version 1 signed of a certificate, and the certificate.
fn certificate(keys: &Keys) -> Vec<u8> {
    let now = keys.delegation();
    let mut claim = Writer::default();
    claim.array(4).u64(1).bytes(&now.identity.0);
    claim.bytes(&now.device).bytes(&now.encryption.0);
    let claim = claim.finish();
    let signature = keys.sign_as_identity("orrery/delegation/1", &claim);
    let mut old = Writer::default();
    old.array(5)
        .u64(1)
        .bytes(&now.identity.0)
        .bytes(&now.device);
    old.bytes(&now.encryption.0);
    old.bytes(&signature.expect("a key in memory signs"));
    old.finish()
}

/// A card as version 1 signed it, without addresses.
fn card(keys: &Keys) -> Vec<u8> {
    let mut claim = Writer::default();
    claim.array(4).u64(1).bytes(&keys.peer().to_bytes());
    claim.bytes(&certificate(keys)).array(0);
    let claim = claim.finish();
    let signature = keys.sign_as_identity("orrery/card/1", &claim);
    let mut card = Writer::default();
    card.array(2).bytes(&claim);
    card.bytes(&signature.expect("a key in memory signs"));
    card.finish()
}

/// Leaves a public post on `disk`, as version 1 wrote it.
fn leave_post(disk: &MemoryDisk, keys: &Keys) {
    let text = note("from before").to_string().into_bytes();
    let header = Header {
        names_author: false,
        log: LOG,
        device: keys.delegation().device,
        seq: 0,
        prev: None,
        hlc: Hlc::first(1_000),
        body_hash: blake3::hash(&text).into(),
        body_len: text.len() as u32,
        encryption: Encryption::None,
        expires_ms: None,
        deps: Vec::new(),
        flags: 0,
    };
    let mut op = Writer::default();
    op.array(5).u64(1);
    SignedHeader::sign(&header, keys)
        .expect("a key in memory signs")
        .write(&mut op);
    op.bytes(&certificate(keys)).u64(0).array(0);
    let folder = format!("identities/{}/logs/{LOG}", keys.identity());
    disk.disk().create_dir_all(&folder).expect("makes it");
    for (name, bytes) in [("00000000.json", text), ("00000000.op", op.finish())] {
        let file = disk.disk().open(&format!("{folder}/{name}"), true);
        file.expect("opens").write_at(0, &bytes).expect("writes");
    }
}

#[test]
fn old_posts_are_served_under_todays_certificate() {
    let (disk, keys) = (MemoryDisk::default(), Keys::generate(Some([1; 32])));
    leave_post(&disk, &keys);
    let (mut author, mut reader) = (Person::on(disk, 1).expect("opens"), Person::new(2));
    author.befriend(&mut reader);
    author.post("from now", &Audience::Public, 2_000);
    assert_eq!(reader.pull(&author, Engine::Cursor).len(), 2);
    assert_eq!(reader.texts(), ["from now", "from before"]);
    assert_eq!(author.store.reindex().expect("reindexes").ops, 2);
}

#[test]
fn friends_of_old_cards_stay_friends() {
    let (mut author, mut friend) = (Person::new(1), Person::new(2));
    let keys = friend.store.keys().clone();
    author
        .store
        .write(|txn, _| {
            let name = keys.identity().0;
            txn.open_table(CARDS)?
                .insert(&name, card(&keys).as_slice())?;
            txn.open_table(FOLLOWS)?.insert(&name, ())?;
            Ok(())
        })
        .expect("writes");
    friend.store.follow(&author.card()).expect("follows");
    author.post("to friends", &Audience::Friends, 1_000);
    assert_eq!(author.store.following().expect("reads").len(), 1);
    friend.pull(&author, Engine::Cursor);
    assert_eq!(friend.texts(), ["to friends"]);
}

#[test]
fn old_cards_and_certificates_of_peers_are_refused_by_version() {
    let keys = Keys::generate(Some([1; 32]));
    let is_old = |refused: DecodeError| matches!(refused, DecodeError::Version { found: 1, .. });
    assert!(Card::decode(&card(&keys)).is_err_and(is_old));
    let refused = super::super::record::certificate(&certificate(&keys), keys.identity());
    let Err(OpRefusal::Format(error)) = refused else {
        panic!("{refused:?}");
    };
    assert!(is_old(error));
}
