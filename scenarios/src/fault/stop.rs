//! Faults that end hosts' programs in good order: `stop`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{Acts, Adds, FaultKind, Source, Timing};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::scenario::selector::{Hosts, HostsText};

/// Programs of hosts end in good order, as on SIGTERM, and start again: connections are
/// closed, and disks keep everything. What has not ended when they start again is ended
/// then. The host keeps its power, so that it refuses what comes, unless a power cut is in
/// force as well. An effect is a host whose programs it ends or keeps from running, alone or with
/// others.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct StopFields {
    /// The hosts whose programs stop.
    hosts: HostsText,
    /// When; `each uniform(a, b)` draws a time for each host.
    at: Option<AmountText>,
    /// How long until they start again.
    #[serde(rename = "for")]
    length: AmountText,
    /// It comes again each time this has passed, such as `30s`; once if absent.
    every: Option<String>,
}

/// Programs of hosts end in good order.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// The hosts whose programs stop.
    hosts: Hosts,
}

impl FaultKind for Stop {
    type Fields = StopFields;
    const NAME: &'static str = "stop";
    const TIMING: Timing = Timing::Span;

    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let hosts = source.hosts(problems)?;
        Some(Self { hosts })
    }

    fn acts(&self) -> Acts<'_> {
        let adds = Adds {
            ends_programs: true,
            ..Adds::default()
        };
        Acts::OnHosts(&self.hosts, adds)
    }
}
