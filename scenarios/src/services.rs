//! Services that the program of this library adds to simulated nodes.
//!
//! Owns the list of them, and which sections among a node's settings are theirs. What they do is
//! theirs; how a node calls them is `orrery_node::extension`.

use libp2p::PeerId;
use orrery_node::config::Config;
use orrery_node::extension::{ServiceKind, StartedService};

use crate::added::Added;

/// Services of the program that this library is part of.
static ADDED: Added<ServiceKind> = Added::none();

/// All of them, in the order in which the program names them.
pub fn kinds() -> impl Iterator<Item = &'static ServiceKind> + Clone {
    ADDED.iter()
}

/// Adds a program's services.
///
/// # Errors
/// A name that is there twice, also as a section of the node's own settings.
pub(crate) fn add(services: Vec<ServiceKind>) -> Result<(), String> {
    let own = toml::Table::try_from(Config::default()).unwrap_or_default();
    ADDED.fill(own.keys().map(String::as_str), services, |kind| kind.name)
}

/// The service whose section a dotted path leads into.
pub fn of_path(path: &str) -> Option<&'static ServiceKind> {
    let section = path.split('.').next();
    kinds().find(|kind| Some(kind.name) == section)
}

/// Takes the sections of services out of a node's settings: what is left is the node's own.
pub fn take(settings: &mut toml::Table) -> toml::Table {
    let theirs = kinds().filter_map(|kind| settings.remove_entry(kind.name));
    theirs.collect()
}

/// Checks the sections of services.
///
/// # Errors
/// Which of them is wrong, and how.
pub fn check(sections: &toml::Table) -> Result<(), String> {
    for kind in kinds() {
        let settings = section(sections, kind)?;
        let checked = kind.check(&settings);
        checked.map_err(|error| format!("\"{}\": {error}", kind.name))?;
    }
    Ok(())
}

/// Services for the node of the peer `me`, those that settings switch off aside.
///
/// # Errors
/// Which section is wrong, and how.
pub fn start(sections: &toml::Table, me: PeerId) -> Result<Vec<StartedService>, String> {
    let mut started = Vec::new();
    for kind in kinds() {
        let service = kind.start(section(sections, kind)?, me);
        let service = service.map_err(|error| format!("\"{}\": {error}", kind.name))?;
        started.extend(service);
    }
    Ok(started)
}

fn section(sections: &toml::Table, kind: &ServiceKind) -> Result<toml::Table, String> {
    match sections.get(kind.name) {
        None => Ok(toml::Table::new()),
        Some(toml::Value::Table(settings)) => Ok(settings.clone()),
        Some(_) => Err(format!("\"{}\" is a section of settings", kind.name)),
    }
}
