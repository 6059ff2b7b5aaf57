//! Connections through holes: both sides open one from the port that was seen.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::FuturesUnordered;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use futures_timer::Delay;

use super::Punch;
use super::message::{Kind, LENGTH, Message};
use super::side::{RENDEZVOUS_PORT, Side};
use super::start::start;
use super::tracker::PunchFailure;
use crate::play::run::Run;
use crate::testbed::{Connection, Listener};

type Stream = Box<dyn Connection>;

/// Sides that have registered and wait for their others, by pair: no more than the world has.
type Waiting = Arc<Mutex<BTreeMap<u32, [Option<Stream>; 2]>>>;

/// Tells both sides of each pair where the other is seen, once both have registered.
pub(super) async fn serve(run: Arc<Run>, host: u32) {
    let listener = match run.testbed.sockets().listen(host, RENDEZVOUS_PORT) {
        Ok(listener) => listener,
        Err(error) => return run.testbed.fail(format!("no rendezvous: {error}")),
    };
    let pairs = run.state().trackers.get::<Punch>().len();
    let waiting = Waiting::default();
    loop {
        let stream = poll_fn(|cx| listener.poll_accept(cx)).await;
        let waiting = Arc::clone(&waiting);
        let registering = async move {
            if let Err(error) = register(stream, &waiting, pairs).await {
                tracing::debug!(%error, "a registration ended");
            }
        };
        run.testbed.spawn(host, registering.boxed());
    }
}

async fn register(mut stream: Stream, waiting: &Waiting, pairs: usize) -> io::Result<()> {
    let Some(message) = read(&mut stream).await? else {
        return Ok(());
    };
    if message.kind != Kind::Register || message.punch as usize >= pairs {
        return Ok(());
    }
    let complete = {
        // One thread uses it; a panic on it ends the run anyway.
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = waiting.entry(message.punch).or_default();
        ends[usize::from(message.side)] = Some(stream);
        if ends.iter().all(Option::is_some) {
            waiting.remove(&message.punch)
        } else {
            None
        }
    };
    let Some([Some(mut first), Some(mut second)]) = complete else {
        return Ok(());
    };
    let seen = [second.remote(), first.remote()];
    for ((side, stream), at) in (0..).zip([&mut first, &mut second]).zip(seen) {
        let told = Message {
            kind: Kind::Seen(at),
            punch: message.punch,
            side,
        };
        stream.write_all(&told.write()).await?;
    }
    // They close when they are done.
    for mut stream in [first, second] {
        while stream.read(&mut [0; LENGTH]).await? > 0 {}
    }
    Ok(())
}

async fn read(stream: &mut Stream) -> io::Result<Option<Message>> {
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes).await?;
    Ok(Message::read(&bytes))
}

/// What a side waits for.
enum Event {
    Tick,
    Dialled(io::Result<Stream>),
    Accepted(Stream),
    /// The other side is there, or not.
    Greeted(io::Result<Stream>),
}

type Events<'a> = FuturesUnordered<BoxFuture<'a, Event>>;

/// One side of a pair: registers, and dials the other until its tries are used up.
pub(super) async fn side(run: Arc<Run>, side: Side) {
    let sockets = run.testbed.sockets();
    let listener = if side.how.listens {
        let Ok(listener) = sockets.listen(side.host, 0) else {
            return side.failed(&run, PunchFailure::HostDown);
        };
        Some(listener)
    } else {
        None
    };
    let port = listener.as_ref().map(|listener| listener.port());
    let introduced = introduce(&run, &side, port).await;
    let (_rendezvous, port, other) = match introduced {
        Ok(introduced) => introduced,
        Err(error) => {
            tracing::debug!(%error, "the rendezvous told nothing");
            return side.failed(&run, PunchFailure::NotIntroduced);
        }
    };
    let mut events = Events::new();
    events.push(start(&run, &side).map(|()| Event::Tick).boxed());
    if let Some(listener) = &listener {
        events.push(accept(&**listener));
    }
    let mut left = side.how.tries;
    let mut is_dialling = false;
    // Open to the end, so that the other side can use it too.
    let mut kept = None;
    while let Some(event) = events.next().await {
        match event {
            Event::Tick if left == 0 => return side.gives_up(&run),
            Event::Tick => {
                left -= 1;
                events.push(tick(side.spacing()));
                if !is_dialling && kept.is_none() {
                    is_dialling = true;
                    side.begins(&run);
                    let dialling = sockets.connect(side.host, other, Some(port));
                    events.push(dialling.map(Event::Dialled).boxed());
                }
            }
            Event::Dialled(dialled) => {
                is_dialling = false;
                match dialled {
                    Ok(stream) => events.push(greet(stream, &side)),
                    Err(error) => tracing::debug!(%error, %other, "a dial failed"),
                }
            }
            Event::Accepted(stream) => {
                events.push(greet(stream, &side));
                if let Some(listener) = &listener {
                    events.push(accept(&**listener));
                }
            }
            Event::Greeted(greeted) => {
                if let Ok(stream) = greeted {
                    side.answered(&run);
                    kept.get_or_insert(stream);
                }
            }
        }
    }
}

/// Registers from `port` or a free one: the connection to the rendezvous, the port, and where the
/// other side is seen.
async fn introduce(
    run: &Run,
    side: &Side,
    port: Option<u16>,
) -> io::Result<(Stream, u16, SocketAddr)> {
    let sockets = run.testbed.sockets();
    let to = side.rendezvous(run);
    let mut stream = sockets.connect(side.host, to, port).await?;
    stream.write_all(&message(side, Kind::Register)).await?;
    let told = read(&mut stream).await?;
    let port = stream.local().port();
    match told {
        Some(Message {
            kind: Kind::Seen(other),
            ..
        }) => Ok((stream, port, other)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn message(side: &Side, kind: Kind) -> bytes::Bytes {
    let message = Message {
        kind,
        punch: side.punch,
        side: side.number,
    };
    message.write()
}

fn tick<'a>(after: Duration) -> BoxFuture<'a, Event> {
    Delay::new(after).map(|()| Event::Tick).boxed()
}

fn accept(listener: &dyn Listener) -> BoxFuture<'_, Event> {
    let accepting = poll_fn(|cx| listener.poll_accept(cx));
    accepting.map(Event::Accepted).boxed()
}

/// Finds out whether the other side is at the other end.
fn greet(stream: Stream, side: &Side) -> BoxFuture<'_, Event> {
    async move { Event::Greeted(exchange(stream, side).await) }.boxed()
}

async fn exchange(mut stream: Stream, side: &Side) -> io::Result<Stream> {
    let asked = Kind::Ask(stream.remote());
    stream.write_all(&message(side, asked)).await?;
    let is_other = |other: Message| other.punch == side.punch && other.side != side.number;
    match read(&mut stream).await?.filter(|other| is_other(*other)) {
        Some(_) => Ok(stream),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}
