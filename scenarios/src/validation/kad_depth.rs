//! K1: how far from the searcher Kademlia finds the nearest peers, against ideal tables.
//!
//! The model is the paper's (Maymounkov and Mazières 2002, §2.2–2.3) as libp2p has it: a bucket
//! for each length of common prefix, of k entries; a search that begins with the k nearest of the
//! own table, asks the nearest three (α) that it has not asked, and ends when the k nearest have
//! answered with the k nearest that they know. Ideal is that every bucket holds k members of its
//! part of the network, drawn evenly, or all of them; that everybody answers; and that answers
//! come in the order of the questions. What counts is N/k, so that few nodes with small buckets
//! show what many do with large ones.
//!
//! Among k nodes everybody is in every table, and the depth is 0. Beyond, the nearest of k entries
//! that are drawn from a part of the network lie in a part smaller by about that factor, so that
//! the depth grows as log2(N/k): by a sixth of a hand-over for each doubling.

use std::collections::{BTreeMap, BTreeSet};

use orrery_reports::record::Metric;
use orrery_sim::random::Stream;

use super::played::played;
use super::{Measured, Row};
use crate::format;

/// Buckets of the nodes hold half of what they should.
const SMALL_BUCKETS: &str = "buckets-of-three";

pub const ROW: Row = Row {
    id: "K1",
    what: "Kademlia among 30 nodes with k = 6: mean depth at which the 6 nearest peers are found, in nodes against ideal tables",
    expected: "equal",
    tolerance: "±0.1",
    source: "a search over ideal tables, as Maymounkov and Mazières have them",
    mutations: &[SMALL_BUCKETS],
    run,
};

const TOLERANCE: f64 = 0.1;
const NODES: usize = 30;
const K: usize = 6;
const ALPHA: usize = 3;
const SEARCHES: usize = 400;

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let ideal = ideal_depth(NODES, SEARCHES);
    let buckets = if mutation == Some(SMALL_BUCKETS) {
        3
    } else {
        K
    };
    let measured = depth_among_nodes(buckets)?;
    Ok(Measured {
        text: format!("{measured:.3}, ideal {ideal:.3}"),
        held: (measured - ideal).abs() <= TOLERANCE,
    })
}

/// The mean depth that nodes show.
fn depth_among_nodes(buckets: usize) -> Result<f64, String> {
    let text = format!(
        "name = \"validation/kad-depth\"\nduration = \"90s\"\nwarmup = \"50s\"\n\
         [network]\ndelays = \"three-regions\"\nfidelity = \"flow\"\n\
         [[group]]\nname = \"hub\"\ncount = 1\nregions = \"round-robin\"\naccess = \"ideal\"\nboot = \"1s\"\n\
         node = {{ \"listen.addresses\" = [\"/ip4/0.0.0.0/tcp/4150\"], \
         \"feed.enabled\" = false, \"kad.enabled\" = true, \"kad.walk\" = true, \
         \"kad.k\" = {buckets} }}\n\
         [[group]]\nname = \"node\"\ncount = {}\nregions = \"round-robin\"\naccess = \"ideal\"\nboot = \"evenly(2s, 15s)\"\n\
         bootstrap = \"hub\"\n\
         node = {{ \"listen.addresses\" = [\"/ip4/0.0.0.0/tcp/4150\"], \
         \"feed.enabled\" = false, \"kad.enabled\" = true, \"kad.walk\" = true, \
         \"kad.k\" = {buckets} }}\n\
         [[workload]]\nkind = \"lookup\"\nwhat = \"peers\"\nfrom = \"node\"\nto = \"node\"\n\
         at = \"each uniform(55s, 75s)\"\n[expect]\n\"lookup.success\" = \"== 100%\"\n",
        NODES - 1
    );
    mean(&text, "lookup.hops")
}

/// Plays a scenario of Kademlia with one seed, and gives the mean of a metric.
pub(super) fn mean(text: &str, metric: &str) -> Result<f64, String> {
    let plan = format::read("kad", text, None, &[]);
    let plan = plan.map_err(|problems| problems.to_string())?;
    let result = played(plan.cases[0].scenario.clone())?;
    match result.metrics.get(metric) {
        Some(Metric::Distribution { mean, .. }) => Ok(*mean),
        // libp2p-kad may have changed the event that tells who named whom.
        _ => Ok(f64::NAN),
    }
}

/// The key of a node or a record: 64 bits are plenty for so few.
type KadKey = u64;

/// The mean depth of the k nearest peers over so many searches among so many nodes.
fn ideal_depth(nodes: usize, searches: usize) -> f64 {
    let mut stream = Stream::new(1, "validation kad ideal", nodes as u32);
    let keys: Vec<KadKey> = (0..nodes).map(|_| stream.below(u64::MAX)).collect();
    let tables: BTreeMap<KadKey, Vec<KadKey>> = keys
        .iter()
        .map(|&own| (own, table(own, &keys, &mut stream)))
        .collect();
    let (mut sum, mut count) = (0, 0);
    for _ in 0..searches {
        let searcher = keys[stream.below(nodes as u64) as usize];
        let target = stream.below(u64::MAX);
        for depth in search(searcher, target, &tables) {
            sum += depth;
            count += 1;
        }
    }
    f64::from(sum) / f64::from(count)
}

/// The ideal table of a node: of each bucket, k members or all.
fn table(own: KadKey, keys: &[KadKey], stream: &mut Stream) -> Vec<KadKey> {
    let mut buckets: BTreeMap<u32, Vec<KadKey>> = BTreeMap::new();
    for &key in keys.iter().filter(|&&key| key != own) {
        let bucket = (own ^ key).leading_zeros();
        buckets.entry(bucket).or_default().push(key);
    }
    let mut table = Vec::new();
    for mut bucket in buckets.into_values() {
        let wanted = bucket.len().min(K);
        // The first steps of a shuffle by Fisher and Yates.
        for at in 0..wanted {
            let left = (bucket.len() - at) as u64;
            bucket.swap(at, at + stream.below(left) as usize);
        }
        table.extend_from_slice(&bucket[..wanted]);
    }
    table
}

/// The depths of the k nearest peers that a search ends with.
fn search(searcher: KadKey, target: KadKey, tables: &BTreeMap<KadKey, Vec<KadKey>>) -> Vec<u32> {
    let nearest = |of: KadKey, asker: KadKey| {
        let mut near = tables[&of].clone();
        near.retain(|&key| key != asker);
        near.sort_by_key(|key| key ^ target);
        near.truncate(K);
        near
    };
    // By distance, so that the first k are the nearest.
    let mut depths: BTreeMap<KadKey, u32> = BTreeMap::new();
    for key in nearest(searcher, searcher) {
        depths.insert(key ^ target, 0);
    }
    let mut asked: BTreeSet<KadKey> = BTreeSet::new();
    loop {
        let near = depths.keys().take(K).copied();
        let round: Vec<KadKey> = near
            .filter(|far| !asked.contains(far))
            .take(ALPHA)
            .collect();
        if round.is_empty() {
            return depths.into_values().take(K).collect();
        }
        for far in round {
            asked.insert(far);
            let depth = depths[&far];
            for key in nearest(far ^ target, searcher) {
                if key != searcher {
                    depths.entry(key ^ target).or_insert(depth + 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_small_network_everybody_is_in_every_table() {
        assert_eq!(ideal_depth(K, 50).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn ideal_depths_grow_with_the_logarithm_of_the_number_of_nodes() {
        for times in [5, 15, 50] {
            let nodes = times * K;
            let doublings = f64::from(times as u32).log2();
            let each = ideal_depth(nodes, 200) / doublings;
            assert!((0.13..0.20).contains(&each), "{nodes}: {each}");
        }
    }
}
