//! Faults after which hosts come back with an empty disk: `new-disk`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{Acts, Adds, DiskReplaced, FaultKind, Source, Timing};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::scenario::selector::{Hosts, HostsText};

/// Hosts lose power, as by `power-cut`, and come back with an empty disk, as a machine whose disk is
/// replaced, or that is installed anew. All that their nodes stored is gone, their keys too unless
/// `keys` says otherwise: their people have a new identity then, and their nodes a new peer's name. They
/// follow their friends again, and friends follow the new identity as soon as both run. Nodes that
/// have them in `bootstrap` know the new name when they start again. What was posted
/// before and is nowhere else is lost (`author-new-disk`), and so is what only the old keys could read
/// (`reader-new-disk`). An effect is a host whose programs it ends or keeps from running.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct NewDiskFields {
    /// The hosts that lose their disk.
    hosts: HostsText,
    /// When; `each uniform(a, b)` draws a time for each host.
    at: Option<AmountText>,
    /// How long until they start again.
    #[serde(rename = "for")]
    length: AmountText,
    /// It comes again each time this has passed, such as `30m`; once if absent.
    every: Option<String>,
    /// What becomes of the keys: `lost` (if absent) or `kept`, as from a copy on paper.
    keys: Option<KeysText>,
}

/// What becomes of a node's keys.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "it is documentation")]
pub enum KeysText {
    /// They are lost with the disk.
    Lost,
    /// They are entered again.
    Kept,
}

/// Hosts come back with an empty disk.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct NewDisk {
    /// The hosts that lose their disk.
    hosts: Hosts,
    /// What becomes of their keys.
    replaced: DiskReplaced,
}

impl FaultKind for NewDisk {
    type Fields = NewDiskFields;
    const NAME: &'static str = "new-disk";
    const TIMING: Timing = Timing::Span;

    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let hosts = source.hosts(problems)?;
        let names = [
            ("lost", DiskReplaced::WithKeys),
            ("kept", DiskReplaced::KeysKept),
        ];
        let replaced = source.reader.choice("keys", &names, problems);
        let replaced = replaced.unwrap_or(DiskReplaced::WithKeys);
        Some(Self { hosts, replaced })
    }

    fn acts(&self) -> Acts<'_> {
        let adds = Adds {
            cuts_power: true,
            disk: Some(self.replaced),
            ..Adds::default()
        };
        Acts::OnHosts(&self.hosts, adds)
    }
}

#[cfg(test)]
mod tests {
    use orrery_reports::record::{Metric, SeedResult};

    use crate::fault::{check_read, check_refused};
    use crate::play::played;

    /// Two friends, both of whom post before and after the one has lost its disk; the other is away
    /// when the first post is made.
    fn run(keys: &str) -> SeedResult {
        let text = format!(
            "name='t'\nduration='6m'\nwarmup='10s'\ndrain='2m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='h'\ncount=2\nboot='0s'\nfriends={{ graph='complete' }}\n\
             node={{ 'sync.pull_interval'='5s', 'dial.backoff_max'='10s' }}\n\
             [[workload]]\nkind='post'\nfrom='h'\nat='30s'\n\
             [[workload]]\nkind='post'\nfrom='h[0]'\nat='70s'\n\
             [[workload]]\nkind='post'\nfrom='h'\nat='4m'\n\
             [[fault]]\nkind='power-cut'\nhosts='h[1]'\nat='60s'\nfor='60s'\n\
             [[fault]]\nkind='new-disk'\nhosts='h[0]'\nat='80s'\nfor='30s'\n{keys}\n"
        );
        played(&text, None)
    }

    fn missed(result: &SeedResult, cause: &str) -> f64 {
        let key = format!("feed.missed_forever{{cause={cause}}}");
        match result.metrics.get(key.as_str()) {
            Some(Metric::Value { value, .. }) => *value,
            Some(Metric::Distribution { .. }) | None => 0.0,
        }
    }

    #[test]
    fn what_was_nowhere_else_is_lost_and_what_comes_later_arrives() {
        for keys in ["", "keys='kept'"] {
            let result = run(keys);
            assert_eq!(
                missed(&result, "author-new-disk").to_bits(),
                1_f64.to_bits()
            );
            let all = result.metrics.get("feed.missed_forever");
            assert!(
                matches!(all, Some(Metric::Value { value, .. }) if (*value - 1.0).abs() < 0.1),
                "{keys}: {all:?}"
            );
            assert!(result.invariants.iter().all(|invariant| invariant.held));
            assert!(result.faults.iter().all(|fault| fault.fired == 1));
        }
    }

    #[test]
    fn keys_are_lost_unless_they_are_kept() {
        let fault = "kind='new-disk'\nhosts='g'\nfor='1s'\n";
        check_read(fault, "WithKeys");
        check_read(&format!("{fault}keys='kept'"), "KeysKept");
        check_refused(&format!("{fault}keys='sold'"), "lost, kept");
    }
}
