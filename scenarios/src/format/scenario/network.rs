//! The core of the network: one-way delays between regions, and how close to real wires a run is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::region_path::{self, PathFields, RegionPath};
use super::tcp_settings::{TcpFields, TcpSettings};
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::time_ns;
use crate::format::reading::reader::{Reader, fields_of};
use crate::format::reading::tree::Table;
use crate::profiles::{DelayProfile, Profiles};

/// `[network]`: the core of the network.
#[derive(JsonSchema)]
pub struct NetworkFields {
    /// Delay profile by name (`orrery explain profiles`), or a file beside the scenario.
    pub delays: String,
    /// One-way delay between hosts of one region, such as `5ms`, where the delay profile has none
    /// or 0 for it.
    pub within: Option<String>,
    /// `[[network.path]]`: rates, queues and losses between regions, beside their delays.
    pub path: Option<Vec<PathFields>>,
    /// `wire`: real Noise and Yamux over the simulated TCP; or `flow`: the same messages in
    /// number, size and order without their cryptography, for large worlds. `wire` if absent.
    /// Connections over QUIC are real in both: large worlds name TCP in `listen.addresses`.
    pub fidelity: Option<String>,
    /// TCP of all hosts; as on Linux hosts if absent.
    pub tcp: Option<TcpFields>,
}

/// How nodes' connections are carried. Reported with every result.
pub use orrery_reports::record::Fidelity;

/// The core of the network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// One-way delays between regions.
    pub delays: DelayProfile,
    /// What else lies between regions, ascending by their ends.
    #[serde(default)]
    pub paths: Vec<RegionPath>,
    /// What carries nodes' connections.
    pub fidelity: Fidelity,
    /// TCP of all hosts.
    pub tcp: TcpSettings,
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
        match reader.quantity("within", time_ns, problems) {
            Some(within) if within < 0 => {
                problems.push(reader.span("within"), "\"within\": expected at least 0s");
            }
            Some(within) => network.delays.set_within(within as u64),
            None => {}
        }
        network.paths = region_path::read(&reader, &network.delays.regions, problems);
        network
    }
}
