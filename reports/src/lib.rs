//! The run record and everything drawn from it.
//!
//! Owns the one schema that every engine writes ([`record`]), the statistics over seeds
//! ([`stats`]), and what people read: the terminal's [`table`], `summary.md`, `metrics.csv` and
//! `report.html`. It must not know who makes records: neither the node, nor the simulator, nor
//! scenarios. It reads no clock and no network, and equal records give equal bytes.
//!
//! ```
//! use orrery_reports::{record::{Record, SCHEMA, Variant, Verdict}, stats, table};
//!
//! let mut record = Record {
//!     schema: SCHEMA,
//!     scenario: "feed/quiet".into(),
//!     summary: String::new(),
//!     commit: "0.1.0".into(),
//!     engine: "sim".into(),
//!     program: "orrery".into(),
//!     arguments: vec!["run".into(), "feed/quiet".into()],
//!     warmup_s: 0.0,
//!     duration_s: 60.0,
//!     drain_s: 0.0,
//!     until_s: None,
//!     origin: None,
//!     marks: vec![],
//!     definitions: Default::default(),
//!     producers: Default::default(),
//!     losses: None,
//!     grid: vec![],
//!     report: vec![],
//!     charts: vec![],
//!     compare: Default::default(),
//!     moments: Default::default(),
//!     variants: vec![Variant { name: "default".into(), ..Variant::default() }],
//!     differences: vec![],
//!     expectations: vec![],
//!     not_judged: vec![],
//!     verdict: Verdict::Held,
//! };
//! stats::summarise(&mut record)?;
//! assert!(table::table(&record, table::Colour::Never).starts_with("feed/quiet  0 seeds"));
//! # Ok::<(), orrery_reports::Error>(())
//! ```

pub mod advice;
pub mod answer;
pub mod asked;
pub mod audit;
pub mod chart;
pub mod checks;
pub mod command;
mod error;
mod fields;
pub mod format;
pub mod headline;
pub mod html;
pub mod in_cell;
pub mod index;
pub mod key;
pub mod matrix;
pub mod metrics_csv;
pub mod origin;
pub mod record;
pub mod schema;
pub mod stats;
pub mod summary_md;
pub mod table;
mod whole;
pub mod write;

pub use error::Error;
