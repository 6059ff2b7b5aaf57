//! What became of messages to groups without storage: shares, and a cause for
//! each that did not arrive.

use std::collections::BTreeMap;

use orrery_reports::record::Loss;

use super::machine::{Machines, State};
use super::messages::{LIFE_NS, Message, Sent};
use crate::format::workload::Action;

/// A loss that nothing explains.
pub const UNKNOWN: &str = "unknown";

/// All fates of a run, counted.
#[derive(Debug, Default)]
pub struct Fates {
    /// Messages whose author's node took them.
    pub published: u64,
    /// Pairs of a message and a subscriber who got it.
    pub delivered: u64,
    /// Pairs in which the subscriber did not, by cause.
    pub causes: BTreeMap<String, u64>,
    /// The first of those.
    pub losses: Vec<Loss>,
}

/// Follows every measured message to each subscriber; lists at most `listed_max` losses.
pub fn follow(machines: &Machines, state: &State, end_ns: u64, listed_max: usize) -> Fates {
    let mut fates = Fates::default();
    let subscribers = subscribers(machines);
    let harm = Harm {
        last_cut_ns: &state.last_cut_ns,
        partitions: state.partition_times_ns.values().copied().collect(),
        end_ns,
    };
    for (number, message) in state.messages.all() {
        if !machines.is_measured(message.at_ns) {
            continue;
        }
        fates.published += u64::from(message.sent == Sent::Yes);
        for &host in &subscribers[message.workload] {
            if host == message.author {
                continue;
            }
            if message.got.contains(host) {
                fates.delivered += 1;
                continue;
            }
            let cause = harm.cause(message, host);
            *fates.causes.entry(cause.to_owned()).or_default() += 1;
            if fates.losses.len() < listed_max {
                fates.losses.push(Loss {
                    item: format!("message {number}"),
                    author: machines.world.hosts[message.author as usize].name.clone(),
                    reader: machines.world.hosts[host as usize].name.clone(),
                    created_s: message.at_ns as f64 / 1e9,
                    cause: cause.to_owned(),
                });
            }
        }
    }
    fates
}

/// By workload, the hosts whose nodes join its topic.
fn subscribers(machines: &Machines) -> Vec<Vec<u32>> {
    let joined = |topic: &str| {
        let groups = machines.scenario.groups.iter();
        groups
            .filter(|group| group.has_joined(topic))
            .flat_map(crate::format::group::Group::hosts)
            .collect()
    };
    let workloads = machines.scenario.workloads.iter();
    workloads
        .map(|workload| match &workload.action {
            Action::Publish { topic, .. } => joined(topic),
            _ => Vec::new(),
        })
        .collect()
}

/// What of a run can keep a message from a host.
struct Harm<'a> {
    /// By host, when it last lost its power.
    last_cut_ns: &'a [Option<u64>],
    /// From when and until when the network was parted, in nanoseconds; open if it never healed.
    partitions: Vec<(u64, Option<u64>)>,
    /// When the run ended.
    end_ns: u64,
}

impl Harm<'_> {
    /// Why a message did not arrive at `host`.
    fn cause(&self, message: &Message, host: u32) -> &'static str {
        match message.sent {
            Sent::AuthorDown => return "author-down",
            Sent::Refused => return "not-published",
            Sent::Unanswered | Sent::Yes => {}
        }
        let life_ns = message.at_ns..message.at_ns.saturating_add(LIFE_NS);
        if !message.present.contains(host) {
            return "reader-away";
        }
        let cut =
            |host: u32| self.last_cut_ns[host as usize].is_some_and(|at| life_ns.contains(&at));
        if cut(host) {
            return "reader-lost-power";
        }
        if cut(message.author) {
            return "author-lost-power";
        }
        let parted = |(from_ns, to_ns): &(u64, Option<u64>)| {
            *from_ns < life_ns.end && to_ns.is_none_or(|to_ns| to_ns > life_ns.start)
        };
        if self.partitions.iter().any(parted) {
            return "partitioned";
        }
        if life_ns.contains(&self.end_ns) {
            return "in-flight-at-the-end";
        }
        UNKNOWN
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::HostSet;
    use super::*;

    const AUTHOR: u32 = 0;
    const READER: u32 = 1;
    /// When the message of these tests is sent.
    const SENT_NS: u64 = 100_000_000_000;

    /// A message that was sent at `SENT_NS`, and that nothing kept from its reader.
    fn message() -> Message {
        let mut present = HostSet::new(2);
        present.insert(READER);
        Message {
            author: AUTHOR,
            at_ns: SENT_NS,
            workload: 0,
            sent: Sent::Yes,
            present,
            got: HostSet::new(2),
        }
    }

    /// The cause, if hosts lost their power at `cuts_ns` and the network was parted so.
    #[track_caller]
    fn check(
        message: &Message,
        cuts_ns: [Option<u64>; 2],
        parted_ns: Option<(u64, Option<u64>)>,
        expected: &str,
    ) {
        let harm = Harm {
            last_cut_ns: &cuts_ns,
            partitions: parted_ns.into_iter().collect(),
            end_ns: SENT_NS + 2 * LIFE_NS,
        };
        assert_eq!(harm.cause(message, READER), expected);
    }

    #[test]
    fn a_loss_without_a_cause_is_unknown() {
        check(&message(), [None, None], None, UNKNOWN);
        let unanswered = Message {
            sent: Sent::Unanswered,
            ..message()
        };
        check(&unanswered, [None, None], None, UNKNOWN);
    }

    #[test]
    fn what_was_never_sent_has_its_author_as_cause() {
        for (sent, expected) in [
            (Sent::AuthorDown, "author-down"),
            (Sent::Refused, "not-published"),
        ] {
            let message = Message { sent, ..message() };
            let cut = Some(SENT_NS + 1);
            check(&message, [cut, cut], Some((0, None)), expected);
        }
    }

    #[test]
    fn a_reader_who_was_not_connected_is_away() {
        let message = Message {
            present: HostSet::new(2),
            ..message()
        };
        check(&message, [None, None], None, "reader-away");
    }

    #[test]
    fn lost_power_counts_while_the_message_lives() {
        let within = Some(SENT_NS + LIFE_NS - 1);
        check(&message(), [None, within], None, "reader-lost-power");
        check(&message(), [within, None], None, "author-lost-power");
        check(&message(), [within, within], None, "reader-lost-power");
        for outside in [SENT_NS - 1, SENT_NS + LIFE_NS] {
            check(&message(), [Some(outside), Some(outside)], None, UNKNOWN);
        }
    }

    #[test]
    fn a_partition_counts_if_it_overlaps_the_message() {
        let nobody = [None, None];
        for parted in [
            (0, None),
            (0, Some(SENT_NS + 1)),
            (SENT_NS + LIFE_NS - 1, Some(SENT_NS + 2 * LIFE_NS)),
        ] {
            check(&message(), nobody, Some(parted), "partitioned");
        }
        for parted in [(0, Some(SENT_NS)), (SENT_NS + LIFE_NS, None)] {
            check(&message(), nobody, Some(parted), UNKNOWN);
        }
    }

    #[test]
    fn a_message_that_lives_beyond_the_end_is_in_flight() {
        for (end_ns, expected) in [
            (SENT_NS + LIFE_NS - 1, "in-flight-at-the-end"),
            (SENT_NS + LIFE_NS, UNKNOWN),
        ] {
            let harm = Harm {
                last_cut_ns: &[None, None],
                partitions: Vec::new(),
                end_ns,
            };
            assert_eq!(harm.cause(&message(), READER), expected);
        }
    }
}
