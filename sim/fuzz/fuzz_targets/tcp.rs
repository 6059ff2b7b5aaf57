//! Two TCP connections on a wire that the input plays: it delivers, loses, repeats
//! and reorders segments, lets time pass, writes, reads and closes at either end,
//! and forges segments.
//!
//! Nothing panics; the first segment, the timers and the buffers keep their bounds;
//! and as long as nothing was forged, what is read is what was written, in order.
#![no_main]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use orrery_sim::tcp::{Config, Connection, Flags, Options, Segment};
use orrery_sim::time::SimTime;

/// Segments on the way in one direction; more are lost, as from a full queue.
const IN_FLIGHT_MAX: usize = 64;

/// Segments that an end may send without time passing or anything arriving.
const BURST_MAX: usize = 4_096;

/// One end and what is on its way to it.
struct End {
    connection: Connection,
    inbox: VecDeque<Segment>,
    written: u64,
    read: u64,
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
    let data: Vec<u8> = (0..len as u64)
        .map(|at| pattern(end.written + at))
        .collect();
    let taken = end.connection.write(&data);
    assert!(taken <= len);
    end.written += taken as u64;
}

fn read(end: &mut End, len: usize, forged: bool) {
    let mut buffer = vec![0; len];
    let got = end.connection.read(&mut buffer);
    for (at, byte) in buffer[..got].iter().enumerate() {
        assert!(
            forged || *byte == pattern(end.read + at as u64),
            "another byte than written"
        );
    }
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
    match (chosen >> 1) % 12 {
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
            1 => end.connection.close(*now),
            _ => end.connection.shutdown_write(),
        },
        _ => {
            *forged = true;
            end.connection.on_segment(*now, script.segment());
        }
    }
    flush(ends, at, *now);
}

fuzz_target!(|input: &[u8]| {
    let mut script = Script(input);
    let config = Arc::new(Config::default());
    let addresses = [
        SocketAddr::from(([10, 0, 0, 1], 4001)),
        SocketAddr::from(([10, 0, 0, 2], 4001)),
    ];
    let mut now = SimTime::ZERO;
    let isn = [script.word(), script.word()];
    let connect = |from: usize| {
        Connection::connect(
            now,
            &config,
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
        Connection::accept(now, &config, addresses[1], addresses[0], isn[1], &syn)
    };
    let mut ends = [first, second].map(|connection| End {
        connection,
        inbox: VecDeque::new(),
        written: 0,
        read: 0,
    });
    flush(&mut ends, 0, now);
    flush(&mut ends, 1, now);
    let mut forged = false;
    while !script.0.is_empty() {
        step(&mut script, &mut ends, &mut now, &mut forged);
    }
    for (to, from) in [(0, 1), (1, 0)] {
        assert!(
            forged || ends[to].read <= ends[from].written,
            "more was read than written"
        );
    }
});
