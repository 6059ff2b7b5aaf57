//! What a group may say of how its hosts come and go. Owns the documented fields alone.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::format::reading::amount::AmountText;
use crate::format::reading::law::LawText;

/// How the hosts of a group come and go.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum ChurnText {
    /// A profile by name or file.
    Profile(String),
    /// Laws of one's own, a trace, or a profile and how hosts leave.
    Own(ChurnFields),
}

/// How the hosts of a group come and go.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct ChurnFields {
    /// A profile whose laws they follow, by name or file; with it neither `online` nor `offline`.
    profile: Option<String>,
    /// A file that says when each is there, instead of laws: a line `host,from,to` for each session,
    /// after that heading. Hosts are counted within the group from 0; times are seconds of the run, or
    /// have a unit, such as `2h`. A host without a line is away all the time.
    trace: Option<String>,
    /// Instead of laws: when a night begins, at which a host goes away, such as `normal(23h, 1h)`. The
    /// run begins at midnight; each host draws each night.
    night: Option<AmountText>,
    /// How long a night lasts, such as `normal(8h, 1h)`.
    lasts: Option<AmountText>,
    /// How long a host stays.
    online: Option<LawText>,
    /// How long it stays away.
    offline: Option<LawText>,
    /// What happens to it while it is away: a fault, `power-cut` if absent and if its profile says
    /// no other, `stop`, `sleep`, `new-disk`, or another that lasts; or several with their shares, such as `{ power-cut = 0.7, stop = 0.3 }`.
    leave: Option<LeaveText>,
}

/// What happens to a host while it is away.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum LeaveText {
    /// A kind of fault.
    One(String),
    /// Kinds of faults, and their shares.
    Shares(BTreeMap<String, f64>),
}
