//! Profiles: measured or assumed properties of networks, by name.
//!
//! Those under `profiles/` are built in; a scenario may also name a file beside itself. Each
//! carries its source. A new one is a TOML file there.

pub mod access;
pub mod churn;
pub mod delay;
pub mod egress;
mod error;
pub mod explain;
mod figures;
pub mod import;
pub mod nat;
pub mod nat_mix;
pub mod rate_trace;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orrery_reports::origin::Profile as Used;

pub use access::{AccessProfile, Direction, LossBursts, Police, Queueing, Reordering};
pub use churn::{ChurnProfile, DAY_NS, Nights, Pattern};
pub use delay::DelayProfile;
pub use error::{Misplaced, ProfileError};
pub use nat::NatProfile;
pub use nat_mix::NatMix;

use crate::built_in::{ACCESSES, BuiltIn, CHURNS, DELAYS, NAT_MIXES, NATS};
use crate::format::reading::problem::{quoted, suggestion};
use crate::format::reading::tree::path_at;

/// Kinds of profiles, as records name them.
const DELAY: &str = "delay";
const ACCESS: &str = "access";
const CHURN: &str = "churn";
const TABLE: &str = "table";
const NAT: &str = "nat";
const NAT_MIX: &str = "nat-mix";
const TRACE: &str = "trace";

/// A profile's file at most.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A matrix of delays at most: a thousand regions.
const TABLE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A trace of rates at most: hours of mahimahi's form.
const TRACE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A table that a profile names is kept in records up to this size.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// Where profiles come from, and which of them were asked for.
#[derive(Debug)]
pub struct Profiles<'a> {
    folder: Option<&'a Path>,
    /// Those of a record, which go before all others.
    kept: &'a [Used],
    used: RefCell<BTreeMap<(String, String), Used>>,
}

/// A profile's file, wherever it lies.
struct Found {
    /// For messages.
    shown: String,
    text: String,
    /// Where the tables lie that it names.
    tables: Tables,
    /// Tables that it was seen to name.
    named: RefCell<BTreeMap<String, String>>,
}

/// What a profile tells people.
#[derive(Default)]
struct Explained {
    summary: String,
    source: String,
    figures: String,
}

/// Where the tables of a profile lie.
enum Tables {
    /// Built in beside it.
    BuiltIn(&'static str),
    /// In a folder.
    Folder(PathBuf),
    /// In a record, by name.
    Kept(BTreeMap<String, String>),
}

impl<'a> Profiles<'a> {
    /// The built-in profiles, and files relative to `folder` if there is one.
    pub fn new(folder: Option<&'a Path>) -> Self {
        Self {
            folder,
            kept: &[],
            used: RefCell::default(),
        }
    }

    /// Those that a record has kept, whatever is built in or lies about by now; else the built-in
    /// ones.
    pub fn of_record(kept: &'a [Used]) -> Self {
        Self {
            kept,
            ..Self::new(None)
        }
    }

    /// Those that were asked for and found, by kind and name.
    pub fn into_used(self) -> Vec<Used> {
        self.used.into_inner().into_values().collect()
    }

    /// A delay profile by name or file.
    ///
    /// # Errors
    /// It is unknown, unreadable or wrong.
    pub fn delay(&self, name: &str) -> Result<DelayProfile, ProfileError> {
        let found = self.find(DELAY, name, DELAYS)?;
        let profile = delay::parse(&found.shown, &found.text, |table| {
            found.table(table, TABLE_BYTES_MAX)
        })?;
        self.note(DELAY, name, found, || Explained {
            summary: profile.summary.clone(),
            source: profile.source.clone(),
            figures: figures::delay(&profile),
        });
        Ok(profile)
    }

    /// An access profile by name or file.
    ///
    /// # Errors
    /// It is unknown, unreadable or wrong.
    pub fn access(&self, name: &str) -> Result<AccessProfile, ProfileError> {
        let found = self.find(ACCESS, name, ACCESSES)?;
        let profile = access::parse(&found.shown, &found.text, &|trace| {
            found.table(trace, TRACE_BYTES_MAX)
        })?;
        self.note(ACCESS, name, found, || Explained {
            summary: profile.summary.clone(),
            source: profile.source.clone(),
            figures: figures::access(&profile),
        });
        Ok(profile)
    }

    /// A NAT profile by name or file.
    ///
    /// # Errors
    /// It is unknown, unreadable or wrong.
    pub fn nat(&self, name: &str) -> Result<NatProfile, ProfileError> {
        let found = self.find(NAT, name, NATS)?;
        let profile = nat::parse(&found.shown, &found.text)?;
        self.note(NAT, name, found, || Explained {
            summary: profile.summary.clone(),
            source: profile.source.clone(),
            figures: figures::nat(&profile),
        });
        Ok(profile)
    }

    /// A churn profile by name or file.
    ///
    /// # Errors
    /// It is unknown, unreadable or wrong.
    pub fn churn(&self, name: &str) -> Result<ChurnProfile, ProfileError> {
        let found = self.find(CHURN, name, CHURNS)?;
        let profile = churn::parse(&found.shown, &found.text, &|table| {
            found.table(table, FILE_BYTES_MAX)
        })?;
        self.note(CHURN, name, found, || Explained {
            summary: profile.summary.clone(),
            source: profile.source.clone(),
            figures: figures::churn(&profile),
        });
        Ok(profile)
    }

    /// The text of a table that the scenario itself names.
    ///
    /// # Errors
    /// It is not there, or too large.
    pub fn own_table(&self, name: &str) -> Result<String, ProfileError> {
        let text = match (self.kept(TABLE, name), self.folder) {
            (Some(kept), _) => kept.to_owned(),
            (None, Some(folder)) => read_up_to(&folder.join(name), FILE_BYTES_MAX)?,
            (None, None) => {
                let message = format!("there is no folder to look for the table {}", quoted(name));
                return Err(ProfileError::new(message));
            }
        };
        let found = Found::new(name, &text, Tables::BuiltIn(""));
        self.note(TABLE, name, found, Explained::default);
        Ok(text)
    }

    /// A mix of NATs by name.
    ///
    /// # Errors
    /// It is unknown.
    pub fn nat_mix(&self, name: &str) -> Result<NatMix, ProfileError> {
        // A mix cannot be a file beside the scenario: its parts are named in the catalog of NATs.
        let built_in = Self {
            folder: None,
            ..Self::of_record(self.kept)
        };
        let found = built_in.find(NAT_MIX, name, NAT_MIXES)?;
        let mix = nat_mix::parse(name, &found.text)?;
        self.note(NAT_MIX, name, found, || Explained {
            summary: mix.summary.clone(),
            source: mix.source.clone(),
            figures: figures::nat_mix(&mix),
        });
        Ok(mix)
    }

    /// An access profile that a scenario writes out itself, as a profile's file does.
    ///
    /// # Errors
    /// It is wrong, and where.
    pub fn own_access(&self, mut table: toml::Table) -> Result<AccessProfile, Misplaced> {
        for (key, text) in [
            ("name", "own"),
            ("summary", "written out in the scenario"),
            ("source", "the scenario"),
        ] {
            table.entry(key).or_insert_with(|| text.into());
        }
        let text = table.to_string();
        access::parse_own(&text, &|trace| self.own_trace(trace)).map_err(|wrong| match wrong {
            access::Wrong::At(byte, message) => Misplaced {
                path: path_at(&text, byte),
                error: ProfileError::new(message),
            },
            access::Wrong::Elsewhere(error) => Misplaced {
                path: Vec::new(),
                error,
            },
        })
    }

    /// The file of a profile.
    fn find(
        &self,
        kind: &str,
        name: &str,
        known: &'static [BuiltIn],
    ) -> Result<Found, ProfileError> {
        let kept = self.kept.iter();
        let mut kept = kept.filter(|kept| kept.kind == kind && kept.name == name);
        if let Some(kept) = kept.next() {
            let tables = Tables::Kept(kept.tables.clone());
            return Ok(Found::new(name, &kept.text, tables));
        }
        if let Some(found) = known.iter().find(|profile| profile.name == name) {
            let tables = Tables::BuiltIn(found.table);
            return Ok(Found::new(name, found.text, tables));
        }
        let is_file = Path::new(name)
            .extension()
            .is_some_and(|ending| ending == "toml");
        let Some(folder) = self.folder.filter(|_| is_file) else {
            let shown = if kind == NAT { "NAT" } else { kind };
            return Err(ProfileError {
                message: match kind {
                    NAT_MIX => format!("unknown NAT mix {}", quoted(name)),
                    _ => format!("unknown {shown} profile {}", quoted(name)),
                },
                help: Some(suggestion(name, known.iter().map(|profile| profile.name))),
            });
        };
        let path = folder.join(name);
        let text = read_up_to(&path, FILE_BYTES_MAX)?;
        let tables = Tables::Folder(path.parent().unwrap_or(Path::new("")).to_owned());
        Ok(Found::new(&path.display().to_string(), &text, tables))
    }

    /// The text of a trace of rates that the scenario itself names.
    fn own_trace(&self, trace: &str) -> Result<String, ProfileError> {
        let text = self.find_own_trace(trace)?;
        let found = Found::new(trace, &text, Tables::BuiltIn(""));
        self.note(TRACE, trace, found, || Explained {
            figures: "a trace of rates".to_owned(),
            ..Explained::default()
        });
        Ok(text)
    }

    fn find_own_trace(&self, trace: &str) -> Result<String, ProfileError> {
        if let Some(kept) = self.kept(TRACE, trace) {
            return Ok(kept.to_owned());
        }
        let path = self.folder.map(|folder| folder.join(trace));
        match (path, built_in_trace(trace)) {
            (Some(path), None) => read_up_to(&path, TRACE_BYTES_MAX),
            (Some(path), _) if path.exists() => read_up_to(&path, TRACE_BYTES_MAX),
            (_, Some(text)) => Ok(text.to_owned()),
            (None, None) => Err(no_trace(trace)),
        }
    }

    /// What a record keeps under a name.
    fn kept(&self, kind: &str, name: &str) -> Option<&'a str> {
        let mut all = self.kept.iter();
        let kept = all.find(|kept| kept.kind == kind && kept.name == name);
        kept.map(|kept| &*kept.text)
    }

    /// Remembers that a profile was asked for.
    fn note(&self, kind: &str, name: &str, found: Found, told: impl FnOnce() -> Explained) {
        let key = (kind.to_owned(), name.to_owned());
        let mut used = self.used.borrow_mut();
        used.entry(key).or_insert_with(|| {
            let mut tables = found.named.into_inner();
            tables.retain(|_, text| text.len() <= KEPT_BYTES_MAX);
            let is_kept = found.text.len() <= KEPT_BYTES_MAX;
            let Explained {
                summary,
                source,
                figures,
            } = told();
            Used {
                kind: kind.to_owned(),
                name: name.to_owned(),
                summary,
                source,
                figures,
                text: if is_kept { found.text } else { String::new() },
                tables,
            }
        });
    }
}

impl Found {
    fn new(shown: &str, text: &str, tables: Tables) -> Self {
        Self {
            shown: shown.to_owned(),
            text: text.to_owned(),
            tables,
            named: RefCell::default(),
        }
    }

    /// The text of a table that the profile names.
    fn table(&self, name: &str, bytes_max: u64) -> Result<String, ProfileError> {
        let text = match &self.tables {
            Tables::BuiltIn("") => {
                let text = built_in_trace(name);
                text.ok_or_else(|| no_trace(name))?.to_owned()
            }
            Tables::BuiltIn(table) => (*table).to_owned(),
            Tables::Folder(folder) => {
                let path = folder.join(name);
                let built_in = built_in_trace(name).filter(|_| !path.exists());
                match built_in {
                    Some(text) => text.to_owned(),
                    None => read_up_to(&path, bytes_max)?,
                }
            }
            Tables::Kept(tables) => match tables.get(name) {
                Some(text) => text.clone(),
                None => {
                    return Err(ProfileError::new(format!(
                        "the record has not kept the table {} of the profile {}: it is larger than \
                         {} KiB",
                        quoted(name),
                        self.shown,
                        KEPT_BYTES_MAX >> 10
                    )));
                }
            },
        };
        let mut named = self.named.borrow_mut();
        named.insert(name.to_owned(), text.clone());
        Ok(text)
    }
}

/// The text of a trace of rates that is built in.
fn built_in_trace(trace: &str) -> Option<&'static str> {
    let is_of = |built_in: &&BuiltIn| trace.strip_suffix(".csv") == Some(built_in.name);
    let built_in = ACCESSES.iter().find(is_of)?;
    (!built_in.table.is_empty()).then_some(built_in.table)
}

fn no_trace(trace: &str) -> ProfileError {
    ProfileError::new(format!(
        "the rate trace {} is not built in, and there is no folder to look for it",
        quoted(trace)
    ))
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
        for built_in in CHURNS {
            let profile = profiles.churn(built_in.name).expect("it is sound");
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
