//! How the hosts of a group come and go.
//!
//! Owns the reading. What happens while a host is away is a fault like any other, one for each way of
//! leaving: it has its effects, its losses and its share of the absences.

pub mod fields;
mod trace;

use std::collections::BTreeMap;

use super::group::Group;
use crate::fault::repeat::CHANGES_MAX;
use crate::fault::{self, Churn, Fault, Kind, Lives, Setting};
use crate::format::reading::law::LawSpec;
use crate::format::reading::problem::{Problems, quoted, suggestion};
use crate::format::reading::reader::{Reader, fields_of, share_of};
use crate::format::reading::source::Span;
use crate::format::reading::tree::{self, Table};
use crate::profiles::{DAY_NS, Nights, Pattern};
use crate::world::churn::{PARTS, mean_cycle_ns};

use fields::ChurnFields;
pub use fields::ChurnText;

/// How hosts leave if nothing is said.
const LEAVE: &str = "power-cut";

/// The faults that hosts of groups meet as they come and go.
pub fn read(scenario: &Reader<'_>, setting: &Setting<'_>, problems: &mut Problems) -> Vec<Fault> {
    // What is wrong with the list was noted when it was read for the groups.
    let tables = scenario.tables("group", 1_000, &mut Problems::new("", ""));
    let named = |group: &&Group| {
        let is_it = |table: &&&Table| {
            table.value("name").and_then(|value| value.as_text()) == Some(&group.name)
        };
        tables.iter().find(is_it).copied()
    };
    let groups = setting.groups.iter();
    groups
        .filter_map(|group| Some((group, named(&group)?)))
        .flat_map(|(group, table)| {
            warn_of_dependants((group, table), setting, problems);
            let what = format!("the churn of group {}", quoted(&group.name));
            let of_group = OfGroup {
                group,
                setting,
                what: &what,
            };
            of_group.read(table, problems)
        })
        .collect()
}

/// Warns if hosts of a group that comes and goes are all that others know of the network.
fn warn_of_dependants(
    (group, table): (&Group, &Table),
    setting: &Setting<'_>,
    problems: &mut Problems,
) {
    let Some(churn) = table.value("churn") else {
        return;
    };
    for other in setting.groups {
        let fields = [("bootstrap", &other.bootstrap), ("listed", &other.listed)];
        for (field, hosts) in fields {
            if !hosts.is_empty() && hosts.iter().all(|host| group.hosts().contains(&host)) {
                let message = format!(
                    "the hosts of group {} come and go, and group {} has no others in \"{field}\"",
                    quoted(&group.name),
                    quoted(&other.name)
                );
                let help = "what depends on them fails while they are away: let some of them stay, in a \
                            group of their own";
                problems.warn(churn.span, message, help);
            }
        }
    }
}

/// Kinds of faults, where they are named, and how many of a million absences each makes.
type Ways = Vec<((String, Span), u32)>;

/// The churn of one group.
struct OfGroup<'a> {
    group: &'a Group,
    setting: &'a Setting<'a>,
    what: &'a str,
}

impl OfGroup<'_> {
    fn read(&self, table: &Table, problems: &mut Problems) -> Vec<Fault> {
        let Some(value) = table.value("churn") else {
            return Vec::new();
        };
        let read = match &value.kind {
            tree::Kind::Text(name) => {
                let profile = self.profile(name, value.span, problems);
                profile.map(|(lives, leave)| (lives, vec![((leave, value.span), PARTS)]))
            }
            tree::Kind::Table(own) => self.own(own, problems),
            _ => {
                let message = format!(
                    "\"churn\": expected a profile's name or a table, not {}",
                    value.description()
                );
                problems.push(value.span, message);
                None
            }
        };
        let Some((lives, ways)) = read else {
            return Vec::new();
        };
        let changes = self.changes(&lives);
        if changes > CHANGES_MAX {
            let message = format!(
                "{} changes hosts some {changes} times: at most {CHANGES_MAX}",
                self.what
            );
            problems.push(value.span, message);
            return Vec::new();
        }
        let mut from = 0;
        let mut faults = Vec::new();
        for ((kind, span), parts) in ways {
            let churn = Churn {
                group: self.group.name.clone(),
                lives: lives.clone(),
                parts: from..from + parts,
            };
            from += parts;
            match Fault::while_away((&*kind, span), churn, self.setting) {
                Some(fault) => faults.push(fault),
                None => self.note_no_way(&kind, span, problems),
            }
        }
        faults
    }

    fn own(&self, table: &Table, problems: &mut Problems) -> Option<(Lives, Ways)> {
        let reader = Reader::new(table, self.what, &fields_of::<ChurnFields>(), problems);
        let given = |key: &&str| reader.value(key).is_some();
        let whole = ["profile", "trace", "night"].into_iter().find(given);
        for key in ["trace", "night", "online", "offline"] {
            if let Some(other) = whole.filter(|other| *other != key && given(&key)) {
                let message = format!("\"{key}\" or a {other}, not both");
                problems.push(reader.span(key), message);
            }
        }
        let mut usual = LEAVE.to_owned();
        let lives = match whole {
            Some("trace") => self.trace(&reader, problems),
            Some("night") => self.nights(&reader, problems),
            Some(key) => {
                let name = reader.text(key, problems);
                let profile = name.and_then(|name| self.profile(name, reader.span(key), problems));
                profile.map(|(lives, leave)| {
                    usual = leave;
                    lives
                })
            }
            None => {
                let online = self.law(&reader, "online", problems);
                let offline = self.law(&reader, "offline", problems);
                let laws = online.zip(offline);
                laws.map(|(online, offline)| Lives::Laws { online, offline })
            }
        };
        let ways = ways(table, usual, problems);
        Some((lives?, ways?))
    }

    fn nights(&self, reader: &Reader<'_>, problems: &mut Problems) -> Option<Lives> {
        let night = reader.text("night", problems)?;
        if reader.value("lasts").is_none() {
            let message = format!("{} lacks the field \"lasts\"", self.what);
            problems.push(reader.table.span, message);
            return None;
        }
        let lasts = reader.text("lasts", problems)?;
        match Nights::read(night, lasts) {
            Ok(nights) => Some(Lives::Nights(nights)),
            Err((key, error)) => {
                problems.push(reader.span(key), format!("\"{key}\": {error}"));
                None
            }
        }
    }

    fn trace(&self, reader: &Reader<'_>, problems: &mut Problems) -> Option<Lives> {
        let name = reader.text("trace", problems)?;
        let text = self.setting.profiles.own_table(name);
        let text = text.map_err(|error| error.message);
        let read = text.and_then(|text| {
            let sessions = trace::read(&text, self.group.count);
            sessions.map_err(|error| format!("{name}: {error}"))
        });
        match read {
            Ok(sessions) => {
                let of_group = |(host, sessions)| (self.group.first_host + host, sessions);
                Some(Lives::Trace(sessions.into_iter().map(of_group).collect()))
            }
            Err(error) => {
                problems.push(reader.span("trace"), format!("\"trace\": {error}"));
                None
            }
        }
    }

    /// How often hosts come or go, by estimate.
    fn changes(&self, lives: &Lives) -> u64 {
        match lives {
            Lives::Laws { online, offline } => {
                let cycle_ns = mean_cycle_ns(online, offline).max(1);
                let cycles = self.setting.duration_ns / cycle_ns + 1;
                u64::from(self.group.count) * cycles * 2
            }
            Lives::Nights(_) => {
                let days = self.setting.duration_ns / DAY_NS as u64 + 2;
                u64::from(self.group.count) * days * 2
            }
            Lives::Trace(sessions) => {
                let count: usize = sessions.values().map(Vec::len).sum();
                count as u64 * 2
            }
        }
    }

    fn law(&self, reader: &Reader<'_>, key: &str, problems: &mut Problems) -> Option<LawSpec> {
        if reader.value(key).is_none() {
            let message = format!("{} lacks the field \"{key}\"", self.what);
            problems.push(reader.table.span, message);
            return None;
        }
        let text = reader.text(key, problems)?;
        let table = |name: &str| {
            let text = self.setting.profiles.own_table(name);
            text.map_err(|error| error.message)
        };
        LawSpec::read(text, &table)
            .map_err(|error| problems.push(reader.span(key), format!("\"{key}\": {error}")))
            .ok()
    }

    /// When hosts are there by a profile, and how they leave if nothing else is said.
    fn profile(&self, name: &str, span: Span, problems: &mut Problems) -> Option<(Lives, String)> {
        match self.setting.profiles.churn(name) {
            Ok(profile) => {
                let lives = match profile.pattern {
                    Pattern::Laws { online, offline } => Lives::Laws { online, offline },
                    Pattern::Days(nights) => Lives::Nights(nights),
                };
                Some((lives, profile.leave.unwrap_or_else(|| LEAVE.to_owned())))
            }
            Err(error) => {
                problems.push_with_help(span, error.message, error.help);
                None
            }
        }
    }

    fn note_no_way(&self, kind: &str, span: Span, problems: &mut Problems) {
        let is_way = |name: &&str| {
            let churn = Churn {
                group: self.group.name.clone(),
                lives: Lives::Trace(BTreeMap::new()),
                parts: 0..PARTS,
            };
            Fault::while_away((name, span), churn, self.setting).is_some()
        };
        let ways: Vec<&str> = fault::kinds().map(Kind::name).filter(is_way).collect();
        let message = format!("hosts cannot leave by {}", quoted(kind));
        let help = suggestion(kind, ways);
        problems.push_with_help(span, message, Some(help));
    }
}

/// Kinds of faults, where they are named, and their shares in [`PARTS`].
fn ways(own: &Table, usual: String, problems: &mut Problems) -> Option<Ways> {
    let Some(value) = own.value("leave") else {
        return Some(vec![((usual, own.span), PARTS)]);
    };
    let table = match &value.kind {
        tree::Kind::Text(kind) => return Some(vec![((kind.clone(), value.span), PARTS)]),
        tree::Kind::Table(table) => table,
        _ => {
            let message = format!(
                "\"leave\": expected a kind of fault, or shares of several, not {}",
                value.description()
            );
            problems.push(value.span, message);
            return None;
        }
    };
    let mut ways = Vec::new();
    for entry in &table.entries {
        let share = share_of(&entry.value, &entry.key, problems)?;
        ways.push(((entry.key.clone(), entry.key_span), share));
    }
    let sum: u32 = ways.iter().map(|(_, share)| share).sum();
    if !(PARTS - 1..=PARTS + 1).contains(&sum) {
        problems.push(value.span, "the shares of \"leave\" do not sum to 1");
        return None;
    }
    // A millionth that rounding has lost or won is the last one's.
    if let Some((_, last)) = ways.last_mut() {
        *last = PARTS - (sum - *last);
    }
    Some(ways)
}

#[cfg(test)]
mod tests {
    use crate::fault::{Fault, When};
    use crate::format::read;

    fn faults(churn: &str) -> Result<Vec<Fault>, String> {
        let text = format!(
            "name='t'\nduration='1h'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=4\nprogram='none'\nchurn={churn}\n\
             [[group]]\nname='s'\ncount=1\nprogram='none'\n\
             [[fault]]\nkind='power-cut'\nhosts='s'\nat='9s'\nfor='1s'\n"
        );
        let plan = read("t.toml", &text, None, &[]).map_err(|problems| problems.to_string())?;
        Ok(plan.cases[0].scenario.faults.clone())
    }

    fn ways(churn: &str) -> Vec<(&'static str, std::ops::Range<u32>, Vec<u32>)> {
        let faults = faults(churn).unwrap_or_else(|problems| panic!("{problems}"));
        let away = faults.iter().filter_map(|fault| match &fault.when {
            When::Away(churn) => Some((
                fault.kind(),
                churn.parts.clone(),
                fault.hosts().collect::<Vec<u32>>(),
            )),
            When::Given(_) | When::Random(_) => None,
        });
        away.collect()
    }

    #[test]
    fn churn_is_faults_of_the_groups_hosts() {
        let hosts = vec![0, 1, 2, 3];
        assert_eq!(
            ways("'kad-weibull'"),
            [("power-cut", 0..1_000_000, hosts.clone())]
        );
        assert_eq!(
            ways("{ online = 'exponential(1h)', offline = 'pareto(1.5, 1m)', leave = 'stop' }"),
            [("stop", 0..1_000_000, hosts.clone())]
        );
        assert_eq!(
            ways("'phone-night'"),
            [("sleep", 0..1_000_000, hosts.clone())]
        );
        assert_eq!(
            ways("{ night = '23h', lasts = '8h', leave = 'outage' }"),
            [("outage", 0..1_000_000, hosts.clone())]
        );
        assert_eq!(
            ways("{ profile = 'ipfs-2022', leave = { power-cut = 0.7, stop = 0.3 } }"),
            [
                ("power-cut", 0..700_000, hosts.clone()),
                ("stop", 700_000..1_000_000, hosts)
            ]
        );
    }

    #[test]
    fn hubs_that_come_and_go_are_warned_of_with_their_place() {
        let warnings = |known: &str| {
            let text = format!(
                "name='t'\nduration='1h'\n[network]\ndelays='ibm-10'\n\
                 [[group]]\nname='hub'\ncount=2\nchurn='kad-weibull'\n\
                 [[group]]\nname='stays'\ncount=1\n\
                 [[group]]\nname='g'\ncount=4\nbootstrap={known}\n"
            );
            let plan = read("t.toml", &text, None, &[]);
            plan.unwrap_or_else(|problems| panic!("{problems}"))
                .warnings
        };
        let told = warnings("['hub[1]']");
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with(
                "t.toml:8:7: the hosts of group \"hub\" come and go, and group \"g\" has"
            ),
            "{told:?}"
        );
        assert_eq!(warnings("['hub', 'stays']"), Vec::<String>::new());
    }

    #[test]
    fn wrong_churn_is_refused_with_its_place() {
        let check = |churn: &str, part: &str| {
            let told = faults(churn).expect_err(churn);
            assert!(told.contains(part), "{churn}: {told}");
        };
        check("'kad-weibul'", "unknown churn profile");
        check("3", "expected a profile's name or a table");
        check(
            "{ online = 'exponential(1h)' }",
            "lacks the field \"offline\"",
        );
        check(
            "{ online = 'pareto(0.9, 1m)', offline = 'exponential(1h)' }",
            "there is no mean lifetime",
        );
        check(
            "{ profile = 'kad-weibull', online = 'exponential(1h)' }",
            "or a profile, not both",
        );
        check(
            "{ profile = 'kad-weibull', leave = 'clock-step' }",
            "hosts cannot leave by \"clock-step\"",
        );
        check(
            "{ profile = 'kad-weibull', leave = { stop = 0.5 } }",
            "do not sum to 1",
        );
        check("{ night = '23h' }", "lacks the field \"lasts\"");
        check(
            "{ night = '25h', lasts = '8h' }",
            "\"night\": expected a time of day",
        );
        check(
            "{ night = '23h', lasts = '8h', online = '1h' }",
            "or a night, not both",
        );
        check(
            "{ online = 'exponential(1ms)', offline = 'exponential(1ms)' }",
            "at most 1000000",
        );
    }
}
