//! Faults that let hosts sleep and wake again: `sleep`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{Acts, Adds, FaultKind, Losses, OwnCondition, Source, Timing};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::scenario::selector::{Hosts, HostsText};
use crate::testbed::Capability;

/// Hosts sleep and wake again, as laptops and telephones that are suspended: nothing on them goes on, and they
/// answer nothing. What comes for them is lost. Sockets and connections stay, and peers learn of it by
/// their own timeouts. On waking the wall clock has gone on, and timers have not: they wait
/// for what was left of them, those of the host's TCP too, since monotonic clocks leave
/// sleep out (`CLOCK_MONOTONIC`; `CLOCK_BOOTTIME` counts it). A host sleeps while any such fault is in
/// force. Its effects are the packets that came in vain and the timers that were due, of
/// several at once for each.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct SleepFields {
    /// The hosts that sleep.
    hosts: HostsText,
    /// When; `each uniform(a, b)` draws a time for each host.
    at: Option<AmountText>,
    /// How long until they wake.
    #[serde(rename = "for")]
    length: AmountText,
    /// It comes again each time this has passed, such as `24h`; once if absent.
    every: Option<String>,
}

/// Hosts sleep.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Sleep {
    /// The hosts that sleep.
    hosts: Hosts,
}

const SLEEPS: OwnCondition = OwnCondition {
    name: "sleeps",
    needs: Capability::Sleeps,
    set: |testbed, host, is_asleep| testbed.power().set_asleep(host, is_asleep),
    met: |testbed, host| testbed.power().slept_through(host),
};

impl FaultKind for Sleep {
    type Fields = SleepFields;
    const NAME: &'static str = "sleep";
    const TIMING: Timing = Timing::Span;
    const LOSSES: Option<Losses> = Some(Losses {
        reader: (
            "reader-asleep",
            "the reader's host slept while the message lived",
        ),
        author: (
            "author-asleep",
            "the author's host slept, and a connection died of it, before the message had left",
        ),
        forwarder: (
            "forwarder-asleep",
            "a host that was to hand it on, or did lead to the reader, slept",
        ),
        relay: (
            "relay-asleep",
            "a relay that carried a connection on the way slept",
        ),
    });

    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let hosts = source.hosts(problems)?;
        Some(Self { hosts })
    }

    fn acts(&self) -> Acts<'_> {
        let adds = Adds {
            own: Some(&SLEEPS),
            ..Adds::default()
        };
        Acts::OnHosts(&self.hosts, adds)
    }
}

#[cfg(test)]
mod tests {
    use orrery_reports::record::Metric;

    use crate::play::played;

    /// A flow from `a` to `b` from 5 s to 65 s over a connection of seconds without answers, and these
    /// faults: goodput, and effects of each.
    fn run(faults: &[&str]) -> (f64, Vec<u64>) {
        let mut text = "name='t'\nduration='2m'\ndrain='0s'\n[network]\ndelays='ibm-10'\n\
                        [[group]]\nname='a'\ncount=1\nprogram='none'\naccess='3g'\n\
                        [[group]]\nname='b'\ncount=1\nprogram='none'\n\
                        [[workload]]\nkind='flow'\nfrom='a'\nto='b'\nat='5s'\nfor='60s'\n"
            .to_owned();
        for fault in faults {
            text.push_str("[[fault]]\n");
            text.push_str(&fault.replace("; ", "\n"));
            text.push('\n');
        }
        let result = played(&text, None);
        let goodput = match result.metrics.get("flow.goodput") {
            Some(Metric::Value { value, .. }) => *value,
            Some(Metric::Distribution { .. }) | None => 0.0,
        };
        let fired = result.faults.iter().map(|fault| fault.fired);
        (goodput, fired.collect())
    }

    #[test]
    fn a_connection_outlives_the_sleep_of_either_end() {
        let (awake, _) = run(&[]);
        for host in ["a", "b"] {
            let sleep = format!("kind='sleep'; hosts='{host}'; at='10s'; for='20s'");
            let (goodput, fired) = run(&[&sleep]);
            assert!(fired[0] > 0, "{host}");
            assert!(
                (0.3 * awake..0.9 * awake).contains(&goodput),
                "{host}: {goodput}"
            );
        }
    }

    #[test]
    fn sleeps_that_overlap_end_with_the_last_and_lie_upon_pauses() {
        let long = "kind='sleep'; hosts='a'; at='10s'; for='20s'";
        let short = "kind='sleep'; hosts='a'; at='12s'; for='2s'";
        let pause = "kind='pause'; hosts='a'; at='12s'; for='2s'";
        let (goodput, fired) = run(&[long]);
        let (nested, of_both) = run(&[long, short]);
        assert_eq!(goodput.to_bits(), nested.to_bits());
        assert_eq!(fired[0], of_both[0]);
        let (paused, _) = run(&[long, pause]);
        assert_eq!(goodput.to_bits(), paused.to_bits());
    }
}
