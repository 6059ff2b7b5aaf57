//! What all connections of a node share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use libp2p::PeerId;

use crate::api::Event;
use crate::config::Config;
use crate::entry::Served;
use crate::environment::Executor;
use crate::identity::IdentityId;
use crate::keys::Keys;
use crate::outlet::Outlet;
use crate::store::{Cure, StoreError};
use crate::store_handle::StoreHandle;

use super::budgets::Budgets;
use super::gaps::Gaps;
use super::pull_slots::PullSlots;
use super::refusal::Reason;

/// Shared by the swarm's connections and the node's own loop.
pub struct Context {
    /// Who we are.
    pub keys: Keys,
    /// What we were told to do.
    pub config: Config,
    /// The posts.
    pub store: StoreHandle,
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
    /// Whether posts came that their authors want forgotten some day, since this was looked at.
    pub expiring: AtomicBool,
    /// Friends whose messages have come since this was looked at.
    chatted: Mutex<BTreeSet<IdentityId>>,
    /// Identities whose requests are refused.
    blocked: Mutex<BTreeSet<IdentityId>>,
    /// New items that pulls of each friend have brought since the start.
    kept: Mutex<BTreeMap<IdentityId, u64>>,
    /// Identities that are followed here.
    friends: Mutex<BTreeSet<IdentityId>>,
    /// PullSlots for strangers' pulls, over all connections.
    pub slots: Arc<PullSlots>,
}

impl Context {
    /// A context in which nothing is being served.
    pub fn new(
        keys: Keys,
        config: Config,
        store: StoreHandle,
        outlet: Outlet,
        executor: Arc<dyn Executor>,
        blocked: BTreeSet<IdentityId>,
    ) -> Self {
        Self {
            budgets: Budgets::new(config.serve.peer_bytes_per_second),
            slots: Arc::new(PullSlots::new(config.serve.max_pulls)),
            keys,
            config,
            store,
            outlet,
            executor,
            served: Served::default(),
            expiring: AtomicBool::new(false),
            chatted: Mutex::default(),
            blocked: Mutex::new(blocked),
            kept: Mutex::default(),
            gaps: Gaps::default(),
            friends: Mutex::default(),
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

    /// Whether `identity` is followed here, and not blocked.
    pub fn is_friend(&self, identity: &IdentityId) -> bool {
        let friends = self.friends.lock().unwrap_or_else(PoisonError::into_inner);
        friends.contains(identity)
    }

    /// Takes `identity` for a friend, or no longer.
    pub fn set_friend(&self, identity: IdentityId, friend: bool) {
        let mut friends = self.friends.lock().unwrap_or_else(PoisonError::into_inner);
        if friend {
            friends.insert(identity);
        } else {
            friends.remove(&identity);
        }
    }

    /// Notes friends whose messages are stored here, and may have to be acknowledged.
    pub fn chatted(&self, friends: impl IntoIterator<Item = IdentityId>) {
        let mut chatted = self.chatted.lock().unwrap_or_else(PoisonError::into_inner);
        chatted.extend(friends);
    }

    /// Friends who were noted since the last time.
    pub fn take_chatted(&self) -> BTreeSet<IdentityId> {
        let mut chatted = self.chatted.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut chatted)
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
            peer: *peer,
            protocol: protocol.to_owned(),
            reason: reason.name().to_owned(),
        });
    }

    /// Tells that the store failed while `doing` something, and has it opened anew and cured by the
    /// next that needs it.
    pub fn storage_failed(&self, doing: &str, error: &StoreError) {
        self.tell_storage(doing, &error.to_string(), error.cure() != Cure::Reopen);
        let (store, cure) = (self.store.clone(), error.cure());
        let close = async move {
            if let Err(error) = store.close(cure).await {
                tracing::warn!(%error, "the store could not be closed");
            }
        };
        self.executor.spawn("cure", close.boxed());
    }

    /// Tells that there was no store for `doing` something.
    pub fn storage_unreached(&self, doing: &str, reason: &str) {
        self.tell_storage(doing, reason, false);
    }

    fn tell_storage(&self, doing: &str, reason: &str, damaged: bool) {
        self.outlet.emit(&Event::StorageFailed {
            doing: doing.to_owned(),
            reason: reason.to_owned(),
            damaged,
        });
    }

    /// Tells that a bound was reached.
    pub fn limit_reached(&self, limit: &str) {
        self.outlet.emit(&Event::LimitReached {
            limit: limit.to_owned(),
        });
    }
}
