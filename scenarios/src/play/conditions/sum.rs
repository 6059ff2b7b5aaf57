//! What faults in force make of a host or a gateway together: sums, and nothing that acts.

use crate::fault::{Adds, DiskReplaced, LinkChange};
use crate::format::scenario::group::Group;

/// What faults make of a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OfHost {
    /// It has no power.
    pub is_off: bool,
    /// Its programs are to be ended, for as long as it has power.
    pub is_stopped: bool,
    /// Its disk is another than before, and what went with that.
    pub disk: Option<DiskReplaced>,
    /// The fault whose network it is in; at home without one.
    pub away: Option<usize>,
    /// What changes of the access link that it has where it is.
    pub link: LinkChange,
    /// What changes of its port on the local network.
    pub port: LinkChange,
    /// Its interfaces that are down, a bit each by their places.
    pub down: u8,
}

/// Sums up what faults add at a host of `group`, given in the order in which they began.
pub fn of_host<'a>(
    group: &Group,
    faults: &(impl DoubleEndedIterator<Item = (usize, Adds<'a>)> + Clone),
) -> OfHost {
    let has = |wanted: fn(&Adds<'_>) -> bool| faults.clone().any(|(_, adds)| wanted(&adds));
    let adds = || faults.clone().map(|(_, adds)| adds);
    OfHost {
        is_off: has(|adds| adds.cuts_power),
        is_stopped: has(|adds| adds.ends_programs),
        disk: adds().filter_map(|adds| adds.disk).max(),
        away: faults
            .clone()
            .rfind(|(_, adds)| adds.away.is_some())
            .map(|(fault, _)| fault),
        link: LinkChange::sum(adds().filter_map(|adds| adds.access)),
        port: LinkChange::sum(adds().filter_map(|adds| adds.lan)),
        down: adds()
            .filter_map(|adds| group.interface(adds.interface?))
            .fold(0, |down, place| down | 1 << place),
    }
}
