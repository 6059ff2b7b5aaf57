//! Profiles: measured or assumed properties of networks, by name.
//!
//! Those under `profiles/` are built in; a scenario may also name a file beside itself. Each
//! carries its source. A new one is a TOML file there.

pub mod access;
pub mod delay;
pub mod egress;
pub mod nat;
pub mod nat_mix;
pub mod rate_trace;
mod table;

use std::path::{Path, PathBuf};

pub use access::{AccessProfile, Direction, LossBursts, Police, Queueing, Reordering};
pub use delay::DelayProfile;
pub use nat::NatProfile;
pub use nat_mix::NatMix;

use crate::built_in::{ACCESSES, BuiltIn, DELAYS, NAT_MIXES, NATS};
use crate::format::documentation;
use crate::format::reading::problem::{quoted, suggestion};

/// Why a profile cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProfileError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl ProfileError {
    fn new(message: String) -> Self {
        Self {
            message,
            help: None,
        }
    }
}

/// A profile's file, or the table beside it, at most.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A trace of rates at most: hours of mahimahi's form.
const TRACE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Where profiles come from.
#[derive(Debug, Clone, Copy)]
pub struct Profiles<'a> {
    folder: Option<&'a Path>,
}

impl<'a> Profiles<'a> {
    /// The built-in profiles, and files relative to `folder` if there is one.
    pub fn new(folder: Option<&'a Path>) -> Self {
        Self { folder }
    }

    /// A delay profile by name or file.
    ///
    /// # Errors
    /// It is unknown, unreadable or wrong.
    pub fn delay(&self, name: &str) -> Result<DelayProfile, ProfileError> {
        if let Some(found) = DELAYS.iter().find(|profile| profile.name == name) {
            return delay::parse(name, found.text, |_| Ok(found.table.to_owned()));
        }
        let (path, text) = self.file("delay", name, DELAYS)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        delay::parse(&path.display().to_string(), &text, |table| {
            read(&folder.join(table))
        })
    }

    /// An access profile by name or file.
    ///
    /// # Errors
    /// It is unknown, unreadable or wrong.
    pub fn access(&self, name: &str) -> Result<AccessProfile, ProfileError> {
        if let Some(found) = ACCESSES.iter().find(|profile| profile.name == name) {
            return access::parse(name, found.text, &|trace| trace_text(None, trace));
        }
        let (path, text) = self.file("access", name, ACCESSES)?;
        access::parse(&path.display().to_string(), &text, &|trace| {
            trace_text(path.parent(), trace)
        })
    }

    /// A NAT profile by name or file.
    ///
    /// # Errors
    /// It is unknown, unreadable or wrong.
    pub fn nat(&self, name: &str) -> Result<NatProfile, ProfileError> {
        if let Some(found) = NATS.iter().find(|profile| profile.name == name) {
            return nat::parse(name, found.text);
        }
        let (path, text) = self.file("NAT", name, NATS)?;
        nat::parse(&path.display().to_string(), &text)
    }

    /// A mix of NATs by name.
    ///
    /// # Errors
    /// It is unknown.
    pub fn nat_mix(&self, name: &str) -> Result<NatMix, ProfileError> {
        match NAT_MIXES.iter().find(|mix| mix.name == name) {
            Some(found) => nat_mix::parse(name, found.text),
            None => Err(ProfileError {
                message: format!("unknown NAT mix {}", quoted(name)),
                help: Some(suggestion(name, NAT_MIXES.iter().map(|mix| mix.name))),
            }),
        }
    }

    /// An access profile that a scenario writes out itself, as a profile's file does.
    ///
    /// # Errors
    /// It is wrong.
    pub fn own_access(&self, mut table: toml::Table) -> Result<AccessProfile, ProfileError> {
        for (key, text) in [
            ("name", "own"),
            ("summary", "written out in the scenario"),
            ("source", "the scenario"),
        ] {
            table.entry(key).or_insert_with(|| text.into());
        }
        let text = table.to_string();
        access::parse("of the scenario", &text, &|trace| {
            trace_text(self.folder, trace)
        })
    }

    fn file(
        &self,
        kind: &str,
        name: &str,
        known: &[BuiltIn],
    ) -> Result<(PathBuf, String), ProfileError> {
        let is_file = Path::new(name)
            .extension()
            .is_some_and(|ending| ending == "toml");
        let Some(folder) = self.folder.filter(|_| is_file) else {
            return Err(ProfileError {
                message: format!("unknown {kind} profile {}", quoted(name)),
                help: Some(suggestion(name, known.iter().map(|profile| profile.name))),
            });
        };
        let path = folder.join(name);
        let text = read(&path)?;
        Ok((path, text))
    }
}

/// The text of a trace of rates: a file in `folder`, or one that is built in.
fn trace_text(folder: Option<&Path>, trace: &str) -> Result<String, ProfileError> {
    let is_of = |built_in: &&BuiltIn| trace.strip_suffix(".csv") == Some(built_in.name);
    let built_in = ACCESSES.iter().find(is_of).map(|built_in| built_in.table);
    match (folder.map(|folder| folder.join(trace)), built_in) {
        (Some(path), _) if path.exists() => read_up_to(&path, TRACE_BYTES_MAX),
        (_, Some(table)) if !table.is_empty() => Ok(table.to_owned()),
        (Some(path), _) => read_up_to(&path, TRACE_BYTES_MAX),
        (None, _) => Err(ProfileError::new(format!(
            "the rate trace {} is not built in, and there is no folder to look for it",
            quoted(trace)
        ))),
    }
}

fn read(path: &Path) -> Result<String, ProfileError> {
    read_up_to(path, FILE_BYTES_MAX)
}

fn read_up_to(path: &Path, bytes_max: u64) -> Result<String, ProfileError> {
    let cannot = |why: String| {
        ProfileError::new(format!("cannot read the profile {}: {why}", path.display()))
    };
    let size = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?;
    if size.len() > bytes_max {
        return Err(cannot(format!("it is larger than {} MiB", bytes_max >> 20)));
    }
    std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))
}

/// Parses a profile's TOML; the error says where.
fn from_toml<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, ProfileError> {
    toml::from_str(text).map_err(|error| {
        let line = line(text, error.span().map_or(0, |span| span.start));
        let message = error.message().lines().next().unwrap_or("not valid TOML");
        ProfileError::new(format!("profile {file}, line {line}: {message}"))
    })
}

/// The line, from 1, that the byte of `text` is on.
fn line(text: &str, byte: usize) -> usize {
    text.get(..byte).unwrap_or("").matches('\n').count() + 1
}

/// The built-in profiles for people: names, what they are and where from.
pub fn explain() -> String {
    use std::fmt::Write as _;
    let profiles = Profiles::new(None);
    let mut out = String::from("Delay profiles (network.delays):\n");
    for built_in in DELAYS {
        if let Ok(profile) = profiles.delay(built_in.name) {
            let _ = writeln!(out, "\n  {}: {}", profile.name, profile.summary);
            describe(&mut out, &format!("source: {}.", profile.source));
            describe(
                &mut out,
                &format!("regions: {}", profile.regions.join(", ")),
            );
        }
    }
    out.push_str("\nAccess profiles (group.access):\n");
    for built_in in ACCESSES {
        if let Ok(profile) = profiles.access(built_in.name) {
            let _ = writeln!(out, "\n  {}: {}", profile.name, profile.summary);
            describe(&mut out, &format!("source: {}.", profile.source));
        }
    }
    out.push_str("\nNAT profiles (group.nat):\n");
    for built_in in NATS {
        if let Ok(profile) = profiles.nat(built_in.name) {
            let _ = writeln!(out, "\n  {}: {}", profile.name, profile.summary);
            describe(&mut out, &format!("source: {}.", profile.source));
        }
    }
    out.push_str("\nNAT mixes (group.nat.mix):\n");
    for built_in in NAT_MIXES {
        if let Ok(mix) = profiles.nat_mix(built_in.name) {
            let _ = writeln!(out, "\n  {}: {}", mix.name, mix.summary);
            describe(&mut out, &format!("source: {}.", mix.source));
        }
    }
    for (kind, schema) in [("an access", access::schema()), ("a NAT", nat::schema())] {
        let _ = writeln!(out, "\nFields of {kind} profile, a TOML file of one's own:");
        for field in documentation::of(&schema) {
            let need = if field.required { " (required)" } else { "" };
            let _ = writeln!(out, "\n  {}{need}", field.path);
            describe(&mut out, &field.meaning);
        }
    }
    out
}

fn describe(out: &mut String, text: &str) {
    for line in crate::text::wrap(text, 92) {
        out.push_str("    ");
        out.push_str(&line);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_loads_under_its_name() {
        let profiles = Profiles::new(None);
        for built_in in DELAYS {
            let profile = profiles.delay(built_in.name).expect("it is sound");
            assert_eq!(profile.name, built_in.name);
            assert!(!profile.source.is_empty());
        }
        for built_in in ACCESSES {
            let profile = profiles.access(built_in.name).expect("it is sound");
            assert_eq!(profile.name, built_in.name);
            assert!(!profile.source.is_empty());
        }
        for built_in in NATS {
            let profile = profiles.nat(built_in.name).expect("it is sound");
            assert_eq!(profile.name, built_in.name);
            assert!(!profile.source.is_empty());
        }
        for built_in in NAT_MIXES {
            let mix = profiles.nat_mix(built_in.name).expect("it is sound");
            assert_eq!(mix.name, built_in.name);
            assert!(!mix.source.is_empty());
            for (name, _) in &mix.shares {
                assert!(profiles.nat(name).is_ok(), "{name}");
            }
        }
    }

    #[test]
    fn unknown_profiles_are_answered_with_the_nearest() {
        let error = Profiles::new(None)
            .delay("aws21")
            .expect_err("there is none");
        assert_eq!(error.message, "unknown delay profile \"aws21\"");
        assert_eq!(error.help.as_deref(), Some("did you mean \"aws-21\"?"));
    }

    #[test]
    fn a_profile_beside_the_scenario_is_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = "name = 'x'\nsummary = 's'\nsource = 'q'\nup = { rate = '1Mbit/s' }\n";
        std::fs::write(folder.path().join("x.toml"), text).expect("it can be written");
        let profiles = Profiles::new(Some(folder.path()));
        let access = profiles.access("x.toml").expect("it is sound");
        assert_eq!(access.up.rate_bps, Some(1_000_000));
        let error = profiles.access("y.toml").expect_err("there is none");
        assert!(error.message.contains("cannot read the profile"));
        std::fs::write(folder.path().join("z.toml"), "name = 'x'\nupp = 3\n").expect("written");
        let error = profiles.access("z.toml").expect_err("it is wrong");
        assert!(
            error
                .message
                .contains("z.toml, line 2: unknown field `upp`"),
            "{error}"
        );
    }
}
