//! What a program says of itself in a scenario. What it does in a run is [`super::running`]'s.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::format::reading::problem::Problems;
use crate::format::reading::reader::Reader;
use crate::format::reading::tree::Table;
use crate::format::scenario::selector::HostGroup;
use crate::testbed::Capability;

/// A program, as a group's table has given it: plain data that travels to workers.
pub trait ProgramKind: Serialize + DeserializeOwned + Sized {
    /// The field of a group that it alone has, if any. The field is a member of
    /// `format/scenario/group.rs`'s `GroupFields`, where it is documented.
    const FIELD: Option<&'static str> = None;
    /// What a testbed must be able to do for it, beside carrying nodes.
    const NEEDS: &'static [Capability] = &[];
    /// Whether it is a node: takes commands, tells events and has friends. Only on hosts with nodes
    /// may workloads act through nodes.
    const IS_NODE: bool = false;
    /// Whether a post that is sealed to it is owed to it.
    const IS_OWED_POSTS: bool = true;

    /// Reads what a group says of it, hosts aside.
    fn read(group: &Reader<'_>, problems: &mut Problems) -> Self;

    /// Reads the hosts that it names from the group's table, now that all groups are known.
    fn read_hosts<G: HostGroup>(&mut self, table: &Table, groups: &[G], problems: &mut Problems) {
        let _ = (table, groups, problems);
    }
}
