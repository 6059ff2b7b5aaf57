//! Reading tables of TOML: places in the text, problems, quantities with units, amounts to draw.
//!
//! Knows nothing of scenarios; profiles are read with it, too.

pub mod amount;
pub mod apportion;
pub mod law;
pub mod problem;
pub mod quantity;
pub mod reader;
pub mod schema;
pub mod source;
pub mod table;
pub mod tree;
