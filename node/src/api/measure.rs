//! What is counted of events, and measured from them: each figure is declared here, once.
//!
//! A declaration has the figure's name, what it means, its label, and of which events it comes. The
//! node counts by it and tells its counts in `status`; a program that runs many nodes takes its metrics
//! from it. Figures that several events make together are none of these.

use libp2p::PeerId;

use super::Event;
use crate::config::Config;
use crate::relay::{CircuitDenial, CircuitEnd, Refusal, ReservationEnd};

/// A figure that single events give.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// Its name, `area.thing.aspect`.
    pub name: &'static str,
    /// What is made of its samples.
    pub kind: MeasureKind,
    /// What it is, in two parts, between which the time that it is about can stand. A sentence,
    /// whose full stop is not among them.
    pub about: [&'static str; 2],
    /// The label by which counts are told apart, and the values that it may have.
    pub label: Option<(&'static str, &'static [&'static [&'static str]])>,
    /// Which settings a node needs to give it samples.
    pub of: Needed,
}

/// Settings that a node needs.
#[derive(Debug, Clone, Copy)]
pub struct Needed {
    /// Which, for people: `relay.enabled or relay_client.enabled`.
    pub what: &'static str,
    /// Whether a node with these settings has them.
    pub by: fn(&Config) -> bool,
}

/// What is made of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureKind {
    /// Their number, also by label.
    Count,
    /// Their distribution; they are times in microseconds.
    Time,
}

/// What one event adds to a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample<'a> {
    /// One more.
    One,
    /// One more under this value of the figure's label.
    Labelled(&'a str),
    /// A time in microseconds.
    TookUs(u64),
}

impl Measure {
    /// All values that its label may have, sorted; none without a label.
    pub fn label_values(&self) -> Vec<&'static str> {
        let lists = self.label.map_or(&[][..], |(_, lists)| lists);
        let mut values: Vec<_> = lists.iter().copied().flatten().copied().collect();
        values.sort_unstable();
        values.dedup();
        values
    }
}

/// Declares figures: its settings, then the events that give it samples and which. `$is_me` says
/// whether a peer is that of the node that tells an event.
macro_rules! measures {
    (|$is_me:ident| $(
        $(#[$doc:meta])*
        $figure:ident = $measure:expr,
            of $event:pat $(if $when:expr)? => $sample:expr;
    )+) => {
        $(
            $(#[$doc])*
            pub static $figure: Measure = $measure;
        )+

        /// All figures that single events give, by name.
        pub static MEASURES: &[&Measure] = &[$(&$figure),+];

        impl Event {
            /// Tells `give` what this event adds to figures; `is_me` knows the peer of the node that
            /// tells it.
            pub fn measure(
                &self,
                $is_me: &dyn Fn(&PeerId) -> bool,
                give: &mut dyn FnMut(&'static Measure, Sample<'_>),
            ) {
                $(if let $event = self $(&& $when)? {
                    give(&$figure, $sample);
                })+
            }
        }
    };
}

const fn count(name: &'static str, about: [&'static str; 2], of: Needed) -> Measure {
    Measure {
        name,
        kind: MeasureKind::Count,
        about,
        label: None,
        of,
    }
}

/// A count, also by the events' reasons, which are of these lists.
const fn by_reason(measure: Measure, lists: &'static [&'static [&'static str]]) -> Measure {
    Measure {
        label: Some(("reason", lists)),
        ..measure
    }
}

/// A relay, or a node that reserves on relays.
pub const RELAYS: Needed = Needed {
    what: "relay.enabled or relay_client.enabled",
    by: |config| config.relay.enabled || config.relay_client.enabled,
};

/// A node that looks for peers on the local network.
pub const NEIGHBOURS: Needed = Needed {
    what: "mdns.enabled",
    by: |config| config.mdns.enabled,
};

/// A node that notifies its friends of what is new.
pub const PUSH: Needed = Needed {
    what: "push.enabled and feed.enabled",
    by: |config| config.push.enabled && config.feed.enabled,
};

measures! {
    |is_me|

    /// Neighbours that are there no longer.
    NEIGHBOURS_GONE = count(
        "node.neighbours.gone",
        [
            "Times that a node forgot an address of a neighbour",
            ", since nothing on the local network had told it again for as long as it holds",
        ],
        NEIGHBOURS,
    ),
        of Event::NeighbourGone { .. } => Sample::One;

    /// Friends told that there is something new.
    PUSH_SENT = count(
        "push.sent",
        [
            "Times that a node told a friend",
            " that there is something new, so that it is pulled at once",
        ],
        PUSH,
    ),
        of Event::Pushed { .. } => Sample::One;

    /// Circuits through a relay, counted there.
    RELAY_CIRCUITS = count(
        "relay.circuits",
        ["Circuits that relays opened", ""],
        RELAYS,
    ),
        of Event::CircuitOpened { relay: Some(relay), .. } if is_me(relay) => Sample::One;

    /// Circuits that were not opened, counted by the dialer.
    RELAY_CIRCUITS_DENIED = by_reason(
        count(
            "relay.circuits.denied",
            [
                "Dials through relays",
                " that opened no circuit, also by the reason that the dialer was given",
            ],
            RELAYS,
        ),
        &[CircuitDenial::NAMES, Refusal::NAMES],
    ),
        of Event::CircuitDenied { from, reason, .. } if is_me(from) => Sample::Labelled(reason);

    /// Circuits that have ended, counted by the relay.
    RELAY_CIRCUITS_ENDED = by_reason(
        count(
            "relay.circuits.ended",
            [
                "Circuits that ended",
                ", also by reason, as the relay knows it: finished, max-bytes, max-duration, \
                 connection-closed, failed",
            ],
            RELAYS,
        ),
        &[CircuitEnd::NAMES],
    ),
        of Event::CircuitClosed { relay: Some(relay), reason, .. } if is_me(relay) => {
            Sample::Labelled(reason.name())
        };

    /// Reservations that are no more, counted by the client.
    RELAY_LOST = by_reason(
        count(
            "relay.lost",
            ["Reservations that clients noticed to have lost", ", also by reason"],
            RELAYS,
        ),
        &[ReservationEnd::NAMES],
    ),
        of Event::RelayReservationLost { reason, .. } => Sample::Labelled(reason.name());

    /// Reservations that were refused, counted by the relay.
    RELAY_REFUSED = by_reason(
        count(
            "relay.refused",
            [
                "Reservations that relays refused",
                ", also by reason, as the relay knows it",
            ],
            RELAYS,
        ),
        &[CircuitDenial::NAMES, Refusal::NAMES],
    ),
        of Event::RelayRefused { reason, .. } => Sample::Labelled(reason);

    /// Reservations that were held on to.
    RELAY_RENEWED = count(
        "relay.renewed",
        ["Reservations that were renewed", ""],
        RELAYS,
    ),
        of Event::RelayReserved { renewal: true, .. } => Sample::One;

    /// Reservations that were asked for in vain, counted by the client.
    RELAY_RESERVATION_FAILED = by_reason(
        count(
            "relay.reservation.failed",
            [
                "Requests for a reservation",
                " that came to nothing, also by reason, as the client knows it",
            ],
            RELAYS,
        ),
        &[ReservationEnd::NAMES],
    ),
        of Event::RelayReservationFailed { reason, .. } => Sample::Labelled(reason.name());

    /// How long a reservation takes to come about.
    RELAY_RESERVATION_TIME = Measure {
        kind: MeasureKind::Time,
        ..count(
            "relay.reservation.time",
            [
                "From asking a relay for a reservation until it was granted",
                ", renewals aside",
            ],
            RELAYS,
        )
    },
        of Event::RelayReserved { took_us: Some(took_us), .. } => Sample::TookUs(*took_us);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(event: &Event, me: &PeerId) -> Vec<(&'static str, String)> {
        let mut given = Vec::new();
        event.measure(&|peer| peer == me, &mut |measure, sample| {
            given.push((measure.name, format!("{sample:?}")));
        });
        given
    }

    #[test]
    fn names_are_sorted_and_labels_have_values() {
        assert!(MEASURES.windows(2).all(|two| two[0].name < two[1].name));
        for measure in MEASURES {
            assert_eq!(measure.label.is_some(), !measure.label_values().is_empty());
        }
    }

    #[test]
    fn an_event_may_give_several_samples_and_most_give_none() {
        let me = PeerId::random();
        let reserved = |took_us, renewal| Event::RelayReserved {
            relay: me,
            took_us,
            renewal,
        };
        let time = ("relay.reservation.time", "TookUs(5)".to_owned());
        let renewed = ("relay.renewed", "One".to_owned());
        assert_eq!(
            given(&reserved(Some(5), false), &me),
            std::slice::from_ref(&time)
        );
        assert_eq!(
            given(&reserved(None, true), &me),
            std::slice::from_ref(&renewed)
        );
        assert_eq!(given(&reserved(Some(5), true), &me), [renewed, time]);
        let address = String::new();
        assert_eq!(given(&Event::Listening { address }, &me), []);
    }

    #[test]
    fn of_three_that_tell_of_a_circuit_one_counts_it() {
        let [relay, from, to] = [(); 3].map(|()| PeerId::random());
        let opened = Event::CircuitOpened {
            relay: Some(relay),
            from,
            to,
        };
        let reason = "no-reservation".to_owned();
        let denied = Event::CircuitDenied {
            relay: Some(relay),
            from,
            to: Some(to),
            reason,
        };
        assert_eq!(given(&opened, &relay).len(), 1);
        assert_eq!(given(&denied, &from).len(), 1);
        for (event, me) in [
            (&opened, from),
            (&opened, to),
            (&denied, relay),
            (&denied, to),
        ] {
            assert_eq!(given(event, &me), []);
        }
    }
}
