//! Stores that earlier versions left. Version 1: certificates without the device's consent, headers
//! that name no author, cards that no peer signed; they are read, and only what comes from a peer is
//! not. Version 2: certificates and cards without serials, key files of four seeds; all is read.

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
    drop(Person::on(disk.clone(), 1).expect("opens"));
    leave_post(&disk, &keys);
    let (mut author, mut reader) = (Person::on(disk, 1).expect("opens"), Person::new(2));
    author.befriend(&mut reader);
    author.post("from now", &Audience::Public, 2_000);
    assert_eq!(reader.pull(&author, SyncStrategy::Cursor).len(), 2);
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
    friend.pull(&author, SyncStrategy::Cursor);
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

/// A certificate as version 2 signed it.
fn plain_certificate(keys: &Keys) -> Vec<u8> {
    let now = keys.delegation();
    let mut claim = Writer::default();
    claim.array(4).u64(2).bytes(&now.identity.0);
    claim.bytes(&now.device).bytes(&now.encryption.0);
    let claim = claim.finish();
    let by_identity = keys.sign_as_identity("orrery/delegation/2", &claim);
    let by_device = keys.sign_as_device("orrery/delegation/2/device", &claim);
    let mut plain = Writer::default();
    plain.array(6).u64(2).bytes(&now.identity.0);
    plain.bytes(&now.device).bytes(&now.encryption.0);
    plain.bytes(&by_identity.expect("a key in memory signs"));
    plain.bytes(&by_device.expect("a key in memory signs"));
    plain.finish()
}

/// A card as version 2 signed it, without addresses.
fn plain_card(keys: &Keys) -> Vec<u8> {
    let mut claim = Writer::default();
    claim.array(4).u64(2).bytes(&keys.peer().to_bytes());
    claim.bytes(&plain_certificate(keys)).array(0);
    let claim = claim.finish();
    let by_identity = keys.sign_as_identity("orrery/card/2", &claim);
    let by_peer = [b"orrery/card/2/peer\0".as_slice(), &claim].concat();
    let by_peer = keys.transport().sign(&by_peer);
    let mut card = Writer::default();
    card.array(3).bytes(&claim);
    card.bytes(&by_identity.expect("a key in memory signs"));
    card.bytes(&by_peer.expect("a key in memory signs"));
    card.finish()
}

/// A key file of version 1, which version 2 had as well.
fn leave_keys(disk: &MemoryDisk, seeds: [[u8; 32]; 4]) {
    let mut file = Writer::default();
    file.array(5).u64(1);
    for seed in seeds {
        file.bytes(&seed);
    }
    disk.disk().create_dir_all("keys").expect("makes it");
    let place = disk.disk().open("keys/secret.cbor", true).expect("opens");
    place.write_at(0, &file.finish()).expect("writes");
}

#[test]
fn a_key_file_of_before_is_read_and_written_anew_when_keys_change() {
    let disk = MemoryDisk::default();
    leave_keys(&disk, [[1; 32], [2; 32], [3; 32], [4; 32]]);
    let keys = Keys::load(&disk.disk()).expect("reads").expect("is there");
    let device = crate::identity::SeedSigner::new([2; 32]);
    let device = crate::identity::Signer::public(&device);
    assert_eq!(keys.delegation().device, device);
    assert_eq!(keys.delegation().term.serial, 1);
    let rotated = keys.rotated(crate::keys::Rotation::BOTH, None);
    let rotated = rotated.expect("there is room");
    rotated.save(&disk.disk()).expect("saves");
    let loaded = Keys::load(&disk.disk()).expect("reads").expect("is there");
    assert_eq!(loaded.delegation(), rotated.delegation());
    assert_eq!(loaded.identity(), keys.identity());
    assert_eq!(loaded.former(), [keys.delegation().clone()]);
}

#[test]
fn posts_and_cards_of_version_2_are_read_also_from_peers() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    author.post("from before", &Audience::Friends, 1_000);
    let keys = author.store.keys().clone();
    let old = Card::decode(&plain_card(&keys)).expect("reads");
    assert_eq!((old.made_ms, old.delegation.term.serial), (0, 0));
    // The post lies in files and index under the certificate of version 2.
    let readers = reader.store.keys().identity();
    let request = reader
        .store
        .pull_request(keys.identity(), SyncStrategy::Cursor, 0, 10);
    let request = request.expect("reads");
    let mut page = author.store.answer(readers, &request).expect("answers");
    page.items[0].delegation = plain_certificate(&keys);
    page.end.as_mut().expect("the last").delegation = plain_certificate(&keys);
    let page = PullPage::decode(&page.encode()).expect("reads");
    let result = reader
        .store
        .ingest(keys.identity(), &request, &page, NOW_MS);
    assert_eq!(result.expect("ingests").new.len(), 1);
    assert_eq!(reader.texts(), ["from before"]);
}

#[test]
fn an_index_without_the_newer_tables_is_read() {
    let (mut author, mut friend) = (Person::new(1), Person::new(2));
    author.befriend(&mut friend);
    author
        .store
        .write(|txn, _| {
            txn.delete_table(crate::store::tables::CERTIFICATES)?;
            txn.delete_table(crate::store::tables::REVOCATIONS)?;
            Ok(())
        })
        .expect("writes");
    author.post("to friends", &Audience::Friends, 1_000);
    friend.post("back", &Audience::Friends, 1_000);
    author.pull(&friend, SyncStrategy::Cursor);
    friend.pull(&author, SyncStrategy::Cursor);
    assert_eq!((friend.texts().len(), author.texts().len()), (2, 2));
}
