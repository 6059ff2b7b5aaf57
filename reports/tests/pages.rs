//! What the page says first, and what can be taken from it.

mod fixture;
#[path = "fixture/grid.rs"]
mod grid;

use base64::{Engine, engine::general_purpose::STANDARD};
use orrery_reports::{
    answer, html,
    index::{self, Entry},
    key::Key,
    record::{Dimension, Metric, Record, SeedResult, Variant, Verdict},
    stats,
};

/// A grid of losses in which `latency` has these means, ± `spread` over six seeds.
fn ladder(means: [f64; 3], spread: f64) -> Record {
    let values = ["0%", "1%", "3%"];
    let seed = |nth: u32| {
        let away = (f64::from(nth) - 2.5) / 2.5 * spread;
        let metric = |(value, mean): (&&str, &f64)| {
            let figure = Metric::Value {
                unit: "ms".into(),
                value: mean + away,
            };
            (Key::of("latency").with("loss", value), figure)
        };
        SeedResult {
            seed: nth.to_string(),
            metrics: values.iter().zip(&means).map(metric).collect(),
            ..SeedResult::default()
        }
    };
    let mut record = grid::holes(1, &[], 1);
    record.expectations.clear();
    record.grid = vec![Dimension {
        label: "loss".into(),
        values: values.map(String::from).to_vec(),
    }];
    record.variants = vec![Variant {
        name: "default".into(),
        seeds: (0..6).map(seed).collect(),
        ..Variant::default()
    }];
    stats::summarise(&mut record).expect("no histograms");
    record
}

#[test]
fn a_grid_of_numbers_is_a_line_on_the_first_screen() {
    let page = html::page(&ladder([10.0, 20.0, 50.0], 1.0)).expect("valid");
    let (first_screen, rest) = page.split_once("<nav ").expect("contents");
    assert!(first_screen.contains("aria-label=\"latency by loss\""));
    assert!(first_screen.contains("latency rises from 10"), "the answer");
    assert!(first_screen.contains("<summary>As a table</summary>"));
    for part in ["results", "run", "seeds", "method"] {
        assert!(rest.contains(&format!("href=\"#{part}\"")), "{part}");
        assert!(rest.contains(&format!("id=\"{part}\"")), "{part}");
    }
}

#[test]
fn the_answer_follows_the_intervals() {
    let says = |means, spread| answer::sentences(&ladder(means, spread)).remove(0);
    assert!(says([10.0, 20.0, 50.0], 1.0).starts_with("latency rises from 10"));
    assert!(says([50.0, 20.0, 10.0], 1.0).starts_with("latency falls from 50"));
    let close = says([10.0, 11.0, 12.0], 20.0);
    assert!(
        close.starts_with("latency is not shown to change"),
        "{close}"
    );
    assert!(close.contains("at loss 0%") && close.contains("at loss 3%"));
}

#[test]
fn a_chart_is_saved_with_its_data() {
    let page = html::page(&ladder([10.0, 20.0, 50.0], 1.0)).expect("valid");
    let saved = |kind: &str| {
        let (_, rest) = page.split_once(kind).expect("a link");
        let (text, _) = rest.split_once('"').expect("its end");
        String::from_utf8(STANDARD.decode(text).expect("base64")).expect("text")
    };
    let csv = saved("href=\"data:text/csv;base64,");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "line,at,mean,low,high,n,unit");
    assert_eq!(lines.len(), 4);
    assert!(lines[3].contains(",3%,50,"), "{csv}");
    let svg = saved("href=\"data:image/svg+xml;base64,");
    assert!(svg.contains("xmlns=") && svg.contains("latency by loss"));
    assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
}

#[test]
fn plain_yes_and_no_have_no_shades() {
    let mut record = grid::holes(3, &[], 4);
    record.expectations.clear();
    for seed in &mut record.variants[0].seeds {
        seed.metrics
            .retain(|key, _| key.metric() == "connect.success");
        for (key, metric) in &mut seed.metrics {
            *metric = Metric::Value {
                unit: "ratio".into(),
                value: f64::from(u8::from(key.label("dialer") != Some("eim-adf"))),
            };
        }
    }
    stats::summarise(&mut record).expect("no histograms");
    let page = html::page(&record).expect("valid");
    let (first_screen, _) = page.split_once("<nav ").expect("contents");
    assert!(first_screen.contains("<td class=\"sign is-yes\">✓</td>"));
    assert!(first_screen.contains("<td class=\"sign is-no\">✗</td>"));
    assert!(!first_screen.contains("<td class=\"heat-"));
    let said = answer::sentences(&record).remove(0);
    assert!(
        said.starts_with("connect.success is 100 % in 6 of 9 cells"),
        "{said}"
    );
}

#[test]
fn an_index_begins_with_what_did_not_hold() {
    let entry = |link: &str, verdict| Entry {
        link: link.into(),
        record: Record {
            verdict,
            ..ladder([10.0, 20.0, 50.0], 1.0)
        },
    };
    let entries = [
        entry("a/report.html", Verdict::Held),
        entry("b/report.html", Verdict::Failed),
    ];
    let page = index::page("results", &entries);
    let place = |text: &str| page.find(text).expect(text);
    assert!(place("b/report.html") < place("a/report.html"));
    assert!(page.contains("2 results, 1 did not hold"));
    assert!(page.contains("latency rises from"));
}
