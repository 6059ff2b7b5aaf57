//! Keeps reservations on several relays (what rust-libp2p's issue 4651 asks for).
//!
//! Knows which connected peers relay, on which of them a reservation is held or asked for, and
//! which are left alone for a while. Decides which to ask next, and when; it asks none itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::core::transport::ListenerId;
use libp2p::{Multiaddr, PeerId};

use crate::backoff::Backoff;
use crate::config::{Dial, RelayClient, RelayWhen};

use super::candidate::{Candidate, Terms};
use super::reason::ReservationEnd;
use super::select::{RelaySelector, selector};

/// A reservation held for so long clears its relay's record of failures.
const STEADY: Duration = Duration::from_mins(1);

/// Relays that are remembered to be left alone; beyond it, those whose time is up first are
/// forgotten.
const ASIDE_MAX: usize = 256;

/// Which relays to hold reservations on.
pub struct AutoRelay {
    settings: RelayClient,
    dial: Dial,
    selector: Box<dyn RelaySelector>,
    /// Connected peers that relay.
    candidates: BTreeMap<PeerId, Candidate>,
    held: BTreeMap<PeerId, Held>,
    aside: BTreeMap<PeerId, Aside>,
    /// When enough time has passed since the first candidate.
    gathered: Option<Instant>,
    public: bool,
}

/// A reservation that is held or asked for.
#[derive(Debug)]
struct Held {
    listener: ListenerId,
    asked: Instant,
    /// When it was granted, and when it was granted or renewed last.
    granted: Option<(Instant, Instant)>,
}

/// A relay that is left alone.
#[derive(Debug)]
struct Aside {
    until: Instant,
    backoff: Backoff,
}

/// A reservation that has come to nothing, or to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The relay.
    pub relay: PeerId,
    /// Whether it had been granted.
    pub granted: bool,
    /// Whether no granted reservation is left.
    pub last: bool,
    /// Why.
    pub reason: ReservationEnd,
}

impl AutoRelay {
    /// Knows of no relay yet.
    pub fn new(settings: RelayClient, dial: Dial) -> Self {
        Self {
            selector: selector(settings.selector),
            settings,
            dial,
            candidates: BTreeMap::new(),
            held: BTreeMap::new(),
            aside: BTreeMap::new(),
            gathered: None,
            public: false,
        }
    }

    /// Whether all peers can reach this node without relays. What is held then stays until it
    /// is lost: libp2p-relay 0.22 panics when a listener is removed while it renews.
    pub fn set_public(&mut self, public: bool) {
        self.public = public;
    }

    /// A connected peer relays, and others reach it at `address`.
    pub fn offer(&mut self, peer: PeerId, address: Multiaddr, friend: bool, now: Instant) {
        let gather = self.settings.gather.get();
        self.gathered.get_or_insert_with(|| now + gather);
        let candidate = self.candidates.entry(peer).or_insert_with(|| Candidate {
            peer,
            address: Multiaddr::empty(),
            rtt: None,
            friend,
            terms: None,
        });
        candidate.address = address;
        candidate.friend = friend;
    }

    /// A peer does not relay any more, or is not connected.
    pub fn withdraw(&mut self, peer: &PeerId) {
        self.candidates.remove(peer);
    }

    /// A round trip to a peer was measured.
    pub fn measured(&mut self, peer: &PeerId, rtt: Duration) {
        if let Some(candidate) = self.candidates.get_mut(peer) {
            candidate.rtt = Some(rtt);
        }
    }

    /// A relay has told its terms.
    pub fn told(&mut self, peer: &PeerId, terms: Terms) {
        if let Some(candidate) = self.candidates.get_mut(peer) {
            candidate.terms = Some(terms);
        }
    }

    /// The relay to ask next, if one more is to be asked now.
    pub fn choose(&self, now: Instant) -> Option<&Candidate> {
        if !self.wants_more() || self.gathered.is_none_or(|gathered| now < gathered) {
            return None;
        }
        let mut free: Vec<(u64, &Candidate)> = self
            .free()
            .filter(|candidate| self.left_alone_until(&candidate.peer) <= Some(now))
            .map(|candidate| (rand::random_range(0..=u64::MAX), candidate))
            .collect();
        free.sort_by_key(|(chance, _)| *chance);
        let free: Vec<&Candidate> = free.into_iter().map(|(_, candidate)| candidate).collect();
        let place = self.selector.choose(&free)?;
        free.get(place).copied()
    }

    /// When [`Self::choose`] may have a relay to choose that it has not now.
    pub fn next_time(&self, now: Instant) -> Option<Instant> {
        if !self.wants_more() {
            return None;
        }
        let gathered = self.gathered?.max(now);
        self.free()
            .map(|candidate| {
                let until = self.left_alone_until(&candidate.peer);
                gathered.max(until.unwrap_or(gathered))
            })
            .min()
    }

    /// A relay is asked, through `listener`.
    pub fn asked(&mut self, peer: PeerId, listener: ListenerId, now: Instant) {
        let held = Held {
            listener,
            asked: now,
            granted: None,
        };
        self.held.insert(peer, held);
    }

    /// A relay has granted a reservation, or renewed it: `Some` is the time that the first
    /// answer took.
    ///
    /// # Errors
    /// What ended if the relay has it renewed too often; its connections are to be closed then.
    pub fn granted(&mut self, peer: PeerId, now: Instant) -> Result<Option<Duration>, Ended> {
        let min = self.settings.min_renewal.get();
        let Some(held) = self.held.get_mut(&peer) else {
            return Ok(None);
        };
        match &mut held.granted {
            None => {
                held.granted = Some((now, now));
                Ok(Some(now.saturating_duration_since(held.asked)))
            }
            Some((_, last)) if now.saturating_duration_since(*last) >= min => {
                *last = now;
                Ok(None)
            }
            Some(_) => {
                let ended = self.end(peer, ReservationEnd::RenewedTooOften, now);
                ended.map_or(Ok(None), Err)
            }
        }
    }

    /// A listener has closed; `None` if it stood for no reservation.
    pub fn listener_closed(
        &mut self,
        listener: ListenerId,
        reason: ReservationEnd,
        now: Instant,
    ) -> Option<Ended> {
        let held = self.held.iter().find(|(_, held)| held.listener == listener);
        let peer = *held?.0;
        self.end(peer, reason, now)
    }

    /// The reservation on a relay, if there is one, has come to its end.
    pub fn end(&mut self, peer: PeerId, reason: ReservationEnd, now: Instant) -> Option<Ended> {
        let held = self.held.remove(&peer)?;
        self.leave_alone(peer, reason, held.granted.map(|(first, _)| first), now);
        let granted = held.granted.is_some();
        Some(Ended {
            relay: peer,
            granted,
            last: granted && self.relays().next().is_none(),
            reason,
        })
    }

    /// Relays on which a reservation has been granted.
    pub fn relays(&self) -> impl Iterator<Item = &PeerId> {
        self.held
            .iter()
            .filter(|(_, held)| held.granted.is_some())
            .map(|(peer, _)| peer)
    }

    fn wants_more(&self) -> bool {
        let wanted = self.settings.when == RelayWhen::Always || !self.public;
        wanted && self.held.len() < self.settings.reservations as usize
    }

    /// Candidates on which nothing is held.
    fn free(&self) -> impl Iterator<Item = &Candidate> {
        let held = &self.held;
        self.candidates
            .values()
            .filter(|candidate| !held.contains_key(&candidate.peer))
    }

    fn left_alone_until(&self, peer: &PeerId) -> Option<Instant> {
        self.aside.get(peer).map(|aside| aside.until)
    }

    fn leave_alone(
        &mut self,
        peer: PeerId,
        reason: ReservationEnd,
        granted: Option<Instant>,
        now: Instant,
    ) {
        let mut backoff = self
            .aside
            .remove(&peer)
            .map_or_else(Backoff::default, |aside| aside.backoff);
        if granted.is_some_and(|granted| now.saturating_duration_since(granted) >= STEADY) {
            backoff.reset();
        }
        let pause = backoff.fail(&self.dial);
        let pause = if reason.is_refusal() {
            self.settings.set_aside.get().max(pause)
        } else {
            pause
        };
        while self.aside.len() >= ASIDE_MAX {
            let first = self.aside.iter().min_by_key(|(_, aside)| aside.until);
            let Some(first) = first.map(|(peer, _)| *peer) else {
                break;
            };
            self.aside.remove(&first);
        }
        let until = now + pause;
        self.aside.insert(peer, Aside { until, backoff });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RelayChoice;

    /// An AutoRelay that chooses at once, and three relays that it knows, the first the nearest.
    fn with_three(settings: RelayClient) -> (AutoRelay, [PeerId; 3], Instant) {
        let start = Instant::now();
        let mut auto = AutoRelay::new(settings, Dial::default());
        let peers = [(); 3].map(|()| PeerId::random());
        for (peer, ms) in peers.iter().zip([10, 20, 30]) {
            auto.offer(*peer, Multiaddr::empty(), false, start);
            auto.measured(peer, Duration::from_millis(ms));
        }
        (auto, peers, start)
    }

    fn nearest_first() -> RelayClient {
        RelayClient {
            selector: RelayChoice::LowestRtt,
            ..RelayClient::default()
        }
    }

    fn ask(auto: &mut AutoRelay, now: Instant) -> Option<(PeerId, ListenerId)> {
        let peer = auto.choose(now)?.peer;
        let listener = ListenerId::next();
        auto.asked(peer, listener, now);
        Some((peer, listener))
    }

    #[test]
    fn two_relays_are_asked_once_there_was_time_to_find_more() {
        let (mut auto, [a, b, _], start) = with_three(nearest_first());
        assert_eq!(auto.choose(start), None);
        let later = auto.next_time(start).expect("there are relays");
        assert_eq!(later, start + Duration::from_secs(1));
        assert_eq!(ask(&mut auto, later).map(|asked| asked.0), Some(a));
        assert_eq!(ask(&mut auto, later).map(|asked| asked.0), Some(b));
        assert_eq!(ask(&mut auto, later), None);
        assert_eq!(auto.next_time(later), None);
    }

    #[test]
    fn a_lost_reservation_is_replaced_by_another_relays() {
        let (mut auto, [a, _, c], start) = with_three(nearest_first());
        let now = start + Duration::from_secs(2);
        let (_, listener) = ask(&mut auto, now).expect("a");
        ask(&mut auto, now).expect("b");
        let took = auto.granted(a, now + Duration::from_millis(7));
        assert_eq!(took, Ok(Some(Duration::from_millis(7))));
        let lost = auto.listener_closed(listener, ReservationEnd::ConnectionClosed, now);
        let expected = Ended {
            relay: a,
            granted: true,
            last: true,
            reason: ReservationEnd::ConnectionClosed,
        };
        assert_eq!(lost, Some(expected));
        assert_eq!(ask(&mut auto, now).map(|asked| asked.0), Some(c));
        assert_eq!(
            auto.listener_closed(listener, ReservationEnd::ConnectionClosed, now),
            None
        );
    }

    #[test]
    fn a_relay_that_refuses_is_left_alone_longer_than_one_that_is_lost() {
        let check = |reason, least_s: u128, most_s: u128| {
            let (mut auto, [a, b, c], start) = with_three(nearest_first());
            auto.withdraw(&b);
            auto.withdraw(&c);
            let now = start + Duration::from_secs(2);
            let (asked, listener) = ask(&mut auto, now).expect("a");
            assert_eq!(asked, a);
            auto.listener_closed(listener, reason, now);
            assert_eq!(auto.choose(now), None);
            let next = auto.next_time(now).expect("it is tried again");
            let pause = next.duration_since(now).as_millis();
            assert!((least_s * 1000..=most_s * 1000).contains(&pause), "{pause}");
            assert_eq!(auto.choose(next).map(|chosen| chosen.peer), Some(a));
        };
        check(ReservationEnd::ResourceLimitExceeded, 300, 300);
        check(ReservationEnd::ConnectionClosed, 0, 1);
    }

    #[test]
    fn a_relay_that_has_reservations_renewed_all_the_time_is_given_up() {
        let (mut auto, [a, ..], start) = with_three(nearest_first());
        let now = start + Duration::from_secs(2);
        ask(&mut auto, now).expect("a");
        assert!(auto.granted(a, now).is_ok());
        let renewed = now + Duration::from_secs(10);
        assert_eq!(auto.granted(a, renewed), Ok(None));
        let ended = auto.granted(a, renewed + Duration::from_secs(9));
        assert_eq!(
            ended.map_err(|ended| ended.reason),
            Err(ReservationEnd::RenewedTooOften)
        );
        assert_eq!(auto.relays().count(), 0);
    }

    #[test]
    fn a_node_that_everybody_reaches_needs_no_relay_unless_it_is_told_so() {
        let (mut auto, _, start) = with_three(nearest_first());
        let now = start + Duration::from_secs(2);
        auto.set_public(true);
        assert_eq!(auto.choose(now), None);
        assert_eq!(auto.next_time(now), None);
        let (mut auto, ..) = with_three(RelayClient {
            when: RelayWhen::Always,
            ..nearest_first()
        });
        auto.set_public(true);
        assert!(auto.choose(now).is_some());
    }

    #[test]
    fn relays_that_fail_by_the_hundred_are_not_all_remembered() {
        let mut auto = AutoRelay::new(nearest_first(), Dial::default());
        let now = Instant::now();
        for _ in 0..2 * ASIDE_MAX {
            let peer = PeerId::random();
            auto.asked(peer, ListenerId::next(), now);
            auto.end(peer, ReservationEnd::Malformed, now);
        }
        assert_eq!(auto.aside.len(), ASIDE_MAX);
    }
}
