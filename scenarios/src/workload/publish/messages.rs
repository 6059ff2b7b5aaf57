//! Every message to a group without storage has a fate at each subscriber.
//!
//! Compact, since there may be a thousand subscribers and more: a message's
//! fate is a bit a host, and it is found by the number that it carries. Times
//! are simulated nanoseconds.

use std::ops::Range;

use orrery_node::api::Payload;
use orrery_reports::stats::Recorder;

/// A set of hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSet {
    bits: Vec<u64>,
    len: u32,
}

impl HostSet {
    /// None of `hosts` hosts.
    pub fn new(hosts: usize) -> Self {
        Self {
            bits: vec![0; hosts.div_ceil(64)],
            len: 0,
        }
    }

    /// Puts `host` in; whether it was not there.
    pub fn insert(&mut self, host: u32) -> bool {
        let (word, bit) = (host as usize / 64, 1 << (host % 64));
        let is_new = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        self.len += u32::from(is_new);
        is_new
    }

    /// Whether `host` is in it.
    pub fn contains(&self, host: u32) -> bool {
        self.bits[host as usize / 64] & (1 << (host % 64)) != 0
    }

    /// How many are in it, `host` aside.
    pub fn without(&self, host: u32) -> u32 {
        self.len - u32::from(self.contains(host))
    }
}

/// What became of the sending of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The author's node has not answered.
    Unanswered,
    /// The author's node has handed it to its peers.
    Yes,
    /// The author's node has refused.
    Refused,
    /// The author's node did not run.
    AuthorDown,
}

/// A message.
#[derive(Debug)]
pub struct Message {
    /// Who sent it.
    pub author: u32,
    /// When.
    pub at_ns: u64,
    /// The workload that says so.
    pub workload: usize,
    /// How large it is.
    pub size_bytes: u32,
    /// How that went.
    pub sent: Sent,
    /// Hosts that got it.
    pub got: HostSet,
    /// How many of them are to get it and have.
    readers_done: u32,
    /// By host, when it came there for the first time, and over how many hops. Empty when it has
    /// come to all who are to get it.
    arrivals: Vec<Arrival>,
}

/// When a message came, in microseconds after it was sent, and over how many hops, 0 if it has
/// not: 48 bits and 16.
#[derive(Debug, Clone, Copy, Default)]
struct Arrival(u64);

/// Stands for a number of hops that is not known.
const HOPS_UNKNOWN: u16 = u16::MAX;

impl Arrival {
    fn new(after_us: u64, hops: u16) -> Self {
        Self(after_us.min(u64::MAX >> 16) << 16 | u64::from(hops))
    }

    fn after_us(self) -> u64 {
        self.0 >> 16
    }

    fn hops(self) -> u16 {
        self.0 as u16
    }
}

impl Message {
    /// When it came to `host`; `None` if it did not, or if it came to all.
    pub fn arrived_ns(&self, host: u32) -> Option<u64> {
        let arrival = self.arrivals.get(host as usize)?;
        (arrival.hops() > 0).then(|| self.at_ns + arrival.after_us() * 1_000)
    }

    /// When it came to a host for the last time, as far as is known; its own time if to none.
    pub fn last_ns(&self) -> u64 {
        let after_us = self.arrivals.iter().map(|arrival| arrival.after_us()).max();
        self.at_ns + after_us.unwrap_or(0) * 1_000
    }

    /// Hops that the message took to `host` when `from` handed it over; `None` if it is not known
    /// how it came to `from`.
    fn hops_by(&self, from: u32) -> Option<u16> {
        if from == self.author {
            return Some(1);
        }
        let hops = self.arrivals.get(from as usize)?.hops();
        (1..HOPS_UNKNOWN - 1).contains(&hops).then_some(hops + 1)
    }
}

/// All messages of a run.
#[derive(Debug)]
pub struct Messages {
    hosts: usize,
    window_ns: Range<u64>,
    /// By workload, the hosts that are to get its messages.
    subscribers: Vec<HostSet>,
    /// By number; numbers are given out beforehand, so messages are entered in any order.
    by_number: Vec<Option<Message>>,
    /// From sending to first arrival, of the measured ones.
    pub latencies: Recorder,
    /// From the author to a host, at the first arrival of the measured ones.
    pub hops: Recorder,
    /// Copies that came in on nodes that have lost their power since.
    pub copies_lost: u64,
    /// First copies that came in, over all nodes.
    pub firsts: u64,
    /// Transmissions that nodes left out.
    pub refused: u64,
}

impl Default for Messages {
    fn default() -> Self {
        Self::new(0, Vec::new(), 0..0)
    }
}

impl Messages {
    /// No message among `hosts` hosts, of which by workload `subscribers` are to get them;
    /// messages that are sent within `window_ns` are measured.
    pub fn new(hosts: usize, subscribers: Vec<HostSet>, window_ns: Range<u64>) -> Self {
        Self {
            hosts,
            window_ns,
            subscribers,
            by_number: Vec::new(),
            latencies: Recorder::of_microseconds(),
            hops: Recorder::of("1"),
            copies_lost: 0,
            firsts: 0,
            refused: 0,
        }
    }

    /// Message `number`, of `size_bytes`, is being sent.
    pub fn sending(
        &mut self,
        (number, size_bytes): (u32, u32),
        (author, workload): (u32, usize),
        at_ns: u64,
        sent: Sent,
    ) {
        let place = number as usize;
        if self.by_number.len() <= place {
            self.by_number.resize_with(place + 1, || None);
        }
        self.by_number[place] = Some(Message {
            author,
            at_ns,
            workload,
            size_bytes,
            sent,
            got: HostSet::new(self.hosts),
            readers_done: 0,
            arrivals: Vec::new(),
        });
    }

    /// The author's node has answered.
    pub fn answered(&mut self, number: u32, sent: Sent) {
        if let Some(message) = self.message(number) {
            message.sent = sent;
        }
    }

    /// A message came to `host` for the first time, handed over by `from` if that is one of ours.
    /// What is none of ours is left out.
    pub fn came(&mut self, data: &Payload, (from, host): (Option<u32>, u32), now_ns: u64) {
        self.firsts += 1;
        let Some(number) = number(data) else {
            return;
        };
        let Some(Some(message)) = self.by_number.get_mut(number as usize) else {
            return;
        };
        // A node that has started anew gets again what it had.
        if !message.got.insert(host) {
            return;
        }
        let took_us = now_ns.saturating_sub(message.at_ns) / 1_000;
        let hops = from.and_then(|from| message.hops_by(from));
        if self.window_ns.contains(&message.at_ns) {
            self.latencies.record(message.at_ns, took_us);
            if let Some(hops) = hops {
                self.hops.record(message.at_ns, hops.into());
            }
        }
        if message.arrivals.is_empty() {
            message.arrivals = vec![Arrival::default(); self.hosts];
        }
        message.arrivals[host as usize] = Arrival::new(took_us, hops.unwrap_or(HOPS_UNKNOWN));
        let subscribers = &self.subscribers[message.workload];
        message.readers_done += u32::from(host != message.author && subscribers.contains(host));
        if message.readers_done == subscribers.without(message.author) {
            message.arrivals = Vec::new();
        }
    }

    /// Whether no workload sends any.
    pub fn is_empty(&self) -> bool {
        self.subscribers.is_empty()
    }

    /// The messages and their numbers, in the order in which they were sent.
    pub fn by_time(&self) -> Vec<(u32, &Message)> {
        let messages = (0..).zip(&self.by_number);
        let mut messages: Vec<_> = messages
            .filter_map(|(number, message)| Some((number, message.as_ref()?)))
            .collect();
        messages.sort_by_key(|(number, message)| (message.at_ns, *number));
        messages
    }

    /// The hosts that are to get a workload's messages.
    pub fn subscribers(&self, workload: usize) -> &HostSet {
        &self.subscribers[workload]
    }

    fn message(&mut self, number: u32) -> Option<&mut Message> {
        self.by_number.get_mut(number as usize)?.as_mut()
    }
}

/// A message of `size_bytes`, at least 4, that carries its number.
pub fn write(number: u32, size_bytes: u32) -> Payload {
    let mut data = number.to_le_bytes().to_vec();
    // What follows differs from byte to byte, as the sealed messages of real groups would.
    data.extend((4..size_bytes).map(|place| (place.wrapping_mul(0x9e37_79b1) >> 24) as u8));
    Payload(data)
}

fn number(data: &Payload) -> Option<u32> {
    data.0.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Message 3 of host 1 to hosts 0 to `subscribers` - 1 of 70.
    fn sent_one(subscribers: u32) -> Messages {
        let mut readers = HostSet::new(70);
        for host in 0..subscribers {
            readers.insert(host);
        }
        let mut messages = Messages::new(70, vec![readers], 0..u64::MAX);
        messages.sending((3, 1024), (1, 0), 1_000_000, Sent::Unanswered);
        messages
    }

    fn only(messages: &Messages) -> &Message {
        messages.by_time()[0].1
    }

    #[test]
    fn a_message_arrives_once_at_each_host() {
        let mut messages = sent_one(70);
        let data = write(3, 1024);
        assert_eq!(data.0.len(), 1024);
        for (from, host, now_ns) in [(1, 69, 3_000_000), (2, 69, 9_000_000), (69, 2, 5_000_000)] {
            messages.came(&data, (Some(from), host), now_ns);
        }
        messages.answered(3, Sent::Yes);
        let (number, message) = messages.by_time()[0];
        assert_eq!((number, message.sent), (3, Sent::Yes));
        assert!(message.got.contains(69) && message.got.contains(2));
        assert!(!message.got.contains(68));
        assert_eq!(message.arrived_ns(69), Some(3_000_000));
        assert_eq!(message.arrived_ns(68), None);
        assert_eq!(message.last_ns(), 5_000_000);
        assert_eq!(messages.latencies.count(), 2);
        assert_eq!(messages.firsts, 3);
    }

    #[test]
    fn hops_are_counted_from_the_author() {
        let mut messages = sent_one(70);
        let data = write(3, 4);
        for (from, host) in [
            (Some(1), 4),
            (Some(4), 5),
            (Some(5), 6),
            (None, 7),
            (Some(9), 8),
        ] {
            messages.came(&data, (from, host), 2_000_000);
        }
        let hops = |host: u32| only(&messages).hops_by(host);
        assert_eq!([4, 5, 6].map(hops), [Some(2), Some(3), Some(4)]);
        assert_eq!(hops(30), None);
        // Of those that came from nowhere it is not known how far that is.
        assert_eq!(messages.hops.count(), 3);
    }

    #[test]
    fn nothing_is_kept_of_what_came_to_all() {
        let mut messages = sent_one(3);
        let data = write(3, 4);
        for host in [0, 9, 2] {
            assert!(host == 0 || !only(&messages).arrivals.is_empty());
            messages.came(&data, (Some(1), host), 2_000_000);
        }
        assert!(only(&messages).arrivals.is_empty());
        assert!(
            only(&messages).got.contains(9),
            "who listens without being meant"
        );
    }

    #[test]
    fn strange_messages_are_nobodys() {
        let mut messages = sent_one(70);
        for data in [Payload(vec![1, 2]), write(9, 4), write(2, 4)] {
            messages.came(&data, (Some(1), 5), 2_000_000);
        }
        assert_eq!(messages.latencies.count(), 0);
        assert!(!only(&messages).got.contains(5));
    }

    #[test]
    fn what_was_sent_before_the_window_is_not_measured() {
        let mut messages = sent_one(70);
        messages.window_ns = 1_000_001..u64::MAX;
        messages.came(&write(3, 4), (Some(1), 5), 2_000_000);
        assert_eq!((messages.latencies.count(), messages.hops.count()), (0, 0));
    }
}
