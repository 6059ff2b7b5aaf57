//! Which figures a reader should see first, and what can be said about them in words.

use std::collections::BTreeMap;

use crate::{
    asked::{asked, unit_of},
    fields::Fields,
    format::{self, figure_beside, interval_parts, plural, unit_of_difference},
    key::Key,
    matrix::matrices,
    record::{Difference, Expectation, Interval, Producer, Record},
    stats::{PAIRS_MIN, Stat},
    whole::whole_seeds,
};

/// A row of the headline table: one figure in every variant.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// `metric` or `metric.stat`.
    pub key: Key,
    /// Unit of its figures.
    pub unit: String,
    /// Its place among the figures that the scenario names, if it does.
    pub named: Option<usize>,
    /// One entry a variant, in the record's order.
    pub cells: Vec<Option<Interval>>,
    /// Against the first variant; one entry a further variant.
    pub differences: Vec<Option<Difference>>,
}

/// What stands where there is no figure.
const NOTHING: &str = "–";

/// Figures of a distribution that are worth a headline.
const SHOWN_STATS: [Stat; 3] = [Stat::P50, Stat::P95, Stat::P99];

/// The figures that a scenario names: those of its `report`, of its charts, and of its
/// expectations, in this order.
pub fn named(record: &Record) -> Vec<Key> {
    let mut all = asked(record);
    for key in record.expectations.iter().filter_map(Expectation::subject) {
        if !all.contains(&key) {
            all.push(key);
        }
    }
    all
}

/// How many of the figures that a scenario names answer its question: those that it asks for, or
/// else all of which it expects something.
fn answers(record: &Record) -> usize {
    match asked(record).len() {
        0 => usize::MAX,
        asked => asked,
    }
}

/// Rows for metrics without labels: what the scenario names first, in its order, then by name.
///
/// A labelled metric, or a statistic not usually shown, is a row only if the scenario names it
/// and no matrix shows it.
pub fn rows(record: &Record) -> Vec<Row> {
    let drawn = Drawn::of(record);
    let mut rows: Vec<Row> = all_rows(record)
        .into_iter()
        .filter(|row| {
            let is_in_matrix = drawn.has(&row.key);
            (row.named.is_some() && !is_in_matrix)
                || (is_usual(&row.key) && row.key.labels().is_empty() && tells(record, row))
        })
        .collect();
    rows.sort_by_key(|row| row.named.unwrap_or(usize::MAX));
    rows
}

/// The figures that matrices show whole. Between variants there are differences too, which
/// matrices do not show.
struct Drawn<'a> {
    fields: Fields<'a>,
    figures: Vec<Key>,
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

    fn has(&self, key: &Key) -> bool {
        let located = self.fields.locate(key);
        located.is_some_and(|located| self.figures.contains(&located.figure))
    }
}

/// Whether a figure is worth a headline that nothing names.
fn is_usual(key: &Key) -> bool {
    key.stat().is_none_or(|stat| SHOWN_STATS.contains(stat))
}

/// Whether a figure tells anything: the zeros of what nothing in the scenario produces do not.
fn tells(record: &Record, row: &Row) -> bool {
    let hides_zeros = match record.producers.get(row.key.metric()) {
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
        !row.key.labels().is_empty()
            && row.named.is_none()
            && tells(record, row)
            && !drawn.has(&row.key)
            && is_usual(&row.key)
    };
    all_rows(record).into_iter().filter(shown).collect()
}

/// What a difference says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// All pairs are equal.
    Equal,
    /// There are fewer pairs than could show anything.
    TooFew,
    /// The interval includes 0.
    Undecided,
    /// The interval is above 0.
    Higher,
    /// The interval is below 0.
    Lower,
}

impl Finding {
    /// What a difference says: what its interval does, and nothing that its pairs cannot carry.
    pub fn of(difference: &Difference) -> Self {
        match difference {
            d if d.ci95 == [0.0, 0.0] && d.mean == 0.0 => Self::Equal,
            d if (d.n as usize) < PAIRS_MIN => Self::TooFew,
            d if !d.significant => Self::Undecided,
            d if d.mean > 0.0 => Self::Higher,
            _ => Self::Lower,
        }
    }
}

/// A difference as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Its mean with its sign; shares differ by points.
    pub mean: String,
    /// The mean by that of the first variant, such as `−3.4 %`, where that says anything.
    pub relative: Option<String>,
    /// Its interval.
    pub ends: String,
    /// What it says: `higher`, `lower`, `equal`, `undecided`. Empty where the whole record has too
    /// few seeds to say anything, which is told once beside it.
    pub words: String,
}

/// Differences of the first variant from further ones at one place of a row, in words.
pub fn compared(record: &Record, row: &Row, place: usize) -> Option<Compared> {
    let difference = row.differences.get(place.checked_sub(1)?)?.as_ref()?;
    let of_a = row.cells.first()?.as_ref();
    let played = pairs_played(record, 0, place);
    Some(in_words(difference, &row.unit, of_a, played))
}

/// A difference of figures with this unit in words; `of_a` is the figure of its first variant, and
/// `played` how many pairs of seeds there are at most.
fn in_words(
    difference: &Difference,
    unit: &str,
    of_a: Option<&Interval>,
    played: usize,
) -> Compared {
    let shown = unit_of_difference(unit);
    let (mean, ends) = interval_parts(difference.mean, difference.ci95, shown, true);
    let n = difference.n as usize;
    let ends = if n == 1 { String::new() } else { ends };
    let word = match Finding::of(difference) {
        Finding::Equal => "equal",
        Finding::TooFew if played < PAIRS_MIN => "",
        Finding::TooFew => "too few pairs",
        Finding::Undecided => "undecided",
        Finding::Higher => "higher",
        Finding::Lower => "lower",
    };
    let fewer = if n > 0 && n < played {
        format!("n = {n} of {}", plural(played, "pair"))
    } else {
        String::new()
    };
    let words = [word, &fewer].into_iter().filter(|part| !part.is_empty());
    Compared {
        relative: of_a.and_then(|of_a| relative(unit, of_a, difference)),
        mean,
        ends,
        words: words.collect::<Vec<_>>().join(", "),
    }
}

/// Pairs of seeds that two variants have played to their end, at most.
pub(crate) fn pairs_played(record: &Record, a: usize, b: usize) -> usize {
    let played = [a, b].map(|place| record.variants.get(place).map_or(0, whole_seeds));
    played[0].min(played[1])
}

/// A difference by the mean of its first variant. There is none of shares, of what is not above 0,
/// and where the mean is over other seeds than the pairs.
fn relative(unit: &str, of_a: &Interval, difference: &Difference) -> Option<String> {
    let comparable = unit != "ratio" && of_a.mean > 0.0 && of_a.n == difference.n;
    if !comparable || difference.mean == 0.0 {
        return None;
    }
    let by = |value: f64| value / of_a.mean;
    Some(format::relative(
        by(difference.mean),
        difference.ci95.map(by),
    ))
}

/// A figure in two variants.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// `metric` or `metric.stat`, with the labels of its cell.
    pub key: Key,
    /// Names of the two variants.
    pub variants: [String; 2],
    /// The figure in each, with its interval.
    pub figures: [String; 2],
    /// How the second differs from the first.
    pub compared: Compared,
}

/// The figures that a scenario names, or all without labels where it names none, in each two of its
/// variants. Nothing of fewer than three variants: of two, the headline tells all.
pub fn pairs(record: &Record) -> Vec<Pair> {
    if record.variants.len() < 3 {
        return Vec::new();
    }
    let fields = Fields::of(record);
    let figure_of = |key: &Key| {
        fields
            .locate(key)
            .map_or_else(|| key.clone(), |it| it.figure)
    };
    let named = match &asked(record)[..] {
        [] => self::named(record),
        asked => asked.to_vec(),
    };
    let mut all: Vec<(usize, Pair)> = Vec::new();
    for difference in &record.differences {
        let figure = figure_of(&difference.metric);
        let place = named.iter().position(|named| *named == figure);
        let is_usual = is_usual(&difference.metric) && difference.metric.labels().is_empty();
        let place = match place {
            Some(place) => place,
            None if named.is_empty() && is_usual => 0,
            None => continue,
        };
        all.extend(pair(record, difference).map(|pair| (place, pair)));
    }
    all.sort_by(|(a, first), (b, second)| (a, &first.key).cmp(&(b, &second.key)));
    all.into_iter().map(|(_, pair)| pair).collect()
}

fn pair(record: &Record, difference: &Difference) -> Option<Pair> {
    let place = |name: &str| record.variants.iter().position(|it| it.name == name);
    let (a, b) = (place(&difference.a)?, place(&difference.b)?);
    let key = &difference.metric;
    let unit = unit_of(record, key);
    let of = |place: usize| record.variants[place].summary.get(key);
    let figure = |place: usize| of(place).map_or(NOTHING.to_owned(), |it| plain_cell(it, &unit));
    Some(Pair {
        key: key.clone(),
        variants: [difference.a.clone(), difference.b.clone()],
        figures: [figure(a), figure(b)],
        compared: in_words(difference, &unit, of(a), pairs_played(record, a, b)),
    })
}

/// [`pairs`] as a table whose first line is its head.
pub fn pairs_layout(pairs: &[Pair], writing: &Writing<'_>) -> Vec<Vec<String>> {
    let head = ["figure", "variants", "figures", "second minus first"].map(str::to_owned);
    let mut last = None;
    let lines = pairs.iter().map(|pair| {
        let is_new = last.replace(&pair.key) != Some(&pair.key);
        let key = if is_new {
            (writing.key)(pair.key.as_str())
        } else {
            String::new()
        };
        let [a, b] = &pair.variants;
        vec![
            key,
            format!("{}, {}", (writing.name)(a), (writing.name)(b)),
            pair.figures.join(", "),
            (writing.difference)(&pair.compared),
        ]
    });
    std::iter::once(head.to_vec()).chain(lines).collect()
}

/// How a report writes names and figures.
pub struct Writing<'a> {
    /// Makes a variant's name fit for the report.
    pub name: &'a dyn Fn(&str) -> String,
    /// Makes a metric's key fit for the report.
    pub key: &'a dyn Fn(&str) -> String,
    /// Writes a mean and its interval, in the unit given.
    pub cell: &'a dyn Fn(&Interval, &str) -> String,
    /// Writes a difference.
    pub difference: &'a dyn Fn(&Compared) -> String,
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
    let difference_of = |row: &Row, place: usize| {
        let compared = compared(record, row, place);
        compared.map_or(NOTHING.to_owned(), |it| (writing.difference)(&it))
    };
    let with_seeds = |place: usize| {
        let seeds = record.variants.get(place).map_or(0, whole_seeds);
        format!("{}, n = {seeds}", names[place])
    };
    let figure = "mean [95 % interval]".to_owned();
    if let [first, ..] = &names[..]
        && names.len() > 2
    {
        let head = vec![
            "figure".into(),
            "variant".into(),
            figure,
            format!("minus {first}"),
        ];
        let lines = rows.iter().flat_map(|row| {
            (0..names.len()).map(move |place| {
                let key = if place == 0 {
                    (writing.key)(row.key.as_str())
                } else {
                    String::new()
                };
                vec![
                    key,
                    with_seeds(place),
                    cell_of(row, place),
                    difference_of(row, place),
                ]
            })
        });
        return std::iter::once(head).chain(lines).collect();
    }
    let mut head = vec![figure];
    head.extend((0..names.len()).map(with_seeds));
    head.extend(
        names
            .iter()
            .skip(1)
            .map(|name| format!("{name} − {}", names[0])),
    );
    let lines = rows.iter().map(|row| {
        let mut line = vec![(writing.key)(row.key.as_str())];
        line.extend((0..names.len()).map(|place| cell_of(row, place)));
        line.extend((1..names.len()).map(|place| difference_of(row, place)));
        line
    });
    std::iter::once(head).chain(lines).collect()
}

/// In how many seeds of a variant that were played to their end a figure had nothing to show, if
/// in any: its mean is over the others.
pub fn fewer_seeds(record: &Record, variant: usize, cell: &Interval) -> Option<String> {
    let played = record.variants.get(variant).map_or(0, whole_seeds);
    // Records from before seeds were counted have none.
    let missing = played.checked_sub(cell.n as usize).filter(|_| cell.n > 0)?;
    let seeds = plural(played, "seed");
    (missing > 0).then(|| format!("n = {}: no event in {missing} of {seeds}", cell.n))
}

/// A mean and its interval; one seed has none.
pub fn parts(cell: &Interval, unit: &str) -> (String, String) {
    let (mean, ends) = interval_parts(cell.mean, cell.ci95, unit, false);
    (mean, if cell.n == 1 { String::new() } else { ends })
}

/// A mean and its interval as plain text.
pub fn plain_cell(cell: &Interval, unit: &str) -> String {
    let (mean, ends) = parts(cell, unit);
    spaced(&[&mean, &ends])
}

/// The parts that say anything, with spaces between them.
fn spaced(parts: &[&str]) -> String {
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts.copied().collect::<Vec<_>>().join(" ")
}

/// A difference, its interval and what it says, as plain text.
pub fn plain_difference(compared: &Compared) -> String {
    let Compared {
        mean, ends, words, ..
    } = compared;
    if words.starts_with("equal") {
        return words.clone();
    }
    let relative = compared.relative.iter().map(|share| format!("({share})"));
    let parts = [mean.clone()].into_iter().chain(relative);
    let parts = parts.chain([ends.clone(), words.clone()]);
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

/// What the differences say about the figures that answer the scenario's question, a sentence each. Where
/// seeds are too few to say anything, a sentence gives the figures and says nothing of them.
pub fn sentences(record: &Record) -> Vec<String> {
    let mut all = Vec::new();
    let answers = answers(record);
    let is_answer = |row: &&Row| row.named.is_some_and(|place| place < answers);
    for row in rows(record).iter().filter(is_answer) {
        if record.variants.len() == 1 && answers < usize::MAX {
            all.extend(alone(record, row));
        }
        for place in 1..record.variants.len() {
            all.extend(sentence(record, row, place));
        }
    }
    all
}

/// A figure of the only variant, of which nothing else can be said.
fn alone(record: &Record, row: &Row) -> Option<String> {
    let cell = row.cells.first()?.as_ref()?;
    let seeds = match fewer_seeds(record, 0, cell) {
        Some(words) => words,
        None => format!("n = {}", plural(cell.n as usize, "seed")),
    };
    let figure = if cell.n > 1 {
        plain_cell(cell, &row.unit)
    } else {
        format::figure(cell.mean, &row.unit)
    };
    Some(format!("{} is {figure}, {seeds}.", row.key))
}

fn sentence(record: &Record, row: &Row, place: usize) -> Option<String> {
    let difference = row.differences.get(place - 1)?.as_ref()?;
    let compared = compared(record, row, place)?;
    let [a, b] = [0, place].map(|place| Some((&record.variants[place].name, row.cells[place]?)));
    let ((first, of_a), (name, of_b)) = (a?, b?);
    let greatest = of_a.mean.abs().max(of_b.mean.abs());
    let [a, b] = [of_a, of_b].map(|i| figure_beside(i.mean, greatest, &row.unit));
    let (n, played) = (difference.n as usize, pairs_played(record, 0, place));
    let pairs = if n < played {
        format!(
            "n = {n} of {}, the others without an event",
            plural(played, "pair")
        )
    } else {
        format!("n = {}", plural(n, "pair"))
    };
    let key = &row.key;
    let Compared { mean, ends, .. } = &compared;
    let relative = compared.relative.as_ref();
    let relative = relative.map_or(String::new(), |share| format!("({share})"));
    let by = spaced(&[mean, &relative, ends]);
    let figures = format!("{b} against {a}; difference {by}, {pairs}.");
    Some(match Finding::of(difference) {
        Finding::Equal => {
            format!("{key} is the same with {name} and with {first}: {a}; equal in {pairs}.")
        }
        Finding::TooFew => format!("{key} with {name} and with {first}: {figures}"),
        Finding::Undecided => {
            format!("{key} is not shown to differ between {name} and {first}: {figures}")
        }
        Finding::Higher => format!("{key} is higher with {name} than with {first}: {figures}"),
        Finding::Lower => format!("{key} is lower with {name} than with {first}: {figures}"),
    })
}

fn all_rows(record: &Record) -> Vec<Row> {
    let mut keys: Vec<&Key> = record
        .variants
        .iter()
        .flat_map(|v| v.summary.keys())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let named: Vec<Key> = named(record)
        .into_iter()
        .filter(|key| keys.binary_search(&key).is_ok())
        .collect();
    let first = record
        .variants
        .first()
        .map_or("", |variant| variant.name.as_str());
    let by_key: BTreeMap<(&Key, &str), &Difference> = record
        .differences
        .iter()
        .filter(|d| d.a == first)
        .map(|d| ((&d.metric, d.b.as_str()), d))
        .collect();
    keys.iter()
        .map(|key| Row {
            key: (*key).clone(),
            unit: unit_of(record, key),
            named: named.iter().position(|named| named == *key),
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
    fn words_follow_the_interval_and_the_pairs() {
        let of = |mean, ci95, significant, n| Difference {
            metric: Key::of("m"),
            a: "a".into(),
            b: "b".into(),
            mean,
            ci95,
            significant,
            n,
        };
        assert_eq!(Finding::of(&of(0.0, [0.0, 0.0], false, 10)), Finding::Equal);
        assert_eq!(Finding::of(&of(1.0, [0.5, 2.0], false, 3)), Finding::TooFew);
        assert_eq!(
            Finding::of(&of(1.0, [-0.5, 2.0], false, 10)),
            Finding::Undecided
        );
        assert_eq!(Finding::of(&of(1.0, [0.5, 2.0], true, 10)), Finding::Higher);
        assert_eq!(
            Finding::of(&of(-1.0, [-2.0, -0.5], true, 10)),
            Finding::Lower
        );
    }
}
