//! How much of the log others may fill: a bounded number of lines of each kind in a while.
//!
//! A kind is a place in the code that logs, or a kind of event. What is left out is counted, and told
//! when the while is over. What is logged for debugging is not bounded here.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::Level;
use tracing_subscriber::layer::{Context, Filter};

/// Lines of one kind in one [`WHILE`].
const LINES_MAX: u64 = 100;
const WHILE: Duration = Duration::from_secs(10);
/// Events are counted by their own kinds before they come here.
pub const EVENTS_TARGET: &str = "orrery_node::events";

struct Window {
    since: Instant,
    lines: u64,
}

impl Window {
    fn left_out(&self) -> u64 {
        self.lines.saturating_sub(LINES_MAX)
    }
}

/// Counts lines by kind.
#[derive(Default)]
pub struct Gate {
    windows: Mutex<BTreeMap<String, Window>>,
}

impl Gate {
    /// Whether one more line of `kind` may be logged `now`.
    pub fn admits(&self, kind: &str, now: Instant) -> bool {
        let mut windows = self.windows();
        let Some(window) = windows.get_mut(kind) else {
            let first = Window {
                since: now,
                lines: 1,
            };
            windows.insert(kind.to_owned(), first);
            return true;
        };
        // A window over which something is to be told ends with that.
        if window.left_out() == 0 && now.duration_since(window.since) >= WHILE {
            window.since = now;
            window.lines = 0;
        }
        window.lines = window.lines.saturating_add(1);
        window.left_out() == 0
    }

    /// Kinds of which lines were left out in a while that is over `now`, and how many; at the end,
    /// also in one that is not over.
    pub fn left_out(&self, now: Instant, is_end: bool) -> Vec<(String, u64)> {
        let mut told = Vec::new();
        self.windows().retain(|kind, window| {
            let is_over = is_end || now.duration_since(window.since) >= WHILE;
            if is_over && window.left_out() > 0 {
                told.push((kind.clone(), window.left_out()));
            }
            !is_over
        });
        told
    }

    fn windows(&self) -> MutexGuard<'_, BTreeMap<String, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bounds the log by the place that logs.
pub struct ByPlace(pub std::sync::Arc<Gate>);

impl<S> Filter<S> for ByPlace {
    fn enabled(&self, _: &tracing::Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &tracing::Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        *metadata.level() > Level::INFO
            || metadata.target() == EVENTS_TARGET
            || self.0.admits(metadata.name(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_fills_its_share_and_no_more_and_that_is_told() {
        let (gate, start) = (Gate::default(), Instant::now());
        let at = |s| start + Duration::from_secs(s);
        let admitted = |now| (0..250).filter(|_| gate.admits("refused", now)).count();
        assert_eq!(admitted(start), 100);
        assert!(gate.admits("connected", start));
        assert!(gate.left_out(at(9), false).is_empty());
        let told = [("refused".to_owned(), 150)];
        assert_eq!(gate.left_out(at(10), false), told);
        assert!(gate.left_out(at(10), false).is_empty());
        assert_eq!(admitted(at(11)), 100);
        assert_eq!(gate.left_out(at(12), true), told);
    }

    #[test]
    fn a_while_without_too_many_is_forgotten() {
        let (gate, start) = (Gate::default(), Instant::now());
        for s in 0..100 {
            let now = start + Duration::from_secs(s);
            assert!((0..10).all(|_| gate.admits("refused", now)), "{s} s");
        }
    }
}
