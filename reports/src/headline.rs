//! Which figures a reader should see first, and what can be said about them in words.

use std::collections::BTreeMap;

use crate::{
    advice::whole_seeds,
    format::{figure_beside, interval_parts},
    key::{Fields, plain_name},
    matrix::matrices,
    record::{Difference, Interval, Metric, Producer, Record},
    stats::{self, PAIRS_MIN},
};

/// A row of the headline table: one figure in every variant.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// `metric` or `metric.stat`.
    pub key: String,
    /// Unit of its figures.
    pub unit: String,
    /// The place of the first expectation that speaks of it, if one does.
    pub expected: Option<usize>,
    /// One entry a variant, in the record's order.
    pub cells: Vec<Option<Interval>>,
    /// Against the first variant; one entry a further variant.
    pub differences: Vec<Option<Difference>>,
}

/// What stands where there is no figure.
const NOTHING: &str = "–";

/// Figures of a distribution that are worth a headline.
const SHOWN_STATS: [&str; 3] = ["p50", "p95", "p99"];

/// Rows for metrics without labels: what expectations speak of first, in their order, then by
/// name.
///
/// A labelled metric, or a statistic not usually shown, is a row only if an expectation names it
/// and no matrix shows it.
pub fn rows(record: &Record) -> Vec<Row> {
    let drawn = Drawn::of(record);
    let mut rows: Vec<Row> = all_rows(record)
        .into_iter()
        .filter(|row| {
            let (name, stat) = split_stat(record, &row.key);
            let is_usual = stat.is_none_or(|stat| SHOWN_STATS.contains(&stat));
            let is_in_matrix = drawn.has(&row.key);
            (row.expected.is_some() && !is_in_matrix)
                || (is_usual && !name.contains('{') && tells(record, row, name))
        })
        .collect();
    rows.sort_by_key(|row| row.expected.unwrap_or(usize::MAX));
    rows
}

/// The figures that matrices show whole. Between variants there are differences too, which
/// matrices do not show.
struct Drawn<'a> {
    fields: Fields<'a>,
    figures: Vec<String>,
}

impl<'a> Drawn<'a> {
    fn of(record: &'a Record) -> Self {
        let (all, _) = if record.variants.len() == 1 {
            matrices(record)
        } else {
            (Vec::new(), 0)
        };
        Self {
            fields: Fields::of(record),
            figures: all.into_iter().map(|matrix| matrix.figure).collect(),
        }
    }

    fn has(&self, key: &str) -> bool {
        let of_grid = self.fields.locate(key);
        of_grid.is_some_and(|key| self.figures.contains(&key.figure))
    }
}

/// Whether a figure tells anything: the zeros of what nothing in the scenario produces do not.
fn tells(record: &Record, row: &Row, name: &str) -> bool {
    let hides_zeros = match record.producers.get(plain_name(name)) {
        Some(Producer::Nothing | Producer::Mishap) => true,
        Some(Producer::Workload | Producer::World) | None => false,
    };
    let is_zero = |cell: &Interval| cell.mean == 0.0 && cell.ci95 == [0.0, 0.0];
    !(hides_zeros && row.cells.iter().flatten().all(is_zero))
}

/// Rows for labelled metrics (`net.drops{reason=…}`) that are not already a headline.
pub fn labelled_rows(record: &Record) -> Vec<Row> {
    let drawn = Drawn::of(record);
    let shown = |row: &Row| {
        let (name, stat) = split_stat(record, &row.key);
        name.contains('{')
            && row.expected.is_none()
            && tells(record, row, name)
            && !drawn.has(&row.key)
            && stat.is_none_or(|stat| SHOWN_STATS.contains(&stat))
    };
    all_rows(record).into_iter().filter(shown).collect()
}

/// The unit of a `metric[.stat]` key; empty if no seed has it.
pub fn unit_of(record: &Record, key: &str) -> String {
    let (name, stat) = split_stat(record, key);
    match stat {
        Some("count") => return "1".to_owned(),
        Some(stat) if stats::within_text(stat).is_some() => return "ratio".to_owned(),
        _ => {}
    }
    let mut seeds = record.variants.iter().flat_map(|variant| &variant.seeds);
    let metric = seeds.find_map(|seed| seed.metrics.get(name));
    match metric {
        Some(Metric::Distribution { unit, .. } | Metric::Value { unit, .. }) => unit.clone(),
        None => String::new(),
    }
}

/// The unit of the figures that an expectation speaks of; empty if no seed has them.
///
/// Labels are left aside: without them, an expectation speaks of every cell of a grid, and all
/// cells have the metric's unit.
pub fn expected_unit(record: &Record, expr: &str) -> String {
    let keys = record
        .variants
        .iter()
        .flat_map(|variant| variant.summary.keys());
    let by_name: BTreeMap<String, &str> = keys.map(|key| (without_labels(key), &**key)).collect();
    expected_key(&without_labels(expr), by_name.keys().map(String::as_str))
        .map_or_else(String::new, |name| unit_of(record, by_name[name]))
}

/// A key or an expression whose keys have lost their `{label=value,…}`.
fn without_labels(text: &str) -> String {
    let mut rest = text;
    let mut bare = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once('{') {
        bare.push_str(before);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    bare + rest
}

/// What a difference says, in a word or two.
pub fn in_words(difference: &Difference) -> &'static str {
    match difference {
        d if d.ci95 == [0.0, 0.0] && d.mean == 0.0 => "equal",
        d if (d.n as usize) < PAIRS_MIN => "too few seeds",
        d if !d.significant => "undecided",
        d if d.mean > 0.0 => "higher",
        _ => "lower",
    }
}

/// How a report writes names and figures.
pub struct Writing<'a> {
    /// Makes a variant's name fit for the report.
    pub name: &'a dyn Fn(&str) -> String,
    /// Makes a metric's key fit for the report.
    pub key: &'a dyn Fn(&str) -> String,
    /// Writes a mean and its interval, in the unit given.
    pub cell: &'a dyn Fn(&Interval, &str) -> String,
    /// Writes a difference, in the unit given.
    pub difference: &'a dyn Fn(&Difference, &str) -> String,
}

/// Lays rows out as a table whose first line is its head.
///
/// Two variants stand side by side. More would make a table wider than a terminal or a page, so
/// each gets a line of its own.
pub fn layout(record: &Record, rows: &[Row], writing: &Writing<'_>) -> Vec<Vec<String>> {
    let names: Vec<String> = record
        .variants
        .iter()
        .map(|v| (writing.name)(&v.name))
        .collect();
    let cell_of = |row: &Row, place: usize| match row.cells.get(place) {
        Some(Some(cell)) => {
            let text = (writing.cell)(cell, &row.unit);
            match fewer_seeds(record, place, cell) {
                Some(words) => format!("{text} {words}"),
                None => text,
            }
        }
        _ => NOTHING.to_owned(),
    };
    let difference_of = |row: &Row, place: usize| match place
        .checked_sub(1)
        .and_then(|further| row.differences.get(further))
    {
        Some(Some(difference)) => (writing.difference)(difference, &row.unit),
        _ => NOTHING.to_owned(),
    };
    let figure = "mean [95 % interval]".to_owned();
    if let [first, rest @ ..] = &names[..]
        && names.len() > 2
    {
        let head = vec![
            "figure".into(),
            "variant".into(),
            figure,
            format!("minus {first}"),
        ];
        let lines = rows.iter().flat_map(|row| {
            std::iter::once(first)
                .chain(rest)
                .enumerate()
                .map(move |(place, name)| {
                    let key = if place == 0 {
                        (writing.key)(&row.key)
                    } else {
                        String::new()
                    };
                    vec![
                        key,
                        name.clone(),
                        cell_of(row, place),
                        difference_of(row, place),
                    ]
                })
        });
        return std::iter::once(head).chain(lines).collect();
    }
    let mut head = vec![figure];
    head.extend(names.iter().cloned());
    head.extend(
        names
            .iter()
            .skip(1)
            .map(|name| format!("{name} − {}", names[0])),
    );
    let lines = rows.iter().map(|row| {
        let mut line = vec![(writing.key)(&row.key)];
        line.extend((0..names.len()).map(|place| cell_of(row, place)));
        line.extend((1..names.len()).map(|place| difference_of(row, place)));
        line
    });
    std::iter::once(head).chain(lines).collect()
}

/// How many seeds stand behind a figure of a variant, if not all that were played to their end.
pub fn fewer_seeds(record: &Record, variant: usize, cell: &Interval) -> Option<String> {
    let played = record.variants.get(variant).map_or(0, whole_seeds);
    // Records from before seeds were counted have none.
    let fewer = cell.n > 0 && (cell.n as usize) < played;
    fewer.then(|| format!("n = {} of {played}", cell.n))
}

/// A mean and its interval, or a difference and its word, as plain text.
pub fn plain_cell(cell: &Interval, unit: &str) -> String {
    let (mean, ends) = interval_parts(cell.mean, cell.ci95, unit, false);
    format!("{mean} {ends}")
}

/// A difference, its interval and what it says, as plain text.
pub fn plain_difference(difference: &Difference, unit: &str) -> String {
    let (mean, ends) = interval_parts(difference.mean, difference.ci95, unit, true);
    match in_words(difference) {
        "equal" => "equal".to_owned(),
        words => format!("{mean} {ends} {words}"),
    }
}

/// What the differences say about the figures that expectations speak of, a sentence each.
pub fn sentences(record: &Record) -> Vec<String> {
    let first = record
        .variants
        .first()
        .map_or("", |variant| variant.name.as_str());
    let mut all = Vec::new();
    for row in rows(record).iter().filter(|row| row.expected.is_some()) {
        let further = record
            .variants
            .iter()
            .zip(&row.cells)
            .skip(1)
            .zip(&row.differences);
        for ((variant, cell), difference) in further {
            let (Some(of_b), Some(Some(of_a)), Some(difference)) =
                (cell, row.cells.first(), difference)
            else {
                continue;
            };
            let (name, key, n) = (&variant.name, &row.key, difference.n);
            let relation = match in_words(difference) {
                "higher" => format!("higher with {name} than with {first}"),
                "lower" => format!("lower with {name} than with {first}"),
                "equal" => format!("the same with {name} and with {first}"),
                _ => format!("not shown to differ between {name} and {first}"),
            };
            let greatest = of_a.mean.abs().max(of_b.mean.abs());
            let [a, b] = [of_a, of_b].map(|i| figure_beside(i.mean, greatest, &row.unit));
            let (mean, ends) = interval_parts(difference.mean, difference.ci95, &row.unit, true);
            all.push(if in_words(difference) == "equal" {
                format!("{key} is {relation}: {a}; equal in n = {n} pairs.")
            } else {
                format!(
                    "{key} is {relation}: {b} against {a}; difference {mean} {ends}, n = {n} pairs."
                )
            });
        }
    }
    all
}

/// The key of the figure that an expectation speaks of: the longest one that stands in it as a
/// whole word.
pub fn expected_key<'a>(expr: &str, keys: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let stands_alone = |key: &str| {
        expr.match_indices(key).any(|(at, _)| {
            let before = expr[..at].chars().next_back();
            let after = expr[at + key.len()..].chars().next();
            let is_part = |c: char| c.is_alphanumeric() || "._-{".contains(c);
            !before.is_some_and(is_part) && !after.is_some_and(is_part)
        })
    };
    keys.filter(|key| stands_alone(key))
        .max_by_key(|key| key.len())
}

/// Splits `metric.stat` where `metric` is a distribution.
pub(crate) fn split_stat<'a>(record: &Record, key: &'a str) -> (&'a str, Option<&'a str>) {
    let (name, Some(stat)) = stats::split_stat(key) else {
        return (key, None);
    };
    let mut seeds = record.variants.iter().flat_map(|variant| &variant.seeds);
    let is_distribution =
        seeds.any(|seed| matches!(seed.metrics.get(name), Some(Metric::Distribution { .. })));
    if is_distribution {
        (name, Some(stat))
    } else {
        (key, None)
    }
}

fn all_rows(record: &Record) -> Vec<Row> {
    let mut keys: Vec<&str> = record
        .variants
        .iter()
        .flat_map(|v| v.summary.keys().map(String::as_str))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let expected: Vec<&str> = record
        .expectations
        .iter()
        .filter_map(|e| expected_key(&e.expr, keys.iter().copied()))
        .collect();
    let first = record
        .variants
        .first()
        .map_or("", |variant| variant.name.as_str());
    let by_key: BTreeMap<(&str, &str), &Difference> = record
        .differences
        .iter()
        .filter(|d| d.a == first)
        .map(|d| ((d.metric.as_str(), d.b.as_str()), d))
        .collect();
    keys.iter()
        .map(|key| Row {
            key: (*key).to_owned(),
            unit: unit_of(record, key),
            expected: expected.iter().position(|named| named == key),
            cells: record
                .variants
                .iter()
                .map(|v| v.summary.get(*key).copied())
                .collect(),
            differences: record
                .variants
                .iter()
                .skip(1)
                .map(|v| by_key.get(&(*key, v.name.as_str())).map(|d| (*d).clone()))
                .collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expectation_names_the_longest_whole_key() {
        let keys = [
            "feed.delivery",
            "feed.delivery.latency.p9",
            "feed.delivery.latency.p99",
            "p99",
        ];
        let found = |expr| expected_key(expr, keys.iter().copied());
        assert_eq!(
            found("cursor: feed.delivery.latency.p99 < 3m"),
            Some(keys[2])
        );
        assert_eq!(found("feed.delivery == 1"), Some(keys[0]));
        assert_eq!(found("feed.delivery{to=x} == 1"), None);
        assert_eq!(found("other > 1"), None);
    }

    #[test]
    fn labels_are_taken_out_of_keys_and_expressions() {
        for (text, expected) in [
            ("flow.goodput", "flow.goodput"),
            (
                "flow.goodput{loss=1%,rtt=2ms} > 4Mbit/s",
                "flow.goodput > 4Mbit/s",
            ),
            ("a: flow.rtt{loss=1%}.p50 < 3ms", "a: flow.rtt.p50 < 3ms"),
            ("flow.rtt{loss", "flow.rtt"),
        ] {
            assert_eq!(without_labels(text), expected);
        }
    }

    #[test]
    fn words_follow_the_interval_and_the_pairs() {
        let of = |mean, ci95, significant, n| Difference {
            metric: "m".into(),
            a: "a".into(),
            b: "b".into(),
            mean,
            ci95,
            significant,
            n,
        };
        assert_eq!(in_words(&of(0.0, [0.0, 0.0], false, 10)), "equal");
        assert_eq!(in_words(&of(1.0, [0.5, 2.0], false, 3)), "too few seeds");
        assert_eq!(in_words(&of(1.0, [-0.5, 2.0], false, 10)), "undecided");
        assert_eq!(in_words(&of(1.0, [0.5, 2.0], true, 10)), "higher");
        assert_eq!(in_words(&of(-1.0, [-2.0, -0.5], true, 10)), "lower");
    }
}
