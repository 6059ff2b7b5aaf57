//! What goes wrong, to whom and when.
//!
//! Each kind of fault has a file here, with everything that is known of it: its fields and their
//! documentation, how it is read, and what it does ([`kind::FaultKind`]). Its line in
//! [`registry`] makes it known. Owns faults as scenarios declare them. What faults in force do
//! together is `play/conditions`'s; when each begins and ends, `world/schedule`'s; neither they nor
//! the files that the kinds share name a kind.

mod kind;
mod lifetime_change;
mod link_change;
mod registry;
pub(crate) mod repeat;
mod when;
mod which;

mod clock_step;
mod interface;
mod link;
mod move_host;
mod nat_address;
mod nat_lifetime;
mod nat_restart;
mod new_disk;
mod outage;
mod partition;
mod pause;
mod power_cut;
mod sleep;
mod stop;

use serde::{Deserialize, Serialize};

use crate::format::reading::problem::Problems;
use crate::format::reading::reader::{Reader, fields_of_kind, read_kind};
use crate::format::reading::source::Span;
use crate::format::reading::tree::Table;
use crate::format::scenario::group::Group;
use crate::format::scenario::pace::{read_at, read_length};
use crate::format::scenario::selector::Hosts;
use crate::profiles::Profiles;

pub use kind::{
    Acts, Adds, DiskReplaced, Elsewhere, FaultKind, Losses, OwnCondition, Sides, Source,
    StrikesGateway, StrikesHost, Timing,
};
pub use lifetime_change::LifetimeChange;
pub use link_change::LinkChange;
pub(crate) use registry::add;
pub use registry::{AnyFault, FaultFields, Kind, kinds, loss_meanings};
pub use when::{Churn, Given, Lives, Random, When};
pub use which::Which;

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// When it is in force.
    pub when: When,
    /// Which of its hosts it concerns.
    pub which: Which,
    /// What goes wrong.
    pub what: AnyFault,
}

impl Fault {
    /// The name of the fault's kind.
    pub fn kind(&self) -> &'static str {
        self.what.kind()
    }

    /// What it does.
    pub fn acts(&self) -> Acts<'_> {
        self.what.acts()
    }

    /// Hosts that may be hit, the second side of what lies between two after the first.
    pub fn hosts(&self) -> impl Iterator<Item = u32> + '_ {
        let (first, second) = self.acts().hosts();
        first.iter().chain(second.into_iter().flat_map(Hosts::iter))
    }

    /// Reads a fault; `None` if a problem was noted that leaves nothing to play.
    pub fn read(table: &Table, setting: &Setting<'_>, problems: &mut Problems) -> Option<Self> {
        let name = read_kind::<FaultFields>(table, "fault", problems)?;
        let kind = registry::find(&name)?;
        let what = format!("fault \"{name}\"");
        let fields = fields_of_kind::<FaultFields>(&name)?;
        let reader = Reader::new(table, &what, &fields, problems);
        let source = setting.source(reader);
        let when = read_when(&source.reader, kind.timing, setting.duration_ns, problems);
        let what = (kind.read)(&source, problems)?;
        let which = Which::read(&source, what.acts(), problems);
        let when = when?;
        let fault = Self { when, which, what };
        repeat::note_too_many(&fault, setting.duration_ns, &source.reader, problems);
        Some(fault)
    }

    /// The fault of the kind `name` that is in force at the hosts of `churn`'s group while they are
    /// away; `None` if the kind does not last, or has to be told more than whom it concerns. What is
    /// said of it stands at `span`.
    pub fn while_away(
        (name, span): (&str, Span),
        churn: Churn,
        setting: &Setting<'_>,
    ) -> Option<Self> {
        let kind = registry::find(name)?;
        let fields = fields_of_kind::<FaultFields>(name)?;
        let told = ["kind", "hosts", "at", "for"];
        let asks_more =
            |(field, required): &(String, bool)| *required && !told.contains(&field.as_str());
        let has_hosts = fields.iter().any(|(field, _)| field == "hosts");
        if kind.timing != Timing::Span || !has_hosts || fields.iter().any(asks_more) {
            return None;
        }
        let table = Table::of_texts(span, [("kind", name), ("hosts", &churn.group)]);
        let mut problems = Problems::new("", "");
        let source = setting.source(Reader {
            table: &table,
            what: "churn",
        });
        let what = (kind.read)(&source, &mut problems)?;
        let (when, which) = (When::Away(churn), Which::ALL);
        problems.is_empty().then_some(Self { when, which, what })
    }
}

/// What the faults of a scenario are read against.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The scenario's groups.
    pub groups: &'a [Group],
    /// Names of the regions; none if they are unknown.
    pub regions: &'a [String],
    /// How long it is played, in nanoseconds; 0 if that is unknown.
    pub duration_ns: u64,
    /// Profiles by their names.
    pub profiles: &'a Profiles<'a>,
}

impl<'a> Setting<'a> {
    fn source(&self, reader: Reader<'a>) -> Source<'a> {
        Source {
            reader,
            groups: self.groups,
            regions: self.regions,
            profiles: self.profiles,
        }
    }
}

/// Reads when a fault is in force.
fn read_when(
    reader: &Reader<'_>,
    timing: Timing,
    duration_ns: u64,
    problems: &mut Problems,
) -> Option<When> {
    let at_ns = read_at(reader, duration_ns, problems);
    let length_ns = match timing {
        Timing::Instant => None,
        Timing::Span | Timing::OpenEnded => read_length(reader, "for", problems),
    };
    let every_ns = repeat::read(reader, timing, problems);
    let interval_ns = repeat::read_rate(reader, timing, problems);
    if reader.value("at").is_none() && reader.value("rate").is_none() {
        let message = format!("{} needs \"at\" or \"rate\"", reader.what);
        problems.push(reader.table.span, message);
    }
    if timing == Timing::Span && length_ns.is_none() {
        return None;
    }
    if let Some(interval_ns) = interval_ns {
        return Some(When::Random(Random {
            interval_ns,
            length_ns,
        }));
    }
    Some(When::Given(Given {
        at_ns: at_ns?,
        length_ns,
        every_ns,
    }))
}

/// The faults of a scenario with four hosts `g` behind NATs, and one `s` behind none.
#[cfg(test)]
fn faults_of(fault: &str) -> Result<Vec<AnyFault>, String> {
    let text = format!(
        "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
         [[group]]\nname='g'\ncount=4\nprogram='none'\nnat='sym'\n\
         [[group]]\nname='s'\ncount=1\nprogram='none'\n\
         [[fault]]\nat='9s'\n{fault}\n"
    );
    let plan =
        crate::format::read("t.toml", &text, None, &[]).map_err(|problems| problems.to_string())?;
    let faults = &plan.cases[0].scenario.faults;
    Ok(faults.iter().map(|fault| fault.what.clone()).collect())
}

/// Checks that a fault is refused with these words.
#[cfg(test)]
#[track_caller]
fn check_refused(fault: &str, expected: &str) {
    let told = faults_of(fault).expect_err(fault);
    assert!(told.contains(expected), "{fault}: {told}");
}

/// Checks that these words are part of what is read.
#[cfg(test)]
#[track_caller]
fn check_read(fault: &str, expected: &str) {
    let found = format!("{:?}", faults_of(fault));
    assert!(found.contains(expected), "{fault}: {found}");
}
