//! Reads the fields of one table: types, ranges, unknown and missing names.
//!
//! The names that a table may have come from the documented field types (the same that make
//! the JSON Schema), so no list is kept twice. Every problem is noted; reading goes on.

use schemars::JsonSchema;
use std::ops::RangeInclusive;

use super::amount::Amount;
use super::problem::{Problems, nearest, quoted, suggestion};
use super::quantity::{Expected, share_ppm, with_unit};
use super::source::Span;
use super::tree::{Kind, Table, Value};

/// A table that is being read.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// The table.
    pub table: &'a Table,
    /// What it is, for messages: `group "home"`, `a fault`.
    pub what: &'a str,
}

/// Fields of a documented type: name and whether it must be there.
pub fn fields_of<T: JsonSchema>() -> Vec<(String, bool)> {
    fields_of_schema(schemars::schema_for!(T).as_value())
}

/// Fields of the member of a documented enum whose tag `kind` is `kind`.
pub fn fields_of_kind<T: JsonSchema>(kind: &str) -> Option<Vec<(String, bool)>> {
    let schema = schemars::schema_for!(T);
    kinds_in(schema.as_value())
        .find(|(name, _)| *name == kind)
        .map(|(_, member)| fields_of_schema(member))
}

/// The kinds of a documented enum.
pub fn kinds_of<T: JsonSchema>() -> Vec<String> {
    let schema = schemars::schema_for!(T);
    kinds_in(schema.as_value())
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn kinds_in(schema: &serde_json::Value) -> impl Iterator<Item = (&str, &serde_json::Value)> {
    let members = schema.get("oneOf").and_then(|list| list.as_array());
    members
        .into_iter()
        .flatten()
        .filter_map(|member| Some((member.pointer("/properties/kind/const")?.as_str()?, member)))
}

fn fields_of_schema(schema: &serde_json::Value) -> Vec<(String, bool)> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(|list| list.as_array())
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str())
        .collect();
    schema
        .get("properties")
        .and_then(|properties| properties.as_object())
        .into_iter()
        .flat_map(|properties| properties.keys())
        .map(|name| (name.clone(), required.contains(&name.as_str())))
        .collect()
}

impl<'a> Reader<'a> {
    /// Reads `table`, which may have exactly `fields`. Unknown and missing ones are noted; one that is there
    /// under a misspelt name, once.
    pub fn new(
        table: &'a Table,
        what: &'a str,
        fields: &[(String, bool)],
        problems: &mut Problems,
    ) -> Self {
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        let entries = table.entries.iter();
        let unknown = entries.filter(|entry| !names.contains(&entry.key.as_str()));
        let mut misspelt = Vec::new();
        for entry in unknown {
            let message = format!("{what} has no field {}", quoted(&entry.key));
            let help = suggestion(&entry.key, names.iter().copied());
            problems.push_with_help(entry.key_span, message, Some(help));
            misspelt.extend(nearest(&entry.key, names.iter().copied()));
        }
        for (name, required) in fields {
            let is_missing = *required && table.entry(name).is_none();
            if is_missing && !misspelt.contains(&name.as_str()) {
                problems.push(table.span, format!("{what} lacks the field \"{name}\""));
            }
        }
        Self { table, what }
    }

    /// Notes that a field is missing which only some tables of the type must have, unless it is there under a
    /// misspelt name, which is noted already.
    pub fn note_missing(&self, name: &str, problems: &mut Problems) {
        let mut entries = self.table.entries.iter();
        if !entries.any(|entry| nearest(&entry.key, [name]).is_some()) {
            let message = format!("{} lacks the field \"{name}\"", self.what);
            problems.push(self.table.span, message);
        }
    }

    /// The value of a field.
    pub fn value(&self, key: &str) -> Option<&'a Value> {
        self.table.value(key)
    }

    /// Where a field's value stands; the table if the field is absent.
    pub fn span(&self, key: &str) -> Span {
        self.value(key).map_or(self.table.span, |value| value.span)
    }

    /// A string.
    pub fn text(&self, key: &str, problems: &mut Problems) -> Option<&'a str> {
        let value = self.value(key)?;
        let text = value.as_text();
        if text.is_none() {
            wrong_type(value, key, "a string", problems);
        }
        text
    }

    /// One of the names of `choices`.
    pub fn choice<T: Clone>(
        &self,
        key: &str,
        choices: &[(&str, T)],
        problems: &mut Problems,
    ) -> Option<T> {
        let text = self.text(key, problems)?;
        let found = choices.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let help = suggestion(text, choices.iter().map(|(name, _)| *name));
            let message = format!("unknown {key} {}", quoted(text));
            problems.push_with_help(self.span(key), message, Some(help));
        }
        found.map(|(_, choice)| choice.clone())
    }

    /// A string with a unit.
    pub fn quantity<T>(
        &self,
        key: &str,
        read: fn(&str) -> Result<T, Expected>,
        problems: &mut Problems,
    ) -> Option<T> {
        let value = self.value(key)?;
        let result = match &value.kind {
            Kind::Text(text) => read(text).map_err(|expected| (expected, quoted(text))),
            // A bare number has no unit; an impossible reading yields what is expected.
            Kind::Integer(_) | Kind::Float(_) => match read("") {
                Ok(_) => return None,
                Err(expected) => Err((expected, "a number without a unit".to_owned())),
            },
            _ => {
                wrong_type(value, key, "a string with a unit", problems);
                return None;
            }
        };
        match result {
            Ok(quantity) => Some(quantity),
            Err((expected, found)) => {
                let message = format!("\"{key}\": {}, found {found}", expected.0);
                let help = value.number().and_then(|number| with_unit(&number, read));
                problems.push_with_help(value.span, message, help);
                None
            }
        }
    }

    /// An amount that may be drawn.
    pub fn amount(
        &self,
        key: &str,
        unit: fn(&str) -> Result<i64, Expected>,
        problems: &mut Problems,
    ) -> Option<Amount> {
        let value = self.value(key)?;
        let Kind::Text(text) = &value.kind else {
            let expected = unit("")
                .err()
                .map_or("expected a string", |expected| expected.0);
            let message = format!("\"{key}\": {expected}, found {}", value.description());
            let help = value.number().and_then(|number| with_unit(&number, unit));
            problems.push_with_help(value.span, message, help);
            return None;
        };
        match Amount::read(text, unit) {
            Ok(amount) => Some(amount),
            Err(expected) => {
                let message = format!("\"{key}\": {expected}, found {}", quoted(text));
                problems.push(value.span, message);
                None
            }
        }
    }

    /// A share from 0 to 1, as a number or in per cent, in parts per million.
    pub fn share(&self, key: &str, problems: &mut Problems) -> Option<u32> {
        let value = self.value(key)?;
        share_of(value, key, problems)
    }

    /// A whole number within `range`.
    pub fn whole(
        &self,
        key: &str,
        range: RangeInclusive<i64>,
        problems: &mut Problems,
    ) -> Option<i64> {
        let value = self.value(key)?;
        let Kind::Integer(number) = value.kind else {
            wrong_type(value, key, "a whole number", problems);
            return None;
        };
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return Some(number);
        }
        let found = number.map_or("a larger one".to_owned(), |number| number.to_string());
        let message = format!(
            "\"{key}\": expected a whole number from {} to {}, found {found}",
            range.start(),
            range.end()
        );
        problems.push(value.span, message);
        None
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str, problems: &mut Problems) -> Option<bool> {
        let value = self.value(key)?;
        let Kind::Boolean(flag) = value.kind else {
            wrong_type(value, key, "true or false", problems);
            return None;
        };
        Some(flag)
    }

    /// A table within the table.
    pub fn table(&self, key: &str, problems: &mut Problems) -> Option<&'a Table> {
        let value = self.value(key)?;
        let table = value.as_table();
        if table.is_none() {
            wrong_type(value, key, "a table", problems);
        }
        table
    }

    /// A list of tables (`[[key]]`), of at most `max`.
    pub fn tables(&self, key: &str, max: usize, problems: &mut Problems) -> Vec<&'a Table> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Kind::Array(items) = &value.kind else {
            let message = format!("expected [[{key}]], found {}", value.description());
            problems.push(value.span, message);
            return Vec::new();
        };
        if items.len() > max {
            problems.push(
                value.span,
                format!("{} times [[{key}]]: at most {max}", items.len()),
            );
        }
        let mut tables = Vec::new();
        for item in items.iter().take(max) {
            match item.as_table() {
                Some(table) => tables.push(table),
                None => wrong_type(item, key, "a table", problems),
            }
        }
        tables
    }
}

/// A share from 0 to 1 in parts per million.
pub fn share_of(value: &Value, key: &str, problems: &mut Problems) -> Option<u32> {
    let text = match &value.kind {
        Kind::Text(text) => text.clone(),
        // The shortest decimal form of the number goes through the same integer reading.
        Kind::Float(number) => format!("{number}"),
        Kind::Integer(Some(number)) => number.to_string(),
        _ => {
            wrong_type(value, key, "a share", problems);
            return None;
        }
    };
    match share_ppm(&text) {
        Ok(share) => Some(share),
        Err(expected) => {
            let message = format!("\"{key}\": {}, found {}", expected.0, quoted(&text));
            problems.push(value.span, message);
            None
        }
    }
}

/// Notes that a value has the wrong type.
pub fn wrong_type(value: &Value, key: &str, expected: &str, problems: &mut Problems) {
    let message = format!(
        "\"{key}\": expected {expected}, found {}",
        value.description()
    );
    problems.push(value.span, message);
}

/// Reads the `kind` of a thing of which there are several, such as a workload or fault.
pub fn read_kind<T: JsonSchema>(
    table: &Table,
    what: &str,
    problems: &mut Problems,
) -> Option<String> {
    let kinds = kinds_of::<T>();
    let names = || kinds.iter().map(String::as_str);
    let Some(value) = table.value("kind") else {
        let message = format!("a {what} lacks the field \"kind\"");
        problems.push_with_help(table.span, message, Some(suggestion("", names())));
        return None;
    };
    let Some(text) = value.as_text() else {
        wrong_type(value, "kind", "a string", problems);
        return None;
    };
    if !kinds.iter().any(|kind| kind == text) {
        let message = format!("unknown kind of {what} {}", quoted(text));
        problems.push_with_help(value.span, message, Some(suggestion(text, names())));
        return None;
    }
    Some(text.to_owned())
}
