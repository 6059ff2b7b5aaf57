//! Echoes over UDP: what asks for one, and what answers.
//!
//! A packet begins with the number of its ping, so that an answer is known. What happens is told
//! to [`super::tracker`], which judges it.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{Either, select};
use futures_timer::Delay;

use super::tracker::PingFailure;
use super::{Act, Ping};
use crate::play::run::Run;
use crate::workload::HEADER_BYTES;

/// The port of the echo protocol (RFC 862).
const PORT: u16 = 7;

/// Answers on a host, if anything asks it.
pub fn answer(run: &Arc<Run>, host: u32) {
    let mut pings = run.scenario.workloads_of::<Ping>();
    if !pings.any(|ping| ping.to.contains(host)) {
        return;
    }
    let answering = Arc::clone(run);
    let answer = async move {
        let socket = match answering.testbed.sockets().bind_udp(host, PORT) {
            Ok(socket) => socket,
            Err(error) => {
                return answering
                    .testbed
                    .fail(format!("cannot answer pings: {error}"));
            }
        };
        while let Ok((from, payload)) = poll_fn(|cx| socket.poll_receive(cx)).await {
            // What does not go out is as lost as what does not arrive.
            if let Err(error) = socket.send_to(from, payload) {
                tracing::debug!(%error, %from, "an answer did not leave");
            }
        }
    };
    run.testbed.spawn(host, answer.boxed());
}

/// Asks for one echo, and waits for it.
pub fn ask(run: &Arc<Run>, how: &Ping, from: u32, act: Act) {
    let number = act.ping as usize;
    if !run.runs(from) {
        let mut state = run.state();
        let pings = state.trackers.get::<Ping>();
        return pings.fails(number, run.now_ns(), PingFailure::SenderDown);
    }
    let target_runs = run.runs(act.to);
    let asking = Arc::clone(run);
    let payload_bytes = (how.packet_bytes - HEADER_BYTES) as usize;
    let timeout = Duration::from_nanos(how.timeout_ns);
    let ask = async move {
        let answered = exchange(&asking, from, act, payload_bytes);
        let is_answered = match select(pin!(answered), pin!(Delay::new(timeout))).await {
            Either::Left((is_answered, _)) => is_answered,
            Either::Right(_) => false,
        };
        let target_runs = target_runs && asking.runs(act.to);
        let now_ns = asking.now_ns();
        let mut state = asking.state();
        let pings = state.trackers.get::<Ping>();
        if is_answered {
            pings.answered(number, now_ns);
        } else if target_runs {
            pings.fails(number, now_ns, PingFailure::TimedOut);
        } else {
            pings.fails(number, now_ns, PingFailure::TargetDown);
        }
    };
    run.state().trackers.get::<Ping>().sent(number);
    run.testbed.spawn(from, ask.boxed());
}

/// Sends a packet and waits for its echo: whether one came. Only a host that goes down has no
/// socket.
async fn exchange(run: &Run, from: u32, act: Act, payload_bytes: usize) -> bool {
    let sockets = run.testbed.sockets();
    let Ok(socket) = sockets.bind_udp(from, 0) else {
        return std::future::pending().await;
    };
    let to = SocketAddr::new(sockets.v4(act.to).into(), PORT);
    if let Err(error) = socket.send_to(to, write(act.ping, payload_bytes)) {
        tracing::debug!(%error, %to, "a ping did not leave");
    }
    while let Ok((_, payload)) = poll_fn(|cx| socket.poll_receive(cx)).await {
        if read(&payload) == Some(act.ping) {
            return true;
        }
    }
    std::future::pending().await
}

fn write(ping: u32, payload_bytes: usize) -> Bytes {
    let mut payload = vec![0; payload_bytes];
    payload[..4].copy_from_slice(&ping.to_be_bytes());
    payload.into()
}

fn read(payload: &[u8]) -> Option<u32> {
    payload
        .first_chunk()
        .map(|bytes| u32::from_be_bytes(*bytes))
}
