//! The scenario format: from TOML text to a validated [`Plan`].
//!
//! Owns reading, checking and explaining scenario files. It plays nothing and draws nothing; the
//! same text and arguments give the same plan. All problems of a file are reported together.
//! [`reading`] knows tables and quantities and no scenario; [`scenario`] has a file for each thing
//! that a scenario may say.

pub mod documentation;
pub mod reading;
pub mod scenario;

pub use reading::problem::Problems;
pub use scenario::Scenario;
pub use scenario::plan::{Case, Plan};
pub(crate) use scenario::plan::{read, read_checked};
