//! What people read who made a mistake in a scenario: place, expectation, nearest name.
//!
//! Every case changes one sound text, so the message is about that change alone.

mod gossip;

use orrery_scenarios::load::read;

const SOUND: &str = r#"name = "t/sound"
duration = "10m"
warmup = "1m"
[network]
delays = "aws-21"
[[group]]
name = "home"
count = 10
friends = { graph = "random-regular", degree = 4 }
regions = { eu-central-1 = 0.5, us-east-1 = 0.5 }
access = "fixed"
clock = { offset = "normal(0s, 30s)" }
node = { "sync.strategy" = "cursor" }
[[workload]]
kind = "post"
from = "home"
rate = "30/h"
[[fault]]
kind = "partition"
at = "5m"
for = "1m"
between = ["home[0..5]", "home[5..10]"]
[[variant]]
name = "a"
set = { "group.home.node.sync.strategy" = "after_ts" }
[[variant]]
name = "b"
[expect]
"a: feed.missed_forever" = "== 0"
"#;

/// The first line of every problem, in order.
fn problems(text: &str, settings: &[&str]) -> Vec<String> {
    let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    let Err(problems) = read("t.toml", text, None, &settings) else {
        return Vec::new();
    };
    let all = problems.to_string();
    all.lines()
        .filter(|line| line.starts_with("t.toml:") || line.starts_with("--set"))
        .map(str::to_owned)
        .collect()
}

/// Replaces `from` by `to` in the sound text and expects exactly one problem.
#[track_caller]
fn check(from: &str, to: &str, expected: &str) {
    assert!(SOUND.contains(from), "the sound text has no {from}");
    let found = problems(&SOUND.replacen(from, to, 1), &[]);
    assert_eq!(found, [expected], "{from} -> {to}");
}

#[test]
fn the_sound_text_is_sound() {
    assert_eq!(problems(SOUND, &[]), Vec::<String>::new());
}

#[test]
fn unknown_names_are_answered_with_the_nearest() {
    check(
        "warmup",
        "warm_up",
        r#"t.toml:3:1: the scenario has no field "warm_up"; did you mean "warmup"?"#,
    );
    check(
        "count = 10",
        "count = 10\ncuont = 3",
        r#"t.toml:9:1: group "home" has no field "cuont"; did you mean "count"?"#,
    );
    check(
        "aws-21",
        "aws-22",
        r#"t.toml:5:10: unknown delay profile "aws-22"; did you mean "aws-21"?"#,
    );
    check(
        "\"fixed\"",
        "\"fixd\"",
        r#"t.toml:11:10: unknown access profile "fixd"; did you mean "fixed"?"#,
    );
    check(
        "us-east-1",
        "us-esat-1",
        r#"t.toml:10:33: the delay profile has no region "us-esat-1"; did you mean "us-east-1"?"#,
    );
    check(
        "random-regular",
        "random",
        r#"t.toml:9:21: unknown graph "random"; did you mean "random-regular"?"#,
    );
    check(
        "\"post\"",
        "\"posts\"",
        r#"t.toml:15:8: unknown kind of workload "posts"; did you mean "post"?"#,
    );
    check(
        "delays = \"aws-21\"",
        "delays = \"aws-21\"\nfidelity = \"flwo\"",
        r#"t.toml:6:12: unknown fidelity "flwo"; did you mean "flow"?"#,
    );
    check(
        "\"partition\"",
        "\"partitoin\"",
        r#"t.toml:19:8: unknown kind of fault "partitoin"; did you mean "partition"?"#,
    );
    check(
        "a: feed.missed_forever",
        "a: feed.mised_forever",
        r#"t.toml:29:1: unknown metric "feed.mised_forever"; did you mean "feed.missed_forever"?"#,
    );
    check(
        "a: feed",
        "aa: feed",
        r#"t.toml:29:1: there is no variant "aa"; did you mean "a"?"#,
    );
    check(
        "from = \"home\"",
        "from = \"hone\"",
        r#"t.toml:16:8: there is no group "hone"; did you mean "home"?"#,
    );
    check(
        "{ \"sync.strategy\"",
        "{ \"sync.strateg\"",
        r#"t.toml:13:10: the node has no setting "sync.strateg"; did you mean "sync.strategy"?"#,
    );
    check(
        "group.home.node.sync",
        "group.hom.node.sync",
        r#"t.toml:25:9: there is no group "hom"; did you mean "home"?"#,
    );
}

#[test]
fn a_field_under_a_misspelt_name_is_one_problem() {
    check(
        "degree = 4",
        "degre = 4",
        "t.toml:9:39: \"friends\" has no field \"degre\"; did you mean \"degree\"?",
    );
    check(
        "from = \"home\"",
        "form = \"home\"",
        "t.toml:16:1: workload \"post\" has no field \"form\"; did you mean \"from\"?",
    );
    check(
        ", degree = 4",
        "",
        "t.toml:9:11: \"friends\" lacks the field \"degree\"",
    );
}

#[test]
fn wrong_values_say_what_was_expected() {
    check(
        "\"30/h\"",
        "\"fast\"",
        r#"t.toml:17:8: "rate": expected how often, such as "30/h" or "0.5/s" (per s, m, h or d), found "fast""#,
    );
    check(
        "\"10m\"",
        "\"10 parsecs\"",
        r#"t.toml:2:12: "duration": expected a time such as "20m" or "1.5s" (units ns, us, ms, s, m, h, d), found "10 parsecs""#,
    );
    check(
        "\"10m\"",
        "10",
        r#"t.toml:2:12: "duration": expected a time such as "20m" or "1.5s" (units ns, us, ms, s, m, h, d), found a number without a unit; write "10ms" or "10s""#,
    );
    check(
        "count = 10",
        "count = -3",
        r#"t.toml:8:9: "count": expected a whole number from 1 to 100000, found -3"#,
    );
    check(
        "count = 10",
        "count = \"ten\"",
        r#"t.toml:8:9: "count": expected a whole number, found a string"#,
    );
    check(
        "count = 10",
        "count = 99999999999999999999999",
        r#"t.toml:8:9: "count": expected a whole number from 1 to 100000, found a larger one"#,
    );
    check(
        "us-east-1 = 0.5",
        "us-east-1 = 0.4",
        r"t.toml:10:11: the shares of regions sum to 0.900000, expected 1",
    );
    check(
        "us-east-1 = 0.5",
        "us-east-1 = nan",
        r#"t.toml:10:45: "us-east-1": expected a share from 0 to 1, such as 0.01 or "1%", found "NaN""#,
    );
    check(
        "normal(0s, 30s)",
        "normal(0s, 30ppm)",
        r#"t.toml:12:20: "offset": expected a time such as "20m" or "1.5s" (units ns, us, ms, s, m, h, d), found "normal(0s, 30ppm)""#,
    );
    check(
        "degree = 4",
        "degree = 10",
        r"t.toml:9:48: a degree of 10 needs at least 11 hosts, and there are 10",
    );
    check(
        "\"== 0\"",
        "\"= 0\"",
        r#"t.toml:29:28: expected a comparison such as "< 3m" or "== 0", found "= 0""#,
    );
    check(
        "\"== 0\"",
        "\"< 3m\"",
        r#"t.toml:29:28: a: feed.missed_forever: expected a number without a unit, found "3m""#,
    );
    check(
        "a: feed.missed_forever",
        "a: feed.delivery.latency",
        r#"t.toml:29:1: "feed.delivery.latency" is a distribution: add a statistic; known: count, mean, min, p50, p90, p95, p99, max, or within(…)"#,
    );
    check(
        "= \"cursor\"",
        "= \"curser\"",
        "t.toml:13:10: the node's setting \"sync.strategy\": unknown variant `curser`, expected `after_ts` or `cursor`",
    );
}

#[test]
fn what_could_never_happen_is_refused() {
    check(
        "at = \"5m\"",
        "at = \"15m\"",
        r#"t.toml:20:6: "at": fault "partition" begins outside the run: expected within 0s and the duration, 10m"#,
    );
    check(
        "home[0..5]",
        "home[0..50]",
        r#"t.toml:22:12: "home[0..50]" selects beyond group "home", whose hosts are home[0..10]"#,
    );
    check(
        "\"home[0..5]\"",
        "[]",
        r#"t.toml:22:12: "between" selects no host"#,
    );
    check(
        "home[5..10]",
        "home[4..10]",
        r#"t.toml:22:11: "between": a host cannot be on both sides"#,
    );
    let idle = SOUND.replace(
        "[[workload]]\nkind = \"post\"\nfrom = \"home\"\nrate = \"30/h\"\n",
        "",
    );
    assert_eq!(
        problems(&idle, &[]),
        [
            r#"t.toml:25:1: no workload produces "feed.missed_forever"; it needs a workload of kind post, late-grant"#
        ]
    );
    check(
        "friends = { graph = \"random-regular\", degree = 4 }",
        "",
        r#"t.toml:16:8: workload "post" has no target: its hosts have no friends; give their group friends, such as { graph = \"ring\" }"#
            .replace('\\', "")
            .as_str(),
    );
}

#[test]
fn every_bound_is_told() {
    let many = |head: &str, item: &str, count: usize| format!("{head}{}", item.repeat(count));
    check(
        "degree = 4 }",
        "degree = 2000 }",
        r#"t.toml:9:48: "degree": expected a whole number from 0 to 1000, found 2000"#,
    );
    check(
        "rate = \"30/h\"",
        "every = \"1ms\"",
        r"t.toml:14:1: the workloads would act 6000000 times: at most 5000000",
    );
    check(
        "rate = \"30/h\"",
        "every = \"1us\"",
        r#"t.toml:17:9: "every": expected at least 1ms, found 1000ns"#,
    );
    check(
        "kind = \"partition\"\nat = \"5m\"\nfor = \"1m\"\nbetween = [\"home[0..5]\", \"home[5..10]\"]",
        "kind = \"link\"\nat = \"5m\"\nfor = \"5ms\"\nhosts = \"home\"\nloss = \"1%\"\nevery = \"10ms\"",
        r#"t.toml:24:9: "every": the fault may change hosts 1200020 times: at most 1000000"#,
    );
    // What names the labels of a grid that could not be read is not told beside it.
    check(
        "[expect]\n",
        "[grid]\nloss = { set = \"duration\", to = [] }\n[expect]\n\"feed.missed_forever{loss=1%}\" = \"== 0\"\n",
        r#"t.toml:29:33: "to": expected at least one value"#,
    );
    check(
        "name = \"t/sound\"",
        "name = \"t/sound\"\nseeds = 20000",
        r#"t.toml:2:9: "seeds": expected a whole number from 1 to 10000, found 20000"#,
    );
    check(
        "rate = \"30/h\"",
        "rate = \"30/h\"\nsize = \"1MiB\"",
        r#"t.toml:18:8: "size": expected a constant or uniform(a, b) of at most 32KiB"#,
    );
    check(
        "\"10m\"",
        "\"366d\"",
        r#"t.toml:2:12: "duration": expected a time of at most 365d, found "366d""#,
    );
    let two = "[[group]]\nname = \"more\"\ncount = 99995\n[[workload]]";
    check(
        "[[workload]]",
        two,
        "t.toml:16:9: all groups together may have at most 100000 hosts",
    );
    let faults = "[[fault]]\nkind = \"clock-step\"\nhosts = \"home\"\nat = \"1m\"\nby = \"1s\"\n";
    let found = problems(
        &SOUND.replace(
            "[[variant]]\nname = \"a\"",
            &(many("", faults, 1_000) + "[[variant]]\nname = \"a\""),
        ),
        &[],
    );
    assert_eq!(found, ["t.toml:18:1: 1001 times [[fault]]: at most 1000"]);
    let complete = SOUND
        .replace(
            "{ graph = \"random-regular\", degree = 4 }",
            "{ graph = \"complete\" }",
        )
        .replace("count = 10", "count = 20000");
    assert_eq!(
        problems(&complete, &[]),
        ["t.toml:9:21: more than 5000000 friendships: take a sparser graph"]
    );
}

#[test]
fn settings_of_tcp_are_pointed_at() {
    let check_tcp = |tcp: &str, expected: &str| {
        let to = format!("\"aws-21\"\n[network.tcp]\n{tcp}");
        check("\"aws-21\"", &to, expected);
    };
    check_tcp(
        "congestion = \"reno\"",
        r#"t.toml:7:14: unknown congestion "reno"; did you mean "new-reno"?"#,
    );
    check_tcp(
        "delayed_ack = \"on\"",
        r#"t.toml:7:15: "delayed_ack": expected a time such as "20m" or "1.5s" (units ns, us, ms, s, m, h, d), found "on""#,
    );
    check_tcp(
        "receive_buffer = \"1KiB\"",
        r#"t.toml:7:18: "receive_buffer": expected 4KiB to 1GiB"#,
    );
    check_tcp(
        "pacing = true",
        r#"t.toml:7:1: "tcp" of "network" has no field "pacing"; known: backlog, congestion, delayed_ack, initial_window, keepalive, receive_buffer, rto_min, sack, send_buffer, user_timeout"#,
    );
}

#[test]
fn grids_are_checked() {
    let check_grid = |grid: &str, expected: &str| {
        check("[expect]", &format!("[grid]\n{grid}\n[expect]"), expected);
    };
    check_grid(
        "n = 3",
        r#"t.toml:29:5: "n": expected { set = "path", to = [values] }, found a whole number"#,
    );
    check_grid(
        "n = { set = \"group.home.count\", to = [] }",
        r#"t.toml:29:38: "to": expected at least one value"#,
    );
    check_grid(
        "n = { set = \"group.home.count\", to = [10, 10] }",
        r#"t.toml:29:43: "to": expected different strings, numbers or labels, without any of { } , ="#,
    );
    check_grid(
        "n = { set = \"seeds\", to = [1, 2] }",
        r#"t.toml:29:13: a grid cannot change "seeds": it belongs to the whole scenario"#,
    );
    check_grid(
        "n = { set = \"group.home.cuont\", to = [10] }",
        r#"t.toml:29:13: group "home" has no field "cuont"; did you mean "count"?"#,
    );
    check_grid(
        "reason = { set = \"group.home.count\", to = [10] }",
        r#"t.toml:29:1: "reason" cannot label a grid: expected letters, digits, - and _, and no label that a metric has already"#,
    );
    let values: Vec<String> = (10..111).map(|count| count.to_string()).collect();
    check_grid(
        &format!(
            "n = {{ set = \"group.home.count\", to = [{}] }}",
            values.join(", ")
        ),
        "t.toml:29:1: the grid has more than 100 cells",
    );
}

#[test]
fn names_are_used_once() {
    check(
        "name = \"b\"",
        "name = \"a\"",
        r#"t.toml:27:8: there are two variants "a""#,
    );
    check(
        "[[workload]]",
        "[[group]]\nname = \"home\"\ncount = 1\n[[workload]]",
        r#"t.toml:15:8: there are two groups "home""#,
    );
    check(
        "warmup = \"1m\"",
        "warmup = \"1m\"\nwarmup = \"2m\"",
        "t.toml:4:1: not valid TOML: duplicate key",
    );
}

#[test]
fn what_is_missing_is_named() {
    check(
        "duration = \"10m\"",
        "",
        r#"t.toml:1:1: the scenario lacks the field "duration""#,
    );
    check(
        "rate = \"30/h\"",
        "",
        r#"t.toml:14:1: workload "post" needs exactly one of "rate", "every" and "at""#,
    );
}

#[test]
fn all_problems_of_a_file_are_told_at_once_in_order() {
    let text = SOUND
        .replace("count = 10", "count = -3")
        .replace("30/h", "fast")
        .replace("aws-21", "aws-22");
    let places: Vec<String> = problems(&text, &[])
        .iter()
        .map(|line| line.split(": ").next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(places[..2], ["t.toml:5:10", "t.toml:8:9"]);
    assert!(places.contains(&"t.toml:17:8".to_owned()), "{places:?}");
}

#[test]
fn arguments_are_pointed_into() {
    let check = |setting: &str, expected: &str| {
        assert_eq!(problems(SOUND, &[setting]), [expected], "{setting}");
    };
    check(
        "group.home.cuont=8",
        r#"--set 'group.home.cuont=8', column 1: group "home" has no field "cuont"; did you mean "count"?"#,
    );
    check(
        "group.home.count=1000000000",
        r#"--set 'group.home.count=1000000000', column 18: "count": expected a whole number from 1 to 100000, found 1000000000"#,
    );
    check(
        "fault.partition.at=11m",
        r#"--set 'fault.partition.at=11m', column 20: "at": fault "partition" begins outside the run: expected within 0s and the duration, 10m"#,
    );
    check(
        "duration",
        "--set 'duration', column 1: expected path=value, such as group.home.count=8",
    );
}

#[test]
fn nonsense_of_any_kind_is_answered() {
    let deep = format!("x = {}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let long = "x".repeat(1_000_000);
    let many = "[[group]]\nname = 'g'\ncount = 1\n".repeat(20_000);
    for text in [
        "",
        " \n",
        "{}",
        "\u{0}",
        "name",
        "[[[",
        deep.as_str(),
        long.as_str(),
        many.as_str(),
    ] {
        assert!(!problems(text, &[]).is_empty(), "{text:.40}");
    }
    let large = format!("name = '{}'", "x".repeat(1_100_000));
    assert_eq!(
        problems(&large, &[]),
        ["t.toml:1:1: the file is larger than 1 MiB, the limit for a scenario"]
    );
}

#[test]
fn a_problem_is_shown_with_its_line_and_a_caret() {
    let text = SOUND.replace("30/h", "fast");
    let shown = read("t.toml", &text, None, &[])
        .expect_err("the rate is wrong")
        .to_string();
    insta::assert_snapshot!(shown, @r#"
    t.toml:17:8: "rate": expected how often, such as "30/h" or "0.5/s" (per s, m, h or d), found "fast"
        |
     17 | rate = "fast"
        |        ^^^^^^
    "#);
}
