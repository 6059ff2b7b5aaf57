//! Syncs under way: what they make durable, and when.
//!
//! Owns the order of completion. Operations of a disk complete one after the
//! other, so the records are sorted; those that have completed are applied and
//! forgotten as time passes.

use std::collections::VecDeque;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex};

use super::content::{Content, Snapshot};
use super::lock;
use super::tree::{Folder, NameChanges};
use crate::time::SimTime;

/// Syncs under way, sorted by completion.
#[derive(Debug, Default)]
pub(super) struct Journal {
    records: VecDeque<Record>,
}

/// One sync under way.
#[derive(Debug)]
pub(super) struct Record {
    done: SimTime,
    effect: Effect,
}

#[derive(Debug)]
enum Effect {
    Bytes(Arc<Mutex<Content>>, Snapshot),
    Names(Arc<Mutex<Folder>>, NameChanges),
}

/// What a power cut took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lost {
    pub(super) bytes: u64,
    pub(super) names: u64,
}

impl AddAssign for Lost {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.names += other.names;
    }
}

impl Record {
    /// A file's sync that completes at `done`.
    pub(super) fn bytes(done: SimTime, file: Arc<Mutex<Content>>, snapshot: Snapshot) -> Self {
        let effect = Effect::Bytes(file, snapshot);
        Self { done, effect }
    }

    /// A folder's sync that completes at `done`.
    pub(super) fn names(done: SimTime, folder: Arc<Mutex<Folder>>, changes: NameChanges) -> Self {
        let effect = Effect::Names(folder, changes);
        Self { done, effect }
    }
}

impl Journal {
    pub(super) fn push(&mut self, record: Record) {
        debug_assert!(
            self.records
                .back()
                .is_none_or(|last| last.done <= record.done)
        );
        self.records.push_back(record);
    }

    /// Applies what has completed by `now`.
    pub(super) fn settle(&mut self, now: SimTime) {
        let pending = self.records.partition_point(|record| record.done <= now);
        for record in self.records.drain(..pending) {
            match record.effect {
                Effect::Bytes(file, snapshot) => lock(&file).commit(snapshot),
                Effect::Names(folder, changes) => lock(&folder).commit(changes),
            }
        }
    }

    /// Forgets what has not completed.
    pub(super) fn discard(&mut self) -> Lost {
        let mut lost = Lost::default();
        for record in self.records.drain(..) {
            match record.effect {
                Effect::Bytes(_, snapshot) => lost.bytes += snapshot.written_bytes,
                Effect::Names(_, changes) => lost.names += changes.len() as u64,
            }
        }
        lost
    }
}
