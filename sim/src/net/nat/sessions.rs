//! Which endpoints talk through a gateway: the table of sessions and their ends.
//!
//! Owns when a session begins, is renewed and is forgotten, and the bound on their
//! number. What a session stands for is its key's: a binding of a NAT, or an endpoint
//! behind a firewall.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};

use super::lifetime::{Lifetimes, NatDirection, Refresh};
use super::tcp_state::TcpState;
use crate::net::icmp::QuotedTransport;
use crate::net::packet::Transport;
use crate::tcp::Flags;
use crate::time::SimTime;

/// The protocols that gateways know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    Udp,
    Tcp,
}

impl Protocol {
    /// The protocol of a packet that an error quotes.
    pub(super) fn quoted(transport: QuotedTransport) -> Self {
        match transport {
            QuotedTransport::Tcp { .. } => Self::Tcp,
            QuotedTransport::Udp { .. } => Self::Udp,
        }
    }
}

/// What a gateway reads of a UDP or TCP packet beside its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    Udp,
    Tcp(Flags),
}

impl Header {
    /// `None` for an ICMP error.
    pub(super) fn of(transport: &Transport) -> Option<Self> {
        match transport {
            Transport::Udp(_) => Some(Self::Udp),
            Transport::Tcp(segment) => Some(Self::Tcp(segment.flags)),
            Transport::Icmp(_) => None,
        }
    }

    pub(super) fn protocol(self) -> Protocol {
        match self {
            Self::Udp => Protocol::Udp,
            Self::Tcp(_) => Protocol::Tcp,
        }
    }

    pub(super) fn is_reset(self) -> bool {
        matches!(self, Self::Tcp(flags) if flags.contains(Flags::RST))
    }

    /// Whether it may begin a session. From outside a segment has to be a SYN, and a
    /// datagram one that counts.
    fn begins(self, way: NatDirection, refresh: Refresh) -> bool {
        match (self, way) {
            (Self::Udp, NatDirection::Out) => true,
            (Self::Udp, NatDirection::In) => refresh.counts(NatDirection::In),
            (Self::Tcp(_), NatDirection::Out) => !self.is_reset(),
            (Self::Tcp(flags), NatDirection::In) => flags.contains(Flags::SYN) && !self.is_reset(),
        }
    }
}

/// What decides how long sessions last and how many there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) lifetimes: Lifetimes,
    pub(super) refresh: Refresh,
    pub(super) sessions_max: usize,
}

/// The table of sessions is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableFull;

/// Sessions by which of their lifetimes counts. A session counts once from one change of the
/// lifetimes to the next, and as both of TCP's if it was both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Renewed {
    /// UDP.
    pub udp: u64,
    /// TCP that is partly open, closed or reset.
    pub tcp_transitory: u64,
    /// TCP that is established.
    pub tcp_established: u64,
}

impl Renewed {
    /// Both together.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            udp: self.udp + other.udp,
            tcp_transitory: self.tcp_transitory + other.tcp_transitory,
            tcp_established: self.tcp_established + other.tcp_established,
        }
    }
}

/// Which of the lifetimes counts for a session; bits of [`Session::counted`].
#[derive(Clone, Copy)]
enum Class {
    Udp = 1,
    Transitory = 2,
    Established = 4,
}

/// All sessions of a gateway, by key and remote endpoint.
#[derive(Debug)]
pub(super) struct Sessions<K> {
    live: BTreeMap<(K, SocketAddr), Session>,
    /// When each session is to be looked at, never later than its end: one that is
    /// renewed stays where it is until then.
    due: BTreeSet<(SimTime, K, SocketAddr)>,
    renewed: Renewed,
    /// Changes of the lifetimes so far.
    changes: u32,
}

#[derive(Debug)]
struct Session {
    /// The first instant at which it is forgotten.
    until: SimTime,
    due: SimTime,
    tcp: TcpState,
    /// In which classes it was counted since the latest change of the lifetimes, and which
    /// change that was.
    counted: u8,
    counted_in: u32,
}

/// Before all other addresses in their order.
const FIRST: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));

impl Session {
    /// Counts it, unless that was done since the last of `changes`.
    fn count(&mut self, class: Class, changes: u32, renewed: &mut Renewed) {
        if self.counted_in != changes {
            (self.counted, self.counted_in) = (0, changes);
        }
        if self.counted & class as u8 == 0 {
            self.counted |= class as u8;
            *match class {
                Class::Udp => &mut renewed.udp,
                Class::Transitory => &mut renewed.tcp_transitory,
                Class::Established => &mut renewed.tcp_established,
            } += 1;
        }
    }
}

impl<K: Copy + Ord> Sessions<K> {
    pub(super) fn new() -> Self {
        Self {
            live: BTreeMap::new(),
            due: BTreeSet::new(),
            renewed: Renewed::default(),
            changes: 0,
        }
    }

    /// Forgets all sessions; what was counted stays.
    pub(super) fn clear(&mut self) {
        self.live.clear();
        self.due.clear();
    }

    /// Sessions last for another time from now on.
    pub(super) fn terms_changed(&mut self) {
        self.changes += 1;
    }

    /// Sessions that began or were renewed so far.
    pub(super) fn renewed(&self) -> Renewed {
        self.renewed
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// Takes in a packet that passes: begins a session with `remote`, or renews it.
    ///
    /// # Errors
    /// [`TableFull`] if it would begin one and there is no room.
    pub(super) fn note(
        &mut self,
        now: SimTime,
        key: K,
        remote: SocketAddr,
        way: NatDirection,
        header: Header,
        terms: &Terms,
    ) -> Result<(), TableFull> {
        let known = self.live.contains_key(&(key, remote));
        if !known {
            if !header.begins(way, terms.refresh) {
                return Ok(());
            }
            if self.live.len() >= terms.sessions_max {
                return Err(TableFull);
            }
        }
        let session = self.live.entry((key, remote)).or_insert(Session {
            until: now,
            due: SimTime::MAX,
            tcp: TcpState::default(),
            counted: 0,
            counted_in: self.changes,
        });
        let (lifetime, class) = match header {
            Header::Udp if known && !terms.refresh.counts(way) => return Ok(()),
            Header::Udp => (terms.lifetimes.udp, Class::Udp),
            Header::Tcp(flags) => {
                let lifetime = session.tcp.note(way, flags, &terms.lifetimes);
                let established = session.tcp.is_established();
                (
                    lifetime,
                    if established {
                        Class::Established
                    } else {
                        Class::Transitory
                    },
                )
            }
        };
        session.count(class, self.changes, &mut self.renewed);
        session.until = now + lifetime;
        if session.until < session.due {
            self.due.remove(&(session.due, key, remote));
            session.due = session.until;
            self.due.insert((session.due, key, remote));
        }
        Ok(())
    }

    /// Forgets what has ended, and tells of each key that has no session left.
    pub(super) fn expire(&mut self, now: SimTime, mut emptied: impl FnMut(K)) {
        while let Some(&(at, key, remote)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            let Some(session) = self.live.get_mut(&(key, remote)) else {
                continue;
            };
            if session.until > now {
                session.due = session.until;
                self.due.insert((session.due, key, remote));
                continue;
            }
            self.live.remove(&(key, remote));
            if !self.has_any(key) {
                emptied(key);
            }
        }
    }

    /// Whether the key has any session.
    pub(super) fn has_any(&self, key: K) -> bool {
        let next = self.live.range((key, FIRST)..).next();
        next.is_some_and(|((found, _), _)| *found == key)
    }

    /// Whether the key has a session with any port of `remote`'s address.
    pub(super) fn has_address(&self, key: K, remote: SocketAddr) -> bool {
        let port = |port| (key, SocketAddr::new(remote.ip(), port));
        self.live.range(port(0)..=port(u16::MAX)).next().is_some()
    }

    /// Whether the key has a session with `remote`.
    pub(super) fn has(&self, key: K, remote: SocketAddr) -> bool {
        self.live.contains_key(&(key, remote))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("the test lists addresses")
    }

    fn terms(refresh: Refresh, sessions_max: usize) -> Terms {
        Terms {
            lifetimes: Lifetimes {
                udp: Duration::from_secs(30),
                ..Lifetimes::default()
            },
            refresh,
            sessions_max,
        }
    }

    /// Whether a session of 0 s that is renewed `way` at 20 s is known at `until`.
    fn lives(refresh: Refresh, way: NatDirection, until: SimTime) -> bool {
        let mut sessions = Sessions::new();
        let terms = terms(refresh, 8);
        let remote = at("11.0.0.9:7");
        let mut note = |secs, way| {
            sessions
                .note(
                    SimTime::from_secs(secs),
                    1,
                    remote,
                    way,
                    Header::Udp,
                    &terms,
                )
                .expect("there is room");
        };
        note(0, NatDirection::Out);
        note(20, way);
        let mut emptied = Vec::new();
        sessions.expire(until, |key| emptied.push(key));
        assert_eq!(emptied.is_empty(), sessions.has(1, remote));
        sessions.has(1, remote)
    }

    #[test]
    fn only_packets_of_the_right_direction_renew() {
        let just_before = |secs: u64| SimTime::from_nanos(secs * 1_000_000_000 - 1);
        let check = |refresh, way, renewed: bool| {
            let end = if renewed { 50 } else { 30 };
            assert!(lives(refresh, way, just_before(end)), "{refresh:?} {way:?}");
            let after = SimTime::from_secs(end);
            assert!(!lives(refresh, way, after), "{refresh:?} {way:?}");
        };
        check(Refresh::Outbound, NatDirection::Out, true);
        check(Refresh::Outbound, NatDirection::In, false);
        check(Refresh::Inbound, NatDirection::Out, false);
        check(Refresh::Inbound, NatDirection::In, true);
        check(Refresh::Both, NatDirection::Out, true);
        check(Refresh::Both, NatDirection::In, true);
        check(Refresh::None, NatDirection::Out, false);
        check(Refresh::None, NatDirection::In, false);
    }

    #[test]
    fn the_table_is_bounded_and_makes_room_as_sessions_end() {
        let mut sessions = Sessions::new();
        let terms = terms(Refresh::Outbound, 2);
        let remotes = ["11.0.0.9:1", "11.0.0.9:2", "11.0.0.9:3"].map(at);
        let note = |sessions: &mut Sessions<u64>, secs, remote| {
            let now = SimTime::from_secs(secs);
            sessions.expire(now, |_| {});
            sessions.note(now, 1, remote, NatDirection::Out, Header::Udp, &terms)
        };
        assert_eq!(note(&mut sessions, 0, remotes[0]), Ok(()));
        assert_eq!(note(&mut sessions, 10, remotes[1]), Ok(()));
        assert_eq!(note(&mut sessions, 20, remotes[2]), Err(TableFull));
        assert_eq!(note(&mut sessions, 20, remotes[1]), Ok(()));
        assert_eq!(note(&mut sessions, 30, remotes[2]), Ok(()));
        assert_eq!(sessions.len(), 2);
        assert_eq!(sessions.due.len(), 2, "one entry a session");
    }

    #[test]
    fn a_session_can_be_cut_short_and_prolonged() {
        let mut sessions = Sessions::new();
        let terms = terms(Refresh::Outbound, 8);
        let remote = at("[2600::1]:7");
        let note = |sessions: &mut Sessions<u64>, way, flags| {
            sessions
                .note(SimTime::ZERO, 1, remote, way, Header::Tcp(flags), &terms)
                .expect("there is room");
        };
        note(&mut sessions, NatDirection::Out, Flags::SYN);
        note(&mut sessions, NatDirection::In, Flags::SYN | Flags::ACK);
        sessions.expire(SimTime::from_secs(240), |_| {});
        assert!(sessions.has_any(1));
        note(&mut sessions, NatDirection::In, Flags::RST);
        sessions.expire(SimTime::from_secs(240), |_| {});
        assert!(!sessions.has_any(1));
        assert!(sessions.due.is_empty());
    }
}
