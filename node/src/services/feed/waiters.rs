//! Commands that wait for pulls to end.

use std::collections::BTreeMap;

use crate::api::Reply;
use crate::core::replies::ReplySender;
use crate::identity::IdentityId;

/// One `Command::Pull` under way.
struct Waiter {
    reply: ReplySender,
    /// The first pull number that counts, by friend: earlier ones had begun
    /// before the command.
    awaited: BTreeMap<IdentityId, u64>,
    items: u64,
    failed: Vec<(IdentityId, String)>,
}

/// All `Command::Pull`s under way.
#[derive(Default)]
pub struct Waiters {
    waiting: BTreeMap<u64, Waiter>,
    next: u64,
}

impl Waiters {
    /// Waits for a pull of each of `friends` that has number `first` or later;
    /// the waiter's name.
    pub fn add(&mut self, reply: ReplySender, friends: &[IdentityId], first: u64) -> u64 {
        let name = self.next;
        self.next += 1;
        let waiter = Waiter {
            reply,
            awaited: friends.iter().map(|friend| (*friend, first)).collect(),
            items: 0,
            failed: Vec::new(),
        };
        self.waiting.insert(name, waiter);
        self.answer_finished();
        name
    }

    /// Whether `name` still waits.
    pub fn contains(&self, name: u64) -> bool {
        self.waiting.contains_key(&name)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A pull of `friend` with this number ended.
    pub fn ended(&mut self, friend: IdentityId, number: u64, result: Result<u64, &str>) {
        for waiter in self.waiting.values_mut() {
            if waiter
                .awaited
                .get(&friend)
                .is_none_or(|first| number < *first)
            {
                continue;
            }
            waiter.awaited.remove(&friend);
            match result {
                Ok(items) => waiter.items += items,
                Err(reason) => waiter.failed.push((friend, reason.to_owned())),
            }
        }
        self.answer_finished();
    }

    /// A pull of `friend` with this number has brought a part of what there is; who waits for it,
    /// goes on waiting.
    pub fn part(&mut self, friend: IdentityId, number: u64, items: u64) -> Vec<u64> {
        let mut waiting = Vec::new();
        for (name, waiter) in &mut self.waiting {
            let awaited = waiter.awaited.get(&friend);
            if awaited.is_some_and(|first| number >= *first) {
                waiter.items += items;
                waiting.push(*name);
            }
        }
        waiting
    }

    /// Ends the wait of `name`: friends that have not answered have failed.
    pub fn give_up(&mut self, name: u64, reason: &str) {
        if let Some(waiter) = self.waiting.get_mut(&name) {
            for (friend, _) in std::mem::take(&mut waiter.awaited) {
                waiter.failed.push((friend, reason.to_owned()));
            }
        }
        self.answer_finished();
    }

    fn answer_finished(&mut self) {
        let finished: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, waiter)| waiter.awaited.is_empty())
            .map(|(name, _)| *name)
            .collect();
        for mut waiter in finished.iter().filter_map(|name| self.waiting.remove(name)) {
            waiter.failed.sort();
            // The caller may have gone; the pulls were made all the same.
            let _ = waiter.reply.send(Ok(Reply::Pulled {
                items: waiter.items,
                failed: waiter.failed,
            }));
        }
    }
}
