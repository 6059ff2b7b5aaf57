//! `orrery check`: are these files sound?

use super::arguments::Check;
use super::load::load;
use super::{CliError, give, tell};

/// Checks every file and tells of all that are not sound.
pub fn run(check: &Check) -> Result<u8, CliError> {
    let mut code = 0;
    for file in &check.files {
        match load(file, &check.set) {
            Ok(plan) => {
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
                code = code.max(error.exit_code());
                tell(&format!("error: {}", error.to_string().trim_end()));
            }
        }
    }
    Ok(code)
}
