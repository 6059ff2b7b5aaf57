//! The committed inputs of the fuzz targets: one or two valid messages of each
//! format, so that a fuzzer starts behind the first length field.
//!
//! They are computed here, from fixed keys. When a format changes on purpose, delete
//! the files that this test names: it then writes them anew, and fails once more to
//! say so.

use std::path::Path;

use orrery_node::api::{Audience, Command};
use orrery_node::discovery::friends::{Answer, Question};
use orrery_node::discovery::local;
use orrery_node::discovery::rendezvous::Request;
use orrery_node::identity::SeedSigner;
use orrery_node::keys::Keys;
use orrery_node::op::{Encryption, Header, Hlc, LogId, OpId, SignedHeader};
use orrery_node::protocol::auth::AuthMessage;
use orrery_node::protocol::feed::FeedReply;
use orrery_node::pull::{End, Item, Lapsed, PullPage, PullRequest, Scope};
use orrery_node::revocation::Revocation;
use orrery_node::sync_strategy::PullState;
use orrery_node::sync_strategy::after_ts::AfterTs;
use orrery_node::sync_strategy::cursor::Cursor;

const BODY: &[u8] = br#"{"type":"note/1","text":"hello"}"#;

/// A rendezvous point has taken a registration for 7,200 seconds; a page without any. A record
/// would carry the time at which it was signed.
const REGISTERED: &[u8] = b"\x08\x01\x1a\x05\x08\x00\x18\xa0\x38";
const PAGE: &[u8] = b"\x08\x04\x32\x0a\x12\x06cookie\x18\x00";

fn keys() -> Keys {
    Keys::generate(Some([7; 32]))
}

fn header(seq: u64) -> Header {
    Header {
        names_author: true,
        log: LogId([1; 16]),
        device: keys().delegation().device,
        seq,
        prev: (seq > 0).then_some(OpId([3; 32])),
        hlc: Hlc::first(1_800_000_000_000),
        body_hash: body_hash(),
        body_len: BODY.len() as u32,
        encryption: Encryption::None,
        expires_ms: Some(1_900_000_000_000),
        deps: vec![OpId([8; 32])],
        flags: 0,
    }
}

/// The hash that a header of [`BODY`] states. The readers under test do not
/// compare it, so a stand-in of the right length does.
fn body_hash() -> [u8; 32] {
    [5; 32]
}

fn signed(seq: u64) -> SignedHeader {
    SignedHeader::sign(&header(seq), &keys()).expect("a key in memory signs")
}

fn states() -> [(&'static str, PullState); 2] {
    let cursor = Cursor {
        epoch: Some([9; 16]),
        arrival: 41,
    };
    let after_ts = AfterTs {
        after_ms: Some(1_800_000_000_000),
        overlap_ms: 5_000,
        within: Some((1_800_000_000_001, OpId([4; 32]))),
    };
    [
        ("cursor", PullState::Cursor(cursor)),
        ("after_ts", PullState::AfterTs(after_ts)),
    ]
}

/// Target, file name and content of every committed input.
fn inputs() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let keys = keys();
    let address = "/ip4/192.0.2.1/tcp/4001".parse().expect("an address");
    let card = keys
        .card_at(&[address], 1_800_000_000_000)
        .expect("a key in memory signs");
    let certificate = keys.delegation().encode();
    let revocation = Revocation::issue(&SeedSigner::new([7; 32]), [1; 32], 2, 1_800_000_000_000);
    let revocation = revocation.expect("a key in memory signs").encode();
    let post = Command::Post {
        body: serde_json::json!({"type": "note/1", "text": "hello"}),
        to: Audience::Friends,
    };
    let proof = AuthMessage::Proof {
        delegation: Box::new(keys.delegation().clone()),
        signature: keys
            .sign_as_identity("corpus", b"")
            .expect("a key in memory signs"),
    };
    let question = Question {
        id: [1; 16],
        whom: keys.identity(),
        hops: 2,
        budget: 64,
    };
    let neighbour = local::answer(7, "name", keys.peer(), &card.addresses, 360);
    let discover = Request::Discover {
        namespace: Some("name".to_owned()),
        cookie: Some(b"cookie".to_vec()),
        limit: Some(16),
    };
    let mut inputs = vec![
        ("fuzz-auth", "nonce", AuthMessage::Nonce([6; 32]).encode()),
        ("fuzz-auth", "proof", proof.encode()),
        ("fuzz-body", "note", BODY.to_vec()),
        ("fuzz-card", "bytes", card.encode()),
        ("fuzz-card", "text", card.to_string().into_bytes()),
        (
            "fuzz-command",
            "post",
            serde_json::to_vec(&post).expect("a command is JSON"),
        ),
        ("fuzz-delegation", "device", certificate.clone()),
        ("fuzz-revocation", "device", revocation.clone()),
        (
            "fuzz-key-file",
            "first",
            keys.encode().expect("has seeds").to_vec(),
        ),
        ("fuzz-friends-question", "near", question.encode()),
        (
            "fuzz-friends-answer",
            "card",
            Answer::Here(Box::new(card.clone())).encode(),
        ),
        ("fuzz-friends-answer", "unknown", Answer::Unknown.encode()),
        ("fuzz-mdns", "question", local::question(7)),
        ("fuzz-mdns", "answer", neighbour),
        ("fuzz-rendezvous-request", "discover", discover.encode()),
        (
            "fuzz-rendezvous-response",
            "registered",
            REGISTERED.to_vec(),
        ),
        ("fuzz-rendezvous-response", "page", PAGE.to_vec()),
        ("fuzz-header", "first", header(0).encode()),
        ("fuzz-header", "second", header(1).encode()),
    ];
    for (strategy, state) in states() {
        let request = PullRequest {
            viewer: keys.identity(),
            scope: Scope::Author(keys.identity()),
            types: vec!["note/1".to_owned()],
            limit: 64,
            state,
        };
        inputs.push(("fuzz-pull-request", strategy, request.encode()));
        let item = Item {
            header: signed(0),
            delegation: certificate.clone(),
            body: BODY.to_vec(),
            wrap: None,
        };
        let end = End {
            complete: true,
            delegation: certificate.clone(),
            heads: vec![signed(0), signed(1)],
        };
        let page = PullPage {
            items: vec![item],
            next: state,
            end: Some(end),
            lapsed: Lapsed {
                certificates: vec![certificate.clone()],
                revocations: vec![revocation.clone()],
            },
        };
        inputs.push(("fuzz-pull-page", strategy, page.encode()));
        inputs.push(("fuzz-feed-reply", strategy, FeedReply::Page(page).encode()));
    }
    inputs
}

#[test]
fn committed_inputs_are_what_the_formats_write() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut stale = Vec::new();
    for (target, name, content) in inputs() {
        let file = folder.join(target).join(name);
        let shown = format!("node/fuzz/corpus/{target}/{name}");
        match std::fs::read(&file) {
            Ok(committed) if committed == content => {}
            Ok(_) => stale.push(format!("{shown} is of an earlier format")),
            Err(_) => {
                std::fs::create_dir_all(folder.join(target)).unwrap();
                std::fs::write(&file, &content).unwrap();
                stale.push(format!("{shown} was missing and has been written"));
            }
        }
    }
    assert!(stale.is_empty(), "{stale:#?}");
}
