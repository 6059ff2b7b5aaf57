//! The workload `hello`: hosts visit another one and say hello.

use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, Swarm, Transport, noise, swarm, yamux};
use orrery::format::reading::problem::Problems;
use orrery::format::scenario::pace::PaceFields;
use orrery::format::scenario::selector::{self, Hosts};
use orrery::format::scenario::workload::HostsText;
use orrery::metrics::{Definition, latency, not_done, value};
use orrery::play::machine::Machines;
use orrery::workload::{Actor, Drawing, Ended, Kind, Planned, Reading, Results, Tracker, Turn};
use orrery_reports::stats::Recorder;
use orrery_sim::transport::SimTcp;
use orrery_sim::{HostId, host, kernel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::Behaviour;

orrery::metrics! {
    METRICS {
        NOT_DONE = not_done(
            "hello.not_done",
            &["hello"],
            "Visits that guests were to pay and did not.",
        );
        TIME = latency(
            "hello.time",
            &["hello"],
            "From a guest's dial until it is greeted.",
        );
        UNANSWERED = value(
            "hello.unanswered",
            "1",
            &["hello"],
            "Guests that were not greeted.",
        );
    }
}

/// Where hosts wait for guests.
const PORT: u16 = 7_001;

/// Hosts visit others and say hello over `/hello/1`: how long it takes until they are greeted.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct Fields {
    /// The guests.
    from: HostsText,
    /// When each of them pays a visit.
    #[serde(flatten)]
    pace: PaceFields,
    /// Whom: the n-th guest visits the n-th of them, over and over.
    to: HostsText,
}

/// Whom hosts visit.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    to: Hosts,
}

/// What became of all visits.
#[derive(Default)]
pub struct Visits {
    paid: u64,
    times: Option<Recorder>,
}

impl Kind for Hello {
    type Fields = Fields;
    /// Who is visited.
    type Act = u32;
    type Tracker = Visits;

    const NAME: &'static str = "hello";
    const METRICS: &'static [Definition] = METRICS;
    const NOT_DONE: &'static Definition = &NOT_DONE;
    const TURMOIL_LACKS: Option<&'static str> = Some("no workload \"hello\" on turmoil");

    fn read(reading: &Reading<'_>, problems: &mut Problems) -> Option<Self> {
        let to = selector::read(&reading.reader, "to", reading.groups, problems)?;
        let message = "\"to\": a host would visit itself";
        (!reading.note_to_itself(&to, message, problems)).then_some(Self { to })
    }

    fn note_unfit(&self, _: &Hosts, _: &Reading<'_>, _: &mut Problems) {}

    fn longest_ns(&self) -> Option<u64> {
        None
    }

    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        let to = self.to.dealt(turn.index as u32);
        drawing.act::<Self>(turn.at_ns, turn.host, to);
    }

    fn serve(machines: &Arc<Machines>, host: u32) {
        if machines
            .scenario
            .workloads_of::<Self>()
            .any(|hello| hello.to.contains(host))
        {
            let mut swarm = swarm(host, false);
            let here = address(host);
            let wait = async move {
                swarm.listen_on(here).expect("the port is free");
                while swarm.next().await.is_some() {}
            };
            machines.testbed.spawn(host, wait.boxed());
        }
    }

    fn perform(&self, machines: &Arc<Machines>, actor: Actor, to: &u32) {
        if !machines.runs(actor.host) {
            return;
        }
        let (running, begin_ns) = (Arc::clone(machines), kernel::now().as_nanos());
        machines.state().trackers.get::<Self>().paid += 1;
        let (mut swarm, there) = (swarm(actor.host, true), address(*to));
        let visit = async move {
            swarm.dial(there).expect("it is an address of TCP");
            loop {
                if let SwarmEvent::Behaviour(_greeted_by) = swarm.select_next_some().await {
                    let took_us = (kernel::now().as_nanos() - begin_ns) / 1_000;
                    let mut state = running.state();
                    let visits = state.trackers.get::<Self>();
                    let times = visits.times.get_or_insert_with(Recorder::of_microseconds);
                    return times.record(begin_ns, took_us);
                }
            }
        };
        machines.testbed.spawn(actor.host, visit.boxed());
    }

    fn tracker(_: &Planned<'_>) -> Visits {
        Visits::default()
    }
}

impl Tracker for Visits {
    fn collect(&mut self, _: &Ended<'_>, results: &mut Results<'_>) {
        if self.paid > 0 {
            let times = self.times.take().unwrap_or_else(Recorder::of_microseconds);
            let unanswered = self.paid - times.count();
            results.metrics.samples(&TIME, &[], &times);
            results.metrics.count(&UNANSWERED, &[], unanswered);
        }
    }
}

/// A swarm on a host: its transport is the host's TCP, its tasks are the host's.
fn swarm(of: u32, is_guest: bool) -> Swarm<Behaviour> {
    let keys = Keypair::generate_ed25519();
    let secure = noise::Config::new(&keys).expect("any key is good for Noise");
    let transport = SimTcp::new(HostId(of))
        .upgrade(Version::V1)
        .authenticate(secure)
        .multiplex(yamux::Config::default())
        .boxed();
    let config = swarm::Config::with_executor(move |task| host::executor(HostId(of)).spawn(task));
    Swarm::new(
        transport,
        Behaviour::new(is_guest),
        keys.public().to_peer_id(),
        config,
    )
}

fn address(of: u32) -> Multiaddr {
    let text = format!("/ip4/{}/tcp/{PORT}", host::v4(HostId(of)));
    text.parse().expect("it is written so")
}
