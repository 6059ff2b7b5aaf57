//! Which kinds of fault there are, a line each, and faults of any of them as values.
//!
//! The only place beside their own files that names kinds. What is here for all of them follows
//! from [`FaultKind`]: the documented fields, reading, and the form in which faults travel to
//! workers, `{"power-cut": {"hosts": …}}`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::kind::{Acts, FaultKind, Losses, Source, Timing};
use super::which::OfAllFields;
use super::{
    clock_step, interface, link, move_host, nat_address, nat_lifetime, nat_restart, new_disk,
    outage, partition, pause, power_cut, sleep, stop,
};
use crate::added::Added;
use crate::by_kind::{self, ByKind, add_fields, with_kind};
use crate::format::reading::problem::Problems;

/// The kinds of fault that ship with the program, in the order of their documentation.
const KINDS: &[Kind] = &[
    Kind::of::<partition::Partition>(),
    Kind::of::<power_cut::PowerCut>(),
    Kind::of::<new_disk::NewDisk>(),
    Kind::of::<stop::Stop>(),
    Kind::of::<pause::Pause>(),
    Kind::of::<sleep::Sleep>(),
    Kind::of::<outage::Outage>(),
    Kind::of::<link::Link>(),
    Kind::of::<clock_step::ClockStep>(),
    Kind::of::<nat_restart::NatRestart>(),
    Kind::of::<nat_address::NatAddress>(),
    Kind::of::<nat_lifetime::NatLifetime>(),
    Kind::of::<move_host::MoveHost>(),
    Kind::of::<interface::Interface>(),
];

/// A kind of fault, known by its name.
pub struct Kind {
    name: &'static str,
    pub(super) timing: Timing,
    pub(super) read: fn(&Source<'_>, &mut Problems) -> Option<AnyFault>,
    losses: Option<Losses>,
    fields: fn(&mut SchemaGenerator) -> Schema,
    from_json: fn(Value) -> serde_json::Result<AnyFault>,
}

impl Kind {
    /// What a kind says of itself.
    pub const fn of<K: FaultKind>() -> Self {
        Self {
            name: K::NAME,
            timing: K::TIMING,
            read: |source, problems| K::read(source, problems).map(AnyFault::new),
            losses: K::LOSSES,
            fields: <K::Fields as JsonSchema>::json_schema,
            from_json: |value| serde_json::from_value::<K>(value).map(AnyFault::new),
        }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// Kinds of the program that this library is part of.
static ADDED: Added<Kind> = Added::none();

/// All kinds, in the order of their documentation: those that ship with the tool first.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().chain(ADDED.iter())
}

/// Names and meanings of the causes of losses that kinds explain, those of a program's own kinds included.
pub fn loss_meanings() -> impl Iterator<Item = (&'static str, &'static str)> {
    let losses = kinds().filter_map(|kind| kind.losses);
    losses.flat_map(|losses| [losses.author, losses.forwarder, losses.reader, losses.relay])
}

/// Adds a program's own kinds.
///
/// # Errors
/// A name that is there twice.
pub(crate) fn add(kinds: Vec<Kind>) -> Result<(), String> {
    ADDED.fill(KINDS.iter().map(|kind| kind.name), kinds, |kind| kind.name)
}

/// The kind of that name.
pub(super) fn find(name: &str) -> Option<&'static Kind> {
    kinds().find(|kind| kind.name == name)
}

/// What goes wrong: a fault of any kind.
#[derive(Clone)]
pub struct AnyFault(Arc<dyn Erased>);

impl AnyFault {
    fn new<K: FaultKind>(fault: K) -> Self {
        Self(Arc::new(fault))
    }

    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        self.0.name()
    }

    /// Whether its kind lasts.
    pub fn timing(&self) -> Timing {
        self.0.timing()
    }

    /// Whom it concerns, and what it does to them.
    pub fn acts(&self) -> Acts<'_> {
        self.0.does()
    }

    /// The causes of losses that it explains by itself.
    pub fn losses(&self) -> Option<Losses> {
        self.0.losses()
    }
}

impl fmt::Debug for AnyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A kind behind a pointer.
trait Erased: fmt::Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn timing(&self) -> Timing;
    fn does(&self) -> Acts<'_>;
    fn losses(&self) -> Option<Losses>;
    fn to_json(&self) -> serde_json::Result<Value>;
}

impl<K: FaultKind> Erased for K {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn timing(&self) -> Timing {
        K::TIMING
    }

    fn does(&self) -> Acts<'_> {
        self.acts()
    }

    fn losses(&self) -> Option<Losses> {
        K::LOSSES
    }

    fn to_json(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }
}

impl PartialEq for AnyFault {
    fn eq(&self, other: &Self) -> bool {
        let same = |one: Value| other.0.to_json().is_ok_and(|other| one == other);
        self.kind() == other.kind() && self.0.to_json().is_ok_and(same)
    }
}

impl ByKind for AnyFault {
    const WHAT: &'static str = "fault";

    fn kind(&self) -> &'static str {
        self.0.name()
    }

    fn to_json(&self) -> serde_json::Result<Value> {
        self.0.to_json()
    }

    fn from_json(name: &str, fields: Value) -> Option<serde_json::Result<Self>> {
        Some((find(name)?.from_json)(fields))
    }
}

impl Serialize for AnyFault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        by_kind::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for AnyFault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        by_kind::deserialize(deserializer)
    }
}

/// `[[fault]]` as it is documented.
pub struct FaultFields;

/// What is said of all kinds.
const OF_ALL: &str = "`[[fault]]`: what goes wrong. Every fault ends with the run at the latest: it heals before\n\
    the drain. What a host meets is at every moment the sum of all faults in force, whatever\n\
    their order and kinds; no fault undoes another, and when the last has ended all is as before\n\
    the first. A run in which a declared fault had no effect fails.";

impl JsonSchema for FaultFields {
    fn schema_name() -> Cow<'static, str> {
        "FaultFields".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let of_all = <OfAllFields as JsonSchema>::json_schema(generator);
        let member = |kind: &Kind| {
            let mut fields = (kind.fields)(generator);
            add_fields(&mut fields, &of_all);
            with_kind(kind.name, fields)
        };
        let members: Vec<Schema> = kinds().map(member).collect();
        json_schema!({ "description": OF_ALL, "oneOf": members })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::faults_of;
    use crate::format::reading::reader::{fields_of_kind, kinds_of};

    #[test]
    fn every_kind_is_documented_with_its_times() {
        let names: Vec<&str> = kinds().map(|kind| kind.name).collect();
        assert_eq!(kinds_of::<FaultFields>(), names);
        for kind in kinds() {
            let fields = fields_of_kind::<FaultFields>(kind.name).expect("it is documented");
            let required = |name: &str| {
                let field = fields.iter().find(|(field, _)| field == name);
                field.map(|(_, required)| *required)
            };
            let length = match kind.timing {
                Timing::Instant => None,
                Timing::Span => Some(true),
                Timing::OpenEnded => Some(false),
            };
            let expected = [Some(false), length, Some(false)];
            assert_eq!(
                ["at", "for", "every"].map(required),
                expected,
                "{}",
                kind.name
            );
        }
    }

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<&str> = kinds().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), kinds().count());
    }

    #[test]
    fn a_fault_travels_by_the_name_of_its_kind() {
        let faults = faults_of("kind='nat-restart'\nhosts='g[1]'\naddress='changed'");
        let sent = faults.expect("it is a fault").remove(0);
        let text = serde_json::to_string(&sent).expect("it is plain data");
        let hosts = r#"{"ranges":[[1,2]]}"#;
        assert_eq!(
            text,
            format!(r#"{{"nat-restart":{{"hosts":{hosts},"readdresses":true}}}}"#)
        );
        let received: AnyFault = serde_json::from_str(&text).expect("it is a fault");
        assert_eq!(received, sent);
        let unknown = serde_json::from_str::<AnyFault>(r#"{"flood":{}}"#);
        let told = unknown.expect_err("there is no such kind").to_string();
        assert!(told.contains("no fault \"flood\""), "{told}");
    }
}
