//! K2: look-ups by Kademlia do not grow into a full mesh.
//!
//! A node holds at most `kad.max_connections` that its own look-ups have dialled, besides those
//! in use just then; every connection has two ends, so that as many others' look-ups hold on
//! average; and one more leads to the node that everybody knows.

use super::kad_depth::mean;
use super::{Measured, Row};

/// Neither the bound nor idleness closes a connection.
const NOTHING_CLOSES: &str = "look-ups-keep-their-connections";

pub const ROW: Row = Row {
    id: "K2",
    what: "Kademlia among 24 nodes that each look up once a minute, at most 4 connections of look-ups: mean connections of a node",
    expected: "at most 2·4 + 1, and 4 in use",
    tolerance: "none beyond",
    source: "two ends a connection; a full mesh has 23",
    mutations: &[NOTHING_CLOSES],
    run,
};

const NODES: u32 = 24;
const MAX: u32 = 4;
/// Twenty peers are asked each minute, and stay for 5 s; both ends count.
const IN_USE: u32 = 4;

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let (max, idle) = if mutation == Some(NOTHING_CLOSES) {
        (1_000, "10m")
    } else {
        (MAX, "30s")
    };
    let node = format!(
        "{{ \"listen.addresses\" = [\"/ip4/0.0.0.0/tcp/4150\"], \
         \"feed.enabled\" = false, \"kad.enabled\" = true, \"kad.walk\" = true, \
         \"kad.max_connections\" = {max}, \"connections.idle_timeout\" = \"{idle}\" }}"
    );
    let text = format!(
        "name = \"validation/kad-mesh\"\nduration = \"150s\"\nwarmup = \"90s\"\n\
         [network]\ndelays = \"three-regions\"\nfidelity = \"flow\"\n\
         [[group]]\nname = \"hub\"\ncount = 1\nregions = \"round-robin\"\naccess = \"ideal\"\nboot = \"1s\"\nnode = {node}\n\
         [[group]]\nname = \"node\"\ncount = {}\nregions = \"round-robin\"\naccess = \"ideal\"\nboot = \"evenly(2s, 20s)\"\n\
         bootstrap = \"hub\"\nnode = {node}\n\
         [[workload]]\nkind = \"lookup\"\nwhat = \"peers\"\nfrom = \"node\"\nto = \"node\"\n\
         rate = \"60/h\"\n[expect]\n\"lookup.success\" = \"== 100%\"\n",
        NODES - 1
    );
    let connections = mean(&text, "lookup.connections")?;
    Ok(Measured {
        text: format!("{connections:.1}"),
        held: connections <= f64::from(2 * MAX + 1 + IN_USE),
    })
}
