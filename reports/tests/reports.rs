//! What people and programs read of a record.

mod fixture;

use orrery_reports::{
    chart, html,
    key::Key,
    metrics_csv,
    record::{
        Compare, Expectation, Fault, Fidelity, Invariant, Judged, Loss, Losses, Mark, Moment,
        Record, Verdict,
    },
    schema, stats, summary_md,
    table::{Colour, table},
};

fn spoiled() -> Record {
    let mut record = fixture::skewed_clocks(3);
    record.verdict = Verdict::Invariant;
    record.expectations[1].held = false;
    record.expectations[2].value = None;
    let seed = &mut record.variants[0].seeds[1];
    seed.failure = Some("host home-3 panicked at 12.5 s\nmore".into());
    let twin_hash = record.variants[1].seeds[2].trace_hash.clone();
    let seed = &mut record.variants[1].seeds[0];
    seed.faults[1].fired = 0;
    seed.invariants[0] = Invariant {
        name: "acked-is-durable".into(),
        held: false,
        detail: Some("post 7 of home-3".into()),
    };
    seed.trace_hash = twin_hash;
    seed.losses.count("feed.missed_forever", "unknown", 1);
    seed.losses.list(Loss {
        item: "post 7".into(),
        author: "home-3".into(),
        reader: "home-4".into(),
        created_s: 61.0,
        cause: "unknown".into(),
        metric: "feed.missed_forever".into(),
    });
    stats::summarise(&mut record).expect("valid histograms");
    record
}

/// Puts hostile text into every string that a scenario or a node can choose.
fn hostile() -> Record {
    let evil = "<img src=x onerror=\"alert(1)\">|`\u{1b}[31m\n</style>'";
    let mut record = spoiled();
    record.scenario = evil.into();
    record.summary = evil.into();
    record.commit = evil.into();
    record.engine = evil.into();
    record.arguments = vec!["run".into(), evil.into()];
    record.marks[0].label = evil.into();
    record.definitions.insert(evil.into(), evil.into());
    for expectation in &mut record.expectations {
        expectation.expr = format!("{evil} == 0");
    }
    for variant in &mut record.variants {
        variant.name = format!("{evil}{}", variant.name);
        for seed in &mut variant.seeds {
            seed.trace_hash = evil.into();
            seed.failure = seed.failure.as_ref().map(|_| evil.into());
            let latency = seed.metrics["feed.delivery.latency"].clone();
            let dropped = seed.metrics["net.bytes"].clone();
            seed.metrics
                .insert(Key::of(&format!("{evil}.latency")), latency);
            seed.metrics
                .insert(Key::of("net.drops").with("reason", evil), dropped);
            seed.faults[0].kind = evil.into();
            seed.invariants[1].name = evil.into();
            seed.invariants[0].detail = Some(evil.into());
            seed.losses.count(evil, evil, 1);
            for loss in seed.losses.listed_mut() {
                loss.item = evil.into();
                for field in [&mut loss.author, &mut loss.reader, &mut loss.cause] {
                    *field = evil.into();
                }
            }
        }
        variant.seeds[0].seed = evil.into();
    }
    stats::summarise(&mut record).expect("valid histograms");
    record
}

#[test]
fn the_terminal_shows_what_was_run_and_what_came_of_it() {
    insta::assert_snapshot!("table", table(&fixture::skewed_clocks(10), Colour::Never));
}

#[test]
fn every_report_says_which_fidelity_a_result_has() {
    let mut record = fixture::skewed_clocks(3);
    let reports = |record: &Record| {
        [
            table(record, Colour::Never),
            summary_md::summary(record),
            html::page(record).expect("valid"),
        ]
    };
    record.variants[1].fidelity = Fidelity::Flow;
    for report in reports(&record) {
        let report = report.replace('\\', "");
        assert!(
            report.contains("wire in after_ts, flow in cursor"),
            "{report}"
        );
    }
    record.variants[0].fidelity = Fidelity::Flow;
    let [table, summary, page] = reports(&record);
    assert!(table.contains("fidelity flow"), "{table}");
    assert!(summary.contains("fidelity flow"), "{summary}");
    assert!(page.contains("<dt>Fidelity</dt><dd>flow</dd>"), "{page}");
    let rows = metrics_csv::table(&record).expect("fits");
    assert!(rows.lines().skip(1).all(|row| row.contains(",flow,")));
}

#[test]
fn a_spoiled_run_says_what_broke_and_how_to_repeat_it() {
    insta::assert_snapshot!("table_of_a_spoiled_run", table(&spoiled(), Colour::Never));
}

#[test]
fn a_failure_is_repeated_with_the_variants_that_it_is_of() {
    let repeats = |bound: &str, variants: usize, arguments: &[&str]| {
        let mut record = fixture::skewed_clocks(3);
        record.verdict = Verdict::Failed;
        record.variants.truncate(variants);
        record.arguments = arguments.iter().map(|&word| word.to_owned()).collect();
        record.expectations = vec![Expectation {
            expr: format!("cursor: net.bytes {bound}"),
            value: Some(2.0),
            held: false,
            bound: bound.to_owned(),
            figures: vec![Judged {
                variant: record.variants[variants - 1].name.clone(),
                key: Key::read("net.bytes"),
                value: Some(2.0),
                held: false,
                seeds: 3,
                missing: 0,
                worst_seed: Some("2".to_owned()),
            }],
        }];
        let table = table(&record, Colour::Never);
        let line = table.lines().find(|line| line.starts_with("repeat: "));
        line.expect("a failure has one").to_owned()
    };
    let all = ["run", "feed/x", "--seeds", "3"];
    let one = ["run", "feed/x", "--variant", "after_ts"];
    for (told, expected) in [
        (
            repeats("< 1 MB", 2, &all),
            "feed/x --variant cursor --seed 2",
        ),
        (
            repeats("< 0.5 * after_ts: net.bytes", 2, &all),
            "feed/x --seed 2",
        ),
        (
            repeats("< 1 MB", 1, &one),
            "feed/x --variant after_ts --seed 2",
        ),
    ] {
        assert!(told.ends_with(expected), "{told}");
    }
}

#[test]
fn what_was_not_judged_is_told_beside_what_held() {
    let mut record = fixture::skewed_clocks(3);
    record.not_judged = vec!["D8: net.bytes < D4: net.bytes".to_owned()];
    let page = html::page(&record).expect("valid");
    let summary = summary_md::summary(&record);
    for report in [table(&record, Colour::Never), summary, page] {
        let report = report.replace('\\', "").replace("&lt;", "<");
        assert!(report.contains("not judged"), "{report}");
        assert!(report.contains("D8: net.bytes < D4: net.bytes"), "{report}");
        assert!(report.contains(", 1 not judged"), "{report}");
    }
}

#[test]
fn the_page_counts_what_broke_not_what_held() {
    let page = html::page(&spoiled()).expect("valid");
    for wanted in [
        "✗ invariant broken",
        "✗ failed</b>",
        "✗ broke</b> in 1 of 6 runs",
        "✓ held</b> in 6 of 6 runs",
        "✗ silent</b> in 1 of 3 seeds",
        "✗ ended early: host home-3 panicked at 12.5 s",
        "cursor, seed 1: post 7 of home-3",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
}

#[test]
fn colour_adds_nothing_but_escape_sequences() {
    let record = spoiled();
    let mut plain = String::new();
    let mut rest = table(&record, Colour::Ansi);
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after
            .split_once('m')
            .expect("a complete sequence")
            .1
            .to_owned();
    }
    assert_eq!(plain + &rest, table(&record, Colour::Never));
}

#[test]
fn the_summary_is_ready_for_a_pull_request() {
    insta::assert_snapshot!("summary", summary_md::summary(&fixture::skewed_clocks(10)));
}

#[test]
fn figures_are_tidy() {
    insta::assert_snapshot!(
        "csv",
        metrics_csv::table(&fixture::skewed_clocks(1)).expect("fits")
    );
}

#[test]
fn one_seed_has_no_interval_and_says_so() {
    let record = fixture::skewed_clocks(1);
    let summary = &record.variants[0].summary["feed.missed_forever"];
    assert!(
        summary
            .ci95
            .iter()
            .all(|end| end.total_cmp(&summary.mean).is_eq())
    );
    assert!(
        record
            .differences
            .iter()
            .all(|difference| !difference.significant)
    );
    assert!(table(&record, Colour::Never).contains("one seed: its figures have no interval"));
    let page = html::page(&record).expect("valid");
    assert!(!page.contains("<small>["), "an interval of one seed");
    let of_several = html::page(&fixture::skewed_clocks(2)).expect("valid");
    assert!(of_several.contains("<small>["));
}

#[test]
fn more_than_two_variants_stand_beneath_each_other() {
    let mut record = fixture::skewed_clocks(6);
    let mut third = record.variants[1].clone();
    third.name = "seqvec".into();
    record.variants.push(third);
    stats::summarise(&mut record).expect("valid histograms");
    assert_eq!(
        record
            .differences
            .iter()
            .filter(|d| d.b == "seqvec")
            .count(),
        28
    );
    let text = table(&record, Colour::Never);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("  ") && line.contains("seqvec"))
        .collect();
    assert!(lines.len() >= 7, "{text}");
    assert!(
        lines.iter().all(|line| line.chars().count() < 110),
        "{text}"
    );
    let page = html::page(&record).expect("valid");
    assert!(
        page.contains("stroke-s2")
            && page.contains("minus <span class=\"name\">after_ts</span></th>")
    );
    assert!(summary_md::summary(&record).contains("| figure | variant |"));
}

#[test]
fn every_bound_says_what_it_left_out() {
    let mut record = fixture::skewed_clocks(8);
    record.marks = (0..15)
        .map(|n| Mark {
            label: format!("cut {n}"),
            from_s: f64::from(n) * 60.0,
            to_s: 900.0,
        })
        .collect();
    for seed in record
        .variants
        .iter_mut()
        .flat_map(|variant| &mut variant.seeds)
    {
        let latency = seed.metrics["feed.delivery.latency"].clone();
        let bytes = seed.metrics["net.bytes"].clone();
        for n in 0..9 {
            seed.metrics
                .insert(Key::of(&format!("op{n}.latency")), latency.clone());
        }
        for n in 0..401 {
            seed.metrics.insert(
                Key::of("net.pair").with("to", &n.to_string()),
                bytes.clone(),
            );
        }
        seed.faults[0].fired = 0;
    }
    stats::summarise(&mut record).expect("valid histograms");
    let page = html::page(&record).expect("valid");
    assert!(page.contains("<li>3 more are not drawn</li>"), "marks");
    assert!(
        page.contains("3 further rows are in metrics.csv"),
        "labelled rows"
    );
    assert!(page.contains("Which ones: 60 of "), "losses");
    assert_eq!(
        page.matches(": share at or below</h3>").count(),
        chart::METRICS_MAX
    );
    let text = table(&record, Colour::Never);
    assert!(text.contains("more in report.html"), "rows of the terminal");
    assert!(
        text.contains("seeds 1, 2, 3, 4, 5 and 3 more"),
        "seeds of a warning"
    );
}

#[test]
fn the_page_needs_nothing_from_anywhere() {
    let page = html::page(&fixture::skewed_clocks(10)).expect("valid");
    for forbidden in [
        "<script", "http://", "https://", "src=", "url(", "@import", "<link",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for wanted in [
        "prefers-color-scheme: dark",
        "width=device-width",
        "@media print",
        "<svg",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
    assert!(page.contains("orrery run feed/skewed-clocks --variant after_ts --seed 3"));
}

#[test]
fn every_link_of_the_page_has_its_target() {
    let page = html::page(&fixture::skewed_clocks(10)).expect("valid");
    let links: Vec<&str> = page
        .split("href=\"#")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(!links.is_empty());
    for link in links {
        assert!(page.contains(&format!("id=\"{link}\"")), "{link}");
    }
}

#[test]
fn hostile_text_stays_text_everywhere() {
    let record = hostile();
    let page = html::page(&record).expect("valid");
    assert!(!page.contains("<img") && !page.contains('\u{1b}'));
    assert_eq!(page.matches("</style>").count(), 1);
    assert!(page.contains("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;"));
    let summary = summary_md::summary(&record);
    let outside_code = summary.lines().filter(|line| !line.starts_with("    "));
    for line in outside_code {
        assert!(!line.contains("<img"), "{line}");
        let unescaped = line.replace("\\|", "");
        assert!(unescaped.matches('|').count() <= 5, "{line}");
    }
    let text = table(&record, Colour::Never);
    assert!(!text.contains('\u{1b}') && !summary.contains('\u{1b}'));
}

#[test]
fn an_expectation_of_all_cells_of_a_grid_has_the_unit_of_their_figures() {
    let mut record = fixture::skewed_clocks(2);
    for seed in record.variants.iter_mut().flat_map(|v| &mut v.seeds) {
        let bytes = seed.metrics.remove("net.bytes").expect("recorded");
        seed.metrics.insert(Key::read("net.bytes{loss=1%}"), bytes);
    }
    record.expectations[0].expr = "net.bytes < 3MB".into();
    record.expectations[0].value = Some(2_000_000.0);
    stats::summarise(&mut record).expect("valid histograms");
    let text = table(&record, Colour::Never);
    assert!(text.contains("net.bytes < 3MB  (worst 2 MB)"), "{text}");
}

#[test]
fn a_record_without_anything_still_makes_a_page() {
    let mut record = fixture::skewed_clocks(1);
    record.variants.clear();
    record.marks.clear();
    record.expectations.clear();
    record.arguments.clear();
    record.duration_s = 0.0;
    stats::summarise(&mut record).expect("nothing to decode");
    for text in [
        html::page(&record).expect("valid"),
        summary_md::summary(&record),
        table(&record, Colour::Never),
        metrics_csv::table(&record).expect("fits"),
    ] {
        assert!(text.ends_with('\n'));
    }
}

#[test]
fn the_committed_schema_is_current() {
    let committed = include_str!("../schema/result.schema.json");
    assert!(
        committed == schema::schema(),
        "run: cargo run -p orrery-reports --example schema > reports/schema/result.schema.json"
    );
}

#[test]
fn many_faults_of_a_kind_are_one_line_and_the_silent_ones_are_named() {
    let mut record = fixture::skewed_clocks(2);
    for seed in record.variants.iter_mut().flat_map(|it| &mut it.seeds) {
        seed.faults = (1..=120)
            .map(|place| Fault {
                kind: format!("partition#{place}").as_str().into(),
                declared: 1,
                fired: u64::from(place != 7),
            })
            .collect();
    }
    let reports = [
        table(&record, Colour::Never),
        summary_md::summary(&record),
        html::page(&record).expect("valid"),
    ];
    for report in reports {
        let report = report.replace('\\', "");
        assert!(report.contains("partition, 119 faults"), "{report}");
        assert!(report.contains("partition#7"), "{report}");
        assert!(!report.contains("partition#8"), "{report}");
    }
    for seed in record.variants.iter_mut().flat_map(|it| &mut it.seeds) {
        seed.faults.iter_mut().for_each(|fault| fault.fired = 0);
    }
    let text = table(&record, Colour::Never);
    assert!(text.contains("further partition, 116 faults"), "{text}");
    assert!(
        text.contains("115 further faults partition never fired"),
        "{text}"
    );
}

/// The part of a page before its contents.
fn first_screen(page: &str) -> &str {
    page.split("<nav ").next().expect("it has contents")
}

#[test]
fn one_variant_without_a_grid_leads_with_a_chart_of_what_its_scenario_names() {
    let mut record = fixture::skewed_clocks(3);
    record.variants.truncate(1);
    record.expectations.clear();
    let check = |report: &[&str], seeds: usize, expected: &str| {
        let mut record = record.clone();
        record.report = report.iter().map(|figure| (*figure).to_owned()).collect();
        record.variants[0].seeds.truncate(seeds);
        stats::summarise(&mut record).expect("valid histograms");
        let page = html::page(&record).expect("valid");
        let heading = format!("<h3>{expected}</h3>");
        assert!(first_screen(&page).contains(&heading), "{expected}: {page}");
        assert_eq!(
            page.matches(&heading).count(),
            1,
            "{expected} is drawn once"
        );
    };
    let curve = "feed.delivery.latency: share at or below";
    check(&["feed.delivery.latency.p99", "net.bytes"], 3, curve);
    check(
        &["feed.missed_forever"],
        3,
        "feed.missed_forever, seed by seed",
    );
    // Equal in all seeds, or one seed: nothing to see seed by seed.
    check(&["node.connections"], 3, curve);
    check(&["feed.missed_forever"], 1, curve);
    check(&[], 1, curve);
    record.report = vec!["feed.delivery.latency.p99".into()];
    let page = html::page(&record).expect("valid");
    let sentence = "<li>feed.delivery.latency.p99 is ";
    assert!(first_screen(&page).contains(sentence), "{page}");
}

#[test]
fn each_two_of_three_variants_are_compared_where_the_scenario_asks_for_it() {
    let mut record = fixture::skewed_clocks(6);
    let mut third = record.variants[1].clone();
    third.name = "third".into();
    record.variants.push(third);
    record.report = vec!["feed.missed_forever".into()];
    stats::summarise(&mut record).expect("valid histograms");
    let folded = html::page(&record).expect("valid");
    assert!(folded.contains("<summary><h2>Each pair of variants</h2></summary>"));
    assert!(!table(&record, Colour::Never).contains("cursor, third"));
    record.compare = Compare::All;
    let open = html::page(&record).expect("valid");
    assert!(open.contains("<section id=\"every-pair\"><h2>Each pair of variants</h2>"));
    for report in [table(&record, Colour::Never), summary_md::summary(&record)] {
        let report = report.replace('\\', "");
        assert!(report.contains("cursor, third"), "{report}");
        assert!(report.contains("after_ts, third"), "{report}");
    }
    record.variants.truncate(2);
    stats::summarise(&mut record).expect("valid histograms");
    assert!(
        !html::page(&record)
            .expect("valid")
            .contains("Each pair of variants")
    );
}

#[test]
fn timelines_say_which_moment_a_point_stands_for() {
    let mut record = fixture::skewed_clocks(3);
    for (moment, expected) in [
        (Moment::Begin, "of what began in it"),
        (Moment::End, "of what ended in it"),
    ] {
        let name = "feed.delivery.latency".to_owned();
        record.moments.insert(name, moment);
        let page = html::page(&record).expect("valid");
        assert!(page.contains(expected), "{expected}");
    }
}

/// What was lost is told in words of the scenario's own workloads.
#[test]
fn losses_are_told_in_the_words_of_what_was_lost() {
    let lost = |metric: &str, what: &str| Some([(metric.to_owned(), what.to_owned())].into());
    let ledger = |record: &Record| {
        let page = html::page(record).expect("valid");
        let from = page.find("id=\"losses\"")?;
        Some(page[from..].split("id=\"faults\"").next()?.to_owned())
    };
    let mut record = fixture::skewed_clocks(2);
    for seed in record.variants.iter_mut().flat_map(|v| &mut v.seeds) {
        seed.losses = Losses::default();
    }
    record.losses = lost("flow.failed", "flows that did not complete");
    let told = ledger(&record).expect("flows can be lost");
    assert!(told.contains("no flows that did not complete"), "{told}");
    assert!(!told.contains("reader"), "{told}");
    record.losses = Some([].into());
    assert_eq!(ledger(&record), None, "nothing can be lost");
    record.losses = lost("flow.failed", "flows that did not complete");
    let losses = &mut record.variants[0].seeds[0].losses;
    losses.count("flow.failed", "reset", 1);
    losses.list(Loss {
        item: "flow 3".into(),
        author: "a".into(),
        reader: "b".into(),
        created_s: 61.0,
        cause: "reset".into(),
        metric: "flow.failed".into(),
    });
    let told = ledger(&record).expect("one was lost");
    assert!(told.contains("Flows that did not complete, all"), "{told}");
    assert!(!told.contains("reader"), "{told}");
}
