//! The machine and the build on which something was measured.

use serde::Serialize;

/// What figures depend on apart from the scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The processor's name, as the system gives it.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The commit of this build.
    pub commit: String,
    /// The profile of this build: `dist`, `release` or `debug`; empty where it is not known.
    pub build: &'static str,
    /// The allocator of this build.
    pub allocator: &'static str,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            processor: processor(&information).unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            commit: orrery_scenarios::engine::COMMIT.to_owned(),
            build: orrery_scenarios::engine::PROFILE,
            allocator: orrery_scenarios::allocator::NAME,
        }
    }
}

fn processor(information: &str) -> Option<&str> {
    let mut lines = information.lines().filter_map(|line| line.split_once(':'));
    let (_, name) = lines.find(|(key, _)| key.trim() == "model name")?;
    Some(name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_has_the_name_that_the_system_gives() {
        let information = "processor\t: 0\nmodel name\t: A Processor @ 3 GHz\nflags\t: a b\n";
        assert_eq!(processor(information), Some("A Processor @ 3 GHz"));
        assert_eq!(processor("Features: fp"), None);
        assert!(Machine::here().cores > 0);
    }
}
