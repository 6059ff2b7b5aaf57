//! Joins the cells of a grid: a seed's results in all cells are one result, whose figures have
//! the cells' labels.

use orrery_reports::record::{SeedResult, Variant};

use super::Played;
use crate::format::Case;
use crate::format::scenario::grid::{Labels, braced, labelled};

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

/// A result whose names tell the cell.
fn of_cell(mut result: SeedResult, cell: &Labels) -> SeedResult {
    if cell.is_empty() {
        return result;
    }
    let tag = braced(cell);
    let metrics = result.metrics.into_iter();
    result.metrics = metrics
        .map(|(key, metric)| (labelled(&key, cell), metric))
        .collect();
    // The first line is what reports quote.
    if let Some(failure) = &mut result.failure {
        let end = failure.find('\n').unwrap_or(failure.len());
        failure.insert_str(end, &format!(" (in cell {tag})"));
    }
    for fault in &mut result.faults {
        fault.kind.push_str(&tag);
    }
    for invariant in &mut result.invariants {
        invariant.name.push_str(&tag);
    }
    for loss in &mut result.losses {
        loss.item.push_str(&tag);
    }
    result
}

fn add(whole: &mut SeedResult, part: SeedResult) {
    count_losses(whole, &part);
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
    whole.losses.extend(part.losses);
    whole.failure = whole.failure.take().or(part.failure);
}

/// Once one part's losses are not all listed, all are counted by cause.
fn count_losses(whole: &mut SeedResult, part: &SeedResult) {
    if whole.loss_causes.is_empty() && part.loss_causes.is_empty() {
        return;
    }
    if whole.loss_causes.is_empty() {
        for loss in &whole.losses {
            *whole.loss_causes.entry(loss.cause.clone()).or_default() += 1;
        }
    }
    if part.loss_causes.is_empty() {
        for loss in &part.losses {
            *whole.loss_causes.entry(loss.cause.clone()).or_default() += 1;
        }
    }
    for (cause, count) in &part.loss_causes {
        *whole.loss_causes.entry(cause.clone()).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use orrery_reports::record::{Loss, Metric};

    use super::*;
    use crate::engine::Failure;
    use crate::format::read;

    #[test]
    fn a_seeds_cells_are_one_result() {
        let text = "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
                    [[group]]\nname='g'\ncount=1\n\
                    [grid]\nhosts = { set = 'group.g.count', to = [1, 2] }\n";
        let plan = read("t", text, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let cases: Vec<&Case> = plan.cases.iter().collect();
        let result = |value: f64, causes: u64| SeedResult {
            seed: "1".to_owned(),
            trace_hash: "ab".to_owned(),
            events: 5,
            metrics: [(
                "net.bytes".to_owned(),
                Metric::Value {
                    unit: "B".to_owned(),
                    value,
                },
            )]
            .into(),
            losses: vec![Loss {
                item: "x".to_owned(),
                author: "a".to_owned(),
                reader: "b".to_owned(),
                created_s: 0.0,
                cause: "reset".to_owned(),
            }],
            loss_causes: (causes > 0)
                .then(|| ("reset".to_owned(), causes))
                .into_iter()
                .collect(),
            ..SeedResult::default()
        };
        let whole = Played {
            result: result(1.0, 0),
            failure: None,
        };
        let failed = Played {
            result: result(2.0, 7),
            failure: Some(Failure::Unplayed {
                why: "host 0 panicked\nhere".to_owned(),
            }),
        };
        let variants = join(&cases, vec![vec![whole], vec![failed]]);
        let [variant] = &variants[..] else {
            panic!("one variant: {variants:?}");
        };
        let seed = &variant.seeds[0];
        let keys: Vec<&String> = seed.metrics.keys().collect();
        assert_eq!(keys, ["net.bytes{hosts=1}", "net.bytes{hosts=2}"]);
        assert_eq!(seed.events, 10);
        assert_eq!(variant.world, "g[1], g[2]");
        let failure = "host 0 panicked (in cell {hosts=2})\nhere";
        assert_eq!(seed.failure.as_deref(), Some(failure));
        assert_ne!(seed.trace_hash, "ab");
        assert_eq!(seed.losses[1].item, "x{hosts=2}");
        assert_eq!(seed.loss_causes["reset"], 8);
    }
}
