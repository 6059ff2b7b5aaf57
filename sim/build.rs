//! Exports the overridden functions from the programs of this package.

include!("exports.rs");

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=exports.rs");
    export_overrides();
}
