//! turmoil's hosts as a testbed: tasks on their runtimes, disks of the simulator.
//!
//! The running hash covers what the nodes told, each with its time and host; what happened on
//! the wires is turmoil's own business.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures::FutureExt;
use futures::future::BoxFuture;
use libp2p::Multiaddr;
use libp2p::core::Transport as _;
use orrery_node::api::Transport;
use orrery_node::config::Config;
use orrery_node::environment::{ByteStream, Environment, Executor, Observer, Wire};
use orrery_sim::disk::{DiskConfig, SimDisk};
use orrery_sim::net::address;
use orrery_sim::random::Stream;
use orrery_sim::time::SimTime;
use orrery_sim::trace::Trace;
use orrery_sim::{Class, Failure, HostId, interpose, kernel, virtual_thread};
use tokio::runtime::Handle;

use super::CAPABILITIES;
use super::transport::TurmoilTcp;
use crate::testbed::sim::HostStorage;
use crate::testbed::{Capabilities, HostDisk, Testbed, Traffic};

/// The hosts of one simulation. Clones are the same.
#[derive(Clone)]
pub struct TurmoilBed(Arc<Mutex<State>>);

type Action = Box<dyn FnOnce() + Send>;

struct State {
    seed: u64,
    names: Vec<String>,
    disks: Vec<SimDisk>,
    runtimes: Vec<Handle>,
    /// What is to be done, by moment, class, host and order of asking.
    due: BTreeMap<(SimTime, Class, HostId, u64), Action>,
    asked: u64,
    /// The host whose task runs at this moment.
    running: Option<u32>,
    trace: Trace,
    failure: Option<Failure>,
}

impl TurmoilBed {
    /// No hosts yet. What nodes tell goes into `trace`.
    pub fn new(seed: u64, trace: Trace) -> Self {
        Self(Arc::new(Mutex::new(State {
            seed,
            names: Vec::new(),
            disks: Vec::new(),
            runtimes: Vec::new(),
            due: BTreeMap::new(),
            asked: 0,
            running: None,
            trace,
            failure: None,
        })))
    }

    /// Adds the next host and its empty disk.
    pub fn add_disk(&self, name: &str) {
        let mut state = self.state();
        state.names.push(name.to_owned());
        state.disks.push(SimDisk::new(DiskConfig::default()));
    }

    /// Adds the runtime of the host that was added last.
    pub fn add_runtime(&self, runtime: Handle) {
        self.state().runtimes.push(runtime);
    }

    /// Performs every action whose time has come.
    pub fn perform_due(&self, now: SimTime) {
        loop {
            let action = {
                let mut state = self.state();
                match state.due.first_entry() {
                    Some(first) if first.key().0 <= now => first.remove(),
                    _ => return,
                }
            };
            action();
        }
    }

    /// Why the run cannot go on, if so.
    pub fn failure(&self) -> Option<Failure> {
        self.state().failure.clone()
    }

    /// Events in the hash so far.
    pub fn events(&self) -> u64 {
        self.state().trace.events()
    }

    /// Forgets what was still to be done, completes the record of events, and returns the hash.
    pub fn end(&self) -> Result<String, String> {
        let (due, trace) = {
            let mut state = self.state();
            (
                std::mem::take(&mut state.due),
                std::mem::take(&mut state.trace),
            )
        };
        // Dropped without the lock: actions hold what may come back here.
        drop(due);
        let hash = trace.hash();
        trace
            .finish()
            .map_err(|error| format!("cannot write the event record: {error}"))?;
        Ok(hash)
    }

    /// Storage on the disk of a host.
    fn disk(&self, host: u32) -> HostStorage {
        HostStorage::on(self.state().disks[host as usize].clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // One thread uses it; a panic on it ends the run anyway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `task` as turmoil may poll it: by the host's time, and with its panic told.
    fn supervised(
        &self,
        host: u32,
        mut task: BoxFuture<'static, ()>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let bed = self.clone();
        poll_fn(move |cx| {
            if let Some(elapsed) = turmoil::sim_elapsed() {
                interpose::set_now(SimTime::ZERO + elapsed);
            }
            let before = bed.state().running.replace(host);
            let polled = catch_unwind(AssertUnwindSafe(|| task.poll_unpin(cx)));
            let poll = polled.unwrap_or_else(|panic| {
                bed.fail(virtual_thread::describe_panic(panic.as_ref()));
                Poll::Ready(())
            });
            bed.state().running = before;
            poll
        })
    }
}

impl Testbed for TurmoilBed {
    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn now(&self) -> SimTime {
        kernel::now()
    }

    fn stream(&self, purpose: &str, host: u32) -> Stream {
        let seed = self.state().seed;
        Stream::new(seed, purpose, host)
    }

    fn home_addresses(&self, host: u32) -> (Ipv4Addr, Ipv6Addr) {
        (address::v4(HostId(host)), address::v6(HostId(host)))
    }

    fn environment(&self, host: u32, _: &Config, observer: Arc<dyn Observer>) -> Environment {
        let own = address::v4(HostId(host));
        let tcp = TurmoilTcp::new(own).map(|stream, _| -> ByteStream { Box::pin(stream) });
        Environment {
            wires: vec![Wire::Stream(tcp.boxed())],
            executor: Arc::new(HostTasks {
                bed: self.clone(),
                host,
            }),
            storage: Arc::new(self.disk(host)),
            local: None,
            upnp: false,
            observer,
        }
    }

    /// Programs other than nodes are refused.
    fn wires(&self, _: u32, _: &Config) -> Box<dyn Fn() -> Vec<Wire> + Send + Sync> {
        Box::new(Vec::new)
    }

    fn restrict(&self, config: &mut Config) {
        let of_quic = |address: &Multiaddr| Transport::of(address) == Transport::Quic;
        config.listen.addresses.retain(|address| !of_quic(address));
    }

    fn storage(&self, host: u32) -> Box<dyn HostDisk> {
        Box::new(self.disk(host))
    }

    fn spawn(&self, host: u32, task: BoxFuture<'static, ()>) {
        let runtime = self.state().runtimes[host as usize].clone();
        runtime.spawn(self.supervised(host, task));
    }

    fn call_at(&self, at: SimTime, class: Class, host: HostId, action: Action) {
        let mut state = self.state();
        state.asked += 1;
        let key = (at, class, host, state.asked);
        state.due.insert(key, action);
    }

    fn report(&self, host: u32, told: &[u8]) {
        let now = kernel::now();
        let mut state = self.state();
        let host = HostId(host);
        state.trace.record(now, Class::Report, host, |hasher| {
            hasher.update(&(told.len() as u64).to_le_bytes());
            hasher.update(told);
        });
    }

    fn fail(&self, message: String) {
        let mut state = self.state();
        let name = state
            .running
            .and_then(|host| state.names.get(host as usize));
        let failure = Failure {
            host: name.map_or("world", String::as_str).to_owned(),
            at: kernel::now(),
            seed: state.seed,
            message,
        };
        state.failure.get_or_insert(failure);
    }

    /// Power cuts are refused, so all hosts have power.
    fn is_up(&self, _: u32) -> bool {
        true
    }

    fn pull_plug(&self, host: u32) {
        let disk = self.state().disks[host as usize].clone();
        disk.power_cut(kernel::now());
    }

    /// All clocks are true.
    fn as_host(&self, _: u32, f: &mut dyn FnMut()) {
        f();
    }

    fn traffic(&self) -> Option<Traffic> {
        None
    }
}

/// Starts the tasks of a node on its host.
struct HostTasks {
    bed: TurmoilBed,
    host: u32,
}

impl Executor for HostTasks {
    fn spawn(&self, _: &'static str, task: BoxFuture<'static, ()>) {
        self.bed.spawn(self.host, task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A turmoil simulation of one host for `steps` ticks.
    fn with_one_host(steps: u32, act: impl FnOnce(&TurmoilBed) + Send) -> Option<Failure> {
        virtual_thread::run(3, || {
            let bed = TurmoilBed::new(3, Trace::new());
            let mut sim = turmoil::Builder::new()
                .tick_duration(super::super::TICK)
                .build();
            bed.add_disk("home[0]");
            let adding = bed.clone();
            sim.host(std::net::Ipv4Addr::new(11, 0, 0, 1), move || {
                adding.add_runtime(Handle::current());
                std::future::pending()
            });
            act(&bed);
            for _ in 0..steps {
                bed.perform_due(SimTime::ZERO + sim.elapsed());
                sim.step().expect("its software never ends");
            }
            drop(sim);
            bed.failure()
        })
        .expect("the test programs are linked for it")
    }

    #[test]
    fn a_panic_on_a_host_ends_the_run_and_names_the_host() {
        let failure = with_one_host(3, |bed| {
            bed.spawn(0, async { panic!("a broken invariant") }.boxed());
        });
        let failure = failure.expect("the task panicked");
        assert!(
            failure.host == "home[0]" && failure.message.contains("a broken invariant"),
            "{failure}"
        );
        assert_eq!(with_one_host(3, |bed| bed.spawn(0, async {}.boxed())), None);
    }

    #[test]
    fn the_clocks_of_a_task_follow_turmoils_timers() {
        let failure = with_one_host(200, |bed| {
            let failing = bed.clone();
            let task = async move {
                let (monotonic, wall) = (std::time::Instant::now(), std::time::SystemTime::now());
                futures_timer::Delay::new(std::time::Duration::from_millis(120)).await;
                let wall = wall.elapsed().expect("time goes forward");
                failing.fail(format!(
                    "{} and {} ms",
                    monotonic.elapsed().as_millis(),
                    wall.as_millis()
                ));
            };
            bed.spawn(0, task.boxed());
        });
        let told = failure.expect("the task told what it saw");
        assert_eq!(told.message, "120 and 120 ms");
    }

    #[test]
    fn actions_go_by_time_class_host_and_order() {
        let done = Arc::new(Mutex::new(Vec::new()));
        with_one_host(20, |bed| {
            let at = |ms, class, host, name: &'static str| {
                let done = Arc::clone(&done);
                let at = SimTime::ZERO + std::time::Duration::from_millis(ms);
                let action = move || done.lock().expect("no panic in tests").push(name);
                bed.call_at(at, class, HostId(host), Box::new(action));
            };
            at(10, Class::World, 0, "late");
            at(5, Class::Workload, 1, "second host");
            at(5, Class::Workload, 0, "first");
            at(5, Class::Workload, 0, "second");
            at(5, Class::World, 7, "world");
            at(50, Class::World, 0, "never");
        });
        let done = done.lock().expect("no panic in tests");
        assert_eq!(*done, ["world", "first", "second", "second host", "late"]);
    }
}
