//! Tasks on the tokio runtime that is running, ended together.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::environment::Executor;

/// Runs a node's tasks on a tokio runtime and aborts them when dropped.
pub struct TokioExecutor {
    runtime: Handle,
    tasks: Mutex<JoinSet<()>>,
    panicked: Arc<watch::Sender<bool>>,
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
            panicked: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl Executor for TokioExecutor {
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Ended tasks leave the set here, so that it holds only those that live.
        while tasks.try_join_next().is_some() {}
        tracing::trace!(task = name, "starts");
        let panicked = Arc::clone(&self.panicked);
        let task = async move {
            // What the task worked on is not looked at any more.
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!(task = name, "a task of the node panicked");
                panicked.send_replace(true);
            }
        };
        tasks.spawn_on(task, &self.runtime);
    }

    fn panicked(&self) -> BoxFuture<'static, ()> {
        let mut panicked = self.panicked.subscribe();
        async move {
            // An executor that is gone runs nothing that could panic.
            if panicked.wait_for(|panicked| *panicked).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        .boxed()
    }
}
