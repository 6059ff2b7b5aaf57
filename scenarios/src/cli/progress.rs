//! How far a run is: a progress bar with simulated time, events a second and time left on a
//! terminal, a plain line now and then elsewhere; and the hint at another build, once it shows that
//! the run takes long.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::build_hint::{SoFar, hint};
use super::tell;
use crate::engine::Watcher;
use crate::format::reading::quantity::show_time;
use crate::job::{Job, Played, Progress};

/// Shows how far a run is.
pub struct Bar {
    drawn: ProgressBar,
    is_on_terminal: bool,
    state: Mutex<State>,
}

/// Wall time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(30);

#[derive(Default)]
struct State {
    /// Simulated nanoseconds at the end of each job.
    ends_ns: Vec<u64>,
    so_far: BTreeMap<usize, Progress>,
    ended: usize,
    failed: usize,
    /// The hint at another build is told once.
    is_hinted: bool,
    /// Plain lines that were told.
    lines: u32,
}

impl Bar {
    /// A bar without jobs yet; invisible off a terminal, where lines take its place.
    pub fn new() -> Self {
        let is_on_terminal = std::io::stderr().is_terminal();
        let target = if is_on_terminal {
            ProgressDrawTarget::stderr_with_hz(8)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let template = "{wide_bar} {percent:>3} %  {msg}  {eta} left (wall)";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(500));
        Self {
            drawn: bar,
            is_on_terminal,
            state: Mutex::default(),
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.drawn.finish_and_clear();
    }

    fn show(&self, state: &mut State) {
        let simulated_ns: u64 = state
            .so_far
            .values()
            .map(|progress| progress.simulated_ns)
            .sum();
        let so_far = SoFar {
            cpu_ns: state.so_far.values().map(|progress| progress.cpu_ns).sum(),
            simulated_ns,
            end_ns: state.ends_ns.iter().sum(),
        };
        if !state.is_hinted
            && let Some(hint) = hint(so_far)
        {
            state.is_hinted = true;
            self.drawn.suspend(|| tell(&hint));
        }
        let events: u64 = state.so_far.values().map(|progress| progress.events).sum();
        let wall = self.drawn.elapsed();
        let wall_s = wall.as_secs_f64().max(0.001);
        self.drawn.set_position(simulated_ns / 1_000_000);
        let failed = match state.failed {
            0 => String::new(),
            count => format!(", {count} failed"),
        };
        let message = format!(
            "{}/{} simulations{failed}  {:.1} simulated min  {:.0} k events/s",
            state.ended,
            state.ends_ns.len(),
            simulated_ns as f64 / 60e9,
            events as f64 / wall_s / 1e3,
        );
        if !self.is_on_terminal && wall >= LINE_EVERY * (state.lines + 1) {
            state.lines = (wall.as_secs() / LINE_EVERY.as_secs()) as u32;
            tell(&plain_line(so_far, wall, &message));
        }
        self.drawn.set_message(message);
    }
}

/// What is told where there is no terminal.
fn plain_line(so_far: SoFar, wall: Duration, message: &str) -> String {
    let share = so_far.simulated_ns as f64 / so_far.end_ns.max(1) as f64;
    let left_s = wall.as_secs_f64() * (1.0 / share.max(1e-3) - 1.0).max(0.0);
    let shown = |s: u64| show_time((s * 1_000_000_000) as i64);
    format!(
        "{:.0} % after {} (wall), some {} left: {message}",
        share * 100.0,
        shown(wall.as_secs()),
        shown(left_s as u64)
    )
}

impl Watcher for Bar {
    fn started(&self, jobs: &[Job]) {
        let ends_ns: Vec<u64> = jobs.iter().map(Job::end_ns).collect();
        // The length is in simulated milliseconds over all jobs.
        self.drawn
            .set_length(ends_ns.iter().map(|ns| ns / 1_000_000).sum());
        self.drawn.reset();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State {
            ends_ns,
            is_hinted: state.is_hinted,
            ..State::default()
        };
    }

    fn progress(&self, job: usize, progress: Progress) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.so_far.insert(job, progress);
        self.show(&mut state);
    }

    fn ended(&self, job: usize, played: &Played) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let simulated_ns = state.ends_ns.get(job).copied().unwrap_or(0);
        let so_far = state.so_far.entry(job).or_default();
        so_far.simulated_ns = simulated_ns;
        so_far.cpu_ns = (played.result.cpu_s * 1e9) as u64;
        state.ended += 1;
        state.failed += usize::from(played.failure.is_some());
        self.show(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_tells_how_much_is_left() {
        let so_far = SoFar {
            cpu_ns: 0,
            simulated_ns: 25,
            end_ns: 100,
        };
        let line = plain_line(so_far, Duration::from_secs(30), "1/4 simulations");
        assert_eq!(
            line,
            "25 % after 30s (wall), some 1m30s left: 1/4 simulations"
        );
    }
}
