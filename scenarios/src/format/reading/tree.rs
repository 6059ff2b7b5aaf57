//! The parsed text of a scenario: TOML values that know where they stand.
//!
//! Owns parsing into a tree and changing the tree by path (`--set` and a
//! variant's `set`). It knows no field names.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problems, quoted, suggestion};
use super::source::Span;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A string.
    Text(String),
    /// A whole number; `None` if it does not fit 64 bits.
    Integer(Option<i64>),
    /// Any other number.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A date or time, which no field takes.
    Datetime,
    /// A list.
    Array(Vec<Value>),
    /// A table.
    Table(Table),
}

impl Value {
    /// What it is, with an article, for messages.
    pub fn description(&self) -> &'static str {
        match self.kind {
            Kind::Text(_) => "a string",
            Kind::Integer(_) => "a whole number",
            Kind::Float(_) => "a number",
            Kind::Boolean(_) => "true or false",
            Kind::Datetime => "a date",
            Kind::Array(_) => "a list",
            Kind::Table(_) => "a table",
        }
    }

    /// A number as it is written, or nearly so.
    pub fn number(&self) -> Option<String> {
        match self.kind {
            Kind::Integer(number) => Some(number?.to_string()),
            Kind::Float(number) => Some(number.to_string()),
            Kind::Text(_) | Kind::Boolean(_) | Kind::Datetime | Kind::Array(_) | Kind::Table(_) => {
                None
            }
        }
    }

    /// The table, if it is one.
    pub fn as_table(&self) -> Option<&Table> {
        match &self.kind {
            Kind::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Entries in the order of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Where.
    pub span: Span,
    /// The entries; keys are unique.
    pub entries: Vec<Entry>,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Value,
}

impl Table {
    /// A table of texts that all stand at `span`.
    pub fn of_texts<'a>(span: Span, entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let entry = |(key, text): (&str, &str)| Entry {
            key: key.to_owned(),
            key_span: span,
            value: Value {
                span,
                kind: Kind::Text(text.to_owned()),
            },
        };
        Self {
            span,
            entries: entries.into_iter().map(entry).collect(),
        }
    }

    /// The entry of `key`.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The items of a list that is there, to be changed.
    pub fn list_mut(&mut self, key: &str) -> Option<&mut Vec<Value>> {
        let mut entries = self.entries.iter_mut();
        let entry = entries.find(|entry| entry.key == key)?;
        match &mut entry.value.kind {
            Kind::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The value of `key`.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.entry(key).map(|entry| &entry.value)
    }
}

impl Table {
    /// The table as JSON. What JSON has no word for is null.
    pub fn to_json(&self) -> serde_json::Value {
        let entries = self.entries.iter();
        entries
            .map(|entry| (entry.key.clone(), entry.value.to_json()))
            .collect()
    }
}

impl Value {
    fn to_json(&self) -> serde_json::Value {
        match &self.kind {
            Kind::Text(text) => text.as_str().into(),
            Kind::Integer(number) => (*number).into(),
            Kind::Float(number) => (*number).into(),
            Kind::Boolean(is) => (*is).into(),
            Kind::Datetime => serde_json::Value::Null,
            Kind::Array(items) => items.iter().map(Self::to_json).collect(),
            Kind::Table(table) => table.to_json(),
        }
    }
}

/// Parses the text of source 0. All syntax errors are noted.
pub fn parse(text: &str, problems: &mut Problems) -> Option<Table> {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let range = error.span().unwrap_or(0..0);
        let span = Span {
            source: 0,
            start: range.start,
            end: range.end,
        };
        problems.push(span, format!("not valid TOML: {}", error.message()));
    }
    if !errors.is_empty() {
        return None;
    }
    let range = document.span();
    let span = Span {
        source: 0,
        start: range.start,
        end: range.end,
    };
    Some(table(document.get_ref(), span))
}

/// The path to what stands at a byte of a text: the innermost key whose name or value does.
pub fn path_at(text: &str, byte: usize) -> Vec<String> {
    let root = parse(text, &mut Problems::default());
    root.map_or_else(Vec::new, |root| deepest(&root, byte))
}

fn deepest(table: &Table, byte: usize) -> Vec<String> {
    let is_in = |span: Span| (span.start..span.end.max(span.start + 1)).contains(&byte);
    let paths = table.entries.iter().filter_map(|entry| {
        // A table with a header of its own does not span what stands below it.
        let inside = entry.value.as_table().map(|inner| deepest(inner, byte));
        let inside = inside.unwrap_or_default();
        let is_here = is_in(entry.key_span) || is_in(entry.value.span) || !inside.is_empty();
        is_here.then(|| [vec![entry.key.clone()], inside].concat())
    });
    paths.max_by_key(Vec::len).unwrap_or_default()
}

/// Parses the value of a `--set` argument; what is no TOML value is a string,
/// so that `--set duration=5m` needs no quotes.
pub fn parse_argument_value(text: &str, span: Span) -> Value {
    let kind = match DeValue::parse(text) {
        Ok(parsed) => value(&parsed, span.source).kind,
        Err(_) => Kind::Text(text.to_owned()),
    };
    let mut value = Value { span, kind };
    place_all(&mut value, span);
    value
}

/// Gives every part of `value` the same place.
fn place_all(value: &mut Value, span: Span) {
    value.span = span;
    match &mut value.kind {
        Kind::Array(items) => items.iter_mut().for_each(|item| place_all(item, span)),
        Kind::Table(table) => {
            table.span = span;
            for entry in &mut table.entries {
                entry.key_span = span;
                place_all(&mut entry.value, span);
            }
        }
        _ => {}
    }
}

fn table(parsed: &DeTable<'_>, span: Span) -> Table {
    let mut entries: Vec<Entry> = parsed
        .iter()
        .map(|(key, item)| {
            let range = key.span();
            Entry {
                key: key.get_ref().to_string(),
                key_span: Span {
                    source: span.source,
                    start: range.start,
                    end: range.end,
                },
                value: value(item, span.source),
            }
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span);
    Table { span, entries }
}

fn value(parsed: &Spanned<DeValue<'_>>, source: usize) -> Value {
    let range = parsed.span();
    let span = Span {
        source,
        start: range.start,
        end: range.end,
    };
    let kind = match parsed.get_ref() {
        DeValue::String(text) => Kind::Text(text.to_string()),
        DeValue::Integer(number) => {
            Kind::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
        }
        DeValue::Float(number) => Kind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(is) => Kind::Boolean(*is),
        DeValue::Datetime(_) => Kind::Datetime,
        DeValue::Array(items) => {
            Kind::Array(items.iter().map(|item| value(item, source)).collect())
        }
        DeValue::Table(items) => Kind::Table(table(items, span)),
    };
    Value { span, kind }
}

/// Splits `group.home.node."sync.strategy"` at its dots; quotes protect dots. There is at least
/// one segment.
///
/// # Panics
/// Never: the list starts with a segment.
pub fn split_path(path: &str) -> Vec<String> {
    let mut segments = vec![String::new()];
    let mut quote = None;
    for c in path.trim().chars() {
        match (quote, c) {
            (None, '.') => segments.push(String::new()),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => segments
                .last_mut()
                .expect("the list starts with one segment")
                .push(c),
        }
    }
    segments
}

/// Puts `value` at `path` below `root`. A list of tables is entered by the
/// element's `name`, by its `kind` if only one has it, or by its number.
/// Below a `node` table the rest of the path is one key.
pub fn set(root: &mut Table, path: &str, path_span: Span, value: Value, problems: &mut Problems) {
    let segments = split_path(path);
    if segments.iter().any(String::is_empty) {
        problems.push(
            path_span,
            format!("{} is not a path such as group.home.count", quoted(path)),
        );
        return;
    }
    set_in(root, &segments, path_span, value, problems);
}

fn set_in(table: &mut Table, path: &[String], at: Span, value: Value, problems: &mut Problems) {
    let (first, rest) = path.split_first().expect("a path has a segment");
    let found = table.entries.iter().position(|entry| entry.key == *first);
    if rest.is_empty() {
        let entry = Entry {
            key: first.clone(),
            key_span: at,
            value,
        };
        match found {
            Some(index) => table.entries[index] = entry,
            None => table.entries.push(entry),
        }
        return;
    }
    let index = found.unwrap_or_else(|| {
        let empty = Table {
            span: at,
            entries: Vec::new(),
        };
        table.entries.push(Entry {
            key: first.clone(),
            key_span: at,
            value: Value {
                span: at,
                kind: Kind::Table(empty),
            },
        });
        table.entries.len() - 1
    });
    match &mut table.entries[index].value.kind {
        Kind::Table(inner) if first == "node" => {
            set_in(inner, &[rest.join(".")], at, value, problems);
        }
        Kind::Table(inner) => set_in(inner, rest, at, value, problems),
        Kind::Array(items) => set_in_list(items, first, rest, at, value, problems),
        _ => problems.push(
            at,
            format!("\"{first}\" is a single value: nothing is below it"),
        ),
    }
}

fn set_in_list(
    items: &mut [Value],
    list: &str,
    path: &[String],
    at: Span,
    value: Value,
    problems: &mut Problems,
) {
    let (wanted, rest) = path.split_first().expect("a path has a segment");
    let Some(index) = find_element(items, wanted) else {
        let names = element_names(items);
        let help = suggestion(wanted, names.iter().map(String::as_str));
        let message = format!("there is no {list} {}", quoted(wanted));
        problems.push_with_help(at, message, Some(help));
        return;
    };
    match &mut items[index].kind {
        Kind::Table(inner) if !rest.is_empty() => set_in(inner, rest, at, value, problems),
        _ => problems.push(
            at,
            format!(
                "the path ends at {list} {}: name one of its fields",
                quoted(wanted)
            ),
        ),
    }
}

fn element_field<'a>(item: &'a Value, field: &str) -> Option<&'a str> {
    item.as_table()?.value(field)?.as_text()
}

fn find_element(items: &[Value], wanted: &str) -> Option<usize> {
    let with = |field: &str| -> Vec<usize> {
        (0..items.len())
            .filter(|&index| element_field(&items[index], field) == Some(wanted))
            .collect()
    };
    if let Some(&index) = with("name").first() {
        return Some(index);
    }
    if let [index] = with("kind")[..] {
        return Some(index);
    }
    wanted
        .parse()
        .ok()
        .filter(|&index: &usize| index < items.len())
}

fn element_names(items: &[Value]) -> Vec<String> {
    let mut names: Vec<String> = items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            element_field(item, "name")
                .or_else(|| element_field(item, "kind"))
                .map_or_else(|| index.to_string(), str::to_owned)
        })
        .collect();
    let all = names.clone();
    for (index, name) in names.iter_mut().enumerate() {
        // Two faults of a kind can only be told apart by their numbers.
        if all.iter().filter(|other| *other == name).count() > 1 {
            *name = index.to_string();
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, path: &str, value: &str) -> Result<String, String> {
        let mut problems = Problems::new("a.toml", text);
        let mut root = parse(text, &mut problems).expect("the test's text is TOML");
        let source = problems.add_argument(&format!("{path}={value}"));
        let span = Span {
            source,
            start: 0,
            end: path.len(),
        };
        let value = parse_argument_value(value, span);
        set(&mut root, path, span, value, &mut problems);
        if problems.is_empty() {
            Ok(format!("{:?}", plain(&Kind::Table(root))))
        } else {
            Err(problems.sorted()[0].message.clone())
        }
    }

    fn plain(kind: &Kind) -> String {
        match kind {
            Kind::Table(table) => table
                .entries
                .iter()
                .map(|entry| format!("{}:{}", entry.key, plain(&entry.value.kind)))
                .collect::<Vec<_>>()
                .join(" "),
            Kind::Array(items) => items
                .iter()
                .map(|item| plain(&item.kind))
                .fold(String::new(), |all, item| all + "[" + &item + "]"),
            Kind::Text(text) => format!("'{text}'"),
            Kind::Integer(Some(number)) => number.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn paths_enter_tables_and_lists() {
        let text = "a = 1\n[[g]]\nname = 'x'\n[[g]]\nname = 'y'\nnode = {}\n[[f]]\nkind = 'cut'\n";
        let check = |path, value, expected: Result<&str, &str>| {
            let got = changed(text, path, value);
            match expected {
                Ok(part) => assert!(
                    got.as_ref().is_ok_and(|g| g.contains(part)),
                    "{path}: {got:?}"
                ),
                Err(part) => assert!(
                    got.as_ref().is_err_and(|g| g.contains(part)),
                    "{path}: {got:?}"
                ),
            }
        };
        check("a", "5m", Ok("a:'5m'"));
        check("a", "7", Ok("a:7"));
        check("g.y.count", "3", Ok("[name:'y' node: count:3]"));
        check(
            "g.y.node.sync.strategy",
            "cursor",
            Ok("node:sync.strategy:'cursor'"),
        );
        check(
            "g.y.node.\"sync.strategy\"",
            "cursor",
            Ok("node:sync.strategy:'cursor'"),
        );
        check("f.cut.at", "5m", Ok("[kind:'cut' at:'5m']"));
        check("f.0.at", "5m", Ok("[kind:'cut' at:'5m']"));
        check("g.z.count", "3", Err("there is no g \"z\""));
        check("g.y", "3", Err("name one of its fields"));
        check("a.b", "3", Err("single value"));
        check("a..b", "3", Err("not a path"));
    }
}
