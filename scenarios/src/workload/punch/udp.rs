//! Datagrams through holes.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use futures::future::{BoxFuture, Either, FutureExt, select};
use futures_timer::Delay;

use super::Punch;
use super::message::{Kind, Message};
use super::side::{RENDEZVOUS_PORT, Side};
use super::start::start;
use super::tracker::PunchFailure;
use crate::play::run::Run;
use crate::testbed::Datagrams;

/// Endpoints of the other side that a side sends to: where it is seen, and whence it was heard.
const PATHS_MAX: usize = 8;

/// Tells both sides of each pair where the other is seen, as often as they ask once both have.
pub(super) async fn serve(run: Arc<Run>, host: u32) {
    let socket = match run.testbed.sockets().bind_udp(host, RENDEZVOUS_PORT) {
        Ok(socket) => socket,
        Err(error) => return run.testbed.fail(format!("no rendezvous: {error}")),
    };
    // No more pairs than the world has.
    let pairs = run.state().trackers.get::<Punch>().len();
    let mut seen: BTreeMap<u32, [Option<SocketAddr>; 2]> = BTreeMap::new();
    while let Ok((from, payload)) = poll_fn(|cx| socket.poll_receive(cx)).await {
        let Some(message) = Message::read(&payload) else {
            continue;
        };
        if message.kind != Kind::Register || message.punch as usize >= pairs {
            continue;
        }
        let ends = seen.entry(message.punch).or_default();
        let was_complete = ends.iter().all(Option::is_some);
        ends[usize::from(message.side)] = Some(from);
        let [Some(first), Some(second)] = *ends else {
            continue;
        };
        for (side, to, other) in [(0, first, second), (1, second, first)] {
            // A side that registers again has not heard.
            if was_complete && side != message.side {
                continue;
            }
            let told = Message {
                kind: Kind::Seen(other),
                punch: message.punch,
                side,
            };
            // A side that does not hear registers again; without power, receiving ends this.
            if let Err(error) = socket.send_to(to, told.write()) {
                tracing::debug!(%error, %to, "a datagram did not leave");
            }
        }
    }
}

/// One side of a pair: registers, and sends to the other until its tries are used up.
pub(super) async fn side(run: Arc<Run>, side: Side) {
    let Ok(socket) = run.testbed.sockets().bind_udp(side.host, 0) else {
        return side.failed(&run, PunchFailure::HostDown);
    };
    let mut trying = Trying {
        run,
        left: side.how.tries,
        side,
        socket,
        paths: None,
    };
    let mut tick: BoxFuture<'static, ()> = std::future::ready(()).boxed();
    loop {
        let receiving = poll_fn(|cx| trying.socket.poll_receive(cx));
        match select(pin!(receiving), &mut tick).await {
            Either::Left((Ok((from, payload)), _)) => {
                let Some(message) = Message::read(&payload) else {
                    continue;
                };
                if trying.hears(from, message) {
                    tick = start(&trying.run, &trying.side).boxed();
                }
            }
            // It has lost its power.
            Either::Left((Err(_), _)) => return,
            Either::Right(_) => {
                if !trying.tries() {
                    return;
                }
                tick = Delay::new(trying.side.spacing()).boxed();
            }
        }
    }
}

struct Trying {
    run: Arc<Run>,
    side: Side,
    socket: Box<dyn Datagrams>,
    left: u32,
    /// Where to ask; unknown until the rendezvous has told.
    paths: Option<BTreeSet<SocketAddr>>,
}

impl Trying {
    /// True if it now knows where the other is seen.
    fn hears(&mut self, from: SocketAddr, message: Message) -> bool {
        if message.punch != self.side.punch {
            return false;
        }
        let is_other = message.side != self.side.number;
        match message.kind {
            Kind::Seen(at) if from == self.side.rendezvous(&self.run) && self.paths.is_none() => {
                self.paths = Some(BTreeSet::from([at]));
                self.left = self.side.how.tries;
                return true;
            }
            Kind::Ask(at) if is_other => {
                self.send(from, Kind::Answer(at));
                if let Some(paths) = &mut self.paths
                    && paths.len() < PATHS_MAX
                {
                    paths.insert(from);
                }
            }
            // An answer from elsewhere is no path for both ways (RFC 8445 §7.2.5.2.1).
            Kind::Answer(at) if is_other && at == from => self.side.answered(&self.run),
            Kind::Register | Kind::Seen(_) | Kind::Ask(_) | Kind::Answer(_) => {}
        }
        false
    }

    /// Asks once more, if there are tries left.
    fn tries(&mut self) -> bool {
        if self.left == 0 {
            if self.paths.is_some() {
                self.side.gives_up(&self.run);
            } else {
                self.side.failed(&self.run, PunchFailure::NotIntroduced);
            }
            return false;
        }
        self.left -= 1;
        match &self.paths {
            None => self.send(self.side.rendezvous(&self.run), Kind::Register),
            Some(paths) => {
                self.side.begins(&self.run);
                for &at in paths {
                    self.send(at, Kind::Ask(at));
                }
            }
        }
        true
    }

    /// What does not go out is as lost as what does not arrive.
    fn send(&self, to: SocketAddr, kind: Kind) {
        let message = Message {
            kind,
            punch: self.side.punch,
            side: self.side.number,
        };
        if let Err(error) = self.socket.send_to(to, message.write()) {
            tracing::debug!(%error, %to, "a datagram did not leave");
        }
    }
}
