//! V38: what is declared to go wrong goes wrong, as often as declared.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use futures_timer::Delay;
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::net::{self, address};
use orrery_sim::units::Ratio;
use orrery_sim::{HostSpec, Simulation, host};

use super::binomial::central_range;
use super::played::played;
use super::{Measured, Row};
use crate::format;

/// A link that loses twice what it is told to.
const DOUBLED: &str = "loss-doubled";
/// A partition between two hosts that have nothing to say to each other.
const INERT: &str = "partition-of-strangers";
/// A NAT starts again that has nothing to forget.
const IDLE: &str = "restart-of-an-idle-nat";

pub const ROW: Row = Row {
    id: "V38",
    what: "declared faults: packets missing of 20,000, loss 0.1, 1 (up), 10 % (down); each kind of fault fires",
    expected: "within the binomial 99 % interval; 14 of 14 kinds fired",
    tolerance: "exact",
    source: "binomial distribution",
    mutations: &[DOUBLED, INERT, IDLE],
    run,
};

const PACKETS: u32 = 20_000;

/// On either side of the interval: 99 % lie within.
const TAIL: f64 = 0.005;

/// Declared losses in parts per million, and whether on the way up.
const LOSSES: [(u32, bool); 3] = [(1_000, true), (10_000, true), (100_000, false)];

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let mut told = Vec::new();
    let mut held = true;
    for (ppm, is_up) in LOSSES {
        let actual = if mutation == Some(DOUBLED) {
            ppm * 2
        } else {
            ppm
        };
        let lost = lost_packets(actual, is_up)?;
        let range = central_range(u64::from(PACKETS), f64::from(ppm) / 1e6, TAIL);
        held &= range.contains(&lost.missed) && lost.missed == lost.counted;
        told.push(format!(
            "{} %: {} in {}–{}",
            f64::from(ppm) / 1e4,
            lost.missed,
            range.start(),
            range.end()
        ));
    }
    let fired = fired_faults(mutation)?;
    held &= fired.iter().all(|(_, fired)| *fired > 0);
    let kinds = fired.iter().filter(|(_, fired)| *fired > 0).count();
    told.push(format!("{kinds} of {} kinds fired", fired.len()));
    Ok(Measured {
        text: told.join("; "),
        held,
    })
}

/// Packets that did not arrive.
struct Lost {
    /// By what the receiving program got.
    missed: u64,
    /// By the network's own account.
    counted: u64,
}

/// Sends packets over a link with this loss.
fn lost_packets(ppm: u32, is_up: bool) -> Result<Lost, String> {
    let (lost, outcome) = Simulation::new(u64::from(ppm))
        .run(|world| {
            let lossy = LinkSpec {
                loss: Ratio::from_ppm(ppm),
                ..LinkSpec::default()
            };
            let [mut from, mut to] = [Access::default(), Access::default()];
            if is_up {
                from.up = lossy;
            } else {
                to.down = lossy;
            }
            let sender = host::add(HostSpec {
                access: from,
                ..HostSpec::named("sender")
            });
            let receiver = host::add(HostSpec {
                access: to,
                ..HostSpec::named("receiver")
            });
            let (told, arrivals) = mpsc::channel();
            host::executor(receiver).spawn(async move {
                let Ok(socket) = UdpSocket::bind(receiver, 9) else {
                    return;
                };
                while poll_fn(|cx| socket.poll_recv_from(cx)).await.is_ok() {
                    // Only a simulation that has ended does not listen any more.
                    let _ = told.send(());
                }
            });
            host::executor(sender).spawn(async move {
                let Ok(socket) = UdpSocket::bind(sender, 9) else {
                    return;
                };
                let to = SocketAddr::new(address::v4(receiver).into(), 9);
                for _ in 0..PACKETS {
                    if socket.send_to(to, vec![0; 100].into()).is_err() {
                        return;
                    }
                    Delay::new(Duration::from_micros(100)).await;
                }
            });
            world.run_for(Duration::from_secs(10));
            Lost {
                missed: u64::from(PACKETS) - arrivals.try_iter().count() as u64,
                counted: net::drops().get("loss").copied().unwrap_or(0),
            }
        })
        .map_err(|error| error.to_string())?;
    outcome
        .failure
        .map_or(Ok(lost), |failure| Err(failure.to_string()))
}

/// Plays one fault of each kind: its name and its effects.
fn fired_faults(mutation: Option<&str>) -> Result<Vec<(String, u64)>, String> {
    // In a ring of four, the hosts 0 and 2 are no friends.
    let between = if mutation == Some(INERT) {
        "[\"h[0]\", \"h[2]\"]"
    } else {
        "[\"h[0..2]\", \"h[2..4]\"]"
    };
    let flow_at = if mutation == Some(IDLE) { "80s" } else { "10s" };
    let text = format!(
        "name = \"validation/faults\"\nduration = \"2m\"\n[network]\ndelays = \"ibm-10\"\n\
         [[group]]\nname = \"h\"\ncount = 4\nfriends = {{ graph = \"ring\" }}\n\
         regions = {{ London = 1.0 }}\naccess = \"fixed\"\n\
         [[fault]]\nkind = \"partition\"\nat = \"30s\"\nfor = \"20s\"\nbetween = {between}\n\
         [[fault]]\nkind = \"power-cut\"\nhosts = \"h[3]\"\nat = \"60s\"\nfor = \"5s\"\n\
         [[fault]]\nkind = \"link\"\nhosts = \"h[1]\"\nat = \"70s\"\nfor = \"10s\"\nloss = \"50%\"\n\
         [[fault]]\nkind = \"clock-step\"\nhosts = \"h\"\nat = \"80s\"\nby = \"-30s\"\n\
         [[fault]]\nkind = \"stop\"\nhosts = \"h[2]\"\nat = \"90s\"\nfor = \"5s\"\n\
         [[fault]]\nkind = \"pause\"\nhosts = \"h[0]\"\nat = \"100s\"\nfor = \"5s\"\n\
         [[fault]]\nkind = \"sleep\"\nhosts = \"h[1]\"\nat = \"85s\"\nfor = \"5s\"\n\
         [[fault]]\nkind = \"new-disk\"\nhosts = \"h[2]\"\nat = \"105s\"\nfor = \"5s\"\n\
         [[fault]]\nkind = \"outage\"\nhosts = \"h[1]\"\nat = \"98s\"\nfor = \"5s\"\n\
         [[fault]]\nkind = \"interface\"\nhosts = \"h[0]\"\nat = \"107s\"\nfor = \"5s\"\n\
         [[group]]\nname = \"n\"\ncount = 1\nprogram = \"none\"\nnat = \"eim-apdf\"\n\
         access = \"3g\"\n\
         [[group]]\nname = \"s\"\ncount = 1\nprogram = \"none\"\n\
         [[workload]]\nkind = \"flow\"\nfrom = \"n\"\nto = \"s\"\nat = \"{flow_at}\"\n\
         for = \"20s\"\n\
         [[fault]]\nkind = \"nat-restart\"\nhosts = \"n\"\nat = \"20s\"\n\
         [[fault]]\nkind = \"nat-lifetime\"\nhosts = \"n\"\nat = \"15s\"\n\
         tcp_established = \"10m\"\n\
         [[fault]]\nkind = \"nat-address\"\nhosts = \"n\"\nat = \"50s\"\n\
         [[fault]]\nkind = \"move\"\nhosts = \"n\"\nat = \"60s\"\nfor = \"10s\"\nto = \"sym\"\n"
    );
    let plan = format::read("faults", &text, None, &[]).map_err(|problems| problems.to_string())?;
    let faults = played(plan.cases[0].scenario.clone())?.faults.into_iter();
    Ok(faults.map(|fault| (fault.kind.name, fault.fired)).collect())
}
