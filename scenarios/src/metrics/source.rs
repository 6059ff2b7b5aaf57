//! What of a scenario gives metrics their figures.
//!
//! Owns the answer to "can this scenario produce that metric?", which expectations, reports and the
//! record ask. Which kinds of workload and fault a metric needs is said in its [`super::Definition`].

use orrery_node::api::measure::Needed;
use orrery_node::config::Config;

/// What scenarios in whose groups hosts come and go have among the kinds that metrics need.
pub const CHURN: &str = "churn";

/// What gives a metric its figures where no kind of workload does.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// Every host, whatever runs on it.
    Hosts,
    /// Hosts that run nodes.
    Nodes,
    /// Hosts that run nodes with certain settings.
    NodesWith(Needed),
    /// Hosts that run the program of this name.
    Program(&'static str),
}

impl Source {
    /// What a scenario needs for it; `None` if every scenario has it.
    pub fn needs(self) -> Option<String> {
        match self {
            Self::Hosts => None,
            Self::Nodes => Some("hosts that run nodes".to_owned()),
            Self::NodesWith(needed) => Some(format!("nodes with {}", needed.what)),
            Self::Program(name) => Some(format!("hosts with program = \"{name}\"")),
        }
    }
}

/// What a scenario has that gives metrics their figures.
#[derive(Debug, Default)]
pub struct Sources {
    /// Kinds of its workloads and faults, as written.
    pub kinds: Vec<&'static str>,
    /// Programs of its groups, by name.
    pub programs: Vec<&'static str>,
    /// The settings of its nodes, by group.
    pub nodes: Vec<Config>,
}

impl Sources {
    /// Whether the scenario has this source.
    pub fn have(&self, source: Source) -> bool {
        match source {
            Source::Hosts => true,
            Source::Nodes => !self.nodes.is_empty(),
            Source::NodesWith(needed) => self.nodes.iter().any(needed.by),
            Source::Program(name) => self.programs.contains(&name),
        }
    }
}
