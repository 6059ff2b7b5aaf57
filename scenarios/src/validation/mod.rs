//! The validation suite: the simulator against exact, analytic and measured figures.
//!
//! Each row runs real node or network code and compares what it measures with a figure from
//! elsewhere. Each row names mutations of its model under which it must fail: a comparison that
//! cannot fail proves nothing. `cargo xtask validation` prints the rows, `cargo xtask mutants`
//! tries the mutations. A new row is one file and one line in [`ROWS`].

use serde::Serialize;

mod binding_expiry;
mod binomial;
mod bulk;
mod carrier;
mod churn;
mod cubic;
mod dial;
mod egress;
mod entropy;
mod fairness;
mod faults;
mod fidelity;
mod fidelity_gossip;
mod gossip_mesh;
mod hole_punch;
mod holes;
mod jobs;
mod kad_depth;
mod kad_mesh;
mod loss_bursts;
mod mathis;
mod mutant;
mod packets;
mod ping_matrix;
mod played;
mod queue_codel;
mod queueing;
mod rates;
mod refresh;
mod relay_limits;
mod reproducible;
mod row;
mod slow_start;
mod start_error;
mod stock;
mod store_forward;
mod two_models;

pub use entropy::{Entropy, trace_hash};
use row::{Measured, Row};

/// All rows, in the order in which they are printed.
const ROWS: &[Row] = &[
    dial::ROW,
    dial::QUIC,
    fidelity::ROUND_TRIPS,
    fidelity::PACKETS,
    fidelity_gossip::ROW,
    store_forward::ROW,
    slow_start::ROW,
    mathis::ROW,
    cubic::ROW,
    fairness::ROW,
    queueing::ROW,
    loss_bursts::ROW,
    queue_codel::ROW,
    rates::WAVE,
    rates::TRACE,
    packets::ROW,
    ping_matrix::ROW,
    relay_limits::ROW,
    reproducible::ROW,
    entropy::ROW,
    jobs::ROW,
    faults::ROW,
    hole_punch::QUIC,
    hole_punch::TCP,
    holes::UDP,
    holes::TCP,
    start_error::ROW,
    binding_expiry::ROW,
    refresh::ROW,
    egress::ROW,
    two_models::ROW,
    kad_depth::ROW,
    kad_mesh::ROW,
    churn::KAD,
    churn::IPFS,
    gossip_mesh::COPIES,
    gossip_mesh::HOPS,
];

/// A row's line for other programs.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    what: &'a str,
    expected: &'a str,
    measured: String,
    tolerance: &'a str,
    source: &'a str,
    held: bool,
    mutation: &'a [&'a str],
}

/// Runs all rows, or only the one called `row`, or those that `mutation` breaks, and prints a line
/// for each.
///
/// Returns 0 if all held, 1 if one did not, 2 for an unknown row or mutation, and 6 if a row could not
/// be run to its end.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command of the program"
)]
pub fn main(json: bool, row: Option<&str>, mutation: Option<&str>) -> u8 {
    let known = |candidate: &&Row| {
        row.is_none_or(|id| candidate.id == id)
            && mutation.is_none_or(|name| candidate.mutations.contains(&name))
    };
    let rows: Vec<&Row> = ROWS.iter().filter(known).collect();
    if rows.is_empty() {
        let ids: Vec<&str> = ROWS.iter().map(|row| row.id).collect();
        let names: Vec<&str> = ROWS.iter().flat_map(|row| row.mutations).copied().collect();
        let (ids, names) = (ids.join(", "), names.join(", "));
        eprintln!("error: no such row with such a mutation; rows: {ids}; mutations: {names}");
        return 2;
    }
    let mut all_held = true;
    for row in rows {
        let measured = match (row.run)(mutation) {
            Ok(measured) => measured,
            // Told apart from a row that does not hold: a crash under a mutation is no evidence
            // that the row would have noticed it.
            Err(error) => {
                eprintln!("error: {} gave no figure: {error}", row.id);
                return 6;
            }
        };
        all_held &= measured.held;
        let line = Line {
            id: row.id,
            what: row.what,
            expected: row.expected,
            measured: measured.text,
            tolerance: row.tolerance,
            source: row.source,
            held: measured.held,
            mutation: row.mutations,
        };
        if json {
            println!("{}", serde_json::json!(line));
        } else {
            let word = if line.held { "held" } else { "FAILED" };
            println!(
                "{:4} {word:6} {}: expected {}, measured {} ({}; {})",
                line.id, line.what, line.expected, line.measured, line.tolerance, line.source
            );
        }
    }
    u8::from(!all_held)
}
