//! V4, the DCUtR half: which pairs of NATs libp2p's hole punching gets through.
//!
//! What is expected was seen with the same libp2p over NATs of nftables; one cell that was not
//! tried there is derived (`scenarios/catalog/nat/README.md`). The scenarios of the catalog have all
//! pairs; these are the ones on which a wrong model disagrees.

use orrery_sim::net::nat::{Dependence, NatSpec, PortAssignment};

use super::played::succeeds;
use super::{Measured, Row};
use crate::format;

/// Symmetric NATs give a host the same outside port for everybody, so that it can be dialled.
const KEEPS_MAPPING: &str = "symmetric-nats-keep-their-mapping";
/// Nothing is filtered, so that a dial need not meet another one.
const LETS_IN: &str = "nats-let-everybody-in";

pub const QUIC: Row = Row {
    id: "V4-dcutr-quic",
    what: "DCUtR over QUIC, dialer × listener",
    expected: "apdf×apdf ✓, apdf×sym ✗, sym×apdf ✗, eif×sym ✓, sym×eif ✓, adf×sym ✓",
    tolerance: "every cell",
    source: "rust-libp2p 0.57.1 over NATs of nftables, Linux 6.18; adf×sym: derived",
    mutations: &[
        "quic-symmetric-nats-keep-their-mapping",
        "quic-nats-let-everybody-in",
    ],
    run: run_quic,
};

pub const TCP: Row = Row {
    id: "V4-dcutr-tcp",
    what: "DCUtR over TCP, dialer × listener",
    expected: "apdf×apdf ✓, apdf×sym ✗, sym×apdf ✗, eif×sym ✗, sym×eif ✓, adf×sym ✗",
    tolerance: "every cell",
    source: "rust-libp2p 0.57.1 over NATs of nftables, Linux 6.18",
    mutations: &[
        "tcp-symmetric-nats-keep-their-mapping",
        "tcp-nats-let-everybody-in",
    ],
    run: run_tcp,
};

/// Who dials through the relay, who listens there, and whether they get through over QUIC and TCP.
const CELLS: [(&str, &str, bool, bool); 6] = [
    ("eim-apdf", "eim-apdf", true, true),
    ("eim-apdf", "sym", false, false),
    ("sym", "eim-apdf", false, false),
    ("eim-eif", "sym", true, false),
    ("sym", "eim-eif", true, true),
    ("eim-adf", "sym", true, false),
];

fn run_quic(mutation: Option<&str>) -> Result<Measured, String> {
    let text = include_str!("../../catalog/nat/dcutr-quic.toml");
    let mutation = mutation.and_then(|name| name.strip_prefix("quic-"));
    measure(text, mutation, |(_, _, quic, _)| *quic)
}

fn run_tcp(mutation: Option<&str>) -> Result<Measured, String> {
    let text = include_str!("../../catalog/nat/dcutr-tcp.toml");
    let mutation = mutation.and_then(|name| name.strip_prefix("tcp-"));
    measure(text, mutation, |(_, _, _, tcp)| *tcp)
}

fn measure(
    text: &str,
    mutation: Option<&str>,
    expected: impl Fn(&(&str, &str, bool, bool)) -> bool,
) -> Result<Measured, String> {
    let plan =
        format::read("hole punching", text, None, &[]).map_err(|problems| problems.to_string())?;
    let mut told = Vec::new();
    let mut held = true;
    for cell in &CELLS {
        let is_it = |case: &&format::Case| {
            let label = |name: &str| case.cell.get(name);
            label("dialer") == Some(cell.0) && label("listener") == Some(cell.1)
        };
        let case = plan.cases.iter().find(is_it).ok_or("no such cell")?;
        let mut scenario = case.scenario.clone();
        for homes in scenario
            .groups
            .iter_mut()
            .filter_map(|group| group.nat.as_mut())
        {
            for profile in homes.kinds.iter_mut().filter_map(|(kind, _)| kind.as_mut()) {
                if let Some(spec) = &mut profile.nat {
                    mutate(spec, mutation);
                }
            }
        }
        let gets_through = succeeds(scenario, "connect.success")?;
        held &= gets_through == expected(cell);
        let short = |name: &str| name.trim_start_matches("eim-").to_owned();
        let sign = if gets_through { "✓" } else { "✗" };
        told.push(format!("{}×{} {sign}", short(cell.0), short(cell.1)));
    }
    Ok(Measured {
        text: told.join(", "),
        held,
    })
}

fn mutate(spec: &mut NatSpec, mutation: Option<&str>) {
    match mutation {
        Some(KEEPS_MAPPING) => {
            spec.mapping = Dependence::EndpointIndependent;
            spec.ports = PortAssignment::Preserving;
            spec.port_range = 1024..=65535;
        }
        Some(LETS_IN) => spec.filtering = Dependence::EndpointIndependent,
        _ => {}
    }
}
