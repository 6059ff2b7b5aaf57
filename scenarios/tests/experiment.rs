//! Experiments without the command line: what a second command, or a program of other people,
//! does with the library.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use orrery_reports::record::{Record, Verdict};
use orrery_scenarios::engine::{Experiment, Keep, Pool, PoolError, Stop, Unwatched, Watcher};
use orrery_scenarios::format::Plan;
use orrery_scenarios::job::{Job, Played};
use orrery_scenarios::load::read;

/// Three nodes that post to each other, with and without a slow core.
const SCENARIO: &str = "\
name = 'library'
duration = '40s'
drain = '1m'
seeds = 2
[network]
delays = 'ibm-10'
[[group]]
name = 'home'
count = 3
friends = { graph = 'ring' }
node = { sync.pull_interval = '5s' }
[[workload]]
kind = 'post'
from = 'home'
rate = '60/h'
[[variant]]
name = 'near'
[[variant]]
name = 'rare'
set = { 'workload.post.rate' = '30/h' }
[expect]
'feed.missed_forever' = '== 0'
";

fn plan() -> Plan {
    read("library.toml", SCENARIO, None, &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

fn pool<'a>(stop: &'a Stop, watcher: &'a dyn Watcher) -> Pool<'a> {
    Pool {
        program: Path::new(env!("CARGO_BIN_EXE_orrery")),
        at_once: 2,
        stop,
        watcher,
    }
}

/// Counts the jobs that ended.
#[derive(Default)]
struct Ended(AtomicUsize);

impl Watcher for Ended {
    fn ended(&self, _: usize, played: &Played) {
        assert_eq!(played.failure, None);
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn hashes(record: &Record) -> Vec<&str> {
    let seeds = record.variants.iter().flat_map(|variant| &variant.seeds);
    seeds.map(|seed| seed.trace_hash.as_str()).collect()
}

#[test]
fn an_experiment_is_played_through_the_library() {
    let plan = plan();
    let (stop, ended) = (Stop::default(), Ended::default());
    let record = Experiment::new(&plan)
        .play(&pool(&stop, &ended))
        .expect("the program plays jobs");
    assert_eq!(ended.0.into_inner(), 4);
    assert_eq!(record.verdict, Verdict::Held);
    assert_eq!(record.expectations.len(), 1);
    assert!(record.variants[0].summary.contains_key("feed.delivered"));

    let again = Experiment::new(&plan)
        .only_variant("rare")
        .expect("it has that variant")
        .with_seeds(vec![2])
        .play(&pool(&stop, &Unwatched))
        .expect("the program plays jobs");
    assert_eq!(hashes(&again), [hashes(&record)[3]]);
}

#[test]
fn an_experiment_is_proved_reproducible_through_the_library() {
    let plan = plan();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let keep = Keep {
        events: Some(folder.path().join("events")),
        ..Keep::default()
    };
    let experiment = Experiment::new(&plan)
        .only_variant("near")
        .expect("it has that variant")
        .with_seeds(vec![1])
        .until(20_000_000_000)
        .keeping(keep);
    let stop = Stop::default();
    let (record, differences) = experiment
        .play_twice(&pool(&stop, &Unwatched))
        .expect("the program plays jobs");
    assert_eq!((record.verdict, differences.len()), (Verdict::NotJudged, 0));
    assert_eq!(record.expectations, [], "it was cut short");
    let kept = folder.path().join("events/near-1.trace");
    assert!(kept.metadata().is_ok_and(|file| file.len() > 0));
}

#[test]
fn a_variant_that_is_not_there_is_told_with_those_that_are() {
    let error = Experiment::new(&plan()).only_variant("nera").map(|_| ());
    let error = error.expect_err("there is none").to_string();
    assert_eq!(
        error,
        "library has no variant \"nera\"; did you mean \"near\"?"
    );
}

#[test]
fn a_stopped_experiment_has_no_record() {
    let stop = Stop::default();
    stop.stop();
    let plan = plan();
    let jobs: Vec<Job> = Experiment::new(&plan).jobs();
    let played = pool(&stop, &Unwatched).play(&jobs);
    assert!(matches!(played, Err(PoolError::Interrupted)));
}
