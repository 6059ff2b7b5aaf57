//! Bulk TCP flows over one path, for the rows that compare their goodput with a formula.
//!
//! Owns the topology: each sender is a host of its own, and all send to one receiver without
//! pause. It knows neither formulas nor bounds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::packet::{Packet, Transport};
use orrery_sim::net::stage::{Delay, Draws, DropReason, Loss, Stage, Verdict};
use orrery_sim::net::{TcpListener, TcpStream, address};
use orrery_sim::random::Stream;
use orrery_sim::time::SimTime;
use orrery_sim::units::Ratio;
use orrery_sim::{Class, HostId, HostSpec, Simulation, host, kernel, tcp};

/// The MSS of every flow: an Ethernet packet without the headers of IPv4 and TCP.
pub const MSS_BYTES: f64 = 1_460.0;

/// Which packets of a sender are lost.
#[derive(Debug, Clone, Copy)]
pub enum Losses {
    /// None, but those of queues.
    None,
    /// Each with this probability.
    Random(Ratio),
    /// Every packet with data whose number is a multiple of this.
    EveryNth(u64),
}

/// Flows over one path.
#[derive(Debug, Clone)]
pub struct Bulk {
    /// Senders, one flow each.
    pub senders: u32,
    /// Round-trip time without queues.
    pub rtt: Duration,
    /// Losses on each sender's way up.
    pub losses: Losses,
    /// The link to the receiver, which all share.
    pub bottleneck: LinkSpec,
    /// The senders' TCP; the first sender may have its own.
    pub tcp: tcp::Config,
    /// The first sender's algorithm, if it differs.
    pub first: Option<tcp::Congestion>,
    /// The senders start one after the other within this time.
    pub start: Duration,
    /// What is received before is not measured.
    pub warmup: Duration,
    /// How long is measured.
    pub measured: Duration,
}

impl Bulk {
    /// Plays the flows: payload bytes that the receiver read from each within the measured time.
    ///
    /// # Errors
    /// What kept the simulation from its end.
    pub fn play(&self, seed: u64) -> Result<Vec<u64>, String> {
        let read: Arc<Vec<AtomicU64>> = Arc::new((0..self.senders).map(|_| 0.into()).collect());
        let (received, outcome) = Simulation::new(seed)
            .run(|world| {
                self.build_topology(seed, &read);
                let counts = || -> Vec<u64> {
                    let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
                    read.iter().map(load).collect()
                };
                world.run_until(SimTime::ZERO + self.warmup);
                let before = counts();
                world.run_until(SimTime::ZERO + self.warmup + self.measured);
                let gained = counts().into_iter().zip(before);
                gained.map(|(after, before)| after - before).collect()
            })
            .map_err(|error| error.to_string())?;
        match outcome.failure {
            Some(failure) => Err(failure.to_string()),
            None => Ok(received),
        }
    }

    fn build_topology(&self, seed: u64, read: &Arc<Vec<AtomicU64>>) {
        let senders: Vec<HostId> = (0..self.senders)
            .map(|number| host::add(HostSpec::named(&format!("sender[{number}]"))))
            .collect();
        let back = LinkSpec {
            delay: self.rtt / 2,
            ..LinkSpec::default()
        };
        let receiver = host::add(HostSpec {
            access: Access {
                up: back,
                down: self.bottleneck.clone(),
            },
            ..HostSpec::named("receiver")
        });
        host::set_tcp(receiver, self.tcp.clone());
        host::executor(receiver).spawn(receive_all(receiver, Arc::clone(read)));
        for &sender in &senders {
            let congestion = self.first.filter(|_| sender == senders[0]);
            host::set_tcp(
                sender,
                tcp::Config {
                    congestion: congestion.unwrap_or(self.tcp.congestion),
                    ..self.tcp.clone()
                },
            );
            host::set_uplink(sender, self.uplink()).expect("a loss and a delay are in order");
            let at = Stream::new(seed, "start", sender.0).uniform(Duration::ZERO, self.start);
            kernel::call_at(SimTime::ZERO + at, Class::Workload, sender, move || {
                host::executor(sender).spawn(async move {
                    if let Err(error) = send_forever(sender, receiver).await {
                        kernel::fail(format!("{} cannot send: {error}", host::name(sender)));
                    }
                });
            });
        }
    }

    fn uplink(&self) -> Vec<Box<dyn Stage>> {
        let mut stages: Vec<Box<dyn Stage>> = match self.losses {
            Losses::None => Vec::new(),
            Losses::Random(ratio) => vec![Box::new(Loss::new(ratio))],
            Losses::EveryNth(nth) => vec![Box::new(EveryNth { nth, seen: 0 })],
        };
        stages.push(Box::new(Delay::new(self.rtt / 2)));
        stages
    }
}

/// Loses every `nth` packet with data: the losses that models of TCP assume.
#[derive(Debug)]
struct EveryNth {
    nth: u64,
    seen: u64,
}

impl Stage for EveryNth {
    fn on_packet(&mut self, _: SimTime, packet: &Packet, _: &mut Draws) -> Verdict {
        let Transport::Tcp(segment) = &packet.transport else {
            return Verdict::Pass;
        };
        self.seen += u64::from(!segment.payload.is_empty());
        if segment.payload.is_empty() || !self.seen.is_multiple_of(self.nth) {
            return Verdict::Pass;
        }
        Verdict::Drop(DropReason::Loss)
    }
}

async fn receive_all(here: HostId, read: Arc<Vec<AtomicU64>>) {
    let listener = match TcpListener::bind(here, 80) {
        Ok(listener) => listener,
        Err(error) => return kernel::fail(format!("cannot listen: {error}")),
    };
    loop {
        let mut stream = std::future::poll_fn(|cx| listener.poll_accept(cx)).await;
        let sender = address::host(stream.remote().ip()).expect("only hosts send");
        let read = Arc::clone(&read);
        host::executor(here).spawn(async move {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                read[sender.index()].fetch_add(length as u64, Ordering::Relaxed);
            }
        });
    }
}

async fn send_forever(here: HostId, to: HostId) -> std::io::Result<()> {
    let to = SocketAddr::new(address::v4(to).into(), 80);
    let mut stream = TcpStream::connect(here, to, None).await?;
    let chunk = vec![7; 64 << 10];
    loop {
        stream.write_all(&chunk).await?;
    }
}
