//! Faults that part hosts from each other: `partition`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{Acts, FaultKind, Sides, Source, Timing};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::reading::reader::Reader;
use crate::format::reading::tree::{Entry, Kind, Table};
use crate::format::scenario::selector::{self, Hosts, HostsText};

/// No packet passes between two sets of hosts, wherever they move. Packets are stopped where
/// they leave the core, so what is under way when it begins is stopped too. Several are a
/// union. Its effects are the packets that it stops; one that several stop counts for each.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct PartitionFields {
    /// When it begins.
    at: Option<AmountText>,
    /// How long it lasts.
    #[serde(rename = "for")]
    length: AmountText,
    /// It comes again each time this has passed, such as `30s`; once if absent.
    every: Option<String>,
    /// The two sides.
    between: [HostsText; 2],
    /// `both` (if absent), or `a-to-b`: only packets from the first to the second side go.
    direction: Option<DirectionName>,
}

/// Which way a partition cuts.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "it is documentation")]
pub enum DirectionName {
    /// Both ways.
    Both,
    /// Only from the first side to the second.
    AToB,
}

/// No packet passes from `a` to `b`, nor back unless it is one-way.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    /// First side.
    a: Hosts,
    /// Second side; no host is on both.
    b: Hosts,
    /// Only packets from `a` to `b` are dropped.
    one_way: bool,
}

impl FaultKind for Partition {
    type Fields = PartitionFields;
    const NAME: &'static str = "partition";
    const TIMING: Timing = Timing::Span;

    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let reader = &source.reader;
        let value = reader.value("between")?;
        for key in ["at", "for"] {
            let text = reader.value(key).and_then(|value| value.as_text());
            if text.is_some_and(|text| text.trim().starts_with("each ")) {
                let message = format!(
                    "\"{key}\": a partition is one event for all, so \"each\" means nothing here"
                );
                problems.push(reader.span(key), message);
            }
        }
        let sides = match &value.kind {
            Kind::Array(sides) if sides.len() == 2 => sides,
            _ => {
                let message =
                    "\"between\": expected two sides, such as [\"home[0..20]\", \"home[20..40]\"]";
                problems.push(value.span, message);
                return None;
            }
        };
        let side = |index: usize, problems: &mut Problems| -> Option<Hosts> {
            // A side is read as a field of its own, so that it may be a list too.
            let entry = Entry {
                key: "between".to_owned(),
                key_span: value.span,
                value: sides[index].clone(),
            };
            let table = Table {
                span: value.span,
                entries: vec![entry],
            };
            let reader = Reader {
                table: &table,
                what: reader.what,
            };
            selector::read(&reader, "between", source.groups, problems)
        };
        let (a, b) = (side(0, problems), side(1, problems));
        let directions = [("both", false), ("a-to-b", true)];
        let one_way = reader
            .choice("direction", &directions, problems)
            .unwrap_or(false);
        let (a, b) = (a?, b?);
        if a.overlaps(&b) {
            problems.push(value.span, "\"between\": a host cannot be on both sides");
            return None;
        }
        Some(Self { a, b, one_way })
    }

    fn acts(&self) -> Acts<'_> {
        Acts::Parts(Sides {
            a: &self.a,
            b: &self.b,
            one_way: self.one_way,
        })
    }
}
