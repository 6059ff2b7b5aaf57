//! What was run, for the record: the scenario's text, its hosts and profiles, and this program.
//!
//! Nothing of it decides a simulation, and nothing here is part of a trace hash.

use std::collections::BTreeMap;
use std::time::SystemTime;

use orrery_reports::origin::{Hosts, Origin, Program};
use time::OffsetDateTime;

use super::PROFILE;
use crate::format::scenario::group::Group;
use crate::format::scenario::nat::{Homes, PUBLIC};
use crate::format::{Case, Plan};

/// What was run: `cases` of a plan, by the program whose BLAKE3 is `build`, from `begun` on.
pub fn origin(plan: &Plan, cases: &[&Case], build: String, begun: SystemTime) -> Origin {
    let written = &plan.written;
    let mut topology: BTreeMap<String, Vec<Hosts>> = BTreeMap::new();
    for case in cases {
        topology
            .entry(case.name.clone())
            .or_insert_with(|| case.scenario.groups.iter().map(hosts).collect());
    }
    Origin {
        text: written.text.clone(),
        text_hash: blake3::hash(written.text.as_bytes()).to_hex().to_string(),
        settings: written.settings.clone(),
        variants: written.variants.clone(),
        topology,
        profiles: written.profiles.clone(),
        program: Program {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            profile: PROFILE.to_owned(),
            compiler: env!("ORRERY_COMPILER").to_owned(),
            target: env!("ORRERY_TARGET").to_owned(),
            hash: build,
        },
        begun: rfc_3339(begun),
        wall_s: None,
    }
}

fn hosts(group: &Group) -> Hosts {
    Hosts {
        group: group.name.clone(),
        count: group.count,
        program: group.program.name().to_owned(),
        access: group.access.name.clone(),
        nat: group.nat.as_ref().map(nat_name),
    }
}

/// What hosts stand behind: `sym`, or `eim-apdf, public behind carrier`.
fn nat_name(homes: &Homes) -> String {
    let kinds = homes.kinds.iter();
    let names = kinds.map(|(kind, _)| kind.as_ref().map_or(PUBLIC, |kind| &kind.name));
    let mut name = names.collect::<Vec<_>>().join(", ");
    if let Some(carrier) = &homes.carrier {
        name = format!("{name} behind {}", carrier.profile.name);
    }
    name
}

/// An instant in UTC to the second: `2026-11-30T08:15:00Z`.
fn rfc_3339(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::format::read;

    #[test]
    fn instants_are_written_in_utc() {
        let check = |seconds: u64, expected: &str| {
            assert_eq!(
                rfc_3339(UNIX_EPOCH + Duration::from_secs(seconds)),
                expected
            );
        };
        // As `date -u -d @SECONDS` has them.
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(1_709_251_199, "2024-02-29T23:59:59Z");
        check(1_796_026_800, "2026-11-30T08:20:00Z");
        check(4_107_542_400, "2100-03-01T00:00:00Z");
    }

    #[test]
    fn an_origin_tells_hosts_profiles_and_what_variants_change() {
        let text = "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=2\naccess='dsl'\nnat='sym'\n\
             [[variant]]\nname='a'\n\
             [[variant]]\nname='b'\nset={ 'group.g.count'=3 }\n";
        let settings = ["group.g.access=fibre".to_owned()];
        let plan = read("t", text, None, &settings).unwrap_or_else(|wrong| panic!("{wrong}"));
        let cases: Vec<&Case> = plan.cases.iter().collect();
        let origin = origin(&plan, &cases, String::new(), UNIX_EPOCH);
        assert_eq!((&*origin.text, &*origin.settings), (text, &settings[..]));
        let hosts = &origin.topology["b"][0];
        assert_eq!((hosts.count, &*hosts.access), (3, "fibre"));
        assert_eq!(hosts.nat.as_deref(), Some("sym"));
        assert_eq!(origin.variants["b"]["set"]["group.g.count"], 3);
        let mut kinds: Vec<(&str, &str)> = origin
            .profiles
            .iter()
            .map(|profile| (&*profile.kind, &*profile.name))
            // What the links of gateways are, which nothing in the file names.
            .filter(|(_, name)| *name != "ideal")
            .collect();
        kinds.sort_unstable();
        let expected = [("access", "fibre"), ("delay", "ibm-10"), ("nat", "sym")];
        assert_eq!(kinds, expected);
        let delays = origin
            .profiles
            .iter()
            .find(|profile| profile.kind == "delay");
        assert!(delays.is_some_and(|delays| delays.tables["ibm-10.csv"].contains(',')));
    }
}
