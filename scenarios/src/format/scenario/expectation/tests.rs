//! What seeds must have shown for an expectation to hold, and which are refused.

use orrery_reports::record::SeedResult;

use super::*;

fn variant(values: &[(&str, f64)]) -> Variant {
    let seed = |(nth, (key, value)): (usize, &(&str, f64))| SeedResult {
        seed: nth.to_string(),
        metrics: [(
            Key::read(key),
            Metric::Value {
                unit: "1".into(),
                value: *value,
            },
        )]
        .into(),
        ..SeedResult::default()
    };
    Variant {
        name: "v".into(),
        seeds: (1..).zip(values).map(seed).collect(),
        ..Variant::default()
    }
}

fn expectation(metric: &str, grid: &[&str], comparison: Comparison) -> Expectation {
    Expectation {
        expr: String::new(),
        asked: String::new(),
        variant: None,
        key: Key::read(metric),
        grid: grid.iter().map(|label| (*label).to_owned()).collect(),
        comparison,
        bound: 2.0,
        against: None,
    }
}

#[test]
fn the_worst_seed_decides() {
    let check = |comparison, values: &[f64], expected| {
        let values: Vec<(&str, f64)> = values.iter().map(|value| ("m", *value)).collect();
        let judged = expectation("m", &[], comparison).judge(&[], &variant(&values), &Labels::NONE);
        assert_eq!(
            (judged.value, judged.held),
            expected,
            "{comparison:?} {values:?}"
        );
    };
    check(Comparison::Below, &[1.0, 3.0, 0.0], (Some(3.0), false));
    check(Comparison::AtMost, &[1.0, 2.0], (Some(2.0), true));
    check(Comparison::Above, &[5.0, 3.0], (Some(3.0), true));
    check(Comparison::AtLeast, &[1.0, 3.0], (Some(1.0), false));
    check(Comparison::Equal, &[2.0, 2.0], (Some(2.0), true));
    check(Comparison::Equal, &[2.0, 7.0, 1.0], (Some(7.0), false));
    check(Comparison::Unequal, &[5.0, 2.0], (Some(2.0), false));
    check(Comparison::Below, &[], (None, false));
}

#[test]
fn a_failure_names_the_seed_that_misses_by_most() {
    let check = |comparison, values: &[(&str, f64)], expected: Option<&str>| {
        let judged = expectation("m", &[], comparison).judge(&[], &variant(values), &Labels::NONE);
        assert_eq!(judged.worst_seed.as_deref(), expected, "{values:?}");
    };
    check(
        Comparison::Below,
        &[("m", 3.0), ("m", 7.0), ("m", 1.0)],
        Some("2"),
    );
    check(
        Comparison::Above,
        &[("m", 3.0), ("m", 2.0), ("m", 1.0)],
        Some("3"),
    );
    check(
        Comparison::Equal,
        &[("m", 2.0), ("m", 2.5), ("m", 0.0)],
        Some("3"),
    );
    check(Comparison::Below, &[("m", 1.0), ("other", 7.0)], Some("2"));
    check(Comparison::Below, &[("other", 7.0), ("m", 9.0)], Some("2"));
    check(Comparison::Below, &[("m", 1.0)], None);
}

#[test]
fn a_seed_without_the_figure_does_not_hold() {
    let expectation = expectation("other", &[], Comparison::Below);
    let judged = expectation.judge(&[], &variant(&[("m", 0.0)]), &Labels::NONE);
    assert_eq!((judged.value, judged.held), (None, false));
    assert_eq!((judged.seeds, judged.missing), (1, 1));
    let some = variant(&[("m", 0.0), ("other", 1.0), ("m", 0.0)]);
    let judged = expectation.judge(&[], &some, &Labels::NONE);
    assert_eq!((judged.value, judged.held), (Some(1.0), false));
    assert_eq!((judged.seeds, judged.missing), (3, 2));
}

#[test]
fn what_did_not_happen_is_counted_as_none() {
    let seeds = variant(&[("gossip.lost", 3.0), ("gossip.lost{cause=no-path}", 3.0)]);
    let judge = |metric: &str, cell: &Labels| {
        let judged = expectation(metric, &["size"], Comparison::Equal).judge(&[], &seeds, cell);
        (judged.value, judged.missing)
    };
    let all = Labels::NONE;
    // The second seed of these lacks the count over all.
    assert_eq!(judge("gossip.lost{cause=unknown}", &all), (Some(0.0), 1));
    assert_eq!(judge("relay.held{group=near}", &all), (None, 2));
    let cell = Labels::from([("size", "1")]);
    assert_eq!(judge("gossip.lost{cause=unknown}", &cell), (None, 2));
    let failed = variant(&[("connect.failed{nat_a=x,nat_b=y}", 1.0)]);
    let by_both = expectation(
        "connect.failed{cause=refused,nat_a=x,nat_b=y}",
        &[],
        Comparison::Equal,
    );
    assert_eq!(by_both.judge(&[], &failed, &all).value, None);
}

#[test]
fn a_count_under_a_wrong_word_is_refused() {
    let check = |expect: &str, expected: &str| {
        let text = format!(
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=2\nnode={{'relay.enabled'=true}}\n\
             [[workload]]\nkind='connect'\nfrom='g[0]'\nto='g[1]'\nat='20s'\n[expect]\n'{expect}' = '== 0'\n"
        );
        let told = match crate::format::read("t", &text, None, &[]) {
            Ok(_) => String::new(),
            Err(problems) => problems.to_string(),
        };
        assert_eq!(told.is_empty(), expected.is_empty(), "{expect}: {told}");
        assert!(told.contains(expected), "{expect}: {told}");
    };
    check("connect.failed{cause=timed-out}", "");
    check(
        "connect.failed{cause=timedout}",
        "did you mean \"timed-out\"?",
    );
    check("connect.not_done{reason=asleep}", "knows no reason");
    check("net.drops{reason=path-loss}", "");
    check("relay.held{group=g}", "");
    check("relay.held{group=h}", "knows no group");
}

#[test]
fn shares_within_a_bound_and_minima_are_asked_for() {
    let check = |expect: &str, expected: &str| {
        let text = format!(
            "name='t'\nduration='1m'\nwarmup='10s'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=2\nprogram='none'\n\
             [[workload]]\nkind='flow'\nfrom='g[0]'\nto='g[1]'\nat='1s'\n[expect]\n{expect}\n"
        );
        match crate::format::read("t", &text, None, &[]) {
            Ok(_) => assert_eq!(expected, "", "{expect}"),
            Err(problems) => {
                let told = problems.to_string();
                assert!(
                    !expected.is_empty() && told.contains(expected),
                    "{expect}: {told}"
                );
            }
        }
    };
    check("'flow.connect.within(1.5s)' = '>= 90%'", "");
    check("'flow.connect.min' = '> 10ms'", "");
    check("'flow.connect.within(1.5s)' = '> 3ms'", "expected a share");
    check(
        "'flow.connect.within(5)' = '> 3%'",
        "\"within(5)\": expected a time",
    );
    check("'flow.connect.within' = '> 3%'", "unknown statistic");
    check("'flow.goodput.min' = '> 3bit/s'", "is one figure");
    let text = "'flow.connect.mean' = '> 1ms'";
    check(text, "");
}

#[test]
fn what_is_over_before_the_warm_up_ends_is_not_expected_of_anything() {
    let check = |workload: &str, expect: &str, expected: &str| {
        let text = format!(
            "name='t'\nduration='1m'\nwarmup='40s'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=2\nprogram='none'\n\
             [[workload]]\nkind='flow'\nfrom='g[0]'\nto='g[1]'\n{workload}\n\
             [expect]\n'{expect}' = '== 0'\n"
        );
        let read = crate::format::read("t", &text, None, &[]);
        let told = read.map_or_else(|problems| problems.to_string(), |_| String::new());
        assert!(told.contains(expected), "{workload} {expect}: {told}");
        assert!(
            !expected.is_empty() || told.is_empty(),
            "{workload} {expect}: {told}"
        );
    };
    let over = "at='3s'\nfor='20s'";
    check(over, "flow.failed", "would have no sample");
    check(over, "flow.not_done", "");
    check("at='3s'\nfor='37s'", "flow.failed", "");
    check("at='3s'", "flow.failed", "");
    check(
        "at='3s'\nevery='30s'\ncount=2\nfor='10s'",
        "flow.failed",
        "",
    );
}

#[test]
fn a_cell_is_judged_by_its_own_figure() {
    let cell = |loss: &str| Labels::from([("loss", loss)]);
    let of_all = expectation("m{to=x}", &["loss"], Comparison::Below);
    let played = variant(&[("m{loss=1%,to=x}", 1.0)]);
    let judged = of_all.judge(&[], &played, &cell("1%"));
    assert_eq!(
        (judged.key.as_str(), judged.value, judged.held),
        ("m{loss=1%,to=x}", Some(1.0), true)
    );
    // A cell that has nothing to show did not hold, whatever the others have.
    assert!(!of_all.judge(&[], &played, &cell("2%")).held);
    let of_one = expectation("m{loss=1%}", &["loss"], Comparison::Below);
    assert!(of_one.concerns("v", &cell("1%")) && !of_one.concerns("v", &cell("2%")));
}

#[test]
fn a_figure_is_held_against_that_of_another_variant_seed_by_seed() {
    let text = "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
         [[group]]\nname='g'\ncount=2\nprogram='none'\n\
         [[workload]]\nkind='flow'\nfrom='g[0]'\nto='g[1]'\nat='1s'\n\
         [[variant]]\nname='10s'\n[[variant]]\nname='60s'\n[expect]\n";
    let read = |expect: &str| {
        let text = format!("{text}{expect}\n");
        let plan = crate::format::read("t", &text, None, &[]);
        plan.map_err(|problems| problems.to_string())
    };
    let plan = read("'60s: net.bytes' = '< 0.5 * 10s: net.bytes'");
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    let seeds = |name: &str, values: &[f64]| Variant {
        name: name.to_owned(),
        seeds: (values.iter().zip(1..))
            .map(|(value, seed)| SeedResult {
                seed: u64::to_string(&seed),
                metrics: [(
                    Key::of("net.bytes"),
                    Metric::Value {
                        unit: "B".into(),
                        value: *value,
                    },
                )]
                .into(),
                ..SeedResult::default()
            })
            .collect(),
        ..Variant::default()
    };
    let judge = |often: &[f64], seldom: &[f64]| {
        let variants = [seeds("10s", often), seeds("60s", seldom)];
        let expectation = &plan.expectations[0];
        assert!(expectation.can_judge(&variants) && !expectation.can_judge(&variants[1..]));
        let judged = expectation.judge(&variants, &variants[1], &Labels::NONE);
        (judged.held, judged.value, judged.missing)
    };
    assert_eq!(judge(&[10.0, 20.0], &[4.0, 9.0]), (true, Some(4.0), 0));
    // Each seed by its own bound: 9 is less than half of 20, 6 is not of 10.
    assert_eq!(judge(&[20.0, 10.0], &[9.0, 6.0]), (false, Some(6.0), 0));
    assert_eq!(judge(&[20.0], &[9.0, 1.0]), (false, Some(9.0), 1));

    let check = |expect: &str, expected: &str| {
        let told = read(expect).expect_err(expect);
        assert!(told.contains(expected), "{expect}: {told}");
    };
    check(
        "'60s: net.bytes' = '< 10: net.bytes'",
        "there is no variant \"10\"",
    );
    check(
        "'60s: net.bytes' = '< -1 * 10s: net.bytes'",
        "a factor above 0",
    );
    check(
        "'60s: net.bytes' = '< 10s: net.byte'",
        "unknown metric \"net.byte\"",
    );
    check(
        "'60s: net.bytes' = '< 10s: flow.completion.p50'",
        "not measured in the same unit",
    );
    check(
        "'60s: net.bytes' = '< 10s: flow.completion'",
        "add a statistic",
    );
}
