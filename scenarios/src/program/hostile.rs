//! Hostile peers on hosts, and what became of their acts.
//!
//! What an act is, [`orrery_node_hostile`] knows; whether nodes bear it well enough, the scenario's
//! expectations say.

mod acts;
mod explanation;
mod settings;

use super::ProgramKind;
use crate::format::reading::problem::Problems;
use crate::format::reading::reader::Reader;
use crate::format::reading::tree::Table;
use crate::format::scenario::selector::HostGroup;
use crate::testbed::Capability;

pub use explanation::explain;
pub use settings::{Hostile, HostileFields};

impl ProgramKind for Hostile {
    const FIELD: Option<&'static str> = Some("hostile");
    const NEEDS: &'static [Capability] = &[Capability::HostilePeers];
    /// What is sealed to a hostile peer is owed to no reader.
    const IS_OWED_POSTS: bool = false;

    fn read(group: &Reader<'_>, problems: &mut Problems) -> Self {
        Self::read(group, problems)
    }

    fn read_hosts<G: HostGroup>(&mut self, table: &Table, groups: &[G], problems: &mut Problems) {
        if let Some(target) = settings::read_target(table, groups, problems) {
            self.target = target;
        }
    }
}
