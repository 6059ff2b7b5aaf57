//! What the hosts of a group stand behind: homes with a NAT or firewall each, and perhaps
//! a carrier's NAT before those.

use std::collections::BTreeMap;

use orrery_sim::net::nat::NatSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access;
use super::group::{Group, Regions};
use super::lan;
use crate::format::reading::apportion::largest_remainder;
use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::reader::{Reader, fields_of, share_of, wrong_type};
use crate::format::reading::source::Span;
use crate::format::reading::tree::{Kind, Value};
use crate::profiles::egress::EgressText;
use crate::profiles::{NatProfile, ProfileError, Profiles};

/// What the hosts of a group stand behind: the name of a profile, or more about it.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum NatText {
    /// A profile by name, a file beside the scenario, or `public` for none.
    Name(String),
    /// Homes that are shared or differ, or stand behind a carrier's NAT.
    Homes(NatFields),
}

/// Homes: each has a NAT or firewall for the hosts that share it.
#[derive(JsonSchema)]
pub struct NatFields {
    /// A NAT profile for all homes, a file beside the scenario, or `public` for none.
    pub profile: Option<String>,
    /// Instead, a mix by name (`orrery explain profiles`), or shares by profile, which sum to 1:
    /// homes are apportioned by largest remainder and dealt out by the seed.
    pub mix: Option<MixText>,
    /// How many hosts share each home, and its local network; 1 if absent, or all of the group if
    /// its `lan` has a name.
    pub homes_of: Option<u32>,
    /// A NAT profile of the carriers that homes stand behind; none if absent.
    pub behind: Option<String>,
    /// How many homes stand behind each of those; all of the group if absent.
    pub behind_of: Option<u32>,
    /// What the hosts may send out of their homes, instead of what their profiles say, such as
    /// `{ tcp = [80, 443], udp = "blocked" }`.
    pub allow_out: Option<EgressText>,
}

/// A mix by name, or its shares.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum MixText {
    /// One that comes with the tool.
    Name(String),
    /// Shares by name of the NAT profile.
    Shares(BTreeMap<String, f64>),
}

/// The name for hosts without NAT and firewall.
pub const PUBLIC: &str = "public";

/// What the hosts of a group stand behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Homes {
    /// Kinds of homes and how many there are of each, at least one in all; which ones, the seed
    /// draws. `None` for public hosts.
    pub kinds: Vec<(Option<NatProfile>, u32)>,
    /// Hosts that share each, at least 1; the last home may have fewer.
    pub hosts_each: u32,
    /// What homes stand behind in turn.
    pub carrier: Option<Carrier>,
}

/// A NAT before those of homes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carrier {
    /// What it is.
    pub profile: NatProfile,
    /// Homes that stand behind each, at least 1.
    pub homes_each: u32,
}

impl Homes {
    /// Whether any of the hosts may stand behind something.
    pub fn has_any(&self) -> bool {
        self.carrier.is_some() || self.kinds.iter().any(|(kind, _)| kind.is_some())
    }

    /// The NATs of homes, for experiments that change them.
    pub fn nats_mut(&mut self) -> impl Iterator<Item = &mut NatSpec> {
        let profiles = self.kinds.iter_mut();
        profiles.filter_map(|(profile, _)| profile.as_mut()?.nat.as_mut())
    }

    /// Profiles of what the hosts stand behind directly.
    pub fn nearest(&self) -> impl Iterator<Item = &NatProfile> {
        let carrier = self.carrier.as_ref().map(|carrier| &carrier.profile);
        let kinds = self.kinds.iter();
        kinds.filter_map(move |(kind, _)| kind.as_ref().or(carrier))
    }
}

/// What a group says of its homes.
#[derive(Debug, Default)]
pub struct Read {
    /// What the hosts stand behind; `None` if they are public.
    pub nat: Option<Homes>,
    /// Hosts that share each home, if that is said.
    pub homes_of: Option<u32>,
}

/// Reads what `count` hosts stand behind, which is one home if their local network has a name.
pub fn read(
    group: &Reader<'_>,
    (count, regions): (u32, &Regions),
    profiles: &Profiles<'_>,
    problems: &mut Problems,
) -> Read {
    let homes = read_any(group, (count, regions), profiles, problems);
    let table = group.value("nat").and_then(|value| value.as_table());
    let is_said = table.is_some_and(|table| table.value("homes_of").is_some());
    Read {
        homes_of: homes
            .as_ref()
            .filter(|_| is_said)
            .map(|homes| homes.hosts_each),
        nat: homes.filter(Homes::has_any),
    }
}

fn read_any(
    group: &Reader<'_>,
    (count, regions): (u32, &Regions),
    profiles: &Profiles<'_>,
    problems: &mut Problems,
) -> Option<Homes> {
    let value = group.value("nat")?;
    let hosts_each = if lan::is_named(group) {
        count.max(1)
    } else {
        1
    };
    let homes = match &value.kind {
        Kind::Text(name) => Homes {
            kinds: vec![(
                profile(name, value.span, profiles, problems)?,
                count.div_ceil(hosts_each),
            )],
            hosts_each,
            carrier: None,
        },
        Kind::Table(table) => {
            let fields = fields_of::<NatFields>();
            let reader = Reader::new(table, "\"nat\"", &fields, problems);
            read_homes(&reader, (count, hosts_each), profiles, problems)?
        }
        _ => {
            wrong_type(value, "nat", "a NAT profile or a table", problems);
            return None;
        }
    };
    let shared = homes.hosts_each > 1 || homes.carrier.is_some();
    if shared && !regions.is_one() {
        let message = "\"nat\": hosts that share a NAT stand in one region, and those of this group \
                       in several";
        problems.push(value.span, message);
    }
    Some(homes)
}

fn read_homes(
    reader: &Reader<'_>,
    (count, usual_each): (u32, u32),
    profiles: &Profiles<'_>,
    problems: &mut Problems,
) -> Option<Homes> {
    let mut at_least_one = |key: &str| {
        let number = reader.whole(key, 1..=i64::from(super::group::HOSTS_MAX), problems);
        number.map(|number| number as u32)
    };
    let (hosts_each, homes_each) = (at_least_one("homes_of"), at_least_one("behind_of"));
    let hosts_each = hosts_each.unwrap_or(usual_each);
    if hosts_each < usual_each {
        let message = "\"homes_of\": a named local network is one home with one NAT: leave out \
                       one of both";
        problems.push(reader.span("homes_of"), message);
    }
    let homes = count.div_ceil(hosts_each);
    let kinds = match (reader.value("profile"), reader.value("mix")) {
        (Some(_), None) => {
            let name = reader.text("profile", problems)?;
            let span = reader.span("profile");
            vec![(profile(name, span, profiles, problems)?, homes)]
        }
        (None, Some(mix)) => read_mix(mix, homes, profiles, problems)?,
        _ => {
            let message = "\"nat\" needs one of \"profile\" and \"mix\"";
            problems.push(reader.table.span, message);
            return None;
        }
    };
    let kinds = allow_out(reader, kinds, problems);
    if reader.value("behind").is_none() && homes_each.is_some() {
        let message = "\"behind_of\" goes with \"behind\"";
        problems.push(reader.span("behind_of"), message);
    }
    let carrier = read_carrier(reader, profiles, problems).map(|profile| Carrier {
        profile,
        homes_each: homes_each.unwrap_or(homes).max(1),
    });
    Some(Homes {
        kinds,
        hosts_each,
        carrier,
    })
}

/// Kinds of homes with what their hosts may send out, if the scenario says that.
fn allow_out(
    reader: &Reader<'_>,
    mut kinds: Vec<(Option<NatProfile>, u32)>,
    problems: &mut Problems,
) -> Vec<(Option<NatProfile>, u32)> {
    let Some(table) = reader.table("allow_out", problems) else {
        return kinds;
    };
    let read = toml::Value::Table(access::plain(table)).try_into::<EgressText>();
    let read = read.map_err(|error| error.message().trim().to_owned());
    let egress = match read.and_then(|text| text.read()) {
        Ok(egress) => egress,
        Err(message) => {
            problems.push(table.span, message);
            return kinds;
        }
    };
    if kinds.iter().any(|(kind, _)| kind.is_none()) {
        let message = "\"allow_out\": public hosts have nothing that could stop them";
        let help = "let them stand behind \"firewall\" instead of \"public\"".to_owned();
        problems.push_with_help(table.span, message.to_owned(), Some(help));
    }
    for (kind, _) in &mut kinds {
        if let Some(profile) = kind {
            profile.allow_out(&egress);
        }
    }
    kinds
}

fn read_carrier(
    reader: &Reader<'_>,
    profiles: &Profiles<'_>,
    problems: &mut Problems,
) -> Option<NatProfile> {
    let name = reader.text("behind", problems)?;
    let span = reader.span("behind");
    let found = profile(name, span, profiles, problems)?;
    if found.is_none() {
        let message = "\"behind\": expected a NAT profile: \"public\" is nothing to stand behind";
        problems.push(span, message);
    }
    found
}

/// A profile by name, `Some(None)` for public hosts; `None` if it cannot be had, which is noted.
pub fn profile(
    name: &str,
    span: Span,
    profiles: &Profiles<'_>,
    problems: &mut Problems,
) -> Option<Option<NatProfile>> {
    if name == PUBLIC {
        return Some(None);
    }
    match profiles.nat(name) {
        Ok(profile) => Some(Some(profile)),
        Err(error) => {
            note(error, span, problems);
            None
        }
    }
}

fn note(error: ProfileError, span: Span, problems: &mut Problems) {
    problems.push_with_help(span, error.message, error.help);
}

/// Kinds of homes by their shares.
fn read_mix(
    mix: &Value,
    homes: u32,
    profiles: &Profiles<'_>,
    problems: &mut Problems,
) -> Option<Vec<(Option<NatProfile>, u32)>> {
    let before = problems.len();
    let shares: Vec<(String, Span, u32)> = match &mix.kind {
        Kind::Text(name) => match profiles.nat_mix(name) {
            Ok(found) => {
                let shares = found.shares.into_iter();
                shares
                    .map(|(name, share)| (name, mix.span, share))
                    .collect()
            }
            Err(error) => {
                note(error, mix.span, problems);
                return None;
            }
        },
        Kind::Table(table) => {
            let mut shares = Vec::new();
            for entry in &table.entries {
                let share = share_of(&entry.value, &entry.key, problems)?;
                shares.push((entry.key.clone(), entry.key_span, share));
            }
            shares
        }
        _ => {
            wrong_type(
                mix,
                "mix",
                "the name of a mix or shares by profile",
                problems,
            );
            return None;
        }
    };
    let sum: u64 = shares.iter().map(|(_, _, share)| u64::from(*share)).sum();
    if !(999_999..=1_000_001).contains(&sum) {
        let (whole, rest) = (sum / 1_000_000, sum % 1_000_000);
        let message = format!("the shares of NATs sum to {whole}.{rest:06}, expected 1");
        problems.push(mix.span, message);
    }
    let parts: Vec<u32> = shares.iter().map(|(_, _, share)| *share).collect();
    let counts = largest_remainder(homes, &parts);
    let mut kinds = Vec::new();
    for ((name, span, _), count) in shares.iter().zip(counts) {
        kinds.push((profile(name, *span, profiles, problems)?, count));
    }
    (problems.len() == before).then_some(kinds)
}

/// Notes hosts of `span` that stand behind nothing.
pub fn note_public(
    hosts: impl Iterator<Item = u32>,
    groups: &[Group],
    span: Span,
    problems: &mut Problems,
) {
    for host in hosts {
        let group = groups.iter().find(|group| group.hosts().contains(&host));
        if let Some(group) = group.filter(|group| group.nat.is_none()) {
            let message = format!(
                "hosts of group {} stand behind no NAT or firewall",
                quoted(&group.name)
            );
            let help = "give their group a \"nat\", such as \"eim-apdf\"".to_owned();
            problems.push_with_help(span, message, Some(help));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    fn text(nat: &str) -> String {
        format!(
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=10\nprogram='none'\nnat={nat}\n"
        )
    }

    fn homes(nat: &str) -> Option<Homes> {
        let plan = read("t", &text(nat), None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        plan.cases[0].scenario.groups[0].nat.clone()
    }

    /// Names of kinds with their counts, hosts a home, homes a carrier.
    fn told(nat: &str) -> (Vec<(String, u32)>, u32, Option<u32>) {
        let homes = homes(nat).expect("it is no public group");
        let name = |kind: &Option<NatProfile>| kind.as_ref().map_or(PUBLIC, |nat| &nat.name).into();
        let kinds = homes.kinds.iter().map(|(kind, count)| (name(kind), *count));
        let carrier = homes.carrier.as_ref().map(|carrier| carrier.homes_each);
        (kinds.collect(), homes.hosts_each, carrier)
    }

    #[test]
    fn homes_are_shared_mixed_and_nested() {
        let kinds = |kinds: &[(&str, u32)]| -> Vec<(String, u32)> {
            kinds
                .iter()
                .map(|(name, n)| ((*name).to_owned(), *n))
                .collect()
        };
        assert_eq!(told("'sym'"), (kinds(&[("sym", 10)]), 1, None));
        assert_eq!(
            told("{ profile='eim-apdf', homes_of=3, behind='carrier', behind_of=2 }"),
            (kinds(&[("eim-apdf", 4)]), 3, Some(2))
        );
        assert_eq!(
            told("{ profile='public', behind='carrier' }"),
            (kinds(&[("public", 10)]), 1, Some(10))
        );
        assert_eq!(
            told("{ mix={ sym=0.25, eim-apdf='55%', public=0.2 } }"),
            (
                kinds(&[("sym", 3), ("eim-apdf", 5), ("public", 2)]),
                1,
                None
            )
        );
        assert_eq!(
            told("{ mix='ford-2005' }"),
            (kinds(&[("eim-apdf", 8), ("sym", 2)]), 1, None)
        );
        assert_eq!(homes("'public'"), None);
        assert_eq!(homes("{ profile='public', homes_of=2 }"), None);
    }

    #[test]
    fn wrong_and_contradictory_homes_are_pointed_at() {
        let check = |nat: &str, expected: &str| {
            let problems = read("t.toml", &text(nat), None, &[]).expect_err(nat);
            let told = problems.to_string();
            assert!(told.contains(expected), "{nat}: {told}");
        };
        check(
            "'eim-apd'",
            "t.toml:9:5: unknown NAT profile \"eim-apd\"; did you mean \"eim-apdf\"?",
        );
        check(
            "3",
            "t.toml:9:5: \"nat\": expected a NAT profile or a table",
        );
        check("{ homes_of=3 }", "needs one of \"profile\" and \"mix\"");
        check(
            "{ profile='sym', mix='ford-2005' }",
            "needs one of \"profile\" and \"mix\"",
        );
        check(
            "{ mix='ford' }",
            "t.toml:9:11: unknown NAT mix \"ford\"; did you mean \"ford-2005\"?",
        );
        check("{ mix={ sym=0.5 } }", "sum to 0.500000, expected 1");
        check("{ mix={ sim=1.0 } }", "unknown NAT profile \"sim\"");
        check(
            "{ profile='sym', homes_of=0 }",
            "\"homes_of\": expected a whole",
        );
        check("{ profile='sym', behind_of=2 }", "goes with \"behind\"");
        check(
            "{ profile='sym', behind='public' }",
            "nothing to stand behind",
        );
        check(
            "{ profile='sym', allow_out=3 }",
            "\"allow_out\": expected a table",
        );
        check(
            "{ profile='sym', allow_out={ udp='bloked' } }",
            "t.toml:9:32: allow_out.udp: expected \"all\", \"blocked\", or a list",
        );
        check(
            "{ profile='public', allow_out={ udp='blocked' } }",
            "public hosts have nothing that could stop them",
        );
        check(
            "{ profile='sym', homes_of=2 }\nregions={ London=0.5, Sydney=0.5 }",
            "stand in one region",
        );
    }
}
