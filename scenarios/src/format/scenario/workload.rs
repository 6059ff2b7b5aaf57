//! What people do with their nodes.
//!
//! A new workload is a member of [`WorkloadFields`] (its documentation), one of [`Action`] (its
//! resolved form), an arm in [`Workload::read`], and its metrics in `metrics/`.

use orrery_node::config::Gossip;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::connect::Connect;
use super::flow::{Flow, Load};
use super::friends::Graph;
use super::group::Group;
use super::lookup::{Lookup, RungName, SoughtName};
use super::pace::{Pace, PaceFields, read_length};
use super::packets::{ArrivalsName, Packets};
use super::possible::latest_ns;
use super::punch::Punch;
use super::selector::{self, Hosts};
use crate::format::reading::amount::{Amount, AmountText};
use crate::format::reading::problem::{Problems, quoted, suggestion};
use crate::format::reading::quantity::bytes;
use crate::format::reading::reader::{Reader, fields_of_kind, kinds_of};
use crate::format::reading::tree::Table;

/// Hosts as text (`home`, `home[3]`, `home[0..20]`) or a list of such texts.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum HostsText {
    /// One selector.
    One(String),
    /// Several; their union is meant.
    Several(Vec<String>),
}

/// `[[workload]]`: what people do with their nodes.
#[derive(JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum WorkloadFields {
    /// Hosts write posts.
    Post {
        /// Who posts.
        from: HostsText,
        /// When each of them does.
        #[serde(flatten)]
        pace: PaceFields,
        /// Who may read: `friends` (if absent) or `public`.
        to: Option<AudienceName>,
        /// Size of a post's text, such as `uniform(100B, 2kB)`; `200B` if absent.
        size: Option<AmountText>,
    },
    /// Hosts pull from everybody they follow, beyond the node's own regular pulls.
    Pull {
        /// Who pulls.
        from: HostsText,
        /// When each of them does.
        #[serde(flatten)]
        pace: PaceFields,
    },
    /// Hosts write posts to all friends but one, who is let in only later.
    LateGrant {
        /// Who posts.
        from: HostsText,
        /// When each of them does.
        #[serde(flatten)]
        pace: PaceFields,
        /// How old a post is when the last friend may read it, such as `uniform(1m, 5m)`.
        age: AmountText,
        /// Size of a post's text; `200B` if absent.
        size: Option<AmountText>,
    },
    /// Hosts send bytes over TCP connections of their own, beside or without nodes.
    Flow {
        /// Who sends.
        from: HostsText,
        /// When each of them starts a flow.
        #[serde(flatten)]
        pace: PaceFields,
        /// Who receives: the n-th sender sends to the n-th of them, over and over.
        to: HostsText,
        /// How much, such as `10MB`. Without it and `for`, a flow sends until workloads end.
        bytes: Option<String>,
        /// How long a flow sends without pause, such as `30s`.
        #[serde(rename = "for")]
        length: Option<String>,
        /// The port that the sender connects from; a free one if absent.
        port: Option<u16>,
    },
    /// Hosts send datagrams at a rate, over UDP and beside or without nodes: a plain source for
    /// queues and links. It ends when the sender loses power.
    Packets {
        /// Who sends.
        from: HostsText,
        /// Who receives: the n-th sender sends to the n-th of them, over and over.
        to: HostsText,
        /// How much each of them sends: packets a second, such as `500/s`, or bits, such as
        /// `5Mbit/s`.
        rate: String,
        /// Size of a packet with all its headers, 28 bytes over IPv4; `1200B` if absent.
        size: Option<String>,
        /// How packets follow each other: at `constant` distances (if absent), or as `poisson` has
        /// it.
        arrivals: Option<ArrivalsName>,
        /// When they begin, such as `10s`; with the run if absent.
        at: Option<AmountText>,
        /// How long they go on, such as `30s`; until workloads end if absent.
        #[serde(rename = "for")]
        length: Option<String>,
    },
    /// Hosts without nodes punch holes: each pair learns from a third host where it is seen, and
    /// then both send to each other at once.
    Punch {
        /// The first of each pair.
        from: HostsText,
        /// When each of them does.
        #[serde(flatten)]
        pace: PaceFields,
        /// The second: the n-th host goes with the n-th of them, over and over.
        to: HostsText,
        /// The host that tells both where they are seen; everybody has to reach it.
        via: String,
        /// `udp` (if absent) or `tcp`.
        protocol: Option<ProtocolName>,
        /// `ipv4` (if absent) or `ipv6`.
        family: Option<FamilyName>,
        /// Whether `tcp` also takes connections from elsewhere than the dialled endpoint, on the
        /// same port; `true` if absent.
        listens: Option<bool>,
        /// How many times each side tries; 10 if absent.
        tries: Option<u32>,
        /// From one try to the next; `1s` if absent. A dial under way is not tried again.
        spacing: Option<String>,
        /// How much later than the first the second side begins; `0s` if absent. The first begins
        /// as soon as both know where the other is seen.
        later: Option<String>,
    },
    /// Hosts block others: refuse their requests and leave them out of later posts.
    Block {
        /// Who blocks.
        from: HostsText,
        /// Who is blocked: those of them who are friends of the one who blocks.
        whom: HostsText,
        /// When.
        at: AmountText,
    },
    /// Hosts dial others, beyond whom the node dials by itself.
    Dial {
        /// Who dials.
        from: HostsText,
        /// When each of them does.
        #[serde(flatten)]
        pace: PaceFields,
        /// Who is dialled; nobody dials itself.
        to: HostsText,
        /// How many of `to` the seed draws for each dialling; all of them if absent.
        peers: Option<u32>,
    },
    /// Hosts connect to others, wherever these are: at the addresses that are known of them, or by
    /// what the rungs of `reach.ladder` find. Of hosts behind NATs circuits through the relays of
    /// their group's `bootstrap` are known, and nothing else.
    Connect {
        /// Who reaches others.
        from: HostsText,
        /// When each of them does.
        #[serde(flatten)]
        pace: PaceFields,
        /// Who is reached: the k-th action of the n-th host goes to the (n + k)-th of them, over
        /// and over, so that in turn everybody reaches everybody; nobody reaches itself.
        to: HostsText,
        /// What counts as success: a connection of `any` kind (if absent), or a `direct` one.
        path: Option<WantedPath>,
        /// Time for it; `90s` if absent.
        timeout: Option<String>,
        /// How long such a connection must live to count, such as `5s`; `1s` if absent. An attempt
        /// whose connection dies earlier has failed, by `connection-lost`.
        holds: Option<String>,
    },
    /// Hosts look up where others are.
    Lookup {
        /// Who looks.
        from: HostsText,
        /// When each of them does.
        #[serde(flatten)]
        pace: PaceFields,
        /// Who is looked for: the seed draws one of them each time, never the one who looks.
        to: HostsText,
        /// The way to find them; `kad` if absent.
        by: Option<RungName>,
        /// What is looked for: their `address` (if absent), or the `peers` nearest to its record.
        what: Option<SoughtName>,
    },
    /// Hosts send messages to a group without storage. Every host whose node has joined the topic
    /// is meant to get them (`"gossip.enabled" = true`, `"gossip.topics" = ["…"]`).
    Publish {
        /// Who sends.
        from: HostsText,
        /// When each of them does.
        #[serde(flatten)]
        pace: PaceFields,
        /// The group's topic.
        topic: String,
        /// Size of a message, at least 4 bytes and at most what the nodes of those who send may
        /// (`"gossip.max_message_bytes"` less 1,024 bytes for author and signature); `200B` if
        /// absent. A host whose own limit is smaller leaves the message out.
        size: Option<AmountText>,
    },
}

/// Which connections count as success.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WantedPath {
    /// Any.
    Any,
    /// One without a relay in between.
    Direct,
}

/// What is sent through the holes.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProtocolName {
    /// Datagrams.
    Udp,
    /// Connections that both sides open.
    Tcp,
}

/// Which of their addresses hosts use.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FamilyName {
    /// Those that NATs translate.
    Ipv4,
    /// Those that are at most filtered.
    Ipv6,
}

/// Who may read a post.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AudienceName {
    /// Everybody the author follows.
    Friends,
    /// Anybody.
    Public,
}

/// Who may read a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readers {
    /// Everybody the author follows.
    Friends,
    /// Anybody.
    Public,
}

/// What people do with their nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Who.
    pub from: Hosts,
    /// When.
    pub pace: Pace,
    /// What.
    pub action: Action,
}

/// What a workload does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Write a post.
    Post {
        /// Who may read it.
        to: Readers,
        /// Size of its text in bytes.
        size_bytes: Amount,
    },
    /// Pull from everybody followed.
    Pull,
    /// Write a post and let one friend in later.
    LateGrant {
        /// Age of the post at that moment, in nanoseconds.
        age_ns: Amount,
        /// Size of its text in bytes.
        size_bytes: Amount,
    },
    /// Send bytes.
    Flow(Flow),
    /// Send datagrams at a rate.
    Packets(Packets),
    /// Try to reach each other through NATs.
    Punch(Punch),
    /// Block others.
    Block {
        /// Whom.
        whom: Hosts,
    },
    /// Dial others.
    Dial {
        /// Whom, the one who dials aside.
        to: Hosts,
        /// How many of them; all if absent.
        peers: Option<u32>,
    },
    /// Reach others.
    Connect(Connect),
    /// Look up where somebody is.
    Lookup(Lookup),
    /// Send a message to a group without storage.
    Publish {
        /// The group's topic.
        topic: String,
        /// Size of the message in bytes.
        size_bytes: Amount,
    },
}

impl Action {
    /// The workload's kind, as written.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Post { .. } => "post",
            Self::Pull => "pull",
            Self::LateGrant { .. } => "late-grant",
            Self::Flow(_) => "flow",
            Self::Packets(_) => "packets",
            Self::Punch(_) => "punch",
            Self::Block { .. } => "block",
            Self::Dial { .. } => "dial",
            Self::Connect(_) => "connect",
            Self::Lookup(_) => "lookup",
            Self::Publish { .. } => "publish",
        }
    }
}

/// Actions of all workloads together at most, as expected from their paces.
pub const ACTIONS_MAX: u64 = 5_000_000;

impl Workload {
    /// Actions to be expected within `duration_ns`.
    pub fn expected_actions(&self, duration_ns: u64) -> u64 {
        u64::from(self.from.len()) * self.pace.expected(duration_ns)
    }

    /// Whether what it does may still go on at `from_ns`, or begin later, in some seed.
    pub fn reaches(&self, from_ns: u64) -> bool {
        let last = (0..u64::from(self.from.len())).map(|place| latest_ns(self.pace, place));
        let Some(last_ns) = last.max().flatten() else {
            return true;
        };
        let longest_ns = match &self.action {
            // How long so many bytes take is not known beforehand.
            Action::Flow(Flow {
                load: Load::Bytes(_) | Load::ToTheEnd,
                ..
            }) => return true,
            Action::Flow(Flow {
                load: Load::For(length_ns),
                ..
            }) => *length_ns,
            Action::Packets(packets) => match packets.length_ns {
                Some(length_ns) => length_ns,
                None => return true,
            },
            Action::LateGrant { age_ns, .. } => match age_ns.bounds() {
                Some((_, high)) => high.max(0) as u64,
                None => return true,
            },
            Action::Post { .. }
            | Action::Pull
            | Action::Punch(_)
            | Action::Block { .. }
            | Action::Dial { .. }
            | Action::Connect(_)
            | Action::Lookup(_)
            | Action::Publish { .. } => 0,
        };
        last_ns.saturating_add(longest_ns) >= from_ns
    }

    /// Reads a workload; `None` if a problem was noted that leaves nothing to play.
    pub fn read(
        table: &Table,
        groups: &[Group],
        duration_ns: u64,
        problems: &mut Problems,
    ) -> Option<Self> {
        let kind = read_kind::<WorkloadFields>(table, "workload", problems)?;
        let what = format!("workload \"{kind}\"");
        let fields = fields_of_kind::<WorkloadFields>(&kind)?;
        let reader = Reader::new(table, &what, &fields, problems);
        let from = selector::read(&reader, "from", groups, problems);
        let pace = if kind == "block" || kind == "packets" {
            let at_ns = super::pace::read_at(&reader, duration_ns, problems);
            Pace::At {
                at_ns: at_ns.unwrap_or(Amount::constant(0)),
                count: 1,
            }
        } else {
            Pace::read(&reader, duration_ns, problems)
        };
        let action = match kind.as_str() {
            "post" => {
                let choices = [("friends", Readers::Friends), ("public", Readers::Public)];
                let to = reader
                    .choice("to", &choices, problems)
                    .unwrap_or(Readers::Friends);
                Action::Post {
                    to,
                    size_bytes: read_size(&reader, problems),
                }
            }
            "pull" => Action::Pull,
            "flow" => Action::Flow(Flow::read(&reader, from.as_ref(), groups, problems)?),
            "packets" => {
                let from = from.as_ref();
                Action::Packets(Packets::read(&reader, from, groups, duration_ns, problems)?)
            }
            "punch" => Action::Punch(Punch::read(&reader, from.as_ref(), groups, problems)?),
            "late-grant" => Action::LateGrant {
                age_ns: read_age(&reader, duration_ns, problems)?,
                size_bytes: read_size(&reader, problems),
            },
            "dial" => Action::Dial {
                to: selector::read(&reader, "to", groups, problems)?,
                peers: reader
                    .whole("peers", 1..=10_000, problems)
                    .map(|count| count as u32),
            },
            "connect" => Action::Connect(Connect::read(&reader, groups, problems)?),
            "lookup" => Action::Lookup(Lookup::read(&reader, groups, problems)?),
            "publish" => Action::Publish {
                topic: reader.text("topic", problems)?.to_owned(),
                size_bytes: read_message_size(&reader, from.as_ref(), groups, problems),
            },
            _ => Action::Block {
                whom: selector::read(&reader, "whom", groups, problems)?,
            },
        };
        let workload = Self {
            from: from?,
            pace,
            action,
        };
        workload
            .pace
            .note_too_long(workload.from.len(), duration_ns, &reader, problems);
        match &workload.action {
            Action::Dial { .. } | Action::Connect(_) | Action::Lookup(_) => {
                workload.note_nodeless(&reader, groups, problems);
            }
            Action::Publish { topic, .. } => {
                workload.note_outsiders(topic, &reader, groups, problems);
            }
            _ => workload.note_lonely(&reader, groups, problems),
        }
        Some(workload)
    }

    /// A group is heard of only by hosts that take part in it.
    fn note_outsiders(
        &self,
        topic: &str,
        reader: &Reader<'_>,
        groups: &[Group],
        problems: &mut Problems,
    ) {
        let help = "set node = { \"gossip.enabled\" = true, \"gossip.topics\" = [\"…\"] }";
        let mut note = |message: String| {
            problems.push_with_help(reader.span("topic"), message, Some(help.to_owned()));
        };
        for group in groups {
            let sends = self.from.iter().any(|host| group.hosts().contains(&host));
            if sends && !group.plays_gossip() {
                note(format!(
                    "hosts of group {} send, but their nodes take part in no groups",
                    quoted(&group.name)
                ));
            }
        }
        if !groups.iter().any(|group| group.has_joined(topic)) {
            note(format!("no host has joined the topic {}", quoted(topic)));
        }
    }

    /// Nobody acts through a node who has none. Returns whether somebody would have to.
    fn note_nodeless(
        &self,
        reader: &Reader<'_>,
        groups: &[Group],
        problems: &mut Problems,
    ) -> bool {
        for group in groups.iter().filter(|group| !group.has_node()) {
            if self.from.iter().any(|host| group.hosts().contains(&host)) {
                let message = format!(
                    "{} needs nodes, and group {} has none",
                    reader.what,
                    quoted(&group.name)
                );
                problems.push(reader.span("from"), message);
                return true;
            }
        }
        false
    }

    /// Whatever people without friends do reaches nobody.
    fn note_lonely(&self, reader: &Reader<'_>, groups: &[Group], problems: &mut Problems) {
        let needs_node = !matches!(
            self.action,
            Action::Flow(_) | Action::Packets(_) | Action::Punch(_)
        );
        if !needs_node || self.note_nodeless(reader, groups, problems) {
            return;
        }
        let lonely = groups.iter().all(|group| {
            let concerned = self.from.iter().any(|host| group.hosts().contains(&host));
            let none = group.friends.friendships(group.count) == 0 || group.friends == Graph::None;
            !concerned || none && !has_friends_elsewhere(group, groups)
        });
        if lonely {
            let message = format!("{} reaches nobody: its hosts have no friends", reader.what);
            let help = "give their group friends, such as { graph = \"ring\" }".to_owned();
            problems.push_with_help(reader.span("from"), message, Some(help));
        }
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

/// A message carries the number by which its fate is followed.
pub const MESSAGE_MIN_BYTES: i64 = 4;

/// Reads the size of messages, which the nodes of all who send them must be let send.
fn read_message_size(
    reader: &Reader<'_>,
    from: Option<&Hosts>,
    groups: &[Group],
    problems: &mut Problems,
) -> Amount {
    let default = Amount::constant(200);
    let Some(size) = reader.amount("size", bytes, problems) else {
        return default;
    };
    let Some((low, high)) = size.bounds() else {
        let message = "\"size\": expected a constant or uniform(a, b)";
        problems.push(reader.span("size"), message);
        return default;
    };
    if low < MESSAGE_MIN_BYTES {
        problems.push(reader.span("size"), "\"size\": expected at least 4B");
        return default;
    }
    for group in groups {
        let sends = from.is_some_and(|from| from.iter().any(|host| group.hosts().contains(&host)));
        let Some(max) = group.message_bytes_max().filter(|_| sends) else {
            continue;
        };
        if high > i64::from(max) {
            let message = format!(
                "\"size\": nodes of group {} send messages of at most {max}B \
                 (\"gossip.max_message_bytes\" less {}B for author and signature)",
                quoted(&group.name),
                Gossip::ENVELOPE_BYTES,
            );
            let help = format!(
                "set node = {{ \"gossip.max_message_bytes\" = {} }}, in all groups that have joined the topic",
                high.saturating_add(i64::from(Gossip::ENVELOPE_BYTES))
            );
            problems.push_with_help(reader.span("size"), message, Some(help));
            return default;
        }
    }
    size
}

/// Reads the `kind` of a workload or fault.
pub fn read_kind<T: JsonSchema>(
    table: &Table,
    what: &str,
    problems: &mut Problems,
) -> Option<String> {
    let kinds = kinds_of::<T>();
    let names = || kinds.iter().map(String::as_str);
    let Some(value) = table.value("kind") else {
        let message = format!("a {what} lacks the field \"kind\"");
        problems.push_with_help(table.span, message, Some(suggestion("", names())));
        return None;
    };
    let Some(text) = value.as_text() else {
        crate::format::reading::reader::wrong_type(value, "kind", "a string", problems);
        return None;
    };
    if !kinds.iter().any(|kind| kind == text) {
        let message = format!("unknown kind of {what} {}", quoted(text));
        problems.push_with_help(value.span, message, Some(suggestion(text, names())));
        return None;
    }
    Some(text.to_owned())
}

/// A post's text at most.
const SIZE_MAX_BYTES: i64 = 32 * 1024;

fn read_size(reader: &Reader<'_>, problems: &mut Problems) -> Amount {
    let default = Amount::constant(200);
    let Some(size) = reader.amount("size", bytes, problems) else {
        return default;
    };
    match size.bounds() {
        Some((low, high)) if low >= 0 && high <= SIZE_MAX_BYTES => size,
        _ => {
            let message = "\"size\": expected a constant or uniform(a, b) of at most 32KiB";
            problems.push(reader.span("size"), message);
            default
        }
    }
}

fn read_age(reader: &Reader<'_>, duration_ns: u64, problems: &mut Problems) -> Option<Amount> {
    let age = read_length(reader, "age", problems)?;
    let least = age.bounds().map_or(0, |(low, _)| low);
    if duration_ns > 0 && least >= duration_ns as i64 {
        let message = "\"age\": every grant would come after the end of the run";
        problems.push(reader.span("age"), message);
        return None;
    }
    Some(age)
}
