//! Exports from this package's programs what a simulation answers for the operating system.

#[path = "../../sim/exports.rs"]
mod exports;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    exports::overrides();
}
