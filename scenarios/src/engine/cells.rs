//! Joins the cells of a grid: a seed's results in all cells are one result, whose figures have
//! the cells' labels.

use orrery_reports::key::Labels;
use orrery_reports::record::{SeedResult, Variant};

use crate::format::Case;
use crate::job::Played;

/// The variants of a record. `results` holds the seeds of each of `cases`, in the same order;
/// cases of one variant are neighbours.
pub fn join(cases: &[&Case], results: Vec<Vec<Played>>) -> Vec<Variant> {
    let mut variants: Vec<Variant> = Vec::new();
    for (case, seeds) in cases.iter().zip(results) {
        let seeds = seeds
            .into_iter()
            .map(|played| of_cell(played.into_result(), &case.cell));
        match variants.last_mut().filter(|last| last.name == case.name) {
            Some(variant) => {
                variant.world = format!("{}, {}", variant.world, case.world());
                for (whole, part) in variant.seeds.iter_mut().zip(seeds) {
                    add(whole, part);
                }
            }
            None => variants.push(Variant {
                name: case.name.clone(),
                fidelity: case.scenario.network.fidelity,
                world: case.world(),
                seeds: seeds.collect(),
                ..Variant::default()
            }),
        }
    }
    variants
}

/// A result that tells its cell.
fn of_cell(mut result: SeedResult, cell: &Labels) -> SeedResult {
    if cell.is_empty() {
        return result;
    }
    let metrics = result.metrics.into_iter();
    result.metrics = metrics
        .map(|(key, metric)| (key.within(cell), metric))
        .collect();
    let faults = result.faults.iter_mut().map(|fault| &mut fault.kind);
    let invariants = result.invariants.iter_mut().map(|it| &mut it.name);
    let losses = result.losses.listed_mut().iter_mut();
    let losses = losses.map(|loss| &mut loss.item);
    for named in faults.chain(invariants).chain(losses) {
        named.cell.clone_from(cell);
    }
    if let Some(failure) = &mut result.failure {
        failure.cell.clone_from(cell);
    }
    result
}

fn add(whole: &mut SeedResult, part: SeedResult) {
    let mut hasher = blake3::Hasher::new();
    hasher.update(whole.trace_hash.as_bytes());
    hasher.update(part.trace_hash.as_bytes());
    whole.trace_hash = hasher.finalize().to_hex().to_string();
    whole.simulated_s += part.simulated_s;
    whole.wall_s += part.wall_s;
    whole.cpu_s += part.cpu_s;
    whole.events += part.events;
    whole.peak_rss_bytes = whole.peak_rss_bytes.max(part.peak_rss_bytes);
    whole.metrics.extend(part.metrics);
    whole.faults.extend(part.faults);
    whole.invariants.extend(part.invariants);
    whole.losses.append(part.losses);
    whole.failure = whole.failure.take().or(part.failure);
}

#[cfg(test)]
mod tests {
    use orrery_reports::key::Key;
    use orrery_reports::record::{Loss, Losses, Metric};

    use super::*;
    use crate::failure::Failure;
    use crate::format::read;

    #[test]
    fn a_seeds_cells_are_one_result() {
        let text = "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
                    [[group]]\nname='g'\ncount=1\n\
                    [grid]\nhosts = { set = 'group.g.count', to = [1, 2] }\n";
        let plan = read("t", text, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let cases: Vec<&Case> = plan.cases.iter().collect();
        let loss = Loss {
            item: "x".into(),
            author: "a".to_owned(),
            reader: "b".to_owned(),
            created_s: 0.0,
            cause: "reset".to_owned(),
            metric: "flow.failed".to_owned(),
        };
        let losses = |unlisted: u64| {
            let mut losses = Losses::from(vec![loss.clone()]);
            losses.count("flow.failed", "reset", unlisted);
            losses
        };
        let result = |value: f64, unlisted: u64| SeedResult {
            seed: "1".to_owned(),
            trace_hash: "ab".to_owned(),
            events: 5,
            metrics: [(
                Key::of("net.bytes"),
                Metric::Value {
                    unit: "B".to_owned(),
                    value,
                },
            )]
            .into(),
            losses: losses(unlisted),
            ..SeedResult::default()
        };
        let whole = Played {
            result: result(1.0, 0),
            failure: None,
        };
        let failed = Played {
            result: result(2.0, 6),
            failure: Some(Failure::Unplayed {
                why: "host 0 panicked\nhere".to_owned(),
            }),
        };
        let variants = join(&cases, vec![vec![whole], vec![failed]]);
        let [variant] = &variants[..] else {
            panic!("one variant: {variants:?}");
        };
        let seed = &variant.seeds[0];
        let keys: Vec<&str> = seed.metrics.keys().map(Key::as_str).collect();
        assert_eq!(keys, ["net.bytes{hosts=1}", "net.bytes{hosts=2}"]);
        assert_eq!(seed.events, 10);
        assert_eq!(variant.world, "g[1], g[2]");
        let failure = "host 0 panicked (in cell {hosts=2})\nhere";
        let told = seed.failure.as_ref().map(ToString::to_string);
        assert_eq!(told.as_deref(), Some(failure));
        assert_ne!(seed.trace_hash, "ab");
        assert_eq!(seed.losses.listed()[1].item.to_string(), "x{hosts=2}");
        assert_eq!(seed.losses.causes()["reset"], 8);
    }
}
