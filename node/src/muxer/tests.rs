//! What a peer may have a connection hold, with frames made by hand.

use std::time::Duration;

use libp2p::PeerId;

use super::*;
use crate::api::Event;
use crate::environment::Observer;

const SUBSTREAMS: usize = 32;
const DATA: u8 = 0;
const WINDOW_UPDATE: u8 = 1;
const PING: u8 = 2;
const SYN: u8 = 1;
const ACK: u8 = 2;
const BLOCK: usize = 16 * 1024;

#[derive(Default)]
struct Told(Mutex<Vec<Event>>);

impl Observer for Told {
    fn event(&self, event: &Event) {
        self.0.lock().expect("nobody panics").push(event.clone());
    }
}

/// The bytes on their way to the node, and those that it has sent.
#[derive(Default)]
struct Bytes {
    to_it: VecDeque<u8>,
    of_it: Vec<u8>,
}

/// A connection of which a test is the other end.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Bytes>>);

impl Wire {
    fn bytes(&self) -> MutexGuard<'_, Bytes> {
        self.0.lock().expect("nobody panics")
    }

    fn sends(&self, kind: u8, flags: u8, number: u32, length: u32, body: &[u8]) {
        let to_it = &mut self.bytes().to_it;
        to_it.extend([0, kind, 0, flags]);
        to_it.extend(number.to_be_bytes());
        to_it.extend(length.to_be_bytes());
        to_it.extend(body);
    }

    fn sends_data(&self, flags: u8, number: u32, body: &[u8]) {
        self.sends(DATA, flags, number, body.len() as u32, body);
    }

    /// The frames without bodies that the node has sent since: their types and lengths.
    fn heard(&self) -> Vec<(u8, u32)> {
        let of_it = std::mem::take(&mut self.bytes().of_it);
        let frames = of_it.chunks_exact(12);
        frames
            .map(|frame| {
                let length = frame[8..].try_into().expect("four bytes");
                (frame[1], u32::from_be_bytes(length))
            })
            .collect()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let to_it = &mut self.bytes().to_it;
        let bytes = buffer.len().min(to_it.len());
        if bytes == 0 {
            return Poll::Pending;
        }
        for (place, byte) in buffer.iter_mut().zip(to_it.drain(..bytes)) {
            *place = byte;
        }
        Poll::Ready(Ok(bytes))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.bytes().of_it.extend(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A node's end of a connection, and what is told of its bounds.
struct Node {
    muxer: Muxer<Wire>,
    wire: Wire,
    told: Arc<Told>,
}

impl Node {
    fn new() -> Self {
        let (wire, told) = (Wire::default(), Arc::new(Told::default()));
        let outlet = Outlet::new(PeerId::random(), Arc::clone(&told) as Arc<dyn Observer>);
        Self {
            muxer: Muxing::new(SUBSTREAMS, outlet).muxer(wire.clone(), Mode::Server),
            wire,
            told,
        }
    }

    /// Reads what has arrived; the substreams that were opened, or that the connection has ended.
    fn runs(&mut self) -> Result<Vec<Substream>, ConnectionError> {
        let cx = &mut Context::from_waker(Waker::noop());
        let mut opened = Vec::new();
        while let Poll::Ready(stream) = Pin::new(&mut self.muxer).poll_inbound(cx) {
            opened.push(stream?);
        }
        Ok(opened)
    }

    fn told(&self) -> Vec<String> {
        let told = self.told.0.lock().expect("nobody panics");
        let bound = |event: &Event| match event {
            Event::LimitReached { limit } => Some(limit.clone()),
            _ => None,
        };
        told.iter().filter_map(bound).collect()
    }
}

/// Reads all that waits on a substream; how many bytes that was.
fn read(stream: &mut Substream) -> usize {
    let cx = &mut Context::from_waker(Waker::noop());
    let mut buffer = [0; BLOCK];
    let mut all = 0;
    while let Poll::Ready(bytes) = Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
        all += bytes.expect("it is there");
    }
    all
}

#[test]
fn bytes_in_frames_of_their_own_that_nobody_reads_end_the_connection() {
    let mut node = Node::new();
    node.wire.sends_data(SYN, 1, b"x");
    let held = node.runs().expect("it is there");
    assert_eq!(held.len(), 1);
    let mut sent = 1;
    while node.runs().is_ok() {
        for _ in 0..1024 {
            node.wire.sends_data(0, 1, b"x");
        }
        sent += 1024;
        assert!(sent < DEFAULT_CREDIT, "it has taken a whole window of them");
    }
    assert_eq!(node.told(), ["unread-frames"]);
}

#[test]
fn bytes_in_frames_of_their_own_that_are_read_do_no_harm() {
    let mut node = Node::new();
    node.wire.sends_data(SYN, 1, b"x");
    let mut held = node.runs().expect("it is there");
    let mut all = read(&mut held[0]);
    for _ in 0..100 {
        for _ in 0..1024 {
            node.wire.sends_data(0, 1, b"x");
        }
        assert!(node.runs().expect("it is there").is_empty());
        all += read(&mut held[0]);
    }
    assert_eq!(all, 1 + 100 * 1024);
}

#[test]
fn whole_windows_of_ordinary_frames_may_be_unread_on_all_substreams() {
    let mut node = Node::new();
    let mut held = Vec::new();
    for number in (1..).step_by(2).take(SUBSTREAMS) {
        node.wire.sends(WINDOW_UPDATE, SYN, number, 0, &[]);
        for _ in 0..DEFAULT_CREDIT / 512 {
            node.wire.sends_data(0, number, &[0; 512]);
        }
        held.extend(node.runs().expect("it is there"));
    }
    assert_eq!(held.len(), SUBSTREAMS);
    assert!(node.told().is_empty());
    let window = DEFAULT_CREDIT as usize;
    assert!(held.iter_mut().all(|stream| read(stream) == window));
}

#[tokio::test]
async fn a_peer_that_delays_its_pongs_gets_windows_of_so_much_and_no_more() {
    let mut node = Node::new();
    node.wire.sends(WINDOW_UPDATE, SYN, 1, 0, &[]);
    let mut held = node.runs().expect("it is there");
    assert!(node.wire.heard().contains(&(PING, 0)));
    // The longer the round trip seems to be, the more is thought to be on its way.
    tokio::time::sleep(Duration::from_millis(500)).await;
    node.wire.sends(PING, ACK, 0, 0, &[]);
    let (mut window, mut left) = (DEFAULT_CREDIT, DEFAULT_CREDIT);
    for _ in 0..8 {
        let sent = left / 2;
        for _ in 0..sent / BLOCK as u32 {
            node.wire.sends_data(0, 1, &[0; BLOCK]);
        }
        assert!(node.runs().expect("it is there").is_empty());
        assert_eq!(read(&mut held[0]), sent as usize);
        left -= sent;
        // What is granted is written with the next look at the substream.
        assert_eq!(read(&mut held[0]), 0);
        assert!(node.runs().expect("it is there").is_empty());
        let granted = node.wire.heard().into_iter();
        left += granted
            .filter(|(kind, _)| *kind == WINDOW_UPDATE)
            .map(|(_, credit)| credit)
            .sum::<u32>();
        window = window.max(left);
    }
    assert_eq!(window as usize, DEFAULT_CREDIT as usize + GROWTH_BYTES);
}
