//! Why one message did not pass from those who had it to those who did not.
//!
//! The hosts that never got a message form islands: those that were connected with one another
//! while it lived. Between an island and the hosts that had it lies a cut, and what explains the
//! loss is found on the connections across that cut, at the time at which they would have carried
//! the message: nothing that happened elsewhere, or at another time, explains anything. Where no
//! connection crosses, those are asked that once did; if there were none, there was no path.
//!
//! On one connection, what cuts it whole goes before what was told of it, and that before what it
//! was not used for. Owns no record: it reads [`Overlay`] and [`Faults`].

use std::collections::BTreeMap;
use std::ops::Range;

use super::cause::{MessageLoss, Where};
use super::faults::Faults;
use crate::play::Down;
use crate::play::overlay::{Link, OPEN, Overlay};
use crate::workload::publish::messages::{HostSet, Message, Sent};

/// How long it may take a node at most to notice that a connection is dead: pings come every 15 s
/// and have 20 s, idle QUIC connections end before.
const NOTICE_NS: u64 = 60_000_000_000;

/// How long a connection that loses packets may hang before it ends.
const HANG_NS: u64 = 300_000_000_000;

/// A message, and all that is known of the time in which it lived.
pub struct Case<'a> {
    /// What nodes told.
    pub overlay: &'a Overlay,
    /// What faults did.
    pub faults: &'a Faults,
    /// The message.
    pub message: &'a Message,
    /// Hosts whose nodes join its topic.
    pub subscribers: &'a HostSet,
    /// The topic; `None` if no node ever told of it.
    pub topic: Option<usize>,
    /// How long who has a message may still hand it on.
    pub life_ns: u64,
    /// How long who has a message offers it to peers who are new, or outside the mesh.
    pub offers_ns: u64,
    /// Whether the author hands it to all who have joined rather than to its mesh.
    pub floods: bool,
    /// Whether a host's node may take no message of this size.
    pub is_too_large_for: &'a dyn Fn(u32) -> bool,
    /// Bytes of messages that were sent in the minute before it, itself included.
    pub bytes_before: u64,
    /// When the run ended.
    pub end_ns: u64,
}

/// What explains a loss, and the host that it happened to; the better one is less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    /// Whether the message was not to pass over this connection anyway.
    is_aside: bool,
    cause: MessageLoss,
    host: u32,
}

/// The causes of a message's losses, by island.
pub struct Cut {
    /// By host, a host that stands for its island.
    islands: Vec<u32>,
    found: BTreeMap<u32, Found>,
    /// The same with all connections that ever were.
    once: Option<(Vec<u32>, BTreeMap<u32, Found>)>,
}

impl Case<'_> {
    /// Looks at all connections across the cut.
    pub fn cut(&self) -> Cut {
        let window_ns = self.message.at_ns..self.last_ns().saturating_add(self.life_ns);
        let live = |links: &[Link]| links.iter().any(|link| link.span.meets(&window_ns));
        let islands = self.islands(live);
        let mut found = BTreeMap::new();
        for ((holder, other), links) in self.across() {
            let since_ns = self.since_ns(holder);
            let reach_ns = since_ns..since_ns.saturating_add(self.life_ns);
            // To whom is connected later, the message is offered no more.
            let late_ns = since_ns.saturating_add(self.offers_ns);
            let counts = |link: &&Link| link.span.meets(&reach_ns) && link.span.from_ns < late_ns;
            for link in links.iter().filter(counts) {
                let why = self.explain((holder, other), link);
                keep(&mut found, islands[other as usize], why);
            }
        }
        let is_explained = |host: u32| found.contains_key(&islands[host as usize]);
        let lost = |host: &u32| self.lacks(*host);
        let all = (0..).take(islands.len()).filter(lost).all(is_explained);
        let once = (!all).then(|| self.once(window_ns.end));
        Cut {
            islands,
            found,
            once,
        }
    }

    /// Why the message is not at `reader`.
    pub fn cause(&self, cut: &Cut, reader: u32) -> MessageLoss {
        let at_ns = self.message.at_ns;
        if self.message.sent == Sent::AuthorDown {
            return MessageLoss::AuthorDown;
        }
        if let Some(cause) = self.reader_cause(reader, at_ns..at_ns.saturating_add(self.life_ns)) {
            return cause;
        }
        let island = cut.islands[reader as usize];
        let found = cut.found.get(&island).or_else(|| {
            let (islands, found) = cut.once.as_ref()?;
            found.get(&islands[reader as usize])
        });
        let cause = found.map_or(MessageLoss::NoPath, |found| self.seen_from(reader, *found));
        match (self.message.sent, cause) {
            (
                Sent::Refused,
                MessageLoss::Unknown | MessageLoss::InFlight | MessageLoss::NotInMesh,
            ) => MessageLoss::NotPublished,
            (_, cause) => cause,
        }
    }

    /// Whether a reader's node ran and was connected with some other for as long as the message
    /// lived, and the message was sent.
    pub fn was_alive(&self, reader: u32) -> bool {
        let at_ns = self.message.at_ns;
        let life_ns = at_ns..at_ns.saturating_add(self.life_ns);
        self.message.sent == Sent::Yes
            && self.overlay.ran(reader, at_ns)
            && self.death(reader, &life_ns).is_none()
            && self.faults.hinders(reader, &life_ns).is_none()
            && self.overlay.is_linked(reader, &(at_ns..at_ns + 1))
    }

    /// What happened to the reader itself while the message lived.
    fn reader_cause(&self, reader: u32, life_ns: Range<u64>) -> Option<MessageLoss> {
        if !self.overlay.ran(reader, life_ns.start) {
            let lives = self.overlay.lives(reader);
            let comes_first = lives.first();
            let late = comes_first.is_some_and(|life| life.span.from_ns > life_ns.start);
            return Some(if late {
                MessageLoss::ReaderJoinedLate
            } else {
                MessageLoss::ReaderAway
            });
        }
        if let Some(death) = self.death(reader, &life_ns) {
            return Some(of_death(death, Where::Reader));
        }
        if let Some(losses) = self.faults.hinders(reader, &life_ns) {
            return Some(MessageLoss::Hindered(losses, Where::Reader));
        }
        self.is_adrift(reader, &life_ns)
            .then_some(MessageLoss::Moved(Where::Reader))
    }

    /// Whether `host` is in another network in some of `life_ns`, has made no connection there,
    /// and none that it had before has outlived the move.
    fn is_adrift(&self, host: u32, life_ns: &Range<u64>) -> bool {
        let Some(moved_ns) = self.faults.away_since(host, life_ns) else {
            return false;
        };
        let noticed_ns = moved_ns.saturating_add(NOTICE_NS);
        let survived = noticed_ns < life_ns.start
            && self.overlay.is_linked(host, &(noticed_ns..life_ns.start));
        !survived && !self.overlay.has_connected(host, &(moved_ns..life_ns.end))
    }

    /// Why a connection that who had the message saw at that time did not carry it.
    fn explain(&self, (holder, other): (u32, u32), link: &Link) -> Found {
        let since_ns = self.since_ns(holder);
        let is_aside = !self.carries((holder, other), since_ns);
        let carry_ns = self.carry_ns((holder, other));
        let end_ns = since_ns
            .saturating_add(self.life_ns)
            .saturating_add(carry_ns);
        let told = self
            .overlay
            .dropped(
                (holder, other),
                &(since_ns..since_ns.saturating_add(NOTICE_NS)),
            )
            .filter(|at_ns| *at_ns >= link.span.from_ns);
        let before_ns = since_ns.saturating_sub(NOTICE_NS).max(link.span.from_ns);
        let window_ns = since_ns..told.unwrap_or(end_ns).min(end_ns);
        let found = |cause, host| Found {
            is_aside,
            cause,
            host,
        };
        if let Some((cause, host)) = self.severed((holder, other), before_ns, &window_ns) {
            return found(cause, host);
        }
        if self.end_ns < since_ns.saturating_add(self.life_ns) && told.is_none() {
            return found(MessageLoss::InFlight, other);
        }
        if self.is_refused((holder, other), since_ns) {
            return found(MessageLoss::TooLarge, other);
        }
        if is_aside {
            let aside = self.aside((holder, other), &window_ns);
            return found(aside, other);
        }
        if told.is_some() {
            return found(MessageLoss::GossipDropped, other);
        }
        found(self.worn((holder, other), link, &(since_ns..end_ns)), other)
    }

    /// Whether a host left out what it got from who had the message, and the message may have
    /// been that.
    fn is_refused(&self, (holder, other): (u32, u32), since_ns: u64) -> bool {
        let window_ns = since_ns..since_ns.saturating_add(NOTICE_NS);
        (self.is_too_large_for)(other) && self.overlay.refused((other, holder), &window_ns)
    }

    /// What cut a connection whole: since `before_ns`, unless noted otherwise.
    fn severed(
        &self,
        (holder, other): (u32, u32),
        before_ns: u64,
        window_ns: &Range<u64>,
    ) -> Option<(MessageLoss, u32)> {
        let recent_ns = before_ns..window_ns.end;
        if let Some(death) = self.death(other, &recent_ns) {
            return Some((of_death(death, Where::Forwarder), other));
        }
        if let Some(death) = self.death(holder, window_ns) {
            return Some((of_death(death, Where::Forwarder), holder));
        }
        for host in [other, holder] {
            if self.faults.moved(host, &recent_ns) {
                return Some((MessageLoss::Moved(Where::Forwarder), host));
            }
            if let Some(losses) = self.faults.hinders(host, &recent_ns) {
                return Some((MessageLoss::Hindered(losses, Where::Forwarder), host));
            }
        }
        if self.faults.parts((holder, other), window_ns) {
            return Some((MessageLoss::Partitioned, other));
        }
        let mut ways = vec![holder, other];
        let circuits = self.overlay.circuits((holder, other)).iter();
        for circuit in circuits.filter(|circuit| circuit.span.meets(window_ns)) {
            let ends = (holder, other);
            if let Some(found) = self.relay_severed(circuit.relay, ends, &recent_ns, window_ns) {
                return Some(found);
            }
            ways.push(circuit.relay);
        }
        let of_way = |has: &dyn Fn(u32) -> bool| ways.iter().copied().find(|host| has(*host));
        if let Some(host) = of_way(&|host| self.faults.nat_restarted(host, &recent_ns)) {
            return Some((MessageLoss::NatRestarted, host));
        }
        let lost = |host| self.faults.lost_interface(host, &recent_ns, window_ns);
        if let Some(host) = of_way(&lost) {
            return Some((MessageLoss::InterfaceDown, host));
        }
        let silent = of_way(&|host| self.faults.is_silent(host, window_ns));
        silent.map(|host| (MessageLoss::LinkSilent, host))
    }

    /// What cut a circuit at its relay.
    fn relay_severed(
        &self,
        relay: u32,
        (holder, other): (u32, u32),
        recent_ns: &Range<u64>,
        window_ns: &Range<u64>,
    ) -> Option<(MessageLoss, u32)> {
        if let Some(death) = self.death(relay, recent_ns) {
            return Some((of_death(death, Where::Relay), relay));
        }
        if self.faults.moved(relay, recent_ns) {
            return Some((MessageLoss::Moved(Where::Relay), relay));
        }
        if let Some(losses) = self.faults.hinders(relay, recent_ns) {
            return Some((MessageLoss::Hindered(losses, Where::Relay), relay));
        }
        let parts = |end: u32| self.faults.parts((end, relay), window_ns);
        (parts(holder) || parts(other)).then_some((MessageLoss::Partitioned, other))
    }

    /// Why the message was not to pass over a connection that was there.
    fn aside(&self, ends: (u32, u32), window_ns: &Range<u64>) -> MessageLoss {
        let at_ns = window_ns.start;
        let knew = |topic| self.overlay.knew_joined(ends, topic, at_ns);
        if self.topic.is_some_and(knew) {
            return MessageLoss::NotInMesh;
        }
        // What the peer has joined may be on its way.
        let of_ends = |has: &dyn Fn(u32) -> bool| has(ends.0) || has(ends.1);
        if of_ends(&|host| self.faults.loses_more(host, window_ns)) {
            MessageLoss::LinkLoss
        } else if of_ends(&|host| self.faults.is_changed(host, window_ns)) {
            MessageLoss::LinkSlow
        } else {
            MessageLoss::NotSubscribed
        }
    }

    /// What became of a connection that was not cut, and over which the message was to pass.
    fn worn(&self, ends: (u32, u32), link: &Link, window_ns: &Range<u64>) -> MessageLoss {
        let since_ns = window_ns.start;
        let hang_ns = since_ns..since_ns.saturating_add(HANG_NS);
        let ended = |within_ns: &Range<u64>| {
            within_ns.contains(&link.span.to_ns)
                || link.span.to_ns == OPEN && within_ns.contains(&self.end_ns)
        };
        let of_ends = |has: &dyn Fn(u32) -> bool| has(ends.0) || has(ends.1);
        if ended(&hang_ns) && of_ends(&|host| self.faults.loses(host, &hang_ns)) {
            return MessageLoss::LinkLoss;
        }
        if ended(&hang_ns) && of_ends(&|host| self.faults.is_changed(host, &hang_ns)) {
            return MessageLoss::LinkSlow;
        }
        let circuits = self.overlay.circuits(ends);
        if circuits
            .iter()
            .any(|circuit| circuit.limited && window_ns.contains(&circuit.span.to_ns))
        {
            return MessageLoss::CircuitEnded;
        }
        if window_ns.contains(&link.span.to_ns) {
            return MessageLoss::ConnectionLost;
        }
        // Run's end within the time that a slow link needs for what lay before it.
        if link.span.to_ns == OPEN && self.end_ns < window_ns.end {
            return MessageLoss::InFlight;
        }
        MessageLoss::Unknown
    }

    /// Whether who had the message was to hand it to a connected peer unasked.
    fn carries(&self, ends: (u32, u32), since_ns: u64) -> bool {
        let Some(topic) = self.topic else {
            return false;
        };
        let floods = self.floods && ends.0 == self.message.author;
        self.overlay.knew_joined(ends, topic, since_ns)
            && (floods || self.overlay.in_mesh(ends, topic, since_ns))
    }

    /// How long the message may take at most to pass, with what goes before it and beside it.
    fn carry_ns(&self, (holder, other): (u32, u32)) -> u64 {
        let Some(rate_bps) = self.faults.rate_bps((holder, other)) else {
            return 0;
        };
        let peers = self.overlay.peers_at(holder, self.since_ns(holder));
        let bits = u128::from(self.bytes_before) * 8 * u128::from(peers.max(1));
        let carry_ns = bits * 1_000_000_000 / u128::from(rate_bps.max(1));
        u64::try_from(carry_ns).map_or(HANG_NS, |carry_ns| carry_ns.min(HANG_NS))
    }

    /// What keeps connections away that once led across the cut.
    fn once(&self, until_ns: u64) -> (Vec<u32>, BTreeMap<u32, Found>) {
        let ever = |links: &[Link]| links.iter().any(|link| link.span.from_ns < until_ns);
        let islands = self.islands(ever);
        let mut found = BTreeMap::new();
        for ((one, other), links) in self.overlay.links() {
            let (holder, other) = match (self.lacks(one), self.lacks(other)) {
                (false, true) => (one, other),
                (true, false) => (other, one),
                _ => continue,
            };
            if !ever(links) || !self.has(holder) {
                continue;
            }
            if let Some((cause, host)) = self.kept_apart(holder, other) {
                let why = Found {
                    is_aside: false,
                    cause,
                    host,
                };
                keep(&mut found, islands[other as usize], why);
            }
        }
        (islands, found)
    }

    /// Why two hosts are not connected that once were, while the one had the message.
    fn kept_apart(&self, holder: u32, other: u32) -> Option<(MessageLoss, u32)> {
        let since_ns = self.since_ns(holder);
        let window_ns = since_ns..since_ns.saturating_add(self.life_ns);
        for host in [other, holder] {
            if !self.overlay.ran(host, since_ns) {
                let lives = self.overlay.lives(host).iter();
                let past = lives.filter(|life| life.span.to_ns <= since_ns);
                if let Some(death) = past.filter_map(|life| life.death).next_back() {
                    return Some((of_death(death, Where::Forwarder), host));
                }
            }
            if self.is_adrift(host, &window_ns) {
                return Some((MessageLoss::Moved(Where::Forwarder), host));
            }
            if let Some(losses) = self.faults.hinders(host, &window_ns) {
                return Some((MessageLoss::Hindered(losses, Where::Forwarder), host));
            }
        }
        if self.faults.parts((holder, other), &window_ns) {
            return Some((MessageLoss::Partitioned, other));
        }
        let of_ends = |has: &dyn Fn(u32) -> bool| [other, holder].into_iter().find(|at| has(*at));
        let harm: [(MessageLoss, &dyn Fn(u32) -> bool); 4] = [
            (MessageLoss::InterfaceDown, &|host| {
                self.faults.lost_interface(host, &window_ns, &window_ns)
            }),
            (MessageLoss::LinkSilent, &|host| {
                self.faults.is_silent(host, &window_ns)
            }),
            (MessageLoss::LinkLoss, &|host| {
                self.faults.loses_more(host, &window_ns)
            }),
            (MessageLoss::LinkSlow, &|host| {
                self.faults.is_changed(host, &window_ns)
            }),
        ];
        harm.into_iter()
            .find_map(|(cause, has)| of_ends(has).map(|host| (cause, host)))
    }

    /// By host, which one stands for its island of hosts without the message.
    fn islands(&self, counts: impl Fn(&[Link]) -> bool) -> Vec<u32> {
        let mut parents: Vec<u32> = (0..).take(self.overlay.hosts()).collect();
        for ((one, other), links) in self.overlay.links() {
            if self.lacks(one) && self.lacks(other) && counts(links) {
                let (one, other) = (root(&mut parents, one), root(&mut parents, other));
                parents[one.max(other) as usize] = one.min(other);
            }
        }
        let hosts = 0..parents.len() as u32;
        hosts.map(|host| root(&mut parents, host)).collect()
    }

    /// Connections of who had the message, in their view, with who did not.
    fn across(&self) -> impl Iterator<Item = ((u32, u32), &[Link])> {
        let links = self.overlay.links();
        links.filter(|((one, other), _)| self.has(*one) && self.lacks(*other))
    }

    fn has(&self, host: u32) -> bool {
        host == self.message.author || self.message.got.contains(host)
    }

    /// Whether a host was to get the message, and did not.
    fn lacks(&self, host: u32) -> bool {
        self.subscribers.contains(host) && !self.has(host)
    }

    /// Since when a host has the message.
    fn since_ns(&self, host: u32) -> u64 {
        let at_ns = self.message.at_ns;
        if host == self.message.author {
            at_ns
        } else {
            self.message.arrived_ns(host).unwrap_or(at_ns)
        }
    }

    /// When the last host that got the message got it.
    fn last_ns(&self) -> u64 {
        self.message.last_ns()
    }

    /// How the life of a node ended within `window_ns`, if it did.
    fn death(&self, host: u32, window_ns: &Range<u64>) -> Option<Down> {
        let lives = self.overlay.lives(host).iter();
        let mut ended = lives.filter(|life| window_ns.contains(&life.span.to_ns));
        ended.find_map(|life| life.death)
    }

    /// A cause, with the host that it happened to as `reader` sees it.
    fn seen_from(&self, reader: u32, found: Found) -> MessageLoss {
        let place = |place: Where| match place {
            Where::Forwarder if found.host == reader => Where::Reader,
            Where::Forwarder if found.host == self.message.author => Where::Author,
            place => place,
        };
        match found.cause {
            MessageLoss::LostPower(at) => MessageLoss::LostPower(place(at)),
            MessageLoss::Stopped(at) => MessageLoss::Stopped(place(at)),
            MessageLoss::Moved(at) => MessageLoss::Moved(place(at)),
            MessageLoss::Hindered(losses, at) => MessageLoss::Hindered(losses, place(at)),
            cause => cause,
        }
    }
}

fn of_death(death: Down, place: Where) -> MessageLoss {
    match death {
        Down::LostPower => MessageLoss::LostPower(place),
        Down::Stopped => MessageLoss::Stopped(place),
    }
}

/// Keeps the better of two explanations of one island.
fn keep(found: &mut BTreeMap<u32, Found>, island: u32, why: Found) {
    let kept = found.entry(island).or_insert(why);
    *kept = why.min(*kept);
}

/// The host that stands for the island of `host`; ways there get shorter by asking.
fn root(parents: &mut [u32], mut host: u32) -> u32 {
    while parents[host as usize] != host {
        let above = parents[host as usize];
        parents[host as usize] = parents[above as usize];
        host = above;
    }
    host
}
