//! The built program, as people use it: what it prints, where, and its exit codes.

use std::path::Path;
use std::process::{Command, Output};

fn orrery(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_orrery"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .expect("the program can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs in an empty folder and expects an exit code and a part of standard error.
#[track_caller]
fn check(arguments: &[&str], code: i32, expected: &str) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = orrery(arguments, folder.path());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("it is a folder")
        .collect();
    assert!(left.is_empty(), "{arguments:?} left files behind");
    output
}

#[test]
fn the_catalog_is_listed() {
    let output = check(&["list"], 0, "");
    let listed = text(&output.stdout);
    assert!(
        listed.contains("\nfeed/quiet\n    ") && listed.contains("20 hosts, "),
        "{listed}"
    );
    assert!(listed.lines().all(|line| line.chars().count() <= 80));
    let some = text(&check(&["list", "RELAY", "crash"], 0, "").stdout);
    assert!(
        some.starts_with("relay/crash\n") && !some.contains("feed/"),
        "{some}"
    );
    check(&["list", "xyzzy"], 0, "no scenario has xyzzy in its name");
    let output = check(&["list", "--format", "json"], 0, "");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let all = list.as_array().expect("it is a list");
    let named = |scenario: &&serde_json::Value| scenario["name"] == "feed/skewed-clocks";
    let skewed = all.iter().find(named).expect("it is in the catalog");
    assert_eq!(skewed["variants"][0], "after_ts");
    assert_eq!(skewed["simulations"], 20);
}

#[test]
fn help_has_room_in_80_columns() {
    let of_all = text(&check(&["--help"], 0, "").stdout);
    let commands = of_all.split("Commands:\n").nth(1).expect("they are listed");
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let names = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names: Vec<&str> = names.filter(|name| !["", "help"].contains(name)).collect();
    assert!(names.contains(&"run") && names.contains(&"import"));
    let mut asked = vec![vec!["--help"], vec!["import", "delays", "--help"]];
    asked.extend(names.into_iter().map(|name| vec![name, "--help"]));
    for arguments in asked {
        let said = text(&check(&arguments, 0, "").stdout);
        let long = said.lines().find(|line| line.chars().count() > 80);
        assert_eq!(long, None, "{arguments:?}");
    }
}

#[test]
fn a_scenario_of_the_catalog_is_shown_to_start_from() {
    let shown = check(&["show", "feed/quiet"], 0, "").stdout;
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("mine.toml"), &shown).expect("it can be written");
    let output = orrery(&["check", "mine.toml"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    check(&["show", "feed/quite"], 2, "did you mean \"feed/quiet\"?");
}

#[test]
fn fields_metrics_and_profiles_are_explained() {
    let said = |topic: &str| text(&check(&["explain", topic], 0, "").stdout);
    insta::assert_snapshot!(said("fault.power-cut"), @r#"
    fault.power-cut
        Hosts lose power: memory and everything not yet synced to disk is gone. A
        host is off while any power cut is in force, and its programs start once,
        when the last power cut and stop has ended. An effect is a host whose
        programs it ends or keeps from running, alone or with others.

    fault.power-cut.at
        When; `each uniform(a, b)` draws a time for each host.

    fault.power-cut.every
        It comes again each time this has passed, such as `30s`; once if absent.

    fault.power-cut.for (required)
        How long until they start again.

    fault.power-cut.hosts (required)
        The hosts that lose power.

    fault.power-cut.on_access
        Of these hosts, only those whose group has an access link by this name, such
        as `4g`: the network of one provider. Not with `partition`.

    fault.power-cut.rate
        Instead of `at` and `every`: how often on average it meets each host
        (`partition`: the network), such as `2/h`, at random (Poisson) from when it
        has ended; every host draws its own times.

    fault.power-cut.regions
        Of these hosts, only those in these regions, such as `"eu-central-1"`: a
        whole region goes dark. Not with `partition`.

    fault.power-cut.share
        Of these hosts, after `regions` and `on_access`, only this share, such as
        `0.2`; each seed draws which. Not with `partition`.
    "#);
    assert!(said("feed.missed_forever").contains("absent at the end of the drain"));
    assert!(said("metrics").contains("ping.rtt (distribution, ms)"));
    assert!(said("profiles").contains("aws-21: Round-trip times between 21 regions"));
    assert!(said("node").contains("sync.pull_interval = \"30s\""));
    assert!(said("profiles").contains("\n  up.loss_bursts.r (required)\n"));
    assert!(said("schema").starts_with('{'));
    assert!(said("access-schema").starts_with('{'));
    assert!(text(&check(&["explain"], 0, "").stdout).contains("workload:"));
    check(
        &["explain", "group.cuont"],
        2,
        "did you mean \"group.count\"?",
    );
}

#[test]
fn files_are_checked_and_all_that_are_wrong_are_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).expect("it can be written");
    };
    write("binary.toml", b"name = \"a\"\n\xff\xfe");
    write("empty.toml", b"");
    write("large.toml", &vec![b'#'; 1_100_000]);
    let names = [
        "check",
        "feed/quiet",
        "binary.toml",
        "empty.toml",
        "large.toml",
        "none.toml",
        ".",
    ];
    let output = orrery(&names, folder.path());
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stdout),
        "feed/quiet: sound: 20 nodes, 2 variants, 6 expectations\n"
    );
    let stderr = text(&output.stderr);
    for expected in [
        "binary.toml:2: not UTF-8 at byte 11",
        "empty.toml:1:1: the file is empty",
        "large.toml: larger than 1 MiB",
        "none.toml: there is no such file",
        "it is a folder",
    ] {
        assert!(stderr.contains(expected), "{expected}: {stderr}");
    }
}

#[test]
fn bad_usage_ends_with_2_and_says_what_to_do() {
    check(
        &["run", "feed/quite"],
        2,
        "there is no scenario \"feed/quite\"; did you mean \"feed/quiet\"?",
    );
    check(
        &["run", "feed/quiet", "--variant", "cursr"],
        2,
        "did you mean \"cursor\"?",
    );
    check(
        &["run", "feed/quiet", "--until", "soon"],
        2,
        "--until: expected a time",
    );
    check(
        &["run", "feed/quiet", "--set", "seeds=0"],
        2,
        "--set 'seeds=0', column 7: \"seeds\": expected",
    );
    check(
        &["run", "feed/quiet", "--log", "orrery=loud"],
        2,
        "--log \"orrery=loud\"",
    );
    check(
        &["run", "feed/quiet", "--engine", "testnet"],
        2,
        "--engine testnet is not available yet",
    );
    check(
        &["run", "feed/quiet", "--trace"],
        2,
        "--trace is not available yet",
    );
    check(
        &["run", "feed/quiet", "--seeds", "0"],
        2,
        "0 is not in 1..=10000",
    );
    check(
        &["run", "feed/quiet", "--seed", "1", "--seeds", "2"],
        2,
        "cannot be used with",
    );
    check(&["run"], 2, "required arguments");
    check(&["fly"], 2, "unrecognized subcommand");
}

#[test]
fn help_is_data_and_no_failure() {
    let output = check(&["run", "--help"], 0, "");
    assert!(text(&output.stdout).contains("Examples:"));
    assert!(text(&check(&["--help"], 0, "").stdout).contains("Exit codes:"));
}

#[test]
fn an_unwritable_output_folder_ends_with_6_before_anything_is_played() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A file where a folder should be cannot be written into by anybody.
    std::fs::write(folder.path().join("taken"), "mine").expect("it can be written");
    let output = orrery(&["run", "feed/quiet", "--out", "taken/out"], folder.path());
    assert_eq!(output.status.code(), Some(6));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("cannot write to the output folder taken/out"),
        "{stderr}"
    );
    assert!(!stderr.contains("seeds 1 to"), "{stderr}");
    let kept = std::fs::read_to_string(folder.path().join("taken")).expect("it is still there");
    assert_eq!(kept, "mine");
}

#[test]
fn a_worker_without_a_job_says_so() {
    check(&["worker"], 6, "not a job");
}

/// A minute of two nodes, small enough for every test run.
const SMALL: [&str; 10] = [
    "run",
    "feed/quiet",
    "--set",
    "group.home.count=4",
    "--set",
    "group.home.friends.degree=2",
    "--variant",
    "cursor",
    "--until",
    "40s",
];

#[test]
fn captures_lie_beside_the_results_and_change_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let hash = |more: &[&str]| {
        let arguments = [&SMALL[..], &["--seeds", "2", "--out", "out"], more].concat();
        let output = orrery(&arguments, folder.path());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{stderr}");
        let path = folder.path().join("out/result.json");
        let result = std::fs::read_to_string(path).expect("it was written");
        let result: serde_json::Value = serde_json::from_str(&result).expect("it is JSON");
        [0, 1].map(|seed| {
            let hash = &result["variants"][0]["seeds"][seed]["trace_hash"];
            hash.as_str().expect("a hash").to_owned()
        })
    };
    let plain = hash(&[]);
    assert!(!folder.path().join("out/captures").exists());
    assert_eq!(hash(&["--pcap", "--verify"]), plain);
    for seed in ["cursor-1", "cursor-2"] {
        for host in 0..4 {
            let name = format!("out/captures/{seed}/capture-home[{host}].pcapng");
            let capture = std::fs::metadata(folder.path().join(&name));
            assert!(capture.is_ok_and(|file| file.len() > 10_000), "{name}");
        }
    }
}

#[test]
fn a_capture_that_cannot_be_written_ends_with_6() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Nobody can write a file where a folder is.
    let taken = "out/captures/cursor-1/capture-home[2].pcapng";
    std::fs::create_dir_all(folder.path().join(taken)).expect("it is ours");
    let more = ["--seed", "1", "--out", "out", "--pcap"];
    let output = orrery(&[&SMALL[..], &more].concat(), folder.path());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{stderr}");
    let expected = format!("error: variant cursor, seed 1: cannot write the capture {taken}");
    assert!(stderr.contains(&expected), "{stderr}");
    assert!(!folder.path().join("out/result.json").exists());
}

#[test]
fn what_is_cut_short_is_not_judged_and_earlier_results_are_set_aside() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |more: &[&str]| {
        let arguments = [&SMALL[..], &["--seed", "1", "--out", "out"], more].concat();
        let output = orrery(&arguments, folder.path());
        assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
        output
    };
    let first = run(&[]);
    let said = text(&first.stdout);
    assert!(
        said.contains("verdict: not judged (the run ended at 40 s"),
        "{said}"
    );
    assert!(text(&first.stderr).contains("not judged: "));
    let read = |path: &str| {
        let path = folder.path().join(path);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{path:?}"));
        serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON")
    };
    let result = read("out/result.json");
    assert_eq!(result["verdict"], "not-judged");
    assert_eq!(result["until_s"], 40.0);
    let second = run(&[]);
    let stderr = text(&second.stderr);
    assert!(stderr.contains("is now in out/earlier/1"), "{stderr}");
    assert_eq!(read("out/earlier/1/result.json"), result);
    assert!(!folder.path().join("out/unfinished").exists());
}

#[test]
fn a_fault_that_was_to_begin_later_is_no_silent_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |until: &str| {
        let arguments = [
            "run",
            "partition/heal",
            "--seed",
            "1",
            "--until",
            until,
            "--out",
            until,
        ];
        let output = orrery(&arguments, folder.path());
        assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
        let path = folder.path().join(until).join("result.json");
        let result = std::fs::read_to_string(path).expect("it was written");
        let result: serde_json::Value = serde_json::from_str(&result).expect("it is JSON");
        let count = |of: &serde_json::Value| of.as_array().map_or(0, Vec::len);
        (
            count(&result["variants"][0]["seeds"][0]["faults"]),
            count(&result["not_judged"]),
            std::fs::read_to_string(folder.path().join(until).join("report.html")),
        )
    };
    let (faults, not_judged, page) = run("20s");
    assert_eq!(faults, 0);
    assert!(not_judged > 0);
    let page = page.expect("it was written");
    assert!(page.contains("not judged:</p>") && !page.contains("states no expectations"));
}

#[test]
fn a_result_is_played_again_from_itself() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = "\
name = 'again'\nduration = '20s'\ndrain = '30s'\nseeds = 1\n[network]\ndelays = 'mine.toml'\n\
[[group]]\nname = 'g'\ncount = 3\nfriends = { graph = 'ring' }\nnode = { sync.pull_interval = '5s' }\n\
[[workload]]\nkind = 'post'\nfrom = 'g'\nrate = '600/h'\n";
    let profile = "name = 'mine'\nsummary = 's'\nsource = 'q'\nkind = 'rtt'\nunit = 'ms'\nfile = 'mine.csv'\n";
    for (name, text) in [
        ("again.toml", scenario),
        ("mine.toml", profile),
        ("mine.csv", "ms,a\na,20\n"),
    ] {
        std::fs::write(folder.path().join(name), text).expect("it can be written");
    }
    let arguments = [
        "run",
        "again.toml",
        "--set",
        "group.g.count=4",
        "--out",
        "out",
    ];
    let first = orrery(&arguments, folder.path());
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    // Neither the scenario nor its profile is needed any more.
    for name in ["again.toml", "mine.toml", "mine.csv"] {
        std::fs::remove_file(folder.path().join(name)).expect("it is ours");
    }
    let again = orrery(&["run", "out/result.json", "--out", "two"], folder.path());
    let stderr = text(&again.stderr);
    assert_eq!(again.status.code(), Some(0), "{stderr}");
    assert!(
        stderr.contains("the same as the earlier result: all 1 trace hashes are equal"),
        "{stderr}"
    );
    let shown = orrery(&["show", "two/result.json"], folder.path());
    assert_eq!(text(&shown.stdout), scenario);
}

#[test]
fn an_interrupted_run_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let more = ["--seeds", "20", "--jobs", "1", "--out", "out"];
    let arguments = [&SMALL[..], &more].concat();
    let child = Command::new(env!("CARGO_BIN_EXE_orrery"))
        .args(&arguments)
        .current_dir(folder.path())
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let kept = || {
        let items = std::fs::read_dir(folder.path().join("out/unfinished"));
        let names = items.into_iter().flatten().flatten();
        let is_whole = |name: &std::fs::DirEntry| name.path().extension().is_some();
        names.filter(is_whole).count()
    };
    while kept() < 2 {
        std::thread::yield_now();
    }
    let id = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &id]).status();
    assert!(killed.expect("there is a kill").success());
    let output = child.wait_with_output().expect("it ends");
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(
        stderr.contains("of 20 simulations had ended and are kept"),
        "{stderr}"
    );
    assert!(!folder.path().join("out/result.json").exists());

    let output = orrery(&arguments, folder.path());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{stderr}");
    assert!(
        stderr.contains("of 20 simulations had ended when this run was"),
        "{stderr}"
    );
    let record = std::fs::read_to_string(folder.path().join("out/result.json"));
    let record: serde_json::Value =
        serde_json::from_str(&record.expect("it was written")).expect("it is JSON");
    let seeds = record["variants"][0]["seeds"].as_array().expect("a list");
    assert_eq!(seeds.len(), 20);
    assert_eq!(
        record["origin"]["wall_s"],
        serde_json::Value::Null,
        "it was not one run"
    );
    assert!(!folder.path().join("out/unfinished").exists());
}
