//! What became of messages of topics: shares, and a cause for
//! each that did not arrive.
//!
//! A cause is derived for that message and that reader: [`cut`] looks at what lay between those
//! who had it and those who did not, in what nodes told ([`crate::play::overlay`]) and in what faults
//! did ([`faults`]). [`cause`] has the words.

use std::collections::BTreeMap;

use orrery_reports::record::Loss;

use super::Publish;
use super::messages::{Message, Messages, Sent};
use super::metrics::GOSSIP_LOST;
use crate::workload::Ended;
use cause::MessageLoss;
use cut::Case;
use faults::Faults;

pub mod cause;
mod cut;
mod faults;
#[cfg(test)]
mod provoked;

/// Before a message, so much of what was sent may still lie before it on a slow link.
const BACKLOG_NS: u64 = 60_000_000_000;

/// All fates of a run, counted.
#[derive(Debug, Default)]
pub struct Fates {
    /// Messages whose author's node took them.
    pub published: u64,
    /// Pairs of a message and a subscriber who got it.
    pub delivered: u64,
    /// Pairs in which the subscriber did not, although its node ran and was connected with some
    /// other for as long as the message lived.
    pub missed_alive: u64,
    /// Pairs in which the subscriber did not, by cause.
    pub causes: BTreeMap<MessageLoss, u64>,
    /// The first of those.
    pub losses: Vec<Loss>,
}

/// Follows every measured message to each subscriber; lists at most `listed_max` losses.
pub fn follow(messages: &Messages, ended: &Ended<'_>, listed_max: usize) -> Fates {
    let (run, state) = (ended.run, ended.state);
    let mut fates = Fates::default();
    let faults = Faults::of(run);
    let mut backlog = Backlog::default();
    for (number, message) in messages.by_time() {
        let bytes_before = backlog.with(message);
        if !run.is_measured(message.at_ns) {
            continue;
        }
        fates.published += u64::from(message.sent == Sent::Yes);
        let subscribers = messages.subscribers(message.workload);
        let readers = (0..).take(run.world.hosts.len());
        let readers = readers.filter(|host| subscribers.contains(*host) && *host != message.author);
        let (got, lost): (Vec<u32>, Vec<u32>) =
            readers.partition(|host| message.got.contains(*host));
        fates.delivered += got.len() as u64;
        if lost.is_empty() {
            continue;
        }
        let action = &run.scenario.workloads[message.workload].action;
        let Some(Publish { topic, .. }) = action.get::<Publish>() else {
            continue;
        };
        let case = Case {
            overlay: &state.overlay,
            faults: &faults,
            message,
            subscribers,
            topic: state.overlay.topic(topic),
            life_ns: run.gossip_life_ns(message.author),
            offers_ns: run.gossip_offers_ns(message.author),
            floods: run.floods(message.author),
            is_too_large_for: &|host| run.refuses_message(host, message.size_bytes),
            bytes_before,
            end_ns: ended.end_ns,
        };
        let cut = case.cut();
        for reader in lost {
            let cause = case.cause(&cut, reader);
            fates.missed_alive += u64::from(case.was_alive(reader));
            *fates.causes.entry(cause).or_default() += 1;
            if fates.losses.len() < listed_max {
                fates.losses.push(Loss {
                    item: format!("message {number}").into(),
                    author: run.world.hosts[message.author as usize].name.clone(),
                    reader: run.world.hosts[reader as usize].name.clone(),
                    created_s: message.at_ns as f64 / 1e9,
                    cause: cause.name().to_owned(),
                    metric: GOSSIP_LOST.name.to_owned(),
                });
            }
        }
    }
    fates
}

/// Bytes that were sent lately, while messages are gone through in the order of their times.
#[derive(Default)]
struct Backlog {
    recent: std::collections::VecDeque<(u64, u64)>,
    bytes: u64,
}

impl Backlog {
    /// Those of the minute before `message`, its own included.
    fn with(&mut self, message: &Message) -> u64 {
        self.recent
            .push_back((message.at_ns, message.size_bytes.into()));
        self.bytes += u64::from(message.size_bytes);
        while let Some(&(at_ns, bytes)) = self.recent.front() {
            if at_ns + BACKLOG_NS >= message.at_ns {
                break;
            }
            self.recent.pop_front();
            self.bytes -= bytes;
        }
        self.bytes
    }
}
