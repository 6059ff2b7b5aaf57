//! What a scenario asks for and cannot happen in any seed: refused before it is played.
//!
//! Owns comparing when workloads act with when hosts start, and whom they act on. What only may
//! not happen, as the seed has it, is counted by the run.

use super::Scenario;
use super::boot::Boot;
use super::pace::Pace;
use super::selector::Hosts;
use super::workload::Workload;
use crate::format::reading::amount::Amount;
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::show_time;
use crate::format::reading::tree::Table;

/// Notes every workload of `scenario` that cannot act; `tables` are those that they were read from.
pub fn note_impossible(scenario: &Scenario, tables: &[&Table], problems: &mut Problems) {
    for (workload, table) in scenario.workloads.iter().zip(tables) {
        let span = |key: &str| table.value(key).map_or(table.span, |value| value.span);
        if let Some((to, verb)) = workload.action.others()
            && workload.from.iter().all(|host| is_alone(to, host))
        {
            let kind = workload.action.kind();
            let message =
                format!("\"to\": workload \"{kind}\" names no other host: no host {verb} itself");
            problems.push(span("to"), message);
        }
        if let Some(message) = too_early(scenario, workload) {
            let help = "let it act later, or give the group an earlier \"boot\"".to_owned();
            problems.push_with_help(span("at"), message, Some(help));
        }
    }
}

fn is_alone(to: &Hosts, host: u32) -> bool {
    to.len() == 1 && to.contains(host)
}

/// What is wrong with a workload whose last action comes before one of its hosts can have started.
fn too_early(scenario: &Scenario, workload: &Workload) -> Option<String> {
    for (place, host) in (0..).zip(workload.from.iter()) {
        let last_ns = latest_ns(workload.pace, u64::from(place))?;
        let receiver = workload.action.concerns(place);
        let ends = [(host, "acts"), (receiver.unwrap_or(host), "concerns")];
        for (host, what) in ends {
            let start_ns = earliest_start_ns(scenario, host);
            if last_ns < start_ns {
                return Some(format!(
                    "\"at\": workload \"{}\" {what} {} at {} at the latest, and that host does not \
                     start before {}",
                    workload.action.kind(),
                    if what == "acts" {
                        format!("on {}", scenario.host_name(host))
                    } else {
                        scenario.host_name(host)
                    },
                    show_time(i64::try_from(last_ns).unwrap_or(i64::MAX)),
                    show_time(i64::try_from(start_ns).unwrap_or(i64::MAX)),
                ));
            }
        }
    }
    None
}

/// When the host of that place among a workload's hosts acts for the last time, in nanoseconds, if
/// the scenario says so.
pub fn latest_ns(pace: Pace, place: u64) -> Option<u64> {
    let high = |at_ns: Amount| Some(at_ns.bounds()?.1.max(0) as u64);
    match pace {
        Pace::Poisson { .. } | Pace::Every { .. } => None,
        Pace::At { at_ns, .. } => high(at_ns),
        Pace::Series {
            at_ns,
            every_ns,
            count,
            stagger_ns,
        } => {
            let turns = every_ns.saturating_mul(u64::from(count.saturating_sub(1)));
            let before = stagger_ns.saturating_mul(place);
            Some(high(at_ns)?.saturating_add(turns).saturating_add(before))
        }
    }
}

/// When a host starts at the earliest, in nanoseconds.
fn earliest_start_ns(scenario: &Scenario, host: u32) -> u64 {
    let group = scenario.group_of(host);
    match &group.boot {
        Boot::Early => 0,
        Boot::After { from_ns, .. } => *from_ns,
        Boot::Drawn(amount) => amount.bounds().map_or(0, |(low, _)| low.max(0) as u64),
        Boot::Evenly { .. } => {
            let fixed = group.boot.fixed_ns(host - group.first_host, group.count);
            fixed.unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::format::read;

    fn told(groups: &str, workload: &str) -> String {
        let text = format!(
            "name='t'\nduration='1m'\nwarmup='20s'\n[network]\ndelays='ibm-10'\n{groups}\n\
             [[workload]]\n{workload}\n"
        );
        match read("t.toml", &text, None, &[]) {
            Ok(_) => String::new(),
            Err(problems) => problems.to_string(),
        }
    }

    const PLAIN: &str = "[[group]]\nname='a'\ncount=2\nprogram='none'\n\
                         [[group]]\nname='b'\ncount=2\nprogram='none'\nboot='evenly(4s, 8s)'";
    const NODES: &str =
        "[[group]]\nname='a'\ncount=2\nfriends={graph='complete'}\nboot='each uniform(5s, 9s)'";

    #[test]
    fn what_comes_before_a_host_can_have_started_is_refused() {
        let check = |groups: &str, workload: &str, expected: &str| {
            let told = told(groups, workload);
            assert!(told.contains(expected), "{workload}: {told}");
            assert!(
                !expected.is_empty() || told.is_empty(),
                "{workload}: {told}"
            );
        };
        check(
            PLAIN,
            "kind='flow'\nfrom='a'\nto='b'\nat='5s'",
            "t.toml:19:4: \"at\": workload \"flow\" concerns b[1] at 5s at the latest, and that host does \
             not start before 6s",
        );
        check(PLAIN, "kind='flow'\nfrom='a'\nto='b'\nat='6s'", "");
        check(
            PLAIN,
            "kind='flow'\nfrom='b'\nto='a'\nat='5s'",
            "acts on b[1] at 5s",
        );
        check(
            PLAIN,
            "kind='flow'\nfrom='b'\nto='a'\nat='1s'\nevery='1s'\ncount=6",
            "",
        );
        check(PLAIN, "kind='flow'\nfrom='a'\nto='b'\nevery='10s'", "");
        check(
            NODES,
            "kind='post'\nfrom='a'\nat='4s'",
            "does not start before 5s",
        );
        check(NODES, "kind='post'\nfrom='a'\nat='6s'", "");
        check(
            NODES,
            "kind='pull'\nfrom='a'\nat='1s'\nstagger='4s'",
            "acts on a[0] at 1s",
        );
    }

    #[test]
    fn who_names_nobody_but_itself_is_refused() {
        let dial = "at='10s'\nfrom='a[0]'\nto='a[0]'";
        for kind in ["dial", "connect", "lookup"] {
            let told = told(NODES, &format!("kind='{kind}'\n{dial}"));
            assert!(
                told.contains("names no other host: no host"),
                "{kind}: {told}"
            );
        }
        assert_eq!(
            told(NODES, "kind='dial'\nat='10s'\nfrom='a'\nto='a[0]'"),
            ""
        );
    }
}
