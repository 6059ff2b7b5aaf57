//! The workloads on turmoil, in whose simulations every host has a tokio runtime
//! that is polled once a tick of simulated time.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use futures_timer::Delay;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use turmoil::net::{TcpListener, TcpStream};

use crate::cost::{Cost, Meter, Span};
use crate::program::{Counter, Wire, answer, ask, tick};
use crate::workload::{DELAY, MeasureError, SEED, Workload, offset};

const PORT: u16 = 4001;

/// turmoil's default, and the resolution of tokio's timers.
const TICK: Duration = Duration::from_millis(1);

impl Wire for TcpStream {
    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.write_all(message).await
    }

    async fn receive(&mut self, message: &mut [u8]) -> io::Result<()> {
        self.read_exact(message).await.map(|_| ())
    }
}

/// Runs `workload` on `hosts` hosts of a simulation of its own.
///
/// # Errors
/// `Turmoil`, `NotOnTurmoil` and `Nothing`.
pub fn measure(workload: Workload, hosts: u32, span: Span) -> Result<Cost, MeasureError> {
    let done = Counter::default();
    let mut sim = turmoil::Builder::new()
        .tick_duration(TICK)
        .simulation_duration(span.warm_up + span.measured)
        .min_message_latency(DELAY)
        .max_message_latency(DELAY)
        .rng_seed(SEED)
        .build();
    match workload {
        Workload::Idle => {
            for host in 0..hosts {
                let done = done.clone();
                sim.host(name(host), move || {
                    let ticks = tick(offset(host), done.clone());
                    async move {
                        ticks.await;
                        Ok(())
                    }
                });
            }
        }
        Workload::Echo => {
            for pair in 0..hosts / 2 {
                add_pair(&mut sim, 2 * pair, 2 * pair + 1, &done);
            }
        }
        Workload::Packets(_) => return Err(MeasureError::NotOnTurmoil(workload)),
    }
    steps(&mut sim, span.warm_up)?;
    let meter = Meter::start(done.so_far(), 0);
    steps(&mut sim, span.measured)?;
    let cost = meter.finish(span, done.so_far(), 0);
    if cost.work == 0 {
        return Err(MeasureError::Nothing { hosts });
    }
    Ok(cost)
}

fn steps(sim: &mut turmoil::Sim<'_>, time: Duration) -> Result<(), MeasureError> {
    for _ in 0..time.as_nanos() / TICK.as_nanos() {
        sim.step()
            .map_err(|error| MeasureError::Turmoil(error.to_string()))?;
    }
    Ok(())
}

fn add_pair(sim: &mut turmoil::Sim<'_>, server: u32, client: u32, done: &Counter) {
    sim.host(name(server), || async {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
        let (stream, _) = listener.accept().await?;
        Ok(answer(stream).await?)
    });
    let done = done.clone();
    sim.host(name(client), move || {
        let done = done.clone();
        async move {
            Delay::new(offset(client)).await;
            let stream = TcpStream::connect((name(server), PORT)).await?;
            Ok(ask(stream, done).await?)
        }
    });
}

fn name(host: u32) -> String {
    format!("h{host}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_orrery;
    use crate::workload::Links;

    #[test]
    fn both_engines_do_the_same_work() {
        let span = Span::of_seconds(2);
        for workload in [Workload::Idle, Workload::Echo] {
            let ours = on_orrery::measure(workload, 6, span).expect("runs");
            let theirs = measure(workload, 6, span).expect("runs");
            // tokio rounds timers up to its tick, so that a period is 1 % longer.
            let apart = ours.work.abs_diff(theirs.work);
            assert!(apart <= 6, "{workload:?}: {ours:?} {theirs:?}");
        }
    }

    #[test]
    fn a_workload_that_turmoil_does_not_have_is_refused() {
        let refused = measure(Workload::Packets(Links::Bare), 2, Span::of_seconds(1));
        assert!(matches!(refused, Err(MeasureError::NotOnTurmoil(_))));
    }

    #[test]
    fn a_measurement_in_which_nothing_happens_is_an_error() {
        let nothing = measure(Workload::Echo, 1, Span::of_seconds(1));
        assert!(matches!(nothing, Err(MeasureError::Nothing { hosts: 1 })));
    }
}
