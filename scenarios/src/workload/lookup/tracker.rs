//! Every look-up has a fate: how long it took, at what cost, or why it failed.
//!
//! It is told what searchers' nodes tell, and judges nothing until the end. Times are
//! simulated nanoseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use futures::FutureExt;
use libp2p::PeerId;
use orrery_node::CommandError;
use orrery_node::api::{Command, Event, LookupMethod, Miss, Reply};
use orrery_node::identity::IdentityId;
use orrery_reports::stats::Recorder;
use orrery_sim::watch::Watch;

use super::depths::Depths;
use super::{Act, Lookup, Sought, figures};
use crate::play::Down;
use crate::play::run::Run;
use crate::workload::attempts::{Attempt, Attempts};
use crate::workload::not_done::Reason;
use crate::workload::{Ended, HostDown, NodeEvent, Planned, Results, Tracker};

crate::named::named! {
    /// Why a look-up found nothing. The first three, and any for a host that did not run, are no
    /// failures of the look-up: they count apart.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum LookupFailure {
        /// The searcher had no power when it was to begin.
        SearcherDown = "searcher-down",
        /// The searcher lost power before it ended.
        SearcherLostPower = "searcher-lost-power",
        /// The searcher was stopped in good order before it ended.
        SearcherStopped = "searcher-stopped",
        /// The searcher's node refused to begin.
        Refused = "refused",
        /// The run ended first.
        Unfinished = "unfinished",
        /// The host that was looked for had never published an address.
        NotPublished = "not-published",
        /// The way to find them is switched off.
        Off = "off",
        /// Those who were asked do not know them.
        Absent = "absent",
        /// They are known, but no address of theirs.
        NoAddress = "no-address",
        /// There was no host to ask, or none answered.
        NobodyToAsk = "nobody-to-ask",
        /// What was found was not valid.
        Wrong = "wrong",
        /// The searcher's node had too much to do.
        Busy = "busy",
        /// It took too long.
        TimedOut = "timed-out",
    }
}

impl LookupFailure {
    /// What a node's own reason means for a host that has `published` an address, or not.
    fn of(miss: Miss, published: bool) -> Self {
        match miss {
            Miss::Absent if !published => Self::NotPublished,
            Miss::Absent => Self::Absent,
            Miss::Off => Self::Off,
            Miss::NoAddress => Self::NoAddress,
            Miss::NobodyToAsk => Self::NobodyToAsk,
            Miss::Wrong => Self::Wrong,
            Miss::Busy => Self::Busy,
            Miss::TimedOut => Self::TimedOut,
        }
    }
}

/// What is known of a look-up.
#[derive(Debug, Clone)]
pub struct Search {
    /// Who looks.
    pub from: u32,
    /// Who is looked for.
    pub whom: u32,
    sought: Sought,
    begun: bool,
    /// Whether the node of the one who is looked for did not run when it began.
    target_down: bool,
}

/// One look-up.
pub type Entry = Attempt<Search, LookupFailure>;

/// What a Kademlia query of a look-up has cost, and where it ended.
struct Walk<'a> {
    /// Its number in the searcher's life.
    query: u64,
    /// Requests sent.
    requests: u32,
    /// Peers at which it ended.
    peers: &'a [PeerId],
}

/// All look-ups of a run.
#[derive(Debug)]
pub struct Lookups {
    entries: Attempts<Search, LookupFailure>,
    window_ns: Range<u64>,
    /// Who named whom, if this engine can tell.
    depths: Option<Arc<Depths>>,
    /// Hosts whose nodes have published an address.
    published: BTreeSet<u32>,
    /// Depths of the peers at which measured look-ups ended, over all and by what was sought.
    pub hops: BTreeMap<Option<&'static str>, Recorder>,
    /// Depths of measured look-ups, by how far: to all of the nearest, or to the first peer that
    /// gave the record.
    pub depths_to: BTreeMap<&'static str, Recorder>,
    /// Requests of each measured look-up.
    pub messages: Recorder,
    /// Open connections of each node, from time to time.
    pub connections: Recorder,
}

/// What look-ups did in the measured time.
#[derive(Debug)]
pub struct Summary {
    /// From the command to the answer, of those that succeeded.
    pub latencies: Recorder,
    /// Those that succeeded, and those that failed, by searcher and whom they looked for.
    pub by_pair: BTreeMap<(u32, u32), (u64, u64)>,
    /// Those that failed, by cause.
    pub failed: BTreeMap<LookupFailure, u64>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self {
            entries: Attempts::default(),
            window_ns: 0..0,
            depths: None,
            published: BTreeSet::new(),
            hops: BTreeMap::new(),
            depths_to: BTreeMap::new(),
            messages: Recorder::of("1"),
            connections: Recorder::of("1"),
        }
    }
}

impl Lookups {
    /// The look-ups that a run will have.
    pub fn of(planned: &Planned<'_>) -> Self {
        let searches = planned.acts::<Lookup>().map(|(at_ns, host, lookup, act)| {
            let search = Search {
                from: host,
                whom: act.whom,
                sought: lookup.sought,
                begun: false,
                target_down: false,
            };
            (act.ticket, at_ns, search)
        });
        Self {
            entries: Attempts::of(planned, searches),
            window_ns: planned.window_ns(),
            ..Self::default()
        }
    }

    /// Whether anything was to be looked up.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A host's node has published where it is reached.
    fn published(&mut self, host: u32) {
        self.published.insert(host);
    }

    /// A method of `host` has an answer about `whom`.
    fn answered(
        &mut self,
        host: u32,
        whom: u32,
        by: LookupMethod,
        miss: Option<Miss>,
        now_ns: u64,
    ) {
        let published = by != LookupMethod::Kad || self.published.contains(&whom);
        let fate = miss.map_or(Ok(()), |miss| Err(LookupFailure::of(miss, published)));
        let open = self.open(host, whom, Sought::Address(by));
        let open: Vec<usize> = open.map(|(number, _)| number).collect();
        for number in open {
            self.entries.ends(number, now_ns, fate);
        }
    }

    /// A Kademlia query of `host` has begun with the peers `known` of its table.
    fn walks(&mut self, host: u32, query: u64, known: &[PeerId]) {
        if let Some(depths) = &self.depths {
            depths.follow(host, query, known);
        }
    }

    /// A Kademlia query of `host` about `whom` has ended.
    fn walked(&mut self, host: u32, whom: u32, sought: Sought, walk: &Walk<'_>) {
        let depths = self.depths.as_ref();
        let depths = depths.map(|depths| depths.end(host, walk.query, walk.peers));
        let Some(at_ns) = self.first_open_ns(host, whom, sought) else {
            return;
        };
        if !self.window_ns.contains(&at_ns) {
            return;
        }
        self.messages.record(at_ns, u64::from(walk.requests));
        let depths = depths.unwrap_or_default();
        let (to, depth) = match sought {
            Sought::Peers => ("closest", depths.iter().max()),
            // Peers come in the order of their answers.
            Sought::Address(_) => ("provider", depths.first()),
        };
        if let Some(depth) = depth {
            let depths_to = self
                .depths_to
                .entry(to)
                .or_insert_with(|| Recorder::of("1"));
            depths_to.record(at_ns, u64::from(*depth));
        }
        for depth in depths {
            for key in [None, Some(sought.name())] {
                let hops = self.hops.entry(key).or_insert_with(|| Recorder::of("1"));
                hops.record(at_ns, u64::from(depth));
            }
        }
    }

    /// A host's programs end, and all that it was looking for.
    fn host_down(&mut self, host: u32, now_ns: u64, how: Down) {
        let cause = match how {
            Down::LostPower => LookupFailure::SearcherLostPower,
            Down::Stopped => LookupFailure::SearcherStopped,
        };
        let its = |entry: &Entry| entry.what.from == host && entry.what.begun;
        self.entries.fail(now_ns, cause, its);
        if let Some(depths) = &self.depths {
            depths.forget(host);
        }
    }

    /// Ends what is still open when the run does.
    fn close(&mut self, now_ns: u64) {
        let begun = |entry: &Entry| entry.what.begun;
        self.entries.fail(now_ns, LookupFailure::Unfinished, begun);
    }

    /// Measured look-ups that failed, though both ends ran.
    pub fn lost(&self) -> impl Iterator<Item = (usize, &Entry, LookupFailure)> {
        let entries = self.entries.measured();
        let counting = entries.filter(|(_, entry)| in_vain(entry).is_none());
        counting.filter_map(|(number, entry)| Some((number, entry, entry.failure()?)))
    }

    /// Look-ups of the whole run that found nothing as one of the two did not run.
    fn in_vain(&self) -> impl Iterator<Item = Reason> + '_ {
        self.entries.all().filter_map(|(_, entry)| in_vain(entry))
    }

    /// What they did in the measured time.
    pub fn summarise(&self) -> Summary {
        let mut summary = Summary {
            latencies: Recorder::of_microseconds(),
            by_pair: BTreeMap::new(),
            failed: BTreeMap::new(),
        };
        for (_, entry) in self.entries.measured() {
            if entry.is_open() || in_vain(entry).is_some() {
                continue;
            }
            let pair = (entry.what.from, entry.what.whom);
            let pair = summary.by_pair.entry(pair).or_default();
            if let Some(took_ns) = entry.took_ns() {
                pair.0 += 1;
                summary.latencies.record(entry.start_ns, took_ns / 1_000);
            } else if let Some(cause) = entry.failure() {
                pair.1 += 1;
                *summary.failed.entry(cause).or_default() += 1;
            }
        }
        summary
    }

    /// Look-ups of `host` for `whom` that have begun and not ended.
    fn open(&self, host: u32, whom: u32, sought: Sought) -> impl Iterator<Item = (usize, &Entry)> {
        self.entries.all().filter(move |(_, entry)| {
            let what = &entry.what;
            what.begun
                && entry.is_open()
                && (what.from, what.whom, what.sought) == (host, whom, sought)
        })
    }

    /// When the first of them began.
    fn first_open_ns(&self, host: u32, whom: u32, sought: Sought) -> Option<u64> {
        let (_, first) = self.open(host, whom, sought).next()?;
        Some(first.start_ns)
    }
}

/// Why it is no failure of the look-up that it found nothing, if it is none.
fn in_vain(entry: &Entry) -> Option<Reason> {
    match entry.failure()? {
        LookupFailure::SearcherDown => Some(Reason::HostDown),
        LookupFailure::SearcherLostPower => Some(Reason::LostPower),
        LookupFailure::SearcherStopped => Some(Reason::Stopped),
        LookupFailure::Refused
        | LookupFailure::Unfinished
        | LookupFailure::NotPublished
        | LookupFailure::Off
        | LookupFailure::Absent
        | LookupFailure::NoAddress
        | LookupFailure::NobodyToAsk
        | LookupFailure::Wrong
        | LookupFailure::Busy
        | LookupFailure::TimedOut => {
            // Peers near to a record are there, whichever host the record is about.
            let is_of_host = entry.what.sought != Sought::Peers;
            (entry.what.target_down && is_of_host).then_some(Reason::TargetDown)
        }
    }
}

impl Tracker for Lookups {
    fn on_event(&mut self, told: &NodeEvent<'_>) {
        let (host, now_ns) = (told.host, told.now_ns);
        match told.event {
            Event::AddressPublished { .. } => self.published(host),
            Event::Found { identity, by, .. } => {
                if let Some(whom) = told.names.of_identity(identity) {
                    self.answered(host, whom, *by, None, now_ns);
                }
            }
            Event::NotFound {
                identity,
                by,
                reason,
            } => {
                if let Some(whom) = told.names.of_identity(identity) {
                    self.answered(host, whom, *by, Some(*reason), now_ns);
                }
            }
            Event::QueryBegan {
                query,
                purpose,
                known,
                ..
            } => {
                if let (Some(_), Ok(query)) = (sought(purpose), query.parse()) {
                    self.walks(host, query, known);
                }
            }
            Event::QueryEnded {
                query,
                purpose,
                about,
                requests,
                peers,
                ..
            } => {
                let about: Option<IdentityId> = about.parse().ok();
                let whom = about.and_then(|about| told.names.of_identity(&about));
                if let (Some(sought), Some(whom), Ok(query)) =
                    (sought(purpose), whom, query.parse())
                {
                    let walk = Walk {
                        query,
                        requests: *requests,
                        peers,
                    };
                    self.walked(host, whom, sought, &walk);
                }
            }
            _ => {}
        }
    }

    fn on_host_down(&mut self, down: &HostDown<'_>) {
        self.host_down(down.host, down.now_ns, down.how);
    }

    fn wants_samples(&self) -> bool {
        !self.is_empty()
    }

    fn sample(&mut self, now_ns: u64, connections: &[u32]) {
        for &open in connections {
            self.connections.record(now_ns, u64::from(open));
        }
    }

    fn watch(&mut self) -> Option<Arc<dyn Watch>> {
        if self.is_empty() {
            return None;
        }
        let depths = self.depths.get_or_insert_default();
        Some(Arc::clone(depths) as _)
    }

    fn collect(&mut self, ended: &Ended<'_>, results: &mut Results<'_>) {
        if !self.is_empty() {
            self.close(ended.now_ns);
            figures::collect(self, ended, results);
        }
    }

    fn not_done(&self, add: &mut dyn FnMut(Reason, u64)) {
        self.in_vain().for_each(|reason| add(reason, 1));
    }
}

/// What a Kademlia query looks for, by the name of its purpose; `None` for those that no
/// workload asked for.
fn sought(purpose: &str) -> Option<Sought> {
    match purpose {
        "find-address" => Some(Sought::Address(LookupMethod::Kad)),
        "closest" => Some(Sought::Peers),
        _ => None,
    }
}

/// A host looks another up, if its node runs.
pub fn look_up(run: &Arc<Run>, host: u32, act: Act, sought: Sought) {
    let (number, whom) = (act.ticket as usize, act.whom);
    let now_ns = run.now_ns();
    let (node, target) = (run.node(host), run.node(whom));
    {
        let mut state = run.state();
        let lookups = state.trackers.get::<Lookup>();
        let search = lookups.entries.what(number);
        search.begun = true;
        search.target_down = target.is_none();
        if node.is_none() {
            lookups
                .entries
                .ends(number, now_ns, Err(LookupFailure::SearcherDown));
        }
    }
    let Some(node) = node else { return };
    let identity = run.identity(whom);
    let command = match sought {
        Sought::Address(method) => Command::Lookup {
            identity,
            peer: None,
            by: vec![method],
            wait: false,
        },
        Sought::Peers => Command::Closest { identity },
    };
    let asking = Arc::clone(run);
    let looking = async move {
        let reply = node.command(command).await;
        let now_ns = asking.now_ns();
        let mut state = asking.state();
        let lookups = state.trackers.get::<Lookup>();
        match reply {
            Ok(Reply::Peers { .. }) => lookups.entries.ends(number, now_ns, Ok(())),
            Ok(_) => {}
            Err(CommandError::Busy) => {
                lookups
                    .entries
                    .ends(number, now_ns, Err(LookupFailure::Busy));
            }
            // One who is looked for already is found once for all who wait.
            Err(_) if lookups.open(host, whom, sought).count() > 1 => {}
            Err(error) => {
                tracing::warn!(%error, "a look-up did not begin");
                lookups
                    .entries
                    .ends(number, now_ns, Err(LookupFailure::Refused));
            }
        }
    };
    run.testbed.spawn(host, looking.boxed());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;
    use crate::world::World;

    const TEXT: &str = r#"
name = "t"
duration = "20s"
warmup = "5s"
[network]
delays = "three-regions"
[[group]]
name = "a"
count = 2
regions = "round-robin"
node = { "feed.enabled" = false }
[[workload]]
kind = "lookup"
from = "a[0]"
to = "a"
at = "10s"
count = 3
[expect]
"lookup.success" = "== 100%"
"#;

    const KAD: Sought = Sought::Address(LookupMethod::Kad);
    const START_NS: u64 = 10_000_000_000;

    fn begun() -> Lookups {
        let plan = read("t.toml", TEXT, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let scenario = &plan.cases[0].scenario;
        let world = &World::build(scenario, 1);
        let mut lookups = Lookups::of(&Planned { scenario, world });
        assert_eq!(lookups.entries.len(), 3);
        for number in 0..3 {
            let search = lookups.entries.what(number);
            assert_eq!((search.from, search.whom, search.sought), (0, 1, KAD));
            search.begun = true;
        }
        lookups
    }

    #[track_caller]
    fn check(happens: impl FnOnce(&mut Lookups), cause: Option<&str>) {
        let mut lookups = begun();
        happens(&mut lookups);
        lookups.close(20_000_000_000);
        let summary = lookups.summarise();
        let causes: Vec<_> = summary.failed.keys().map(|cause| cause.name()).collect();
        assert_eq!(causes, cause.into_iter().collect::<Vec<_>>());
        let found = if cause.is_none() { 3 } else { 0 };
        assert_eq!(summary.by_pair[&(0, 1)], (found, 3 - found));
        assert_eq!(summary.latencies.count(), found);
        assert_eq!(lookups.lost().count() as u64, 3 - found);
    }

    #[test]
    fn a_look_up_is_answered_or_its_cause_is_known() {
        let then_ns = START_NS + 80_000_000;
        let miss =
            |miss| move |l: &mut Lookups| l.answered(0, 1, LookupMethod::Kad, Some(miss), then_ns);
        check(|l| l.answered(0, 1, LookupMethod::Kad, None, then_ns), None);
        check(miss(Miss::Absent), Some("not-published"));
        let published = |l: &mut Lookups| {
            l.published(1);
            l.answered(0, 1, LookupMethod::Kad, Some(Miss::Absent), then_ns);
        };
        check(published, Some("absent"));
        check(miss(Miss::TimedOut), Some("timed-out"));
        // Others' answers and others' losses of power are not ours.
        let others = |l: &mut Lookups| {
            l.answered(1, 0, LookupMethod::Kad, None, then_ns);
            l.answered(0, 1, LookupMethod::Friends, None, then_ns);
            l.host_down(1, then_ns, Down::LostPower);
        };
        check(others, Some("unfinished"));
    }

    #[test]
    fn who_does_not_run_is_no_failure_of_the_look_up() {
        let check = |happens: &dyn Fn(&mut Lookups), reason| {
            let mut lookups = begun();
            happens(&mut lookups);
            lookups.close(20_000_000_000);
            assert_eq!(lookups.in_vain().collect::<Vec<_>>(), [reason; 3]);
            assert_eq!(lookups.lost().count(), 0);
            assert!(lookups.summarise().by_pair.is_empty());
        };
        let down = |how| move |l: &mut Lookups| l.host_down(0, START_NS + 1, how);
        check(&down(Down::LostPower), Reason::LostPower);
        check(&down(Down::Stopped), Reason::Stopped);
        let target_down = |l: &mut Lookups| {
            for number in 0..3 {
                l.entries.what(number).target_down = true;
            }
            l.answered(0, 1, LookupMethod::Kad, Some(Miss::Absent), START_NS + 1);
        };
        check(&target_down, Reason::TargetDown);
    }

    #[test]
    fn a_walk_counts_once_for_all_who_wait_for_it() {
        let mut lookups = begun();
        let walk = Walk {
            query: 1,
            requests: 5,
            peers: &[],
        };
        lookups.walked(0, 1, KAD, &walk);
        lookups.walked(1, 0, KAD, &walk);
        lookups.answered(0, 1, LookupMethod::Kad, None, START_NS);
        lookups.walked(0, 1, KAD, &walk);
        assert_eq!(lookups.messages.count(), 1);
    }
}
