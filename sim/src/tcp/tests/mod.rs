//! Two connections over a small channel that delays, loses, reorders and
//! duplicates. Start here: [`Pair`] drives both ends in virtual time.

mod analytic;
mod closing;
mod garbage;
mod handshake;
mod liveness;
mod selective;
mod transfer;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Config, Connection, Segment, State};
use crate::random::Stream;
use crate::time::SimTime;
use crate::units::{Rate, Ratio};

/// One end of the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    A,
    B,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// What the channel does to segments, the same in both directions.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
    pub(super) loss: Ratio,
    /// Loses each segment with payload whose number is a multiple of this.
    pub(super) lose_every: Option<u64>,
    pub(super) duplicate: Ratio,
    pub(super) rate: Option<Rate>,
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(50),
            jitter: Duration::ZERO,
            loss: Ratio::ZERO,
            lose_every: None,
            duplicate: Ratio::ZERO,
            rate: None,
        }
    }
}

/// Two ends and what is between them.
pub(super) struct Pair {
    pub(super) now: SimTime,
    pub(super) a: Option<Connection>,
    pub(super) b: Option<Connection>,
    /// Whether B answers connection requests.
    pub(super) listening: bool,
    pub(super) channel: Channel,
    /// Segments of these sides are lost from now on.
    pub(super) silent: Vec<Side>,
    /// Every segment sent: when, by which end, what.
    pub(super) log: Vec<(SimTime, Side, String)>,
    /// Bytes of each, TCP header included.
    pub(super) sizes: Vec<usize>,
    configs: [Arc<Config>; 2],
    in_flight: BTreeMap<(SimTime, u64), (Side, Segment)>,
    busy: [SimTime; 2],
    sent: u64,
    payloads: u64,
    random: Stream,
}

pub(super) fn address(side: Side) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + side as u8], 4_001))
}

impl Pair {
    pub(super) fn new(config: Config, channel: Channel, seed: u64) -> Self {
        Self::with_configs([config.clone(), config], channel, seed)
    }

    /// A pair whose sides differ.
    pub(super) fn with_configs(configs: [Config; 2], channel: Channel, seed: u64) -> Self {
        Self {
            now: SimTime::ZERO,
            a: None,
            b: None,
            listening: true,
            channel,
            silent: Vec::new(),
            log: Vec::new(),
            sizes: Vec::new(),
            configs: configs.map(Arc::new),
            in_flight: BTreeMap::new(),
            busy: [SimTime::ZERO; 2],
            sent: 0,
            payloads: 0,
            random: Stream::new(seed, "channel", 0),
        }
    }

    /// A pair after the handshake.
    pub(super) fn established(config: Config, channel: Channel, seed: u64) -> Self {
        let mut pair = Self::new(config, channel, seed);
        pair.connect(Side::A);
        pair.drive(|pair| {
            let open =
                |end: &Option<Connection>| end.as_ref().is_some_and(Connection::is_established);
            open(&pair.a) && open(&pair.b)
        });
        pair
    }

    /// Sends a SYN from `side`. The first initial sequence numbers are close to
    /// wrapping; later ones differ.
    pub(super) fn connect(&mut self, side: Side) {
        let (local, remote) = (address(side), address(side.other()));
        let isn = (u32::MAX - 5 - side as u32).wrapping_add(self.sent as u32 * 100_000);
        *self.end(side) = Some(Connection::connect(
            self.now,
            &Arc::clone(&self.configs[side as usize]),
            local,
            remote,
            isn,
        ));
        self.flush();
    }

    pub(super) fn end(&mut self, side: Side) -> &mut Option<Connection> {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    pub(super) fn a(&mut self) -> &mut Connection {
        self.a.as_mut().expect("A has connected")
    }

    pub(super) fn b(&mut self) -> &mut Connection {
        self.b.as_mut().expect("B has connected")
    }

    pub(super) fn states(&self) -> [Option<State>; 2] {
        [&self.a, &self.b].map(|end| end.as_ref().map(Connection::state))
    }

    /// Sends what is due on both sides.
    pub(super) fn flush(&mut self) {
        for side in [Side::A, Side::B] {
            let now = self.now;
            while let Some(segment) = self
                .end(side)
                .as_mut()
                .and_then(|end| end.poll_transmit(now))
            {
                self.transmit(side, &segment);
            }
        }
    }

    /// Puts a segment on the channel.
    pub(super) fn transmit(&mut self, from: Side, segment: &Segment) {
        self.log.push((self.now, from, describe(segment)));
        self.sizes.push(segment.wire_len());
        self.payloads += u64::from(!segment.payload.is_empty());
        let unlucky = |every| !segment.payload.is_empty() && self.payloads.is_multiple_of(every);
        if self.silent.contains(&from)
            || self.random.chance(self.channel.loss)
            || self.channel.lose_every.is_some_and(unlucky)
        {
            return;
        }
        let copies = 1 + u32::from(self.random.chance(self.channel.duplicate));
        for _ in 0..copies {
            let start = self.now.max(self.busy[from as usize]);
            let size = segment.wire_len() as u64 + 20;
            let sent = start
                + self
                    .channel
                    .rate
                    .map_or(Duration::ZERO, |r| r.transmit_time(size));
            self.busy[from as usize] = sent;
            let jitter = self.random.uniform(Duration::ZERO, self.channel.jitter);
            let arrival = sent + self.channel.delay + jitter;
            self.sent += 1;
            let entry = (from.other(), segment.clone());
            self.in_flight.insert((arrival, self.sent), entry);
        }
    }

    /// Lets the next thing happen; false if nothing is left to happen.
    pub(super) fn step(&mut self) -> bool {
        let arrival = self.in_flight.keys().next().map(|&(at, _)| at);
        let timer = [&self.a, &self.b]
            .into_iter()
            .flatten()
            .filter_map(Connection::next_timeout)
            .min();
        let Some(next) = arrival.into_iter().chain(timer).min() else {
            return false;
        };
        assert!(next < SimTime::MAX, "a timer is never due");
        self.now = self.now.max(next);
        let now = self.now;
        if arrival == Some(next) {
            let (_, (to, segment)) = self.in_flight.pop_first().expect("it was just seen");
            self.deliver(to, segment);
        } else {
            for end in [&mut self.a, &mut self.b].into_iter().flatten() {
                end.on_timer(now);
            }
        }
        self.flush();
        true
    }

    /// Hands `segment` to `to` as a host would.
    pub(super) fn deliver(&mut self, to: Side, segment: Segment) {
        let now = self.now;
        let listening = self.listening && to == Side::B;
        let config = Arc::clone(&self.configs[to as usize]);
        let end = self.end(to);
        match end {
            Some(end) if !end.is_closed() => end.on_segment(now, segment),
            _ if listening && segment.is_connection_request() => {
                let (local, remote) = (address(to), address(to.other()));
                *end = Some(Connection::accept(
                    now, &config, local, remote, 77, &segment,
                ));
            }
            _ => {
                if let Some(reset) = segment.reset_reply() {
                    self.transmit(to, &reset);
                }
            }
        }
    }

    /// Steps until `done`, or until nothing is left to happen.
    pub(super) fn drive(&mut self, done: impl Fn(&Self) -> bool) {
        let mut steps = 0;
        while !done(self) && self.step() {
            steps += 1;
            assert!(steps < 3_000_000, "the pair does not come to rest");
        }
    }

    /// Steps until nothing is left to happen.
    pub(super) fn settle(&mut self) {
        self.drive(|_| false);
    }

    /// Lets `duration` pass.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let timers = [&self.a, &self.b].into_iter().flatten();
            let next = timers
                .filter_map(Connection::next_timeout)
                .chain(self.in_flight.keys().map(|&(at, _)| at))
                .min();
            if next.is_none_or(|next| next > end) {
                break;
            }
            self.step();
        }
        self.now = end;
    }

    /// What was sent, one line each: `A SYN`.
    pub(super) fn transcript(&self) -> Vec<String> {
        let lines = self.log.iter();
        lines
            .map(|(_, side, segment)| format!("{side:?} {segment}"))
            .collect()
    }
}

fn describe(segment: &Segment) -> String {
    let blocks = match segment.options.sack.len() {
        0 => String::new(),
        blocks => format!(" sack {blocks}"),
    };
    match segment.payload.len() {
        0 => format!("{:?}{blocks}", segment.flags),
        len => format!("{:?} {len}{blocks}", segment.flags),
    }
}

/// Bytes whose places show.
fn byte_stream(len: usize) -> Vec<u8> {
    (0..len)
        .map(|place| (place * 31 + place / 251) as u8)
        .collect()
}
