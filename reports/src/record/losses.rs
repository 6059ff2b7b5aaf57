//! What did not arrive, and the form in which files have it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::in_cell::InCell;

/// What did not arrive: some of it one by one, all of it by cause.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "WrittenLosses", into = "WrittenLosses")]
#[schemars(with = "WrittenLosses")]
pub struct Losses {
    listed: Vec<Loss>,
    causes: BTreeMap<String, u64>,
    /// By the metric that counts them, then by cause.
    metrics: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Losses {
    /// Lists something that is counted.
    pub fn list(&mut self, loss: Loss) {
        self.listed.push(loss);
    }

    /// Counts losses of one cause, listed or not, that a metric counts.
    pub fn count(&mut self, metric: &str, cause: &str, losses: u64) {
        if losses > 0 {
            *self.causes.entry(cause.to_owned()).or_default() += losses;
            let of_metric = self.metrics.entry(metric.to_owned()).or_default();
            *of_metric.entry(cause.to_owned()).or_default() += losses;
        }
    }

    /// Adds those of another cell.
    pub fn append(&mut self, other: Self) {
        self.listed.extend(other.listed);
        for (metric, causes) in &other.metrics {
            for (cause, losses) in causes {
                self.count(metric, cause, *losses);
            }
        }
    }

    /// Those that are listed one by one, bounded; the ledger of losses.
    pub fn listed(&self) -> &[Loss] {
        &self.listed
    }

    /// As [`Self::listed`], to be changed.
    pub fn listed_mut(&mut self) -> &mut [Loss] {
        &mut self.listed
    }

    /// All by cause.
    pub fn causes(&self) -> &BTreeMap<String, u64> {
        &self.causes
    }

    /// All by the metric that counts them, then by cause. Files from before that was told have an empty
    /// name there.
    pub fn by_metric(&self) -> &BTreeMap<String, BTreeMap<String, u64>> {
        &self.metrics
    }

    /// How many there are.
    pub fn all(&self) -> u64 {
        self.causes.values().sum()
    }

    /// Whether some of them are not listed.
    pub fn is_cut(&self) -> bool {
        self.all() != self.listed.len() as u64
    }
}

/// Losses that are all listed.
impl From<Vec<Loss>> for Losses {
    fn from(listed: Vec<Loss>) -> Self {
        let mut losses = Self::default();
        for loss in listed {
            losses.count(&loss.metric, &loss.cause, 1);
            losses.list(loss);
        }
        losses
    }
}

/// As files have them: causes only where the list does not tell them.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct WrittenLosses {
    /// What did not arrive, bounded; the ledger of losses.
    #[serde(default)]
    losses: Vec<Loss>,
    /// All losses by cause, when `losses` was cut short; empty if it is whole.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    loss_causes: BTreeMap<String, u64>,
    /// The same by the metric that counts them, then by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    loss_metrics: BTreeMap<String, BTreeMap<String, u64>>,
}

impl From<Losses> for WrittenLosses {
    fn from(mut losses: Losses) -> Self {
        let is_cut = losses.is_cut();
        losses
            .metrics
            .retain(|metric, _| is_cut && !metric.is_empty());
        Self {
            loss_metrics: losses.metrics,
            losses: losses.listed,
            loss_causes: if is_cut {
                losses.causes
            } else {
                BTreeMap::new()
            },
        }
    }
}

impl From<WrittenLosses> for Losses {
    fn from(written: WrittenLosses) -> Self {
        if written.loss_causes.is_empty() {
            return written.losses.into();
        }
        let mut metrics = written.loss_metrics;
        if metrics.is_empty() {
            metrics.insert(String::new(), written.loss_causes.clone());
        }
        Self {
            listed: written.losses,
            causes: written.loss_causes,
            metrics,
        }
    }
}

/// Something that an intended reader never got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Loss {
    /// The thing's name.
    pub item: InCell,
    /// Who made it (host name).
    pub author: String,
    /// Who should have had it (host name).
    pub reader: String,
    /// When it was made, simulated seconds.
    pub created_s: f64,
    /// Cause, kebab-case; `unknown` is a defect.
    pub cause: String,
    /// The metric that counts it; absent in records from before it was told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metric: String,
}
