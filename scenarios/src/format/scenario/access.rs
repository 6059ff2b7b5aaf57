//! A group's access link: a profile by name, a file beside the scenario, or one of its own.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::format::reading::problem::Problems;
use crate::format::reading::reader::{Reader, wrong_type};
use crate::format::reading::tree::{Kind, Table};
use crate::profiles::{AccessProfile, Profiles};

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
        Some(Kind::Table(table)) => profiles.own_access(plain(table)),
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
        check("{ upp = {} }", "unknown field `upp`");
        check(
            "{ up = { rate = 'fast' } }",
            "up.rate: expected a link rate",
        );
        check("[1]", "\"access\": expected a profile's name or a table");
        check("'idaal'", "unknown access profile \"idaal\"");
    }
}
