//! Whether another build of this program would save time: told once, in a run that takes long.

use crate::engine::PROFILE;
use crate::format::reading::quantity::show_time;

/// The profile that takes longest to build and least to run.
const FASTEST: &str = "dist";

/// CPU time of a whole run from which the other build is worth waiting for.
const LONG_NS: u64 = 10 * 60 * 1_000_000_000;

/// CPU time from which the whole run's can be told by what is simulated so far.
const KNOWN_NS: u64 = 20 * 1_000_000_000;

/// How far all simulations of a run are together.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "each says its unit")]
pub struct SoFar {
    /// CPU time of the workers.
    pub cpu_ns: u64,
    /// Simulated time.
    pub simulated_ns: u64,
    /// Simulated time at the end of all.
    pub end_ns: u64,
}

/// What is told, if the run takes so long that this program's profile matters.
pub fn hint(so_far: SoFar) -> Option<String> {
    hint_with(PROFILE, so_far)
}

fn hint_with(profile: &str, so_far: SoFar) -> Option<String> {
    if profile == FASTEST || profile.is_empty() || so_far.cpu_ns < KNOWN_NS {
        return None;
    }
    let share = so_far.end_ns as f64 / so_far.simulated_ns.max(1) as f64;
    let expected_ns = (so_far.cpu_ns as f64 * share.max(1.0)) as u64;
    (expected_ns >= LONG_NS).then(|| {
        let minutes_ns = expected_ns - expected_ns % (60 * 1_000_000_000);
        format!(
            "note: this run takes some {} of CPU time; built with `--profile {FASTEST}` instead of \
             `{profile}` the program takes less",
            show_time(minutes_ns as i64)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_of_another_build_is_told_of_the_faster_one() {
        let check = |profile: &str, cpu_s: u64, simulated_s: u64, expected: Option<&str>| {
            let so_far = SoFar {
                cpu_ns: cpu_s * 1_000_000_000,
                simulated_ns: simulated_s * 1_000_000_000,
                end_ns: 3_600_000_000_000,
            };
            let told = hint_with(profile, so_far);
            let takes = |text: &String| text.contains(expected.unwrap_or_default());
            assert_eq!(
                told.as_ref().is_some_and(takes),
                expected.is_some(),
                "{told:?}"
            );
        };
        // 30 s for a tenth of it.
        check("release", 30, 360, None);
        check("release", 60, 360, Some("takes some 10m of CPU"));
        check("debug", 61, 360, Some("instead of `debug`"));
        check("dist", 6_000, 360, None);
        check("", 6_000, 360, None);
        // Too early to tell.
        check("release", 19, 1, None);
        check("release", 7_300, 3_600, Some("some 2h1m of"));
    }
}
