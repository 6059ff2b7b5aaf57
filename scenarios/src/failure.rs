//! Why a simulation did not come to its end: a type from where it arises to the verdict.
//!
//! Owns the kinds of failure and their texts. The record has the text alone, so whatever has to
//! tell failures apart does so before the record is made, and never reads a text back.

use orrery_sim::time::SimTime;
use serde::{Deserialize, Serialize};

/// Why a simulation did not come to its end. Its text is what records and terminals show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// It made no progress any more.
    #[error(
        "stalled: {undrained} of {hosts} hosts, {} among them, did not reach two empty pulls \
         before the drain ended; {outlook}",
        first.join(", ")
    )]
    Stalled {
        /// Hosts that had not drained.
        undrained: usize,
        /// All hosts.
        hosts: usize,
        /// Names of the first that had not drained.
        first: Vec<String>,
        /// What kept them, for people.
        outlook: String,
    },
    /// A host's program panicked, or an invariant broke while it ran.
    #[error("host {host} at {} (seed {seed}): {message}", SimTime::from_nanos(*at_ns))]
    Panicked {
        /// The host's name, or `world`.
        host: String,
        /// Simulated nanoseconds.
        at_ns: u64,
        /// The seed.
        seed: u64,
        /// The panic's message and place, or the broken invariant.
        message: String,
    },
    /// The simulation could not write its files: not the scenario failed but the tool, and the
    /// whole run ends.
    #[error("the run cannot go on: {why}")]
    Unwritten {
        /// What could not be written, and why.
        why: String,
    },
    /// The worker process died.
    #[error("{how}{}", told(last_words))]
    Died {
        /// How, by its status.
        how: String,
        /// The end of what it had to say on standard error; may be empty.
        last_words: String,
    },
    /// The simulation could not be played or judged for another reason.
    #[error("{why}")]
    Unplayed {
        /// The reason.
        why: String,
    },
}

impl From<orrery_sim::Failure> for Failure {
    fn from(failure: orrery_sim::Failure) -> Self {
        Self::Panicked {
            host: failure.host,
            at_ns: failure.at.as_nanos(),
            seed: failure.seed,
            message: failure.message,
        }
    }
}

fn told(last_words: &str) -> String {
    if last_words.is_empty() {
        String::new()
    } else {
        format!("; its last words:\n{last_words}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_crosses_to_the_pool_as_what_it_is() {
        let failures = [
            Failure::Stalled {
                undrained: 2,
                hosts: 9,
                first: vec!["home[0]".into(), "home[3]".into()],
                outlook: "nothing is under way".into(),
            },
            Failure::from(orrery_sim::Failure {
                host: "home[1]".into(),
                at: SimTime::from_nanos(1_500_000_000),
                seed: 7,
                message: "stalled: by its own words".into(),
            }),
            Failure::Unwritten {
                why: "the disk is full".into(),
            },
            Failure::Died {
                how: "the worker was killed by signal 9".into(),
                last_words: String::new(),
            },
        ];
        let texts = [
            "stalled: 2 of 9 hosts, home[0], home[3] among them, did not reach two empty pulls \
             before the drain ended; nothing is under way",
            "host home[1] at 1.500000000s (seed 7): stalled: by its own words",
            "the run cannot go on: the disk is full",
            "the worker was killed by signal 9",
        ];
        for (failure, text) in failures.iter().zip(texts) {
            assert_eq!(failure.to_string(), text);
            let line = serde_json::to_string(failure).expect("plain data");
            let read: Failure = serde_json::from_str(&line).expect("as it was written");
            assert_eq!(read, *failure);
        }
    }
}
