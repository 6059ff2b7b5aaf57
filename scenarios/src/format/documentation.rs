//! The documentation of the format: the JSON Schema, and each field's explanation from it.

use std::fmt::Write as _;

use schemars::Schema;
use serde_json::Value;

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

/// One documented field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its path, such as `group.friends.degree` or `fault.partition.between`.
    pub path: String,
    /// What it is.
    pub meaning: String,
    /// Whether it must be there.
    pub required: bool,
    /// Names that it may have and what each means, if it is a choice.
    pub choices: Vec<(String, String)>,
}

/// All fields in the order of the format.
pub fn all() -> Vec<Field> {
    of(&schema())
}

/// All fields of a schema, in its order.
pub fn of(schema: &Schema) -> Vec<Field> {
    let root = schema.as_value();
    let mut fields = Vec::new();
    collect(root, root, "", &mut fields);
    fields
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

/// The schema that a field's schema stands for: that of its type, of its items, or of what it may be
/// besides absent.
pub(super) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    // An optional field is `anyOf` its type and null.
    if let Some(members) = schema.get("anyOf").and_then(Value::as_array) {
        let null = |member: &&Value| member.get("type").and_then(Value::as_str) != Some("null");
        if let Some(member) = members.iter().find(null) {
            schema = member;
        }
    }
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        schema = items;
    }
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => root
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or(schema),
        None => schema,
    }
}

fn meaning(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str);
    text.unwrap_or_default().replace('\n', " ")
}

fn collect(root: &Value, schema: &Value, prefix: &str, fields: &mut Vec<Field>) {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if property.get("const").is_some() {
            continue;
        }
        let path = format!("{prefix}{name}");
        let inner = resolve(root, property);
        fields.push(Field {
            path: path.clone(),
            meaning: meaning(property),
            required: required.contains(&name.as_str()),
            choices: choices(inner),
        });
        collect(root, inner, &format!("{path}."), fields);
    }
    // What may be a name or a table is documented by the table's fields.
    let forms = schema.get("anyOf").and_then(Value::as_array);
    for form in forms.into_iter().flatten() {
        collect(root, resolve(root, form), prefix, fields);
    }
    let members = schema.get("oneOf").and_then(Value::as_array);
    for member in members.into_iter().flatten() {
        let Some(kind) = member
            .pointer("/properties/kind/const")
            .and_then(Value::as_str)
        else {
            continue;
        };
        let path = format!("{prefix}{kind}");
        fields.push(Field {
            path: path.clone(),
            meaning: meaning(member),
            required: false,
            choices: Vec::new(),
        });
        collect(root, member, &format!("{path}."), fields);
    }
}

/// Names that a choice may have, each with what it means.
pub(super) fn choices(schema: &Value) -> Vec<(String, String)> {
    let members = schema.get("oneOf").and_then(Value::as_array);
    members
        .into_iter()
        .flatten()
        .filter_map(|member| {
            let name = member
                .get("const")
                .or_else(|| member.pointer("/properties/kind/const"))?
                .as_str()?;
            Some((name.to_owned(), meaning(member)))
        })
        .collect()
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
