//! Further interfaces of a run's hosts.
//!
//! Owns when they first come up and go for good; what faults do to them is
//! [`super::conditions`]'s.

use std::sync::Arc;

use orrery_sim::time::SimTime;
use orrery_sim::{Class, HostId};

use super::conditions;
use super::run::Run;

/// Schedules when interfaces come up first, and go down for good.
pub fn schedule(run: &Arc<Run>) {
    for plan in &run.world.hosts {
        let interfaces = &run.scenario.groups[plan.group].interfaces;
        for (place, interface) in (1..).zip(interfaces) {
            let turns = [
                (interface.up_at_ns > 0).then_some((0, false)),
                (interface.up_at_ns > 0).then_some((interface.up_at_ns, true)),
                interface.down_at_ns.map(|at_ns| (at_ns, false)),
            ];
            for (at_ns, is_there) in turns.into_iter().flatten() {
                let (host, turning) = (plan.host, Arc::clone(run));
                let turn = move || conditions::interface_turns(&turning, host, place, is_there);
                let at = SimTime::from_nanos(at_ns);
                let testbed = &run.testbed;
                testbed.call_at(at, Class::World, HostId(host), Box::new(turn));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use orrery_reports::record::{Metric, SeedResult};

    use crate::play;

    /// Two phones with Wi-Fi at home and a mobile network, a server, and whatever else is to
    /// happen.
    fn run(interface: &str, rest: &str) -> SeedResult {
        let text = format!(
            "name = 't'\nduration = '60s'\nwarmup = '1s'\ndrain = '1s'\n\
             [network]\ndelays = 'ibm-10'\n\
             [[group]]\nname = 'phone'\ncount = 2\nprogram = 'none'\nlan = 'home'\nnat = 'sym'\n\
             interfaces = [{{ name = 'mobile', {interface} }}]\n\
             [[group]]\nname = 'server'\ncount = 1\nprogram = 'none'\n{rest}\n"
        );
        play::played(&text, None)
    }

    fn value(result: &SeedResult, metric: &str) -> f64 {
        match result.metrics.get(metric) {
            Some(Metric::Value { value, .. }) => *value,
            _ => 0.0,
        }
    }

    /// The share of flows that came through that begin at `at`, under `faults`.
    fn success(interface: &str, (to, at): (&str, &str), faults: &str) -> (f64, Vec<u64>) {
        let flow = format!(
            "[[workload]]\nkind = 'flow'\nfrom = 'phone[0]'\nto = '{to}'\nat = '{at}'\n\
             bytes = '9kB'\n{faults}"
        );
        let result = run(interface, &flow);
        assert!(result.metrics.contains_key("flow.success"));
        let fired = result.faults.iter().map(|fault| fault.fired).collect();
        (value(&result, "flow.success"), fired)
    }

    fn fault(name: &str, at: u32, length: u32) -> String {
        format!(
            "[[fault]]\nkind = 'interface'\nhosts = 'phone[0]'\nname = '{name}'\nat = '{at}s'\n\
             for = '{length}s'\n"
        )
    }

    #[test]
    fn what_the_first_interface_cannot_carry_the_second_does() {
        let check = |interface: &str, faults: &[String], expected: f64, fires: &[bool]| {
            let (found, fired) = success(interface, ("server", "15s"), &faults.concat());
            assert!(
                (found - expected).abs() < 1e-9,
                "{interface} {faults:?}: {found}"
            );
            let fired: Vec<bool> = fired.iter().map(|&fired| fired > 0).collect();
            assert_eq!(fired, fires, "{interface} {faults:?}");
        };
        let mobile = "access = '4g', nat = 'carrier'";
        let [wifi, both] = [fault("primary", 10, 20), fault("mobile", 10, 20)];
        check(mobile, &[], 1.0, &[]);
        check(mobile, std::slice::from_ref(&wifi), 1.0, &[true]);
        check(mobile, std::slice::from_ref(&both), 1.0, &[false]);
        check(mobile, &[wifi.clone(), both.clone()], 0.0, &[true, true]);
        // Of two on one interface, each would have been enough.
        check(
            mobile,
            &[wifi.clone(), fault("primary", 12, 9)],
            1.0,
            &[true, true],
        );
        check(
            mobile,
            &[wifi.clone(), fault("primary", 1, 3)],
            1.0,
            &[true, false],
        );
        for (times, expected) in [
            ("up_at = '14s'", 1.0),
            ("up_at = '16s'", 0.0),
            ("down_at = '14s'", 0.0),
            ("down_at = '50s'", 1.0),
        ] {
            let interface = format!("{mobile}, {times}");
            check(&interface, std::slice::from_ref(&wifi), expected, &[true]);
        }
        // A fault does not bring up what has gone for good, or has not come yet.
        let ended = [wifi.clone(), fault("mobile", 5, 5)];
        check(
            &format!("{mobile}, down_at = '4s'"),
            &ended,
            0.0,
            &[true, false],
        );
        check(
            &format!("{mobile}, up_at = '40s'"),
            &ended,
            0.0,
            &[true, false],
        );
    }

    #[test]
    fn neighbours_are_reached_while_the_interface_in_their_network_is_up() {
        let check = |faults: &[String], expected: f64| {
            let (found, _) = success("nat = 'carrier'", ("phone[1]", "15s"), &faults.concat());
            assert!((found - expected).abs() < 1e-9, "{faults:?}: {found}");
        };
        check(&[], 1.0);
        check(&[fault("primary", 10, 20)], 0.0);
        check(&[fault("mobile", 10, 20)], 1.0);
    }

    #[test]
    fn interfaces_go_while_other_faults_are_in_force() {
        let check = |others: &str, at: &str, expected: f64| {
            let faults = fault("primary", 10, 20) + others;
            let (found, fired) = success("nat = 'carrier'", ("server", at), &faults);
            assert!((found - expected).abs() < 1e-9, "{others} {at}: {found}");
            assert!(fired[0] > 0 || at != "15s", "{others}: {fired:?}");
        };
        let partition = "[[fault]]\nkind = 'partition'\nbetween = ['phone', 'server']\n\
                         at = '14s'\nfor = '9s'\n";
        // The handshake begins behind the one, and ends by the other way.
        check(partition, "15s", 1.0);
        let moved = "[[fault]]\nkind = 'move'\nhosts = 'phone[0]'\nto = 'public'\nat = '12s'\n\
                     for = '30s'\n";
        check(moved, "15s", 1.0);
        check(moved, "35s", 1.0);
        let cut = "[[fault]]\nkind = 'power-cut'\nhosts = 'phone[0]'\nat = '12s'\nfor = '25s'\n";
        check(cut, "40s", 1.0);
    }
}
