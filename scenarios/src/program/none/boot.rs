//! Nothing to start.

use std::sync::Arc;

use super::Nothing;
use crate::play::run::Run;
use crate::program::RunProgram;

impl RunProgram for Nothing {
    /// What workloads need on hosts they start themselves.
    fn boot(&self, _: &Arc<Run>, _: u32) {}
}
