//! Tasks on the tokio runtime that is running, ended together.

use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::environment::Executor;

/// Runs a node's tasks on a tokio runtime and aborts them when dropped.
pub struct TokioExecutor {
    runtime: Handle,
    tasks: Mutex<JoinSet<()>>,
}

impl TokioExecutor {
    /// An executor on the runtime of the calling task.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn current() -> Self {
        Self {
            runtime: Handle::current(),
            tasks: Mutex::default(),
        }
    }
}

impl Executor for TokioExecutor {
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Ended tasks leave the set here, so that it holds only those that live.
        while let Some(ended) = tasks.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                tracing::error!(%error, "a task of the node panicked");
            }
        }
        tracing::trace!(task = name, "starts");
        tasks.spawn_on(task, &self.runtime);
    }
}
