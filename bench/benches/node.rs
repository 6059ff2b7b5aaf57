//! The node's own work: signing, verifying and storing an op.

mod brief;

use std::hint::black_box;
use std::sync::Arc;

use brief::brief;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use orrery_bench::memory_disk::MemoryDisk;
use orrery_node::audience::Audience;
use orrery_node::environment::Disk;
use orrery_node::keys::Keys;
use orrery_node::op::{Encryption, Header, Hlc, LogId, OpId, SignedHeader};
use orrery_node::store::Store;

/// 2026-01-01 in milliseconds since 1970.
const WALL_MS: u64 = 1_767_225_600_000;

fn keys(person: u8) -> Keys {
    Keys::generate(Some([person; 32]))
}

fn header(keys: &Keys) -> Header {
    Header {
        names_author: true,
        log: LogId([1; 16]),
        device: keys.delegation().device,
        seq: 1,
        prev: Some(OpId([3; 32])),
        hlc: Hlc::first(WALL_MS),
        body_hash: [5; 32],
        body_len: 200,
        encryption: Encryption::ContentKey,
        expires_ms: None,
        deps: Vec::new(),
        flags: 0,
    }
}

fn sign(keys: &Keys, header: &Header) -> SignedHeader {
    SignedHeader::sign(header, keys).expect("a key in memory signs")
}

fn op(criterion: &mut Criterion) {
    let keys = keys(1);
    let header = header(&keys);
    let mut group = criterion.benchmark_group("op");
    group.bench_function("sign", |bencher| {
        bencher.iter(|| sign(&keys, black_box(&header)));
    });
    let signed = sign(&keys, &header);
    group.bench_function("verify", |bencher| {
        bencher.iter(|| {
            black_box(&signed)
                .verify(keys.delegation())
                .expect("our own signature verifies")
        });
    });
    group.finish();
}

/// A store whose owner follows `friends` people.
fn store(friends: u8) -> Store {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::default());
    let mut store = Store::open(&disk, keys(0)).expect("an empty disk takes a store");
    for friend in 1..=friends {
        let card = keys(friend).card(&[]).expect("a key in memory signs");
        store.follow(&card).expect("a card that was just signed");
    }
    store
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    group.sample_size(20);
    let text = "a".repeat(200);
    for (name, friends, audience) in [
        ("public", 0, Audience::Public),
        ("8-friends", 8, Audience::Friends),
    ] {
        let body = serde_json::json!({"type": "note/1", "text": text});
        group.bench_function(name, |bencher| {
            let mut store = store(friends);
            let mut wall_ms = WALL_MS;
            bencher.iter_batched(
                || body.clone(),
                |body| {
                    wall_ms += 1;
                    store.post(body, &audience, wall_ms).expect("posts")
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = brief();
    targets = op, append
}
criterion_main!(benches);
