//! Keys that change: rotations, ends of certificates, and revocations.

use super::*;
use crate::keys::{FORMER_MAX, KeysError, Rotation};
use crate::op::{Encryption, Header, Hlc, LogId, OpRefusal, SignedHeader};
use crate::pull::{End, Item, Lapsed};
use crate::revocation::{REVOCATIONS_MAX, Revocation};

fn rotated(person: &Person, rotation: Rotation) -> Keys {
    let keys = person.store.keys();
    keys.rotated(rotation, None).expect("there is room")
}

/// A public op of the device of `keys`, in a log of its own, whose logical clock shows `at_ms`.
fn item(keys: &Keys, log: u8, at_ms: u64) -> Item {
    let body = note("by hand").to_string().into_bytes();
    let header = Header {
        names_author: true,
        log: LogId([log; 16]),
        device: keys.delegation().device,
        seq: 0,
        prev: None,
        hlc: Hlc::first(at_ms),
        body_hash: blake3::hash(&body).into(),
        body_len: body.len() as u32,
        encryption: Encryption::None,
        expires_ms: None,
        deps: Vec::new(),
        flags: 0,
    };
    Item {
        header: SignedHeader::sign(&header, keys).expect("a key in memory signs"),
        delegation: keys.delegation().encode(),
        body,
        wrap: None,
    }
}

/// Has `reader` take a last page by the author with `keys`.
fn ingest(reader: &mut Person, keys: &Keys, items: Vec<Item>, lapsed: Lapsed) -> Ingested {
    let from = keys.identity();
    let request = reader.store.pull_request(from, SyncStrategy::Cursor, 0, 10);
    let request = request.expect("reads");
    let page = PullPage {
        items,
        next: request.state,
        end: Some(End {
            complete: true,
            delegation: keys.delegation().encode(),
            heads: Vec::new(),
        }),
        lapsed,
    };
    let page = PullPage::decode(&page.encode()).expect("reads");
    let result = reader.store.ingest(from, &request, &page, NOW_MS);
    result.expect("the disk works")
}

fn revoking(revocations: &[Revocation]) -> Lapsed {
    Lapsed {
        certificates: Vec::new(),
        revocations: revocations.iter().map(Revocation::encode).collect(),
    }
}

#[test]
fn posts_before_and_after_a_rotation_are_read() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    author.post("before", &only(&[&reader]), 1_000);
    let keys = rotated(&author, Rotation::BOTH);
    let mut author = author.with_keys(keys);
    author.post("after", &only(&[&reader]), 2_000);
    author.post("and again", &only(&[&reader]), 3_000);
    let results = reader.pull_pages(&author, SyncStrategy::Cursor, 100);
    assert_eq!(reader.texts(), ["and again", "after", "before"]);
    let last = results.last().expect("a page");
    assert_eq!((last.missing, last.refused.len()), (0, 0));
    let serial = last.certificate.as_ref().map(|told| told.term.serial);
    assert_eq!(serial, Some(author.store.keys().delegation().term.serial));
    // The author reads its own posts from before, also when the index is made anew.
    assert_eq!(author.texts(), ["and again", "after", "before"]);
    let done = author.store.reindex().expect("reindexes");
    assert_eq!(done.before, done.after);
}

#[test]
fn a_missing_post_of_an_earlier_device_is_noticed() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    author.post("before", &Audience::Public, 1_000);
    let keys = rotated(&author, Rotation::BOTH);
    let author = author.with_keys(keys);
    let me = reader.store.keys().identity();
    let from = author.store.keys().identity();
    let request = reader.store.pull_request(from, SyncStrategy::Cursor, 0, 10);
    let request = request.expect("reads");
    let mut page = author.store.answer(me, &request).expect("answers");
    page.items.clear();
    let result = reader.store.ingest(from, &request, &page, NOW_MS);
    assert_eq!(result.expect("ingests").missing, 1);
}

#[test]
fn what_is_posted_after_a_rotation_is_sealed_to_the_new_key() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    let old = reader.store.keys().clone();
    author.post("sealed to the old key", &only(&[&reader]), 1_000);
    let keys = rotated(&reader, Rotation::BOTH);
    let mut reader = reader.with_keys(keys.clone());
    // It hears of the new key as it pulls from the reader, and not again.
    let told = author.pull_pages(&reader, SyncStrategy::Cursor, 100);
    assert!(told.iter().any(|page| page.certificate.is_some()));
    let told = author.pull_pages(&reader, SyncStrategy::Cursor, 100);
    assert!(told.iter().all(|page| page.certificate.is_none()));
    author.post("sealed to the new key", &only(&[&reader]), 2_000);
    reader.pull(&author, SyncStrategy::Cursor);
    assert_eq!(
        reader.texts(),
        ["sealed to the new key", "sealed to the old key"]
    );
    // Who holds the old key alone reads only what was sealed to it.
    let mut thief = Person::new(3).with_keys(old);
    thief.store.follow(&author.card()).expect("follows");
    let pages = thief.pull_pages(&author, SyncStrategy::Cursor, 100);
    let refused: Vec<_> = pages.iter().flat_map(|page| &page.refused).collect();
    assert_eq!(refused, [&(1, OpRefusal::Unreadable)]);
    assert_eq!(thief.texts(), ["sealed to the old key"]);
}

#[test]
fn an_older_card_is_refused_with_what_to_do() {
    let (author, mut reader) = (Person::new(1), Person::new(2));
    let card = |keys: &Keys, at_ms| keys.card_at(&[], at_ms).expect("signs");
    let keys = author.store.keys();
    let newer = rotated(&author, Rotation::BOTH);
    reader
        .store
        .follow_newer(&card(keys, 5), NOW_MS)
        .expect("follows");
    reader
        .store
        .follow_newer(&card(&newer, 4), NOW_MS)
        .expect("follows");
    for old in [card(keys, 6), card(&newer, 3)] {
        let refused = reader.store.follow_newer(&old, NOW_MS);
        let refused = refused.expect_err("is older");
        assert!(matches!(refused, StoreError::OldCard(_)), "{refused}");
        assert!(
            refused.to_string().contains("orrery-node card"),
            "{refused}"
        );
    }
    let kept = reader.store.card_of(keys.identity()).expect("reads");
    assert_eq!(kept, Some(card(&newer, 4)));
    // A certificate that was only heard of counts as well.
    let newest = newer.rotated(Rotation::BOTH, None).expect("there is room");
    ingest(&mut reader, &newest, Vec::new(), Lapsed::default());
    let refused = reader.store.follow_newer(&card(&newer, 9), NOW_MS);
    assert!(matches!(refused, Err(StoreError::OldCard(_))));
    reader
        .store
        .follow_newer(&card(&newest, 1), NOW_MS)
        .expect("follows");
}

#[test]
fn a_revoked_device_is_refused_from_then_on() {
    let (author, mut reader) = (Person::new(1), Person::new(2));
    reader.store.follow(&author.card()).expect("follows");
    let stolen = author.store.keys().clone();
    ingest(
        &mut reader,
        &stolen,
        vec![item(&stolen, 1, 900)],
        Lapsed::default(),
    );
    let keys = rotated(&author, Rotation::BOTH);
    let keys = keys
        .revoked(stolen.delegation().device, 1_000)
        .expect("revokes");
    // By the very page that tells of it, and by every one after it.
    let told = revoking(keys.revocations());
    for (log, told) in [(2, told), (4, Lapsed::default())] {
        let items = vec![item(&stolen, log, 1_001), item(&stolen, log + 1, 1_000)];
        let result = ingest(&mut reader, &keys, items, told);
        assert_eq!(result.refused, [(0, OpRefusal::Revoked)]);
        assert_eq!(result.new.len(), 1);
    }
    assert_eq!(OpRefusal::Revoked.reason(), "op-revoked");
    // What came before it stays.
    assert_eq!(reader.texts().len(), 3);
    // A later revocation counts, an earlier one does not, and nobody else's does.
    let none = Person::new(9).store.keys().clone();
    let others = Revocation::issue(
        &crate::identity::SeedSigner::new([9; 32]),
        none.delegation().device,
        9,
        0,
    );
    let later = keys
        .revoked(stolen.delegation().device, 2_000)
        .expect("revokes");
    let mut told = revoking(later.revocations());
    told.revocations
        .extend(revoking(keys.revocations()).revocations);
    told.revocations.push(others.expect("signs").encode());
    told.revocations.push(vec![0xff]);
    let result = ingest(&mut reader, &later, vec![item(&stolen, 6, 1_001)], told);
    assert_eq!((result.new.len(), result.refused.len()), (1, 0));
}

#[test]
fn an_author_has_a_bounded_number_of_revocations() {
    let (author, mut reader) = (Person::new(1), Person::new(2));
    reader.store.follow(&author.card()).expect("follows");
    let keys = author.store.keys();
    let mut left_out = 0;
    for device in 0..=REVOCATIONS_MAX as u8 {
        let signer = DeviceOf(keys.clone());
        let revocation = Revocation::issue(&signer, [device; 32], 2, 0).expect("signs");
        let result = ingest(&mut reader, keys, Vec::new(), revoking(&[revocation]));
        left_out += result.revocations_left_out;
    }
    assert_eq!(left_out, 1);
}

/// Signs as the identity of keys.
struct DeviceOf(Keys);

impl crate::identity::Signer for DeviceOf {
    fn public(&self) -> [u8; 32] {
        self.0.identity().0
    }

    fn sign(
        &self,
        context: &str,
        bytes: &[u8],
    ) -> Result<crate::identity::Signature, crate::identity::SignError> {
        self.0.sign_as_identity(context, bytes)
    }
}

#[test]
fn a_certificate_ends() {
    let (author, mut reader) = (Person::new(1), Person::new(2));
    reader.store.follow(&author.card()).expect("follows");
    let renewal = Rotation {
        device: false,
        encryption: false,
    };
    let keys = author.store.keys().rotated(renewal, Some(5_000));
    let keys = keys.expect("there is room");
    let mut author = author.with_keys(keys.clone());
    author.post("in time", &Audience::Public, 5_000);
    let late = author.store.post(note("late"), &Audience::Public, 5_001);
    assert!(matches!(late, Err(StoreError::CertificateEnded)));
    let late = item(&keys, 8, 5_001);
    let result = ingest(&mut reader, &keys, vec![late], Lapsed::default());
    assert_eq!(result.refused, [(0, OpRefusal::Ended)]);
    reader.pull(&author, SyncStrategy::Cursor);
    assert_eq!(reader.texts(), ["in time"]);
    // A renewed one goes on where it was.
    let renewed = keys.rotated(renewal, None).expect("there is room");
    let mut author = author.with_keys(renewed);
    let posted = author.post("renewed", &Audience::Public, 6_000);
    assert_eq!(posted.seq, 1);
    reader.pull(&author, SyncStrategy::Cursor);
    assert_eq!(reader.texts(), ["renewed", "in time"]);
}

#[test]
fn rotated_keys_read_back_and_have_a_bound() {
    let disk = MemoryDisk::default();
    let mut keys = Keys::generate(Some([1; 32]));
    let first = keys.delegation().device;
    for _ in 0..FORMER_MAX {
        keys = keys
            .rotated(Rotation::BOTH, Some(7))
            .expect("there is room");
        keys = keys
            .revoked(keys.former().last().expect("one").device, 9)
            .expect("revokes");
    }
    keys.save(&disk.disk()).expect("saves");
    let loaded = Keys::load(&disk.disk()).expect("reads").expect("is there");
    assert_eq!(loaded.delegation(), keys.delegation());
    assert_eq!(loaded.former(), keys.former());
    assert_eq!(loaded.revocations(), keys.revocations());
    assert_eq!(loaded.certificate_of(&first), keys.former().first());
    assert!(matches!(
        loaded.rotated(Rotation::BOTH, None),
        Err(KeysError::Spent)
    ));
    let in_use = loaded.delegation().device;
    assert!(matches!(
        loaded.revoked(in_use, 0),
        Err(KeysError::InUse(_))
    ));
    assert!(matches!(
        loaded.revoked([0; 32], 0),
        Err(KeysError::UnknownDevice(_))
    ));
}

/// Signs a certificate over an encryption key to which nothing can be sealed.
fn useless(keys: &Keys) -> crate::delegation::Delegation {
    let (identity, device) = (DeviceOf(keys.clone()), SignsAsDevice(keys.clone()));
    let term = crate::delegation::Term {
        serial: 7,
        until_ms: None,
    };
    let nothing = crate::seal::EncryptionKey([0; 32]);
    crate::delegation::Delegation::issue(&identity, &device, nothing, term).expect("signs")
}

/// Signs as the device of keys.
struct SignsAsDevice(Keys);

impl crate::identity::Signer for SignsAsDevice {
    fn public(&self) -> [u8; 32] {
        self.0.delegation().device
    }

    fn sign(
        &self,
        context: &str,
        bytes: &[u8],
    ) -> Result<crate::identity::Signature, crate::identity::SignError> {
        self.0.sign_as_device(context, bytes)
    }
}

#[test]
fn no_friends_certificate_stops_posts_to_friends() {
    let (mut owner, mut friend, mut mallory) = (Person::new(1), Person::new(2), Person::new(3));
    owner.befriend(&mut friend);
    owner.befriend(&mut mallory);
    let keys = mallory.store.keys().clone();
    // It is not taken from a page.
    let from = keys.identity();
    let request = owner.store.pull_request(from, SyncStrategy::Cursor, 0, 10);
    let request = request.expect("reads");
    let page = PullPage {
        items: Vec::new(),
        next: request.state,
        end: Some(End {
            complete: true,
            delegation: useless(&keys).encode(),
            heads: Vec::new(),
        }),
        lapsed: Lapsed::default(),
    };
    let told = owner.store.ingest(from, &request, &page, NOW_MS);
    assert_eq!(told.expect("ingests").certificate, None);
    let posted = owner.post("to both", &Audience::Friends, 1_000);
    assert_eq!((posted.readers.len(), posted.left_out.len()), (2, 0));
    // A version before took it: its owner is left out, and nobody else.
    let keep = |txn: &redb::WriteTransaction, _: &Keys| {
        let mut certificates = txn.open_table(crate::store::tables::CERTIFICATES)?;
        certificates.insert(&from.0, useless(&keys).encode().as_slice())?;
        Ok(())
    };
    owner.store.write(keep).expect("writes");
    let posted = owner.post("to one", &Audience::Friends, 2_000);
    assert_eq!(posted.readers, [friend.store.keys().identity()]);
    assert_eq!(posted.left_out, [from]);
    friend.pull(&owner, SyncStrategy::Cursor);
    assert_eq!(friend.texts(), ["to one", "to both"]);
    let again = owner.post("to one again", &Audience::Friends, 3_000);
    assert_eq!(again.seq, posted.seq + 1, "it goes on in the same log");
    let named = owner.store.post(note("named"), &only(&[&mallory]), 4_000);
    assert!(matches!(named, Err(StoreError::UnusableReader { .. })));
}

#[test]
fn keys_from_before_a_rotation_write_in_no_log_of_the_device_after_it() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    let old = author.store.keys().clone();
    let mut author = author.with_keys(old.rotated(Rotation::BOTH, None).expect("there is room"));
    author.post("0", &Audience::Public, 1_000);
    author.post("1", &Audience::Public, 1_001);
    // The key file alone is put back.
    let mut author = author.with_keys(old);
    let posted = author.post("after", &Audience::Public, 1_002);
    assert_eq!(posted.seq, 0, "a log is one device's");
    let pages = reader.pull_pages(&author, SyncStrategy::Cursor, 100);
    assert!(pages.iter().all(|page| page.missing == 0));
}

#[test]
fn what_is_told_of_former_devices_is_no_item_and_counts_where_one_is_too_large() {
    let mut author = Person::new(1);
    for number in 0..FORMER_MAX as u64 {
        let device = author.store.keys().delegation().device;
        let keys = rotated(&author, Rotation::BOTH).revoked(device, number);
        author = author.with_keys(keys.expect("revokes"));
    }
    author.post("one", &Audience::Public, 1_000);
    author.post("two", &Audience::Public, 1_001);
    let me = Person::new(2).store.keys().identity();
    let own = author.store.keys().identity();
    let request = Person::new(2)
        .store
        .pull_request(own, SyncStrategy::Cursor, 0, 10);
    let request = request.expect("reads");
    let answer = |items_bytes, whole_bytes| {
        let bounds = crate::pull::PageBounds {
            items_bytes,
            whole_bytes,
        };
        let answer = author.store.answer_within(me, &request, bounds, 0);
        answer.expect("answers")
    };
    let lapsed = answer(usize::MAX, usize::MAX).page.lapsed.weight_bytes();
    assert!(lapsed > 4 * 1024, "{lapsed}");
    // An eighth of a circuit of 32 KiB.
    let small = answer(4 * 1024, usize::MAX);
    assert_eq!(small.page.items.len(), 1, "one item is always sent");
    let item = small.page.items[0].weight_bytes();
    assert_eq!(answer(usize::MAX, lapsed + item).page.items.len(), 1);
    let none = answer(usize::MAX, lapsed + item - 1);
    assert_eq!(none.page.items.len(), 0);
    assert_eq!(none.left_out, Some(lapsed + item));
}
