//! How events are written and read.

use super::*;

#[test]
fn names_are_written_as_their_text_and_read_from_nothing_else() {
    let peer: PeerId = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
        .parse()
        .expect("a peer");
    let identity = IdentityId([0x9d; 32]);
    let check = |event: &Event, expected: String| {
        let text = serde_json::to_string(event).map_err(|error| error.to_string());
        assert_eq!(text.as_ref(), Ok(&expected));
        let read = serde_json::from_str(&expected).map_err(|error| error.to_string());
        assert_eq!(read.as_ref(), Ok(event));
    };
    let proved = Event::Authenticated { peer, identity };
    let text = format!(r#"{{"event":"authenticated","peer":"{peer}","identity":"{identity}"}}"#);
    check(&proved, text.clone());
    let refused = |text: String| {
        let read: Result<Event, _> = serde_json::from_str(&text);
        read.map_err(|error| error.to_string())
            .expect_err("no name")
    };
    assert!(refused(text.replace(&identity.to_string(), "x")).contains("identity: not"));
    refused(text.replace(&peer.to_string(), "x"));
    let unknown = Event::DialFailed {
        peer: None,
        reason: "r".to_owned(),
    };
    let failed = r#"{"event":"dial-failed","peer":null,"reason":"r"}"#;
    check(&unknown, failed.to_owned());
    let named = Event::DialFailed {
        peer: Some(peer),
        reason: "r".to_owned(),
    };
    check(&named, failed.replace("null", &format!("\"{peer}\"")));
    let mesh = Event::MeshChanged {
        topic: "t".parse().expect("it is short"),
        peers: vec![peer],
    };
    let text = format!(r#"{{"event":"mesh-changed","topic":"t","peers":["{peer}"]}}"#);
    check(&mesh, text);
    let granted = Event::Granted {
        op: OpId([0xab; 32]),
        reader: identity,
    };
    let op = "ab".repeat(32);
    let text = format!(r#"{{"event":"granted","op":"{op}","reader":"{identity}"}}"#);
    check(&granted, text);
}
