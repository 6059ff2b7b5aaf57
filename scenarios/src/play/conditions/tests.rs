//! Random schedules of faults: at every moment the world is the sum of those in force, computed
//! here in another way and read back from the simulator.

use std::fmt::Write as _;
use std::sync::Arc;

use orrery_sim::net::link::Access;
use orrery_sim::net::multihomed;
use orrery_sim::net::nat::{self, GatewayId, Lifetimes};
use orrery_sim::time::SimTime;
use orrery_sim::{HostId, Simulation, host};
use proptest::prelude::*;

use super::hosts::port_of;
use crate::fault::LinkChange;
use crate::format::read;
use crate::format::scenario::network::Fidelity;
use crate::play::run::Run;
use crate::play::{expect_changes, schedule};
use crate::testbed::sim::{SimBed, access, build_topology};
use crate::workload::{self, Planned};
use crate::world::World;

const S: u64 = 1_000_000_000;
/// All times are multiples of this, so that many coincide.
const TICK_S: u64 = 5;
const DURATION_S: u64 = 60;
/// Two on a local network, three behind two NATs, and one with neither.
const NAMES: [&str; 6] = ["lan[0]", "lan[1]", "nat[0]", "nat[1]", "nat[2]", "bare[0]"];
/// When each group boots.
const BOOT_S: [u64; 6] = [0, 0, 11, 11, 11, 0];
const HOSTS: usize = NAMES.len();

/// A fault as it is written, in whole seconds.
#[derive(Debug, Clone)]
struct Written {
    what: What,
    hosts: Vec<usize>,
    at_s: u64,
    length_s: u64,
    every_s: Option<u64>,
}

#[derive(Debug, Clone)]
enum What {
    Partition {
        others: Vec<usize>,
        one_way: bool,
    },
    PowerCut,
    NewDisk,
    Stop,
    Pause,
    Sleep,
    Outage,
    Link {
        rate_mbps: Option<u64>,
        delay_ms: Option<u64>,
        loss_percent: Option<u64>,
        on: &'static str,
    },
    ClockStep {
        by_s: i64,
    },
    NatRestart,
    NatLifetime {
        udp_s: Option<u64>,
        established_s: Option<u64>,
    },
    Move {
        to: &'static str,
        has_link: bool,
    },
    Interface {
        name: &'static str,
    },
}

impl Written {
    fn is_instant(&self) -> bool {
        matches!(self.what, What::ClockStep { .. } | What::NatRestart)
    }

    /// When its turns begin.
    fn beginnings(&self) -> Vec<u64> {
        let step = self.every_s.unwrap_or(DURATION_S);
        (self.at_s..DURATION_S).step_by(step as usize).collect()
    }

    /// When the turn began that is in force at host `host` at `now_s`.
    fn since(&self, host: usize, now_s: u64) -> Option<u64> {
        let lasts = |from: &u64| (*from..(from + self.length_s).min(DURATION_S)).contains(&now_s);
        let concerned = self.hosts.contains(&host) && !self.is_instant();
        self.beginnings()
            .into_iter()
            .filter(lasts)
            .find(|_| concerned)
    }

    fn write(&self, text: &mut String) {
        let list = |hosts: &[usize]| {
            let names: Vec<String> = hosts
                .iter()
                .map(|&host| format!("'{}'", NAMES[host]))
                .collect();
            format!("[{}]", names.join(", "))
        };
        let hosts = list(&self.hosts);
        let (kind, fields) = match &self.what {
            What::Partition { others, one_way } => {
                let direction = if *one_way { "a-to-b" } else { "both" };
                let fields = format!(
                    "between=[{hosts}, {}]\ndirection='{direction}'",
                    list(others)
                );
                ("partition", fields)
            }
            What::PowerCut => ("power-cut", String::new()),
            What::Stop => ("stop", String::new()),
            What::NewDisk => ("new-disk", "keys='kept'".to_owned()),
            What::Pause => ("pause", String::new()),
            What::Sleep => ("sleep", String::new()),
            What::Outage => ("outage", String::new()),
            What::Link {
                rate_mbps,
                delay_ms,
                loss_percent,
                on,
            } => {
                let field = |name: &str, value: Option<u64>, unit: &str| {
                    value.map_or(String::new(), |value| format!("{name}='{value}{unit}'\n"))
                };
                let fields = field("up", *rate_mbps, "Mbit/s")
                    + &field("delay", *delay_ms, "ms")
                    + &field("loss", *loss_percent, "%")
                    + &format!("on='{on}'\n");
                ("link", fields)
            }
            What::ClockStep { by_s } => ("clock-step", format!("by='{by_s}s'")),
            What::NatRestart => ("nat-restart", "address='changed'".to_owned()),
            What::NatLifetime {
                udp_s,
                established_s,
            } => {
                let field = |name: &str, value: Option<u64>| {
                    value.map_or(String::new(), |value| format!("{name}='{value}s'\n"))
                };
                let fields = field("udp", *udp_s) + &field("tcp_established", *established_s);
                ("nat-lifetime", fields)
            }
            What::Move { to, has_link } => {
                let access = if *has_link { "\naccess='4g'" } else { "" };
                ("move", format!("to='{to}'{access}"))
            }
            What::Interface { name } => ("interface", format!("name='{name}'")),
        };
        let _ = writeln!(
            text,
            "[[fault]]\nkind='{kind}'\nat='{}s'\n{fields}",
            self.at_s
        );
        if kind != "partition" {
            let _ = writeln!(text, "hosts={hosts}");
        }
        if !self.is_instant() {
            let _ = writeln!(text, "for='{}s'", self.length_s);
        }
        if let Some(every_s) = self.every_s {
            let _ = writeln!(text, "every='{every_s}s'");
        }
    }
}

fn hosts(range: std::ops::Range<usize>) -> impl Strategy<Value = Vec<usize>> {
    let all: Vec<usize> = range.collect();
    let most = all.len();
    prop::sample::subsequence(all, 1..=most)
}

fn what() -> impl Strategy<Value = (What, Vec<usize>)> {
    let all_hosts = || hosts(0..HOSTS);
    let behind_nat = || hosts(2..5);
    let sides = (hosts(0..3), hosts(3..HOSTS), any::<bool>());
    let link = (
        prop::option::of(1..20_u64),
        prop::option::of(1..90_u64),
        prop::option::of(0..=100_u64),
    );
    let link = link.prop_filter("it changes something", |(a, b, c)| {
        a.is_some() || b.is_some() || c.is_some()
    });
    let lifetimes = (
        prop::option::of(1..200_u64),
        prop::option::of(300..9_000_u64),
    );
    let lifetimes =
        lifetimes.prop_filter("it changes something", |(a, b)| a.is_some() || b.is_some());
    let network = (
        prop::sample::select(vec!["public", "sym", "carrier"]),
        any::<bool>(),
    );
    let on = prop::sample::select(vec!["access", "lan", "all"]);
    prop_oneof![
        sides.prop_map(|(a, others, one_way)| (What::Partition { others, one_way }, a)),
        all_hosts().prop_map(|hosts| (What::PowerCut, hosts)),
        all_hosts().prop_map(|hosts| (What::NewDisk, hosts)),
        all_hosts().prop_map(|hosts| (What::Stop, hosts)),
        all_hosts().prop_map(|hosts| (What::Pause, hosts)),
        all_hosts().prop_map(|hosts| (What::Sleep, hosts)),
        all_hosts().prop_map(|hosts| (What::Outage, hosts)),
        (link, all_hosts(), on).prop_map(|((rate_mbps, delay_ms, loss_percent), mut hosts, on)| {
            if on == "lan" {
                // The last has no local network.
                hosts.retain(|host| *host != HOSTS - 1);
                hosts.extend(hosts.is_empty().then_some(0));
            }
            (
                What::Link {
                    rate_mbps,
                    delay_ms,
                    loss_percent,
                    on,
                },
                hosts,
            )
        }),
        (
            (-90..90_i64).prop_filter("it steps", |by| *by != 0),
            all_hosts()
        )
            .prop_map(|(by_s, hosts)| (What::ClockStep { by_s }, hosts)),
        behind_nat().prop_map(|hosts| (What::NatRestart, hosts)),
        (lifetimes, behind_nat()).prop_map(|((udp_s, established_s), hosts)| {
            (
                What::NatLifetime {
                    udp_s,
                    established_s,
                },
                hosts,
            )
        }),
        (network, all_hosts())
            .prop_map(|((to, has_link), hosts)| (What::Move { to, has_link }, hosts)),
        hosts(0..2).prop_map(|hosts| (What::Interface { name: "mobile" }, hosts)),
        all_hosts().prop_map(|hosts| (What::Interface { name: "primary" }, hosts)),
    ]
}

fn written() -> impl Strategy<Value = Written> {
    let ticks = DURATION_S / TICK_S;
    (
        what(),
        0..ticks,
        1..ticks,
        prop::option::weighted(0.3, 1..4_u64),
    )
        .prop_map(|((what, hosts), at, length, pause)| Written {
            what,
            hosts,
            at_s: at * TICK_S,
            length_s: length * TICK_S,
            every_s: pause.map(|pause| (length + pause) * TICK_S),
        })
}

/// What is read back of a host.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what is read back is many a yes or no"
)]
struct Seen {
    is_up: bool,
    runs: bool,
    stands_still: bool,
    sleeps: bool,
    behind: Option<GatewayId>,
    has_lan: bool,
    access: Access,
    port: Access,
    clock_ns: i64,
    /// Where it is reached, if it is at home.
    addresses: Option<(std::net::Ipv4Addr, std::net::Ipv6Addr)>,
    /// Whether each of its interfaces is up.
    interfaces: Vec<bool>,
}

fn seen(number: usize, is_home: bool) -> Seen {
    let id = HostId(number as u32);
    Seen {
        is_up: host::is_up(id),
        runs: host::tasks(id) > 0,
        stands_still: host::is_paused(id),
        sleeps: host::is_asleep(id),
        behind: host::gateway(id),
        has_lan: host::lan(id).is_some(),
        access: host::access(id),
        port: host::lan_port(id),
        clock_ns: host::clock_offset_ns(id),
        addresses: is_home.then(|| (host::v4(id), host::v6(id))),
        interfaces: multihomed::of(id)
            .into_iter()
            .map(multihomed::is_up)
            .collect(),
    }
}

/// What a schedule makes of one host, computed from what is written.
struct Naive<'a> {
    run: &'a Run,
    bed: &'a SimBed,
    faults: &'a [Written],
    first: &'a [Seen],
    usual: Lifetimes,
}

impl Naive<'_> {
    /// Faults in force at a host, with their places in the file.
    fn in_force(&self, host: usize, now_s: u64) -> Vec<(u64, usize, &What)> {
        let all = self.faults.iter().enumerate();
        all.filter_map(|(place, fault)| Some((fault.since(host, now_s)?, place, &fault.what)))
            .collect()
    }

    /// The fault in whose network a host is.
    fn away(&self, host: usize, now_s: u64) -> Option<usize> {
        let mut best = None;
        for (since, place, what) in self.in_force(host, now_s) {
            if matches!(what, What::Move { .. }) && best <= Some((since, place)) {
                best = Some((since, place));
            }
        }
        best.map(|(_, place)| place)
    }

    fn of(&self, host: usize, now_s: u64) -> Seen {
        let number = host as u32;
        let in_force = self.in_force(host, now_s);
        let has = |wanted: fn(&What) -> bool| in_force.iter().any(|(_, _, what)| wanted(what));
        let is_off = has(|what| matches!(what, What::PowerCut | What::NewDisk));
        let sleeps = has(|what| matches!(what, What::Sleep));
        let is_stopped = has(|what| matches!(what, What::Stop));
        let away = self.away(host, now_s);
        let world = &self.run.world;
        let gateway = away.map_or(world.gateways.at_home[host], |place| {
            world.gateways.away(place, number)
        });
        let behind = gateway.map(|gateway| self.bed.gateway(gateway));
        let clock_ns = self.faults.iter().map(|fault| match fault.what {
            What::ClockStep { by_s } if fault.hosts.contains(&host) => {
                let passed = fault.beginnings().into_iter().filter(|&at| at <= now_s);
                passed.count() as i64 * by_s * S as i64
            }
            _ => 0,
        });
        Seen {
            is_up: !is_off && !sleeps,
            sleeps,
            runs: !is_off && !is_stopped && now_s >= BOOT_S[host],
            stands_still: has(|what| matches!(what, What::Pause)),
            behind,
            has_lan: self.first[host].has_lan && away.is_none(),
            access: self.access(host, &change(&in_force, "access"), away),
            port: self.port(host, &change(&in_force, "lan")),
            clock_ns: clock_ns.sum(),
            addresses: away.map_or(self.first[host].addresses, |_| None),
            interfaces: ["primary", "mobile"]
                .into_iter()
                .take(if host < 2 { 2 } else { 1 })
                .map(|interface| {
                    !in_force.iter().any(|(_, _, what)| {
                        matches!(what, What::Interface { name } if *name == interface)
                    })
                })
                .collect(),
        }
    }

    fn port(&self, host: usize, change: &LinkChange) -> Access {
        let port = port_of(self.run, host as u32);
        port.map_or_else(Access::default, |port| access(port, change))
    }

    fn access(&self, host: usize, change: &LinkChange, away: Option<usize>) -> Access {
        let scenario = &self.run.scenario;
        let elsewhere = away.and_then(|place| {
            let adds = scenario.faults[place].acts().on_host();
            let network = adds.and_then(|adds| adds.away).expect("it moves hosts");
            network.access.as_ref()
        });
        let usual = &scenario.group_of(host as u32).access;
        access(elsewhere.unwrap_or(usual), change)
    }

    fn lifetimes(&self, gateway: usize, now_s: u64) -> Lifetimes {
        let members: &[usize] = if gateway == 0 { &[2, 3] } else { &[4] };
        let mut lifetimes = self.usual;
        let (mut udp, mut established) = (None, None);
        for fault in self.faults {
            let What::NatLifetime {
                udp_s,
                established_s,
            } = &fault.what
            else {
                continue;
            };
            if members
                .iter()
                .any(|&host| fault.since(host, now_s).is_some())
            {
                udp = [udp, *udp_s].into_iter().flatten().min();
                established = [established, *established_s].into_iter().flatten().min();
            }
        }
        let time = std::time::Duration::from_secs;
        lifetimes.udp = udp.map_or(lifetimes.udp, time);
        lifetimes.tcp_established = established.map_or(lifetimes.tcp_established, time);
        lifetimes
    }

    fn is_cut(&self, from: usize, to: usize, now_s: u64) -> bool {
        self.faults.iter().any(|fault| {
            let What::Partition { others, one_way } = &fault.what else {
                return false;
            };
            let in_force = fault.since(fault.hosts[0], now_s).is_some();
            let (a, b) = (&fault.hosts, others);
            let forth = a.contains(&from) && b.contains(&to);
            let back = b.contains(&from) && a.contains(&to);
            in_force && (forth || back && !one_way)
        })
    }

    fn check(&self, now_s: u64) {
        for (host, name) in NAMES.iter().enumerate() {
            let expected = self.of(host, now_s);
            let found = seen(host, expected.addresses.is_some());
            assert_eq!(found, expected, "{name} at {now_s} s");
            for other in (0..HOSTS).filter(|&other| other != host) {
                let expected = self.is_cut(host, other, now_s);
                let [from, to] = [host, other].map(|host| HostId(host as u32));
                assert_eq!(
                    host::is_cut(from, to),
                    expected,
                    "{from} to {to} at {now_s} s"
                );
                // Where they are in the core now, they are cut off as well.
                let [from, to] = [from, to].map(outermost);
                assert!(
                    host::is_cut(from, to) || !expected,
                    "{from} to {to} at {now_s} s"
                );
            }
        }
        for gateway in [0, 1] {
            let id = self.bed.gateway(gateway);
            let found = nat::lifetimes(id).0.expect("it is a NAT");
            assert_eq!(
                found,
                self.lifetimes(gateway, now_s),
                "gateway {gateway} at {now_s} s"
            );
        }
    }
}

/// What faults in force change of one of a host's links.
fn change(in_force: &[(u64, usize, &What)], link: &str) -> LinkChange {
    let mut change = LinkChange::default();
    let mut pass = None;
    for (_, _, what) in in_force {
        if matches!(what, What::Outage) && link == "access" {
            pass = Some(0.0);
        }
        let What::Link {
            rate_mbps,
            delay_ms,
            loss_percent,
            on,
        } = what
        else {
            continue;
        };
        if *on != link && *on != "all" {
            continue;
        }
        if let Some(rate) = rate_mbps.map(|mbps| mbps * 1_000_000) {
            change.up_bps = Some(change.up_bps.map_or(rate, |other| other.min(rate)));
        }
        if let Some(delay) = delay_ms.map(|ms| ms * 1_000_000) {
            change.delay_ns = Some(change.delay_ns.map_or(delay, |other| other.max(delay)));
        }
        if let Some(percent) = loss_percent {
            pass = Some(pass.unwrap_or(1.0) * (1.0 - *percent as f64 / 100.0));
        }
    }
    change.loss_ppm = pass.map(|pass: f64| ((1.0 - pass) * 1e6).round() as u32);
    change
}

/// The last on the way of a host's packets to the core.
fn outermost(host: HostId) -> HostId {
    let mut at = host;
    while let Some(gateway) = host::gateway(at) {
        at = gateway.host();
    }
    at
}

fn check(faults: &[Written]) {
    let mut text = format!(
        "name='t'\nduration='{DURATION_S}s'\n[network]\ndelays='ibm-10'\n\
         [[group]]\nname='lan'\ncount=2\nprogram='none'\nboot='0s'\nlan='home'\n\
         interfaces=[{{ name='mobile', nat='carrier' }}]\n\
         access={{ up={{ rate='9Mbit/s', loss='3%' }}, down={{ delay='2ms' }} }}\n\
         [[group]]\nname='nat'\ncount=3\nprogram='none'\nboot='11s'\n\
         nat={{ profile='eim-apdf', homes_of=2 }}\naccess='fixed'\n\
         [[group]]\nname='bare'\ncount=1\nprogram='none'\nboot='0s'\n\
         [[group]]\nname='caller'\ncount=1\nprogram='none'\n\
         [[workload]]\nkind='flow'\nfrom='caller'\nto=['lan', 'nat', 'bare']\nat='59s'\n"
    );
    for fault in faults {
        fault.write(&mut text);
    }
    let plan = read("t.toml", &text, None, &[]).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    let scenario = plan.cases[0].scenario.clone();
    let world = World::build(&scenario, 1);
    let trackers = workload::trackers(&Planned {
        scenario: &scenario,
        world: &world,
    });
    let run = Simulation::new(1).run(|simulated| {
        let bed = Arc::new(SimBed::new(Fidelity::Wire));
        build_topology(&bed, &scenario, &world);
        let run = Run::new(scenario, world, Arc::clone(&bed) as _, trackers);
        expect_changes(&run);
        let first: Vec<Seen> = (0..HOSTS).map(|host| seen(host, true)).collect();
        schedule(&run);
        let gateway = bed.gateway(0);
        let naive = Naive {
            run: &run,
            bed: &bed,
            faults,
            first: &first,
            usual: nat::lifetimes(gateway).0.expect("it is a NAT"),
        };
        for now_s in (0..=DURATION_S).step_by(TICK_S as usize) {
            // What is due at this moment has happened by then.
            simulated.run_until(SimTime::from_nanos(now_s * S + 1));
            naive.check(now_s);
        }
    });
    let ((), outcome) = run.unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(outcome.failure.is_none(), "{:?}\n{text}", outcome.failure);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn hosts_meet_the_sum_of_all_faults_in_force(faults in prop::collection::vec(written(), 1..9)) {
        check(&faults);
    }
}
