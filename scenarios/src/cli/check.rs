//! `orrery check`: are these files sound?

use clap::Args;

use super::answer::tell_warnings;
use super::{CliError, give, tell};
use crate::load::load;

/// `orrery check`
#[derive(Debug, Args)]
pub struct Check {
    /// Files, or names of the catalog
    #[arg(required = true, value_name = "FILE|NAME")]
    pub files: Vec<String>,
    /// Change each before it is checked
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
}

/// Checks every file and tells of all that are not sound.
pub fn run(check: &Check) -> Result<u8, CliError> {
    let mut code = 0;
    for file in &check.files {
        match load(file, &check.set) {
            Ok(plan) => {
                tell_warnings(&plan.warnings);
                let variants = plan.variants().count();
                let expectations = plan.expectations.len();
                give(&format!(
                    "{file}: sound: {} nodes, {variants} variant{}, {expectations} expectation{}\n",
                    plan.cases[0].scenario.hosts(),
                    if variants == 1 { "" } else { "s" },
                    if expectations == 1 { "" } else { "s" },
                ))?;
            }
            Err(error) => {
                tell(&format!("error: {}", error.to_string().trim_end()));
                code = CliError::from(error).exit_code();
            }
        }
    }
    Ok(code)
}
