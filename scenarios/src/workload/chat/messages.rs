//! Every message has a fate: sent, stored at its reader, read there, and what its author was told.
//!
//! Owns the story of each, by the events of the two nodes and what their disks hold at the end, and the
//! judgement of what must hold: nothing acknowledged is lost, nothing is told that is not so.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use orrery_node::api::Event;
use orrery_node::op::OpId;
use orrery_reports::record::Invariant;
use orrery_reports::stats::Recorder;

use super::metrics::{
    CHAT_ACKED_LOST, CHAT_DELIVERED, CHAT_DELIVERY_LATENCY, CHAT_DUPLICATES, CHAT_LOST,
    CHAT_READ_LATENCY, CHAT_RECEIPT_LATENCY, CHAT_RECEIPTS_REFUSED, CHAT_REORDERED,
    CHAT_SEND_LATENCY, CHAT_SUCCESS, CHAT_UNREAD,
};
use crate::fault::DiskReplaced;
use crate::play::ledger::Ledger;
use crate::play::verdict::losses::{Lost, UNKNOWN};
use crate::play::verdict::missed;
use crate::workload::{Ended, FoundOnDisk, NodeEvent, Results, Tracker};

/// Author and reader, by their hosts.
type Pair = (u32, u32);

/// All messages of a run.
#[derive(Debug)]
pub struct Messages {
    window_ns: Range<u64>,
    /// Who was to get which, and when it came.
    ledger: Ledger,
    talks: BTreeMap<Pair, Talk>,
    /// Where messages stand in the talks of their pairs.
    places: BTreeMap<OpId, (Pair, usize)>,
    /// From command to acknowledgement of measured messages.
    sends: Recorder,
    /// Measured commands that were not acknowledged.
    failed: u64,
    receipts: Recorder,
    reads: Recorder,
    duplicates: u64,
    reordered: u64,
    refused: u64,
    /// Messages of which more was told than was so.
    untrue: BTreeSet<OpId>,
    /// Messages that their authors were told to be stored at their readers.
    told_stored: BTreeSet<OpId>,
    /// Acknowledged messages that their authors' disks do not hold.
    lost_by_authors: BTreeSet<OpId>,
}

/// What one has said to another, in the order of the acknowledgements.
#[derive(Debug, Default)]
struct Talk {
    messages: Vec<Message>,
    /// The message after the last that has come.
    came_to: usize,
    /// So many are told to be stored, read, and are marked as read at the reader.
    stored_to: usize,
    read_to: usize,
    marked_to: usize,
}

#[derive(Debug)]
struct Message {
    op: OpId,
    sent_ns: u64,
    came_ns: Option<u64>,
    marked_ns: Option<u64>,
    /// It came, and went with its reader's disk.
    is_gone: bool,
}

impl Messages {
    /// None, of a run whose measured time this is.
    pub fn new(window_ns: Range<u64>) -> Self {
        let recorder = Recorder::of_microseconds;
        Self {
            window_ns,
            ledger: Ledger::default(),
            talks: BTreeMap::new(),
            places: BTreeMap::new(),
            sends: recorder(),
            failed: 0,
            receipts: recorder(),
            reads: recorder(),
            duplicates: 0,
            reordered: 0,
            refused: 0,
            untrue: BTreeSet::new(),
            told_stored: BTreeSet::new(),
            lost_by_authors: BTreeSet::new(),
        }
    }

    /// A command to send that was given at `asked_ns` was answered.
    pub fn answered(&mut self, asked_ns: u64, took_us: u64, acknowledged: bool) {
        if !self.window_ns.contains(&asked_ns) {
            return;
        }
        if acknowledged {
            self.sends.record(asked_ns, took_us);
        } else {
            self.failed += 1;
        }
    }

    /// A reader has marked as read what had come when it was asked.
    pub fn marked(&mut self, pair: Pair, asked_ns: u64, now_ns: u64) {
        let Some(talk) = self.talks.get_mut(&pair) else {
            return;
        };
        let unmarked = talk.messages.iter_mut().skip(talk.marked_to);
        let had_come = |message: &Message| message.came_ns.is_some_and(|came| came <= asked_ns);
        let read = unmarked.take_while(|message| had_come(message));
        let mut count = 0;
        for message in read {
            message.marked_ns = Some(now_ns);
            count += 1;
        }
        talk.marked_to += count;
    }

    fn sent(&mut self, op: OpId, pair: Pair, now_ns: u64, stamp_ms: u64) {
        self.ledger
            .posted(op, pair.0, now_ns, stamp_ms, [pair.1], false);
        let talk = self.talks.entry(pair).or_default();
        self.places.insert(op, (pair, talk.messages.len()));
        talk.messages.push(Message {
            op,
            sent_ns: now_ns,
            came_ns: None,
            marked_ns: None,
            is_gone: false,
        });
    }

    fn came(&mut self, op: OpId, host: u32, now_ns: u64) {
        self.ledger.received(op, host, now_ns);
        // One whose author lost power before it was acknowledged is promised to no reader.
        let Some((pair, place)) = self.places.get(&op) else {
            return;
        };
        let Some(talk) = self.talks.get_mut(pair).filter(|_| pair.1 == host) else {
            return;
        };
        let message = &mut talk.messages[*place];
        if message.came_ns.is_some() {
            self.duplicates += u64::from(!message.is_gone);
            message.is_gone = false;
            return;
        }
        message.came_ns = Some(now_ns);
        if *place < talk.came_to {
            self.reordered += 1;
        } else {
            talk.came_to = place + 1;
        }
    }

    /// The node of an author tells that `op` and all before it are stored at their reader, or were
    /// `read` there.
    fn told(&mut self, op: OpId, pair: Pair, now_ns: u64, read: bool) {
        let place = match self.places.get(&op) {
            Some((of, place)) if *of == pair => *place,
            // As of one that its author lost power before acknowledging.
            None => return,
            Some(_) => {
                self.untrue.insert(op);
                return;
            }
        };
        let Some(talk) = self.talks.get_mut(&pair) else {
            return;
        };
        let told_to = if read {
            &mut talk.read_to
        } else {
            &mut talk.stored_to
        };
        let new = *told_to..(place + 1).max(*told_to);
        *told_to = new.end;
        for message in &talk.messages[new] {
            let since_ns = if read {
                message.marked_ns
            } else {
                message.came_ns
            };
            if message.came_ns.is_none() {
                self.untrue.insert(message.op);
            }
            self.told_stored.insert(message.op);
            if let Some(since_ns) = since_ns
                && self.window_ns.contains(&message.sent_ns)
            {
                let took_us = now_ns.saturating_sub(since_ns) / 1_000;
                let recorder = if read {
                    &mut self.reads
                } else {
                    &mut self.receipts
                };
                recorder.record(message.sent_ns, took_us);
            }
        }
    }

    /// Measured messages of whose reading their authors were not told.
    fn unread(&self) -> u64 {
        let untold = self
            .talks
            .values()
            .flat_map(|talk| &talk.messages[talk.read_to..]);
        let measured = |message: &&Message| self.window_ns.contains(&message.sent_ns);
        untold.filter(measured).count() as u64
    }

    fn invariants(&self, unexplained: u64) -> [Invariant; 4] {
        let check = |name: &str, broken: Option<String>| Invariant {
            name: name.into(),
            held: broken.is_none(),
            detail: broken,
        };
        let some = |ops: &BTreeSet<OpId>, what: &str| {
            let first = ops.first()?;
            Some(format!("{} messages {what}, {first} first", ops.len()))
        };
        let leaks = self.ledger.leaks();
        [
            check(
                "acknowledged-messages-survive",
                some(&self.lost_by_authors, "are gone from their authors' disks"),
            ),
            check(
                "receipts-are-true",
                some(&self.untrue, "were told to be stored, and were not"),
            ),
            check(
                "messages-reach-their-reader-alone",
                (leaks > 0).then(|| format!("{leaks} messages are held by others")),
            ),
            check(
                "messages-come-once-and-losses-have-a-cause",
                (self.duplicates + unexplained > 0).then(|| {
                    format!(
                        "{} came twice, {unexplained} are lost without a known cause",
                        self.duplicates
                    )
                }),
            ),
        ]
    }
}

impl Tracker for Messages {
    fn on_event(&mut self, told: &NodeEvent<'_>) {
        let host = told.host;
        let other = |identity| told.names.of_identity(identity);
        match told.event {
            Event::MessageSent {
                op, to, stamp_ms, ..
            } => {
                if let Some(reader) = other(to) {
                    self.sent(*op, (host, reader), told.now_ns, *stamp_ms);
                }
            }
            Event::MessageReceived { op, .. } => self.came(*op, host, told.now_ns),
            Event::MessageDelivered { op, to } => {
                if let Some(reader) = other(to) {
                    self.told(*op, (host, reader), told.now_ns, false);
                }
            }
            Event::MessageRead { op, by } => {
                if let Some(reader) = other(by) {
                    self.told(*op, (host, reader), told.now_ns, true);
                }
            }
            Event::ReceiptRefused { .. } => self.refused += 1,
            _ => {}
        }
    }

    fn on_new_disk(&mut self, host: u32, now_ns: u64, replaced: DiskReplaced) {
        self.ledger.disk_replaced(host, now_ns, replaced);
        let to_host = self.talks.iter_mut().filter(|(pair, _)| pair.1 == host);
        for message in to_host.flat_map(|(_, talk)| &mut talk.messages) {
            message.is_gone = message.came_ns.is_some();
        }
    }

    fn on_disk(&mut self, found: &FoundOnDisk<'_>) {
        self.ledger.found(found.host, found.readable);
        let lost = self.ledger.lost_by_author(found.host, found.own);
        self.lost_by_authors.extend(lost);
        let to_host = self.talks.iter().filter(|(pair, _)| pair.1 == found.host);
        let messages = to_host.flat_map(|(_, talk)| &talk.messages);
        let told = messages.filter(|message| self.told_stored.contains(&message.op));
        let kept = told.filter(|message| !message.is_gone);
        let gone = kept.filter(|message| !found.readable.contains(&message.op));
        self.untrue.extend(gone.map(|message| message.op));
    }

    fn judge(&mut self, ended: &Ended<'_>, results: &mut Results<'_>) {
        let (run, state) = (ended.run, ended.state);
        let (mut delivered, mut causes) = (0, BTreeMap::new());
        let mut lost = Vec::new();
        for (op, entry, reader, fate) in self.ledger.due(self.window_ns.clone()) {
            let blocked = &state.ledger;
            if blocked.has_blocked(entry.author, reader)
                || blocked.has_blocked(reader, entry.author)
            {
                continue;
            }
            if fate.delivered_ns.is_some() || fate.held {
                delivered += 1;
                continue;
            }
            let by_author = self.lost_by_authors.contains(&op);
            let cause = missed::cause(run, state, &self.ledger, entry, reader, fate, by_author);
            *causes.entry(cause).or_insert(0) += 1;
            lost.push(Lost {
                item: op.to_string(),
                author: entry.author,
                reader,
                at_ns: fate.since_ns,
                cause,
            });
        }
        // What a run that was cut short has not seen is not lost.
        if ended.end_ns < run.scenario.end_ns() {
            causes.clear();
            lost.clear();
        }
        let unexplained = causes.get(UNKNOWN).copied().unwrap_or(0);
        results.list(run, &CHAT_LOST, lost.into_iter());
        results.count(&CHAT_LOST, &causes, |cause| cause);
        let latencies = self.ledger.latencies(self.window_ns.clone());
        let metrics = &mut *results.metrics;
        metrics.count(&CHAT_LOST, &[], causes.values().sum());
        metrics.count(&CHAT_DELIVERED, &[], delivered);
        metrics.samples(&CHAT_DELIVERY_LATENCY, &[], &latencies);
        metrics.samples(&CHAT_RECEIPT_LATENCY, &[], &self.receipts);
        metrics.samples(&CHAT_READ_LATENCY, &[], &self.reads);
        metrics.samples(&CHAT_SEND_LATENCY, &[], &self.sends);
        metrics.ratio(&CHAT_SUCCESS, &[], self.sends.count(), self.failed);
        metrics.count(&CHAT_UNREAD, &[], self.unread());
        metrics.count(&CHAT_DUPLICATES, &[], self.duplicates);
        metrics.count(&CHAT_REORDERED, &[], self.reordered);
        metrics.count(&CHAT_RECEIPTS_REFUSED, &[], self.refused);
        let acked_lost = self.lost_by_authors.len() as u64;
        metrics.count(&CHAT_ACKED_LOST, &[], acked_lost);
        results
            .result
            .invariants
            .extend(self.invariants(unexplained));
    }
}
