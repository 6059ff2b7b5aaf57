//! What all connections of a node share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use libp2p::PeerId;

use crate::api::Event;
use crate::config::Config;
use crate::counters::Outlet;
use crate::entry::Served;
use crate::environment::Executor;
use crate::identity::IdentityId;
use crate::keys::Keys;
use crate::shelf::Shelf;

use super::budgets::Budgets;
use super::gaps::Gaps;
use super::refusal::Reason;

/// Shared by the swarm's connections and the node's own loop.
pub struct Context {
    /// Who we are.
    pub keys: Keys,
    /// What we were told to do.
    pub config: Config,
    /// The posts.
    pub shelf: Shelf,
    /// Where events go.
    pub outlet: Outlet,
    /// What others hold that is not here.
    pub gaps: Gaps,
    /// What answering each peer may cost.
    pub budgets: Budgets,
    /// Runs what must outlive the connection that began it.
    pub executor: Arc<dyn Executor>,
    /// Peers whose pulls have been answered lately.
    pub served: Served,
    /// Identities whose requests are refused.
    blocked: Mutex<BTreeSet<IdentityId>>,
    /// New items that pulls of each friend have brought since the start.
    kept: Mutex<BTreeMap<IdentityId, u64>>,
    /// Pulls being answered, over all connections.
    serving: AtomicU32,
}

impl Context {
    /// A context in which nothing is being served.
    pub fn new(
        keys: Keys,
        config: Config,
        shelf: Shelf,
        outlet: Outlet,
        executor: Arc<dyn Executor>,
        blocked: BTreeSet<IdentityId>,
    ) -> Self {
        Self {
            budgets: Budgets::new(config.serve.peer_bytes_per_second),
            keys,
            config,
            shelf,
            outlet,
            executor,
            served: Served::default(),
            blocked: Mutex::new(blocked),
            kept: Mutex::default(),
            gaps: Gaps::default(),
            serving: AtomicU32::new(0),
        }
    }

    /// Whether requests of `identity` are refused.
    pub fn is_blocked(&self, identity: &IdentityId) -> bool {
        let blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        blocked.contains(identity)
    }

    /// Refuses, or no longer refuses, the requests of `identity`.
    pub fn set_blocked(&self, identity: IdentityId, refuse: bool) {
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        if refuse {
            blocked.insert(identity);
        } else {
            blocked.remove(&identity);
        }
    }

    /// Counts new items of `author` that are durable now.
    pub fn keeps(&self, author: IdentityId, items: u64) {
        if items > 0 {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            *kept.entry(author).or_default() += items;
        }
    }

    /// New items of `author` since the start.
    pub fn kept(&self, author: &IdentityId) -> u64 {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(author).copied().unwrap_or(0)
    }

    /// Tells that a request was turned down.
    pub fn refused(&self, peer: &PeerId, protocol: &str, reason: Reason) {
        self.outlet.emit(&Event::Refused {
            peer: peer.to_string(),
            protocol: protocol.to_owned(),
            reason: reason.name().to_owned(),
        });
    }

    /// Tells that a bound was reached.
    pub fn limit_reached(&self, limit: &str) {
        self.outlet.emit(&Event::LimitReached {
            limit: limit.to_owned(),
        });
    }

    /// A place among the pulls being answered, if there is one left.
    pub fn serve_one(self: &Arc<Self>) -> Option<ServePlace> {
        let max = self.config.serve.max_pulls;
        self.serving
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < max).then_some(count + 1)
            })
            .ok()
            .map(|_| ServePlace(Arc::clone(self)))
    }
}

/// Counts as one pull being answered until dropped.
pub struct ServePlace(Arc<Context>);

impl Drop for ServePlace {
    fn drop(&mut self) {
        self.0.serving.fetch_sub(1, Ordering::Relaxed);
    }
}
