//! A workload that is being read: its table, who acts, and what is asked of both by several kinds.

use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::quantity::{bytes, time_ns};
use crate::format::reading::reader::Reader;
use crate::format::scenario::friends::Graph;
use crate::format::scenario::group::Group;
use crate::format::scenario::selector::Hosts;

/// Headers of a datagram over IPv4.
pub const HEADER_BYTES: u32 = 28;

/// A workload that is being read.
pub struct Reading<'a> {
    /// Its table.
    pub reader: Reader<'a>,
    /// Who acts, if that could be read.
    pub from: Option<&'a Hosts>,
    /// The groups of the scenario.
    pub groups: &'a [Group],
    /// The scenario's duration; 0 if it could not be read.
    pub duration_ns: u64,
}

impl Reading<'_> {
    /// Reads `timeout`, which is above 0s, in nanoseconds; `None` if a problem was noted.
    pub fn timeout_ns(&self, default_ns: u64, problems: &mut Problems) -> Option<u64> {
        match self.reader.quantity("timeout", time_ns, problems) {
            None => Some(default_ns),
            Some(ns) if ns > 0 => Some(ns as u64),
            Some(_) => {
                let message = "\"timeout\": expected a time above 0s";
                problems.push(self.reader.span("timeout"), message);
                None
            }
        }
    }

    /// Notes hosts that are to act through nodes and have none. Returns whether there are any.
    pub fn note_nodeless(&self, from: &Hosts, problems: &mut Problems) -> bool {
        for group in self.groups.iter().filter(|group| !group.has_node()) {
            if from.iter().any(|host| group.hosts().contains(&host)) {
                let message = format!(
                    "{} needs nodes, and group {} has none",
                    self.reader.what,
                    quoted(&group.name)
                );
                problems.push(self.reader.span("from"), message);
                return true;
            }
        }
        false
    }

    /// Notes hosts that are to act through nodes on their friends and have no nodes, or none of
    /// which has a friend.
    pub fn note_friendless(&self, from: &Hosts, problems: &mut Problems) {
        if self.note_nodeless(from, problems) {
            return;
        }
        let lonely = self.groups.iter().all(|group| {
            let concerned = from.iter().any(|host| group.hosts().contains(&host));
            let none = group.friends.friendships(group.count) == 0 || group.friends == Graph::None;
            !concerned || none && !has_friends_elsewhere(group, self.groups)
        });
        if lonely {
            let what = self.reader.what;
            let message = format!("{what} has no target: its hosts have no friends");
            let help = "give their group friends, such as { graph = \"ring\" }".to_owned();
            problems.push_with_help(self.reader.span("from"), message, Some(help));
        }
    }

    /// Reads `size`, the bytes of a packet with all its headers, which the senders' links must take
    /// and in which there must be room for so many bytes of payload.
    pub fn packet_bytes(
        &self,
        payload_min: u32,
        default: u32,
        problems: &mut Problems,
    ) -> Option<u32> {
        if self.reader.value("size").is_none() {
            return Some(default);
        }
        let size = self.reader.quantity("size", bytes, problems)?;
        let sends = |group: &&Group| {
            let mut hosts = self.from.into_iter().flat_map(Hosts::iter);
            hosts.any(|host| group.hosts().contains(&host))
        };
        let senders = self.groups.iter().filter(sends);
        let most = senders.map(|group| group.access.mtu_bytes).min();
        let (least, most) = (HEADER_BYTES + payload_min, most.unwrap_or(1_500));
        if !(i64::from(least)..=i64::from(most)).contains(&size) {
            let message = format!(
                "\"size\": expected {least}B to {most}B, headers of {HEADER_BYTES} B included, \
                 which is what the link of the senders takes"
            );
            problems.push(self.reader.span("size"), message);
            return None;
        }
        Some(size as u32)
    }

    /// Notes senders of which one is dealt itself as the receiver. Returns whether there is one.
    pub fn note_to_itself(&self, to: &Hosts, message: &str, problems: &mut Problems) -> bool {
        let mut pairs = self.from.into_iter().flat_map(Hosts::iter).zip(0..);
        let to_itself = pairs.any(|(sender, place)| to.dealt(place) == sender);
        if to_itself {
            problems.push(self.reader.span("to"), message);
        }
        to_itself
    }
}

/// Whether hosts of a group are friends with hosts of others, whichever group says so.
fn has_friends_elsewhere(group: &Group, groups: &[Group]) -> bool {
    let named = |other: &Group| {
        let mut friends = other.friends_with.iter();
        friends.any(|host| group.hosts().contains(&host))
    };
    !group.friends_with.is_empty() || groups.iter().any(named)
}
