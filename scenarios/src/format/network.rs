//! The core of the network: one-way delays between regions, and how close to real wires a run is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::Problems;
use super::reader::{Reader, fields_of};
use super::tcp_settings::{TcpFields, TcpSettings};
use super::tree::Table;
use crate::profiles::{DelayProfile, Profiles};

/// `[network]`: the core of the network.
#[derive(JsonSchema)]
pub struct NetworkFields {
    /// Delay profile by name (`orrery explain profiles`), or a file beside the scenario.
    pub delays: String,
    /// TCP of all hosts; as on Linux hosts if absent.
    pub tcp: Option<TcpFields>,
    /// `wire`: real Noise and Yamux over the simulated TCP; or `flow`: the same messages in
    /// number, size and order without their cryptography, for large worlds. `wire` if absent.
    pub fidelity: Option<String>,
}

/// How nodes' connections are carried. Reported with every result.
pub use orrery_reports::record::Fidelity;

/// The core of the network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// One-way delays between regions.
    pub delays: DelayProfile,
    /// TCP of all hosts.
    pub tcp: TcpSettings,
    /// What carries nodes' connections.
    pub fidelity: Fidelity,
}

impl Network {
    /// Reads `[network]`. A profile that cannot be had leaves no regions.
    pub fn read(scenario: &Reader<'_>, profiles: &Profiles<'_>, problems: &mut Problems) -> Self {
        let Some(table) = scenario.table("network", problems) else {
            return Self::default();
        };
        Self::read_table(table, profiles, problems)
    }

    fn read_table(table: &Table, profiles: &Profiles<'_>, problems: &mut Problems) -> Self {
        let reader = Reader::new(
            table,
            "\"network\"",
            &fields_of::<NetworkFields>(),
            problems,
        );
        let fidelities = [("wire", Fidelity::Wire), ("flow", Fidelity::Flow)];
        let fidelity = reader.choice("fidelity", &fidelities, problems);
        let mut network = Self {
            fidelity: fidelity.unwrap_or_default(),
            ..Self::default()
        };
        network.tcp = TcpSettings::read(&reader, problems);
        if let Some(name) = reader.text("delays", problems) {
            match profiles.delay(name) {
                Ok(delays) => network.delays = delays,
                Err(error) => {
                    problems.push_with_help(reader.span("delays"), error.message, error.help);
                }
            }
        }
        network
    }
}
