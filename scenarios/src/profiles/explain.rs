//! The built-in profiles for people: what they are, their figures, and where from.
//!
//! Owns wording; what a profile says is its own file's.

use std::fmt::Write as _;

use super::{Profiles, access, figures, nat};
use crate::built_in::{ACCESSES, CHURNS, DELAYS, NAT_MIXES, NATS};
use crate::format::reading::schema::fields_of;
use crate::text::{WIDTH, wrap};

/// A profile that ships with the tool.
struct Shipped {
    /// Where a scenario names it: `network.delays`.
    field: &'static str,
    name: String,
    summary: String,
    figures: String,
    source: String,
    /// Regions, for a matrix of delays.
    more: Option<String>,
}

/// All profiles: delays, access links, NATs and mixes of them, each ascending by name.
fn shipped() -> Vec<Shipped> {
    let profiles = Profiles::new(None);
    let mut all = Vec::new();
    let mut add = |field, name: &str, summary, figures, source, more| {
        all.push(Shipped {
            field,
            name: name.to_owned(),
            summary,
            figures,
            source,
            more,
        });
    };
    for built_in in DELAYS {
        if let Ok(profile) = profiles.delay(built_in.name) {
            let figures = figures::delay(&profile);
            let regions = format!("regions: {}", profile.regions.join(", "));
            let (summary, source) = (profile.summary, profile.source);
            add(
                "network.delays",
                built_in.name,
                summary,
                figures,
                source,
                Some(regions),
            );
        }
    }
    for built_in in ACCESSES {
        if let Ok(profile) = profiles.access(built_in.name) {
            let figures = figures::access(&profile);
            let (summary, source) = (profile.summary, profile.source);
            add(
                "group.access",
                built_in.name,
                summary,
                figures,
                source,
                None,
            );
        }
    }
    for built_in in CHURNS {
        if let Ok(profile) = profiles.churn(built_in.name) {
            let figures = figures::churn(&profile);
            let (summary, source) = (profile.summary, profile.source);
            add("group.churn", built_in.name, summary, figures, source, None);
        }
    }
    for built_in in NATS {
        if let Ok(profile) = profiles.nat(built_in.name) {
            let figures = figures::nat(&profile);
            let (summary, source) = (profile.summary, profile.source);
            add("group.nat", built_in.name, summary, figures, source, None);
        }
    }
    for built_in in NAT_MIXES {
        if let Ok(mix) = profiles.nat_mix(built_in.name) {
            let figures = figures::nat_mix(&mix);
            add(
                "group.nat.mix",
                built_in.name,
                mix.summary,
                figures,
                mix.source,
                None,
            );
        }
    }
    all
}

impl Shipped {
    fn describe(&self, out: &mut String) {
        let title = format!("{}: {}", self.name, self.summary);
        for (place, line) in wrap(&title, WIDTH - 4).iter().enumerate() {
            let indent = if place == 0 { "" } else { "    " };
            let _ = writeln!(out, "{indent}{line}");
        }
        let mut say = |text: &str| {
            for line in wrap(text, WIDTH - 4) {
                let _ = writeln!(out, "    {line}");
            }
        };
        say(&self.figures);
        if let Some(more) = &self.more {
            say(more);
        }
        say(&format!("source: {}", self.source));
    }
}

/// Names of all profiles.
pub fn names() -> impl Iterator<Item = &'static str> {
    let lists = [DELAYS, ACCESSES, NATS, NAT_MIXES, CHURNS];
    lists.into_iter().flatten().map(|built_in| built_in.name)
}

/// The profiles of that name, and how a scenario names them; `None` if there is none.
pub fn one(name: &str) -> Option<String> {
    let mut out = String::new();
    for profile in shipped().iter().filter(|profile| profile.name == name) {
        profile.describe(&mut out);
        let _ = writeln!(out, "    in a scenario: {} = \"{name}\"\n", profile.field);
    }
    (!out.is_empty()).then_some(out)
}

/// All profiles, and the fields of one's own.
pub fn all() -> String {
    let mut out = String::new();
    let all = shipped();
    for (title, field) in [
        ("Delay profiles", "network.delays"),
        ("Access profiles", "group.access"),
        ("NAT profiles", "group.nat"),
        ("NAT mixes", "group.nat.mix"),
        ("Churn profiles", "group.churn"),
    ] {
        let _ = writeln!(out, "{title} ({field}):\n");
        for profile in all.iter().filter(|profile| profile.field == field) {
            profile.describe(&mut out);
            out.push('\n');
        }
    }
    out + &own_access() + &own_nat()
}

/// The fields of an access link of one's own.
pub fn own_access() -> String {
    fields("an access", &access::schema())
}

/// The fields of a NAT of one's own.
pub fn own_nat() -> String {
    fields("a NAT", &nat::schema())
}

fn fields(kind: &str, schema: &schemars::Schema) -> String {
    let mut out = format!("Fields of {kind} profile, which is a TOML file of one's own:\n");
    for field in fields_of(schema) {
        let need = if field.required { " (required)" } else { "" };
        let _ = writeln!(out, "\n  {}{need}", field.path);
        for line in wrap(&field.meaning, WIDTH - 4) {
            let _ = writeln!(out, "    {line}");
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_told_with_its_figures_and_source_in_80_columns() {
        let text = one("dsl").expect("it is built in");
        for expected in ["Mbit/s", "delay", "source: ", "group.access = \"dsl\""] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert_eq!(one("nonsense"), None);
        for name in names() {
            let text = one(name).unwrap_or_else(|| panic!("{name} is built in"));
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "{name}: {line}");
            }
        }
    }
}
