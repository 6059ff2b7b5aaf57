//! The reference node on a host.

mod boot;

use serde::{Deserialize, Serialize};

use super::ProgramKind;
use crate::format::reading::problem::Problems;
use crate::format::reading::reader::Reader;

/// The reference node. Its settings are its group's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node;

impl ProgramKind for Node {
    const IS_NODE: bool = true;

    fn read(_: &Reader<'_>, _: &mut Problems) -> Self {
        Self
    }
}
