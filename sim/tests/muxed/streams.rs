//! Substreams: bytes, ends, windows and bounds are those of Yamux.

use std::sync::mpsc::Sender;
use std::time::Duration;

use futures::future::{join_all, poll_fn};
use futures::task::Poll;
use futures::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::core::muxing::SubstreamBox;
use orrery_sim::{HostId, host, net};
use proptest::prelude::*;

use crate::harness::{BOTH, Fidelity, Peer, access, play};

const MINUTE: Duration = Duration::from_mins(1);
/// What may be sent on a stream that is not read.
const WINDOW_BYTES: usize = 256 * 1024;

fn pattern(stream: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + stream * 7) as u8).collect()
}

/// Sends back what arrives on each substream, then closes it.
async fn echo(mut peer: Peer, _: Sender<bool>) {
    while let Some(mut stream) = peer.accept().await {
        host::executor(peer.host).spawn(async move {
            let mut chunk = vec![0; 5_000];
            while let Ok(count @ 1..) = stream.read(&mut chunk).await {
                stream
                    .write_all(&chunk[..count])
                    .await
                    .expect("the dialer reads on");
            }
            stream.close().await.expect("it was open");
        });
    }
}

/// Sends `len` bytes on a substream and compares what comes back.
async fn there_and_back(stream: SubstreamBox, number: usize, len: usize) -> bool {
    let sent = pattern(number, len);
    let (mut reader, mut writer) = stream.split();
    let write = async {
        for part in sent.chunks(7_777) {
            writer.write_all(part).await.expect("the listener reads on");
        }
        writer.close().await.expect("it was open");
    };
    let mut received = Vec::new();
    let read = async {
        reader.read_to_end(&mut received).await.expect("an end");
    };
    futures::join!(write, read);
    received == sent
}

fn round_trips(fidelity: Fidelity, seed: u64, loss_ppm: u32, lens: Vec<usize>) -> Vec<bool> {
    let dialer = move |peer: Peer, told: Sender<bool>| async move {
        let streams = lens.into_iter().enumerate().map(|(number, len)| {
            let peer = &peer;
            async move { there_and_back(peer.open().await, number, len).await }
        });
        for intact in join_all(streams).await {
            told.send(intact).expect("the test listens");
        }
    };
    let during = |world: &mut orrery_sim::World| world.run_for(MINUTE * 10);
    play(fidelity, seed, &access(loss_ppm), echo, dialer, during).0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn bytes_of_many_substreams_arrive_intact_over_lossy_links(
        seed in any::<u64>(),
        loss_ppm in 0u32..40_000,
        lens in prop::collection::vec(prop_oneof![1usize..50, 1usize..60_000, 300_000usize..400_000], 1..12),
    ) {
        let streams = lens.len();
        prop_assert_eq!(round_trips(Fidelity::Flow, seed, loss_ppm, lens), vec![true; streams]);
    }
}

/// Yamux announces a stream by its first frame with data, so that one which is
/// closed before is never heard of; a task that waits for its other end waits for ever.
#[test]
fn a_substream_without_a_byte_is_never_announced() {
    for fidelity in BOTH {
        assert_eq!(round_trips(fidelity, 1, 0, vec![0]), [], "{fidelity:?}");
    }
}

/// Writes until the stream takes no more; returns how much it took.
async fn fill(stream: &mut SubstreamBox) -> usize {
    let chunk = vec![1; 10_000];
    let mut written = 0;
    while let Some(count) =
        poll_fn(
            |cx| match std::pin::Pin::new(&mut *stream).poll_write(cx, &chunk) {
                Poll::Ready(result) => Poll::Ready(Some(result.expect("the stream is open"))),
                Poll::Pending => Poll::Ready(None),
            },
        )
        .await
    {
        written += count;
        // The connection's task may have to take what was written.
        futures_timer::Delay::new(Duration::from_millis(1)).await;
    }
    written
}

#[test]
fn a_sleeping_reader_stops_its_writer_at_the_window_and_nobody_else() {
    for fidelity in BOTH {
        let listener = |mut peer: Peer, told: Sender<usize>| async move {
            let _asleep = peer.accept().await.expect("a stream");
            let mut awake = peer.accept().await.expect("another stream");
            let mut bytes = Vec::new();
            awake.read_to_end(&mut bytes).await.expect("an end");
            told.send(bytes.len()).expect("the test listens");
            std::future::pending::<()>().await;
        };
        let dialer = |peer: Peer, told: Sender<usize>| async move {
            let (mut first, mut second) = (peer.open().await, peer.open().await);
            told.send(fill(&mut first).await).expect("the test listens");
            second
                .write_all(&vec![2; 3 * WINDOW_BYTES])
                .await
                .expect("it is read");
            second.close().await.expect("it was open");
            std::future::pending::<()>().await;
        };
        let (told, _) = play(fidelity, 3, &access(0), listener, dialer, |world| {
            world.run_for(MINUTE);
        });
        assert_eq!(told, [WINDOW_BYTES, 3 * WINDOW_BYTES], "{fidelity:?}");
    }
}

#[test]
fn a_closed_half_ends_the_others_reading_and_not_its_writing() {
    for fidelity in BOTH {
        let listener = |mut peer: Peer, told: Sender<Vec<u8>>| async move {
            let mut stream = peer.accept().await.expect("a stream");
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.expect("an end");
            told.send(bytes).expect("the test listens");
            stream.write_all(b"answer").await.expect("half is open");
            stream.close().await.expect("it was open");
            std::future::pending::<()>().await;
        };
        let dialer = |peer: Peer, told: Sender<Vec<u8>>| async move {
            let mut stream = peer.open().await;
            stream.write_all(b"question").await.expect("it is open");
            stream.close().await.expect("it was open");
            assert!(stream.write_all(b"more").await.is_err(), "it is closed");
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.expect("an end");
            told.send(bytes).expect("the test listens");
            std::future::pending::<()>().await;
        };
        let (told, _) = play(fidelity, 4, &access(0), listener, dialer, |world| {
            world.run_for(MINUTE);
        });
        assert_eq!(
            told,
            [b"question".to_vec(), b"answer".to_vec()],
            "{fidelity:?}"
        );
    }
}

#[test]
fn a_dropped_substream_resets_its_other_end() {
    for fidelity in BOTH {
        let listener = |mut peer: Peer, told: Sender<String>| async move {
            let mut stream = peer.accept().await.expect("a stream");
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.expect("an end");
            let write = stream.write_all(b"x").await;
            told.send(format!("{} {:?}", bytes.len(), write.map_err(|e| e.kind())))
                .expect("the test listens");
            // The connection and its other streams go on.
            let mut next = peer.accept().await.expect("another stream");
            let mut byte = [0];
            next.read_exact(&mut byte).await.expect("a byte");
            told.send(format!("{byte:?}")).expect("the test listens");
            std::future::pending::<()>().await;
        };
        let dialer = |peer: Peer, _: Sender<String>| async move {
            let mut stream = peer.open().await;
            stream.write_all(&[7; 1_000]).await.expect("it is open");
            stream.flush().await.expect("it is open");
            drop(stream);
            let mut next = peer.open().await;
            next.write_all(&[9]).await.expect("it is open");
            next.flush().await.expect("it is open");
            std::future::pending::<()>().await;
        };
        let (told, _) = play(fidelity, 5, &access(0), listener, dialer, |world| {
            world.run_for(MINUTE);
        });
        assert_eq!(told, ["1000 Err(WriteZero)", "[9]"], "{fidelity:?}");
    }
}

#[test]
fn closing_a_connection_ends_it_at_the_other_side_after_all_it_sent() {
    for fidelity in BOTH {
        let listener = |mut peer: Peer, told: Sender<usize>| async move {
            let mut stream = peer.accept().await.expect("a stream");
            peer.over().await;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.expect("an end");
            told.send(bytes.len()).expect("the test listens");
            assert!(stream.write_all(b"x").await.is_err());
            assert!(peer.try_open().await.is_none());
        };
        let dialer = |mut peer: Peer, _: Sender<usize>| async move {
            let mut stream = peer.open().await;
            stream
                .write_all(&vec![7; 100_000])
                .await
                .expect("it is open");
            stream.flush().await.expect("it is open");
            // What arrived unread would make TCP reset the connection.
            futures_timer::Delay::new(Duration::from_secs(5)).await;
            peer.close();
            peer.over().await;
            std::future::pending::<()>().await;
        };
        let (told, _) = play(fidelity, 6, &access(10_000), listener, dialer, |world| {
            world.run_for(MINUTE);
        });
        assert_eq!(told, [100_000], "{fidelity:?}");
    }
}

#[test]
fn a_power_cut_is_silence_and_no_reset() {
    for fidelity in BOTH {
        let listener = |mut peer: Peer, told: Sender<&'static str>| async move {
            let mut stream = peer.accept().await.expect("a stream");
            let mut byte = [0];
            stream.read_exact(&mut byte).await.expect("a byte");
            told.send("a byte").expect("the test listens");
            let read = stream.read(&mut byte).await;
            told.send(if read.is_ok() { "an end" } else { "an error" })
                .expect("the test listens");
        };
        let dialer = |peer: Peer, _: Sender<&'static str>| async move {
            let mut stream = peer.open().await;
            stream.write_all(b"x").await.expect("it is open");
            stream.flush().await.expect("it is open");
            std::future::pending::<()>().await;
        };
        let (told, _) = play(fidelity, 7, &access(0), listener, dialer, |world| {
            world.run_for(Duration::from_secs(1));
            let before = net::traffic(HostId(1)).sent_packets;
            host::power_cut(HostId(1));
            world.run_for(MINUTE);
            assert_eq!(net::traffic(HostId(1)).sent_packets, before);
        });
        assert_eq!(told, ["a byte"], "{fidelity:?}");
    }
}

#[test]
fn streams_that_nobody_acknowledges_are_bounded() {
    for fidelity in BOTH {
        let listener = |mut peer: Peer, told: Sender<usize>| async move {
            let mut held = Vec::new();
            while let Some(stream) = peer.accept().await {
                held.push(stream);
                if held.len() == 256 {
                    // Nothing was answered: the dialer has to wait.
                    futures_timer::Delay::new(Duration::from_secs(1)).await;
                    told.send(held.len()).expect("the test listens");
                    let answer = held[0].write_all(b"x").await;
                    answer.expect("it is open");
                    held[0].flush().await.expect("it is open");
                }
            }
        };
        let dialer = |peer: Peer, told: Sender<usize>| async move {
            let mut opened = Vec::new();
            while opened.len() < 257 {
                let mut stream = peer.open().await;
                stream.write_all(b"x").await.expect("it is open");
                stream.flush().await.expect("it is open");
                opened.push(stream);
            }
            told.send(opened.len()).expect("the test listens");
            std::future::pending::<()>().await;
        };
        let (told, _) = play(fidelity, 8, &access(0), listener, dialer, |world| {
            world.run_for(MINUTE);
        });
        assert_eq!(told, [256, 257], "{fidelity:?}");
    }
}

#[test]
fn a_connection_with_too_many_streams_ends() {
    for fidelity in BOTH {
        let listener = |mut peer: Peer, _: Sender<usize>| async move {
            let mut held = Vec::new();
            while let Some(mut stream) = peer.accept().await {
                // The dialer may have gone already.
                let _ = stream.write_all(b"x").await;
                let _ = stream.flush().await;
                held.push(stream);
            }
        };
        let dialer = |peer: Peer, told: Sender<usize>| async move {
            let mut opened = Vec::new();
            while let Some(mut stream) = peer.try_open().await {
                stream.write_all(b"x").await.expect("it is open");
                stream.flush().await.expect("it is open");
                opened.push(stream);
            }
            told.send(opened.len()).expect("the test listens");
        };
        let (told, _) = play(fidelity, 9, &access(0), listener, dialer, |world| {
            world.run_for(MINUTE);
        });
        assert_eq!(told, [512], "{fidelity:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_hash() {
    let run = |seed| {
        let dialer = |peer: Peer, told: Sender<bool>| async move {
            let intact = there_and_back(peer.open().await, 1, 100_000).await;
            told.send(intact).expect("the test listens");
        };
        play(
            Fidelity::Flow,
            seed,
            &access(5_000),
            echo,
            dialer,
            |world| {
                world.run_for(MINUTE);
            },
        )
        .1
        .trace_hash
    };
    assert_eq!(run(11), run(11));
    assert_ne!(run(11), run(12));
}
