//! Sends and receives the flows of a run.
//!
//! A flow begins with its number, so that the receiver knows whose bytes it reads. What
//! happens is told to [`super::tracker`], which judges it.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, FutureExt, select};
use futures::{AsyncReadExt, AsyncWriteExt};
use futures_timer::Delay;

use super::tracker::FlowFailure;
use super::{Act, FLOW_BYTES_MIN, Flow, Load};
use crate::play::run::Run;
use crate::testbed::Connection;

/// The port on which hosts take flows: iperf's.
const PORT: u16 = 5201;

/// Bytes written or read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Takes flows on a host, if any are sent to it.
pub fn listen(run: &Arc<Run>, host: u32) {
    let mut flows = run.scenario.workloads_of::<Flow>();
    if !flows.any(|flow| flow.to.contains(host)) {
        return;
    }
    let listening = Arc::clone(run);
    let listen = async move {
        let listener = match listening.testbed.sockets().listen(host, PORT) {
            Ok(listener) => listener,
            Err(error) => {
                let message = format!("cannot take flows: {error}");
                return listening.testbed.fail(message);
            }
        };
        loop {
            let stream = std::future::poll_fn(|cx| listener.poll_accept(cx)).await;
            let receiving = Arc::clone(&listening);
            let receive = async move { receive(&receiving, stream).await };
            listening.testbed.spawn(host, receive.boxed());
        }
    };
    run.testbed.spawn(host, listen.boxed());
}

/// Reads a flow to its end. What breaks it shows at the sender.
async fn receive(run: &Run, mut stream: Box<dyn Connection>) {
    let mut number = [0; FLOW_BYTES_MIN as usize];
    if stream.read_exact(&mut number).await.is_err() {
        return;
    }
    let flow = u64::from_be_bytes(number) as usize;
    let read = |stream: &dyn Connection, bytes| {
        let stats = stream.stats();
        let mut state = run.state();
        let arrived = stats.bytes_received + stats.bytes_waiting;
        state
            .trackers
            .get::<Flow>()
            .read(flow, bytes, arrived, run.now_ns());
    };
    read(&*stream, FLOW_BYTES_MIN);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => break,
            Ok(length) => read(&*stream, length as u64),
            Err(_) => return,
        }
    }
    run.state()
        .trackers
        .get::<Flow>()
        .received(flow, run.now_ns());
}

/// Begins a flow.
pub fn start(run: &Arc<Run>, how: &Flow, from: u32, act: Act) {
    let (flow, to) = (act.flow as usize, act.to);
    let Flow { load, port, .. } = *how;
    if !run.runs(from) {
        let mut state = run.state();
        return state
            .trackers
            .get::<Flow>()
            .failed(flow, FlowFailure::SenderDown, run.now_ns());
    }
    if !run.runs(to) {
        run.state().trackers.get::<Flow>().receiver_down(flow);
    }
    let until_ns = match load {
        Load::Bytes(_) => None,
        Load::For(length_ns) => Some(run.now_ns().saturating_add(length_ns)),
        Load::ToTheEnd => Some(run.scenario.duration_ns),
    };
    let bytes = match load {
        Load::Bytes(bytes) => bytes,
        Load::For(_) | Load::ToTheEnd => u64::MAX,
    };
    let sending = Arc::clone(run);
    let send = async move {
        if let Err(error) = send(&sending, flow, (from, to, port), bytes, until_ns).await {
            let mut state = sending.state();
            state
                .trackers
                .get::<Flow>()
                .failed(flow, FlowFailure::of(&error), sending.now_ns());
        }
    };
    run.testbed.spawn(from, send.boxed());
}

async fn send(
    run: &Run,
    flow: usize,
    (from, to, port): (u32, u32, Option<u16>),
    bytes: u64,
    until_ns: Option<u64>,
) -> io::Result<()> {
    let sockets = run.testbed.sockets();
    let to = SocketAddr::new(sockets.v4(to).into(), PORT);
    let mut stream = sockets.connect(from, to, port).await?;
    run.state()
        .trackers
        .get::<Flow>()
        .connected(flow, run.now_ns());
    let writing = write(run, &mut *stream, flow, bytes);
    match until_ns {
        None => writing.await?,
        Some(until_ns) => {
            let rest = Duration::from_nanos(until_ns.saturating_sub(run.now_ns()));
            match select(pin!(writing), pin!(Delay::new(rest))).await {
                Either::Left((written, _)) => written?,
                Either::Right(_) => run
                    .state()
                    .trackers
                    .get::<Flow>()
                    .time_is_up(flow, run.now_ns()),
            }
        }
    }
    stream.close().await?;
    // The receiver closes once it has read everything.
    let closed = stream.read(&mut [0]).await.map(|_| ());
    run.state()
        .trackers
        .get::<Flow>()
        .counted(flow, stream.stats());
    closed
}

/// Writes the flow's number and whatever follows.
async fn write(run: &Run, stream: &mut dyn Connection, flow: usize, bytes: u64) -> io::Result<()> {
    stream.write_all(&(flow as u64).to_be_bytes()).await?;
    let mut rest = bytes - FLOW_BYTES_MIN;
    let chunk = vec![0; CHUNK_BYTES];
    while rest > 0 {
        let length = rest.min(CHUNK_BYTES as u64) as usize;
        let written = stream.write(&chunk[..length]).await?;
        rest -= written as u64;
        run.state()
            .trackers
            .get::<Flow>()
            .counted(flow, stream.stats());
    }
    Ok(())
}
