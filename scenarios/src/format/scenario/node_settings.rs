//! Settings of the node in a group: dotted paths with plain values.
//!
//! Owns their form. What they mean is the node's: its own configuration type says which
//! paths exist.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use orrery_node::config::{Config, ConfigError};

use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::reader::Reader;
use crate::format::reading::schema;
use crate::format::reading::source::Span;
use crate::format::reading::tree::{Kind, Table, Value};
use crate::services;
use crate::text::{WIDTH, wrap};

/// Reads a group's `node`. Nested tables and dotted keys mean the same.
pub fn read(group: &Reader<'_>, problems: &mut Problems) -> BTreeMap<String, toml::Value> {
    let mut settings = BTreeMap::new();
    if let Some(table) = group.table("node", problems) {
        let before = problems.len();
        flatten(table, "", &mut settings, problems);
        if problems.len() == before {
            check_together(&settings, table.span, problems);
        }
    }
    settings
}

fn flatten(
    table: &Table,
    prefix: &str,
    settings: &mut BTreeMap<String, toml::Value>,
    problems: &mut Problems,
) {
    for entry in &table.entries {
        let path = if prefix.is_empty() {
            entry.key.clone()
        } else {
            format!("{prefix}.{}", entry.key)
        };
        if path.split('.').any(str::is_empty) {
            let message = format!("{} is not a path such as sync.strategy", quoted(&path));
            problems.push(entry.key_span, message);
            continue;
        }
        if let Kind::Table(inner) = &entry.value.kind {
            flatten(inner, &path, settings, problems);
            continue;
        }
        let Some(value) = plain(&entry.value, problems) else {
            continue;
        };
        let inside = |outer: &str, inner: &str| {
            inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        let clash = settings
            .keys()
            .find(|other| **other == path || inside(other, &path) || inside(&path, other));
        if let Some(other) = clash {
            let message = format!("the node's setting \"{path}\" contradicts \"{other}\"");
            problems.push(entry.key_span, message);
            continue;
        }
        if let Err(refusal) = check(&path, &value) {
            problems.push_with_help(entry.key_span, refusal.message, refusal.help);
            continue;
        }
        settings.insert(path, value);
    }
}

/// Asks the node's configuration whether the settings agree with one another.
fn check_together(settings: &BTreeMap<String, toml::Value>, span: Span, problems: &mut Problems) {
    let [own, of_services] = tables(settings);
    if let Err(error) = Config::from_table(own) {
        problems.push(span, format!("the node's settings disagree: {error}"));
    }
    if let Err(error) = services::check(&of_services) {
        problems.push(span, format!("the node's settings: {error}"));
    }
}

/// Settings as nested tables: the node's own, and those of services that the program adds. Paths
/// never contradict each other: [`read`] refuses that.
pub fn tables(settings: &BTreeMap<String, toml::Value>) -> [toml::Table; 2] {
    let mut own = toml::Table::new();
    for (path, value) in settings {
        insert(&mut own, path, value.clone());
    }
    let of_services = services::take(&mut own);
    [own, of_services]
}

struct Refusal {
    message: String,
    help: Option<String>,
}

/// Asks the node's own configuration whether it takes `value` at `path`.
fn check(path: &str, value: &toml::Value) -> Result<(), Refusal> {
    let mut table = toml::Table::new();
    insert(&mut table, path, value.clone());
    if services::of_path(path).is_some() {
        return services::check(&table).map_err(|error| Refusal {
            message: format!("the node's setting \"{path}\": {error}"),
            help: None,
        });
    }
    match Config::from_table(table) {
        // Another setting may agree with it; `check_together` sees them all.
        Ok(_) | Err(ConfigError::Contradiction { .. }) => Ok(()),
        Err(ConfigError::Unknown { path, nearest }) => Err(Refusal {
            message: format!("the node has no setting {}", quoted(&path)),
            help: nearest.map(|name| format!("did you mean \"{name}\"?")),
        }),
        Err(ConfigError::Invalid { path, reason }) => Err(Refusal {
            message: format!("the node's setting \"{path}\": {reason}"),
            help: None,
        }),
        Err(error @ ConfigError::Syntax(_)) => Err(Refusal {
            message: error.to_string(),
            help: None,
        }),
    }
}

fn plain(value: &Value, problems: &mut Problems) -> Option<toml::Value> {
    Some(match &value.kind {
        Kind::Text(text) => toml::Value::String(text.clone()),
        Kind::Integer(Some(number)) => toml::Value::Integer(*number),
        Kind::Float(number) if number.is_finite() => toml::Value::Float(*number),
        Kind::Boolean(is) => toml::Value::Boolean(*is),
        Kind::Array(items) => toml::Value::Array(
            items
                .iter()
                .filter_map(|item| plain(item, problems))
                .collect(),
        ),
        _ => {
            let message = format!("a node's setting cannot be {}", value.description());
            problems.push(value.span, message);
            return None;
        }
    })
}

/// Puts `value` at the dotted `path` below `root`.
fn insert(root: &mut toml::Table, path: &str, value: toml::Value) {
    match path.split_once('.') {
        None => {
            root.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = root
                .entry(first)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let toml::Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// What is in force in scenarios beside, or in place of, what stands in the configuration.
const SET_BY_THE_TOOL: &str = "
What stands here, or in a group, is in force in a run, with these exceptions:
    bootstrap.peers also names the hosts of the group's \"bootstrap\", at all
        their addresses.
    relay.listed also names the hosts of the group's \"listed\".
    quic.transport and mdns.implementation are \"own\": the simulated network
        carries no others.
    listen.addresses has no address of QUIC with --engine turmoil, which has no
        UDP.
";

/// A setting of the node: its path, default and documentation, and the values of a choice, each with what
/// it means.
struct Setting {
    path: String,
    default: String,
    meaning: String,
    choices: Vec<(String, String)>,
}

/// All settings, by section and name.
fn settings() -> Vec<Setting> {
    let schema = schemars::schema_for!(Config);
    let root = schema.as_value();
    let defaults = toml::Table::try_from(Config::default()).unwrap_or_default();
    let empty = serde_json::Map::new();
    let properties = |schema: &serde_json::Value| {
        let found = schema.get("properties").and_then(|found| found.as_object());
        found.unwrap_or(&empty).clone()
    };
    let mut all = Vec::new();
    for (section, property) in properties(root) {
        let reference = property
            .get("$ref")
            .or_else(|| property.pointer("/allOf/0/$ref"));
        let target = reference
            .and_then(|reference| reference.as_str())
            .and_then(|reference| root.pointer(reference.trim_start_matches('#')));
        let defaults = defaults
            .get(&section)
            .and_then(|section| section.as_table());
        for field in properties(target.unwrap_or(&property)) {
            all.push(Setting::of(&section, defaults, field, root));
        }
    }
    for kind in services::kinds() {
        let schema = kind.schema(&mut schemars::SchemaGenerator::default());
        let root = schema.as_value();
        for field in properties(root) {
            all.push(Setting::of(kind.name, Some(&kind.defaults()), field, root));
        }
    }
    all
}

impl Setting {
    /// A field of a section whose defaults are `defaults`; `root` has the types that its schema names.
    fn of(
        section: &str,
        defaults: Option<&toml::Table>,
        (field, property): (String, serde_json::Value),
        root: &serde_json::Value,
    ) -> Self {
        let default = defaults.and_then(|section| section.get(&field));
        let meaning = property.get("description").and_then(|text| text.as_str());
        Self {
            path: format!("{section}.{field}"),
            default: default.map_or("unset".to_owned(), ToString::to_string),
            meaning: meaning.unwrap_or_default().to_owned(),
            choices: choices(root, &property),
        }
    }

    fn describe(&self) -> String {
        let mut out = format!("{} = {}\n", self.path, self.default);
        for line in wrap(&self.meaning, WIDTH - 4) {
            let _ = writeln!(out, "    {line}");
        }
        if !self.choices.is_empty() {
            out.push_str("    one of:\n");
        }
        for (name, meaning) in &self.choices {
            let text = match meaning.as_str() {
                "" => name.clone(),
                meaning => format!("{name}: {meaning}"),
            };
            for (place, line) in wrap(&text, WIDTH - 10).iter().enumerate() {
                let indent = if place == 0 { 6 } else { 10 };
                let _ = writeln!(out, "{:indent$}{line}", "");
            }
        }
        out
    }
}

/// The values of a setting that is a choice, a list of choices, or one of these that may be absent.
fn choices(root: &serde_json::Value, property: &serde_json::Value) -> Vec<(String, String)> {
    let mut schema = property;
    // A list that may be absent is three deep: the choice, its items, and the type they name.
    for _ in 0..3 {
        let found = schema::choices(schema);
        if !found.is_empty() {
            return found;
        }
        schema = schema::resolve(root, schema);
    }
    schema::choices(schema)
}

/// Explains a value of a choice: what it means in each setting that may have it.
pub fn explain_value(value: &str) -> Option<String> {
    let mut out = String::new();
    for setting in settings() {
        let mut choices = setting.choices.iter();
        let Some((_, meaning)) = choices.find(|(name, _)| name == value) else {
            continue;
        };
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(
            out,
            "{} = \"{value}\" (a setting of the node)",
            setting.path
        );
        let meaning = match meaning.as_str() {
            "" => &setting.meaning,
            meaning => meaning,
        };
        for line in wrap(meaning, WIDTH - 4) {
            let _ = writeln!(out, "    {line}");
        }
    }
    (!out.is_empty()).then_some(out)
}

/// Paths of all settings.
pub fn paths() -> Vec<String> {
    settings().into_iter().map(|setting| setting.path).collect()
}

/// Explains a setting, or all of a section, with their defaults; `None` if there is none of that
/// path. `node.` or `group.node.` may stand before it.
pub fn explain_one(topic: &str) -> Option<String> {
    let path = topic.strip_prefix("group.").unwrap_or(topic);
    let path = path.strip_prefix("node.").unwrap_or(path);
    let of_section = format!("{path}.");
    let named = |setting: &Setting| setting.path == path || setting.path.starts_with(&of_section);
    let found: Vec<String> = settings()
        .iter()
        .filter(|setting| named(setting))
        .map(Setting::describe)
        .collect();
    let how = "Settings of the node, with their defaults. In a group:\n\
               node = { \"PATH\" = VALUE }\n\n";
    (!found.is_empty()).then(|| format!("{how}{}", found.join("\n")))
}

/// All settings of the node with their defaults and documentation, as text for people.
pub fn explain() -> String {
    let mut out =
        String::from("Settings of the node, by dotted path, with their defaults. In a group:\n");
    out.push_str("node = { \"sync.strategy\" = \"cursor\" }\n");
    out.push_str(SET_BY_THE_TOOL);
    for setting in settings() {
        out.push('\n');
        out.push_str(&setting.describe());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `const` of the node's schema, wherever it stands.
    fn consts(schema: &serde_json::Value, found: &mut Vec<String>) {
        match schema {
            serde_json::Value::Object(fields) => {
                if let Some(value) = fields.get("const").and_then(|value| value.as_str()) {
                    found.push(value.to_owned());
                }
                fields.values().for_each(|inner| consts(inner, found));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| consts(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_value_of_a_choice_is_explained_with_its_setting() {
        let mut found = Vec::new();
        consts(schemars::schema_for!(Config).as_value(), &mut found);
        assert!(found.iter().any(|value| value == "lowest-rtt"), "{found:?}");
        for value in found {
            let text = explain_value(&value);
            assert!(text.is_some_and(|text| text.contains(" = \"")), "{value}");
        }
    }

    #[test]
    fn settings_are_told_in_80_columns_with_what_each_means() {
        for line in explain().lines() {
            assert!(
                line.chars().count() <= WIDTH || line.contains(" = "),
                "{line}"
            );
        }
        for setting in settings() {
            let words = setting.meaning.split_whitespace().count();
            assert!(words >= 3, "{}: {}", setting.path, setting.meaning);
        }
    }
}
