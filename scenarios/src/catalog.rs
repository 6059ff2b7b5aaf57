//! The scenarios that ship with the tool, built in so that they work from any folder.
//!
//! A new scenario is one TOML file under `catalog/`.

use crate::added::Added;
use crate::built_in::{BuiltIn, SCENARIOS};
use crate::format::reading::problem::suggestion;

/// Scenarios of the program that this library is part of.
static ADDED: Added<BuiltIn> = Added::none();

/// All scenarios: those that ship with the tool, ascending by name, and then the program's own.
pub fn entries() -> impl Iterator<Item = &'static BuiltIn> + Clone {
    SCENARIOS.iter().chain(ADDED.iter())
}

/// Adds a program's own scenarios.
///
/// # Errors
/// A name that is there twice.
pub(crate) fn add(scenarios: Vec<BuiltIn>) -> Result<(), String> {
    let shipped = SCENARIOS.iter().map(|entry| entry.name);
    ADDED.fill(shipped, scenarios, |entry| entry.name)
}

/// The scenario of that name.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    entries().find(|entry| entry.name == name)
}

/// What to say of a name that is unknown.
pub fn hint(name: &str) -> String {
    suggestion(name, entries().map(|entry| entry.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    #[test]
    fn every_entry_is_sound_and_named_after_its_path() {
        for entry in SCENARIOS {
            let file = format!("catalog/{}.toml", entry.name);
            match read(&file, entry.text, None, &[]) {
                Ok(plan) => assert_eq!(plan.name, entry.name),
                Err(problems) => panic!("{problems}"),
            }
        }
    }
}
