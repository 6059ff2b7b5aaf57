//! What connections carry: over bad links, in many streams, to readers that stop.

use std::time::Duration;

use futures::future::{Either, join_all, select};
use futures::{AsyncReadExt, AsyncWriteExt};
use futures_timer::Delay;
use orrery_node::quic::Settings;
use orrery_sim::net::link::LinkSpec;
use orrery_sim::net::stage::Reordering;
use orrery_sim::units::{Rate, Ratio};
use orrery_sim::{host, net};

use crate::harness::*;

#[test]
fn bytes_arrive_whole_over_links_that_lose_and_reorder() {
    const BYTES: usize = 300_000;
    let bad = LinkSpec {
        rate: Some(Rate::from_mbps(20)),
        loss: Ratio::from_percent(2),
        reordering: Some(Reordering {
            ratio: Ratio::from_percent(5),
            by: Duration::from_millis(5),
        }),
        ..link()
    };
    let told = simulate(move |world, log| {
        let (listener, dialer) = (add("listener", bad.clone()), add("dialer", bad));
        host::executor(listener).spawn(Node::listening(listener, Settings::default()).echo());
        host::executor(dialer).spawn(async move {
            let mut node = Node::new(dialer, Settings::default());
            let (_, mut connection) = node.dial(at(listener, PORT)).await.expect("it answers");
            let back = exchange(&mut connection, pattern(BYTES)).await;
            log.line(back.is_ok_and(|back| back == pattern(BYTES)));
        });
        world.run_for(Duration::from_mins(1));
        let drops = net::drops();
        assert!(
            drops.get("loss").is_some_and(|&lost| lost > 10),
            "{drops:?}"
        );
    });
    assert_eq!(told, ["true"]);
}

#[test]
fn datagrams_grow_to_what_the_way_takes() {
    // Peers that are not known yet acknowledge by little windows, which many small packets do.
    let wide = Settings {
        unproved_window_bytes: Settings::default().connection_window_bytes,
        ..Settings::default()
    };
    let check = |mtu: u16, mean_min: u64, mean_max: u64| {
        simulate(move |world, _| {
            let narrow = LinkSpec { mtu, ..link() };
            let (listener, dialer) = (add("listener", narrow), add("dialer", link()));
            host::executor(listener).spawn(Node::listening(listener, wide).echo());
            host::executor(dialer).spawn(async move {
                let mut node = Node::new(dialer, wide);
                let dialled = node.dial(at(listener, PORT)).await;
                let (_, mut connection) = dialled.expect("it answers");
                let back = exchange(&mut connection, pattern(2_000_000)).await;
                assert_eq!(back.expect("it is echoed").len(), 2_000_000);
            });
            world.run_for(Duration::from_secs(5));
            let before = net::traffic(dialer);
            assert!(before.sent_bytes > 2_000_000, "{before:?}");
            // Acknowledgements are small, so that the mean stays below the largest.
            let mean = before.sent_bytes / before.sent_packets;
            assert!((mean_min..=mean_max).contains(&mean), "{mtu}: {mean}");
        });
    };
    // 1,200 bytes of QUIC are 1,228 on the wire; discovery ends at 1,452.
    check(1_500, 1_100, 1_480);
    check(1_300, 900, 1_300);
    check(1_240, 800, 1_240);
}

#[test]
fn more_streams_than_may_be_open_take_turns() {
    const STREAMS: usize = 1_000;
    let told = simulate(|world, log| {
        let (listener, dialer) = pair();
        let few = Settings {
            streams_max: 50,
            ..Settings::default()
        };
        host::executor(listener).spawn(Node::listening(listener, few).echo());
        host::executor(dialer).spawn(async move {
            let mut node = Node::new(dialer, Settings::default());
            let (_, mut connection) = node.dial(at(listener, PORT)).await.expect("it answers");
            let mut echoes = Vec::new();
            for number in 0..STREAMS {
                let mut stream = open(&mut connection).await.expect("its turn comes");
                stream
                    .write_all(&number.to_be_bytes())
                    .await
                    .expect("it takes them");
                stream.close().await.expect("it takes the end");
                echoes.push(async move {
                    let mut back = Vec::new();
                    stream.read_to_end(&mut back).await.map(|_| back)
                });
                // Streams that are done make room for others only once they are read.
                if echoes.len() == 50 {
                    check_all(&log, number + 1 - 50, std::mem::take(&mut echoes)).await;
                }
            }
            log.line(format!("all at {} ms", now_ms()));
        });
        world.run_for(Duration::from_mins(1));
    });
    let [only] = told.as_slice() else {
        panic!("{told:?}");
    };
    // 20 turns of 50 streams, of a round trip each, or a little more for the permission.
    let took: u64 = only
        .replace("all at ", "")
        .replace(" ms", "")
        .parse()
        .unwrap();
    assert!((800..2_500).contains(&took), "{took}");
}

async fn check_all<F>(log: &Log, first: usize, echoes: Vec<F>)
where
    F: Future<Output = std::io::Result<Vec<u8>>>,
{
    for (number, back) in (first..).zip(join_all(echoes).await) {
        if back.ok() != Some(number.to_be_bytes().to_vec()) {
            log.line(format!("stream {number} was not echoed"));
        }
    }
}

#[test]
fn a_reader_that_stops_stops_the_writer() {
    const WINDOW: u32 = 64_000;
    let told = simulate(|world, log| {
        let (listener, dialer) = pair();
        let small = Settings {
            stream_window_bytes: WINDOW,
            ..Settings::default()
        };
        let reading = log.clone();
        host::executor(listener).spawn(async move {
            let mut node = Node::listening(listener, small);
            let came = node.incoming().await;
            let (_, mut connection) = came.upgrade.await.expect("a handshake");
            let mut stream = accept(&mut connection).await.expect("a stream");
            Delay::new(Duration::from_secs(30)).await;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.expect("it ends");
            reading.line(format!("read {}", all.len()));
        });
        host::executor(dialer).spawn(async move {
            let mut node = Node::new(dialer, Settings::default());
            let (_, mut connection) = node.dial(at(listener, PORT)).await.expect("it answers");
            let mut stream = open(&mut connection).await.expect("a stream");
            let mut taken = 0;
            while let Either::Left((more, _)) = select(
                stream.write(&[7; 10_000]),
                Delay::new(Duration::from_secs(5)),
            )
            .await
            {
                taken += more.expect("the reader is there");
            }
            stream.close().await.expect("it takes the end");
            log.line(format!("written {taken}"));
            // The connection lives until the reader has read.
            drop(end(connection).await);
        });
        world.run_for(Duration::from_mins(1));
    });
    assert_eq!(told, ["written 64000", "read 64000"]);
}

#[test]
fn a_silent_connection_ends_unless_it_is_kept_alive() {
    let check = |keep_alive: Option<Duration>, expected: &[&str]| {
        let told = simulate(move |world, log| {
            let (listener, dialer) = pair();
            let settings = Settings {
                idle_timeout: Duration::from_secs(10),
                keep_alive,
                ..Settings::default()
            };
            host::executor(listener).spawn(Node::listening(listener, settings).echo());
            host::executor(dialer).spawn(async move {
                let mut node = Node::new(dialer, settings);
                let (_, connection) = node.dial(at(listener, PORT)).await.expect("it answers");
                let error = end(connection).await;
                log.line(format!("{error} at {} s", now_ms() / 1_000));
            });
            world.run_for(Duration::from_mins(5));
        });
        assert_eq!(told, expected, "{keep_alive:?}");
    };
    check(None, &["timed out at 10 s"]);
    check(Some(Duration::from_secs(5)), &[]);
}
