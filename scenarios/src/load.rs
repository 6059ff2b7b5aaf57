//! Finds a scenario by catalog name or file path, and reads it, as every command line does.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use orrery_reports::origin::Origin;
use orrery_reports::record::Record;

use crate::catalog;
use crate::format::reading::problem::Problems;
use crate::format::reading::tree::Table;
use crate::format::scenario::plan::FILE_BYTES_MAX;
use crate::format::{self, Plan, Scenario, read_checked};
use crate::profiles::Profiles;
use crate::{output, workload};

/// A scenario cannot be found or read, or is not sound; tells all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(String);

/// Makes the kinds of workload known that ship with the library: for a process that reads no scenario
/// but a [`Job`](crate::job::Job), which names them. All that reads scenarios does so by itself.
pub fn ready() {
    workload::ready();
}

/// Reads the scenario that `name` means: an entry of the catalog, else a file, which may be the
/// result of a run. `settings` are the `path=value` of `--set`.
///
/// # Errors
/// [`LoadError`] with all that is wrong with it.
pub fn load(name: &str, settings: &[String]) -> Result<Plan, LoadError> {
    load_checked(name, settings, &|_, _, _| ())
}

/// Reads a scenario's text, which problems call `shown`; profiles may lie beside it in `folder`.
/// `settings` are the `path=value` of `--set`.
///
/// # Errors
/// All that is wrong with it.
pub fn read(
    shown: &str,
    text: &str,
    folder: Option<&Path>,
    settings: &[String],
) -> Result<Plan, Problems> {
    workload::ready();
    format::read(shown, text, folder, settings)
}

/// As [`load`], with a check of the caller's own, which is given every variant with its table.
///
/// # Errors
/// As [`load`].
pub fn load_checked(
    name: &str,
    settings: &[String],
    check: &dyn Fn(&Table, &Scenario, &mut Problems),
) -> Result<Plan, LoadError> {
    workload::ready();
    let path = Path::new(name);
    if let Some(record) = load_record(name)? {
        return from_record(name, &record, settings, check);
    }
    let (shown, text, folder) = match catalog::find(name) {
        Some(entry) => (format!("catalog/{name}.toml"), entry.text.to_owned(), None),
        None => (name.to_owned(), read_file(name)?, path.parent()),
    };
    let profiles = Profiles::new(folder);
    read_checked(&shown, &text, profiles, settings, check).map_err(|problems| told(&problems))
}

/// The text of the scenario that `name` means, as [`load`] finds it.
///
/// # Errors
/// It cannot be found or read.
pub fn text_of(name: &str) -> Result<String, LoadError> {
    match (load_record(name)?, catalog::find(name)) {
        (Some(record), _) => Ok(origin_of(name, &record)?.text.clone()),
        (None, Some(entry)) => Ok(entry.text.to_owned()),
        (None, None) => read_file(name),
    }
}

/// The result that `name` means, if it means one: `result.json`, or whatever it is called now.
///
/// # Errors
/// It cannot be read.
pub fn load_record(name: &str) -> Result<Option<Record>, LoadError> {
    let path = Path::new(name);
    if path.extension().is_none_or(|ending| ending != "json") {
        return Ok(None);
    }
    let read = output::read(path).map_err(|error| LoadError(error.to_string()));
    read.map(Some)
}

/// The scenario that a result tells, with the profiles of its time.
fn from_record(
    name: &str,
    record: &Record,
    settings: &[String],
    check: &dyn Fn(&Table, &Scenario, &mut Problems),
) -> Result<Plan, LoadError> {
    let origin = origin_of(name, record)?;
    let shown = format!("{name} (the scenario in it)");
    let profiles = Profiles::of_record(&origin.profiles);
    let settings = [&origin.settings, settings].concat();
    read_checked(&shown, &origin.text, profiles, &settings, check)
        .map_err(|problems| told(&problems))
}

fn origin_of<'a>(name: &str, record: &'a Record) -> Result<&'a Origin, LoadError> {
    record.origin.as_ref().ok_or_else(|| {
        LoadError(format!(
            "{name}: the result does not tell what was run, as it was written by an older version: \
             play the scenario itself"
        ))
    })
}

fn told(problems: &Problems) -> LoadError {
    let count = problems.sorted().len();
    let noun = if count == 1 { "problem" } else { "problems" };
    LoadError(format!("{count} {noun} in the scenario\n\n{problems}"))
}

fn read_file(name: &str) -> Result<String, LoadError> {
    let path = Path::new(name);
    let cannot = |why: &dyn std::fmt::Display| LoadError(format!("{name}: cannot be read: {why}"));
    if !path.exists() {
        let message = if path.extension().is_some_and(|ending| ending == "toml") {
            format!("{name}: there is no such file")
        } else {
            format!("there is no scenario \"{name}\"; {}", catalog::hint(name))
        };
        return Err(LoadError(message));
    }
    if path.is_dir() {
        return Err(cannot(&"it is a folder"));
    }
    let file = File::open(path).map_err(|error| cannot(&error))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| cannot(&error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(LoadError(format!(
            "{name}: larger than 1 MiB, the limit for a scenario"
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
        let line = before.matches('\n').count() + 1;
        LoadError(format!(
            "{name}:{line}: not UTF-8 at byte {valid}: a scenario is UTF-8 text"
        ))
    })
}
