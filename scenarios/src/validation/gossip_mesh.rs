//! V50, V51: copies in a mesh of stock gossipsub, and hops of a flood through a random graph.
//!
//! Where every node has D mesh peers, each hands a message on to D - 1 of them. A message goes over
//! each of the N·D/2 edges at least once, and twice where both ends have sent it before it crossed: so
//! a node gets from D/2 to D - 1 copies, the first of which is none too many. A flood over equal
//! wires reaches each node by the shortest way.

use std::collections::VecDeque;

use orrery_reports::record::{Metric, SeedResult};

use super::played::played;
use super::{Measured, Row};
use crate::format;
use crate::format::Scenario;
use crate::world::{Friends, World};

/// The mesh takes in twice as many peers as are counted on.
const WIDER: &str = "gossip-mesh-twice-as-wide";
/// The mesh has fewer peers than the graph has neighbours.
const THINNER: &str = "gossip-mesh-of-three";

pub const COPIES: Row = Row {
    id: "V50",
    what: "gossipsub, mesh pinned at D = 6 and 8, 40 nodes, no IDONTWANT: duplicates of a message at a node",
    expected: "from D/2 - 1 to D - 2: 2 to 4; 3 to 6",
    tolerance: "±5 %, for copies that come back to the author and nodes with a peer too few",
    source: "each edge carries a message once or twice",
    mutations: &[WIDER],
    run: copies,
};

pub const HOPS: Row = Row {
    id: "V51",
    what: "flood by gossipsub over a random 4-regular graph of 60 nodes, equal wires: mean hops",
    expected: "the graph's mean distance",
    tolerance: "±1 %",
    source: "breadth-first search from each author",
    mutations: &[THINNER],
    run: hops,
};

fn copies(mutation: Option<&str>) -> Result<Measured, String> {
    let mut held = true;
    let mut parts = Vec::new();
    for degree in [6_u32, 8] {
        let pinned = match mutation {
            Some(WIDER) => 2 * degree,
            _ => degree,
        };
        let text = format!(
            "name = \"validation/gossip-copies\"\nduration = \"50s\"\nwarmup = \"30s\"\ndrain = \"5s\"\n\
             [network]\ndelays = \"three-regions\"\nfidelity = \"flow\"\n\
             [[group]]\nname = \"node\"\ncount = 40\nregions = \"round-robin\"\nboot = \"1s\"\n\
             access = {{ up = {{ rate = \"20Mbit/s\" }}, down = {{ rate = \"20Mbit/s\" }} }}\n\
             node = {{ {}, \"gossip.idontwant_threshold_bytes\" = 1000000, \"feed.enabled\" = false }}\n\
             [[workload]]\nkind = \"dial\"\nfrom = \"node\"\nto = \"node\"\npeers = 12\nat = \"3s\"\nstagger = \"1ms\"\n\
             [[workload]]\nkind = \"publish\"\nfrom = \"node[0..10]\"\ntopic = \"t\"\nsize = \"1kB\"\nat = \"31s\"\nstagger = \"1s\"\nevery = \"10s\"\ncount = 1\n\
             [expect]\n\"gossip.delivery\" = \"== 1\"\n",
            settings(pinned)
        );
        let result = played(scenario(&text)?)?;
        let (published, copies) = (
            value(&result, "gossip.published")?,
            value(&result, "gossip.duplicates")?,
        );
        let each = copies / (published * 40.0);
        let (least, most) = (f64::from(degree) / 2.0 - 1.0, f64::from(degree) - 2.0);
        held &= (least * 0.95..=most * 1.05).contains(&each);
        parts.push(format!("D = {degree}: {each:.2}"));
    }
    Ok(Measured {
        text: parts.join("; "),
        held,
    })
}

fn hops(mutation: Option<&str>) -> Result<Measured, String> {
    let mesh = if mutation == Some(THINNER) { 3 } else { 4 };
    let text = format!(
        "name = \"validation/gossip-hops\"\nduration = \"60s\"\nwarmup = \"30s\"\ndrain = \"5s\"\n\
         [network]\ndelays = \"three-regions\"\nfidelity = \"flow\"\n\
         [[group]]\nname = \"node\"\ncount = {NODES}\nboot = \"1s\"\naccess = \"ideal\"\n\
         friends = {{ graph = \"random-regular\", degree = 4 }}\n\
         node = {{ {}, \"sync.pull_interval\" = \"1h\" }}\n\
         [[workload]]\nkind = \"publish\"\nfrom = \"node\"\ntopic = \"t\"\nsize = \"100B\"\nat = \"31s\"\nstagger = \"400ms\"\n\
         [expect]\n\"gossip.delivery\" = \"== 1\"\n",
        settings(mesh)
    );
    let scenario = scenario(&text)?;
    let expected = mean_distance(&World::build(&scenario, 1).friends);
    let result = played(scenario)?;
    let Some(Metric::Distribution { mean, .. }) = result.metrics.get("gossip.hops") else {
        return Err("no hops were measured".to_owned());
    };
    Ok(Measured {
        text: format!("{mean:.3} against {expected:.3}"),
        held: (mean / expected - 1.0).abs() <= 0.01,
    })
}

const NODES: u32 = 60;

/// A mesh of so many peers, no more and no less.
fn settings(degree: u32) -> String {
    format!(
        "\"listen.addresses\" = [\"/ip4/0.0.0.0/tcp/4150\"], \"gossip.enabled\" = true, \"gossip.topics\" = [\"t\"], \
         \"gossip.flood_publish\" = false, \"gossip.mesh_n\" = {degree}, \"gossip.mesh_n_low\" = {degree}, \
         \"gossip.mesh_n_high\" = {degree}, \"gossip.mesh_outbound_min\" = 1, \"connections.idle_timeout\" = \"1h\", \
         \"connections.max_established_incoming\" = 1000"
    )
}

fn scenario(text: &str) -> Result<Scenario, String> {
    let plan = format::read("gossip", text, None, &[]);
    let plan = plan.map_err(|problems| problems.to_string())?;
    Ok(plan.cases[0].scenario.clone())
}

fn value(result: &SeedResult, metric: &str) -> Result<f64, String> {
    match result.metrics.get(metric) {
        Some(Metric::Value { value, .. }) => Ok(*value),
        _ => Err(format!("nothing was measured as {metric}")),
    }
}

/// The mean length of the shortest ways between two hosts.
fn mean_distance(friends: &Friends) -> f64 {
    let mut sum = 0;
    for from in 0..NODES {
        let mut distances = vec![None; NODES as usize];
        distances[from as usize] = Some(0_u32);
        let mut next = VecDeque::from([from]);
        while let Some(host) = next.pop_front() {
            let further = distances[host as usize].map_or(0, |distance| distance + 1);
            for &friend in friends.of(host) {
                if distances[friend as usize].is_none() {
                    distances[friend as usize] = Some(further);
                    next.push_back(friend);
                }
            }
        }
        sum += distances.into_iter().flatten().sum::<u32>();
    }
    f64::from(sum) / f64::from(NODES * (NODES - 1))
}
