//! The allocator of every program that plays scenarios; see `ADR-002`.

/// Its name, for reports on costs.
pub const NAME: &str = "glibc";
