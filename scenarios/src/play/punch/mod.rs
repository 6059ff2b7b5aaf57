//! Hole punching without nodes, over the simulator's sockets.
//!
//! Each pair of hosts registers with a third, the rendezvous, from the port that it will use, and
//! is told where the other was seen once both have registered. Once both know that, they send
//! there, the second side perhaps later than the first, again and again, and UDP also to
//! whomever it has heard. What happens is told to [`super::punches`],
//! which judges it.

mod message;
mod start;
mod tcp;
mod udp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use orrery_sim::{HostId, host, kernel};

pub use start::Starts;

use super::machine::Machines;
use super::punches::Cause;
use crate::format::scenario::punch::{Family, Protocol, Punch};
use crate::format::scenario::workload::Action;

/// The port on which a rendezvous is found: that of STUN (RFC 8489 §18.6).
const RENDEZVOUS_PORT: u16 = 3_478;

/// One side of a pair.
#[derive(Debug, Clone)]
struct Side {
    /// Names the pair.
    punch: u32,
    /// 0 or 1.
    number: u8,
    host: HostId,
    how: Punch,
}

impl Side {
    /// Where the rendezvous is.
    fn rendezvous(&self) -> SocketAddr {
        let via = HostId(self.how.via);
        let ip = match self.how.family {
            Family::Ipv4 => host::v4(via).into(),
            Family::Ipv6 => host::v6(via).into(),
        };
        SocketAddr::new(ip, RENDEZVOUS_PORT)
    }

    /// From one try to the next.
    fn spacing(&self) -> Duration {
        Duration::from_nanos(self.how.spacing_ns)
    }

    /// How much later than the first side it begins.
    fn delay(&self) -> Duration {
        Duration::from_nanos(if self.number == 0 {
            0
        } else {
            self.how.later_ns
        })
    }

    fn begins(&self, machines: &Machines) {
        let mut state = machines.state();
        state.punches.begins(self.punch as usize, now_ns());
    }

    fn answered(&self, machines: &Machines) {
        let mut state = machines.state();
        state.punches.answered(self.punch as usize, now_ns());
    }

    fn gives_up(&self, machines: &Machines) {
        let (punch, side) = (self.punch as usize, usize::from(self.number));
        machines.state().punches.gives_up(punch, side, now_ns());
    }

    fn failed(&self, machines: &Machines, cause: Cause) {
        let mut state = machines.state();
        state.punches.failed(self.punch as usize, cause, now_ns());
    }
}

fn now_ns() -> u64 {
    kernel::now().as_nanos()
}

/// Lets a machine tell others where they are seen, if a workload wants that of it.
pub fn serve(machines: &Arc<Machines>, machine: u32) {
    let wanted = |protocol: Protocol| {
        machines.scenario.workloads.iter().any(|workload| {
            matches!(&workload.action, Action::Punch(how)
                if how.via == machine && how.protocol == protocol)
        })
    };
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        if wanted(protocol) {
            let machines = Arc::clone(machines);
            let testbed = Arc::clone(&machines.testbed);
            let serving: BoxFuture<'static, ()> = match protocol {
                Protocol::Udp => udp::serve(machines, HostId(machine)).boxed(),
                Protocol::Tcp => tcp::serve(machines, HostId(machine)).boxed(),
            };
            testbed.spawn(machine, serving);
        }
    }
}

/// Both hosts of a pair begin.
pub fn start(machines: &Arc<Machines>, punch: u32, workload: usize, hosts: [u32; 2]) {
    let Action::Punch(how) = &machines.scenario.workloads[workload].action else {
        return;
    };
    for (number, machine) in (0..).zip(hosts) {
        let side = Side {
            punch,
            number,
            host: HostId(machine),
            how: how.clone(),
        };
        if !machines.runs(machine) {
            side.failed(machines, Cause::HostDown);
            return;
        }
        let ours = Arc::clone(machines);
        let trying: BoxFuture<'static, ()> = match how.protocol {
            Protocol::Udp => udp::side(ours, side).boxed(),
            Protocol::Tcp => tcp::side(ours, side).boxed(),
        };
        machines.testbed.spawn(machine, trying);
    }
}

#[cfg(test)]
mod tests {
    use orrery_reports::record::{Metric, SeedResult};

    use crate::play;

    /// Two hosts with these NATs, with more about the workload and whatever else is to happen.
    fn run(nats: [&str; 2], how: &str, rest: &str) -> SeedResult {
        play::played(&text(nats, how, rest), None)
    }

    fn text(nats: [&str; 2], how: &str, rest: &str) -> String {
        let [a, b] = nats;
        format!(
            "name = 't'\nduration = '60s'\n[network]\ndelays = 'ibm-10'\n\
             [[group]]\nname = 'a'\ncount = 1\nprogram = 'none'\nnat = '{a}'\n\
             [[group]]\nname = 'b'\ncount = 1\nprogram = 'none'\nnat = '{b}'\n\
             regions = {{ Tokyo = 1.0 }}\n\
             [[group]]\nname = 's'\ncount = 1\nprogram = 'none'\n\
             [[workload]]\nkind = 'punch'\nfrom = 'a'\nto = 'b'\nvia = 's'\nat = '20s'\n{how}\n{rest}\n"
        )
    }

    fn cause(result: &SeedResult) -> &str {
        result.losses.first().map_or("", |loss| &loss.cause)
    }

    #[test]
    fn each_way_to_fail_has_its_cause() {
        let power_cut = |host: &str, at: &str| {
            format!("[[fault]]\nkind = 'power-cut'\nhosts = '{host}'\nat = '{at}'\nfor = '39s'\n")
        };
        for protocol in ["udp", "tcp"] {
            let check = |nats: [&str; 2], how: &str, rest: &str, expected: &str| {
                let how = format!("protocol = '{protocol}'\n{how}");
                let result = run(nats, &how, rest);
                assert_eq!(cause(&result), expected, "{protocol} {nats:?} {how} {rest}");
            };
            let open = ["eim-apdf", "firewall"];
            check(open, "", "", "");
            check(["sym", "sym"], "", "", "no-way");
            // Their firewalls let in whom they have sent to; nothing is translated.
            check(["sym", "eim-apdf"], "family = 'ipv6'", "", "");
            check(["sym", "sym"], "tries = 50", "", "unfinished");
            check(open, "", &power_cut("b", "19s"), "host-down");
            check(open, "", &power_cut("a", "20.01s"), "host-lost-power");
        }
        let result = run(["public"; 2], "", &power_cut("s", "19s"));
        assert_eq!(cause(&result), "not-introduced");
    }

    #[test]
    fn the_second_side_begins_as_much_later_as_said_wherever_the_rendezvous_is() {
        // Firewalls let in whom a host has sent to: what the first side sends is lost until the
        // second has begun, whose first packet then comes through and is answered a round trip
        // later. Dallas and Tokyo are 143.1 ms apart, there and back.
        for (later_ms, near) in [
            (0, "Dallas"),
            (300, "Dallas"),
            (300, "Tokyo"),
            (701, "Sydney"),
        ] {
            let how = format!("later = '{later_ms}ms'\nspacing = '20s'");
            let text = text(["firewall"; 2], &how, "").replace(
                "name = 's'",
                &format!("name = 's'\nregions = {{ {near} = 1.0 }}"),
            );
            let result = play::played(&text, None);
            let Some(Metric::Distribution { max, .. }) = result.metrics.get("punch.time") else {
                panic!("nothing was measured");
            };
            let took = max - f64::from(later_ms);
            assert!((142.0..145.0).contains(&took), "{later_ms} {near}: {max}");
        }
    }

    #[test]
    fn the_time_is_that_of_a_round_trip() {
        let result = run(["eim-apdf", "eim-apdf"], "", "");
        let Some(Metric::Distribution { max, .. }) = result.metrics.get("punch.time") else {
            panic!("nothing was measured");
        };
        // The first packet meets a closed NAT if it comes before the other has sent; Dallas and
        // Tokyo are 143 ms apart, there and back.
        assert!((71.0..=1_200.0).contains(max), "{max}");
    }
}
