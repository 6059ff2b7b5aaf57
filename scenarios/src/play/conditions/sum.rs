//! What faults in force make of a host or a gateway together: sums, and nothing that acts.

use crate::format::scenario::fault::{Harm, LifetimeChange, LinkChange, Links};
use crate::format::scenario::group::Group;

/// What faults make of a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OfHost {
    /// It has no power.
    pub is_off: bool,
    /// Its programs are to be ended, for as long as it has power.
    pub is_stopped: bool,
    /// The fault whose network it is in; at home without one.
    pub away: Option<usize>,
    /// What changes of the access link that it has where it is.
    pub link: LinkChange,
    /// What changes of its port on the local network.
    pub port: LinkChange,
    /// Its interfaces that are down, a bit each by their places.
    pub down: u8,
}

/// Sums up faults at a host of `group`, given in the order in which they began.
pub fn of_host<'a>(
    group: &Group,
    faults: impl DoubleEndedIterator<Item = (usize, &'a Harm)> + Clone,
) -> OfHost {
    let has = |wanted: fn(&Harm) -> bool| faults.clone().any(|(_, harm)| wanted(harm));
    let is_move = |(_, harm): &(usize, &Harm)| matches!(harm, Harm::Move { .. });
    OfHost {
        is_off: has(|harm| matches!(harm, Harm::PowerCut { .. })),
        is_stopped: has(|harm| matches!(harm, Harm::Stop { .. })),
        away: faults.clone().rfind(is_move).map(|(fault, _)| fault),
        link: LinkChange::sum(
            faults
                .clone()
                .filter_map(|(_, harm)| link_change(harm, Links::has_access)),
        ),
        port: LinkChange::sum(
            faults
                .clone()
                .filter_map(|(_, harm)| link_change(harm, Links::has_lan)),
        ),
        down: faults
            .filter_map(|(_, harm)| interface(group, harm))
            .fold(0, |down, place| down | 1 << place),
    }
}

/// The interface that a fault takes down at a host of `group`, by its place.
pub fn interface(group: &Group, harm: &Harm) -> Option<usize> {
    match harm {
        Harm::Interface { name, .. } => group.interface(name),
        Harm::Partition { .. }
        | Harm::PowerCut { .. }
        | Harm::Stop { .. }
        | Harm::Link { .. }
        | Harm::ClockStep { .. }
        | Harm::NatRestart { .. }
        | Harm::NatAddress { .. }
        | Harm::NatLifetime { .. }
        | Harm::Move { .. } => None,
    }
}

/// What a fault changes of a link, if it is on those that `concerns` says.
pub fn link_change(harm: &Harm, concerns: fn(Links) -> bool) -> Option<&LinkChange> {
    match harm {
        Harm::Link { change, on, .. } => concerns(*on).then_some(change),
        Harm::Partition { .. }
        | Harm::PowerCut { .. }
        | Harm::Stop { .. }
        | Harm::ClockStep { .. }
        | Harm::NatRestart { .. }
        | Harm::NatAddress { .. }
        | Harm::NatLifetime { .. }
        | Harm::Move { .. }
        | Harm::Interface { .. } => None,
    }
}

/// What a fault changes of how long gateways remember sessions.
pub fn lifetime_change(harm: &Harm) -> Option<&LifetimeChange> {
    match harm {
        Harm::NatLifetime { change, .. } => Some(change),
        Harm::Partition { .. }
        | Harm::PowerCut { .. }
        | Harm::Stop { .. }
        | Harm::Link { .. }
        | Harm::ClockStep { .. }
        | Harm::NatRestart { .. }
        | Harm::NatAddress { .. }
        | Harm::Move { .. }
        | Harm::Interface { .. } => None,
    }
}
