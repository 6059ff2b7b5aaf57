//! Faults that take hosts' power: `power-cut`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{Acts, Adds, FaultKind, Source, Timing};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::scenario::selector::{Hosts, HostsText};

/// Hosts lose power: memory and everything not yet synced to disk is gone. A host is off
/// while any power cut is in force, and its programs start once, when the last power cut and
/// stop has ended. An effect is a host whose programs it ends or keeps from running, alone or
/// with others.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct PowerCutFields {
    /// The hosts that lose power.
    hosts: HostsText,
    /// When; `each uniform(a, b)` draws a time for each host.
    at: Option<AmountText>,
    /// How long until they start again.
    #[serde(rename = "for")]
    length: AmountText,
    /// It comes again each time this has passed, such as `30s`; once if absent.
    every: Option<String>,
}

/// Hosts lose power.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct PowerCut {
    /// The hosts that lose power.
    hosts: Hosts,
}

impl FaultKind for PowerCut {
    type Fields = PowerCutFields;
    const NAME: &'static str = "power-cut";
    const TIMING: Timing = Timing::Span;

    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let hosts = source.hosts(problems)?;
        Some(Self { hosts })
    }

    fn acts(&self) -> Acts<'_> {
        let adds = Adds {
            cuts_power: true,
            ..Adds::default()
        };
        Acts::OnHosts(&self.hosts, adds)
    }
}
