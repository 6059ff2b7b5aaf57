//! Arbitrary segments in arbitrary states: no panic, bounded state.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::{Side, address};
use crate::tcp::{Config, Connection, Flags, Options, SackBlocks, Segment};
use crate::time::SimTime;

/// What befalls a connection.
#[derive(Debug, Clone)]
enum Event {
    Segment {
        seq: u32,
        ack: u32,
        flags: u8,
        window: u16,
        mss: Option<u16>,
        scale: Option<u8>,
        len: usize,
    },
    Time(u64),
    Write(usize),
    Read(usize),
    Shutdown,
    Close,
}

fn numbers() -> impl Strategy<Value = u32> {
    // Mostly near the numbers in use: both sides begin at 1,000.
    prop_oneof![
        8 => 990u32..1_050,
        2 => 1_000u32..9_000,
        1 => any::<u32>(),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    let flags = prop_oneof![
        6 => Just((Flags::ACK).bits()),
        2 => Just((Flags::SYN | Flags::ACK).bits()),
        2 => Just((Flags::FIN | Flags::ACK).bits()),
        1 => Just(Flags::SYN.bits()),
        1 => any::<u8>(),
    ];
    let segment = (
        numbers(),
        numbers(),
        flags,
        any::<u16>(),
        any::<Option<u16>>(),
        any::<Option<u8>>(),
        0usize..3_000,
    );
    prop_oneof![
        10 => segment.prop_map(|(seq, ack, flags, window, mss, scale, len)| Event::Segment {
            seq, ack, flags, window, mss, scale, len,
        }),
        2 => (0u64..200_000).prop_map(Event::Time),
        2 => (0usize..20_000).prop_map(Event::Write),
        2 => (0usize..20_000).prop_map(Event::Read),
        1 => Just(Event::Shutdown),
        1 => Just(Event::Close),
    ]
}

fn apply(connection: &mut Connection, now: &mut SimTime, event: &Event) {
    match *event {
        Event::Segment {
            seq,
            ack,
            flags,
            window,
            mss,
            scale,
            len,
        } => {
            let options = Options {
                mss,
                window_scale: scale,
                sack_permitted: len % 2 == 0,
                sack: SackBlocks::default(),
            };
            let segment = Segment {
                seq,
                ack,
                flags: Flags::from_bits(flags),
                window,
                options,
                payload: Bytes::from(vec![0; len]),
            };
            connection.on_segment(*now, segment);
        }
        Event::Time(millis) => {
            *now += Duration::from_millis(millis);
            connection.on_timer(*now);
        }
        Event::Write(len) => {
            connection.write(&vec![0; len]);
        }
        Event::Read(len) => {
            connection.read(&mut vec![0; len]);
        }
        Event::Shutdown => connection.shutdown_write(),
        Event::Close => connection.close(*now),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_segment_in_any_state_breaks_a_connection(
        active in any::<bool>(),
        events in prop::collection::vec(events(), 1..60),
    ) {
        let config = Arc::new(Config {
            send_buffer_bytes: 10_000,
            receive_buffer_bytes: 10_000,
            ..Config::default()
        });
        let (local, remote) = (address(Side::A), address(Side::B));
        let mut now = SimTime::ZERO;
        let mut connection = if active {
            Connection::connect(now, &config, local, remote, 1_000)
        } else {
            let mut other = Connection::connect(now, &config, remote, local, 1_000);
            let syn = other.poll_transmit(now).expect("a SYN is due");
            Connection::accept(now, &config, local, remote, 1_000, &syn)
        };
        for event in &events {
            apply(&mut connection, &mut now, event);
            // One segment never provokes an endless answer.
            let mut answers = 0;
            while connection.poll_transmit(now).is_some() {
                answers += 1;
                prop_assert!(answers <= 300);
            }
            prop_assert!(connection.readable() <= 10_000);
            prop_assert!(connection.next_timeout().is_none_or(|at| at > now));
            connection.stats();
        }
    }
}
