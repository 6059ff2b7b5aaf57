//! The registry of metrics: every name that a result may contain, and what it means.
//!
//! Owns names, units and definitions. It measures nothing. A new metric is one entry in the file
//! of its area, or in the room of the kind of workload that it is about: there [`crate::metrics!`]
//! makes the handle by which its figures are recorded. What single events of nodes give is declared
//! beside the events, in the node; what a scenario needs for a metric is [`source`]'s. A new area is a
//! file, and a line in `AREAS`.

use std::sync::LazyLock;

use orrery_node::api::MEASURES;
use orrery_node::api::measure::RELAYS;

use crate::text::{WIDTH, wrap};
use crate::workload;
pub use definition::{
    Definition, STATS, Shape, Span, at_end, counts, latency, measured, not_done, value,
};
use source::Source;

mod definition;
pub(crate) mod host;
pub(crate) mod hostile;
pub(crate) mod node;
mod of_events;
pub(crate) mod relay;
pub mod source;
pub(crate) mod world;

/// Declares metrics, by name: a handle for each, by which its figures are recorded, and the list
/// that a room gives to its registry. So what has a handle is listed.
///
/// ```
/// use orrery_scenarios::metrics::latency;
///
/// orrery_scenarios::metrics! {
///     pub METRICS {
///         GREET_TIME = latency("greet.time", &["greet"], "From a guest's dial until it is greeted.");
///     }
/// }
/// assert_eq!(METRICS[0].name, GREET_TIME.name);
/// ```
#[macro_export]
macro_rules! metrics {
    ($($(#[$about:meta])* $to:vis $list:ident { $($metric:ident = $definition:expr;)+ })+) => {
        $(
            $($to const $metric: $crate::metrics::Definition = $definition;)+

            $(#[$about])*
            $to const $list: &[$crate::metrics::Definition] = &[$($metric),+];
        )+
    };
}

/// The metrics of each area that no kind of workload owns, and what gives figures to those of them that
/// name no source of their own.
const AREAS: [(&[Definition], Source); 5] = [
    (host::METRICS, Source::Hosts),
    (hostile::METRICS, Source::Program("hostile")),
    (node::METRICS, Source::Nodes),
    (relay::METRICS, Source::NodesWith(RELAYS)),
    (world::METRICS, Source::Hosts),
];

/// All metrics, by name.
pub static METRICS: LazyLock<Vec<Definition>> = LazyLock::new(|| {
    let areas = AREAS.into_iter().flat_map(|(area, source)| {
        area.iter().map(move |metric| match metric.source {
            Source::Hosts => Definition { source, ..*metric },
            Source::Nodes | Source::NodesWith(_) | Source::Program(_) => *metric,
        })
    });
    let of_kinds = workload::kinds().flat_map(|kind| kind.metrics).copied();
    let all = areas.chain(of_events::definitions()).chain(of_kinds);
    let mut all: Vec<Definition> = all.collect();
    all.sort_unstable_by_key(|metric| metric.name);
    all
});

/// Names under which metrics of the tool's own areas and of events of nodes are known, whatever kinds of
/// workload there are.
pub(crate) fn names_without_kinds() -> impl Iterator<Item = &'static str> {
    let areas = AREAS.into_iter().flat_map(|(area, _)| area);
    let of_areas = areas.map(|metric| metric.name);
    of_areas.chain(MEASURES.iter().map(|measure| measure.name))
}

/// The metric of that name.
pub fn find(name: &str) -> Option<&'static Definition> {
    let place = METRICS.binary_search_by_key(&name, |metric| metric.name);
    Some(&METRICS[place.ok()?])
}

/// The registry as text for people.
pub fn explain() -> String {
    let mut out = String::from(
        "Metrics of a result, with unit and definition. An expectation names a statistic\n\
         of a distribution, and a value by its name alone. The statistics:\n\n",
    );
    for (stat, meaning) in STAT_MEANINGS {
        out.push_str(&told(&format!("{stat}: {meaning}")));
    }
    for metric in METRICS.iter() {
        out.push('\n');
        out.push_str(&describe(metric));
    }
    out
}

/// What each statistic of a distribution is.
const STAT_MEANINGS: [(&str, &str); 9] = [
    ("count", "how many samples there are"),
    ("mean", "their arithmetic mean"),
    ("min", "the least of them"),
    ("p50", "the median: half of them are at most this"),
    ("p90", "nine tenths of them are at most this"),
    ("p95", "95 of a hundred of them are at most this"),
    ("p99", "99 of a hundred of them are at most this"),
    ("max", "the greatest of them"),
    (
        "within(T)",
        "the share of its samples up to T, such as within(30s), to 0.1 % of T",
    ),
];

/// A line of a list, wrapped.
fn told(text: &str) -> String {
    let lines = wrap(text, WIDTH - 8).into_iter().enumerate();
    let indented = lines.map(|(place, line)| {
        let indent = if place == 0 { "    " } else { "        " };
        format!("{indent}{line}\n")
    });
    indented.collect()
}

/// Explains a metric, a metric with a statistic, or a statistic.
pub fn explain_one(topic: &str) -> Option<String> {
    if let Some(metric) = find(topic) {
        return Some(describe(metric));
    }
    let meaning = |stat: &str| {
        let name = stat.split('(').next().unwrap_or_default();
        let of = |(known, _): &&(&str, &str)| known.split('(').next() == Some(name);
        let found = STAT_MEANINGS.iter().find(of);
        found.map(|(known, meaning)| told(&format!("{known}: {meaning}")))
    };
    if let Some(text) = meaning(topic) {
        return Some(format!("A statistic of distributions\n{text}"));
    }
    // With the labels of a key or without.
    let plain = match (topic.find('{'), topic.rfind('}')) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &topic[..from], &topic[to + 1..]),
        _ => topic.to_owned(),
    };
    if let Some(metric) = find(&plain) {
        return Some(describe(metric));
    }
    let metric = METRICS.iter().find(|metric| {
        let rest = plain.strip_prefix(metric.name);
        rest.and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|stat| meaning(stat).is_some())
    })?;
    let stat = &plain[metric.name.len() + 1..];
    Some(describe(metric) + &meaning(stat)?)
}

/// One metric as text for people.
pub fn describe(metric: &Definition) -> String {
    let shape = match metric.shape {
        Shape::Distribution => "distribution",
        Shape::Value => "value",
    };
    let unit = if metric.unit == "1" {
        "count"
    } else {
        metric.unit
    };
    let mut lines = vec![format!("{} ({shape}, {unit})", metric.name)];
    lines.extend(
        wrap(metric.meaning, WIDTH - 4)
            .into_iter()
            .map(|line| format!("    {line}")),
    );
    if !metric.labels.is_empty() {
        let labels = format!("labels: {}", metric.labels.join(", "));
        let wrapped = wrap(&labels, WIDTH - 4).into_iter();
        lines.extend(wrapped.map(|line| format!("    {line}")));
    }
    for (value, meaning) in metric.values {
        let text = format!("{value}: {meaning}");
        let wrapped = wrap(&text, WIDTH - 10).into_iter().enumerate();
        lines.extend(wrapped.map(|(place, line)| {
            let indent = if place == 0 { "      " } else { "          " };
            format!("{indent}{line}")
        }));
    }
    if let Some(needed) = metric.needed() {
        let wrapped = wrap(&format!("needs {needed}"), WIDTH - 4).into_iter();
        lines.extend(wrapped.map(|line| format!("    {line}")));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use orrery_node::config::Config;
    use orrery_reports::record::Producer;
    use orrery_reports::stats::Stat;

    use super::source::Sources;
    use super::*;

    #[test]
    fn names_are_sorted_unique_and_described() {
        let areas = AREAS.into_iter().map(|(area, _)| area);
        for area in areas.chain(workload::kinds().map(|kind| kind.metrics)) {
            assert!(area.windows(2).all(|pair| pair[0].name < pair[1].name));
        }
        assert!(METRICS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(METRICS.iter().all(|metric| metric.meaning.ends_with('.')));
    }

    /// Who reads a figure knows of which time it is, without looking at how it is made.
    #[test]
    fn definitions_say_of_which_time_their_figures_are() {
        let words = [
            "measured",
            "whole run",
            "warm-up included",
            "of the warm-up included",
            "in the end",
            "at the end",
            "when the run ended",
            "at any one time",
        ];
        let silent: Vec<&str> = METRICS
            .iter()
            .filter(|metric| metric.span != Span::Measured)
            .filter(|metric| !words.iter().any(|words| metric.meaning.contains(words)))
            .map(|metric| metric.name)
            .collect();
        assert_eq!(silent, [""; 0]);
    }

    /// Else a key could be read in two ways.
    #[test]
    fn no_metric_ends_like_a_statistic() {
        for metric in METRICS.iter() {
            let (_, last) = metric.name.rsplit_once('.').expect("an area and a thing");
            assert_eq!(Stat::read(last), None, "{}", metric.name);
        }
    }

    #[test]
    fn every_statistic_is_explained() {
        let explained: Vec<&str> = STAT_MEANINGS.iter().map(|(stat, _)| *stat).collect();
        for stat in STATS {
            assert!(explained.contains(&stat), "{stat}");
        }
        assert_eq!(explained.len(), STATS.len() + 1, "and within(T)");
    }

    /// What a scenario has with workloads of these kinds and one group, whose hosts run `program` with
    /// these settings.
    fn sources(kinds: &[&'static str], program: &'static str, settings: &str) -> Sources {
        let settings = toml::from_str(settings).expect("it is TOML");
        let config = Config::from_table(settings).expect("they are settings");
        Sources {
            kinds: kinds.to_vec(),
            programs: vec![program],
            nodes: (program == "node").then_some(config).into_iter().collect(),
        }
    }

    #[test]
    fn what_no_workload_gives_comes_from_nothing() {
        let check = |name: &str, sources: &Sources, expected| {
            let metric = find(name).expect("it is there");
            assert_eq!(metric.producer(sources), expected, "{name}");
        };
        let none = sources(&["flow"], "none", "");
        check("flow.goodput", &none, Producer::Workload);
        check("feed.delivered", &none, Producer::Nothing);
        check("net.bytes", &none, Producer::World);
        check("node.connections", &none, Producer::Nothing);
        let node = sources(&[], "node", "");
        check("node.connections", &node, Producer::World);
        check("node.crossing_dials", &node, Producer::Mishap);
        check("relay.lost", &node, Producer::Nothing);
        check("node.neighbours.time", &node, Producer::Nothing);
        let relayed = sources(&[], "node", "[relay_client]\nenabled = true");
        check("relay.lost", &relayed, Producer::World);
        check("relay.recovery.time", &relayed, Producer::World);
        check("hostile.borne", &relayed, Producer::Nothing);
        let hostile = sources(&[], "hostile", "");
        check("hostile.borne", &hostile, Producer::World);
        check("node.stored", &hostile, Producer::World);
    }

    /// Each definition has a scenario that cannot produce it, what comes of all hosts aside.
    #[test]
    fn without_its_source_no_metric_has_a_producer() {
        let bare = sources(&[], "none", "");
        for metric in METRICS.iter() {
            let of_all = metric.needed().is_none();
            assert_eq!(of_all, metric.name.starts_with("net."), "{}", metric.name);
            let is_produced = metric.producer(&bare) != Producer::Nothing;
            assert_eq!(is_produced, of_all, "{}", metric.name);
        }
    }

    #[test]
    fn whatever_tells_why_knows_its_words() {
        for metric in METRICS.iter() {
            let words: Vec<&str> = metric.cases().collect();
            assert_eq!(
                metric.case_label().is_some(),
                !words.is_empty(),
                "{}",
                metric.name
            );
            assert!(words.is_sorted() && words.windows(2).all(|two| two[0] != two[1]));
        }
    }

    #[test]
    fn every_needed_workload_exists() {
        use crate::format::reading::reader::kinds_of;
        use crate::workload::WorkloadFields;
        let kinds = kinds_of::<WorkloadFields>();
        for metric in METRICS.iter() {
            for kind in metric.needs {
                assert!(
                    *kind == source::CHURN || kinds.iter().any(|known| known == kind),
                    "{}: {kind}",
                    metric.name
                );
            }
        }
    }
}
