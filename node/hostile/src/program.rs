//! The program that a hostile peer is: it does each thing of its plan over and over.
//!
//! Owns who acts when, on whom, and how many acts are under way. What an act does is its kind's.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{FutureExt, select_biased};
use futures_timer::Delay;
use libp2p::{Multiaddr, PeerId};
use orrery_node::card::Card;
use orrery_node::keys::Keys;

use crate::act::{Act, Effect};
use crate::chance::Chance;
use crate::kinds::Kind;
use crate::wires::Wires;

/// What a hostile peer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its misbehaviours. Each goes on beside the others.
    pub does: Vec<Kind>,
    /// From one act to the next of the same kind.
    pub every: Duration,
    /// How long one act goes on unless the target ends it.
    pub hold: Duration,
    /// Acts of one kind that are under way at most; further ones are left out.
    pub at_once_max: usize,
    /// Topics of groups on which it speaks.
    pub topics: Vec<String>,
}

/// Whom a hostile peer acts on.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its libp2p name.
    pub peer: PeerId,
    /// Where it listens.
    pub addresses: Vec<Multiaddr>,
    /// What it gives to friends.
    pub card: Card,
}

/// What a hostile peer tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActEvent {
    /// An act begins.
    Begun,
    /// An act was left out because too many are under way.
    LeftOut,
    /// The act has come to its misbehaviour.
    Reached,
    /// The act is over.
    Ended(Effect),
}

/// Is told what a hostile peer does. Called on its own task: it must not block.
pub trait ActObserver: Send + Sync {
    /// Takes note.
    fn on_event(&self, kind: Kind, what: ActEvent);
}

/// A peer that misbehaves.
pub struct Hostile {
    /// Its own keys, by which friends know it.
    pub keys: Keys,
    /// What it does.
    pub plan: Plan,
    /// On whom; nothing happens without any.
    pub targets: Vec<Target>,
    /// How it gets there.
    pub wires: Wires,
    /// Decides what it draws.
    pub seed: [u8; 32],
    /// Told of each act.
    pub observer: Arc<dyn ActObserver>,
}

impl Hostile {
    /// Misbehaves until it is dropped; ends at once if there is nothing to do.
    pub async fn run(self) {
        let kinds = self.plan.does.iter();
        join_all(kinds.map(|&kind| self.repeat(kind))).await;
    }

    /// One act of `kind` on the target of that place, with the chance of `number`.
    pub async fn act(&self, kind: Kind, number: u64) -> Effect {
        let purpose = format!("{} {number}", kind.name());
        let mut chance = Chance::new(&self.seed, &purpose);
        self.tell(kind, ActEvent::Begun);
        let effect = match chance.pick(&self.targets) {
            Some(target) => {
                let act = Act {
                    hostile: self,
                    target,
                    kind,
                    chance,
                };
                kind.act(act).await
            }
            None => Effect::Unreached,
        };
        self.tell(kind, ActEvent::Ended(effect));
        effect
    }

    pub(crate) fn tell(&self, kind: Kind, what: ActEvent) {
        self.observer.on_event(kind, what);
    }

    async fn repeat(&self, kind: Kind) {
        if self.targets.is_empty() {
            return;
        }
        // Not all kinds of all hosts at one moment.
        let every_ns = self.plan.every.as_nanos() as u64;
        let first_ns = Chance::new(&self.seed, kind.name()).below(every_ns);
        Delay::new(Duration::from_nanos(first_ns)).await;
        let mut under_way = FuturesUnordered::new();
        for number in 0.. {
            if under_way.len() < self.plan.at_once_max {
                under_way.push(self.act(kind, number));
            } else {
                self.tell(kind, ActEvent::LeftOut);
            }
            let mut pause = Delay::new(self.plan.every).fuse();
            loop {
                select_biased! {
                    () = pause => break,
                    _ = under_way.select_next_some() => {}
                }
            }
        }
    }
}
