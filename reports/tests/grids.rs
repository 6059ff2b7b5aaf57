//! What people read of a grid.

mod fixture;
#[path = "fixture/grid.rs"]
mod grid;

use grid::holes;
use orrery_reports::{
    html,
    key::Key,
    matrix::{PAGE_MAX, PANELS_MAX, matrices},
    metrics_csv,
    record::Metric,
    stats, summary_md,
    table::{Colour, table},
};

#[test]
fn the_terminal_shows_a_matrix() {
    insta::assert_snapshot!("matrix_table", table(&holes(5, &[], 4), Colour::Never));
}

#[test]
fn the_summary_shows_a_matrix() {
    insta::assert_snapshot!("matrix_summary", summary_md::summary(&holes(3, &[], 4)));
}

#[test]
fn the_last_two_dimensions_are_rows_and_columns_and_the_rest_panels() {
    let (all, _) = matrices(&holes(3, &["quic", "tcp"], 2));
    let matrix = &all[0];
    assert_eq!(matrix.figure, "connect.success");
    assert_eq!(
        (&*matrix.rows.label, &*matrix.columns.label),
        ("dialer", "listener")
    );
    let titles: Vec<&str> = matrix.panels.iter().map(|p| p.title.as_str()).collect();
    assert_eq!(titles, ["transport=quic", "transport=tcp"]);
    for panel in &matrix.panels {
        let missed = &panel.cells[2][1];
        assert!((missed.interval.expect("a figure").mean - 0.75).abs() < 1e-9);
        assert!(!missed.asked[0].held);
        assert!(panel.cells[1][2].asked[0].held);
    }
}

#[test]
fn a_grid_of_one_dimension_is_a_list() {
    let mut record = holes(3, &[], 2);
    // The dialer has one value only, as after `--set`.
    record.grid[0].values.truncate(1);
    for seed in &mut record.variants[0].seeds {
        seed.metrics
            .retain(|key, _| key.label("dialer") == Some("none"));
    }
    record.expectations.clear();
    stats::summarise(&mut record).expect("no histograms");
    let (all, _) = matrices(&record);
    let time = all.iter().find(|matrix| matrix.figure == "connect.time");
    assert!(time.is_none(), "it is the same everywhere");
    for seed in &mut record.variants[0].seeds {
        let key = "connect.time{dialer=none,listener=eim-adf}";
        let value = Metric::Value {
            unit: "ms".into(),
            value: 70.0,
        };
        seed.metrics.insert(Key::read(key), value);
    }
    stats::summarise(&mut record).expect("no histograms");
    let text = table(&record, Colour::Never);
    let head = text.lines().find(|line| line.starts_with("listener "));
    let words: Vec<&str> = head.expect("one table").split_whitespace().collect();
    assert_eq!(words, ["listener", "none", "eim-eif", "eim-adf"], "{text}");
    let line = text
        .lines()
        .find(|line| line.starts_with("connect.time, ms  "));
    assert!(line.expect("a line").ends_with("  70"), "{text}");
    let page = html::page(&record).expect("valid");
    let (first_screen, _) = page.split_once("<nav ").expect("contents");
    assert!(first_screen.contains("<table class=\"heat\">"));
}

/// Whether a hole is punched may also be told within one run, by a metric's own two labels.
#[test]
fn pairs_of_labels_are_a_matrix_without_any_grid() {
    let mut record = holes(4, &[], 4);
    record.grid.clear();
    let page = html::page(&record).expect("valid");
    assert!(page.contains(">By pair</h2>") && page.contains("<b>✗</b> 100% "));
    let text = table(&record, Colour::Never);
    assert!(
        text.contains("\nconnect.success{dialer,listener}, %\n"),
        "{text}"
    );
    assert!(
        text.contains("eim-adf              100 ✓    100 ✓     75 ✗     100 ✓"),
        "{text}"
    );
    assert!(
        text.contains("connect.success{dialer,listener} == 100%  (in 1 of 16 cells: dialer=eim-adf,listener=eim-eif 75 % in seed 1)"),
        "{text}"
    );
    // What no expectation names is on the page alone, and nothing stands in two places.
    assert!(page.contains("connect.<wbr>time<wbr>{dialer,listener}"));
    assert!(!text.contains("connect.time"), "{text}");
    assert!(!page.contains("connect.<wbr>success<wbr>{dialer=none"));
}

#[test]
fn pairs_of_labels_in_a_grid_are_panels() {
    let mut record = holes(3, &["quic", "tcp"], 2);
    record.grid.truncate(1);
    let (all, _) = matrices(&record);
    let titles: Vec<&str> = all[0].panels.iter().map(|p| p.title.as_str()).collect();
    assert_eq!(titles, ["transport=quic", "transport=tcp"]);
    assert_eq!(all[0].rows.label, "dialer");
    assert_eq!(all[0].panels[1].cells.len(), 3);
}

#[test]
fn variants_are_a_dimension_too() {
    let mut record = holes(3, &[], 2);
    let mut other = record.variants[0].clone();
    other.name = "eager".into();
    record.variants.push(other);
    stats::summarise(&mut record).expect("no histograms");
    let (all, _) = matrices(&record);
    let titles: Vec<&str> = all[0].panels.iter().map(|p| p.title.as_str()).collect();
    assert_eq!(titles, ["variant=default", "variant=eager"]);
    // The expectations speak of the first alone.
    assert!(!all[0].panels[0].cells[1][1].asked.is_empty());
    assert!(all[0].panels[1].cells[1][1].asked.is_empty());
}

#[test]
fn matrices_are_bounded_and_say_what_they_left_out() {
    let transports: Vec<String> = (0..=PANELS_MAX).map(|n| format!("t{n}")).collect();
    let transports: Vec<&str> = transports.iter().map(String::as_str).collect();
    let mut record = holes(2, &transports, 1);
    for seed in &mut record.variants[0].seeds {
        let times = seed.metrics.clone().into_iter();
        let times = times.filter(|(key, _)| key.metric() == "net.bytes");
        for (key, metric) in times {
            for n in 0..PAGE_MAX {
                let made = Key::of(&format!("connect.made{n}"));
                seed.metrics
                    .insert(made.within(key.labels()), metric.clone());
            }
        }
    }
    stats::summarise(&mut record).expect("no histograms");
    let (all, left_out) = matrices(&record);
    assert_eq!((all.len(), all[0].panels.len()), (PAGE_MAX, PANELS_MAX));
    assert_eq!((left_out, all[0].left_out), (3, 1));
    let page = html::page(&record).expect("valid");
    assert!(page.contains("are drawn: 3;") && page.contains("1 panel further in metrics.csv"));
    let text = table(&record, Colour::Never);
    assert!(text.contains("more in report.html and metrics.csv"));
    assert!(text.contains("… and 1 panel more in metrics.csv"));
}

#[test]
fn the_page_marks_cells_by_more_than_colour() {
    let page = html::page(&holes(3, &[], 4)).expect("valid");
    assert!(page.contains("is-missed"));
    assert!(
        page.contains("<b>✗</b> 100% <span>worst 75\u{a0}%</span>"),
        "failed"
    );
    assert!(page.contains("<b>✓</b> 100%</small>"), "held");
    assert!(page.contains("✓ expected</b> in every cell: <span class=\"code\">&lt; 1GB</span>"));
    assert!(page.contains("<th scope=\"col\">eim-<wbr>eif</th>"));
}

#[test]
fn what_holds_in_all_cells_is_one_line_and_what_fails_names_them() {
    let record = holes(3, &[], 4);
    let page = html::page(&record).expect("valid");
    assert_eq!(page.matches(">nothing-leaks<").count(), 1);
    assert!(page.contains("✗ broke</b> in 2 of 36 runs"));
    assert!(
        page.contains("in dialer=eim-eif,listener=eim-eif; dialer=none,listener=eim-eif</small>")
    );
    assert!(page.contains("✗ silent</b> in 4 of 36 runs"));
    assert!(page.contains("none in dialer=none,listener=eim-adf"));
    let text = table(&record, Colour::Never);
    assert!(
        text.contains("net.bytes < 1GB  (in all 9 cells, worst 89 MB)"),
        "{text}"
    );
}

#[test]
fn zeros_of_what_nothing_produces_are_left_out() {
    let record = holes(3, &[], 4);
    let page = html::page(&record).expect("valid");
    assert!(!page.contains("feed.<wbr>delivered"));
    let mut record = fixture::skewed_clocks(2);
    let producers = [(
        "node.connections".to_owned(),
        orrery_reports::record::Producer::Nothing,
    )];
    record.producers.extend(producers);
    let shown = |record: &_| table(record, Colour::Never).contains("node.connections");
    assert!(shown(&record), "a figure that should not be is not hidden");
    for seed in record.variants.iter_mut().flat_map(|v| &mut v.seeds) {
        let zero = Metric::Value {
            unit: "1".into(),
            value: 0.0,
        };
        seed.metrics.insert(Key::of("node.connections"), zero);
    }
    stats::summarise(&mut record).expect("valid histograms");
    assert!(!shown(&record));
}

#[test]
fn a_grids_values_are_columns_of_the_table() {
    let csv = metrics_csv::table(&holes(2, &["quic"], 1)).expect("fits");
    let head = csv.lines().next().expect("a head");
    assert!(
        head.ends_with(",value,unit,grid_transport,grid_dialer,grid_listener"),
        "{head}"
    );
    let cell = "connect.success,\"dialer=none,listener=eim-eif,transport=quic\",value,1,ratio,";
    assert!(csv.contains(&format!("{cell}quic,none,eim-eif\n")), "{csv}");
}

#[test]
fn hostile_values_of_a_grid_stay_text() {
    let mut record = holes(2, &[], 2);
    let evil = "<img src=x>|\u{1b}[31m";
    record.grid[0].values[0] = evil.into();
    for seed in &mut record.variants[0].seeds {
        let metrics = std::mem::take(&mut seed.metrics).into_iter();
        seed.metrics = metrics
            .map(|(key, metric)| match key.label("dialer") {
                Some("none") => (key.with("dialer", evil), metric),
                _ => (key, metric),
            })
            .collect();
    }
    stats::summarise(&mut record).expect("no histograms");
    let page = html::page(&record).expect("valid");
    assert!(page.contains("&lt;img src=x&gt;") && !page.contains("<img"));
    let texts = [summary_md::summary(&record), table(&record, Colour::Never)];
    assert!(texts.iter().all(|text| !text.contains('\u{1b}')));
    assert!(!texts[0].contains("<img"));
}

/// Text on the hottest and the coldest cell, and on the pills, against WCAG's 4.5 to 1.
#[test]
fn cells_can_be_read_in_light_and_dark() {
    let style = include_str!("../src/html/style.css");
    let (light, dark) = style
        .split_once("prefers-color-scheme: dark")
        .expect("two schemes");
    let (dark, _) = dark.split_once("* {").expect("rules follow");
    let shares: Vec<f64> = style
        .split(".heat-")
        .skip(1)
        .filter_map(|rest| rest.split("--share: ").nth(1)?.split('%').next())
        .filter_map(|share| share.parse().ok())
        .collect();
    assert_eq!(shares.len(), orrery_reports::matrix::STEPS);
    for scheme in [light, dark] {
        let [page, heat, text] = ["--page", "--heat", "--text"].map(|name| colour(scheme, name));
        for share in &shares {
            let mix = |place: usize| page[place] + (heat[place] - page[place]) * share / 100.0;
            let cell = [mix(0), mix(1), mix(2)];
            assert!(contrast(text, cell) >= 4.5, "{share} %");
        }
        for name in ["--good", "--bad"] {
            assert!(contrast(colour(scheme, name), page) >= 4.5, "{name}");
        }
    }
}

fn colour(scheme: &str, name: &str) -> [f64; 3] {
    let rest = scheme.split(&format!("{name}: #")).nth(1).expect(name);
    [0, 2, 4].map(|at| f64::from(u8::from_str_radix(&rest[at..at + 2], 16).expect("hexadecimal")))
}

fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let luminance = |colour: [f64; 3]| {
        let [r, g, b] = colour.map(|part| {
            let part = part / 255.0;
            if part <= 0.040_45 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
    a.max(b) / a.min(b)
}
