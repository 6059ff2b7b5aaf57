//! The scenario format: from TOML text to a validated [`Plan`].
//!
//! Owns reading, checking and explaining scenario files. It plays nothing and draws nothing; the
//! same text and arguments give the same plan. All problems of a file are reported together.

pub mod access;
pub mod amount;
pub mod apportion;
pub mod boot;
pub mod clock;
pub mod connect;
pub mod expectation;
pub mod fault;
pub mod fields;
pub mod flow;
pub mod friends;
pub mod grid;
pub mod group;
pub mod interface;
pub mod lan;
pub mod lookup;
pub mod matrix;
pub mod nat;
pub mod network;
pub mod node_settings;
pub mod pace;
pub mod packets;
pub mod plan;
pub mod possible;
pub mod problem;
pub mod program;
pub mod punch;
pub mod quantity;
pub mod reader;
pub mod region_path;
pub mod scenario;
pub mod selector;
pub mod source;
pub mod tcp_settings;
pub mod tree;
pub mod variant;
pub mod workload;

pub use plan::{Case, Plan, read, read_checked};
pub use problem::Problems;
pub use scenario::Scenario;
