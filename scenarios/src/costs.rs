//! What a simulation of each scenario of the catalog costs, as `cargo xtask costs` or a whole run has
//! measured it.
//!
//! Owns reading the table; measuring is the check's.

/// The table: `scenario,cpu_s,memory_mb,measured`, after comments that say how it was made.
const TABLE: &str = include_str!("../costs.csv");

/// What one simulation costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// CPU seconds.
    pub cpu_s: f64,
    /// Peak resident memory of its process, in megabytes, if that was measured.
    pub memory_mb: Option<u64>,
    /// Whether whole simulations were measured, not a part of their simulated time.
    pub is_whole: bool,
}

/// What a simulation of a scenario of the catalog costs; `None` if it was not measured.
pub fn of(scenario: &str) -> Option<Cost> {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#'));
    let mut rows = rows.map(|line| line.split(','));
    let mut row = rows.find_map(|mut cells| (cells.next() == Some(scenario)).then_some(cells))?;
    Some(Cost {
        cpu_s: row.next()?.parse().ok()?,
        memory_mb: row.next()?.parse().ok(),
        is_whole: row.next() == Some("whole"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    #[test]
    fn every_line_is_of_a_scenario_and_can_be_read() {
        let mut lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(lines.next(), Some("scenario,cpu_s,memory_mb,measured"));
        for line in lines {
            let name = line.split(',').next().unwrap_or_default();
            assert!(
                catalog::find(name).is_some(),
                "{name} is not in the catalog"
            );
            assert!(of(name).is_some_and(|cost| cost.cpu_s >= 0.0), "{line}");
            assert!(
                line.ends_with(",whole") || line.ends_with(",part"),
                "{line}"
            );
        }
    }
}
