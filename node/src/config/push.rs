//! The section on telling friends at once that there is something new.
//!
//! Owns names, defaults and ranges.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time_span::TimeSpan;

/// `[push]`: telling friends who are connected that there is something new for them, so that they pull
/// it now and not at their next regular pull.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Push {
    /// Whether to tell friends, and to pull when a friend tells. Who has it off is not told, and goes on
    /// with regular pulls.
    pub enabled: bool,
    /// How long after a post its readers are told; what is posted meanwhile is told with it.
    pub delay: TimeSpan,
    /// How often in a minute one friend may have this node pull; what comes more often is refused.
    pub max_per_minute: u32,
}

impl Default for Push {
    fn default() -> Self {
        Self {
            enabled: false,
            delay: TimeSpan::from_millis(50),
            max_per_minute: 60,
        }
    }
}

impl Push {
    /// Refuses what makes no sense, each field by itself.
    ///
    /// # Errors
    /// The field and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.max_per_minute == 0 {
            let reason = "must be at least 1; to be told nothing, switch `push.enabled` off";
            return Err(("push.max_per_minute", reason.to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let error = Config::from_toml("push.max_per_minute = 0").expect_err("no use");
        assert!(
            error.to_string().contains("`push.max_per_minute`"),
            "{error}"
        );
    }
}
