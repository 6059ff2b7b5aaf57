//! What every service of a node is, whichever it is.

use std::any::Any;
use std::time::Instant;

use crate::config::Config;
use crate::core::signal::Signal;
use crate::core::{Core, StartError};

/// One thing that a node does.
pub trait Service: Any {
    /// The service as `config` has it, before the node runs.
    fn new(config: &Config) -> Self
    where
        Self: Sized;

    /// Begins, once the node listens.
    ///
    /// # Errors
    /// [`StartError`], with which the node does not start.
    fn on_start(&mut self, _core: &mut Core) -> Result<(), StartError> {
        Ok(())
    }

    /// Acts on what happened elsewhere in the node, if that concerns it.
    fn on_signal(&mut self, _core: &mut Core, _signal: &Signal) {}

    /// When it is to be woken next.
    fn next_time(&self) -> Option<Instant> {
        None
    }

    /// Does the first thing that is due at `now`.
    fn on_timer(&mut self, _core: &mut Core, _now: Instant) {}
}
