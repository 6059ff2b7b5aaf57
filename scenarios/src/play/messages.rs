//! Every message to a group without storage has a fate at each subscriber.
//!
//! Compact, since there may be a thousand subscribers and more: a message's
//! fate is a bit a host, and it is found by the number that it carries. Times
//! are simulated nanoseconds.

use orrery_node::api::Payload;
use orrery_reports::stats::Recorder;

/// How long after it was sent a message may still reach somebody: gossipsub
/// tells of it for `history_gossip` heartbeats, and then it is gone.
pub const LIFE_NS: u64 = 10_000_000_000;

/// A set of hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSet(Vec<u64>);

impl HostSet {
    /// None of `hosts` hosts.
    pub fn new(hosts: usize) -> Self {
        Self(vec![0; hosts.div_ceil(64)])
    }

    /// Puts `host` in; whether it was not there.
    pub fn insert(&mut self, host: u32) -> bool {
        let (word, bit) = (host as usize / 64, 1 << (host % 64));
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    /// Whether `host` is in it.
    pub fn contains(&self, host: u32) -> bool {
        self.0[host as usize / 64] & (1 << (host % 64)) != 0
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
    /// How that went.
    pub sent: Sent,
    /// Hosts whose nodes were up and connected with somebody at that moment.
    pub present: HostSet,
    /// Hosts that got it.
    pub got: HostSet,
}

/// All messages of a run.
#[derive(Debug)]
pub struct Messages {
    hosts: usize,
    /// By number; numbers are given out beforehand, so messages are entered in any order.
    by_number: Vec<Option<Message>>,
    /// From sending to first arrival, of the measured ones.
    pub latencies: Recorder,
    /// Copies that came in on nodes that have lost their power since.
    pub copies_lost: u64,
    /// First copies that came in, over all nodes.
    pub firsts: u64,
}

impl Messages {
    /// No message among `hosts` hosts.
    pub fn new(hosts: usize) -> Self {
        Self {
            hosts,
            by_number: Vec::new(),
            latencies: Recorder::of_microseconds(),
            copies_lost: 0,
            firsts: 0,
        }
    }

    /// Message `number` is being sent.
    pub fn sending(
        &mut self,
        number: u32,
        (author, workload): (u32, usize),
        at_ns: u64,
        sent: Sent,
        present: HostSet,
    ) {
        let place = number as usize;
        if self.by_number.len() <= place {
            self.by_number.resize_with(place + 1, || None);
        }
        self.by_number[place] = Some(Message {
            author,
            at_ns,
            workload,
            sent,
            present,
            got: HostSet::new(self.hosts),
        });
    }

    /// The author's node has answered.
    pub fn answered(&mut self, number: u32, sent: Sent) {
        if let Some(message) = self.message(number) {
            message.sent = sent;
        }
    }

    /// A message came to `host` for the first time. What is none of ours is left out.
    pub fn came(&mut self, data: &Payload, host: u32, now_ns: u64, measured: impl Fn(u64) -> bool) {
        self.firsts += 1;
        let Some(message) = number(data).and_then(|number| self.message(number)) else {
            return;
        };
        let (at_ns, is_new) = (message.at_ns, message.got.insert(host));
        if is_new && measured(at_ns) {
            let took_ns = now_ns.saturating_sub(at_ns);
            self.latencies.record(at_ns, took_ns / 1000);
        }
    }

    /// The messages and their numbers.
    pub fn all(&self) -> impl Iterator<Item = (u32, &Message)> {
        (0..)
            .zip(&self.by_number)
            .filter_map(|(number, message)| Some((number, message.as_ref()?)))
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

    fn sent_one() -> Messages {
        let mut messages = Messages::new(70);
        messages.sending(3, (1, 0), 1_000_000, Sent::Unanswered, HostSet::new(70));
        messages
    }

    #[test]
    fn a_message_arrives_once_at_each_host() {
        let mut messages = sent_one();
        let data = write(3, 1024);
        assert_eq!(data.0.len(), 1024);
        for (host, now_ns) in [(69, 3_000_000), (69, 9_000_000), (2, 5_000_000)] {
            messages.came(&data, host, now_ns, |_| true);
        }
        messages.answered(3, Sent::Yes);
        let (number, message) = messages.all().next().expect("it was sent");
        assert_eq!((number, message.sent), (3, Sent::Yes));
        assert!(message.got.contains(69) && message.got.contains(2));
        assert!(!message.got.contains(68));
        assert_eq!(messages.latencies.count(), 2);
        assert_eq!(messages.firsts, 3);
    }

    #[test]
    fn strange_messages_are_nobodys() {
        let mut messages = sent_one();
        for data in [Payload(vec![1, 2]), write(9, 4), write(2, 4)] {
            messages.came(&data, 5, 2_000_000, |_| true);
        }
        assert_eq!(messages.latencies.count(), 0);
        let (_, message) = messages.all().next().expect("it was sent");
        assert!(!message.got.contains(5));
    }

    #[test]
    fn what_was_sent_before_the_window_is_not_measured() {
        let mut messages = sent_one();
        messages.came(&write(3, 4), 5, 2_000_000, |at_ns| at_ns > 1_000_000);
        assert_eq!(messages.latencies.count(), 0);
    }
}
