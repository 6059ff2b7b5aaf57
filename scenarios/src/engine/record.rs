//! Merges the seeds' results into one record.

use std::collections::BTreeMap;

use orrery_reports::record::{
    Expectation, Judged, Mark, Metric, Moment, Producer, Record, SCHEMA, Variant, Verdict,
};

use super::{cells, verdict};
use crate::failure::Failure;
use crate::fault::{Fault, Timing, When};
use crate::format::reading::amount::Draw;
use crate::format::scenario::expectation::definitions;
use crate::format::{Case, Plan};
use crate::job::{Engine, Played};
use crate::metrics::source::Sources;
use crate::metrics::{self, Definition};

/// Merges results into a record. `results` holds the seeds of each of `cases`, in the same order.
/// `until_ns` is where a run was cut short: its expectations are not judged.
pub fn assemble(
    engine: Engine,
    plan: &Plan,
    cases: &[&Case],
    results: Vec<Vec<Played>>,
    commit: &str,
    arguments: Vec<String>,
    until_ns: Option<u64>,
) -> Record {
    let stalled = results
        .iter()
        .flatten()
        .any(|played| matches!(played.failure, Some(Failure::Stalled { .. })));
    let variants = cells::join(cases, results);
    let scenario = cases.first().map(|case| &case.scenario);
    let seconds = |ns: Option<u64>| ns.map_or(0.0, |ns| ns as f64 / 1e9);
    let mut record = Record {
        schema: SCHEMA,
        scenario: plan.name.clone(),
        summary: plan.summary.clone(),
        commit: commit.to_owned(),
        engine: engine.name().to_owned(),
        program: Record::orrery(),
        arguments,
        warmup_s: seconds(scenario.map(|scenario| scenario.warmup_ns)),
        duration_s: seconds(scenario.map(|scenario| scenario.duration_ns)),
        drain_s: seconds(scenario.map(|scenario| scenario.drain_ns)),
        until_s: until_ns.map(|ns| ns as f64 / 1e9),
        origin: None,
        marks: scenario.map_or(Vec::new(), |scenario| {
            let end_ns = scenario.duration_ns;
            scenario
                .faults
                .iter()
                .map(|fault| mark(fault, end_ns))
                .collect()
        }),
        definitions: definitions()
            .map(|(name, meaning)| (name.to_owned(), meaning.to_owned()))
            .collect(),
        producers: producers(cases),
        losses: Some(losses(cases)),
        grid: plan.grid.clone(),
        report: plan.report.clone(),
        charts: plan.charts.clone(),
        compare: plan.compare,
        moments: moments(&variants),
        expectations: Vec::new(),
        not_judged: Vec::new(),
        variants,
        differences: Vec::new(),
        verdict: Verdict::Held,
    };
    if until_ns.is_none() {
        record.expectations = judge(plan, cases, &record.variants);
    }
    let is_missing = |expr: &&String| !record.expectations.iter().any(|it| it.expr == **expr);
    let stated = plan
        .expectations
        .iter()
        .map(|expectation| &expectation.expr);
    record.not_judged = stated.filter(is_missing).cloned().collect();
    let is_judged = until_ns.is_none() && (!plan.expects || !record.expectations.is_empty());
    record.verdict = verdict(&record, stalled, is_judged);
    record
}

fn judge(plan: &Plan, cases: &[&Case], variants: &[Variant]) -> Vec<Expectation> {
    let variant_of = |case: &Case| variants.iter().find(|variant| variant.name == case.name);
    plan.expectations
        .iter()
        .filter_map(|expectation| {
            if !expectation.can_judge(variants) {
                return None;
            }
            let concerned = cases
                .iter()
                .filter(|case| expectation.concerns(&case.name, &case.cell));
            let figures: Vec<Judged> = concerned
                .filter_map(|case| Some(expectation.judge(variants, variant_of(case)?, &case.cell)))
                .collect();
            // What is expected of a variant that was not played is not judged.
            if figures.is_empty() {
                return None;
            }
            let values = figures.iter().map(|judged| judged.value);
            Some(Expectation {
                expr: expectation.expr.clone(),
                value: values.fold(None, |worst, value| expectation.worse(worst, value)),
                held: figures.iter().all(|judged| judged.held),
                bound: expectation.asked.clone(),
                figures,
            })
        })
        .collect()
}

/// Which moment the samples of each distribution that there is belong to.
fn moments(variants: &[Variant]) -> BTreeMap<String, Moment> {
    let seeds = variants.iter().flat_map(|variant| &variant.seeds);
    let metrics = seeds.flat_map(|seed| &seed.metrics);
    metrics
        .filter(|(_, metric)| matches!(metric, Metric::Distribution { .. }))
        .filter_map(|(key, _)| metrics::find(key.metric()))
        .map(|definition| (definition.name.to_owned(), definition.moment))
        .collect()
}

/// What gives each metric its figures in any of the cases.
fn producers(cases: &[&Case]) -> BTreeMap<String, Producer> {
    let sources: Vec<Sources> = cases.iter().map(|case| case.scenario.sources()).collect();
    let producer = |metric: &Definition| {
        let all = sources.iter().map(|of| metric.producer(of));
        let mut produced = all.filter(|producer| *producer != Producer::Nothing);
        produced.next().unwrap_or(Producer::Nothing)
    };
    let all = metrics::METRICS.iter();
    all.map(|metric| (metric.name.to_owned(), producer(metric)))
        .collect()
}

/// What can be lost in any of the cases, by the metric that counts it.
fn losses(cases: &[&Case]) -> BTreeMap<String, String> {
    let sources: Vec<Sources> = cases.iter().map(|case| case.scenario.sources()).collect();
    let is_produced = |metric: &Definition| {
        let mut all = sources.iter().map(|of| metric.producer(of));
        all.any(|producer| producer != Producer::Nothing)
    };
    let counted = metrics::METRICS.iter().filter(|metric| is_produced(metric));
    let lost = counted.filter_map(|metric| Some((metric.name.to_owned(), metric.lost?.to_owned())));
    lost.collect()
}

/// Where a fault lies on a timeline: from its earliest beginning to its latest end.
fn mark(fault: &Fault, end_ns: u64) -> Mark {
    let When::Given(given) = &fault.when else {
        return Mark {
            label: fault.kind().to_owned(),
            from_s: 0.0,
            to_s: end_ns as f64 / 1e9,
        };
    };
    let (from_ns, last_ns) = given.at_ns.bounds().unwrap_or((0, 0));
    let (from_ns, last_ns) = (from_ns.max(0) as u64, last_ns.max(0) as u64);
    let lasts = fault.what.timing() != Timing::Instant;
    let to_ns = match (
        lasts,
        given.every_ns,
        given.length_ns.map(|length| length.draw),
    ) {
        (false, None, _) => last_ns,
        (true, None, Some(Draw::Constant(length) | Draw::Uniform(_, length))) => {
            last_ns.saturating_add(length.max(0) as u64)
        }
        (true, None, Some(Draw::Normal(..) | Draw::Exponential(_)) | None) | (_, Some(_), _) => {
            end_ns
        }
    };
    Mark {
        label: fault.kind().to_owned(),
        from_s: from_ns as f64 / 1e9,
        to_s: to_ns.min(end_ns) as f64 / 1e9,
    }
}

#[cfg(test)]
mod tests {
    use orrery_reports::key::Key;
    use orrery_reports::record::{Metric, SeedResult};

    use super::*;
    use crate::format::read;

    const PLAN: &str = "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
         [[group]]\nname='g'\ncount=2\nprogram='none'\naccess={ up = {} }\n\
         [[workload]]\nkind='flow'\nfrom='g[0]'\nto='g[1]'\nat='1s'\n\
         [grid]\nz = { set = 'group.g.access.up.loss', to = ['1%', '0%'] }\n\
         a = { set = 'network.tcp.congestion', to = ['cubic', 'new-reno'] }\n\
         [expect]\n'flow.goodput' = '> 2kbit/s'\n'flow.goodput{z=0%}' = '> 3kbit/s'\n";

    fn played(kbps: [f64; 4]) -> Record {
        let plan = read("t", PLAN, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let cases: Vec<&Case> = plan.cases.iter().collect();
        let seed = |value: f64| SeedResult {
            seed: "1".into(),
            metrics: [(
                Key::of("flow.goodput"),
                Metric::Value {
                    unit: "bit/s".into(),
                    value,
                },
            )]
            .into(),
            ..SeedResult::default()
        };
        let played = |value: f64| Played {
            result: seed(value * 1_000.0),
            failure: None,
        };
        let results = kbps.map(|value| vec![played(value)]).to_vec();
        let (commit, arguments) = ("", Vec::new());
        assemble(Engine::Sim, &plan, &cases, results, commit, arguments, None)
    }

    #[test]
    fn expectations_are_judged_cell_by_cell() {
        let record = played([5.0, 1.0, 6.0, 7.0]);
        let [of_all, of_row] = &record.expectations[..] else {
            panic!("two expectations: {:?}", record.expectations);
        };
        let missed = |expectation: &Expectation| -> Vec<String> {
            let figures = expectation.figures.iter().filter(|judged| !judged.held);
            figures.map(|judged| judged.key.to_string()).collect()
        };
        assert_eq!((of_all.value, of_all.figures.len()), (Some(1_000.0), 4));
        assert_eq!(missed(of_all), ["flow.goodput{a=new-reno,z=1%}"]);
        assert_eq!((&*of_row.bound, of_row.figures.len()), ("> 3kbit/s", 2));
        assert!(of_row.held && missed(of_row).is_empty());
        assert_eq!(record.verdict, Verdict::Failed);
        assert_eq!(played([5.0, 4.0, 6.0, 7.0]).verdict, Verdict::Held);
    }

    #[test]
    fn faults_are_marked_as_long_as_they_last() {
        let check = |fault: &str, expected: (f64, f64)| {
            let text = format!(
                "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
                 [[group]]\nname='g'\ncount=2\nprogram='none'\nnat='sym'\n\
                 [[fault]]\nhosts='g'\n{fault}\n"
            );
            let plan = read("t", &text, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
            let mark = mark(&plan.cases[0].scenario.faults[0], 60_000_000_000);
            let found = (mark.from_s.to_bits(), mark.to_s.to_bits());
            assert_eq!(
                found,
                (expected.0.to_bits(), expected.1.to_bits()),
                "{fault}: {mark:?}"
            );
        };
        for instant in ["nat-restart'", "nat-address'", "clock-step'\nby='5s'"] {
            check(&format!("kind='{instant}\nat='9s'"), (9.0, 9.0));
            let drawn = "at='each uniform(9s, 20s)'";
            check(&format!("kind='{instant}\n{drawn}"), (9.0, 20.0));
            check(
                &format!("kind='{instant}\nat='9s'\nevery='5s'"),
                (9.0, 60.0),
            );
        }
        check("kind='power-cut'\nat='9s'\nfor='5s'", (9.0, 14.0));
        check("kind='link'\nat='9s'\nloss='1%'", (9.0, 60.0));
    }

    #[test]
    fn a_record_tells_its_grid_and_what_its_workloads_produce() {
        let record = played([5.0; 4]);
        let labels: Vec<&str> = record.grid.iter().map(|d| d.label.as_str()).collect();
        assert_eq!(labels, ["z", "a"], "the file's order");
        assert_eq!(record.grid[0].values, ["1%", "0%"]);
        let producer = |name: &str| record.producers[name];
        assert_eq!(producer("flow.goodput"), Producer::Workload);
        assert_eq!(producer("net.bytes"), Producer::World);
        assert_eq!(producer("feed.delivered"), Producer::Nothing);
        assert_eq!(producer("node.connections"), Producer::Nothing);
    }
}
