//! What was run: enough to look at it, to cite it, and to play it again from the record alone.
//!
//! Owns the types. Nothing of it goes into a trace hash, and no check compares it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was run, when, and by which program.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// The scenario's file as it was read, before settings.
    pub text: String,
    /// BLAKE3 of `text`, hexadecimal.
    pub text_hash: String,
    /// Settings from outside, `path=value`, in the order in which they were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// By variant: what it changes, as the scenario's file says it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<String, serde_json::Value>,
    /// By variant: the groups of hosts that it has, in their order; in a grid, those of its first
    /// cell.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub topology: BTreeMap<String, Vec<Hosts>>,
    /// The profiles that were asked for, with their files: by kind, then by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<Profile>,
    /// The program and its build.
    pub program: Program,
    /// When it was begun: RFC 3339, UTC.
    pub begun: String,
    /// Wall-clock seconds of the whole run; absent where parts of it had been played before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_s: Option<f64>,
}

/// Hosts that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hosts {
    /// The group's name.
    pub group: String,
    /// How many.
    pub count: u32,
    /// What runs on them: `node`, `hostile` or `none`.
    pub program: String,
    /// The name of their access profile.
    pub access: String,
    /// The name of the NAT before them, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat: Option<String>,
}

/// A profile of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// `delay`, `access`, `nat` or `nat-mix`; or `trace`, of rates, that the scenario itself names.
    pub kind: String,
    /// As the scenario names it.
    pub name: String,
    /// What it is, in a sentence; empty in records from before it was kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Where its figures are from, with publisher, date and licence as far as they are known; empty in
    /// records from before it was kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Its figures, for people.
    pub figures: String,
    /// Its file; empty if that is too large to be kept.
    pub text: String,
    /// The tables that its file names, by name; without those that are too large to be kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, String>,
}

/// A program and its build.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Program {
    /// Its version.
    pub version: String,
    /// The build profile, such as `release`; empty where it is not known.
    pub profile: String,
    /// The compiler.
    pub compiler: String,
    /// What it was built for, such as `x86_64-unknown-linux-gnu`.
    pub target: String,
    /// BLAKE3 of its file, hexadecimal; empty where it could not be read.
    pub hash: String,
}
