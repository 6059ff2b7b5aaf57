//! What a chart is, what it draws, and what several charts look up in a record.

use super::canvas::{Drawing, STYLES, Shape};
use super::data::Data;
use crate::{
    asked, headline,
    key::Key,
    record::{Metric, Record},
};

/// Where on the page a chart belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Beside the headline figures.
    Headline,
    /// How long things took.
    Latency,
    /// How things went over simulated time.
    Time,
}

/// A chart that the page may show.
pub struct Chart {
    /// Where it belongs.
    pub section: Section,
    /// Draws its figures; bounded by [`METRICS_MAX`].
    pub figures: fn(&Record) -> Vec<Figure>,
}

/// Most metrics that one chart draws; the rest stays in the tables.
pub const METRICS_MAX: usize = 6;

/// One drawing, in a wide and a narrow shape for the page to choose from.
pub struct Figure {
    /// Its heading, as plain text.
    pub title: String,
    /// What to know when reading it, as plain text.
    pub caption: String,
    /// Line styles and the names they stand for, as plain text.
    pub legend: Vec<(usize, String)>,
    /// Numbered stretches of time, as plain text.
    pub marks: Vec<String>,
    /// What it draws, to be saved as a table.
    pub data: Data,
    /// For desktops and paper.
    pub wide: Drawing,
    /// For phones.
    pub narrow: Drawing,
}

impl Figure {
    /// Whether the values that it draws, the third column of its data, are not all the same.
    pub(crate) fn differs(&self) -> bool {
        let mut values = self.data.rows.iter().filter_map(|row| row.get(2));
        let first = values.next();
        values.any(|value| Some(value) != first)
    }

    pub(super) fn new(
        title: String,
        caption: String,
        legend: Vec<(usize, String)>,
        paint: impl Fn(Shape) -> Drawing,
    ) -> Self {
        Self {
            title,
            caption,
            legend,
            marks: Vec::new(),
            data: Data::default(),
            wide: paint(Shape::WIDE),
            narrow: paint(Shape::NARROW),
        }
    }
}

/// The merged distributions worth a chart, by name and unit: those that an expectation speaks of
/// first.
pub(super) fn distributions(record: &Record) -> Vec<(Key, String)> {
    let mut found: Vec<(Key, String)> = Vec::new();
    for row in headline::rows(record) {
        let metric = row.key.without_stat();
        let is_new = found.iter().all(|(known, _)| known != &*metric);
        if row.key.stat().is_some() && is_new && found.len() < METRICS_MAX {
            let unit = asked::unit_of(record, &metric);
            found.push((metric.into_owned(), unit));
        }
    }
    found
}

/// Style and name of each variant for which `has` says that there is something to draw.
pub(super) fn legend(record: &Record, has: impl Fn(usize) -> bool) -> Vec<(usize, String)> {
    let named = record.variants.iter().enumerate();
    named
        .filter(|(place, _)| has(*place))
        .map(|(place, v)| (place % STYLES, v.name.clone()))
        .collect()
}

/// The merged distribution of a metric in one variant, if it has any sample.
pub(super) fn merged<'a>(record: &'a Record, variant: usize, name: &Key) -> Option<&'a Metric> {
    let metric = record.variants[variant].merged.get(name)?;
    matches!(metric, Metric::Distribution { count: 1.., .. }).then_some(metric)
}
