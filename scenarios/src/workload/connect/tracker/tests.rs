//! Attempts to reach others, and their causes of failure.

use orrery_reports::record::{Metric, SeedResult};

use super::*;
use crate::play;

/// Attempts 0, 1, … of host 1 to reach hosts 10, 11, …
fn attempts(wanted: &[Wanted]) -> Connects {
    let mut connects = Connects::default();
    for (number, &wanted) in (0..).zip(wanted) {
        let terms = Terms {
            wanted,
            holds_ns: 500,
        };
        connects.begins(number, (1, 10 + number), terms, 1_000);
    }
    connects
}

fn failures(connects: &Connects) -> Vec<Option<ConnectFailure>> {
    connects
        .all()
        .map(|(_, attempt)| attempt.failure())
        .collect()
}

#[test]
fn a_relayed_connection_is_enough_only_if_any_is() {
    let mut connects = attempts(&[Wanted::Any, Wanted::Direct, Wanted::Direct]);
    for to in [10, 11, 12] {
        connects.connected((1, to), Path::Relayed, Transport::Circuit, 3_000);
    }
    let punched = (Path::HolePunched, Transport::Quic);
    assert!(connects.upgraded((1, 11), punched, 9_000));
    assert!(!connects.upgraded((11, 1), punched, 9_000));
    connects.times_out(2, true);
    connects.close();
    assert_eq!(
        failures(&connects),
        [None, None, Some(ConnectFailure::StayedRelayed)]
    );
    let summary = summarise(connects.all().map(|(_, attempt)| attempt));
    assert_eq!((summary.succeeded, summary.times.count()), (2, 2));
    assert_eq!(summary.paths[&Path::Relayed], 2);
    assert_eq!(summary.paths[&Path::HolePunched], 1);
    assert_eq!(summary.transports[&Transport::Circuit], 2);
    assert_eq!(summary.punched, [(Transport::Quic, 1)].into());
    assert_eq!(summary.times_by_transport[&Transport::Quic].count(), 1);
}

/// Friends behind NATs that only hole punching gets through, and what they measure.
fn friends_behind_nats(listen: &str) -> SeedResult {
    let text = format!(
        "name='t'\nduration='90s'\nwarmup='20s'\ndrain='30s'\n\
         [network]\ndelays='three-regions'\n\
         [[group]]\nname='relay'\ncount=1\nboot='0s'\n\
         node={{ 'relay.enabled'=true, 'listen.addresses'=['{listen}'] }}\n\
         [[group]]\nname='home'\ncount=3\nboot='evenly(1s, 3s)'\nbootstrap='relay'\n\
         nat='eim-apdf'\nfriends={{ graph='complete' }}\n\
         node={{ 'relay_client.enabled'=true, 'hole_punch.enabled'=true, \
         'sync.pull_interval'='300ms', 'listen.addresses'=['{listen}'] }}\n\
         [[workload]]\nkind='post'\nfrom='home'\nrate='600/h'\n\
         [[workload]]\nkind='connect'\nfrom='home[0]'\nto='home[1]'\nat='60s'\npath='direct'\n"
    );
    play::played(&text, None)
}

#[test]
fn friends_behind_nats_get_every_post_over_punched_holes() {
    for listen in ["/ip4/0.0.0.0/tcp/4150", "/ip4/0.0.0.0/udp/4150/quic-v1"] {
        let result = friends_behind_nats(listen);
        let figure = |key: &str| match result.metrics.get(key) {
            Some(Metric::Value { value, .. }) => *value,
            other => panic!("{listen}: {key}: {other:?}"),
        };
        for (key, expected) in [
            ("feed.missed_forever", 0.0),
            ("pull.success", 1.0),
            ("connect.success", 1.0),
            ("connect.path{path=hole-punched}", 1.0),
        ] {
            let value = figure(key);
            assert!((value - expected).abs() < 1e-9, "{listen}: {key} {value}");
        }
        assert!(figure("feed.delivered") > 10.0, "{listen}");
    }
}

#[test]
fn a_success_is_none_if_its_connection_dies_too_early() {
    let check = |wanted, happens: &dyn Fn(&mut Connects), expected| {
        let mut connects = attempts(&[wanted]);
        connects.connected((1, 10), Path::Direct, Transport::Tcp, 3_000);
        happens(&mut connects);
        connects.close();
        assert_eq!(failures(&connects), [expected]);
    };
    let any = Wanted::Any;
    let lost = Some(ConnectFailure::ConnectionLost);
    check(any, &|c| c.gone(1, 10, Kinds::All, 3_499), lost);
    check(any, &|c| c.gone(1, 10, Kinds::All, 3_500), None);
    check(any, &|c| c.gone(10, 1, Kinds::All, 3_100), None);
    check(
        any,
        &|c| c.host_down(10, 3_100, Down::LostPower),
        Some(ConnectFailure::TargetDown),
    );
    check(
        any,
        &|c| c.host_down(1, 3_100, Down::LostPower),
        Some(ConnectFailure::DialerLostPower),
    );
    check(any, &|c| c.host_down(1, 3_900, Down::LostPower), None);
    // Where a relay still connects them, that is enough if any connection is.
    check(any, &|c| c.gone(1, 10, Kinds::Direct, 3_100), None);
    check(
        Wanted::Direct,
        &|c| c.gone(1, 10, Kinds::Direct, 3_100),
        lost,
    );
    let later = |c: &mut Connects| {
        c.gone(1, 10, Kinds::Direct, 3_100);
        c.host_down(7, 3_200, Down::LostPower);
        c.gone(1, 10, Kinds::All, 3_300);
    };
    check(any, &later, lost);
}

#[test]
fn each_failure_has_its_cause_and_keeps_it() {
    let mut connects = attempts(&[Wanted::Direct; 7]);
    connects.unreached(1, 10, Unreached::NotFound);
    connects.connected((1, 11), Path::Relayed, Transport::Circuit, 2_000);
    connects.hole_punch_failed(11, 1);
    // Nobody is connected with 12 yet, so that no hole can be punched.
    connects.hole_punch_failed(12, 1);
    connects.times_out(2, false);
    connects.times_out(3, true);
    connects.fails(4, ConnectFailure::Refused);
    connects.host_down(5, 3_000, Down::LostPower);
    connects.host_down(1, 3_000, Down::LostPower);
    connects.connected((1, 10), Path::Direct, Transport::Tcp, 9_000);
    let terms = Terms {
        wanted: Wanted::Any,
        holds_ns: 0,
    };
    connects.begins(7, (2, 10), terms, 0);
    connects.close();
    let expected = [
        ConnectFailure::NotFound,
        ConnectFailure::HolePunchFailed,
        ConnectFailure::TargetDown,
        ConnectFailure::TimedOut,
        ConnectFailure::Refused,
        ConnectFailure::DialerLostPower,
        ConnectFailure::DialerLostPower,
        ConnectFailure::Unfinished,
    ];
    assert_eq!(failures(&connects), expected.map(Some));
}
