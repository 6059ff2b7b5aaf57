//! Rendezvous points that babble, lie, keep silent or never come to an end are found out, and
//! cost those who ask them little.

use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libp2p::core::{PeerRecord, SignedEnvelope};
use libp2p::identity::Keypair;
use orrery_node::api::{Command, Event, LookupMethod, Miss, Reply};
use orrery_node::discovery::rendezvous::{PROTOCOL, RESPONSE_BYTES_MAX};
use orrery_node::keys::Keys;

use crate::liar::{Liar, answers, field, framed, number, reaches};
use crate::world::TestNode;

/// Where the registered say that they are; nobody listens there.
const THERE: &str = "/memory/999999999";

/// A point that answers REGISTER and DISCOVER with what the two functions say of the number
/// that came before.
struct Point {
    liar: Liar,
    discovers: Arc<AtomicU64>,
}

impl Point {
    fn start(
        register: impl Fn(u64) -> Option<Vec<u8>> + Send + 'static,
        discover: impl Fn(u64) -> Option<Vec<u8>> + Send + 'static,
    ) -> Self {
        let discovers = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&discovers);
        let liar = Liar::start(PROTOCOL, move |asked| {
            // Message: type 1 = REGISTER (0) or DISCOVER (3).
            ready(if asked.request[..2] == [0x08, 3] {
                discover(count.fetch_add(1, Ordering::Relaxed))
            } else {
                register(asked.number)
            })
        });
        Self { liar, discovers }
    }

    /// One that registers everybody, and lies only of others.
    fn of_others(discover: impl Fn(u64) -> Option<Vec<u8>> + Send + 'static) -> Self {
        Self::start(|_| Some(registered(7_200)), discover)
    }

    /// One that lies to those who want to be registered.
    fn of_us(register: impl Fn(u64) -> Option<Vec<u8>> + Send + 'static) -> Self {
        Self::start(register, |_| Some(page(&[], 0)))
    }

    fn discovers(&self) -> u64 {
        self.discovers.load(Ordering::Relaxed)
    }

    fn registers(&self) -> u64 {
        self.liar.asked() - self.discovers()
    }
}

/// Message: type 1 = REGISTER_RESPONSE (1), body 3: status 1 = OK (0), ttl 3.
fn registered(ttl_s: u64) -> Vec<u8> {
    let mut body = vec![0x08, 0];
    number(&mut body, 0x18, ttl_s);
    let mut message = vec![0x08, 1];
    field(&mut message, 0x1a, &body);
    framed(&message)
}

/// Message: type 1 = DISCOVER_RESPONSE (4), body 6: registrations 1, cookie 2, status 3 = OK (0).
/// A registration: name 1, record 2, ttl 3.
fn page(records: &[Vec<u8>], cookie: u64) -> Vec<u8> {
    let mut body = Vec::new();
    for record in records {
        let mut one = Vec::new();
        field(&mut one, 0x0a, b"name");
        field(&mut one, 0x12, record);
        number(&mut one, 0x18, 7_200);
        field(&mut body, 0x0a, &one);
    }
    field(&mut body, 0x12, &cookie.to_be_bytes());
    body.extend([0x18, 0]);
    let mut message = vec![0x08, 4];
    field(&mut message, 0x32, &body);
    framed(&message)
}

/// The record of somebody, signed by them.
fn record(keys: &Keypair) -> SignedEnvelope {
    let there = THERE.parse().expect("an address");
    let record = PeerRecord::new(keys, vec![there]).expect("signs");
    record.into_signed_envelope()
}

/// The record of somebody, signed by somebody else.
fn forged(victim: &Keypair) -> Vec<u8> {
    let (domain, kind) = ("libp2p-routing-state", b"/libp2p/routing-state-record");
    let honest = record(victim);
    let (payload, _) = honest
        .payload_and_signing_key(domain.to_owned(), kind)
        .expect("signed");
    let (domain, kind, payload) = (domain.to_owned(), kind.to_vec(), payload.to_vec());
    SignedEnvelope::new(&Keypair::generate_ed25519(), domain, kind, payload)
        .expect("signs")
        .into_protobuf_encoding()
}

/// Registrations of others under the name, as many as are asked for.
fn others() -> Vec<Vec<u8>> {
    let one = |_| record(&Keypair::generate_ed25519()).into_protobuf_encoding();
    (0..16).map(one).collect()
}

/// A node that knows the point, wants to be registered there, and asks nobody else.
async fn client(point: &Point, settings: &str) -> TestNode {
    let settings = format!(
        r#"
        "feed.enabled" = false
        "connections.idle_timeout" = "1m"
        "dial.backoff_first" = "10ms"
        "rendezvous.client" = true
        "reach.lookup_order" = ["rendezvous"]
        "listen.announce" = ["{THERE}"]
        "bootstrap.peers" = ["{}"]
        {settings}
        "#,
        point.liar.address
    );
    TestNode::start(3, &settings).await
}

/// A node that is registered at the point.
async fn registered_client(point: &Point) -> TestNode {
    let node = client(point, "").await;
    is_registered(&node).await;
    node
}

async fn is_registered(node: &TestNode) {
    let registered = |event: &Event| matches!(event, Event::Registered { .. });
    node.seen.wait("the node is registered", registered).await;
}

fn somebody(seed: u8) -> Keys {
    Keys::generate(Some([seed; 32]))
}

async fn seek(node: &TestNode, whom: &Keys) {
    let command = Command::Reach {
        identity: whom.identity(),
        peer: Some(whom.peer()),
        addresses: vec![],
        wait: false,
    };
    assert_eq!(node.handle.command(command).await, Ok(Reply::Done));
}

async fn misses(node: &TestNode, whom: &Keys, reason: Miss) {
    let expected = Event::NotFound {
        identity: whom.identity(),
        by: LookupMethod::Rendezvous,
        reason,
    };
    let fits = |event: &Event| *event == expected;
    node.seen.wait("they are not found", fits).await;
}

/// The node finds out that the point lies, and asks it nothing more.
async fn is_found_out(point: &Point, node: &TestNode, reason: &str) {
    seek(node, &somebody(20)).await;
    misses(node, &somebody(20), Miss::Wrong).await;
    node.seen.refusal(PROTOCOL.as_ref(), reason).await;
    seek(node, &somebody(21)).await;
    misses(node, &somebody(21), Miss::NobodyToAsk).await;
    assert_eq!(point.discovers(), 1);
    answers(node).await;
}

#[tokio::test]
async fn a_point_that_answers_what_is_no_answer_is_asked_once() {
    let a_request = framed(&[0x08, 3, 0x2a, 0]);
    for lie in [
        vec![0x7f; 300],
        vec![0xff; 300],
        a_request,
        registered(7_200),
    ] {
        let point = Point::of_others(move |_| Some(lie.clone()));
        let node = registered_client(&point).await;
        is_found_out(&point, &node, "malformed").await;
    }
}

#[tokio::test]
async fn pages_without_end_are_turned_so_many_times() {
    let others = others();
    let point = Point::of_others(move |number| Some(page(&others, number)));
    let node = registered_client(&point).await;
    let whom = somebody(20);
    seek(&node, &whom).await;
    misses(&node, &whom, Miss::Wrong).await;
    reaches(&node, "rendezvous-pages").await;
    assert_eq!(point.discovers(), 8);
    answers(&node).await;
}

#[tokio::test]
async fn a_page_longer_than_asked_for_is_the_last() {
    let others = [others(), others()].concat();
    let point = Point::of_others(move |_| Some(page(&others, 0)));
    let node = registered_client(&point).await;
    is_found_out(&point, &node, "oversized").await;
    reaches(&node, "rendezvous-page").await;
}

#[tokio::test]
async fn an_answer_longer_than_any_may_be_is_not_read_and_asked_for_in_parts() {
    let all_there = framed(&vec![0; RESPONSE_BYTES_MAX + 1]);
    let only_said = [vec![0xff, 0xff, 0x3f], vec![0; 1_000]].concat();
    for answer in [all_there, only_said] {
        let point = Point::of_others(move |_| Some(answer.clone()));
        let node = registered_client(&point).await;
        for (seed, asked) in [(20, 2), (21, 4)] {
            seek(&node, &somebody(seed)).await;
            misses(&node, &somebody(seed), Miss::Wrong).await;
            assert_eq!(
                point.discovers(),
                asked,
                "once for a page, and once for one"
            );
        }
        reaches(&node, "rendezvous-answer").await;
        answers(&node).await;
    }
}

/// The node finds somebody at the point, where the first answer is `first` and others tell of them.
async fn is_found_after(whom: &Keys, first: Vec<u8>) -> (Point, TestNode) {
    let honest = page(&[record(whom.transport()).into_protobuf_encoding()], 1);
    let pages = move |number| if number == 0 { &first } else { &honest }.clone();
    let point = Point::of_others(move |number| Some(pages(number)));
    let node = registered_client(&point).await;
    seek(&node, whom).await;
    let found =
        |event: &Event| matches!(event, Event::Found { addresses, .. } if addresses == &[THERE]);
    node.seen.wait("they are found", found).await;
    (point, node)
}

#[tokio::test]
async fn what_a_stranger_registers_hides_nobody_and_is_not_the_points_lie() {
    let whom = somebody(20);
    let address = |port: u16| format!("/ip4/192.0.2.1/tcp/{port}").parse().expect("one");
    let many = (1..=65).map(address).collect();
    let long = PeerRecord::new(&Keypair::generate_ed25519(), many).expect("signs");
    let long = long.into_signed_envelope().into_protobuf_encoding();
    let honest = record(whom.transport()).into_protobuf_encoding();
    // On one page, on a page before theirs, and in an answer that is too long to be read.
    for (first, bound) in [
        (page(&[long.clone(), honest], 0), "rendezvous-registration"),
        (page(&[long], 0), "rendezvous-registration"),
        (
            framed(&vec![0; RESPONSE_BYTES_MAX + 1]),
            "rendezvous-answer",
        ),
    ] {
        let (point, node) = is_found_after(&whom, first).await;
        reaches(&node, bound).await;
        // The point is asked for the next, too.
        let asked = point.discovers();
        seek(&node, &somebody(21)).await;
        misses(&node, &somebody(21), Miss::Wrong).await;
        assert!(point.discovers() > asked);
        let refused = |event: &Event| matches!(event, Event::Refused { .. });
        assert_eq!(node.seen.count(refused), 0);
    }
}

#[tokio::test]
async fn a_record_that_somebody_else_has_signed_is_found_out() {
    let point = Point::of_others(|_| Some(page(&[forged(somebody(20).transport())], 0)));
    let node = registered_client(&point).await;
    is_found_out(&point, &node, "forged").await;
    // The same record, signed as it should be, would have been used.
    let whom = somebody(20);
    let honest = record(whom.transport()).into_protobuf_encoding();
    let point = Point::of_others(move |_| Some(page(std::slice::from_ref(&honest), 0)));
    let node = registered_client(&point).await;
    seek(&node, &whom).await;
    let found =
        |event: &Event| matches!(event, Event::Found { addresses, .. } if addresses == &[THERE]);
    node.seen.wait("they are found", found).await;
}

#[tokio::test]
async fn others_under_somebodys_name_are_not_taken_for_them() {
    let others = others();
    let pages = move |number| {
        if number == 0 {
            page(&others, 0)
        } else {
            page(&[], 1)
        }
    };
    let point = Point::of_others(move |number| Some(pages(number)));
    let node = registered_client(&point).await;
    let whom = somebody(20);
    seek(&node, &whom).await;
    misses(&node, &whom, Miss::Wrong).await;
    assert_eq!(point.discovers(), 2);
    let found = |event: &Event| matches!(event, Event::Found { .. });
    assert_eq!(node.seen.count(found), 0);
}

#[tokio::test]
async fn nobody_waits_in_line_at_a_point_that_never_answers() {
    let point = Point::of_others(|_| None);
    let node = client(&point, "\"reach.method_timeout\" = \"200ms\"").await;
    is_registered(&node).await;
    for seed in 20..40 {
        seek(&node, &somebody(seed)).await;
    }
    for seed in 20..40 {
        misses(&node, &somebody(seed), Miss::TimedOut).await;
    }
    // Those for whom nobody waits any longer are not asked for.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = point.discovers();
    assert!((1..=2).contains(&asked), "asked {asked} times");
    answers(&node).await;
}

#[tokio::test]
async fn a_registration_for_no_time_or_for_ever_is_not_renewed_at_once() {
    for ttl_s in [0, u64::MAX] {
        let point = Point::of_us(move |_| Some(registered(ttl_s)));
        let node = registered_client(&point).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(point.registers(), 1);
        answers(&node).await;
    }
}

#[tokio::test]
async fn a_point_that_does_not_register_anybody_is_not_asked_all_the_time() {
    // Message: type 1 = REGISTER_RESPONSE (1), body 3: status 1 = E_UNAVAILABLE (400).
    let refusal = framed(&[0x08, 1, 0x1a, 3, 0x08, 0x90, 3]);
    for answer in [None, Some(vec![]), Some(vec![0x7f; 300]), Some(refusal)] {
        let point = Point::of_us(move |_| answer.clone());
        let often = "\"identify.interval\" = \"50ms\"\n\"reach.method_timeout\" = \"200ms\"";
        let node = client(&point, often).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let counters = node.handle.counters();
        assert_eq!(counters.get("rendezvous-register-failed"), Some(&1));
        assert_eq!(point.registers(), 1);
        answers(&node).await;
    }
}

#[tokio::test]
async fn a_point_that_was_away_is_told_again_where_we_are() {
    let point = Point::of_us(|_| Some(registered(7_200)));
    let node = registered_client(&point).await;
    point.liar.hang_up(node.keys.peer());
    let twice = async {
        while point.registers() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let told = tokio::time::timeout(crate::world::PATIENCE, twice).await;
    told.expect("the node registers again");
}

#[tokio::test]
async fn a_point_that_tells_everybody_is_told_no_private_address() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&told);
    let liar = Liar::start(PROTOCOL, move |asked| {
        requests.lock().expect("no panic").extend(asked.request);
        ready(Some(registered(7_200)))
    });
    let settings = format!(
        r#"
        "feed.enabled" = false
        "rendezvous.client" = true
        "listen.announce" = ["/ip4/10.9.8.7/tcp/1", "/ip4/192.0.2.77/tcp/1"]
        "bootstrap.peers" = ["{}"]
        "#,
        liar.address
    );
    let node = TestNode::start(3, &settings).await;
    is_registered(&node).await;
    let told = told.lock().expect("no panic");
    let holds = |ip: [u8; 4]| told.windows(4).any(|bytes| bytes == ip);
    assert!(holds([192, 0, 2, 77]), "its addresses are told");
    assert!(!holds([10, 9, 8, 7]), "{told:?}");
}
