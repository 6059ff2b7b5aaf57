//! Hosts on which nothing runs by itself: senders and receivers of flows.

mod boot;

use serde::{Deserialize, Serialize};

use super::ProgramKind;
use crate::format::reading::problem::Problems;
use crate::format::reading::reader::Reader;
use crate::testbed::Capability;

/// Nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing;

impl ProgramKind for Nothing {
    const NEEDS: &'static [Capability] = &[Capability::HostsWithoutNodes];

    fn read(_: &Reader<'_>, _: &mut Problems) -> Self {
        Self
    }
}
