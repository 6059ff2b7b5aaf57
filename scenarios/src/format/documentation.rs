//! The documentation of the format: the JSON Schema, and each field's explanation from it.

use std::fmt::Write as _;

use schemars::Schema;

use super::reading::schema::{Field, fields_of};
use super::scenario::ScenarioFields;
use crate::text::{WIDTH, wrap};

/// The format's JSON Schema, for editors.
pub fn schema() -> Schema {
    schemars::schema_for!(ScenarioFields)
}

/// The schema as it is committed: pretty, with a line's end.
///
/// # Panics
/// Never: a schema is plain JSON.
pub fn schema_text() -> String {
    let mut text = serde_json::to_string_pretty(&schema()).expect("a schema is plain JSON");
    text.push('\n');
    text
}

/// All fields in the order of the format.
pub fn all() -> Vec<Field> {
    fields_of(&schema())
}

/// Explains the fields that `wanted` names: by whole path, or by its last parts.
pub fn explain(wanted: &str) -> Option<String> {
    let fields = all();
    let wanted = wanted.replace("[[", "").replace("]]", "");
    let tail = format!(".{wanted}");
    let mut found: Vec<&Field> = fields.iter().filter(|field| field.path == wanted).collect();
    if found.is_empty() {
        found = fields
            .iter()
            .filter(|field| field.path.ends_with(&tail) && !is_repeated(field))
            .collect();
    }
    let first = found.first()?;
    let inside = format!("{}.", first.path);
    let mut out = String::new();
    let mut shown = found.clone();
    if found.len() == 1 {
        shown.extend(
            fields
                .iter()
                .filter(|field| field.path.starts_with(&inside)),
        );
    }
    for (index, field) in shown.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        describe(field, &mut out);
    }
    Some(out)
}

/// Whether a field is what a variant may add of what stands in the file itself.
fn is_repeated(field: &Field) -> bool {
    let lists = ["variant.group", "variant.workload", "variant.fault"];
    lists.iter().any(|list| field.path.starts_with(list))
}

/// A field with its meaning, and its choices.
fn describe(field: &Field, out: &mut String) {
    let need = if field.required { " (required)" } else { "" };
    let _ = writeln!(out, "{}{need}", field.path);
    let names: Vec<&str> = field
        .choices
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let one_of = (!names.is_empty()).then(|| format!("one of: {}", names.join(", ")));
    for text in [Some(field.meaning.clone()), one_of].into_iter().flatten() {
        for line in wrap(&text, WIDTH - 4) {
            let _ = writeln!(out, "    {line}");
        }
    }
}

/// Explains a value of a choice: what it means in each field that may have it.
pub fn explain_value(value: &str) -> Option<String> {
    let mut out = String::new();
    let fields = all();
    for field in fields.iter().filter(|field| !is_repeated(field)) {
        // A kind has fields of its own, and is explained with them.
        let kind = format!("{}.{value}", field.path);
        if fields.iter().any(|other| other.path == kind) {
            continue;
        }
        let mut choices = field.choices.iter();
        let Some((_, meaning)) = choices.find(|(name, _)| name == value) else {
            continue;
        };
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "{} = \"{value}\"", field.path);
        let meaning = if meaning.is_empty() {
            &field.meaning
        } else {
            meaning
        };
        for line in wrap(meaning, WIDTH - 4) {
            let _ = writeln!(out, "    {line}");
        }
    }
    (!out.is_empty()).then_some(out)
}

/// The fields whose documentation names a word, such as a value that a text may be.
pub fn mentions(word: &str) -> Option<String> {
    let marks = [format!("`{word}`"), format!("\"{word}\"")];
    let mut out = String::new();
    for field in all() {
        if is_repeated(&field) || !marks.iter().any(|mark| field.meaning.contains(mark)) {
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        describe(&field, &mut out);
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/scenario.schema.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == schema_text(),
            "schema/scenario.schema.json is stale: write it anew with `orrery explain schema`"
        );
    }

    #[test]
    fn every_field_is_documented() {
        let fields = all();
        assert!(fields.len() > 50);
        for field in fields {
            assert!(
                !field.meaning.is_empty(),
                "{} lacks a description",
                field.path
            );
        }
    }

    #[test]
    fn fields_are_found_by_their_last_parts() {
        let text = explain("friends.degree").expect("the field exists");
        assert!(text.starts_with("group.friends.degree\n"), "{text}");
        assert!(
            explain("workload.post.rate")
                .expect("it exists")
                .contains("Poisson")
        );
        assert_eq!(explain("nonsense"), None);
    }
}
