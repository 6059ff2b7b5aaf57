//! Fields as a JSON Schema documents them: their paths, meanings and choices.
//!
//! Knows schemas and no scenario: settings of the node and profiles are documented by it, too.

use schemars::Schema;
use serde_json::Value;

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

/// All fields of a schema, in its order.
pub fn fields_of(schema: &Schema) -> Vec<Field> {
    let root = schema.as_value();
    let mut fields = Vec::new();
    collect(root, root, "", &mut fields);
    fields
}

/// The schema that a field's schema stands for: that of its type, of its items, or of what it may be
/// besides absent.
pub fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
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
pub fn choices(schema: &Value) -> Vec<(String, String)> {
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
