//! Variants: what is changed in a scenario for a comparison.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::group::is_name;
use super::problem::{Problems, quoted};
use super::reader::{Reader, fields_of};
use super::source::Span;
use super::tree::{Table, set};

/// `[[variant]]`: one of the things that are compared.
#[derive(JsonSchema)]
pub struct VariantFields {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// Changes to the file by path, such as `"group.home.node.sync.engine" = "after_ts"`. Groups
    /// are entered by name, workloads and faults by kind or number.
    pub set: Option<BTreeMap<String, serde_json::Value>>,
}

/// A variant before its changes are made.
#[derive(Debug, Clone, Copy)]
pub struct Variant<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where the name stands.
    pub span: Span,
    changes: Option<&'a Table>,
}

/// The name of the only variant of a scenario that declares none.
pub const DEFAULT: &str = "default";

impl<'a> Variant<'a> {
    /// Reads `[[variant]]`, or the one default.
    pub fn read_all(root: &'a Table, problems: &mut Problems) -> Vec<Self> {
        let scenario = Reader {
            table: root,
            what: "the scenario",
        };
        let mut variants: Vec<Self> = Vec::new();
        for table in scenario.tables("variant", 100, problems) {
            let reader = Reader::new(table, "a variant", &fields_of::<VariantFields>(), problems);
            let changes = reader.table("set", problems);
            let Some(name) = reader.text("name", problems) else {
                continue;
            };
            let span = reader.span("name");
            if !is_name(name) {
                let message = format!(
                    "{} is no variant name: expected letters, digits, - and _",
                    quoted(name)
                );
                problems.push(span, message);
            }
            if variants.iter().any(|other| other.name == name) {
                problems.push(span, format!("there are two variants {}", quoted(name)));
                continue;
            }
            variants.push(Self {
                name,
                span,
                changes,
            });
        }
        if variants.is_empty() {
            variants.push(Self {
                name: DEFAULT,
                span: root.span,
                changes: None,
            });
        }
        variants
    }

    /// The scenario's text with this variant's changes.
    pub fn apply(&self, root: &Table, problems: &mut Problems) -> Table {
        let mut changed = root.clone();
        for entry in self.changes.into_iter().flat_map(|table| &table.entries) {
            let first = super::tree::split_path(&entry.key).remove(0);
            if ["name", "seeds", "variant", "expect"].contains(&first.as_str()) {
                let message = format!(
                    "a variant cannot change \"{first}\": it belongs to the whole scenario"
                );
                problems.push(entry.key_span, message);
                continue;
            }
            set(
                &mut changed,
                &entry.key,
                entry.key_span,
                entry.value.clone(),
                problems,
            );
        }
        changed
    }
}
