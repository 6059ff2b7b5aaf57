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
mod repeat;

mod clock_step;
mod interface;
mod link;
mod move_host;
mod nat_address;
mod nat_lifetime;
mod nat_restart;
mod partition;
mod pause;
mod power_cut;
mod stop;

use serde::{Deserialize, Serialize};

use crate::format::reading::amount::Amount;
use crate::format::reading::problem::Problems;
use crate::format::reading::reader::{Reader, fields_of_kind};
use crate::format::reading::tree::Table;
use crate::format::scenario::group::Group;
use crate::format::scenario::pace::{read_at, read_length};
use crate::format::scenario::selector::Hosts;
use crate::format::scenario::workload::read_kind;
use crate::profiles::Profiles;

pub use kind::{
    Acts, Adds, Elsewhere, FaultKind, Losses, OwnCondition, Sides, Source, StrikesGateway,
    StrikesHost, Timing,
};
pub use lifetime_change::LifetimeChange;
pub use link_change::LinkChange;
pub(crate) use registry::add;
pub use registry::{AnyFault, FaultFields, Kind, LOSS_MEANINGS, kinds};

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// When it begins, in nanoseconds; it has bounds and lies within the run.
    pub at_ns: Amount,
    /// How long it lasts, in nanoseconds; `None` for what is not undone or lasts to the end.
    pub length_ns: Option<Amount>,
    /// From one beginning to the next, in nanoseconds, if it comes again.
    pub every_ns: Option<u64>,
    /// What goes wrong.
    #[serde(rename = "harm")]
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
    pub fn read(
        table: &Table,
        groups: &[Group],
        duration_ns: u64,
        profiles: &Profiles<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let name = read_kind::<FaultFields>(table, "fault", problems)?;
        let kind = registry::find(&name)?;
        let what = format!("fault \"{name}\"");
        let fields = fields_of_kind::<FaultFields>(&name)?;
        let source = Source {
            reader: Reader::new(table, &what, &fields, problems),
            groups,
            profiles,
        };
        let at_ns = read_at(&source.reader, duration_ns, problems);
        let length_ns = match kind.timing {
            Timing::Instant => None,
            Timing::Span | Timing::OpenEnded => read_length(&source.reader, "for", problems),
        };
        let what = (kind.read)(&source, problems);
        let every_ns = repeat::read(&source.reader, kind.timing, problems);
        if kind.timing == Timing::Span && length_ns.is_none() {
            return None;
        }
        let fault = Self {
            at_ns: at_ns?,
            length_ns,
            every_ns,
            what: what?,
        };
        repeat::note_too_many(&fault, duration_ns, &source.reader, problems);
        Some(fault)
    }
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
