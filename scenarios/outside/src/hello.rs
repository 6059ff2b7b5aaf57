//! The workload `hello`: nodes visit others by the service [`Greeter`].

use std::sync::Arc;

use futures::FutureExt;
use orrery::format::reading::problem::Problems;
use orrery::format::scenario::pace::PaceFields;
use orrery::format::scenario::selector::{self, Hosts, HostsText};
use orrery::metrics::{Definition, latency, not_done, value};
use orrery::play::run::Run;
use orrery::workload::not_done::Reason;
use orrery::workload::{
    Actor, Drawing, Ended, Kind, NodeEvent, Planned, Reading, Results, Tracker, Turn,
};
use orrery_node::api::Event;
use orrery_node::extension::NodeService;
use orrery_reports::stats::Recorder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::greeter::Greeter;

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
            "From the moment a guest sets out until it is greeted.",
        );
        UNANSWERED = value(
            "hello.unanswered",
            "1",
            &["hello"],
            "Guests that were not greeted.",
        );
    }
}

/// Nodes visit others and say hello over `/hello/1`: how long it takes until they are greeted.
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

    fn perform(&self, run: &Arc<Run>, actor: Actor, to: &u32) {
        let Some(node) = run.node(actor.host) else {
            return run.state().not_done.add(Self::NAME, Reason::HostDown);
        };
        run.state().trackers.get::<Self>().paid += 1;
        let peer = run.keys(*to).peer();
        let addresses = run.addresses(*to).to_vec();
        let visit = async move {
            let visiting = node.with_service(move |greeter: &mut Greeter, node| {
                greeter.visit(node, peer, addresses);
            });
            // A node that has ended meanwhile pays no visit; the guest is not greeted.
            let _ended = visiting.await;
        };
        run.testbed.spawn(actor.host, visit.boxed());
    }

    fn tracker(_: &Planned<'_>) -> Visits {
        Visits::default()
    }
}

impl Tracker for Visits {
    fn on_event(&mut self, told: &NodeEvent<'_>) {
        if let Event::ServiceTold {
            service,
            what,
            fields,
        } = told.event
            && service == Greeter::NAME
            && what == "greeted"
            && let Some(took_us) = fields.get("took_us").and_then(|took| took.parse().ok())
        {
            let times = self.times.get_or_insert_with(Recorder::of_microseconds);
            times.record(told.now_ns, took_us);
        }
    }

    fn collect(&mut self, _: &Ended<'_>, results: &mut Results<'_>) {
        if self.paid > 0 {
            let times = self.times.take().unwrap_or_else(Recorder::of_microseconds);
            let unanswered = self.paid - times.count();
            results.metrics.samples(&TIME, &[], &times);
            results.metrics.count(&UNANSWERED, &[], unanswered);
        }
    }
}
