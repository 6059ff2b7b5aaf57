//! What a scenario is about: the figures and charts that answer its question, which reports show
//! first.
//!
//! Owns reading `report` and `[[chart]]`, and which of them could never be drawn. Drawing is the
//! reports'.

use orrery_reports::record::{Chart, Dimension, Producer};
use schemars::JsonSchema;

use super::expectation::note_unproduced;
use crate::format::reading::problem::{Problems, quoted, suggestion};
use crate::format::reading::reader::{Reader, fields_of, wrong_type};
use crate::format::reading::source::Span;
use crate::format::reading::tree::{Kind, Table};
use crate::metrics::source::Sources;
use crate::metrics::{Definition, METRICS, STATS, Shape};

/// `[[chart]]`: a figure over a dimension of the grid, or over the variants.
#[derive(JsonSchema)]
pub struct ChartFields {
    /// The x axis: a label of the grid, or `variant`.
    pub x: String,
    /// The figure, such as `feed.delivery.latency.p99`.
    pub y: String,
    /// One line for each value of this dimension: another label of the grid, or `variant`; a single line
    /// if absent.
    pub by: Option<String>,
}

/// Figures that a report shows first, at most.
const FIGURES_MAX: usize = 12;

/// Charts of a scenario at most.
const CHARTS_MAX: usize = 6;

/// The variants, as a dimension of charts.
const VARIANT: &str = "variant";

/// Reads `report` and `[[chart]]`: figures and charts, in the file's order. `sources` are those of each
/// case, if all that is played could be read.
pub fn read(
    root: &Table,
    sources: Option<&[Sources]>,
    grid: &[Dimension],
    problems: &mut Problems,
) -> (Vec<String>, Vec<Chart>) {
    let scenario = Reader {
        table: root,
        what: "the scenario",
    };
    let figures = read_figures(&scenario, sources, problems);
    let mut charts = Vec::new();
    for table in scenario.tables("chart", CHARTS_MAX, problems) {
        let reader = Reader::new(table, "a chart", &fields_of::<ChartFields>(), problems);
        let x = reader.text("x", problems);
        let y = reader.text("y", problems);
        let by = reader.text("by", problems);
        let (Some(x), Some(y)) = (x, y) else {
            continue;
        };
        let is_sound = check_figure(y, true, reader.span("y"), sources, problems)
            & check_axis(x, reader.span("x"), grid, problems)
            & by.is_none_or(|by| check_axis(by, reader.span("by"), grid, problems));
        if by == Some(x) {
            let message = "\"by\": expected another dimension than \"x\"";
            problems.push(reader.span("by"), message);
        } else if is_sound {
            charts.push(Chart {
                x: x.to_owned(),
                y: y.to_owned(),
                by: by.map(str::to_owned),
            });
        }
    }
    (figures, charts)
}

fn read_figures(
    scenario: &Reader<'_>,
    sources: Option<&[Sources]>,
    problems: &mut Problems,
) -> Vec<String> {
    let Some(value) = scenario.value("report") else {
        return Vec::new();
    };
    let Kind::Array(items) = &value.kind else {
        wrong_type(value, "report", "a list of figures", problems);
        return Vec::new();
    };
    if items.len() > FIGURES_MAX {
        let message = format!(
            "\"report\": {} figures: at most {FIGURES_MAX} are shown first",
            items.len()
        );
        problems.push(value.span, message);
    }
    let mut figures: Vec<String> = Vec::new();
    for item in items.iter().take(FIGURES_MAX) {
        let Some(figure) = item.as_text() else {
            wrong_type(item, "report", "a figure such as \"net.bytes\"", problems);
            continue;
        };
        if figures.iter().any(|other| other == figure) {
            problems.push(item.span, format!("{} stands there twice", quoted(figure)));
        } else if check_figure(figure, false, item.span, sources, problems) {
            figures.push(figure.to_owned());
        }
    }
    figures
}

/// Whether a figure is one, and has anything to show in some case. A distribution `needs_stat` where
/// one number is drawn of it.
fn check_figure(
    figure: &str,
    needs_stat: bool,
    span: Span,
    sources: Option<&[Sources]>,
    problems: &mut Problems,
) -> bool {
    let Some((definition, stat)) = split(figure) else {
        let name = figure.split('{').next().unwrap_or_default();
        let message = format!("unknown figure {}", quoted(figure));
        let help = suggestion(name, METRICS.iter().map(|metric| metric.name));
        problems.push_with_help(span, message, Some(help));
        return false;
    };
    let wrong = match (definition.shape, stat) {
        (Shape::Value, Some(_)) => Some("is one figure: nothing may follow its name"),
        (Shape::Distribution, None) if needs_stat => {
            Some("is a distribution: add a statistic, such as .p50")
        }
        (Shape::Value, None) | (Shape::Distribution, _) => None,
    };
    if let Some(wrong) = wrong {
        problems.push(span, format!("\"{}\" {wrong}", definition.name));
        return false;
    }
    let is_produced = |of: &Sources| definition.producer(of) != Producer::Nothing;
    let is_measured = sources.is_none_or(|sources| sources.iter().any(is_produced));
    if !is_measured {
        note_unproduced(definition, span, problems);
    }
    is_measured
}

/// The metric of a figure, and its statistic; labels may stand between them.
fn split(figure: &str) -> Option<(&'static Definition, Option<&str>)> {
    let rest_of = |metric: &Definition| {
        let rest = figure.strip_prefix(metric.name)?;
        (rest.is_empty() || rest.starts_with(['.', '{'])).then_some(rest)
    };
    let found = METRICS
        .iter()
        .filter_map(|metric| Some((metric, rest_of(metric)?)));
    let (definition, rest) = found.max_by_key(|(metric, _)| metric.name.len())?;
    let rest = match rest.strip_prefix('{') {
        Some(labelled) => labelled.split_once('}')?.1,
        None => rest,
    };
    if rest.is_empty() {
        return Some((definition, None));
    }
    let stat = rest.strip_prefix('.')?;
    let is_known = STATS.contains(&stat) || (stat.starts_with("within(") && stat.ends_with(')'));
    is_known.then_some((definition, Some(stat)))
}

fn check_axis(name: &str, span: Span, grid: &[Dimension], problems: &mut Problems) -> bool {
    let labels = grid.iter().map(|dimension| dimension.label.as_str());
    let mut known = labels.chain([VARIANT]);
    if known.clone().any(|label| label == name) {
        return true;
    }
    let message = format!("the grid has no dimension {}", quoted(name));
    let help = suggestion(name, known.by_ref().collect::<Vec<_>>());
    problems.push_with_help(span, message, Some(help));
    false
}

#[cfg(test)]
mod tests {
    use crate::format::{Plan, read};

    fn plan(report: &str, charts: &str) -> Result<Plan, String> {
        let text = format!(
            "name='t'\nduration='1m'\n{report}\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=2\nprogram='none'\naccess={{ up = {{}} }}\n\
             [[workload]]\nkind='flow'\nfrom='g[0]'\nto='g[1]'\nat='1s'\n\
             [grid]\nloss = {{ set = 'group.g.access.up.loss', to = ['1%', '2%'] }}\n{charts}\n"
        );
        read("t", &text, None, &[]).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_scenario_names_what_it_is_about() {
        let report = "report = ['flow.goodput', 'flow.completion.p50', 'net.drops{reason=loss}']";
        let charts = "[[chart]]\nx='loss'\ny='flow.completion.p99'\nby='variant'\n\
                      [[chart]]\nx='variant'\ny='flow.goodput'\n";
        let plan = plan(report, charts).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(plan.report.len(), 3);
        let charts: Vec<_> = plan
            .charts
            .iter()
            .map(|chart| (&*chart.x, &*chart.y, chart.by.as_deref()))
            .collect();
        let expected = [
            ("loss", "flow.completion.p99", Some("variant")),
            ("variant", "flow.goodput", None),
        ];
        assert_eq!(charts, expected);
    }

    /// A mistake hides what would produce a figure, and that is no second mistake.
    #[test]
    fn one_mistake_is_one_problem() {
        let text = |count: &str, from: &str, kind: &str| {
            format!(
                "name='t'\nduration='1m'\nreport=['flow.goodput']\n[network]\ndelays='ibm-10'\n\
                 [[group]]\nname='g'\ncount={count}\nprogram='none'\n\
                 [[workload]]\nkind='{kind}'\nfrom='{from}'\nto='g[1]'\nat='1s'\n\
                 [[chart]]\nx='variant'\ny='flow.completion.p50'\n\
                 [expect]\n'flow.completion.count'='>= 0'\n"
            )
        };
        let check = |text: &str, settings: &[String], expected: &str| {
            let problems = read("t", text, None, settings).expect_err(expected);
            assert_eq!(problems.len(), 1, "{problems}");
            assert!(problems.to_string().contains(expected), "{problems}");
        };
        let sound = read("t", &text("2", "g[0]", "flow"), None, &[]);
        let sound = sound.unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(sound.charts.len(), 1);
        check(&text("'x'", "g[0]", "flow"), &[], "\"count\"");
        check(&text("2", "h[0]", "flow"), &[], "\"h\"");
        check(&text("2", "g[0]", "flood"), &[], "flood");
        let setting = "group.g.count=x".to_owned();
        check(&text("2", "g[0]", "flow"), &[setting], "\"count\"");
    }

    #[test]
    fn what_could_never_be_drawn_is_refused() {
        let check = |report: &str, charts: &str, expected: &str| {
            let told = plan(report, charts).expect_err(expected);
            assert!(told.contains(expected), "{report} {charts}: {told}");
        };
        check("report = 3", "", "expected a list of figures");
        check(
            "report = ['flow.godput']",
            "",
            "did you mean \"flow.goodput\"?",
        );
        check(
            "report = ['flow.goodput.p50']",
            "",
            "nothing may follow its name",
        );
        check("report = ['feed.delivered']", "", "no workload produces");
        check(
            "report = ['relay.recovery.time']",
            "",
            "it needs nodes with relay.enabled or relay_client.enabled",
        );
        check(
            "report = ['hostile.borne']",
            "",
            "it needs hosts with program = \"hostile\"",
        );
        check(
            "report = ['net.bytes', 'net.bytes']",
            "",
            "stands there twice",
        );
        check(
            "",
            "[[chart]]\nx='los'\ny='net.bytes'",
            "no dimension \"los\"; did you mean \"loss\"?",
        );
        check(
            "",
            "[[chart]]\nx='loss'\ny='flow.completion'",
            "add a statistic",
        );
        check(
            "",
            "[[chart]]\nx='loss'\ny='net.bytes'\nby='loss'",
            "another dimension than",
        );
        check("", "[[chart]]\nx='loss'", "a chart lacks the field \"y\"");
    }
}
