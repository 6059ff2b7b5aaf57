//! A progress bar with simulated time, events a second and time left, on a terminal only; and the
//! hint at another build, once it shows that the run takes long.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::build_hint::{SoFar, hint};
use super::tell;
use crate::engine::{Job, Played, Progress, Watcher};

/// Shows how far a run is.
pub struct Bar {
    bar: ProgressBar,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Simulated nanoseconds at the end of each job.
    ends_ns: Vec<u64>,
    so_far: BTreeMap<usize, Progress>,
    ended: usize,
    failed: usize,
    /// The hint at another build is told once.
    is_hinted: bool,
}

impl Bar {
    /// A bar without jobs yet; invisible off a terminal.
    pub fn new() -> Self {
        let target = if std::io::stderr().is_terminal() {
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
            bar,
            state: Mutex::default(),
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
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
            self.bar.suspend(|| tell(&hint));
        }
        let events: u64 = state.so_far.values().map(|progress| progress.events).sum();
        let wall_s = self.bar.elapsed().as_secs_f64().max(0.001);
        self.bar.set_position(simulated_ns / 1_000_000);
        let failed = match state.failed {
            0 => String::new(),
            count => format!(", {count} failed"),
        };
        self.bar.set_message(format!(
            "{}/{} seeds{failed}  {:.1} simulated min  {:.0} k events/s",
            state.ended,
            state.ends_ns.len(),
            simulated_ns as f64 / 60e9,
            events as f64 / wall_s / 1e3,
        ));
    }
}

impl Watcher for Bar {
    fn started(&self, jobs: &[Job]) {
        let ends_ns: Vec<u64> = jobs.iter().map(Job::end_ns).collect();
        // The length is in simulated milliseconds over all jobs.
        self.bar
            .set_length(ends_ns.iter().map(|ns| ns / 1_000_000).sum());
        self.bar.reset();
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
