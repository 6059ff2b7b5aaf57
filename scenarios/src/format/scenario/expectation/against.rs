//! Expectations that hold a figure against another: `"60s: net.bytes" = "< 0.5 * 10s: net.bytes"`.
//!
//! Owns reading their right side. Both figures are of the same seed, and in a grid of the same cell.

use orrery_reports::key::Key;

use super::{Against, COMPARISONS, Comparison, note_unmeasured, read_figure};
use crate::format::reading::problem::{Problems, quoted, suggestion};
use crate::format::reading::tree::Entry;
use crate::format::scenario::plan::Case;
use crate::metrics::source::Sources;
use crate::metrics::{Definition, METRICS};

/// The parts of a right side.
pub(super) struct Given<'a> {
    pub(super) comparison: Comparison,
    factor: &'a str,
    variant: Option<&'a str>,
    figure: &'a str,
}

/// Takes a right side apart; `None` if it compares with a figure of its own.
pub(super) fn split(text: &str) -> Option<Given<'_>> {
    let text = text.trim();
    let (comparison, rest) = COMPARISONS
        .iter()
        .find_map(|(sign, comparison)| Some((*comparison, text.strip_prefix(sign)?.trim())))?;
    let (factor, rest) = match rest.split_once('*') {
        Some((factor, rest)) => (factor.trim(), rest.trim()),
        None => ("1", rest),
    };
    let (variant, figure) = match rest.split_once(':') {
        Some((variant, figure)) => (Some(variant.trim()), figure.trim()),
        None => (None, rest),
    };
    let is_metric = METRICS.iter().any(|metric| figure.starts_with(metric.name));
    (variant.is_some() || is_metric).then_some(Given {
        comparison,
        factor,
        variant,
        figure,
    })
}

/// Reads the factor and the figure of a right side, which has to be measured in the unit of the left
/// one.
pub(super) fn read(
    given: &Given<'_>,
    (definition, key): (&Definition, &Key),
    (cases, sources): (&[Case], Option<&[Sources]>),
    entry: &Entry,
    problems: &mut Problems,
) -> Option<(f64, Against)> {
    let span = entry.value.span;
    let factor = given.factor.parse::<f64>().ok();
    let Some(factor) = factor.filter(|factor| factor.is_finite() && *factor > 0.0) else {
        let message = format!(
            "expected a factor above 0 before the *, found {}",
            quoted(given.factor)
        );
        problems.push(span, message);
        return None;
    };
    let of_it = |case: &&Case| given.variant.is_none_or(|name| name == case.name);
    let concerned: Vec<&Case> = cases.iter().filter(of_it).collect();
    if let (Some(name), true) = (given.variant, concerned.is_empty()) {
        let message = format!("there is no variant {}", quoted(name));
        let help = suggestion(name, cases.iter().map(|case| case.name.as_str()));
        problems.push_with_help(span, message, Some(help));
        return None;
    }
    // What is wrong with the figure is told where it stands.
    let place = Entry {
        key_span: span,
        ..entry.clone()
    };
    let (other, other_key) = read_figure(given.figure, &concerned, &place, problems)?;
    note_unmeasured(other, (cases, sources), given.variant, &place, problems);
    let unit = |definition: &Definition, key: &Key| {
        let unit = definition.unit;
        key.stat().map_or(unit, |stat| stat.unit(unit)).to_owned()
    };
    if unit(definition, key) != unit(other, &other_key) {
        let message = format!(
            "\"{}\" and \"{}\" are not measured in the same unit",
            definition.name, other.name
        );
        problems.push(span, message);
        return None;
    }
    let variant = given.variant.map(str::to_owned);
    let key = other_key;
    Some((factor, Against { variant, key }))
}
