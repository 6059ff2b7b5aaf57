//! NATs and firewalls of a run, as flows of hosts behind them find them.

use orrery_reports::record::{Metric, SeedResult};

use crate::play;

/// Hosts with this field in their group, a server, and whatever else is to happen.
fn run(field: &str, rest: &str) -> SeedResult {
    let text = format!(
        "name = 't'\nduration = '60s'\nwarmup = '1s'\ndrain = '1s'\n\
         [network]\ndelays = 'ibm-10'\n\
         [[group]]\nname = 'home'\ncount = 2\nprogram = 'none'\n{field}\n\
         [[group]]\nname = 'server'\ncount = 1\nprogram = 'none'\n{rest}\n"
    );
    play::played(&text, None)
}

/// A megabyte takes sixteen seconds.
const SLOW: &str = "access = { up = { rate = '500kbit/s' } }";

fn flow(from: &str, to: &str, load: &str) -> String {
    format!("[[workload]]\nkind = 'flow'\nfrom = '{from}'\nto = '{to}'\nat = '2s'\n{load}\n")
}

fn value(result: &SeedResult, metric: &str) -> f64 {
    match result.metrics.get(metric) {
        Some(Metric::Value { value, .. }) => *value,
        _ => 0.0,
    }
}

/// The share of flows that brought everything through.
fn success(result: &SeedResult) -> f64 {
    assert!(result.metrics.contains_key("flow.success"));
    value(result, "flow.success")
}

fn is(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-9
}

#[test]
fn hosts_behind_a_nat_reach_others_and_are_not_reached() {
    let check = |field: &str, from: &str, to: &str, expected: f64| {
        let found = success(&run(field, &flow(from, to, "bytes = '9kB'")));
        assert!(is(found, expected), "{field}, {from}: {found}");
    };
    check("", "server", "home[1]", 1.0);
    check("nat = 'public'", "server", "home[1]", 1.0);
    for nat in [
        "'sym'",
        "'firewall'",
        "{ profile = 'eim-apdf', behind = 'carrier' }",
        "{ profile = 'public', behind = 'carrier' }",
    ] {
        let field = format!("nat = {nat}");
        check(&field, "home[1]", "server", 1.0);
        check(&field, "server", "home[1]", 0.0);
    }
}

#[test]
fn hosts_of_one_home_reach_each_other_and_others_do_not() {
    let check = |homes_of: u32, expected: f64| {
        let field = format!("nat = {{ profile = 'eim-apdf', homes_of = {homes_of} }}");
        let found = success(&run(&field, &flow("home[0]", "home[1]", "bytes = '9kB'")));
        assert!(is(found, expected), "{homes_of}: {found}");
    };
    check(2, 1.0);
    check(1, 0.0);
}

#[test]
fn a_fault_counts_what_it_did() {
    let check = |fault: &str, expected: (u64, u64), delivered: f64| {
        let rest = format!(
            "{}[[fault]]\nhosts = 'home'\nat = '10s'\n{fault}\n",
            flow("home", "server", "for = '20s'")
        );
        let result = run(&format!("nat = 'sym'\n{SLOW}"), &rest);
        let counted = (result.faults[0].declared, result.faults[0].fired);
        assert_eq!(counted, expected, "{fault}");
        assert!(is(success(&result), delivered), "{fault}");
    };
    // Each host has a NAT, and that the session of one flow.
    check("kind = 'nat-restart'", (2, 2), 0.0);
    check("kind = 'nat-restart'\naddress = 'changed'", (2, 4), 0.0);
    check("kind = 'nat-address'", (2, 2), 0.0);
    check(
        "kind = 'nat-lifetime'\ntcp_established = '5m'\nfor = '3s'",
        (2, 2),
        1.0,
    );
    // A flow of TCP does not meet the lifetime of UDP's sessions.
    check("kind = 'nat-lifetime'\nudp = '5s'\nfor = '3s'", (2, 0), 1.0);
    check("kind = 'move'\nto = 'public'\nfor = '60s'", (2, 2), 1.0);
}

#[test]
fn a_host_that_moved_again_stays_until_the_second_move_ends() {
    // Private addresses are reached by hosts of the same home alone.
    let check = |second: &str, at: &str, expected: f64| {
        let flow = flow("home[0]", "home[1]", "bytes = '9kB'").replace("2s", at);
        let rest = format!(
            "{flow}[[fault]]\nkind = 'move'\nhosts = 'home[1]'\nat = '4s'\nfor = '4s'\n\
             to = 'sym'\n\
             [[fault]]\nkind = 'move'\nhosts = 'home[1]'\nat = '{second}'\nfor = '8s'\n\
             to = 'carrier'\naccess = '4g'\n"
        );
        let result = run("nat = { profile = 'eim-apdf', homes_of = 2 }", &rest);
        let found = success(&result);
        assert!(is(found, expected), "{second} {at}: {found}");
    };
    check("6s", "2s", 1.0);
    check("6s", "10s", 0.0);
    check("6s", "15s", 1.0);
    check("30s", "10s", 1.0);
}

#[test]
fn a_restart_that_finds_nothing_to_forget_has_not_fired() {
    let rest = "[[fault]]\nkind = 'nat-restart'\nhosts = 'home'\nat = '10s'\n";
    let result = run("nat = { profile = 'sym', homes_of = 2 }", rest);
    let counted = (result.faults[0].declared, result.faults[0].fired);
    assert_eq!(counted, (1, 0), "one NAT is hit once");
}

#[test]
fn a_short_lifetime_ends_when_its_fault_does() {
    // Cut off, a sender repeats itself after ever longer pauses. A session that lasts two
    // seconds ends in one of them, and what then comes from another port is reset.
    let check = |length: &str, expected: f64| {
        let rest = format!(
            "{}[[fault]]\nkind = 'nat-lifetime'\nhosts = 'home'\nat = '3s'\nfor = '{length}'\n\
             tcp_transitory = '1s'\ntcp_established = '2s'\n\
             [[fault]]\nkind = 'partition'\nbetween = ['home', 'server']\nat = '5s'\nfor = '9s'\n",
            flow("home", "server", "bytes = '1MB'")
        );
        let result = run(&format!("nat = 'sym'\n{SLOW}"), &rest);
        let found = success(&result);
        assert!(is(found, expected), "{length}: {found}");
    };
    check("1s", 1.0);
    check("40s", 0.0);
}

#[test]
fn want_of_ports_and_of_room_is_told_by_reason() {
    let check = |reason: &str, fields: &str| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let profile = format!(
            "name='small'\nsummary='s'\nsource='q'\n\
             [nat]\nmapping='endpoint-independent'\nfiltering='address-dependent'\n{fields}\n"
        );
        std::fs::write(folder.path().join("small.toml"), profile).expect("it can be written");
        let text = format!(
            "name = 't'\nduration = '20s'\n[network]\ndelays = 'ibm-10'\n\
             [[group]]\nname = 'home'\ncount = 4\nprogram = 'none'\n\
             nat = {{ profile = 'small.toml', homes_of = 4 }}\n\
             [[group]]\nname = 'server'\ncount = 1\nprogram = 'none'\n{}",
            flow("home", "server", "bytes = '9kB'")
        );
        let result = play::played(&text, Some(folder.path()));
        assert!(is(success(&result), 0.5), "{reason}");
        let dropped = value(&result, &format!("net.drops{{reason={reason}}}"));
        assert!(dropped > 0.0, "{reason}");
    };
    check("nat-ports-exhausted", "port_range=[2000, 2001]");
    check("nat-table-full", "sessions_max=2");
}
