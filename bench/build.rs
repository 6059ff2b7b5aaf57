//! Exports the overridden functions from the programs of this package.

include!("../sim/exports.rs");

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../sim/exports.rs");
    export_overrides();
}
