//! Faults that let hosts' programs stand still: `pause`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{Acts, Adds, FaultKind, Losses, OwnCondition, Source, Timing};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::scenario::selector::{Hosts, HostsText};
use crate::testbed::Capability;

/// Programs of hosts stand still and then go on, as under SIGSTOP and SIGCONT: their timers fire
/// late, and what comes meanwhile is theirs when they go on. The host's system runs: connections
/// acknowledge what comes until buffers are full, and sockets of UDP drop what does not fit. A
/// suspended machine, which does not answer either, is a `sleep`. A host's
/// programs stand still while any pause is in force, also those that start meanwhile. Its effects
/// are the times at which a task of these programs was to go on and did not; of several pauses at
/// once they count for each.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct PauseFields {
    /// The hosts that are paused.
    hosts: HostsText,
    /// When; `each uniform(a, b)` draws a time for each host.
    at: Option<AmountText>,
    /// How long until they go on.
    #[serde(rename = "for")]
    length: AmountText,
    /// It comes again each time this has passed, such as `30s`; once if absent.
    every: Option<String>,
}

/// Programs of hosts stand still.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// The hosts that are paused.
    hosts: Hosts,
}

const STANDS_STILL: OwnCondition = OwnCondition {
    name: "stands still",
    needs: Capability::Pauses,
    set: |testbed, host, is_paused| testbed.power().set_paused(host, is_paused),
    met: |testbed, host| testbed.power().held_turns(host),
};

impl FaultKind for Pause {
    type Fields = PauseFields;
    const NAME: &'static str = "pause";
    const TIMING: Timing = Timing::Span;
    const LOSSES: Option<Losses> = Some(Losses {
        reader: (
            "reader-paused",
            "the reader's node stood still while the message lived",
        ),
        author: (
            "author-paused",
            "the author's node stood still, and a connection died of it, before the message had left",
        ),
        forwarder: (
            "forwarder-paused",
            "a node that was to hand it on, or did lead to the reader, stood still",
        ),
        relay: (
            "relay-paused",
            "a relay that carried a connection on the way stood still",
        ),
    });

    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let hosts = source.hosts(problems)?;
        Some(Self { hosts })
    }

    fn acts(&self) -> Acts<'_> {
        let adds = Adds {
            own: Some(&STANDS_STILL),
            ..Adds::default()
        };
        Acts::OnHosts(&self.hosts, adds)
    }
}

#[cfg(test)]
mod tests {
    use orrery_reports::record::{Metric, SeedResult};

    use crate::play::played;

    /// A flow from `a` to `b` from 5 s to 35 s, of programs that boot at once, and these faults.
    fn run(faults: &[&str]) -> SeedResult {
        let mut text = "name = 't'\nduration = '60s'\nwarmup = '1s'\ndrain = '1s'\n\
             [network]\ndelays = 'ibm-10'\n\
             [[group]]\nname = 'a'\ncount = 1\nprogram = 'none'\nboot = '0s'\n\
             access = { up = { rate = '20Mbit/s' } }\n\
             [[group]]\nname = 'b'\ncount = 1\nprogram = 'none'\nboot = '0s'\n\
             [[group]]\nname = 'late'\ncount = 1\nprogram = 'none'\nboot = '50s'\n\
             [[workload]]\nkind = 'flow'\nfrom = 'a'\nto = 'b'\nat = '5s'\nfor = '30s'\n"
            .to_owned();
        for fault in faults {
            text.push_str("[[fault]]\nkind = 'pause'\n");
            text.push_str(&fault.replace("; ", "\n"));
            text.push('\n');
        }
        played(&text, None)
    }

    fn fired(faults: &[&str]) -> Vec<u64> {
        let result = run(faults);
        result.faults.iter().map(|fault| fault.fired).collect()
    }

    fn goodput(result: &SeedResult) -> f64 {
        match result.metrics.get("flow.goodput") {
            Some(Metric::Value { value, .. }) => *value,
            Some(Metric::Distribution { .. }) | None => 0.0,
        }
    }

    #[test]
    fn a_pause_counts_what_would_have_gone_on() {
        let busy = "hosts = 'a'; at = '10s'; for = '5s'";
        assert!(fired(&[busy])[0] > 0);
        // Nothing wakes a receiver after the last flow, nor programs that have not started.
        let idle = "hosts = 'b'; at = '45s'; for = '5s'";
        let unborn = "hosts = 'late'; at = '10s'; for = '5s'";
        assert_eq!(fired(&[idle, unborn]), [0, 0]);
    }

    #[test]
    fn pauses_that_overlap_count_each_and_end_with_the_last() {
        let [outer, inner] = ["at = '10s'; for = '20s'", "at = '12s'; for = '2s'"]
            .map(|times| format!("hosts = 'a'; {times}"));
        let both = fired(&[&outer, &inner]);
        assert_eq!(both[0], fired(&[&outer])[0]);
        let [whole, nested] =
            [&[outer.as_str()][..], &[&outer, &inner]].map(|faults| goodput(&run(faults)));
        assert_eq!(whole.to_bits(), nested.to_bits());
        assert!(whole < 0.5 * goodput(&run(&[])), "{whole}");
    }
}
