//! Passphrases of key files: from the environment, from a file, or typed without being shown.

use std::env;
use std::path::{Path, PathBuf};

use orrery_node::keys::Passphrase;

use super::folder::{Folder, refuse_exposed};
use super::{Failure, prompt};

/// The variables for the passphrase that is in use: the passphrase, or a file that holds it.
const PRESENT: [&str; 2] = ["ORRERY_PASSPHRASE", "ORRERY_PASSPHRASE_FILE"];
/// The same for one that takes its place.
const NEW: [&str; 2] = ["ORRERY_NEW_PASSPHRASE", "ORRERY_NEW_PASSPHRASE_FILE"];
/// Longest file of a passphrase.
const BYTES_MAX: usize = 4096;

/// The passphrase that opens the keys in `folder`.
pub fn present(folder: &Path) -> Result<Passphrase, Failure> {
    if let Some(given) = given(PRESENT)? {
        return Ok(given);
    }
    let what = format!("Passphrase of the keys in `{}`: ", folder.display());
    typed(&what)?.ok_or_else(|| {
        Failure::Input(format!(
            "the keys in `{}` are under a passphrase: set {} or {}, or type it in a terminal",
            folder.display(),
            PRESENT[0],
            PRESENT[1]
        ))
    })
}

/// A passphrase to put keys under.
pub fn new() -> Result<Passphrase, Failure> {
    if let Some(given) = given(NEW)? {
        return Ok(given);
    }
    let first = typed("New passphrase: ")?.ok_or_else(|| {
        Failure::Input(format!(
            "no passphrase: set {} or {}, or type one in a terminal",
            NEW[0], NEW[1]
        ))
    })?;
    if typed("Once more: ")? == Some(first.clone()) {
        Ok(first)
    } else {
        Err(Failure::Input(
            "the two are not the same; nothing was changed".to_owned(),
        ))
    }
}

fn given([variable, file_variable]: [&str; 2]) -> Result<Option<Passphrase>, Failure> {
    if let Ok(text) = env::var(variable) {
        return Ok(Passphrase::new(text));
    }
    let Some(path) = env::var_os(file_variable).map(PathBuf::from) else {
        return Ok(None);
    };
    refuse_exposed(&path, 0o077, 0o600)?;
    let text =
        std::fs::read_to_string(&path).map_err(|error| Folder::disk_failure(&path, &error))?;
    let first = text.lines().next().unwrap_or_default().to_owned();
    if first.len() > BYTES_MAX {
        let path = path.display();
        return Err(Failure::Input(format!(
            "`{path}`: its first line is too long"
        )));
    }
    Passphrase::new(first)
        .map(Some)
        .ok_or_else(|| Failure::Input(format!("`{}`: its first line is empty", path.display())))
}

/// What is typed after `what`, without being shown; nothing without a terminal.
fn typed(what: &str) -> Result<Option<Passphrase>, Failure> {
    let text = prompt::hidden(what)
        .map_err(|error| Failure::Other(format!("cannot read the terminal: {error}")))?;
    Ok(text.and_then(Passphrase::new))
}
