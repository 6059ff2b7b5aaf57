//! Hosts on which nothing runs by itself: senders and receivers of flows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ProgramKind;
use crate::format::reading::problem::Problems;
use crate::format::reading::reader::Reader;
use crate::play::run::Run;
use crate::testbed::Capability;

/// Nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing;

impl ProgramKind for Nothing {
    type Notes = ();
    const NEEDS: &'static [Capability] = &[Capability::HostsWithoutNodes];

    fn read(_: &Reader<'_>, _: &mut Problems) -> Self {
        Self
    }

    /// What workloads need on hosts they start themselves.
    fn boot(&self, _: &Arc<Run>, _: u32) {}
}
