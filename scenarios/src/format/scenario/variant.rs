//! Variants: what is changed in a scenario for a comparison.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::group::{GroupFields, is_name};
use crate::fault::FaultFields;
use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::reader::{Reader, fields_of, wrong_type};
use crate::format::reading::source::Span;
use crate::format::reading::tree::{Entry, Kind, Table, Value, set};
use crate::workload::WorkloadFields;

/// `[[variant]]`: one of the things that are compared.
///
/// Variants with the same groups and counts of hosts meet the same world: a seed draws the same
/// places, clocks, friends, faults and actions for them, and their difference is measured seed by
/// seed. With other hosts the worlds are alike only as far as hosts and workloads have the same
/// numbers: no differences are formed then, and the figures stand side by side.
#[derive(JsonSchema)]
pub struct VariantFields {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// Changes to the file by path, such as `"group.home.node.sync.strategy" = "after_ts"`. Groups
    /// are entered by name, workloads and faults by kind or number.
    pub set: Option<BTreeMap<String, serde_json::Value>>,
    /// Groups that this variant does without. No workload or fault may name them.
    pub without: Option<Vec<String>>,
    /// Groups that only this variant has, after all others: `[[variant.group]]`.
    pub group: Option<Vec<GroupFields>>,
    /// Workloads that only this variant has, after all others: `[[variant.workload]]`.
    pub workload: Option<Vec<WorkloadFields>>,
    /// Faults that only this variant has, after all others: `[[variant.fault]]`.
    pub fault: Option<Vec<FaultFields>>,
}

/// A variant before its changes are made.
#[derive(Debug, Clone, Copy)]
pub struct Variant<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where the name stands.
    pub span: Span,
    changes: Option<&'a Table>,
    /// What it adds and leaves out; `None` for the one default.
    own: Option<&'a Table>,
}

/// Lists of the scenario to which a variant may add.
const LISTS: [&str; 3] = ["group", "workload", "fault"];

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
                own: Some(table),
            });
        }
        if variants.is_empty() {
            variants.push(Self {
                name: DEFAULT,
                span: root.span,
                changes: None,
                own: None,
            });
        }
        variants
    }

    /// Its name, and what it changes as the file says it.
    pub fn written(&self) -> (String, serde_json::Value) {
        let own = self.own.map(Table::to_json);
        let mut own = own.unwrap_or_else(|| serde_json::json!({}));
        if let Some(fields) = own.as_object_mut() {
            fields.remove("name");
        }
        (self.name.to_owned(), own)
    }

    /// The scenario's text with this variant's changes.
    pub fn apply(&self, root: &Table, problems: &mut Problems) -> Table {
        let mut changed = root.clone();
        self.leave_out(&mut changed, problems);
        self.add(&mut changed, problems);
        for entry in self.changes.into_iter().flat_map(|table| &table.entries) {
            let first = crate::format::reading::tree::split_path(&entry.key).remove(0);
            if ["name", "seeds", "variant", "expect", "report", "chart"].contains(&first.as_str()) {
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

    /// Removes the groups that the variant does without.
    fn leave_out(&self, changed: &mut Table, problems: &mut Problems) {
        let Some(without) = self.own.and_then(|own| own.value("without")) else {
            return;
        };
        let Kind::Array(names) = &without.kind else {
            wrong_type(without, "without", "a list of groups", problems);
            return;
        };
        for name in names {
            let groups = changed.list_mut("group");
            let place = groups.as_ref().and_then(|groups| {
                let is_it = |group: &Value| {
                    let named = group.as_table().and_then(|table| table.value("name"));
                    named.and_then(Value::as_text) == name.as_text()
                };
                groups.iter().position(is_it)
            });
            match (groups, place) {
                (Some(groups), Some(place)) if name.as_text().is_some() => {
                    groups.remove(place);
                }
                _ => {
                    let message = "\"without\": there is no such group";
                    problems.push(name.span, message);
                }
            }
        }
    }

    /// Adds what only this variant has.
    fn add(&self, changed: &mut Table, problems: &mut Problems) {
        for key in LISTS {
            let Some(value) = self.own.and_then(|own| own.value(key)) else {
                continue;
            };
            let Kind::Array(items) = &value.kind else {
                wrong_type(value, key, "a list of tables", problems);
                continue;
            };
            match changed.list_mut(key) {
                Some(list) => list.extend(items.iter().cloned()),
                None => changed.entries.push(Entry {
                    key: key.to_owned(),
                    key_span: value.span,
                    value: value.clone(),
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::format::{Plan, read};

    fn plan(variants: &str) -> Result<Plan, String> {
        let text = format!(
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='a'\ncount=2\nprogram='none'\n\
             [[group]]\nname='b'\ncount=2\nprogram='none'\n\
             [[workload]]\nkind='flow'\nfrom='a'\nto='a[1]'\nat='1s'\nbytes='1kB'\n\
             {variants}"
        );
        let text = text.replace("from='a'\nto='a[1]'", "from='a[0]'\nto='a[1]'");
        read("t.toml", &text, None, &[]).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_variant_may_have_other_hosts() {
        let plan = plan(
            "[[variant]]\nname='few'\n\
             [[variant]]\nname='many'\nset={ 'group.b.count'=9 }\n\
             [[variant]]\nname='less'\nwithout=['b']\n\
             [[variant]]\nname='more'\n\
             [[variant.group]]\nname='c'\ncount=3\nprogram='none'\n\
             [[variant.workload]]\nkind='flow'\nfrom='c'\nto='b'\nat='2s'\nbytes='1kB'\n\
             [[variant.fault]]\nkind='power-cut'\nhosts='c[0]'\nat='5s'\nfor='5s'\n",
        )
        .unwrap_or_else(|problems| panic!("{problems}"));
        let worlds: Vec<String> = plan.cases.iter().map(crate::format::Case::world).collect();
        assert_eq!(worlds, ["a[2] b[2]", "a[2] b[9]", "a[2]", "a[2] b[2] c[3]"]);
        let more = &plan.cases[3].scenario;
        assert_eq!((more.workloads.len(), more.faults.len()), (2, 1));
    }

    #[test]
    fn what_a_variant_cannot_do_without_is_named() {
        let check = |variant: &str, expected: &str| {
            let told = plan(&format!("[[variant]]\nname='v'\n{variant}\n")).expect_err(variant);
            assert!(told.contains(expected), "{variant}: {told}");
        };
        check("without=['x']", "there is no such group");
        check("without='b'", "expected a list of groups");
        check("without=['a']", "there is no group \"a\"");
        check("group=3", "expected a list of tables");
        check(
            "[[variant.group]]\nname='b'\ncount=1",
            "there are two groups \"b\"",
        );
    }
}
