//! A whole scenario file, read: its variants, resolved, and its expectations.

use std::collections::BTreeMap;
use std::path::Path;

use orrery_reports::key::Labels;
use orrery_reports::origin::Profile;
use orrery_reports::record::{Chart, Compare, Dimension};
use serde::{Deserialize, Serialize};

use super::Scenario;
use super::expectation::Expectation;
use super::grid::Grid;
use super::matrix;
use super::report;
use super::variant::Variant;
use crate::format::reading::problem::Problems;
use crate::format::reading::reader::Reader;
use crate::format::reading::source::Span;
use crate::format::reading::tree::{self, Entry, Table};
use crate::metrics::source::Sources;
use crate::profiles::Profiles;

/// A scenario file, read and found sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The scenario's name.
    pub name: String,
    /// Its summary sentence.
    pub summary: String,
    /// How many seeds it asks for.
    pub seeds: u32,
    /// Its variants in the file's order, at least one; each in all cells of the grid.
    pub cases: Vec<Case>,
    /// The dimensions of its grid, in the file's order; empty without one.
    pub grid: Vec<Dimension>,
    /// The figures that its report shows first.
    pub report: Vec<String>,
    /// The charts that its report shows first.
    pub charts: Vec<Chart>,
    /// Which variants its report compares.
    pub compare: Compare,
    /// What it expects.
    pub expectations: Vec<Expectation>,
    /// Whether its file expects anything, be it of cells that are played or not.
    pub expects: bool,
    /// How many of the file's expectations are of cells that settings have taken away.
    pub gone: usize,
    /// What is perhaps not meant, with its place, a sentence each.
    pub warnings: Vec<String>,
    /// What it was read from.
    pub written: Written,
}

/// What a plan was read from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// The file's text.
    pub text: String,
    /// The `path=value` of `--set`, in their order.
    pub settings: Vec<String>,
    /// By variant: what it changes, as the file says it.
    pub variants: BTreeMap<String, serde_json::Value>,
    /// The profiles that it asks for, with their files.
    pub profiles: Vec<Profile>,
}

/// A variant, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// The variant's name.
    pub name: String,
    /// Where in the grid; empty without one.
    pub cell: Labels,
    /// What is played for it.
    pub scenario: Scenario,
}

impl Plan {
    /// The variants' names, in the file's order.
    pub fn variants(&self) -> impl Iterator<Item = &str> + Clone {
        let mut names: Vec<&str> = self.cases.iter().map(|case| case.name.as_str()).collect();
        names.dedup();
        names.into_iter()
    }
}

impl Case {
    /// Which hosts there are, by group: variants for which that is the same meet the same world.
    pub fn world(&self) -> String {
        let groups = self.scenario.groups.iter();
        let named: Vec<String> = groups
            .map(|group| format!("{}[{}]", group.name, group.count))
            .collect();
        named.join(" ")
    }

    /// A name for the case with a seed, apart from all others and fit for a file: `cursor-7`, or
    /// `cursor{loss=1%}-7` in a grid.
    pub fn title(&self, seed: u64) -> String {
        let cell = self.cell.braced().replace('/', "_");
        format!("{}{cell}-{seed}", self.name)
    }
}

/// A scenario file at most.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Seeds of one run at most.
pub const SEEDS_MAX: u32 = 10_000;

/// Reads a scenario.
///
/// `name` is the file's name for messages, `folder` where profiles beside it are looked for, and
/// `settings` are the `path=value` of `--set`, which change the text before it is checked and
/// before variants make their own changes.
///
/// # Errors
/// All problems that were found.
pub fn read(
    name: &str,
    text: &str,
    folder: Option<&Path>,
    settings: &[String],
) -> Result<Plan, Problems> {
    let profiles = Profiles::new(folder);
    read_checked(name, text, profiles, settings, &|_, _, _| ())
}

/// As [`read`], with profiles from wherever they come, and `check` may note more about each sound variant: it is given the text's tree
/// with the variant's own changes, and the scenario that was read from it.
///
/// # Errors
/// All problems that were found.
pub fn read_checked(
    name: &str,
    text: &str,
    profiles: Profiles<'_>,
    settings: &[String],
    check: &dyn Fn(&Table, &Scenario, &mut Problems),
) -> Result<Plan, Problems> {
    let mut problems = Problems::new(name, text);
    let start = Span {
        source: 0,
        start: 0,
        end: 0,
    };
    if text.trim().is_empty() {
        problems.push(
            start,
            "the file is empty: a scenario needs a name, a duration, a network and a group",
        );
        return Err(problems);
    }
    if text.len() as u64 > FILE_BYTES_MAX {
        problems.push(
            start,
            "the file is larger than 1 MiB, the limit for a scenario",
        );
        return Err(problems);
    }
    let Some(mut root) = tree::parse(text, &mut problems) else {
        return Err(problems);
    };
    // What is missing from the whole file is told at its first line.
    root.span = start;
    // What is wrong with it is told once the settings are made.
    let declared = Grid::read(&root, &mut Problems::default()).dimensions;
    for setting in settings {
        apply_setting(&mut root, setting, &mut problems);
    }
    let variants = Variant::read_all(&root, &mut problems);
    let mut cases: Vec<Case> = Vec::new();
    // Whether all that is played could be read: else what it would produce is unknown.
    let mut known = problems.is_empty();
    let before_grid = problems.len();
    let Grid { dimensions, cells } = Grid::read(&root, &mut problems);
    if problems.len() > before_grid {
        // Without its cells, all that names their labels would look wrong too.
        return Err(problems);
    }
    for variant in &variants {
        let before_variant = problems.len();
        let of_variant = variant.apply(&root, &mut problems);
        known &= problems.len() == before_variant;
        for cell in &cells {
            let mut changed = of_variant.clone();
            let before_cell = problems.len();
            cell.apply(&mut changed, &mut problems);
            let before = problems.len();
            let scenario = Scenario::read(&changed, &profiles, &mut problems);
            known &= problems.len() == before_cell;
            if problems.len() == before {
                check(&changed, &scenario, &mut problems);
            }
            cases.push(Case {
                name: variant.name.to_owned(),
                cell: cell.labels.clone(),
                scenario,
            });
        }
    }
    let mut plan = read_rest(
        &root,
        (cases, known),
        (dimensions, &declared),
        &mut problems,
    );
    plan.written = Written {
        text: text.to_owned(),
        settings: settings.to_vec(),
        variants: variants.iter().map(Variant::written).collect(),
        profiles: profiles.into_used(),
    };
    if problems.is_empty() {
        Ok(plan)
    } else {
        Err(problems)
    }
}

/// Reads all that is not played. `known` says whether all that is could be read.
fn read_rest(
    root: &Table,
    (cases, known): (Vec<Case>, bool),
    (grid, declared): (Vec<Dimension>, &[Dimension]),
    problems: &mut Problems,
) -> Plan {
    let reader = Reader {
        table: root,
        what: "the scenario",
    };
    let summary = reader.text("summary", problems).unwrap_or_default();
    let seeds = reader
        .whole("seeds", 1..=i64::from(SEEDS_MAX), problems)
        .unwrap_or(1);
    let compare = [("first", Compare::First), ("all", Compare::All)];
    let compare = reader.choice("compare", &compare, problems);
    let sources: Option<Vec<Sources>> =
        known.then(|| cases.iter().map(|case| case.scenario.sources()).collect());
    let sources = sources.as_deref();
    let (figures, charts) = report::read(root, sources, &grid, problems);
    let expect = reader.table("expect", problems);
    let lasting = lasting(&grid, declared);
    let mut asked: Vec<Entry> = expect
        .into_iter()
        .flat_map(|table| &table.entries)
        .take(1_000)
        .flat_map(|entry| matrix::expand(entry, &lasting, problems))
        .collect();
    let all = asked.len();
    asked.retain(|entry| !is_of_gone_cell(&entry.key, &grid, declared));
    let expectations = asked
        .iter()
        .filter_map(|entry| Expectation::read(entry, &cases, sources, problems))
        .collect();
    Plan {
        name: reader
            .value("name")
            .and_then(|value| value.as_text())
            .unwrap_or_default()
            .to_owned(),
        summary: summary.to_owned(),
        seeds: seeds as u32,
        cases,
        grid,
        report: figures,
        charts,
        compare: compare.unwrap_or_default(),
        expectations,
        expects: expect.is_some_and(|table| !table.entries.is_empty()),
        gone: all - asked.len(),
        warnings: problems.warnings(),
        written: Written::default(),
    }
}

/// The grid as far as its file declares it: a matrix of expectations cannot speak of what settings
/// have added, and need not speak of what they have taken away.
fn lasting(grid: &[Dimension], declared: &[Dimension]) -> Vec<Dimension> {
    let lasts = |label: &str, value: &String| {
        let mut declared = declared.iter().filter(|dimension| dimension.label == label);
        declared
            .next()
            .is_none_or(|dimension| dimension.values.contains(value))
    };
    let mut lasting = grid.to_vec();
    for dimension in &mut lasting {
        let label = &dimension.label;
        dimension.values.retain(|value| lasts(label, value));
    }
    lasting
}

/// Whether an expectation names a value of the file's grid that settings have taken away.
fn is_of_gone_cell(key: &str, grid: &[Dimension], declared: &[Dimension]) -> bool {
    let has = |grid: &[Dimension], label: &str, value: &str| {
        let mut of_label = grid.iter().filter(|dimension| dimension.label == label);
        of_label.any(|dimension| dimension.values.iter().any(|known| known == value))
    };
    let figure = key.split_once(':').map_or(key, |(_, figure)| figure);
    let Some((_, rest)) = figure.split_once('{') else {
        return false;
    };
    let labels = rest.split('}').next().unwrap_or_default().split(',');
    labels
        .filter_map(|label| label.split_once('='))
        .map(|(label, value)| (label.trim(), value.trim()))
        .any(|(label, value)| has(declared, label, value) && !has(grid, label, value))
}

fn apply_setting(root: &mut Table, setting: &str, problems: &mut Problems) {
    let source = problems.add_argument(setting);
    let Some(equals) = setting.find('=') else {
        let span = Span {
            source,
            start: 0,
            end: setting.len(),
        };
        problems.push(span, "expected path=value, such as group.home.count=8");
        return;
    };
    let path_span = Span {
        source,
        start: 0,
        end: equals,
    };
    let value_span = Span {
        source,
        start: equals + 1,
        end: setting.len(),
    };
    let value = tree::parse_argument_value(setting[equals + 1..].trim(), value_span);
    tree::set(root, &setting[..equals], path_span, value, problems);
}
