//! What a page without a grid leads with: the one chart that answers the scenario's question.
//!
//! Owns the choice. A page with a grid leads with a matrix, which [`super::matrices`] chooses.

use super::{figures, matrices};
use crate::{
    chart::{self, Figure},
    headline,
    key::Key,
    record::Record,
};

/// A chart, and what of the page it stands for, so that it is not drawn again there.
#[derive(Default)]
pub(super) struct Lead {
    /// Markup; empty if the record has nothing to draw.
    pub markup: String,
    /// The title of a figure.
    pub title: String,
    /// The figure of a matrix.
    pub matrix: Option<Key>,
}

/// The lead of a record without a grid.
///
/// Of variants it shows the first figure that the scenario names in which they differ. Otherwise it is
/// the first of those figures that can be drawn: as pairs of hosts, as a distribution, or seed by seed.
/// Where it names none, it is the first distribution that there is.
pub(super) fn of(record: &Record) -> Lead {
    let named = headline::named(record);
    let compared = || {
        let figures = chart::seeds::figures(record);
        let several = record.variants.len() > 1;
        figures.into_iter().find(|it| several && it.differs())
    };
    if let Some(figure) = compared() {
        return Lead::of(&figure);
    }
    named
        .iter()
        .find_map(|key| one(record, key))
        .or_else(|| chart::cdf::figures(record).first().map(Lead::of))
        .unwrap_or_default()
}

/// A figure that the scenario names, if there is anything to see in it.
fn one(record: &Record, key: &Key) -> Option<Lead> {
    if let Some((markup, figure)) = matrices::pair(record, key) {
        return Some(Lead {
            markup,
            matrix: Some(figure),
            ..Lead::default()
        });
    }
    let figure = if key.stat().is_some() {
        chart::cdf::of(record, &key.without_stat())?
    } else {
        chart::seeds::of(record, key).filter(Figure::differs)?
    };
    Some(Lead::of(&figure))
}

impl Lead {
    fn of(figure: &Figure) -> Self {
        Self {
            markup: figures::markup(figure),
            title: figure.title.clone(),
            matrix: None,
        }
    }
}
