//! Two TCP connections on a wire that the input plays: it chooses their settings and
//! who opens, delivers, loses, repeats and reorders segments, lets time pass, writes,
//! reads and closes at either end, and forges segments, from nothing or out of those
//! on the wire.
//!
//! Nothing panics; the first segment, the timers and the memory keep their bounds;
//! as long as nothing was forged, what is read is what was written, in order, and
//! once the wire behaves, everything written arrives: no state is a dead end.
#![no_main]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use orrery_sim::tcp::{Config, Congestion, Connection, Flags, Keepalive, Options, Segment};
use orrery_sim::time::SimTime;

/// Segments on the way in one direction; more are lost, as from a full queue.
const IN_FLIGHT_MAX: usize = 64;

/// What the input may do; the rest of a longer one is not played.
const STEPS_MAX: usize = 192;

/// Turns after which a wire that behaves must have carried everything.
const TURNS_MAX: usize = 20_000;

/// Beyond its buffers an end may hold its tables: ranges, slots, gathered writes.
/// Every 256 bytes of buffer allow a piece, which takes less than this.
const TABLES_BYTES_MAX: usize = 48 << 10;

/// Segments that an end may send without time passing or anything arriving.
const BURST_MAX: usize = 4_096;

/// One end and what is on its way to it.
struct End {
    connection: Connection,
    inbox: VecDeque<Segment>,
    written: u64,
    read: u64,
    buffers_bytes: usize,
    /// Closed, so that it reads no more.
    released: bool,
}

/// The input, read byte by byte; zeros when it is used up.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn word(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// Settings: the bounds small enough to be reached.
    fn config(&mut self) -> Config {
        let chosen = self.byte();
        let bit = |place: u8| chosen >> place & 1 == 1;
        Config {
            congestion: if bit(0) {
                Congestion::NewReno
            } else {
                Congestion::Cubic
            },
            sack: !bit(1),
            delayed_ack: (!bit(2)).then_some(Duration::from_millis(40)),
            nagle: bit(3),
            keepalive: bit(4).then(Keepalive::default),
            send_buffer_bytes: if bit(5) { 3_000 } else { 40_000 },
            receive_buffer_bytes: if bit(6) { 2_000 } else { 60_000 },
            mtu: if bit(7) { 600 } else { 1_500 },
            ..Config::default()
        }
    }

    /// A segment of the wire, changed here and there.
    fn changed(&mut self, mut segment: Segment) -> Segment {
        let chosen = self.byte();
        let by = |amount: u8| u32::from(amount).wrapping_sub(128).wrapping_mul(61);
        if chosen & 1 != 0 {
            segment.seq = segment.seq.wrapping_add(by(self.byte()));
        }
        if chosen & 2 != 0 {
            segment.ack = segment.ack.wrapping_add(by(self.byte()));
        }
        if chosen & 4 != 0 {
            segment.flags = Flags::from_bits(segment.flags.bits() ^ self.byte());
        }
        if chosen & 8 != 0 {
            segment.window = u16::from(self.byte());
        }
        for _ in 0..chosen >> 6 {
            let start = segment.ack.wrapping_add(by(self.byte()));
            let len = u32::from(self.byte()) * 61;
            segment.options.sack.push(start, start.wrapping_add(len));
        }
        segment
    }

    fn segment(&mut self) -> Segment {
        let flags = Flags::from_bits(self.byte());
        let mut options = Options::default();
        let chosen = self.byte();
        options.mss = (chosen & 1 != 0).then(|| self.word() as u16);
        options.window_scale = (chosen & 2 != 0).then(|| self.byte());
        options.sack_permitted = chosen & 4 != 0;
        for _ in 0..(chosen >> 5) {
            options.sack.push(self.word(), self.word());
        }
        Segment {
            seq: self.word(),
            ack: self.word(),
            flags,
            window: self.word() as u16,
            options,
            payload: Bytes::from(vec![0xee; usize::from(self.byte()) * 8]),
        }
    }
}

/// The byte at `place` of what every end writes.
fn pattern(place: u64) -> u8 {
    (place % 251) as u8
}

fn write(end: &mut End, len: usize) {
    let len = len.min(end.connection.writable());
    let data: Vec<u8> = (0..len as u64)
        .map(|at| pattern(end.written + at))
        .collect();
    let taken = end.connection.write(&data);
    assert_eq!(taken, len, "less is taken than there is room for");
    end.written += taken as u64;
}

fn read(end: &mut End, len: usize, forged: bool) {
    let len = len.min(end.connection.readable());
    let mut buffer = vec![0; len];
    let got = end.connection.read(&mut buffer);
    assert_eq!(got, len, "less is read than can be");
    let expected = (end.read..).map(pattern);
    assert!(
        forged || buffer.iter().copied().eq(expected.take(len)),
        "other bytes than were written"
    );
    end.read += got as u64;
}

/// Puts on the wire what `ends[from]` wants to send.
fn flush(ends: &mut [End; 2], from: usize, now: SimTime) {
    for _ in 0..BURST_MAX {
        let Some(segment) = ends[from].connection.poll_transmit(now) else {
            return;
        };
        let inbox = &mut ends[1 - from].inbox;
        if inbox.len() < IN_FLIGHT_MAX {
            inbox.push_back(segment);
        }
    }
    panic!("an end sends without end");
}

fn step(script: &mut Script<'_>, ends: &mut [End; 2], now: &mut SimTime, forged: &mut bool) {
    let chosen = script.byte();
    let at = usize::from(chosen & 1);
    let end = &mut ends[at];
    match (chosen >> 1) % 14 {
        0..=3 => {
            if let Some(segment) = end.inbox.pop_front() {
                end.connection.on_segment(*now, segment);
            }
        }
        4 => {
            end.inbox.pop_front();
        }
        5 => {
            if let Some(segment) = end.inbox.front().cloned() {
                end.inbox.push_back(segment);
            }
        }
        6 => end.inbox.rotate_left(usize::from(end.inbox.len() > 1)),
        7 => {
            // To the next timer, or to just before it.
            let Some(due) = end.connection.next_timeout() else {
                return;
            };
            *now = (*now).max(due);
            end.connection.on_timer(*now);
        }
        8 => write(end, usize::from(script.byte()) * 64),
        9 => read(end, usize::from(script.byte()) * 64, *forged),
        10 => match script.byte() % 16 {
            0 => end.connection.abort(),
            1 => {
                end.connection.close(*now);
                end.released = true;
            }
            _ => end.connection.shutdown_write(),
        },
        11 => {
            *forged = true;
            end.connection.on_segment(*now, script.segment());
        }
        _ => {
            if let Some(segment) = end.inbox.front().cloned() {
                *forged = true;
                end.connection.on_segment(*now, script.changed(segment));
            }
        }
    }
    flush(ends, at, *now);
    let end = &ends[at];
    let bound = size_of::<Connection>() + end.buffers_bytes + TABLES_BYTES_MAX;
    assert!(
        end.connection.memory_bytes() <= bound,
        "memory without bound"
    );
}

/// Lets the wire behave until both ends have what the other has written, or have
/// ended: in order, unless one was closed over the other's data, or gave up.
fn settle(ends: &mut [End; 2], now: &mut SimTime, forged: bool) {
    for _ in 0..TURNS_MAX {
        let mut moved = false;
        for at in 0..2 {
            while let Some(segment) = ends[at].inbox.pop_front() {
                ends[at].connection.on_segment(*now, segment);
                flush(ends, at, *now);
                moved = true;
            }
            read(&mut ends[at], usize::MAX, forged);
            flush(ends, at, *now);
        }
        let over = |at: usize| {
            let (end, other) = (&ends[at], &ends[1 - at]);
            end.connection.is_closed() || end.read == other.written && end.connection.is_flushed()
        };
        if over(0) && over(1) {
            let gave_up = |end: &End| end.released || end.connection.error().is_some();
            let complete = ends[0].read == ends[1].written && ends[1].read == ends[0].written;
            assert!(complete || ends.iter().any(gave_up), "an end without all");
            return;
        }
        let due = ends
            .iter()
            .filter_map(|end| end.connection.next_timeout())
            .min();
        if !moved {
            *now = (*now).max(due.expect("an end waits for nothing"));
        }
        for at in 0..2 {
            ends[at].connection.on_timer(*now);
            flush(ends, at, *now);
        }
    }
    panic!("what was written does not arrive");
}

fuzz_target!(|input: &[u8]| {
    let mut script = Script(input);
    let configs = [script.config(), script.config()].map(Arc::new);
    let addresses = [
        SocketAddr::from(([10, 0, 0, 1], 4001)),
        SocketAddr::from(([10, 0, 0, 2], 4001)),
    ];
    let mut now = SimTime::ZERO;
    let isn = [script.word(), script.word()];
    let connect = |from: usize| {
        Connection::connect(
            now,
            &configs[from],
            addresses[from],
            addresses[1 - from],
            isn[from],
        )
    };
    let mut first = connect(0);
    let simultaneous = script.byte() & 1 == 1;
    let second = if simultaneous {
        connect(1)
    } else {
        let syn = first
            .poll_transmit(now)
            .expect("an opened connection sends its SYN");
        Connection::accept(now, &configs[1], addresses[1], addresses[0], isn[1], &syn)
    };
    let mut ends = [(first, &configs[0]), (second, &configs[1])].map(|(connection, config)| End {
        connection,
        inbox: VecDeque::new(),
        written: 0,
        read: 0,
        buffers_bytes: config.send_buffer_bytes + config.receive_buffer_bytes,
        released: false,
    });
    flush(&mut ends, 0, now);
    flush(&mut ends, 1, now);
    let mut forged = false;
    for _ in 0..STEPS_MAX {
        if script.0.is_empty() {
            break;
        }
        step(&mut script, &mut ends, &mut now, &mut forged);
    }
    let closed = ends.iter().any(|end| end.connection.is_closed());
    if !forged && !closed {
        settle(&mut ends, &mut now, forged);
    }
    for (to, from) in [(0, 1), (1, 0)] {
        assert!(
            forged || ends[to].read <= ends[from].written,
            "more was read than written"
        );
    }
});
