//! Exports the overridden functions from the programs of this package.

#[path = "exports.rs"]
mod exports;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=exports.rs");
    exports::overrides();
}
