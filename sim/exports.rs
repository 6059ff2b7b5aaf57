//! What programs that simulate have to export; for the build scripts of every
//! package that has such programs.

/// Exports the simulator's overridden functions from the package's programs, so that
/// crates which look them up by name find them too; see `orrery_sim::interpose`.
pub fn overrides() {
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
