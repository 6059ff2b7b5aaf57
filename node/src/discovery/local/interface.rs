//! Local discovery on one interface: when it asks, and what it answers.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures_timer::Delay;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use super::network::LocalSocket;
use super::packet::{Neighbour, Packet, answer, question, service_answer};
use crate::shape::is_direct;

/// The second question comes twice so long after the first; the pause doubles until it
/// would be as long as the usual one, as with libp2p-mdns.
const PROBE_FIRST: Duration = Duration::from_millis(500);
/// A question comes later than the interval by less than this, so that nodes that began
/// together do not ask together for ever.
const JITTER_MS: u64 = 100;
/// Packets that may wait to be sent; more are lost.
const TO_SEND_MAX: usize = 16;
/// Packets that are read in one turn.
const PACKETS_AT_ONCE: usize = 64;
/// Longest packet that is read; RFC 6762 §17 asks for no more than 9,000 bytes, and
/// libp2p-mdns reads so many.
const PACKET_BYTES_MAX: usize = 4_096;
/// Answers that may follow each other at once, and then one in each such time. A hundred
/// neighbours that start together are answered; whoever asks without end is not.
const ANSWERS: Rate = Rate {
    at_once: 100,
    every: Duration::from_millis(100),
};
/// The same of packets that are read: all hear what a hundred neighbours answer to ten questions at once.
const PACKETS: Rate = Rate {
    at_once: 1_000,
    every: Duration::from_millis(5),
};
/// The same of one sender's packets, so that it alone hides nobody.
const PACKETS_OF_ONE: Rate = Rate {
    at_once: 100,
    every: Duration::from_millis(20),
};
/// Senders of which it is remembered what they have sent; beyond that all are forgotten.
const SENDERS_MAX: usize = 256;

/// What an interface's node tells of itself.
pub struct Announcement<'a> {
    /// Whom to name.
    pub us: PeerId,
    /// A name without meaning.
    pub name: &'a str,
    /// Where it listens; what is not on the interface is left out.
    pub listens: &'a [Multiaddr],
    /// How long that holds, in seconds.
    pub ttl_s: u32,
}

/// What happened on an interface.
pub enum Happened {
    /// Somebody else told where a peer listens; the addresses lead to the sender.
    Found(Neighbour),
    /// Too much has come: it is not all read, or answered. Of which bound.
    Flooded(&'static str),
    /// The socket is of no more use.
    Broken(io::Error),
}

/// One interface.
pub struct Interface {
    ip: Ipv4Addr,
    socket: Box<dyn LocalSocket>,
    to_send: VecDeque<Vec<u8>>,
    found: VecDeque<Neighbour>,
    next_question: Delay,
    /// The pause before the next question.
    pause: Duration,
    /// The pause that questions end up with.
    interval: Duration,
    answers: Budget,
    packets: Budget,
    senders: BTreeMap<IpAddr, Budget>,
    buffer: Box<[u8; PACKET_BYTES_MAX]>,
}

impl Interface {
    /// Local discovery over `socket`, which belongs to the address `ip`; it asks at once.
    pub fn new(ip: Ipv4Addr, socket: Box<dyn LocalSocket>, interval: Duration) -> Self {
        let jitter = Duration::from_millis(rand::random_range(0..JITTER_MS));
        Self {
            ip,
            socket,
            to_send: VecDeque::new(),
            found: VecDeque::new(),
            next_question: Delay::new(Duration::ZERO),
            pause: PROBE_FIRST,
            interval: interval + jitter,
            answers: Budget::new(ANSWERS, Instant::now()),
            packets: Budget::new(PACKETS, Instant::now()),
            senders: BTreeMap::new(),
            buffer: Box::new([0; PACKET_BYTES_MAX]),
        }
    }

    /// Asks, answers and listens; `told` is asked for when there is a question.
    pub fn poll<'a>(
        &mut self,
        cx: &mut Context<'_>,
        told: impl Fn() -> Announcement<'a>,
    ) -> Poll<Happened> {
        for _ in 0..PACKETS_AT_ONCE {
            if let Some(neighbour) = self.found.pop_front() {
                return Poll::Ready(Happened::Found(neighbour));
            }
            if self.next_question.poll_unpin(cx).is_ready() {
                self.ask();
            }
            self.poll_send(cx);
            match self.socket.poll_receive(cx, &mut self.buffer[..]) {
                Poll::Ready(Ok((length, from))) => {
                    match self.take_packet(from.ip(), Instant::now()) {
                        Taken::Yes => {}
                        Taken::Exhausted => return Poll::Ready(Happened::Flooded("mdns-packets")),
                        Taken::No => continue,
                    }
                    let packet = Packet::read(&self.buffer[..length]);
                    if let Some(happened) = packet.and_then(|packet| self.act(packet, from, &told))
                    {
                        return Poll::Ready(happened);
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Happened::Broken(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        // Others have their turn before what else has come.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether another packet of this sender is read.
    fn take_packet(&mut self, from: IpAddr, now: Instant) -> Taken {
        if self.senders.len() >= SENDERS_MAX && !self.senders.contains_key(&from) {
            self.senders.clear();
        }
        let sender = self.senders.entry(from);
        let sender = sender.or_insert_with(|| Budget::new(PACKETS_OF_ONE, now));
        match sender.take(now) {
            Taken::Yes => self.packets.take(now),
            spent => spent,
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) {
        while let Some(packet) = self.to_send.front() {
            match self.socket.poll_send(cx, packet) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    tracing::warn!(ip = %self.ip, %error, "cannot send to the local network");
                }
                Poll::Pending => return,
            }
            self.to_send.pop_front();
        }
    }

    fn ask(&mut self) {
        self.send(question(rand::random()));
        if self.pause < self.interval {
            self.pause = (self.pause * 2).min(self.interval);
        }
        self.next_question.reset(self.pause);
    }

    fn act<'a>(
        &mut self,
        packet: Packet,
        from: SocketAddr,
        told: &impl Fn() -> Announcement<'a>,
    ) -> Option<Happened> {
        match packet {
            Packet::Question { .. } | Packet::ServiceQuestion { .. } => {
                match self.answers.take(Instant::now()) {
                    Taken::Yes => {}
                    Taken::Exhausted => return Some(Happened::Flooded("mdns-answers")),
                    Taken::No => return None,
                }
                let told = told();
                let mine = |address: &&Multiaddr| address.iter().next() == Some(self.ip.into());
                let listens: Vec<_> = told.listens.iter().filter(mine).cloned().collect();
                self.send(match packet {
                    Packet::Question { id } => answer(id, told.name, told.us, &listens, told.ttl_s),
                    Packet::ServiceQuestion { id } => service_answer(id, told.ttl_s),
                    Packet::Answer(_) | Packet::Other => return None,
                });
            }
            Packet::Answer(neighbours) => {
                let us = told().us;
                let others = neighbours.into_iter().filter(|other| other.peer != us);
                self.found.extend(others.map(|mut other| {
                    other
                        .addresses
                        .retain_mut(|address| seen_at(address, from.ip()));
                    other
                }));
                if !self.found.is_empty() {
                    // Somebody is there, and all hear the answers to one question.
                    self.pause = self.interval;
                    self.next_question.reset(self.pause);
                }
            }
            Packet::Other => {}
        }
        None
    }

    fn send(&mut self, packet: Vec<u8>) {
        if self.to_send.len() < TO_SEND_MAX {
            self.to_send.push_back(packet);
        }
    }
}

/// Has `address` lead to `ip`, from which it was told: a machine need not know by which of
/// its addresses others see it, and nobody can send us elsewhere. False if it names no IP, or more than
/// a port there.
fn seen_at(address: &mut Multiaddr, ip: IpAddr) -> bool {
    let same_family = match address.iter().next() {
        Some(Protocol::Ip4(_)) => ip.is_ipv4(),
        Some(Protocol::Ip6(_)) => ip.is_ipv6(),
        _ => false,
    };
    let fits = same_family && is_direct(address);
    let seen = address.replace(0, |_| Some(ip.into())).filter(|_| fits);
    match seen {
        Some(seen) => {
            *address = seen;
            true
        }
        None => false,
    }
}

/// How much may happen at once, and then one thing in each such time.
#[derive(Debug, Clone, Copy)]
struct Rate {
    at_once: u32,
    every: Duration,
}

/// How many answers may still be sent, or packets read.
struct Budget {
    rate: Rate,
    left: u32,
    /// When `left` was right.
    since: Instant,
    told: bool,
}

/// What is left of a budget.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Yes,
    /// Nothing, for the first time since there was something.
    Exhausted,
    No,
}

impl Budget {
    fn new(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            left: rate.at_once,
            since: now,
            told: false,
        }
    }

    fn take(&mut self, now: Instant) -> Taken {
        let Rate { at_once, every } = self.rate;
        let earned = now.saturating_duration_since(self.since).as_millis() / every.as_millis();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX).min(at_once);
        if earned > 0 {
            self.left = (self.left + earned).min(at_once);
            self.since = now;
        }
        if self.left == at_once {
            self.told = false;
        }
        if self.left > 0 {
            self.left -= 1;
            return Taken::Yes;
        }
        if std::mem::replace(&mut self.told, true) {
            Taken::No
        } else {
            Taken::Exhausted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_to_whoever_told_them() {
        let check = |address: &str, expected: Option<&str>| {
            let mut address: Multiaddr = address.parse().expect("an address");
            let kept = seen_at(&mut address, Ipv4Addr::new(192, 0, 2, 7).into());
            assert_eq!(kept.then(|| address.to_string()).as_deref(), expected);
        };
        check("/ip4/10.0.0.1/tcp/1", Some("/ip4/192.0.2.7/tcp/1"));
        check(
            "/ip4/127.0.0.1/udp/1/quic-v1",
            Some("/ip4/192.0.2.7/udp/1/quic-v1"),
        );
        check("/ip6/::1/tcp/1", None);
        check("/dns4/example.org/tcp/1", None);
        check("/ip4/10.0.0.1/ip4/127.0.0.1/tcp/22", None);
        check("/ip4/10.0.0.1/dns4/router.lan/tcp/80", None);
        check("/ip4/10.0.0.1/tcp/1/p2p-circuit", None);
    }

    #[test]
    fn a_flood_is_read_and_answered_at_a_bounded_rate_and_told_once() {
        let start = Instant::now();
        for (rate, in_a_second) in [(ANSWERS, 10), (PACKETS, 200), (PACKETS_OF_ONE, 50)] {
            let mut budget = Budget::new(rate, start);
            let mut count = |after: Duration, things: u32| {
                let taken: Vec<_> = (0..things).map(|_| budget.take(start + after)).collect();
                let of = |kind| taken.iter().filter(|taken| **taken == kind).count() as u32;
                (of(Taken::Yes), of(Taken::Exhausted))
            };
            assert_eq!(count(Duration::ZERO, 2_000), (rate.at_once, 1));
            assert_eq!(count(Duration::from_secs(1), 2_000), (in_a_second, 0));
            assert_eq!(count(Duration::from_mins(1), 2_000), (rate.at_once, 1));
        }
    }
}
