//! The scenarios that ship with the tool, built in so that they work from any folder.
//!
//! A new scenario is one TOML file under `catalog/`.

use crate::built_in::{BuiltIn, SCENARIOS};
use crate::format::reading::problem::suggestion;

/// All scenarios by name.
pub const ENTRIES: &[BuiltIn] = SCENARIOS;

/// The scenario of that name.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// What to tell somebody who asked for an unknown name.
pub fn hint(name: &str) -> String {
    suggestion(name, ENTRIES.iter().map(|entry| entry.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    #[test]
    fn every_entry_is_sound_and_named_after_its_path() {
        for entry in ENTRIES {
            let file = format!("catalog/{}.toml", entry.name);
            match read(&file, entry.text, None, &[]) {
                Ok(plan) => assert_eq!(plan.name, entry.name),
                Err(problems) => panic!("{problems}"),
            }
        }
    }
}
