//! What a scenario says of hostile peers, and what is wrong with it.

use orrery_node_hostile::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::format::reading::problem::{Problems, quoted, suggestion};
use crate::format::reading::quantity::time_ns;
use crate::format::reading::reader::{Reader, fields_of, wrong_type};
use crate::format::reading::source::Span;
use crate::format::reading::tree::{Kind as Shape, Table};
use crate::format::scenario::selector::{self, HostGroup, Hosts, HostsText};

/// `[group.hostile]`: what the hostile peers of a group do, and to whom. They act from their `boot`,
/// the start of the run if absent, until the workloads end, and each misbehaviour goes on beside the
/// others. `hostile.attempts` and the like count their acts; a misbehaviour that never comes about
/// fails the run.
#[derive(JsonSchema)]
pub struct HostileFields {
    /// Their misbehaviours, such as `["silent-connections", "request-floods"]`; `orrery explain
    /// hostile` lists them. With an empty list they do nothing.
    pub does: Vec<String>,
    /// Hosts that they act on, one after the other by chance: hosts with nodes.
    pub target: HostsText,
    /// From one act to the next of the same misbehaviour and host; `1s` if absent.
    pub every: Option<String>,
    /// How long one act goes on unless its target ends it; `30s` if absent.
    pub hold: Option<String>,
    /// Acts of one misbehaviour that a host has under way at most; further ones are left out and
    /// counted. 64 if absent.
    pub at_once: Option<u32>,
    /// Topics of groups on which they speak; none if absent.
    pub topics: Option<Vec<String>>,
}

/// What hostile peers do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hostile {
    /// Names of their misbehaviours, each known and there once.
    pub does: Vec<String>,
    /// On whom.
    pub target: Hosts,
    /// From one act to the next of a kind, in nanoseconds, above 0.
    pub every_ns: u64,
    /// How long an act goes on, in nanoseconds, above 0.
    pub hold_ns: u64,
    /// Acts of a kind that are under way at most.
    pub at_once_max: u32,
    /// Topics on which they speak.
    pub topics: Vec<String>,
}

/// Acts of one kind under way at most, of one host.
const AT_ONCE_MAX: i64 = 10_000;

impl Hostile {
    /// Reads `hostile`, its targets aside.
    pub(super) fn read(group: &Reader<'_>, problems: &mut Problems) -> Self {
        let Some(table) = group.table("hostile", problems) else {
            let message =
                "program = \"hostile\" needs [group.hostile], with \"does\" and \"target\"";
            problems.push(group.span("program"), message);
            return Self::default();
        };
        let reader = Reader::new(table, "hostile", &fields_of::<HostileFields>(), problems);
        let mut time = |key, otherwise| match reader.quantity(key, time_ns, problems) {
            Some(ns) if ns <= 0 => {
                let message = format!("\"{key}\": expected a time above 0s");
                problems.push(reader.span(key), message);
                otherwise
            }
            read => read.map_or(otherwise, |ns| ns as u64),
        };
        let (every_ns, hold_ns) = (time("every", 1_000_000_000), time("hold", 30_000_000_000));
        let at_once = reader.whole("at_once", 1..=AT_ONCE_MAX, problems);
        let does = texts(&reader, "does", problems);
        for (place, (name, span)) in does.iter().enumerate() {
            if Kind::named(name).is_none() {
                let help = suggestion(name, Kind::ALL.iter().map(|kind| kind.name()));
                let message = format!("unknown misbehaviour {}", quoted(name));
                problems.push_with_help(*span, message, Some(help));
            } else if does[..place].iter().any(|(other, _)| other == name) {
                problems.push(*span, format!("\"does\" names {} twice", quoted(name)));
            }
        }
        let topics = texts(&reader, "topics", problems);
        let gossips = does.iter().find(|(name, _)| name.starts_with("gossip-"));
        if let (Some((name, span)), true) = (gossips, topics.is_empty()) {
            let message = format!("{} needs \"topics\", on which it speaks", quoted(name));
            problems.push(*span, message);
        }
        let names = |texts: Vec<(String, _)>| texts.into_iter().map(|(text, _)| text).collect();
        Self {
            does: names(does),
            target: Hosts::default(),
            every_ns,
            hold_ns,
            at_once_max: at_once.map_or(64, |count| count as u32),
            topics: names(topics),
        }
    }
}

/// Strings of a list, each with where it stands.
fn texts(reader: &Reader<'_>, key: &str, problems: &mut Problems) -> Vec<(String, Span)> {
    let Some(value) = reader.value(key) else {
        return Vec::new();
    };
    let Shape::Array(items) = &value.kind else {
        wrong_type(value, key, "a list of names", problems);
        return Vec::new();
    };
    let mut texts = Vec::new();
    for item in items.iter().take(1_000) {
        match item.as_text() {
            Some(text) => texts.push((text.to_owned(), item.span)),
            None => wrong_type(item, key, "a name", problems),
        }
    }
    texts
}

/// Reads the targets of a hostile group, now that all groups are known.
pub(super) fn read_target<G: HostGroup>(
    table: &Table,
    groups: &[G],
    problems: &mut Problems,
) -> Option<Hosts> {
    let table = table.value("hostile")?.as_table()?;
    let what = "hostile";
    let reader = Reader { table, what };
    let target = selector::read(&reader, "target", groups, problems)?;
    for other in groups.iter().filter(|other| !other.has_node()) {
        if target.iter().any(|host| other.hosts().contains(&host)) {
            let message = format!("\"target\": group {} has no nodes", quoted(other.name()));
            problems.push(reader.span("target"), message);
        }
    }
    Some(target)
}

#[cfg(test)]
mod tests {
    use crate::format::read;
    use crate::program::Program;

    fn text(fields: &str) -> String {
        format!(
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='home'\ncount=3\n[[group]]\nname='plain'\ncount=1\nprogram='none'\n\
             [[group]]\nname='crowd'\ncount=2\n{fields}\n"
        )
    }

    #[test]
    fn a_hostile_group_says_what_it_does_to_whom() {
        let fields = "program='hostile'\nhostile={does=['garbage'],target='home[1..3]',every='2s'}";
        let plan = read("t", &text(fields), None, &[]);
        let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
        let group = &plan.cases[0].scenario.groups[2];
        let Program::Hostile(hostile) = &group.program else {
            panic!("a hostile group was asked for");
        };
        assert_eq!(hostile.does, ["garbage"]);
        assert_eq!(hostile.target.iter().collect::<Vec<_>>(), [1, 2]);
        let times = (hostile.every_ns, hostile.hold_ns, hostile.at_once_max);
        assert_eq!(times, (2_000_000_000, 30_000_000_000, 64));
        assert!(!group.has_node());
    }

    #[test]
    fn what_is_wrong_with_a_hostile_group_is_named() {
        let check = |fields: &str, expected: &str| {
            let problems = read("t", &text(fields), None, &[]).expect_err(fields);
            let problems = problems.to_string();
            assert!(problems.contains(expected), "{fields}: {problems}");
        };
        let hostile = |inner: &str| format!("program='hostile'\nhostile={{{inner}}}");
        check("program='hostile'", "needs [group.hostile]");
        check(
            "hostile={does=[],target='home'}",
            "is for hosts with program",
        );
        check(&hostile("does=['garbage']"), "lacks the field \"target\"");
        check(&hostile("target='home'"), "lacks the field \"does\"");
        check(
            &hostile("does=['garbge'],target='home'"),
            "did you mean \"garbage\"",
        );
        check(&hostile("does='garbage',target='home'"), "a list of names");
        check(
            &hostile("does=['garbage','garbage'],target='home'"),
            "twice",
        );
        check(
            &hostile("does=['gossip-floods'],target='home'"),
            "needs \"topics\"",
        );
        check(&hostile("does=[],target='plain'"), "has no nodes");
        check(
            &hostile("does=[],target='home',every='0s'"),
            "a time above 0s",
        );
        check(
            &hostile("does=[],target='home',at_once=0"),
            "from 1 to 10000",
        );
    }
}
