//! The allocator of every program that plays scenarios, chosen in
//! `ADR-002-jemalloc.md`.

use tikv_jemallocator::Jemalloc;

/// Its name, for reports on costs.
pub const NAME: &str = "jemalloc";

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;
