//! A running node: starting it, and the handle by which it is driven.
//!
//! [`Node::start`] opens the store, builds the swarm and leaves one task
//! running that owns both. Everything else goes through the [`NodeHandle`]. What the node does is
//! that task's [`driver`] and the services in `services/`, which share a [`core`](crate::core).

mod driver;
mod swarm_events;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::{mpsc, oneshot};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, SinkExt};

use crate::api::{Command, Reply};
use crate::config::Config;
use crate::core::replies::ReplySender;
use crate::core::{CommandError, StartError};
use crate::environment::Environment;
use crate::extension::{Call, NodeService, ServiceNode, StartedService};
use crate::keys::Keys;
use crate::outlet::Outlet;

use driver::Driver;

/// Commands that may wait for the node's loop.
const REQUESTS_MAX: usize = 256;

/// What a handle asks of the node's loop.
enum Request {
    /// Do this, and answer there.
    Command(Command, ReplySender),
    /// Do this with a service that the program has added.
    Call(Call),
    /// Close everything, then answer.
    Stop(oneshot::Sender<()>),
}

/// The reference node.
pub struct Node;

impl Node {
    /// Starts a node that speaks for `keys` in the world of `environment`.
    ///
    /// It runs until [`NodeHandle::stop`], until its last handle is dropped,
    /// or until the environment's executor ends its tasks.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub fn start(
        config: Config,
        keys: Keys,
        environment: Environment,
    ) -> BoxFuture<'static, Result<NodeHandle, StartError>> {
        Self::start_with(config, keys, environment, Vec::new())
    }

    /// As [`Self::start`], with services of the program's own: see [`NodeService`].
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub fn start_with(
        config: Config,
        keys: Keys,
        environment: Environment,
        services: Vec<StartedService>,
    ) -> BoxFuture<'static, Result<NodeHandle, StartError>> {
        // Boxed here, the swarm is compiled with this crate, and not anew with each that starts nodes.
        Self::started(config, keys, environment, services).boxed()
    }

    async fn started(
        config: Config,
        keys: Keys,
        environment: Environment,
        services: Vec<StartedService>,
    ) -> Result<NodeHandle, StartError> {
        let outlet = Outlet::new(keys.peer(), Arc::clone(&environment.observer));
        let executor = Arc::clone(&environment.executor);
        let message_bytes_max = config.gossip.data_bytes_max();
        let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
        let building = Driver::build(config, keys, environment, (outlet.clone(), services), inbox);
        let driver = Box::pin(building).await?;
        let (ended, ending) = oneshot::channel();
        executor.spawn("node", driver.run(ended).boxed());
        Ok(NodeHandle {
            // Nothing is sent if the loop panics, or is taken down.
            ending: ending
                .map(|ending| ending.unwrap_or(Ending::Broken))
                .boxed()
                .shared(),
            requests: Arc::new(Mutex::new(requests)),
            outlet,
            message_bytes_max,
        })
    }
}

/// Drives a running node. Copies drive the same node.
#[derive(Clone)]
pub struct NodeHandle {
    requests: Arc<Mutex<mpsc::Sender<Request>>>,
    outlet: Outlet,
    message_bytes_max: u32,
    ending: Shared<BoxFuture<'static, Ending>>,
}

/// How a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was told to stop, or its last handle was dropped.
    Stopped,
    /// Its storage is gone, or its store cannot be used any more: it has stopped by itself.
    StorageLost,
    /// Its loop panicked, or its tasks were taken down.
    Broken,
}

impl NodeHandle {
    /// Gives the node a command and waits for its reply.
    ///
    /// # Errors
    /// [`CommandError`], by what went wrong.
    pub async fn command(&self, command: Command) -> Result<Reply, CommandError> {
        let (reply, replied) = oneshot::channel();
        self.send(Request::Command(command, reply))?;
        replied.await.map_err(|_| CommandError::Stopped)?
    }

    /// Calls `act` in the node's loop with the service `S`, which its program has added, and waits
    /// for what it gives.
    ///
    /// # Errors
    /// [`CommandError::Busy`], or [`CommandError::Stopped`] if the node has ended or has no such
    /// service.
    pub async fn with_service<S: NodeService, T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut S, &mut ServiceNode<'_, S>) -> T + Send + 'static,
    ) -> Result<T, CommandError> {
        let (done, given) = oneshot::channel();
        self.send(Request::Call(Call::new(move |service, node| {
            // The caller may have gone.
            let _unheard = done.send(act(service, node));
        })))?;
        given.await.map_err(|_| CommandError::Stopped)
    }

    /// Waits until the node has ended, and says how.
    pub async fn ended(&self) -> Ending {
        self.ending.clone().await
    }

    /// What happened so far, by name.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        self.outlet.counters()
    }

    /// Counts what happened outside of the node's own tasks.
    #[cfg(feature = "real")]
    pub(crate) fn count(&self, counter: &'static str) {
        self.outlet.add(counter, 1);
    }

    /// Largest message, in bytes, that the node sends to groups without storage.
    pub fn message_bytes_max(&self) -> u32 {
        self.message_bytes_max
    }

    /// Closes all connections, lets storage work end, and ends the node. A
    /// node that has ended already is left as it is.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        // A copy of the sender has a place of its own, so that a full queue
        // never keeps a node from being stopped.
        let mut requests = self.sender().clone();
        if requests.send(Request::Stop(done)).await.is_ok() {
            // An error means that the node ended in another way meanwhile.
            let _ = stopped.await;
        }
    }

    fn sender(&self) -> MutexGuard<'_, mpsc::Sender<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, request: Request) -> Result<(), CommandError> {
        // One sender for all copies: each sender of its own would add a place
        // to the queue and make it unbounded.
        self.sender().try_send(request).map_err(|error| {
            if error.is_full() {
                CommandError::Busy
            } else {
                CommandError::Stopped
            }
        })
    }
}
