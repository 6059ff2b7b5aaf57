//! A power cut, or a failing call, at every call to the disk.

use super::*;
use crate::store::Granted;

/// What reached the platter of what was pending: none, all, and mixtures.
pub(super) const LUCK: [u64; 6] = [
    0,
    u64::MAX,
    0x5555_5555,
    0x3333_3333,
    0x0f0f_0f0f,
    0x9249_2492,
];

/// Answers bit by bit.
pub(super) fn luck(mut bits: u64) -> impl FnMut() -> bool {
    move || {
        bits = bits.rotate_right(1);
        bits >> 63 == 1
    }
}

/// What the store said was done.
#[derive(Default)]
struct Acknowledged {
    posts: Vec<OpId>,
    grant: Option<OpId>,
}

impl Acknowledged {
    fn all(&self) -> bool {
        self.posts.len() == 3 && self.grant.is_some()
    }
}

/// Posts and grants until the power goes.
fn work_until_power_cut(person: &mut Person, reader: &Person, late: &Person) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    for at in 0..3 {
        let to = match at {
            1 => only(&[reader]),
            _ => Audience::Public,
        };
        match person.store.post(note(&format!("post {at}")), &to, 1_000) {
            Ok(posted) => acknowledged.posts.push(posted.op),
            Err(error) => assert!(error.is_storage(), "{error}"),
        }
        if at == 1
            && let Some(op) = acknowledged.posts.get(1)
        {
            let granted = person.store.grant(*op, late.store.keys().identity());
            acknowledged.grant = granted.is_ok().then_some(*op);
        }
    }
    acknowledged
}

/// A cut after `calls` calls, and luck: how much of what was acknowledged is
/// lost afterwards, and whether everything was acknowledged.
fn lost_after(calls: u64, bits: u64, lying_disk: bool) -> (usize, bool) {
    let (reader, late) = (Person::new(2), Person::new(3));
    let mut person = Person::new(1);
    person.store.follow(&reader.card()).expect("follows");
    person.store.follow(&late.card()).expect("follows");
    if lying_disk {
        person.disk.skip_sync();
    }
    person.disk.cut_power_after(calls);
    let acknowledged = work_until_power_cut(&mut person, &reader, &late);
    let disk = person.disk.after_power_cut(luck(bits));
    let Ok(mut person) = Person::on(disk, 1) else {
        assert!(lying_disk, "the store opens after a cut at call {calls}");
        return (acknowledged.posts.len(), acknowledged.all());
    };
    let is_lost = |op: &&OpId| !person.store.holds(**op).expect("reads");
    let mut lost = acknowledged.posts.iter().filter(is_lost).count();
    if let Some(op) = acknowledged.grant {
        let again = person.store.grant(op, late.store.keys().identity());
        lost += usize::from(!matches!(again, Ok(Granted::Already)));
    }
    if !lying_disk {
        check_it_goes_on(&mut person);
    }
    (lost, acknowledged.all())
}

/// Files and index agree, and the logs go on where they were, without a fork.
fn check_it_goes_on(person: &mut Person) {
    let before = person.store.state_hash().expect("hashes");
    assert_eq!(person.store.reindex().expect("reindexes").after, before);
    person.post("after the cut", &Audience::Public, 2_000);
    let mut fresh = Person::new(4);
    fresh.store.follow(&person.card()).expect("follows");
    let pages = fresh.pull_pages(person, SyncStrategy::Cursor, 100);
    assert_eq!(pages[0].refused, []);
    assert_eq!(pages[0].missing, 0);
}

#[test]
fn no_acknowledged_post_is_lost_by_a_power_cut_at_any_call() {
    for calls in 0.. {
        let mut finished = false;
        for bits in LUCK {
            let (lost, all) = lost_after(calls, bits, false);
            assert_eq!(lost, 0, "cut after {calls} calls, luck {bits:x}");
            finished = all;
        }
        if finished {
            assert!(calls > 30, "every post costs many calls");
            return;
        }
    }
}

#[test]
fn acknowledging_before_the_sync_is_caught() {
    let lost: usize = (0..400)
        .step_by(7)
        .map(|calls| lost_after(calls, 0, true).0)
        .sum();
    assert!(lost > 0, "a disk that skips its syncs must lose posts");
}

#[test]
fn a_failed_call_is_reported_and_the_next_post_goes_on() {
    for calls in 0.. {
        let mut person = Person::new(1);
        person.post("before", &Audience::Public, 1_000);
        let already = person.disk.calls();
        person.disk.fail_after(calls);
        let failed = person.store.post(note("unlucky"), &Audience::Public, 2_000);
        if failed.is_ok() {
            assert!(person.disk.calls() - already <= calls);
            return;
        }
        // redb takes no writes after an error of its own file until it is opened again.
        if person
            .store
            .post(note("after"), &Audience::Public, 3_000)
            .is_err()
        {
            let disk = person.disk.clone();
            drop(person);
            person = Person::on(disk, 1).expect("opens");
            person.post("after", &Audience::Public, 3_000);
        }
        let mut texts = person.texts();
        texts.retain(|text| text != "unlucky");
        assert_eq!(texts, ["after", "before"], "call {calls}");
        let before = person.store.state_hash().expect("hashes");
        assert_eq!(person.store.reindex().expect("reindexes").after, before);
    }
}

#[test]
fn a_store_half_made_is_made_anew() {
    for calls in 0.. {
        let disk = MemoryDisk::default();
        disk.cut_power_after(calls);
        let opened = Person::on(disk.clone(), 1).is_ok();
        for bits in LUCK {
            let mut person = Person::on(disk.after_power_cut(luck(bits)), 1).expect("opens");
            person.post("first", &Audience::Public, 1_000);
        }
        if opened {
            return;
        }
    }
}
