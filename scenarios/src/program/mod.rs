//! What runs on the hosts of a group: a file or folder for each program, and a line in `programs!` below.
//!
//! Owns what a program has to say of itself in a scenario ([`ProgramKind`]) and to do in a run
//! ([`RunProgram`]), and which there are. What one is read from, how it is booted and what became of it
//! are its room's; when hosts boot and go down is `play/conditions`'s. Nothing outside asks which
//! program a host has, but what it can do. What a program is in a scenario knows no run.

/// Hands the list of all programs to a macro: what each means, its name, and its type.
macro_rules! programs {
    ($of:ident) => {
        $of! {
            /// The reference node.
            "node" Node($crate::program::node::Node);
            /// Nothing.
            "none" None($crate::program::none::Nothing);
            /// A peer that misbehaves, as `hostile` says.
            "hostile" Hostile($crate::program::hostile::Hostile);
        }
    };
}

pub mod hostile;
mod kind;
pub mod node;
pub mod none;
pub mod notes;
pub mod running;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::reader::Reader;
use crate::format::reading::tree::Table;
use crate::format::scenario::selector::HostGroup;
use crate::testbed::Capability;

pub use kind::ProgramKind;
pub use running::RunProgram;

/// Makes of a list of programs the choice between them in scenarios. The first is what runs where
/// nothing is said.
macro_rules! choice {
    ($($(#[$meaning:meta])+ $name:literal $kind:ident($program:ty);)+) => {
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
            pub fn read_hosts<G: HostGroup>(
                &mut self,
                table: &Table,
                groups: &[G],
                problems: &mut Problems,
            ) {
                match self {
                    $(Self::$kind(program) => program.read_hosts(table, groups, problems),)+
                }
            }
        }
    };
}

/// Reads a program of one kind.
type ReadProgram = fn(&Reader<'_>, &mut Problems) -> Program;

programs!(choice);
