//! The kernel as programs see it: time, chance, tasks, and their order.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the programs of these tests read clocks, sleep and hash as any program does"
)]

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use futures_timer::Delay;
use orrery_sim::clock::WallClock;
use orrery_sim::kernel::{call_at, now, report};
use orrery_sim::net::{TcpListener, TcpStream};
use orrery_sim::time::SimTime;
use orrery_sim::{Class, HostId, HostSpec, Outcome, Simulation, World, host};

/// Start here: a simulation with one host, and a log that its programs write.
fn simulate(seed: u64, main: impl FnOnce(&mut World, Log) + Send) -> (Vec<String>, Outcome) {
    let log = Log::default();
    let ours = log.clone();
    let ((), outcome) = Simulation::new(seed)
        .run(move |world| main(world, ours))
        .expect("the simulation runs");
    (log.lines(), outcome)
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn line(&self, what: &str) {
        self.0
            .lock()
            .expect("one thread")
            .push(format!("{} {what}", now()));
    }
    fn lines(&self) -> Vec<String> {
        self.0.lock().expect("one thread").clone()
    }
}

fn at(ns: u64) -> SimTime {
    SimTime::from_nanos(ns)
}

#[test]
fn a_delay_ends_at_its_very_nanosecond() {
    let (lines, outcome) = simulate(1, |world, log| {
        let here = host::add(HostSpec::named("a"));
        host::executor(here).spawn(async move {
            for ns in [1, 999_999, 1, 1_500_000, 3_600_000_000_007] {
                let begin = Instant::now();
                Delay::new(Duration::from_nanos(ns)).await;
                assert_eq!(begin.elapsed(), Duration::from_nanos(ns));
                log.line("woken");
            }
        });
        world.run_until(SimTime::from_secs(7200));
    });
    assert_eq!(outcome.failure, None);
    assert_eq!(lines[0], "0.000000001s woken");
    assert_eq!(lines[4], "3600.002500008s woken");
    assert_eq!(outcome.stats.timers_fired, 5);
}

#[test]
fn timers_that_are_moved_or_dropped_never_fire() {
    let (lines, outcome) = simulate(1, |world, log| {
        let here = host::add(HostSpec::named("a"));
        host::executor(here).spawn(async move {
            let mut moved = Delay::new(Duration::from_secs(1));
            drop(Delay::new(Duration::from_millis(500)));
            for _ in 0..10 {
                Delay::new(Duration::from_millis(900)).await;
                moved.reset(Duration::from_secs(1));
            }
            moved.await;
            log.line("idle");
        });
        world.run_until(SimTime::from_secs(60));
    });
    assert_eq!(lines, ["10.000000000s idle"]);
    assert_eq!(outcome.stats.timers_fired, 11);
}

#[test]
fn tokios_timers_and_ours_share_one_time() {
    let (lines, _) = simulate(1, |world, log| {
        let here = host::add(HostSpec::named("a"));
        let (executor, second) = (host::executor(here), log.clone());
        executor.spawn(async move {
            let begin = Instant::now();
            tokio::time::sleep(Duration::from_millis(7)).await;
            assert_eq!(
                begin.elapsed(),
                Duration::from_millis(7),
                "the std clock follows tokio's"
            );
            log.line("tokio");
            // An event before the instant that the pump was sleeping towards.
            Delay::new(Duration::from_nanos(3)).await;
            log.line("ours");
            tokio::time::sleep(Duration::from_millis(2)).await;
            log.line("tokio");
        });
        executor.spawn(async move {
            Delay::new(Duration::from_secs(1)).await;
            second.line("last");
        });
        world.run_until(SimTime::from_secs(2));
    });
    // tokio rounds deadlines up to its tick of one millisecond.
    let expected = [
        "0.007000000s tokio",
        "0.007000003s ours",
        "0.010000000s tokio",
        "1.000000000s last",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn every_task_is_idle_before_time_moves() {
    let (lines, _) = simulate(1, |world, log| {
        let here = host::add(HostSpec::named("a"));
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        host::executor(here).spawn(async move {
            // More receptions than tokio's cooperative budget allows in one poll.
            let mut sum = 0;
            while let Some(number) = receiver.recv().await {
                sum += number;
            }
            log.line(&format!("sum {sum}"));
        });
        host::executor(here).spawn(async move {
            for number in 0..10_000_u64 {
                sender.send(number).expect("the receiver waits");
            }
        });
        call_at(at(1), Class::World, here, || {
            report(HostId(0), b"time moved");
        });
        world.run_until(at(2));
    });
    assert_eq!(lines, ["0.000000000s sum 49995000"]);
}

#[test]
fn tasks_that_libraries_start_on_tokio_run_between_two_events() {
    let (lines, outcome) = simulate(1, |world, log| {
        let here = host::add(HostSpec::named("a"));
        host::executor(here).spawn(async move {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            let tokio = tokio::runtime::Handle::current();
            let helper = tokio.spawn(async {
                tokio::task::yield_now().await;
                tokio::time::sleep(Duration::from_millis(5)).await;
                tokio::task::yield_now().await;
                17
            });
            let answer = helper.await.expect("it neither panics nor is stopped");
            log.line(&format!("helped: {answer}"));
            Delay::new(Duration::from_nanos(1)).await;
            log.line("ours");
        });
        world.run_until(SimTime::from_secs(1));
    });
    assert_eq!(outcome.failure, None);
    assert_eq!(lines, ["0.005000000s helped: 17", "0.005000001s ours"]);
}

#[test]
fn a_task_that_another_thread_wakes_ends_the_simulation() {
    let (lines, outcome) = simulate(1, |world, log| {
        let here = host::add(HostSpec::named("a"));
        host::executor(here).spawn(async move {
            let mut asked = false;
            std::future::poll_fn(|cx| {
                if std::mem::replace(&mut asked, true) {
                    return Poll::Ready(());
                }
                log.line("asked");
                let waker = cx.waker().clone();
                let helper = std::thread::spawn(move || waker.wake());
                helper.join().expect("it only wakes");
                Poll::Pending
            })
            .await;
            log.line("answered");
        });
        world.run_until(SimTime::from_secs(2));
    });
    assert_eq!(lines, ["0.000000000s asked"]);
    let failure = outcome.failure.expect("it is told");
    assert!(failure.message.contains("another thread"), "{failure}");
}

#[test]
fn events_of_one_instant_go_by_class_then_host_then_order() {
    let (lines, _) = simulate(1, |world, log| {
        let (a, b) = (
            host::add(HostSpec::named("a")),
            host::add(HostSpec::named("b")),
        );
        let plan = [
            (Class::Workload, a, "6 workload a"),
            (Class::Timer, b, "4 timer b"),
            (Class::Timer, a, "2 timer a"),
            (Class::Timer, a, "3 timer a again"),
            (Class::Disk, a, "5 disk a"),
            (Class::World, b, "1 world b"),
        ];
        for (class, host, what) in plan {
            let log = log.clone();
            call_at(at(5), class, host, move || log.line(what));
        }
        world.run_until(at(10));
    });
    let order: Vec<char> = lines
        .iter()
        .filter_map(|line| line.chars().nth(13))
        .collect();
    assert_eq!(order, ['1', '2', '3', '4', '5', '6']);
}

#[test]
fn each_host_has_its_own_wall_clock() {
    let (lines, _) = simulate(1, |world, log| {
        let wall = |clock| HostSpec {
            clock,
            ..HostSpec::named("h")
        };
        let fast = host::add(wall(WallClock::new(0, 1_000_000)));
        let late = host::add(wall(WallClock::new(-5_000_000_000, 0)));
        for host in [fast, late] {
            let log = log.clone();
            host::executor(host).spawn(async move {
                let start = SystemTime::now();
                Delay::new(Duration::from_secs(1000)).await;
                let passed = start
                    .elapsed()
                    .map_or(-1, |passed| passed.as_millis() as i64);
                log.line(&format!("{host} {passed} ms"));
            });
        }
        call_at(SimTime::from_secs(1), Class::World, late, move || {
            host::step_clock(late, -500_000_000);
        });
        world.run_until(SimTime::from_secs(2000));
        assert_eq!(host::clock_offset_ns(late), -5_500_000_000);
    });
    assert_eq!(lines[0], "1000.000000000s h0 1001000 ms");
    assert_eq!(lines[1], "1000.000000000s h1 999500 ms");
}

#[test]
fn a_panic_on_a_host_names_host_time_seed_and_place() {
    let (lines, outcome) = simulate(42, |world, log| {
        let here = host::add(HostSpec::named("alice"));
        host::executor(here).spawn(async {
            Delay::new(Duration::from_secs(3)).await;
            panic!("out of paper");
        });
        call_at(SimTime::from_secs(5), Class::Workload, here, move || {
            log.line("too late");
        });
        world.run_until(SimTime::from_secs(10));
    });
    let failure = outcome.failure.expect("the panic surfaces").to_string();
    assert!(
        failure.starts_with("host alice at 3.000000000s (seed 42): panicked at "),
        "{failure}"
    );
    assert!(
        failure.contains("kernel.rs") && failure.ends_with(": out of paper"),
        "{failure}"
    );
    assert!(lines.is_empty(), "the simulation ends with the panic");
}

#[test]
fn a_power_cut_drops_tasks_at_once_and_later_ones_too() {
    struct Flag(Log);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.line("dropped");
        }
    }
    let (lines, outcome) = simulate(1, |world, log| {
        let here = host::add(HostSpec::named("a"));
        let flag = Flag(log.clone());
        let executor = host::executor(here);
        executor.spawn(async move {
            let _flag = flag;
            Delay::new(Duration::from_secs(10)).await;
        });
        call_at(SimTime::from_secs(1), Class::World, here, move || {
            host::power_cut(here);
            log.line("cut");
            let old = log.clone();
            executor.spawn(async move { old.line("a task of the old life") });
            host::power_on(here);
            host::executor(here).spawn(async move { log.line("a task of the new life") });
        });
        world.run_until(SimTime::from_secs(60));
        assert_eq!(host::tasks(here), 0);
    });
    assert_eq!(outcome.failure, None);
    let expected = [
        "1.000000000s dropped",
        "1.000000000s cut",
        "1.000000000s a task of the new life",
    ];
    assert_eq!(lines, expected);
}

/// What a program sees of chance: hash maps, and each generation of getrandom.
fn chance(log: &Log) {
    log.line(&format!(
        "{}",
        RandomState::new().hash_one("a hash map's order")
    ));
    let mut bytes = [0; 16];
    getrandom_02::getrandom(&mut bytes).expect("always answers");
    log.line(&format!("{bytes:?}"));
    getrandom_03::fill(&mut bytes).expect("always answers");
    log.line(&format!("{bytes:?}"));
    getrandom_04::fill(&mut bytes).expect("always answers");
    log.line(&format!("{bytes:?}"));
    log.line(&format!("{:?} {:?}", Instant::now(), SystemTime::now()));
}

#[test]
fn clocks_and_entropy_of_every_kind_come_from_the_seed() {
    let run = |seed| {
        simulate(seed, |world, log| {
            let here = host::add(HostSpec::named("a"));
            host::executor(here).spawn(async move { chance(&log) });
            world.run_until(at(1));
        })
        .0
    };
    let first = run(7);
    assert_eq!(first.len(), 5, "every source answered");
    assert_eq!(first, run(7));
    for (ours, other) in first.iter().zip(run(8)).take(4) {
        assert_ne!(*ours, other, "another seed, another chance");
    }
}

#[test]
fn a_thread_outside_lives_in_real_time_beside_a_simulation() {
    simulate(1, |world, _| {
        host::add(HostSpec::named("a"));
        world.run_until(SimTime::from_secs(1_000_000));
        let simulated = Instant::now();
        let real = std::thread::spawn(Instant::now)
            .join()
            .expect("reads a clock");
        assert!(
            simulated > real,
            "a simulated machine has been up longer than this test"
        );
    });
}

#[test]
fn a_simulation_writes_a_log_for_each_host() {
    let folder = std::env::temp_dir().join(format!("orrery-log-{}", std::process::id()));
    let spec = orrery_sim::log::LogSpec::new("info", &folder).expect("a plain filter");
    let run = |simulation: Simulation| {
        let main = |world: &mut World| {
            for name in ["alice", "bob"] {
                let here = host::add(HostSpec::named(name));
                host::executor(here).spawn(async move {
                    Delay::new(Duration::from_millis(1500)).await;
                    tracing::info!(name, "good morning");
                    tracing::debug!("not asked for");
                });
            }
            world.run_until(SimTime::from_secs(2));
        };
        simulation
            .run(main)
            .expect("the temporary folder is writable")
            .1
    };
    let logged = run(Simulation::new(1).logging(spec));
    assert_eq!(logged, run(Simulation::new(1)), "observing changes nothing");
    let alice = std::fs::read_to_string(folder.join("alice.log")).expect("alice logged");
    assert!(alice.starts_with("1.500000000s  INFO"), "{alice}");
    assert_eq!(alice.lines().count(), 1);
    assert!(folder.join("bob.log").exists());
    std::fs::remove_dir_all(&folder).expect("we made it");
}

/// Needs the world when it goes.
struct UntilDropped(HostId);

impl Drop for UntilDropped {
    fn drop(&mut self) {
        report(self.0, b"gone");
    }
}

#[test]
fn a_panic_of_the_experiment_is_told_although_programs_have_sockets_open() {
    let outcome = Simulation::new(1).run(|world| {
        let hosts = ["a", "b"].map(|name| host::add(HostSpec::named(name)));
        let [here, there] = hosts;
        host::executor(here).spawn(async move {
            let listener = TcpListener::bind(here, 4001).expect("the port is free");
            let accept = std::future::poll_fn(|cx| listener.poll_accept(cx));
            let _stream = accept.await;
            let _here = UntilDropped(here);
            Delay::new(Duration::from_hours(1)).await;
        });
        host::executor(there).spawn(async move {
            let address = (host::v4(here), 4001).into();
            let stream = TcpStream::connect(there, address, None).await;
            let _stream = stream.expect("a socket listens");
            std::future::pending::<()>().await;
        });
        world.run_until(SimTime::from_secs(1));
        assert!(hosts.iter().all(|host| host::tasks(*host) == 1));
        panic!("a broken experiment");
    });
    let told = outcome
        .map(|((), _)| ())
        .expect_err("it panicked")
        .to_string();
    assert!(told.contains("a broken experiment"), "{told}");
    let (lines, _) = simulate(2, |_, log| log.line("another"));
    assert_eq!(
        lines,
        ["0.000000000s another"],
        "nothing is left of the first"
    );
}

#[test]
fn timers_and_monotonic_time_leave_sleep_out_and_the_wall_clock_does_not() {
    let (lines, outcome) = simulate(1, |world, log| {
        let [sleeper, other] = ["a", "b"].map(|name| host::add(HostSpec::named(name)));
        for (host, name) in [(sleeper, "sleeper"), (other, "other")] {
            let log = log.clone();
            host::executor(host).spawn(async move {
                let (begin, wall) = (Instant::now(), SystemTime::now());
                for _ in 0..3 {
                    Delay::new(Duration::from_secs(10)).await;
                    let passed = wall.elapsed().expect("it runs on");
                    log.line(&format!("{name} {:?} {passed:?}", begin.elapsed()));
                }
            });
        }
        // The first sleep begins and ends within one wait, the second lies upon an end of one.
        for (from, to) in [(2, 5), (20, 27)] {
            for (at, is_asleep) in [(from, true), (to, false)] {
                let set = move || host::set_asleep(sleeper, is_asleep);
                call_at(SimTime::from_secs(at), Class::World, HostId::NONE, set);
            }
        }
        world.run_until(SimTime::from_secs(24));
        assert!(host::is_asleep(sleeper) && !host::is_up(sleeper));
        assert_eq!(host::slept_through(sleeper), 1, "the timer of 23 s");
        world.run_until(SimTime::from_secs(60));
        assert!(host::is_up(sleeper));
    });
    assert_eq!(outcome.failure, None);
    assert_eq!(
        lines,
        [
            "10.000000000s other 10s 10s",
            "13.000000000s sleeper 10s 13s",
            "20.000000000s other 20s 20s",
            "30.000000000s sleeper 20s 30s",
            "30.000000000s other 30s 30s",
            "40.000000000s sleeper 30s 40s",
        ]
    );
}

#[test]
fn a_power_cut_ends_a_sleeper_and_what_is_started_then_sleeps_on() {
    let (lines, outcome) = simulate(1, |world, log| {
        let here = host::add(HostSpec::named("a"));
        let ticks = |what: &'static str, log: Log| async move {
            for _ in 0..100 {
                Delay::new(Duration::from_secs(4)).await;
                log.line(what);
            }
        };
        host::executor(here).spawn(ticks("before", log.clone()));
        world.run_until(SimTime::from_secs(5));
        host::set_asleep(here, true);
        world.run_until(SimTime::from_secs(10));
        host::power_cut(here);
        host::power_on(here);
        assert!(!host::is_up(here), "it sleeps");
        host::executor(here).spawn(ticks("after", log.clone()));
        world.run_until(SimTime::from_secs(20));
        host::set_asleep(here, false);
        world.run_until(SimTime::from_secs(25));
    });
    assert_eq!(outcome.failure, None);
    assert_eq!(lines, ["4.000000000s before", "24.000000000s after"]);
}

/// Hosts that sleep, or run nothing, are in no list that anything goes through: ten thousand of them
/// make no event and no turn.
#[test]
fn ten_thousand_sleepers_cost_nothing() {
    let run = |sleepers: usize| {
        let (_, outcome) = simulate(1, |world, _| {
            for number in 0..sleepers {
                let name = format!("s{number}");
                let host = host::add(HostSpec::named(&name));
                host::executor(host).spawn(async {
                    loop {
                        Delay::new(Duration::from_secs(30)).await;
                    }
                });
            }
            world.run_until(SimTime::from_secs(1));
            for number in 0..sleepers {
                host::set_asleep(HostId(number as u32), true);
            }
            // Each has one timer that comes due, once.
            world.run_until(SimTime::from_secs(60));
            let before = world.stats();
            let here = host::add(HostSpec::named("awake"));
            host::executor(here).spawn(async {
                for _ in 0..100 {
                    Delay::new(Duration::from_secs(30)).await;
                }
            });
            world.run_until(SimTime::from_secs(3_600));
            let after = world.stats();
            assert_eq!(after.events - before.events, 100);
            assert_eq!(after.polls - before.polls, 101);
        });
        assert_eq!(outcome.failure, None);
    };
    run(0);
    run(10_000);
}
