//! A group's access link: a profile by name, a file beside the scenario, or one of its own.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::format::reading::problem::{Problems, quoted, suggestion};
use crate::format::reading::quantity::{
    bits_per_second, bytes, share_ppm, show_share, time_ns, with_unit,
};
use crate::format::reading::reader::{Reader, wrong_type};
use crate::format::reading::tree::{Entry, Kind, Table};
use crate::profiles::{AccessProfile, Misplaced, ProfileError, Profiles};

/// An access link by name, or written out as in a profile's file.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum AccessText {
    /// A profile's name (`orrery explain profiles`), or a file beside the scenario.
    Named(String),
    /// What a profile says, such as `{ up = { rate = "1Mbit/s", queue = "64KiB" } }`.
    Own(BTreeMap<String, serde_json::Value>),
}

/// Reads the field `access` of a group; `ideal` if absent. Problems are noted.
pub fn read(group: &Reader<'_>, profiles: &Profiles<'_>, problems: &mut Problems) -> AccessProfile {
    let found = match group.value("access").map(|value| &value.kind) {
        None => return profiles.access("ideal").unwrap_or_default(),
        Some(Kind::Text(name)) => profiles.access(name),
        Some(Kind::Table(table)) => {
            return profiles.own_access(plain(table)).unwrap_or_else(|wrong| {
                note_misplaced(table, wrong, problems);
                AccessProfile::default()
            });
        }
        Some(_) => {
            if let Some(value) = group.value("access") {
                wrong_type(value, "access", "a profile's name or a table", problems);
            }
            return AccessProfile::default();
        }
    };
    found.unwrap_or_else(|error| {
        problems.push_with_help(group.span("access"), error.message, error.help);
        AccessProfile::default()
    })
}

/// Notes what is wrong with a link that the scenario writes out, at its place.
fn note_misplaced(table: &Table, wrong: Misplaced, problems: &mut Problems) {
    let mut entry: Option<&Entry> = None;
    for key in &wrong.path {
        let inner = entry.map_or(Some(table), |entry| entry.value.as_table());
        match inner.and_then(|inner| inner.entry(key)) {
            Some(found) => entry = Some(found),
            None => break,
        }
    }
    let ProfileError { message, help } = wrong.error;
    let Some(entry) = entry else {
        problems.push_with_help(table.span, message, help);
        return;
    };
    if let Some(names) = message.strip_prefix("unknown field ") {
        let mut names = names.split('`').skip(1).step_by(2);
        let given = names.next().unwrap_or_default();
        let known: Vec<&str> = names.collect();
        let help = suggestion(given, known.iter().copied());
        let message = format!("an access link has no field {} here", quoted(given));
        problems.push_with_help(entry.key_span, message, Some(help));
    } else if let Some(number) = entry.value.number() {
        let key = &entry.key;
        let message = format!("\"{key}\": expected a string with a unit, found {number}");
        problems.push_with_help(entry.value.span, message, how_to_write(key, &number));
    } else {
        problems.push_with_help(entry.value.span, message, help);
    }
}

/// How a number of a link is written, by the field's name.
fn how_to_write(field: &str, number: &str) -> Option<String> {
    match field {
        "rate" => with_unit(number, bits_per_second),
        "queue" | "burst" => with_unit(number, bytes),
        "delay" | "jitter" | "by" | "target" | "interval" => with_unit(number, time_ns),
        _ => {
            let share = share_ppm(number).ok()?;
            Some(format!("write \"{}\"", show_share(share)))
        }
    }
}

/// The table as a profile's file would have it. What no file can say is left to its reader.
pub fn plain(table: &Table) -> toml::Table {
    let entries = table.entries.iter();
    entries
        .filter_map(|entry| Some((entry.key.clone(), plain_value(&entry.value.kind)?)))
        .collect()
}

fn plain_value(kind: &Kind) -> Option<toml::Value> {
    match kind {
        Kind::Text(text) => Some(toml::Value::String(text.clone())),
        Kind::Integer(number) => number.map(toml::Value::Integer),
        Kind::Float(number) => Some(toml::Value::Float(*number)),
        Kind::Boolean(flag) => Some(toml::Value::Boolean(*flag)),
        Kind::Table(inner) => Some(toml::Value::Table(plain(inner))),
        Kind::Array(items) => {
            let items = items.iter().map(|item| plain_value(&item.kind));
            Some(toml::Value::Array(items.collect::<Option<_>>()?))
        }
        Kind::Datetime => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::format::{Plan, read};

    fn plan(access: &str, settings: &[&str]) -> Result<Plan, String> {
        let text = format!(
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=1\naccess={access}\n"
        );
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        read("t", &text, None, &settings).map_err(|problems| problems.to_string())
    }

    #[test]
    fn what_is_wrong_is_told_at_one_place_and_how_to_write_it() {
        let check = |access: &str, place: &str, expected: &str| {
            let told = plan(access, &[]).expect_err(access);
            assert!(
                told.starts_with(place) && told.contains(expected),
                "{access}: {told}"
            );
            assert_eq!(told.matches("line ").count(), 0, "{access}: {told}");
        };
        check(
            "{ up = { loss = 0.01 } }",
            "t:8:24",
            "found 0.01; write \"1%\"",
        );
        check(
            "{ up = { delay = 50 } }",
            "t:8:25",
            "write \"50ms\" or \"50s\"",
        );
        check("{ up = { rate = 5 } }", "t:8:24", "write \"5Mbit/s\"");
        check(
            "{ up = { rate = '1Mbit/s', queue = 64 } }",
            "t:8:43",
            "write \"64KiB\"",
        );
        check(
            "{ up = { rat = '1Mbit/s' } }",
            "t:8:17",
            "has no field \"rat\" here; did you mean \"rate\"?",
        );
        check(
            "{ up = { delay = '50' } }",
            "t:8:25",
            "up.delay: expected a time",
        );
        check(
            "{ down = { loss_bursts = { p = '1%', r = 2 } } }",
            "t:8:49",
            "expected a string with a unit, found 2",
        );
    }

    #[test]
    fn a_link_of_its_own_can_be_set_by_path() {
        let plan = plan(
            "{ up = { rate = '1Mbit/s', queue = '64KiB' } }",
            &[
                "group.g.access.up.rate=2Mbit/s",
                "group.g.access.down.loss=1%",
            ],
        )
        .unwrap_or_else(|problems| panic!("{problems}"));
        let access = &plan.cases[0].scenario.groups[0].access;
        assert_eq!(access.up.rate_bps, Some(2_000_000));
        assert_eq!(access.up.queue_bytes, 64 * 1024);
        assert_eq!(access.down.loss_ppm, 10_000);
    }

    #[test]
    fn a_wrong_link_is_named() {
        let check = |access: &str, expected: &str| {
            let problems = plan(access, &[]).expect_err(access);
            assert!(problems.contains(expected), "{access}: {problems}");
        };
        check(
            "{ upp = {} }",
            "no field \"upp\" here; did you mean \"up\"?",
        );
        check(
            "{ up = { rate = 'fast' } }",
            "up.rate: expected a link rate",
        );
        check("[1]", "\"access\": expected a profile's name or a table");
        check("'idaal'", "unknown access profile \"idaal\"");
    }
}
