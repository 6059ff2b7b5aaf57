//! Files are whole or not there, and read back as they were written.

mod fixture;
#[path = "fixture/grid.rs"]
mod grid;

use std::fs;

use orrery_reports::{
    Error,
    key::Key,
    record::Metric,
    stats::Stat,
    write::{self, read, to_json, write_all},
};

#[test]
fn a_written_record_reads_back_equal() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let record = fixture::skewed_clocks(3);
    let place = dir.path().join("deep/er");
    let paths = write_all(&record, &place).expect("writable");
    let names: Vec<_> = paths
        .iter()
        .filter_map(|p| p.file_name()?.to_str())
        .collect();
    assert_eq!(
        names,
        ["report.html", "summary.md", "metrics.csv", "result.json"]
    );
    assert_eq!(
        fs::read_dir(&place).expect("made").count(),
        4,
        "nothing is left beside them"
    );
    assert_eq!(read(&place).expect("readable"), record);
    assert_eq!(read(&place.join("result.json")).expect("readable"), record);
}

/// It holds a grid, labels of metrics, shares, a cut list of losses, and a failure in a cell.
#[test]
fn a_result_of_an_older_program_is_written_as_it_was_read() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/result.json");
    let record = read(golden.as_ref()).expect("a record");
    let seed = &record.variants[0].seeds[0];
    let failure = seed.failure.as_ref().expect("it failed");
    assert_eq!(failure.cell.get("cc"), Some("cubic"));
    assert_eq!(seed.faults[0].kind.name, "link#1");
    assert!(seed.losses.is_cut());
    let asked = &record.expectations[1].figures[0].key;
    assert_eq!(asked.stat(), Some(&Stat::Within("1s".into())));
    let text = fs::read_to_string(golden).expect("there");
    assert!(to_json(&record).expect("finite") == text);
}

/// So every number of theirs is in the file, or follows from it.
#[test]
fn reports_are_made_of_what_the_file_has_and_of_nothing_else() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (nth, record) in [
        fixture::skewed_clocks(7),
        grid::holes(3, &["quic", "tcp"], 2),
    ]
    .into_iter()
    .enumerate()
    {
        let [first, again] = ["a", "b"].map(|name| dir.path().join(format!("{name}{nth}")));
        write_all(&record, &first).expect("writable");
        write_all(&read(&first).expect("readable"), &again).expect("writable");
        for name in ["report.html", "summary.md", "metrics.csv", "result.json"] {
            let texts = [&first, &again].map(|place| fs::read(place.join(name)).expect("there"));
            assert!(texts[0] == texts[1], "{name}");
        }
    }
}

#[test]
fn equal_records_make_equal_bytes() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let record = fixture::skewed_clocks(2);
    let first = write_all(&record, &dir.path().join("a")).expect("writable");
    let second = write_all(&record, &dir.path().join("b")).expect("writable");
    for (a, b) in first.iter().zip(&second) {
        assert_eq!(
            fs::read(a).expect("there"),
            fs::read(b).expect("there"),
            "{}",
            a.display()
        );
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("file");
    fs::write(&file, "in the way").expect("writable");
    let error = write_all(&fixture::skewed_clocks(1), &file.join("out")).expect_err("in the way");
    assert!(matches!(
        error,
        Error::File {
            action: "create",
            ..
        }
    ));
    assert!(
        error
            .to_string()
            .contains(&file.join("out").display().to_string()),
        "{error}"
    );
}

#[test]
fn a_failed_rename_leaves_nothing_half_written() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // A folder stands where the first file should go.
    fs::create_dir(dir.path().join("report.html")).expect("writable");
    let error = write_all(&fixture::skewed_clocks(1), dir.path()).expect_err("in the way");
    assert!(
        matches!(
            error,
            Error::File {
                action: "rename",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 1);
}

#[test]
fn a_figure_that_json_cannot_hold_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut record = fixture::skewed_clocks(1);
    let metric = Metric::Value {
        unit: "1".into(),
        value: f64::NAN,
    };
    record.variants[0].seeds[0]
        .metrics
        .insert(Key::of("m"), metric);
    assert!(matches!(to_json(&record), Err(Error::Unwritable(_))));
    let place = dir.path().join("out");
    assert!(matches!(
        write_all(&record, &place),
        Err(Error::Unwritable(_))
    ));
    assert!(!place.exists());
}

#[test]
fn what_is_not_a_record_is_refused_with_its_place() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("result.json");
    let check = |text: &str, expected: &str| {
        fs::write(&file, text).expect("writable");
        let error = read(dir.path()).expect_err(text).to_string();
        assert!(
            error.contains("result.json: ") && error.contains(expected),
            "{error}"
        );
    };
    check("", "line 1 column 0");
    check("{\"schema\": 1}", "missing field `scenario`");
    check("{\"schema\": 99}", "schema version 99");
    check("[1, 2", "not a run record");
    fs::remove_file(&file).expect("there");
    assert!(matches!(
        read(dir.path()),
        Err(Error::File { action: "read", .. })
    ));
}

#[test]
fn every_chart_becomes_two_drawings_and_a_table_under_a_name_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let record = fixture::skewed_clocks(3);
    let written = write::charts(&record, folder.path()).expect("it can be written");
    let names: Vec<_> = written.iter().filter_map(|path| path.file_name()).collect();
    for name in [
        "feed-missed-forever-seed-by-seed.svg",
        "feed-missed-forever-seed-by-seed-dark.svg",
        "feed-missed-forever-seed-by-seed.csv",
        "feed-delivery-latency-share-at-or-below.svg",
    ] {
        assert!(
            names.iter().any(|known| *known == name),
            "{name}: {names:?}"
        );
    }
    let different: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(different.len(), names.len());
}
