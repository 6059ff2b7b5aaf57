//! Files that are built into the program, so that it works from any folder.
//!
//! `build.rs` finds them: a new scenario or profile is one file in its folder.

/// A TOML file, and the table beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// Its path below its folder, without the ending.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
    /// The text of the CSV file of the same name; empty if there is none.
    pub table: &'static str,
}

/// The scenarios, by name.
pub const SCENARIOS: &[BuiltIn] = include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

/// The delay profiles, by name.
pub const DELAYS: &[BuiltIn] = include!(concat!(env!("OUT_DIR"), "/delays.rs"));

/// The access profiles, by name.
pub const ACCESSES: &[BuiltIn] = include!(concat!(env!("OUT_DIR"), "/accesses.rs"));

/// The mixes of NATs, by name.
pub const NAT_MIXES: &[BuiltIn] = include!(concat!(env!("OUT_DIR"), "/nat_mixes.rs"));

/// The churn profiles, by name.
pub const CHURNS: &[BuiltIn] = include!(concat!(env!("OUT_DIR"), "/churns.rs"));

/// The NAT profiles, by name.
pub const NATS: &[BuiltIn] = include!(concat!(env!("OUT_DIR"), "/nats.rs"));
