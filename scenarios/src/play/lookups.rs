//! Every look-up has a fate: how long it took, at what cost, or why it failed.
//!
//! It is told what searchers' nodes tell, and judges nothing until the end. Times are
//! simulated nanoseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use futures::FutureExt;
use orrery_node::CommandError;
use orrery_node::api::{Command, Miss, Reply, Rung};
use orrery_reports::stats::Recorder;
use orrery_sim::kernel;

use super::conditions::Down;
use super::depths::Depths;
use super::machine::Machines;
use super::not_done::Reason;
use crate::format::scenario::lookup::Sought;
use crate::world::{Step, World};

/// Why a look-up found nothing. The first three, and any for somebody who did not run, are no
/// failures of the look-up: they count apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The searcher had no power when it was to begin.
    SearcherDown,
    /// The searcher lost power before it ended.
    SearcherLostPower,
    /// The searcher was stopped in good order before it ended.
    SearcherStopped,
    /// The searcher's node refused to begin.
    Refused,
    /// The run ended first.
    Unfinished,
    /// Whoever was looked for had never published an address.
    NotPublished,
    /// The way to find them is switched off.
    Off,
    /// Those who were asked do not know them.
    Absent,
    /// They are known, but no address of theirs.
    NoAddress,
    /// There was nobody to ask, or nobody answered.
    NobodyToAsk,
    /// What was found was not valid.
    Wrong,
    /// The searcher's node had too much to do.
    Busy,
    /// It took too long.
    TimedOut,
}

impl Cause {
    /// As metrics and the ledger of losses name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SearcherDown => "searcher-down",
            Self::SearcherLostPower => "searcher-lost-power",
            Self::SearcherStopped => "searcher-stopped",
            Self::Refused => "refused",
            Self::Unfinished => "unfinished",
            Self::NotPublished => "not-published",
            Self::Off => "off",
            Self::Absent => "absent",
            Self::NoAddress => "no-address",
            Self::NobodyToAsk => "nobody-to-ask",
            Self::Wrong => "wrong",
            Self::Busy => "busy",
            Self::TimedOut => "timed-out",
        }
    }

    /// What a node's own reason means for somebody who has `published` an address, or not.
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

/// One look-up.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who looks.
    pub from: u32,
    /// Who is looked for.
    pub whom: u32,
    /// When it began, or was to begin.
    pub start_ns: u64,
    sought: Sought,
    begun: bool,
    /// Whether the node of the one who is looked for did not run when it began.
    target_down: bool,
    end: Option<(u64, Result<(), Cause>)>,
}

/// What a Kademlia query of a look-up has cost, and where it ended.
pub struct Walk<'a> {
    /// Its number in the searcher's life.
    pub query: u64,
    /// Requests sent.
    pub requests: u32,
    /// Peers at which it ended.
    pub peers: &'a [String],
}

/// All look-ups of a run.
#[derive(Debug)]
pub struct Lookups {
    entries: Vec<Entry>,
    window_ns: Range<u64>,
    /// Who named whom, if this engine can tell.
    pub depths: Option<Arc<Depths>>,
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
    pub failed: BTreeMap<Cause, u64>,
}

impl Lookups {
    /// The look-ups that a world will have; `window_ns` is measured.
    pub fn of(world: &World, window_ns: Range<u64>) -> Self {
        let mut entries = BTreeMap::new();
        for (at_ns, step) in &world.steps {
            if let Step::Lookup {
                host,
                whom,
                sought,
                ticket,
            } = step
            {
                let entry = Entry {
                    from: *host,
                    whom: *whom,
                    start_ns: *at_ns,
                    sought: *sought,
                    begun: false,
                    target_down: false,
                    end: None,
                };
                entries.insert(*ticket, entry);
            }
        }
        Self {
            entries: entries.into_values().collect(),
            window_ns,
            depths: None,
            published: BTreeSet::new(),
            hops: BTreeMap::new(),
            depths_to: BTreeMap::new(),
            messages: Recorder::of("1"),
            connections: Recorder::of("1"),
        }
    }

    /// Whether anything was to be looked up.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A host's node has published where it is reached.
    pub fn published(&mut self, host: u32) {
        self.published.insert(host);
    }

    /// A rung of `host` has an answer about `whom`.
    pub fn answered(&mut self, host: u32, whom: u32, by: Rung, miss: Option<Miss>, now_ns: u64) {
        let published = by != Rung::Kad || self.published.contains(&whom);
        let fate = miss.map_or(Ok(()), |miss| Err(Cause::of(miss, published)));
        for number in self.open(host, whom, Sought::Address(by)) {
            self.end(number, now_ns, fate);
        }
    }

    /// A Kademlia query of `host` has begun with the peers `known` of its table.
    pub fn walks(&mut self, host: u32, query: u64, known: &[String]) {
        if let Some(depths) = &self.depths {
            depths.follow(host, query, known);
        }
    }

    /// A Kademlia query of `host` about `whom` has ended.
    pub fn walked(&mut self, host: u32, whom: u32, sought: Sought, walk: &Walk<'_>) {
        let depths = self.depths.as_ref();
        let depths = depths.map(|depths| depths.end(host, walk.query, walk.peers));
        let Some(number) = self.open(host, whom, sought).first().copied() else {
            return;
        };
        let at_ns = self.entries[number].start_ns;
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

    /// A machine lost power, and all that it was looking for.
    pub fn host_down(&mut self, machine: u32, now_ns: u64, how: Down) {
        let cause = match how {
            Down::PowerCut => Cause::SearcherLostPower,
            Down::Stopped => Cause::SearcherStopped,
        };
        for number in 0..self.entries.len() {
            let entry = &self.entries[number];
            if entry.from == machine && entry.begun {
                self.end(number, now_ns, Err(cause));
            }
        }
        if let Some(depths) = &self.depths {
            depths.forget(machine);
        }
    }

    /// Ends what is still open when the run does.
    pub fn close(&mut self, now_ns: u64) {
        for number in 0..self.entries.len() {
            if self.entries[number].begun {
                self.end(number, now_ns, Err(Cause::Unfinished));
            }
        }
    }

    /// Measured look-ups that failed, though both ends ran.
    pub fn lost(&self) -> impl Iterator<Item = (usize, &Entry, Cause)> {
        let counts =
            |entry: &Entry| self.window_ns.contains(&entry.start_ns) && entry.not_done().is_none();
        let entries = self.entries.iter().enumerate();
        entries.filter_map(move |(number, entry)| {
            let (_, fate) = entry.end.filter(|_| counts(entry))?;
            Some((number, entry, fate.err()?))
        })
    }

    /// Look-ups of the whole run that found nothing as one of the two did not run.
    pub fn not_done(&self) -> impl Iterator<Item = Reason> + '_ {
        self.entries.iter().filter_map(Entry::not_done)
    }

    /// What they did in the measured time.
    pub fn summarise(&self) -> Summary {
        let mut summary = Summary {
            latencies: Recorder::of_microseconds(),
            by_pair: BTreeMap::new(),
            failed: BTreeMap::new(),
        };
        for entry in &self.entries {
            let Some((end_ns, fate)) = entry.end else {
                continue;
            };
            if !self.window_ns.contains(&entry.start_ns) || entry.not_done().is_some() {
                continue;
            }
            let pair = summary.by_pair.entry((entry.from, entry.whom)).or_default();
            match fate {
                Ok(()) => {
                    pair.0 += 1;
                    let took_ns = end_ns - entry.start_ns;
                    summary.latencies.record(entry.start_ns, took_ns / 1_000);
                }
                Err(cause) => {
                    pair.1 += 1;
                    *summary.failed.entry(cause).or_default() += 1;
                }
            }
        }
        summary
    }

    /// Look-ups of `host` for `whom` that have begun and not ended.
    fn open(&self, host: u32, whom: u32, sought: Sought) -> Vec<usize> {
        let is_open = |entry: &Entry| {
            entry.begun
                && entry.end.is_none()
                && (entry.from, entry.whom, entry.sought) == (host, whom, sought)
        };
        let entries = self.entries.iter().enumerate();
        entries
            .filter(|(_, entry)| is_open(entry))
            .map(|(number, _)| number)
            .collect()
    }

    fn end(&mut self, number: usize, now_ns: u64, fate: Result<(), Cause>) {
        self.entries[number].end.get_or_insert((now_ns, fate));
    }
}

impl Entry {
    /// Why it is no failure of the look-up that it found nothing, if it is none.
    fn not_done(&self) -> Option<Reason> {
        match self.end?.1.err()? {
            Cause::SearcherDown => Some(Reason::HostDown),
            Cause::SearcherLostPower => Some(Reason::LostPower),
            Cause::SearcherStopped => Some(Reason::Stopped),
            // Peers near to a record are there, whoever the record is about.
            _ if self.target_down && self.sought != Sought::Peers => Some(Reason::TargetDown),
            _ => None,
        }
    }
}

/// What a Kademlia query looks for, by the name of its purpose; `None` for those that nobody
/// asked for.
pub fn sought(purpose: &str) -> Option<Sought> {
    match purpose {
        "find-address" => Some(Sought::Address(Rung::Kad)),
        "closest" => Some(Sought::Peers),
        _ => None,
    }
}

/// Somebody looks somebody else up, if their machine is on.
pub fn look_up(machines: &Arc<Machines>, ticket: u32, host: u32, whom: u32, sought: Sought) {
    let number = ticket as usize;
    let now_ns = kernel::now().as_nanos();
    let (node, target) = (machines.node(host), machines.node(whom));
    {
        let lookups = &mut machines.state().lookups;
        lookups.entries[number].begun = true;
        lookups.entries[number].target_down = target.is_none();
        if node.is_none() {
            lookups.end(number, now_ns, Err(Cause::SearcherDown));
        }
    }
    let Some(node) = node else { return };
    let identity = machines.identity(whom).to_owned();
    let command = match sought {
        Sought::Address(rung) => Command::Lookup {
            identity,
            by: vec![rung],
            wait: false,
        },
        Sought::Peers => Command::Closest { identity },
    };
    let asking = Arc::clone(machines);
    let looking = async move {
        let reply = node.command(command).await;
        let now_ns = kernel::now().as_nanos();
        let lookups = &mut asking.state().lookups;
        match reply {
            Ok(Reply::Peers { .. }) => lookups.end(number, now_ns, Ok(())),
            Ok(_) => {}
            Err(CommandError::Busy) => lookups.end(number, now_ns, Err(Cause::Busy)),
            // One who is looked for already is found once for all who wait.
            Err(_) if lookups.open(host, whom, sought).len() > 1 => {}
            Err(error) => {
                tracing::warn!(%error, "a look-up did not begin");
                lookups.end(number, now_ns, Err(Cause::Refused));
            }
        }
    };
    machines.testbed.spawn(host, looking.boxed());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

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

    const KAD: Sought = Sought::Address(Rung::Kad);
    const START_NS: u64 = 10_000_000_000;

    fn begun() -> Lookups {
        let plan = read("t.toml", TEXT, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let scenario = &plan.cases[0].scenario;
        let world = World::build(scenario, 1);
        let mut lookups = Lookups::of(&world, scenario.warmup_ns..scenario.duration_ns);
        assert_eq!(lookups.entries.len(), 3);
        for entry in &mut lookups.entries {
            assert_eq!((entry.from, entry.whom, entry.sought), (0, 1, KAD));
            entry.begun = true;
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
        let miss = |miss| move |l: &mut Lookups| l.answered(0, 1, Rung::Kad, Some(miss), then_ns);
        check(|l| l.answered(0, 1, Rung::Kad, None, then_ns), None);
        check(miss(Miss::Absent), Some("not-published"));
        let published = |l: &mut Lookups| {
            l.published(1);
            l.answered(0, 1, Rung::Kad, Some(Miss::Absent), then_ns);
        };
        check(published, Some("absent"));
        check(miss(Miss::TimedOut), Some("timed-out"));
        // Others' answers and others' losses of power are not ours.
        let others = |l: &mut Lookups| {
            l.answered(1, 0, Rung::Kad, None, then_ns);
            l.answered(0, 1, Rung::Friends, None, then_ns);
            l.host_down(1, then_ns, Down::PowerCut);
        };
        check(others, Some("unfinished"));
    }

    #[test]
    fn who_does_not_run_is_no_failure_of_the_look_up() {
        let check = |happens: &dyn Fn(&mut Lookups), reason| {
            let mut lookups = begun();
            happens(&mut lookups);
            lookups.close(20_000_000_000);
            assert_eq!(lookups.not_done().collect::<Vec<_>>(), [reason; 3]);
            assert_eq!(lookups.lost().count(), 0);
            assert!(lookups.summarise().by_pair.is_empty());
        };
        let down = |how| move |l: &mut Lookups| l.host_down(0, START_NS + 1, how);
        check(&down(Down::PowerCut), Reason::LostPower);
        check(&down(Down::Stopped), Reason::Stopped);
        let target_down = |l: &mut Lookups| {
            l.entries
                .iter_mut()
                .for_each(|entry| entry.target_down = true);
            l.answered(0, 1, Rung::Kad, Some(Miss::Absent), START_NS + 1);
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
        lookups.answered(0, 1, Rung::Kad, None, START_NS);
        lookups.walked(0, 1, KAD, &walk);
        assert_eq!(lookups.messages.count(), 1);
    }
}
