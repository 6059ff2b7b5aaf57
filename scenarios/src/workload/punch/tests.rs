//! Pairs that punch holes, from the scenario to what became of them.

use orrery_reports::record::{Metric, SeedResult};

use crate::format::read;
use crate::play;

/// Two hosts with these NATs, with more about the workload and whatever else is to happen.
fn run(nats: [&str; 2], how: &str, rest: &str) -> SeedResult {
    play::played(&text(nats, how, rest), None)
}

fn text(nats: [&str; 2], how: &str, rest: &str) -> String {
    let [a, b] = nats;
    format!(
        "name = 't'\nduration = '60s'\n[network]\ndelays = 'ibm-10'\n\
         [[group]]\nname = 'a'\ncount = 1\nprogram = 'none'\nnat = '{a}'\n\
         [[group]]\nname = 'b'\ncount = 1\nprogram = 'none'\nnat = '{b}'\n\
         regions = {{ Tokyo = 1.0 }}\n\
         [[group]]\nname = 's'\ncount = 1\nprogram = 'none'\n\
         [[workload]]\nkind = 'punch'\nfrom = 'a'\nto = 'b'\nvia = 's'\nat = '20s'\n{how}\n{rest}\n"
    )
}

fn cause(result: &SeedResult) -> &str {
    result
        .losses
        .listed()
        .first()
        .map_or("", |loss| &loss.cause)
}

#[test]
fn each_way_to_fail_has_its_cause() {
    let power_cut = |host: &str, at: &str| {
        format!("[[fault]]\nkind = 'power-cut'\nhosts = '{host}'\nat = '{at}'\nfor = '39s'\n")
    };
    for protocol in ["udp", "tcp"] {
        let check = |nats: [&str; 2], how: &str, rest: &str, expected: &str| {
            let how = format!("protocol = '{protocol}'\n{how}");
            let result = run(nats, &how, rest);
            assert_eq!(cause(&result), expected, "{protocol} {nats:?} {how} {rest}");
        };
        let open = ["eim-apdf", "firewall"];
        check(open, "", "", "");
        check(["sym", "sym"], "", "", "no-way");
        // Their firewalls let in whom they have sent to; nothing is translated.
        check(["sym", "eim-apdf"], "family = 'ipv6'", "", "");
        check(["sym", "sym"], "tries = 50", "", "unfinished");
        check(open, "", &power_cut("b", "19s"), "host-down");
        check(open, "", &power_cut("a", "20.01s"), "host-lost-power");
    }
    let result = run(["public"; 2], "", &power_cut("s", "19s"));
    assert_eq!(cause(&result), "not-introduced");
}

#[test]
fn the_second_side_begins_as_much_later_as_said_wherever_the_rendezvous_is() {
    // Firewalls let in whom a host has sent to: what the first side sends is lost until the
    // second has begun, whose first packet then comes through and is answered a round trip
    // later. Dallas and Tokyo are 143.1 ms apart, there and back.
    for (later_ms, near) in [
        (0, "Dallas"),
        (300, "Dallas"),
        (300, "Tokyo"),
        (701, "Sydney"),
    ] {
        let how = format!("later = '{later_ms}ms'\nspacing = '20s'");
        let text = text(["firewall"; 2], &how, "").replace(
            "name = 's'",
            &format!("name = 's'\nregions = {{ {near} = 1.0 }}"),
        );
        let result = play::played(&text, None);
        let Some(Metric::Distribution { max, .. }) = result.metrics.get("punch.time") else {
            panic!("nothing was measured");
        };
        let took = max - f64::from(later_ms);
        assert!((142.0..145.0).contains(&took), "{later_ms} {near}: {max}");
    }
}

#[test]
fn the_time_is_that_of_a_round_trip() {
    let result = run(["eim-apdf", "eim-apdf"], "", "");
    let Some(Metric::Distribution { max, .. }) = result.metrics.get("punch.time") else {
        panic!("nothing was measured");
    };
    // The first packet meets a closed NAT if it comes before the other has sent; Dallas and
    // Tokyo are 143 ms apart, there and back.
    assert!((71.0..=1_200.0).contains(max), "{max}");
}

#[test]
fn wrong_punches_are_named() {
    let check = |fields: &str, expected: &str| {
        let text = format!(
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=4\nprogram='none'\n\
             [[group]]\nname='n'\ncount=1\nprogram='none'\nnat='sym'\n\
             [[workload]]\nkind='punch'\nfrom='g[0]'\nat='1s'\n{fields}\n"
        );
        let problems = read("t", &text, None, &[]).expect_err(fields).to_string();
        assert!(problems.contains(expected), "{fields}: {problems}");
    };
    check("via='g[3]'", "lacks the field \"to\"");
    check("to='g[1]'", "lacks the field \"via\"");
    check("to='g[0]'\nvia='g[3]'", "a host would try to reach itself");
    check("to='g[1]'\nvia='g[0]'", "cannot be one of them");
    check("to='g[1]'\nvia='g[2..4]'", "expected one host, found 2");
    check("to='g[1]'\nvia='n'", "\"n\" stand behind a NAT or firewall");
    check(
        "to='g[1]'\nvia='g[3]'\nprotocol='upd'",
        "unknown protocol \"upd\"; did you mean \"udp\"?",
    );
    check(
        "to='g[1]'\nvia='g[3]'\nlistens=false",
        "goes with \"protocol\"",
    );
    check("to='g[1]'\nvia='g[3]'\nfamily='v6'", "unknown family");
    check("to='g[1]'\nvia='g[3]'\nspacing='1us'", "at least 1ms");
    check("to='g[1]'\nvia='g[3]'\nlater='-1s'", "at least 0s");
    check("to='g[1]'\nvia='g[3]'\ntries=0", "from 1 to 100");
}
