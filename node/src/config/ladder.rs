//! The section on how somebody is looked for.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TimeSpan;
use crate::api::Rung;

/// `[reach]`: how somebody is looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reach {
    /// Ways to learn where somebody is, in the order in which they are tried.
    pub ladder: Vec<Rung>,
    /// How long one of them may take.
    pub rung_timeout: TimeSpan,
    /// Most look-ups at once; more are refused.
    pub max_lookups: u32,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            ladder: Rung::ALL.to_vec(),
            rung_timeout: TimeSpan::from_secs(30),
            max_lookups: 64,
        }
    }
}

impl Reach {
    /// Checks the ladder.
    ///
    /// # Errors
    /// The field and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = |reason: &str| Err(("reach.ladder", reason.to_owned()));
        if self.ladder.is_empty() {
            return wrong("must name at least one rung");
        }
        if BTreeSet::from_iter(&self.ladder).len() < self.ladder.len() {
            return wrong("names a rung twice");
        }
        Ok(())
    }
}
