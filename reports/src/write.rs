//! Writes a record's files, whole or not at all, and reads records back.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use crate::{
    Error,
    chart::{
        self,
        saved::{self, Ground},
    },
    html, metrics_csv,
    record::{Record, SCHEMA},
    summary_md,
};

/// Writes `report.html`, `summary.md`, `metrics.csv` and `result.json` into `dir`, making it.
///
/// Every file is written beside its place first and then renamed into it, `result.json` last: who
/// sees it sees the others too. Returns the paths in that order.
///
/// # Errors
/// [`Error::File`] names what could not be made; [`Error::Unwritable`] is a record with a figure
/// that is not finite; [`Error::Histogram`] and [`Error::Csv`] as their makers say. Nothing
/// half-written is left.
pub fn write_all(record: &Record, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let files = [
        ("report.html", html::page(record)?),
        ("summary.md", summary_md::summary(record)),
        ("metrics.csv", metrics_csv::table(record)?),
        ("result.json", to_json(record)?),
    ];
    fs::create_dir_all(dir).map_err(file_error("create", dir))?;
    let mut pending = Vec::new();
    for (name, text) in &files {
        let beside = dir.join(format!(".{name}.{}.tmp", std::process::id()));
        let written = write_synced(&beside, text);
        pending.push((beside, dir.join(name)));
        if let Err(error) = written {
            discard(&pending);
            return Err(error);
        }
    }
    for (beside, place) in &pending {
        if let Err(source) = fs::rename(beside, place) {
            discard(&pending);
            return Err(file_error("rename", place)(source));
        }
    }
    Ok(pending.into_iter().map(|(_, place)| place).collect())
}

/// Writes the page of a result into `dir`, which has its `result.json`. Returns its path.
///
/// # Errors
/// As [`write_all`].
pub fn page(record: &Record, dir: &Path) -> Result<PathBuf, Error> {
    text(dir, "report.html", &html::page(record)?)
}

/// Writes every chart of a result into `dir`, making it: as `NAME.svg` for a light ground, `NAME-dark.svg`
/// for a dark one, and what it draws as `NAME.csv`. Returns their paths, in the order of the page.
///
/// # Errors
/// [`Error::File`], and [`Error::Csv`] if the data of a chart cannot be written.
pub fn charts(record: &Record, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    fs::create_dir_all(dir).map_err(file_error("create", dir))?;
    let mut written = Vec::new();
    for figure in chart::all(record) {
        let name = saved::file_name(&figure.title);
        for (ending, ground) in [(".svg", Ground::Light), ("-dark.svg", Ground::Dark)] {
            let svg = saved::svg(&figure, ground);
            written.push(text(dir, &format!("{name}{ending}"), &svg)?);
        }
        if !figure.data.rows.is_empty() {
            written.push(text(dir, &format!("{name}.csv"), &figure.data.csv()?)?);
        }
    }
    Ok(written)
}

/// Writes a file into `dir`, whole or not at all. Returns its path.
///
/// # Errors
/// [`Error::File`].
pub fn text(dir: &Path, name: &str, text: &str) -> Result<PathBuf, Error> {
    let place = dir.join(name);
    let beside = dir.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_synced(&beside, text)
        .and_then(|()| fs::rename(&beside, &place).map_err(file_error("rename", &place)));
    if let Err(error) = written {
        discard(&[(beside, place)]);
        return Err(error);
    }
    Ok(place)
}

/// The text of `result.json`.
///
/// # Errors
/// [`Error::Unwritable`] if it could not be read back: JSON has no word for a figure that is not
/// finite.
pub fn to_json(record: &Record) -> Result<String, Error> {
    let mut text = serde_json::to_string_pretty(record).map_err(Error::Unwritable)?;
    serde_json::from_str::<Record>(&text).map_err(Error::Unwritable)?;
    text.push('\n');
    Ok(text)
}

/// Reads a record from a `result.json`, or from the one in a folder.
///
/// # Errors
/// [`Error::File`], [`Error::NotARecord`] with line and column, [`Error::OtherSchema`].
pub fn read(path: &Path) -> Result<Record, Error> {
    let path = if path.is_dir() {
        path.join("result.json")
    } else {
        path.to_owned()
    };
    let bytes = fs::read(&path).map_err(file_error("read", &path))?;
    // The version is looked at first, for a record of another one may not fit this schema.
    let refused = |source| Error::NotARecord {
        path: path.clone(),
        source,
    };
    let Version { schema: found } = serde_json::from_slice(&bytes).map_err(refused)?;
    if found != SCHEMA {
        return Err(Error::OtherSchema { path, found });
    }
    serde_json::from_slice(&bytes).map_err(refused)
}

#[derive(serde::Deserialize)]
struct Version {
    schema: u32,
}

fn write_synced(path: &Path, text: &str) -> Result<(), Error> {
    let mut file = File::create(path).map_err(file_error("create", path))?;
    file.write_all(text.as_bytes())
        .map_err(file_error("write", path))?;
    file.sync_all().map_err(file_error("write", path))
}

/// Removes what was not renamed; what is already gone or cannot be removed changes nothing about
/// the error that is being reported.
fn discard(pending: &[(PathBuf, PathBuf)]) {
    for (beside, _) in pending {
        drop(fs::remove_file(beside));
    }
}

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File {
        action,
        path,
        source,
    }
}
