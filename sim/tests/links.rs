//! Impairments of access links, seen by programs of a whole simulation.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use futures_timer::Delay;
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::stage::{Controlled, Policing, Reordering};
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::net::{self, HostTraffic, address};
use orrery_sim::time::SimTime;
use orrery_sim::units::{Rate, Ratio};
use orrery_sim::{Class, HostId, HostSpec, Simulation, host, kernel};

const MS: Duration = Duration::from_millis(1);

/// On a link of 8 Mbit/s they take a millisecond.
const PACKET_BYTES: usize = 1_000;
const RATE: Rate = Rate::from_mbps(8);

/// What became of the packets.
struct Outcome {
    /// Number and instant of each packet as it came.
    arrivals: Vec<(u32, SimTime)>,
    drops: BTreeMap<&'static str, u64>,
    sender: HostTraffic,
    receiver: HostTraffic,
    hash: String,
}

impl Outcome {
    fn numbers(&self) -> Vec<u32> {
        self.arrivals.iter().map(|(number, _)| *number).collect()
    }
}

/// Sends `count` packets, `gap` apart, from the first host over `up` to the
/// second over `down`. `meddle` is called with both hosts before.
fn send(
    up: LinkSpec,
    down: LinkSpec,
    (count, gap): (u32, Duration),
    meddle: impl FnOnce(HostId, HostId) + Send,
) -> Outcome {
    let ((arrivals, drops, sender, receiver), outcome) = Simulation::new(1)
        .run(|world| {
            let access = Access {
                up,
                ..Access::default()
            };
            let sender = host::add(HostSpec {
                access,
                ..HostSpec::named("sender")
            });
            let access = Access {
                down,
                ..Access::default()
            };
            let receiver = host::add(HostSpec {
                access,
                ..HostSpec::named("receiver")
            });
            meddle(sender, receiver);
            let (told, arrivals) = mpsc::channel();
            host::executor(receiver).spawn(async move {
                let socket = UdpSocket::bind(receiver, 9).expect("the port is free");
                while let Ok((_, data)) = poll_fn(|cx| socket.poll_recv_from(cx)).await {
                    let number = u32::from_le_bytes(data[..4].try_into().expect("four bytes"));
                    // Only a simulation that has ended does not listen any more.
                    let _ = told.send((number, kernel::now()));
                }
            });
            host::executor(sender).spawn(async move {
                let socket = UdpSocket::bind(sender, 9).expect("the port is free");
                let to = SocketAddr::new(address::v4(receiver).into(), 9);
                for number in 0..count {
                    let mut data = vec![0; PACKET_BYTES - 28];
                    data[..4].copy_from_slice(&number.to_le_bytes());
                    socket.send_to(to, data.into()).expect("it fits");
                    if gap > Duration::ZERO {
                        Delay::new(gap).await;
                    }
                }
            });
            world.run_until(SimTime::from_secs(60));
            (
                arrivals.try_iter().collect(),
                net::drops(),
                net::traffic(sender),
                net::traffic(receiver),
            )
        })
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None);
    Outcome {
        arrivals,
        drops,
        sender,
        receiver,
        hash: outcome.trace_hash,
    }
}

fn limited() -> LinkSpec {
    LinkSpec {
        rate: Some(RATE),
        queue_bytes: 1 << 20,
        ..LinkSpec::default()
    }
}

fn managed() -> LinkSpec {
    LinkSpec {
        codel: Some(Controlled::default()),
        ..limited()
    }
}

fn nothing(_: HostId, _: HostId) {}

#[test]
fn corrupted_packets_take_their_time_and_are_dropped_by_the_receiver() {
    let corrupting = LinkSpec {
        corruption: Ratio::from_percent(50),
        ..LinkSpec::default()
    };
    let outcome = send(corrupting, limited(), (100, Duration::ZERO), nothing);
    let corrupted = outcome.drops["corrupted"];
    assert_eq!(outcome.drops.len(), 1);
    assert_eq!(outcome.arrivals.len() as u64 + corrupted, 100);
    assert!((20..=80).contains(&corrupted), "{corrupted}");
    // All of them were on the receiver's link, damaged or not.
    assert_eq!(outcome.receiver.received_packets, 100);
    for (number, at) in outcome.arrivals {
        assert_eq!(at, SimTime::from_millis(u64::from(number) + 1));
    }
}

#[test]
fn lost_packets_take_their_time_on_the_link() {
    let lossy = LinkSpec {
        loss: Ratio::from_percent(50),
        ..limited()
    };
    let outcome = send(lossy, LinkSpec::default(), (100, Duration::ZERO), nothing);
    assert!(outcome.drops["loss"] > 0);
    for (number, at) in outcome.arrivals {
        assert_eq!(at, SimTime::from_millis(u64::from(number) + 1));
    }
}

#[test]
fn copies_arrive_and_are_not_sent_again() {
    let copying = LinkSpec {
        duplication: Ratio::ONE,
        ..LinkSpec::default()
    };
    let outcome = send(copying.clone(), copying, (3, MS), nothing);
    assert_eq!(outcome.numbers(), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    assert_eq!(outcome.sender.sent_packets, 3);
    assert_eq!(outcome.receiver.received_packets, 12);
}

#[test]
fn packets_held_back_are_overtaken() {
    let reordering = LinkSpec {
        reordering: Some(Reordering {
            ratio: Ratio::from_percent(20),
            by: 3 * MS / 2,
        }),
        ..LinkSpec::default()
    };
    let outcome = send(reordering, LinkSpec::default(), (200, MS), nothing);
    let mut numbers = outcome.numbers();
    assert!(!numbers.is_sorted());
    numbers.sort_unstable();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
}

#[test]
fn a_policer_drops_what_exceeds_its_bucket() {
    let policed = LinkSpec {
        policing: Some(Policing {
            rate: RATE,
            burst_bytes: 10_000,
        }),
        ..LinkSpec::default()
    };
    let outcome = send(policed, LinkSpec::default(), (100, Duration::ZERO), nothing);
    assert_eq!(outcome.numbers(), (0..10).collect::<Vec<_>>());
    assert_eq!(outcome.drops["policed"], 90);
}

#[test]
fn codel_signals_a_standing_queue_and_tail_drop_does_not() {
    // Half as much again as the link carries, for 20 seconds.
    let load = (30_000, 2 * MS / 3);
    let waits = |outcome: &Outcome| -> Duration {
        let sent = |number: u32| SimTime::ZERO + load.1 * number;
        let wait = |(number, at): &(u32, SimTime)| *at - sent(*number);
        outcome
            .arrivals
            .iter()
            .map(wait)
            .max()
            .expect("some arrive")
    };
    let tail = send(limited(), LinkSpec::default(), load, nothing);
    assert!(waits(&tail) > 900 * MS, "{:?}", waits(&tail));
    assert!(!tail.drops.contains_key("codel"));
    for (up, down) in [
        (managed(), LinkSpec::default()),
        (LinkSpec::default(), managed()),
    ] {
        let outcome = send(up, down, load, nothing);
        let dropped = outcome.drops["codel"];
        assert!(dropped > 1_000, "{dropped}");
        assert!(outcome.numbers().is_sorted());
        let full = outcome.drops.get("queue-full").copied().unwrap_or(0);
        assert_eq!(outcome.arrivals.len() as u64 + dropped + full, 30_000);
    }
}

#[test]
fn a_burst_through_codel_is_as_through_any_queue() {
    let through = |up| send(up, LinkSpec::default(), (100, Duration::ZERO), nothing).arrivals;
    assert_eq!(through(managed()), through(limited()));
}

#[test]
fn a_link_that_changes_keeps_what_it_holds() {
    for (before, after) in [
        (managed(), managed()),
        (managed(), limited()),
        (limited(), managed()),
        (managed(), LinkSpec::default()),
    ] {
        let changed = Access {
            up: LinkSpec {
                rate: after.rate.map(|_| Rate::from_mbps(1)),
                ..after
            },
            ..Access::default()
        };
        let change = |sender: HostId, _| {
            let at = SimTime::ZERO + 5 * MS / 2;
            kernel::call_at(at, Class::World, sender, move || {
                host::set_access(sender, &changed);
            });
        };
        let outcome = send(before, LinkSpec::default(), (10, MS / 10), change);
        assert_eq!(outcome.numbers(), (0..10).collect::<Vec<_>>());
        assert_eq!(outcome.drops, BTreeMap::new());
    }
}

#[test]
fn what_a_link_holds_leaves_after_the_sender_lost_power() {
    let cut = |sender: HostId, _| {
        let at = SimTime::ZERO + 5 * MS / 2;
        kernel::call_at(at, Class::World, sender, move || {
            host::power_cut(sender);
        });
    };
    let outcome = send(managed(), LinkSpec::default(), (10, Duration::ZERO), cut);
    assert_eq!(outcome.numbers(), (0..10).collect::<Vec<_>>());
}

#[test]
fn equal_seeds_meet_equal_impairments() {
    let run = || {
        let link = LinkSpec {
            loss: Ratio::from_percent(5),
            corruption: Ratio::from_percent(5),
            duplication: Ratio::from_percent(5),
            ..managed()
        };
        send(link.clone(), link, (2_000, MS / 2), nothing)
    };
    let (a, b) = (run(), run());
    assert_eq!(a.hash, b.hash);
    assert_eq!(a.drops, b.drops);
    assert!(a.drops.len() > 2, "{:?}", a.drops);
}
