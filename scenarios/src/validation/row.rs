//! One row of the suite: what is compared, and what came of it.

/// One comparison.
pub(super) struct Row {
    pub(super) id: &'static str,
    pub(super) what: &'static str,
    pub(super) expected: &'static str,
    pub(super) tolerance: &'static str,
    /// Where the expected figure comes from.
    pub(super) source: &'static str,
    pub(super) mutations: &'static [&'static str],
    /// Measures, under a mutation if one is given.
    pub(super) run: fn(Option<&str>) -> Result<Measured, String>,
}

/// What a row measured.
pub(super) struct Measured {
    pub(super) text: String,
    pub(super) held: bool,
}
