//! What runs on the hosts of a group: a file for each program, and a line in `programs!` below.
//!
//! Owns what a program has to say of itself ([`ProgramKind`]), and which there are. What one is read
//! from, how it is booted and what became of it are its file's; when hosts boot and go down is
//! `play/conditions`'s. Nothing outside asks which program a host has, but what it can do.

pub mod hostile;
pub mod node;
pub mod none;

use std::sync::Arc;

use orrery_reports::record::SeedResult;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::reader::Reader;
use crate::format::reading::tree::Table;
use crate::format::scenario::group::Group;
use crate::play::run::Run;
use crate::play::verdict::metrics::Metrics;
use crate::testbed::Capability;

/// A program, as a group's table has given it: plain data that travels to workers.
pub trait ProgramKind: Serialize + DeserializeOwned + Sized {
    /// What is noted of all of its hosts in a run.
    type Notes: Default + Send;

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
    fn read_hosts(&mut self, table: &Table, groups: &[Group], problems: &mut Problems) {
        let _ = (table, groups, problems);
    }

    /// Starts it on a host, whose programs end with the host's life.
    fn boot(&self, run: &Arc<Run>, host: u32);

    /// A run has ended: what became of all of its hosts.
    fn collect(run: &Run, metrics: &mut Metrics, result: &mut SeedResult) {
        let _ = (run, metrics, result);
    }
}

/// Makes of a list of programs the choice between them, in scenarios and in runs. The first is what
/// runs where nothing is said.
macro_rules! programs {
    ($($(#[$meaning:meta])+ $name:literal $room:ident $kind:ident($program:ty);)+) => {
        /// What runs on hosts.
        #[derive(JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum ProgramName {
            $($(#[$meaning])+ $kind,)+
        }

        /// What runs on each host of a group.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Program {
            $($(#[$meaning])+ $kind($program),)+
        }

        /// What is noted of programs in a run, by program.
        #[derive(Default)]
        pub struct Notes {
            $($(#[$meaning])+ pub $room: <$program as ProgramKind>::Notes,)+
        }

        impl Program {
            /// Reads `program` and what belongs to it, hosts aside.
            pub fn read(group: &Reader<'_>, problems: &mut Problems) -> Self {
                let readers: &[(&str, ReadProgram)] = &[$(($name, |group, problems| {
                    Self::$kind(<$program>::read(group, problems))
                }),)+];
                let read = group.choice("program", readers, problems);
                let program = read.unwrap_or(readers[0].1)(group, problems);
                for (name, field) in [$(($name, <$program>::FIELD),)+] {
                    let Some(field) = field else { continue };
                    if name != program.name() && group.value(field).is_some() {
                        let message = format!(
                            "{} is for hosts with program = {}",
                            quoted(field),
                            quoted(name)
                        );
                        problems.push(group.span(field), message);
                    }
                }
                program
            }

            /// Its name in scenarios.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $name,)+
                }
            }

            /// See [`ProgramKind::NEEDS`].
            pub fn needs(&self) -> &'static [Capability] {
                match self {
                    $(Self::$kind(_) => <$program>::NEEDS,)+
                }
            }

            /// See [`ProgramKind::IS_NODE`].
            pub fn is_node(&self) -> bool {
                match self {
                    $(Self::$kind(_) => <$program>::IS_NODE,)+
                }
            }

            /// See [`ProgramKind::IS_OWED_POSTS`].
            pub fn is_owed_posts(&self) -> bool {
                match self {
                    $(Self::$kind(_) => <$program>::IS_OWED_POSTS,)+
                }
            }

            /// See [`ProgramKind::read_hosts`].
            pub fn read_hosts(&mut self, table: &Table, groups: &[Group], problems: &mut Problems) {
                match self {
                    $(Self::$kind(program) => program.read_hosts(table, groups, problems),)+
                }
            }

            /// See [`ProgramKind::boot`].
            pub fn boot(&self, run: &Arc<Run>, host: u32) {
                match self {
                    $(Self::$kind(program) => program.boot(run, host),)+
                }
            }
        }

        /// Collects what became of all programs' hosts.
        pub fn collect(run: &Run, metrics: &mut Metrics, result: &mut SeedResult) {
            $(<$program>::collect(run, metrics, result);)+
        }
    };
}

/// Reads a program of one kind.
type ReadProgram = fn(&Reader<'_>, &mut Problems) -> Program;

programs! {
    /// The reference node.
    "node" node Node(node::Node);
    /// Nothing.
    "none" none None(none::Nothing);
    /// A peer that misbehaves, as `hostile` says.
    "hostile" hostile Hostile(hostile::Hostile);
}
