//! What a measurement cost, and how costs are summed up.

use std::time::Duration;

use orrery_sim::interpose::process_cpu_ns;
use serde::Serialize;

/// How much simulated time passes before and while it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Until every host is at work and caches are warm.
    pub warm_up: Duration,
    /// What is measured.
    pub measured: Duration,
}

impl Span {
    /// `seconds` of simulated time, after half a second that is not measured.
    pub const fn of_seconds(seconds: u64) -> Self {
        Self {
            warm_up: Duration::from_millis(500),
            measured: Duration::from_secs(seconds),
        }
    }
}

/// What one measurement cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// CPU time of the process.
    pub cpu_ns: u64,
    /// Simulated time that passed meanwhile.
    pub simulated_ns: u64,
    /// Units of work that the hosts did meanwhile.
    pub work: u64,
    /// Events that our kernel delivered meanwhile; 0 on other engines.
    pub events: u64,
}

impl Cost {
    /// CPU seconds for a simulated second.
    pub fn cpu_per_second(&self) -> f64 {
        self.cpu_ns as f64 / self.simulated_ns as f64
    }

    /// CPU nanoseconds for a unit of work.
    pub fn ns_per_work(&self) -> f64 {
        self.cpu_ns as f64 / self.work as f64
    }

    /// CPU nanoseconds for an event of our kernel.
    pub fn ns_per_event(&self) -> f64 {
        self.cpu_ns as f64 / self.events as f64
    }
}

/// A cost that is being incurred. Made before, finished after.
pub(crate) struct Meter {
    cpu_ns: u64,
    work: u64,
    events: u64,
}

impl Meter {
    pub(crate) fn start(work: u64, events: u64) -> Self {
        Self {
            cpu_ns: process_cpu_ns(),
            work,
            events,
        }
    }

    pub(crate) fn finish(self, span: Span, work: u64, events: u64) -> Cost {
        Cost {
            cpu_ns: process_cpu_ns() - self.cpu_ns,
            simulated_ns: span.measured.as_nanos() as u64,
            work: work - self.work,
            events: events - self.events,
        }
    }
}

/// The least by CPU time: what else a machine does takes caches away, and so only
/// ever adds to it.
///
/// # Panics
/// Without costs: a measurement is made at least once.
pub fn least(costs: &[Cost]) -> Cost {
    *costs
        .iter()
        .min_by_key(|cost| cost.cpu_ns)
        .expect("a measurement is made at least once")
}

/// Makes each measurement in turn, `repetitions` times over, and returns the
/// least of each. Taking turns spreads what else the machine does over all.
///
/// # Errors
/// The first error of a measurement.
pub fn in_turns<E>(
    repetitions: u32,
    measurements: &mut [&mut dyn FnMut() -> Result<Cost, E>],
) -> Result<Vec<Cost>, E> {
    let mut costs = vec![Vec::new(); measurements.len()];
    for _ in 0..repetitions {
        for (measure, costs) in measurements.iter_mut().zip(&mut costs) {
            costs.push(measure()?);
        }
    }
    Ok(costs.iter().map(|costs| least(costs)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(cpu_ns: u64) -> Cost {
        Cost {
            cpu_ns,
            simulated_ns: 2_000,
            work: 10,
            events: 20,
        }
    }

    #[test]
    fn disturbed_repetitions_do_not_count() {
        assert_eq!(least(&[cost(5), cost(900), cost(4)]), cost(4));
    }

    #[test]
    fn costs_are_told_by_second_work_and_event() {
        let cost = cost(1_000);
        assert_eq!(format!("{:.2}", cost.cpu_per_second()), "0.50");
        assert_eq!(format!("{:.0}", cost.ns_per_work()), "100");
        assert_eq!(format!("{:.0}", cost.ns_per_event()), "50");
    }

    #[test]
    fn measurements_take_turns() {
        let order = std::cell::RefCell::new(String::new());
        let turn = |name: char, cpu_ns| {
            order.borrow_mut().push(name);
            Ok::<_, ()>(cost(cpu_ns))
        };
        let (mut a, mut b) = (|| turn('a', 1), || turn('b', 2));
        let all = in_turns(3, &mut [&mut a, &mut b]);
        assert_eq!(all, Ok(vec![cost(1), cost(2)]));
        assert_eq!(*order.borrow(), "ababab");
    }
}
