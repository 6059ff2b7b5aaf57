//! V3 and V4: which pairs of NATs holes can be punched through.
//!
//! The worlds are those of the catalog's matrices, every pair in one of its own. What is expected
//! is written here anew: the catalog's own expectations would follow it wherever it goes.

use orrery_sim::net::nat::{Dependence, NatSpec};

use super::played::succeeds;
use super::{Measured, Row};
use crate::format::scenario::nat::Homes;
use crate::format::{Case, Scenario};
use crate::{built_in, format};

/// A NAT that ought to map by destination has one mapping for all.
const ONE_MAPPING: &str = "udp-mapping-ignores-destination";
/// Strangers get in everywhere.
const NO_FILTER: &str = "udp-nats-filter-nothing";
/// As the first, with TCP.
const ONE_TCP_MAPPING: &str = "tcp-mapping-ignores-destination";

pub const UDP: Row = Row {
    id: "V3",
    what: "UDP holes between 8 types of NATs, all pairs: cells as expected",
    expected: "64 of 64",
    tolerance: "every cell",
    source: "model of RFC 4787 §4.1 and §5, agreeing with 16 published emulated cells; answers count from where was asked alone (RFC 8445 §7.2.5.2.1)",
    mutations: &[ONE_MAPPING, NO_FILTER],
    run: |mutation| run("nat/udp-matrix", &UDP_PAIRS, mutation),
};

pub const TCP: Row = Row {
    id: "V4-open",
    what: "TCP connections that both sides of 8 types of NATs open, all pairs: cells as expected",
    expected: "64 of 64",
    tolerance: "every cell",
    source: "as V3, but for adm-adf and sym-eif: RFC 9293 §3.5 opens no connection by an answer from another port",
    mutations: &[ONE_TCP_MAPPING],
    run: |mutation| run("nat/tcp-matrix", &TCP_PAIRS, mutation),
};

const TYPES: [&str; 8] = [
    "public", "firewall", "eim-eif", "eim-adf", "eim-apdf", "adm-adf", "sym", "sym-eif",
];

/// By both sides' types, in their order.
type Pairs = [[u8; 8]; 8];

const UDP_PAIRS: Pairs = [
    [1, 1, 1, 1, 1, 1, 1, 1],
    [1, 1, 1, 1, 1, 0, 0, 0],
    [1, 1, 1, 1, 1, 1, 1, 1],
    [1, 1, 1, 1, 1, 1, 1, 1],
    [1, 1, 1, 1, 1, 0, 0, 0],
    [1, 0, 1, 1, 0, 0, 0, 1],
    [1, 0, 1, 1, 0, 0, 0, 0],
    [1, 0, 1, 1, 0, 1, 0, 0],
];

const TCP_PAIRS: Pairs = {
    let mut pairs = UDP_PAIRS;
    pairs[5][7] = 0;
    pairs[7][5] = 0;
    pairs
};

fn run(scenario: &str, expected: &Pairs, mutation: Option<&str>) -> Result<Measured, String> {
    let built_in = built_in::SCENARIOS
        .iter()
        .find(|built_in| built_in.name == scenario)
        .ok_or("the catalog lacks the matrix")?;
    let plan = format::read(scenario, built_in.text, None, &[])
        .map_err(|problems| problems.to_string())?;
    let mut wrong = Vec::new();
    let mut right = 0;
    for (row, here) in TYPES.iter().enumerate() {
        for (column, there) in TYPES.iter().enumerate() {
            let is = |label: &str, kind: &str, case: &&Case| {
                case.cell.get(label).is_some_and(|value| value == kind)
            };
            let mut cases = plan.cases.iter();
            let case = cases
                .find(|case| is("here", here, case) && is("there", there, case))
                .ok_or_else(|| format!("the matrix lacks {here} and {there}"))?;
            let works = succeeds(mutated(case.scenario.clone(), mutation), "punch.success")?;
            if works == (expected[row][column] == 1) {
                right += 1;
            } else {
                wrong.push(format!("{here} and {there}"));
            }
        }
    }
    let cells = TYPES.len() * TYPES.len();
    let first = wrong.first().map(|pair| format!(", not {pair}"));
    let text = format!("{right} of {cells}{}", first.unwrap_or_default());
    Ok(Measured {
        text,
        held: wrong.is_empty(),
    })
}

fn mutated(mut scenario: Scenario, mutation: Option<&str>) -> Scenario {
    let groups = scenario.groups.iter_mut();
    let homes = groups.filter_map(|group| group.nat.as_mut());
    let change: fn(&mut NatSpec) = match mutation {
        Some(ONE_MAPPING | ONE_TCP_MAPPING) => |nat| nat.mapping = Dependence::EndpointIndependent,
        Some(NO_FILTER) => |nat| nat.filtering = Dependence::EndpointIndependent,
        _ => |_| {},
    };
    homes.flat_map(Homes::nats_mut).for_each(change);
    scenario
}
