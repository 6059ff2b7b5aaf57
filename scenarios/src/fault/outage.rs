//! Faults that take hosts' access networks away: `outage`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LinkChange;
use super::kind::{Acts, Adds, FaultKind, Source, Timing};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::scenario::selector::{Hosts, HostsText};

/// The access network of hosts is gone, be it a provider's, a radio cell's or a region's: their access links lose
/// everything, both ways. They keep their power, their addresses and their local networks, and no program
/// is told; neighbours on a local network still reach each other, and a host with several interfaces
/// loses the primary one's link. Whom it concerns `regions`, `on_access` and `share` may narrow down. Its
/// effects are the packets that it takes.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct OutageFields {
    /// The hosts whose access network is gone.
    hosts: HostsText,
    /// When; `each uniform(a, b)` draws a time for each host.
    at: Option<AmountText>,
    /// How long until it is back.
    #[serde(rename = "for")]
    length: AmountText,
    /// It comes again each time this has passed, such as `30s`; once if absent.
    every: Option<String>,
}

/// The access network of hosts is gone.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Outage {
    /// The hosts whose access network is gone.
    hosts: Hosts,
}

/// It loses everything.
const GONE: LinkChange = LinkChange {
    up_bps: None,
    down_bps: None,
    delay_ns: None,
    loss_ppm: Some(1_000_000),
};

impl FaultKind for Outage {
    type Fields = OutageFields;
    const NAME: &'static str = "outage";
    const TIMING: Timing = Timing::Span;

    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let hosts = source.hosts(problems)?;
        Some(Self { hosts })
    }

    fn acts(&self) -> Acts<'_> {
        let adds = Adds {
            access: Some(&GONE),
            ..Adds::default()
        };
        Acts::OnHosts(&self.hosts, adds)
    }
}

#[cfg(test)]
mod tests {
    use orrery_reports::record::Metric;

    use crate::play::played;

    /// Pings from each of two hosts by radio, and of two by cable, of which each half has an outage for
    /// ten of twenty seconds: how many were lost, and the effects.
    fn lost(whom: &str) -> (f64, u64) {
        let text = format!(
            "name='t'\nduration='40s'\ndrain='0s'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='mobile'\ncount=2\nprogram='none'\naccess='4g'\n\
             [[group]]\nname='home'\ncount=2\nprogram='none'\naccess='fibre'\n\
             [[group]]\nname='s'\ncount=1\nprogram='none'\n\
             [[workload]]\nkind='ping'\nfrom=['mobile', 'home']\nto='s'\nat='10s'\nevery='1s'\ncount=20\n\
             [[fault]]\nkind='outage'\nhosts=['mobile', 'home']\nat='14500ms'\nfor='10s'\n{whom}\n"
        );
        let result = played(&text, None);
        let lost = match result.metrics.get("ping.lost") {
            Some(Metric::Value { value, .. }) => *value,
            Some(Metric::Distribution { .. }) | None => 0.0,
        };
        (lost, result.faults[0].fired)
    }

    #[test]
    fn those_of_the_access_network_are_cut_off_and_no_others() {
        let check = |whom: &str, expected: u64| {
            let (lost, fired) = lost(whom);
            assert_eq!(lost.to_bits(), (expected as f64).to_bits(), "{whom}");
            assert!(fired >= expected, "{whom}: {fired}");
        };
        check("on_access='4g'", 20);
        check("on_access=['4g', 'fibre']", 40);
        check("on_access='fibre'\nshare=0.5", 10);
    }
}
