//! CUBIC (RFC 9438): the window as a cubic function of the time since the last
//! loss, and never less than a Reno flow would have.
//!
//! All arithmetic is in integers: windows in bytes, times in microseconds, and
//! divisions carry their remainder to the next acknowledgement. Slow start is
//! that of RFC 5681; there is no `HyStart++`.

use std::time::Duration;

use super::{Acked, CongestionControl, SLOW_START_LIMIT};
use crate::time::SimTime;

/// β of RFC 9438 §4.6, as a fraction.
const BETA: (u64, u64) = (7, 10);
/// C of RFC 9438 §5.1 in segments per cubic second, as a fraction.
const C: (u128, u128) = (4, 10);
/// α of RFC 9438 §4.3, 3 · (1 − β) / (1 + β) = 9/17, and its value once the
/// estimate has reached the window before the loss, 1 = 17/17.
const ALPHA: u64 = 9;
const ALPHA_PROBING: u64 = 17;
const ALPHA_UNIT: u64 = 17;
/// Microseconds in a second, cubed.
const CUBIC_MICROS: u128 = 1_000_000_000_000_000_000;
/// Furthest from the inflection point that the function is evaluated; by then,
/// after 28 hours, every window has reached its bounds.
const REACH_MICROS: u64 = 100_000_000_000;
/// Largest window in bytes: no peer can announce more (RFC 7323 §2.3).
const WINDOW_MAX: u64 = 1 << 30;

/// State of the algorithm; windows are in bytes.
#[derive(Debug, Clone)]
pub struct Cubic {
    mss: u64,
    initial_window: u64,
    window: u64,
    threshold: u64,
    /// `W_max`: the plateau of the function.
    plateau: u64,
    /// The window before the last loss.
    prior: u64,
    /// The current stage of congestion avoidance, once there is one: most
    /// connections never leave slow start.
    epoch: Option<Box<Epoch>>,
    /// Whether the next stage begins after a loss that left the plateau above.
    after_loss: bool,
}

/// A stage of congestion avoidance.
#[derive(Debug, Clone)]
struct Epoch {
    /// When it began; moved on by the time in which the sender was idle.
    start: SimTime,
    /// The last acknowledgement.
    last: SimTime,
    /// K: microseconds until the function is at its plateau.
    inflection_micros: u64,
    /// `W_est`: what Reno would have by now, and the remainder of its growth.
    friendly: u64,
    friendly_rest: u64,
    /// Remainder of the window's growth.
    rest: u64,
}

impl Cubic {
    /// Starts with a window of `initial_segments` segments of `mss` bytes.
    pub fn new(mss: u64, initial_segments: u32) -> Self {
        let initial_window = mss * u64::from(initial_segments.max(1));
        Self {
            mss,
            initial_window,
            window: initial_window,
            threshold: u64::MAX,
            plateau: 0,
            prior: 0,
            epoch: None,
            after_loss: false,
        }
    }

    /// RFC 9438 §4.6 and §4.7.
    fn reduce(&mut self, in_flight: u64) {
        self.plateau = if self.window < self.plateau {
            // Fast convergence: others need room.
            self.window * (BETA.1 + BETA.0) / (2 * BETA.1)
        } else {
            self.window
        };
        self.prior = self.window;
        self.threshold = (in_flight.min(WINDOW_MAX) * BETA.0 / BETA.1).max(2 * self.mss);
        self.epoch = None;
        self.after_loss = true;
    }

    /// RFC 9438 §4.2, and §4.8 for stages that do not follow a loss.
    fn begin(&self, now: SimTime) -> Epoch {
        let below = self.plateau.saturating_sub(self.window);
        Epoch {
            start: now,
            last: now,
            inflection_micros: inflection_micros(below, self.mss),
            friendly: self.window,
            friendly_rest: 0,
            rest: 0,
        }
    }

    fn avoid_congestion(&mut self, acked: Acked) {
        if self.epoch.is_none() {
            if !self.after_loss {
                self.plateau = self.window;
            }
            self.after_loss = false;
            self.epoch = Some(Box::new(self.begin(acked.now)));
        }
        let (window, mss, prior) = (self.window, self.mss, self.prior);
        let Some(epoch) = &mut self.epoch else {
            return;
        };
        if acked.in_flight + mss < window {
            // RFC 9438 §5.8: time in which the application set the pace does
            // not count.
            epoch.start += acked.now - epoch.last;
            epoch.last = acked.now;
            return;
        }
        epoch.last = acked.now;
        epoch.grow_friendly(acked.bytes, window, mss, prior);
        let elapsed = acked.now - epoch.start;
        let at = |elapsed: Duration| {
            let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
            cubic_window(micros, epoch.inflection_micros, self.plateau, mss)
        };
        let rtt = acked.rtt.unwrap_or_default();
        self.window = if at(elapsed) < epoch.friendly {
            // RFC 9438 §4.3.
            window.max(epoch.friendly)
        } else {
            // RFC 9438 §4.4 and §4.5.
            let target = at(elapsed + rtt).clamp(window, window + window / 2);
            let growth = (target - window) * acked.bytes.min(window) + epoch.rest;
            epoch.rest = growth % window;
            window + growth / window
        };
        self.window = self.window.min(WINDOW_MAX);
    }
}

impl Epoch {
    /// RFC 9438 figure 4.
    fn grow_friendly(&mut self, bytes: u64, window: u64, mss: u64, prior: u64) {
        let alpha = if self.friendly < prior {
            ALPHA
        } else {
            ALPHA_PROBING
        };
        let growth = alpha * bytes.min(window) * mss + self.friendly_rest;
        let unit = ALPHA_UNIT * window;
        self.friendly += growth / unit;
        self.friendly_rest = growth % unit;
    }
}

impl CongestionControl for Cubic {
    fn window(&self) -> u64 {
        self.window
    }

    fn slow_start_threshold(&self) -> u64 {
        self.threshold
    }

    fn on_ack(&mut self, acked: Acked) {
        if self.window >= self.threshold {
            self.avoid_congestion(acked);
        } else if 2 * acked.in_flight >= self.window {
            let grown = self.window + acked.bytes.min(SLOW_START_LIMIT * self.mss);
            self.window = grown.min(WINDOW_MAX);
        }
    }

    fn on_loss(&mut self, _now: SimTime, in_flight: u64) {
        self.reduce(in_flight);
        self.window = self.threshold;
    }

    fn on_recovered(&mut self, _now: SimTime, in_flight: u64) {
        // RFC 6582 §3.2 step 3, option 1: no burst after the repair.
        let unburst = in_flight.max(self.mss) + self.mss;
        self.window = self.threshold.min(unburst);
    }

    fn on_timeout(&mut self, _now: SimTime, in_flight: u64, first: bool) {
        if first {
            self.reduce(in_flight);
        }
        self.window = self.mss;
        // RFC 9438 §4.8: the stage after the slow start to come starts flat.
        self.epoch = None;
        self.after_loss = false;
    }

    fn on_idle(&mut self, _now: SimTime) {
        self.window = self.window.min(self.initial_window);
        self.epoch = None;
        self.after_loss = false;
    }
}

/// K of RFC 9438 §4.2: the cube root of `below` ÷ C, in microseconds.
fn inflection_micros(below: u64, mss: u64) -> u64 {
    let cube = u128::from(below) * CUBIC_MICROS * C.1 / (C.0 * u128::from(mss));
    cube_root(cube)
}

/// `W_cubic` of RFC 9438 §4.2 in bytes, `micros` after the stage began.
fn cubic_window(micros: u64, inflection_micros: u64, plateau: u64, mss: u64) -> u64 {
    let distance = u128::from(micros.abs_diff(inflection_micros).min(REACH_MICROS));
    let rise = C.0 * u128::from(mss) * distance.pow(3) / (C.1 * CUBIC_MICROS);
    let rise = u64::try_from(rise).unwrap_or(WINDOW_MAX).min(WINDOW_MAX);
    if micros < inflection_micros {
        plateau.saturating_sub(rise)
    } else {
        plateau + rise
    }
}

/// The largest integer whose cube is at most `value`.
fn cube_root(value: u128) -> u64 {
    (0..42).rev().fold(0, |root, bit| {
        let larger = root | 1 << bit;
        if u128::from(larger).pow(3) <= value {
            larger
        } else {
            root
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u64 = 1_000;

    /// A flow whose window is always full, acknowledged once a round trip.
    fn round(cubic: &mut Cubic, now: &mut SimTime, rtt: Duration) {
        *now += rtt;
        for _ in 0..cubic.window() / MSS {
            cubic.on_ack(Acked {
                now: *now,
                bytes: MSS,
                in_flight: cubic.window(),
                rtt: Some(rtt),
            });
        }
    }

    #[test]
    fn cube_roots_are_exact() {
        let check = |value: u128, expected| assert_eq!(cube_root(value), expected);
        check(0, 0);
        check(1, 1);
        check(7, 1);
        check(8, 2);
        check(999_999_999_999_999_999, 999_999);
        check(1_000_000_000_000_000_000, 1_000_000);
        check(u128::MAX, (1 << 42) - 1);
        for root in [3_u64, 1_000_003, 4_398_046_511_103] {
            check(u128::from(root).pow(3), root);
            check(u128::from(root).pow(3) - 1, root - 1);
        }
    }

    #[test]
    fn the_function_is_that_of_the_rfc() {
        // W_max = 1,000 segments and a window of 700: K = cbrt(300 / 0.4) =
        // 9.0856 s. Values of 0.4 · (t − K)³ + 1,000 computed in floating point.
        let k = inflection_micros(300 * MSS, MSS);
        assert_eq!(k, 9_085_602);
        for (seconds, segments) in [
            (0, 700.000),
            (1, 788.555),
            (5, 972.721),
            (9, 1_000.000),
            (10, 1_000.306),
            (15, 1_082.754),
            (20, 1_520.067),
        ] {
            let window = cubic_window(seconds * 1_000_000, k, 1_000 * MSS, MSS);
            let error = window as f64 / MSS as f64 - segments;
            assert!(error.abs() < 0.01, "{seconds} s: {window}");
        }
    }

    #[test]
    fn the_window_follows_the_function() {
        let mut cubic = Cubic::new(MSS, 1_000);
        cubic.on_loss(SimTime::ZERO, 1_000 * MSS);
        assert_eq!(cubic.window(), 700 * MSS);
        let rtt = Duration::from_millis(100);
        let mut now = SimTime::ZERO;
        round(&mut cubic, &mut now, rtt);
        for _ in 0..150 {
            round(&mut cubic, &mut now, rtt);
            let elapsed = (now - SimTime::ZERO).as_micros() as u64;
            let expected = cubic_window(elapsed, 9_185_602, 1_000 * MSS, MSS);
            let off = cubic.window().abs_diff(expected);
            assert!(off * 100 < expected, "{now:?}: {}", cubic.window());
        }
    }

    #[test]
    fn short_paths_are_reno_friendly() {
        // At 10 ms and a small window, Reno with β = 0.7 is faster: 9/17 of a
        // segment a round until the old window is reached, one after it.
        let mut cubic = Cubic::new(MSS, 100);
        cubic.on_loss(SimTime::ZERO, 100 * MSS);
        let (mut now, rtt) = (SimTime::ZERO, Duration::from_millis(10));
        for _ in 0..34 {
            round(&mut cubic, &mut now, rtt);
        }
        assert!(
            cubic.window().abs_diff(88 * MSS) <= MSS,
            "{}",
            cubic.window()
        );
        for _ in 0..23 {
            round(&mut cubic, &mut now, rtt);
        }
        let reached = cubic.window();
        assert!(reached.abs_diff(100 * MSS) <= MSS, "{reached}");
        for _ in 0..10 {
            round(&mut cubic, &mut now, rtt);
        }
        assert!(
            cubic.window().abs_diff(reached + 10 * MSS) <= MSS,
            "{}",
            cubic.window()
        );
    }

    #[test]
    fn a_second_loss_below_the_plateau_converges_fast() {
        let mut cubic = Cubic::new(MSS, 1_000);
        cubic.on_loss(SimTime::ZERO, 1_000 * MSS);
        assert_eq!((cubic.window(), cubic.plateau), (700 * MSS, 1_000 * MSS));
        cubic.on_loss(SimTime::ZERO, 700 * MSS);
        assert_eq!((cubic.window(), cubic.plateau), (490 * MSS, 595 * MSS));
    }

    #[test]
    fn idle_time_does_not_raise_the_window() {
        let mut cubic = Cubic::new(MSS, 100);
        cubic.on_loss(SimTime::ZERO, 100 * MSS);
        let (mut now, rtt) = (SimTime::ZERO, Duration::from_millis(100));
        round(&mut cubic, &mut now, rtt);
        let before = cubic.window();
        now += Duration::from_hours(1);
        cubic.on_ack(Acked {
            now,
            bytes: MSS,
            in_flight: MSS,
            rtt: Some(rtt),
        });
        assert_eq!(cubic.window(), before);
        round(&mut cubic, &mut now, rtt);
        assert!(cubic.window() < before + 5 * MSS, "{}", cubic.window());
    }

    #[test]
    fn after_a_timeout_the_function_starts_flat() {
        let mut cubic = Cubic::new(MSS, 100);
        cubic.on_timeout(SimTime::ZERO, 100 * MSS, true);
        cubic.on_timeout(SimTime::ZERO, MSS, false);
        assert_eq!((cubic.window(), cubic.threshold), (MSS, 70 * MSS));
        let (mut now, rtt) = (SimTime::ZERO, Duration::from_millis(100));
        while cubic.window() < cubic.threshold {
            round(&mut cubic, &mut now, rtt);
        }
        round(&mut cubic, &mut now, rtt);
        let epoch = cubic.epoch.as_ref().expect("congestion avoidance began");
        assert_eq!(epoch.inflection_micros, 0);
        assert!(cubic.plateau >= 70 * MSS);
    }

    #[test]
    fn windows_stay_bounded_for_ever() {
        let mut cubic = Cubic::new(MSS, 10);
        cubic.on_loss(SimTime::ZERO, u64::MAX);
        let mut now = SimTime::ZERO;
        for _ in 0..100 {
            now += Duration::from_hours(24);
            cubic.on_ack(Acked {
                now,
                bytes: WINDOW_MAX,
                in_flight: cubic.window(),
                rtt: Some(Duration::from_hours(24)),
            });
            assert!(cubic.window() <= WINDOW_MAX);
        }
    }
}
