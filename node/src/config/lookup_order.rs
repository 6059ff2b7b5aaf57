//! The sections on how an identity is looked for and reached.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RelayClient, TimeSpan};
use crate::api::LookupMethod;

/// `[reach]`: how an identity is looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reach {
    /// Ways to learn where an identity is, in the order in which they are tried.
    pub lookup_order: Vec<LookupMethod>,
    /// How long one of them may take.
    pub method_timeout: TimeSpan,
    /// Most look-ups at once, and most people being reached at once; more are refused.
    pub max_lookups: u32,
    /// How long reaching an identity may take, over all methods.
    pub timeout: TimeSpan,
    /// Whether friends who cannot be dialled are looked for by the other methods.
    pub seek_friends: bool,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            lookup_order: LookupMethod::ALL.to_vec(),
            method_timeout: TimeSpan::from_secs(30),
            max_lookups: 64,
            timeout: TimeSpan::from_secs(120),
            seek_friends: false,
        }
    }
}

impl Reach {
    /// Checks the order of methods.
    ///
    /// # Errors
    /// The field and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = |reason: &str| Err(("reach.lookup_order", reason.to_owned()));
        if self.lookup_order.is_empty() {
            return wrong("must name at least one method");
        }
        if BTreeSet::from_iter(&self.lookup_order).len() < self.lookup_order.len() {
            return wrong("names a method twice");
        }
        Ok(())
    }
}

/// `[hole_punch]`: making direct connections of relayed ones (DCUtR).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HolePunch {
    /// Whether both ends of a relayed connection dial each other.
    pub enabled: bool,
}

impl HolePunch {
    /// Checks it beside the section on relays.
    ///
    /// # Errors
    /// The field and what is wrong with it.
    pub fn check_together(&self, relays: &RelayClient) -> Result<(), (&'static str, String)> {
        if self.enabled && !relays.enabled {
            let reason = "needs relay_client.enabled, for a relay is where both ends meet";
            return Err(("hole_punch.enabled", reason.to_owned()));
        }
        Ok(())
    }
}
