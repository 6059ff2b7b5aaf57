//! Hole punching without nodes.
//!
//! Each pair of hosts registers with a third, the rendezvous, from the port that it will use, and
//! is told where the other was seen once both have registered. Once both know that, they send
//! there, the second side perhaps later than the first, again and again, and UDP also to
//! whomever it has heard. What happens is told to [`super::tracker`], which judges it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::tracker::PunchFailure;
use super::{Act, Family, Protocol, Punch, tcp, udp};
use crate::play::run::Run;

/// The port on which a rendezvous is found: that of STUN (RFC 8489 §18.6).
pub(super) const RENDEZVOUS_PORT: u16 = 3_478;

/// One side of a pair.
#[derive(Debug, Clone)]
pub(super) struct Side {
    /// Names the pair.
    pub(super) punch: u32,
    /// 0 or 1.
    pub(super) number: u8,
    pub(super) host: u32,
    pub(super) how: Punch,
}

impl Side {
    /// Where the rendezvous is.
    pub(super) fn rendezvous(&self, run: &Run) -> SocketAddr {
        let (sockets, via) = (run.testbed.sockets(), self.how.via);
        let ip = match self.how.family {
            Family::Ipv4 => sockets.v4(via).into(),
            Family::Ipv6 => sockets.v6(via).into(),
        };
        SocketAddr::new(ip, RENDEZVOUS_PORT)
    }

    /// From one try to the next.
    pub(super) fn spacing(&self) -> Duration {
        Duration::from_nanos(self.how.spacing_ns)
    }

    /// How much later than the first side it begins.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_nanos(if self.number == 0 {
            0
        } else {
            self.how.later_ns
        })
    }

    pub(super) fn begins(&self, run: &Run) {
        let mut state = run.state();
        state
            .trackers
            .get::<Punch>()
            .begins(self.punch as usize, run.now_ns());
    }

    pub(super) fn answered(&self, run: &Run) {
        let mut state = run.state();
        state
            .trackers
            .get::<Punch>()
            .answered(self.punch as usize, run.now_ns());
    }

    pub(super) fn gives_up(&self, run: &Run) {
        let (punch, side) = (self.punch as usize, usize::from(self.number));
        run.state()
            .trackers
            .get::<Punch>()
            .gives_up(punch, side, run.now_ns());
    }

    pub(super) fn failed(&self, run: &Run, cause: PunchFailure) {
        let mut state = run.state();
        state
            .trackers
            .get::<Punch>()
            .failed(self.punch as usize, cause, run.now_ns());
    }
}

/// Lets a host tell others where they are seen, if a workload wants that of it.
pub fn serve(run: &Arc<Run>, host: u32) {
    let wanted = |protocol: Protocol| {
        let mut all = run.scenario.workloads_of::<Punch>();
        all.any(|how| how.via == host && how.protocol == protocol)
    };
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        if wanted(protocol) {
            let run = Arc::clone(run);
            let testbed = Arc::clone(&run.testbed);
            let serving: BoxFuture<'static, ()> = match protocol {
                Protocol::Udp => udp::serve(run, host).boxed(),
                Protocol::Tcp => tcp::serve(run, host).boxed(),
            };
            testbed.spawn(host, serving);
        }
    }
}

/// Both hosts of a pair begin.
pub fn start(run: &Arc<Run>, how: &Punch, host: u32, act: Act) {
    for (number, host) in (0..).zip([host, act.to]) {
        let side = Side {
            punch: act.punch,
            number,
            host,
            how: how.clone(),
        };
        if !run.runs(host) {
            side.failed(run, PunchFailure::HostDown);
            return;
        }
        let ours = Arc::clone(run);
        let trying: BoxFuture<'static, ()> = match how.protocol {
            Protocol::Udp => udp::side(ours, side).boxed(),
            Protocol::Tcp => tcp::side(ours, side).boxed(),
        };
        run.testbed.spawn(host, trying);
    }
}
