//! Faults that set wall clocks: `clock-step`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{Acts, FaultKind, Source, StrikesHost, Timing};
use crate::format::reading::amount::{Amount, AmountText, Draw};
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::time_ns;
use crate::format::scenario::selector::{Hosts, HostsText};
use crate::testbed::{Capability, Testbed};

/// Wall clocks are set. Steps add up. An effect is a clock that is set.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct ClockStepFields {
    /// The hosts with these clocks.
    hosts: HostsText,
    /// When; `each uniform(a, b)` draws a time for each host.
    at: Option<AmountText>,
    /// By how much; negative sets back. Every host draws its own, anew each time.
    by: AmountText,
    /// They are set again each time this has passed, such as `30s`; once if absent.
    every: Option<String>,
}

/// Wall clocks are set.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockStep {
    /// The hosts with these clocks.
    hosts: Hosts,
    /// By how much, in nanoseconds.
    by_ns: Amount,
}

impl FaultKind for ClockStep {
    type Fields = ClockStepFields;
    const NAME: &'static str = "clock-step";
    const TIMING: Timing = Timing::Instant;

    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let reader = &source.reader;
        let hosts = source.hosts(problems);
        let by_ns = reader.amount("by", time_ns, problems)?;
        if by_ns.draw == Draw::Constant(0) {
            problems.push(reader.span("by"), "\"by\": a step by 0s changes nothing");
            return None;
        }
        Some(Self {
            hosts: hosts?,
            by_ns,
        })
    }

    fn acts(&self) -> Acts<'_> {
        Acts::StrikesHosts(&self.hosts, self)
    }
}

impl StrikesHost for ClockStep {
    fn amount(&self) -> Option<Amount> {
        Some(self.by_ns)
    }

    fn needs(&self) -> Capability {
        Capability::ClockSteps
    }

    fn strike(&self, testbed: &dyn Testbed, host: u32, by_ns: i64) -> u64 {
        testbed.power().step_clock(host, by_ns);
        u64::from(by_ns != 0)
    }
}
