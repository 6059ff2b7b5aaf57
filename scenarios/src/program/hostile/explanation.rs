//! What `orrery explain` says of hostile peers: the fields, and each misbehaviour.

use std::fmt::Write as _;

use orrery_node_hostile::Kind;

use crate::format::documentation;
use crate::text::{WIDTH, wrap};

/// `orrery explain hostile`, misbehaviour by misbehaviour.
pub fn explain() -> String {
    let mut out = documentation::explain("group.hostile").unwrap_or_default();
    out.push_str("\nMisbehaviours:\n");
    for kind in Kind::ALL {
        let _ = writeln!(out, "  {}", kind.name());
        for line in wrap(kind.meaning(), WIDTH - 6) {
            let _ = writeln!(out, "      {line}");
        }
    }
    out
}
