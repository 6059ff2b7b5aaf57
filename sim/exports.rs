// Shared by the build scripts of every package whose programs simulate.

/// Exports the simulator's overridden functions from the package's programs, so that
/// crates which look them up by name find them too; see `orrery_sim::interpose`.
fn export_overrides() {
    for name in [
        "clock_gettime",
        "gettimeofday",
        "time",
        "getrandom",
        "getentropy",
        "syscall",
    ] {
        println!("cargo:rustc-link-arg=-Wl,--export-dynamic-symbol={name}");
    }
}
