//! Churn profiles: how long hosts of a population stay online, and how long they stay away.

use serde::Deserialize;

use super::error::{ProfileError, from_toml};
use crate::format::reading::law::LawSpec;

/// How hosts come and go.
#[derive(Debug, Clone, PartialEq)]
pub struct ChurnProfile {
    /// Its name.
    pub name: String,
    /// What it is.
    pub summary: String,
    /// Where it comes from.
    pub source: String,
    /// How long they stay.
    pub online: LawSpec,
    /// How long they stay away.
    pub offline: LawSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    summary: String,
    source: String,
    online: String,
    offline: String,
}

/// Reads a profile; `table` gives the text of a table that it names.
pub(super) fn parse(
    file: &str,
    text: &str,
    table: &dyn Fn(&str) -> Result<String, ProfileError>,
) -> Result<ChurnProfile, ProfileError> {
    let raw: File = from_toml(file, text)?;
    let law = |what: &str, text: &str| {
        let table = |name: &str| table(name).map_err(|error| error.message);
        LawSpec::read(text, &table).map_err(|error| {
            ProfileError::new(format!("churn profile {file}: \"{what}\": {error}"))
        })
    };
    Ok(ChurnProfile {
        online: law("online", &raw.online)?,
        offline: law("offline", &raw.offline)?,
        name: raw.name,
        summary: raw.summary,
        source: raw.source,
    })
}
