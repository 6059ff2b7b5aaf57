//! Runs stand on testbeds: outside these nothing of `scenarios` calls the simulator.
//!
//! What of the simulator may be named elsewhere is listed: values that say what something is, and
//! that act on no world and ask none. So a run can stand on other hosts than simulated ones, and a
//! name that is new here is looked at once.

use super::{File, Finding};
use crate::source::Source;

/// Where the rule holds.
const WITHIN: &str = "scenarios/src/";

/// Where the simulator may be called: testbeds, and its own validation.
const MAY_CALL: &[&str] = &[
    "scenarios/src/testbed/",
    // The simulator itself is held against exact, analytic and measured figures there.
    "scenarios/src/validation/",
];

/// The crate that is the simulator.
const SIMULATOR: &str = "orrery_sim";

/// What may be named everywhere.
const VALUES: &[&str] = &[
    // Instants, hosts and the order of events at one instant.
    "SimTime",
    "HostId",
    "Class",
    // Chance: a stream decides by its seed and name alone.
    "Stream",
    // Laws of lifetimes, which draw from a stream.
    "BadQuantiles",
    "Empirical",
    "Exponential",
    "Law",
    "LogNormal",
    "Pareto",
    "Ratio",
    "Weibull",
    "residual",
    // Laws of lifetimes, which draw from the stream that they are given, and shares.
    "BadQuantiles",
    "Empirical",
    "Exponential",
    "Law",
    "LogNormal",
    "Pareto",
    "Ratio",
    "Weibull",
    "residual",
    // NATs, firewalls and links, as profiles describe them and counts tell of them.
    "Block",
    "Dependence",
    "Egress",
    "FirewallSpec",
    "Hairpinning",
    "INTERFACES_MAX",
    "Lifetimes",
    "LinkCounts",
    "NatSpec",
    "OutsideAddress",
    "PortAssignment",
    "RateTrace",
    "Refresh",
    "RemotePorts",
    "Renewed",
    "TraceShape",
    "Unsolicited",
    // What one end of a TCP connection has done.
    "Stats",
    // What a run tells of itself, and comparing the files of two.
    "Failure",
    "TraceEvent",
    "first_difference",
    // What sees libraries' trace events, which a testbed shows it.
    "Watch",
];

/// Checks that only testbeds call the simulator.
pub fn check(files: &[File]) -> Vec<Finding> {
    let concerned = files.iter().filter(|file| {
        file.is("rs")
            && file.path.starts_with(WITHIN)
            && !file.path.ends_with("/tests.rs")
            && MAY_CALL.iter().all(|folder| !file.path.starts_with(folder))
    });
    concerned.flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let source = Source::parse(&file.text);
    let code: String = source
        .code
        .iter()
        .zip(&source.in_test)
        .map(|(line, &in_test)| {
            if in_test {
                "\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    let mut findings = Vec::new();
    for (at, _) in code.match_indices(SIMULATOR) {
        let line = code[..at].matches('\n').count() + 1;
        for name in named(&code[at + SIMULATOR.len()..]) {
            if !VALUES.contains(&name.as_str()) {
                let what = format!(
                    "`{name}` of the simulator is named outside testbeds: ask `testbed::Testbed` for \
                     it, or list it as a value in ci/xtask/src/tidy/testbeds.rs"
                );
                findings.push(Finding::error(file, line, what));
            }
        }
    }
    findings
}

/// The names at the ends of the paths that go on with `rest`: several in a group of imports.
fn named(rest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0_u32;
    let mut last = String::new();
    let mut is_alias = false;
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => {
                let mut word = c.to_string();
                while let Some(more) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(more);
                }
                match word.as_str() {
                    "as" => is_alias = true,
                    "self" => {}
                    _ if is_alias => is_alias = false,
                    _ => last = word,
                }
            }
            ':' if chars.next_if_eq(&':').is_some() => {}
            '{' => depth += 1,
            '*' => "*".clone_into(&mut last),
            ',' if depth > 0 => names.extend((!last.is_empty()).then(|| std::mem::take(&mut last))),
            '}' if depth > 0 => {
                depth -= 1;
                names.extend((!last.is_empty()).then(|| std::mem::take(&mut last)));
            }
            c if c.is_whitespace() && depth > 0 => {}
            _ => break,
        }
        // A path in code ends where it is not gone on with.
        if depth == 0 && chars.peek().is_none_or(|c| !is_part(*c)) {
            break;
        }
    }
    names.extend((!last.is_empty()).then_some(last));
    names
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == ':' || c == '{' || c == '*'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_planted(path: &str, text: &str, expected: &[&str]) {
        let found: Vec<String> = check(&[File::new(path, text)])
            .into_iter()
            .map(|finding| {
                finding
                    .what
                    .split('`')
                    .nth(1)
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_call_of_the_simulator_outside_testbeds_is_found() {
        let elsewhere = "scenarios/src/play/steps.rs";
        check_planted(elsewhere, "use orrery_sim::kernel;\n", &["kernel"]);
        check_planted(elsewhere, "use orrery_sim::{HostId, host};\n", &["host"]);
        check_planted(
            elsewhere,
            "use orrery_sim::net::nat::{\n    self, Lifetimes,\n};\n",
            &["nat"],
        );
        check_planted(
            elsewhere,
            "use orrery_sim::net::udp::UdpSocket as Socket;\n",
            &["UdpSocket"],
        );
        check_planted(
            elsewhere,
            "let now = orrery_sim::kernel::now();\n",
            &["now"],
        );
        check_planted(elsewhere, "use orrery_sim::*;\n", &["*"]);
    }

    #[test]
    fn values_are_named_everywhere_and_testbeds_and_tests_call() {
        let values = "use orrery_sim::time::SimTime;\nuse orrery_sim::net::nat::{Lifetimes, Renewed};\n\
                      fn f(at: orrery_sim::HostId, b: u32) {}\n// orrery_sim::kernel\n";
        check_planted("scenarios/src/play/steps.rs", values, &[]);
        let call = "use orrery_sim::kernel;\n";
        check_planted("scenarios/src/testbed/sim/mod.rs", call, &[]);
        check_planted("scenarios/src/validation/cubic.rs", call, &[]);
        check_planted("scenarios/src/play/conditions/tests.rs", call, &[]);
        check_planted("bench/src/main.rs", call, &[]);
        let test = "#[cfg(test)]\nmod tests {\n    use orrery_sim::kernel;\n}\n";
        check_planted("scenarios/src/play/mod.rs", test, &[]);
    }
}
