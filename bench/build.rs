//! Exports the simulator's overridden functions from this package's programs, so
//! that crates which look them up by name find them too.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
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
