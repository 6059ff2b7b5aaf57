//! The core of the network: one-way delays between regions.

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
}

/// The core of the network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// One-way delays between regions.
    pub delays: DelayProfile,
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
        let Some(name) = reader.text("delays", problems) else {
            return Self::default();
        };
        let tcp = TcpSettings::read(&reader, problems);
        match profiles.delay(name) {
            Ok(delays) => Self { delays, tcp },
            Err(error) => {
                problems.push_with_help(reader.span("delays"), error.message, error.help);
                Self::default()
            }
        }
    }
}
