//! Tasks of a node on the executor of its simulated host.

use futures::future::BoxFuture;
use orrery_node::environment::Executor;
use orrery_sim::{HostId, executor, host};

/// Runs tasks on a host until they end or it goes down.
pub struct HostExecutor(executor::Executor);

impl HostExecutor {
    /// The executor of `host`.
    pub fn of(host: HostId) -> Self {
        Self(host::executor(host))
    }
}

impl Executor for HostExecutor {
    fn spawn(&self, _: &'static str, task: BoxFuture<'static, ()>) {
        self.0.spawn_boxed(task);
    }
}
