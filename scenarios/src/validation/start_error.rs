//! V4, where NATs answer connections that nobody asked for: how well both sides have to agree on
//! when to begin.
//!
//! Two hosts behind NATs that keep ports, with nothing but the core between the NATs. Each dials
//! the other's outside endpoint from its own port, once, and listens nowhere.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use futures_timer::Delay;
use orrery_sim::net::TcpStream;
use orrery_sim::net::nat::{self, Dependence, GatewaySpec, NatSpec, Unsolicited};
use orrery_sim::{HostSpec, Simulation, host};

use super::{Measured, Row};

/// NATs that ought to answer keep silent.
const SILENT: &str = "unsolicited-syn-never-answered";
/// NATs that ought to keep silent answer.
const LOUD: &str = "unsolicited-syn-always-reset";

pub const ROW: Row = Row {
    id: "V4-start",
    what: "TCP connection that both sides open, NATs 50 ms apart one way, start error 0, 49, 51 and 700 ms: opened where NATs drop, reset, answer themselves",
    expected: "0, 49, 51, 700 ms; 0, 49 ms; 0, 49 ms",
    tolerance: "exact",
    source: "RFC 5382 §4.3: a SYN that arrives before the other has left finds no mapping, and a reset for it ends the dial",
    mutations: &[SILENT, LOUD],
    run,
};

/// One way from NAT to NAT.
const DELAY: Duration = Duration::from_millis(50);

/// How much later the second side begins, in milliseconds.
const ERRORS_MS: [u64; 4] = [0, 49, 51, 700];

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let answers = [Unsolicited::Drop, Unsolicited::Reset, Unsolicited::Gateway];
    let mut told = Vec::new();
    let mut held = true;
    for answer in answers {
        let given = match mutation {
            Some(SILENT) => Unsolicited::Drop,
            Some(LOUD) => Unsolicited::Reset,
            _ => answer,
        };
        let mut opened = Vec::new();
        for error_ms in ERRORS_MS {
            let error = Duration::from_millis(error_ms);
            let works = opens(given, error)?;
            let expected = answer == Unsolicited::Drop || error < DELAY;
            held &= works == expected;
            if works {
                opened.push(error_ms.to_string());
            }
        }
        told.push(format!("{} ms", opened.join(", ")));
    }
    Ok(Measured {
        text: told.join("; "),
        held,
    })
}

/// Whether both sides have a connection in the end, of which the second begins so much later.
fn opens(unsolicited: Unsolicited, later: Duration) -> Result<bool, String> {
    const PORTS: [u16; 2] = [5_000, 6_000];
    let (opened, outcome) = Simulation::new(1)
        .run(|world| {
            host::set_delays(vec![
                vec![Duration::ZERO, DELAY],
                vec![DELAY, Duration::ZERO],
            ]);
            let mut homes = Vec::new();
            for region in [0, 1] {
                let home = nat::add(GatewaySpec {
                    region,
                    nat: Some(NatSpec {
                        filtering: Dependence::AddressAndPortDependent,
                        unsolicited,
                        ..NatSpec::default()
                    }),
                    ..GatewaySpec::named("home")
                })?;
                let inside = host::add(HostSpec {
                    behind: Some(home),
                    ..HostSpec::named("inside")
                });
                homes.push((home, inside));
            }
            let (told, opened) = mpsc::channel();
            for (side, delay) in [(0, Duration::ZERO), (1, later)] {
                let (inside, told) = (homes[side].1, told.clone());
                let (other, _) = homes[1 - side];
                let to = SocketAddr::new(host::v4(other.host()).into(), PORTS[1 - side]);
                host::executor(inside).spawn(async move {
                    Delay::new(delay).await;
                    if let Ok(stream) = TcpStream::connect(inside, to, Some(PORTS[side])).await {
                        // Only a simulation that has ended does not listen any more.
                        let _ = told.send(stream);
                    }
                });
            }
            world.run_for(Duration::from_secs(20));
            Ok::<_, nat::SpecError>(opened.try_iter().count() == 2)
        })
        .map_err(|error| error.to_string())?;
    if let Some(failure) = outcome.failure {
        return Err(failure.to_string());
    }
    opened.map_err(|error| error.to_string())
}
