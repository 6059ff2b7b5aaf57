//! This program as rustc's wrapper: the same call, with the coverage pass that
//! libFuzzer reads for libraries and programs of the workspace.

use std::ffi::{OsStr, OsString};
use std::process::{Command, ExitCode};

/// Set in the environment when this program is to act as a compiler.
pub const SWITCH: &str = "ORRERY_FUZZ_COVERAGE";

/// What makes LLVM count edges and report comparisons, in the form that libFuzzer
/// understands. The same flags as cargo-fuzz gives, without a sanitizer: those need
/// a nightly compiler, and our code has next to no `unsafe`.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// Whether cargo called this program instead of rustc.
pub fn is_asked_for() -> bool {
    std::env::var_os(SWITCH).is_some()
}

/// Calls the compiler named by the first argument with the others.
pub fn run() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(rustc) = arguments.next() else {
        println!("error: {SWITCH} is set, but no compiler is named");
        return ExitCode::FAILURE;
    };
    let arguments: Vec<OsString> = arguments.collect();
    let mut command = Command::new(rustc);
    command.args(&arguments);
    if wants_coverage(&arguments) {
        command.args(COVERAGE);
    }
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: cannot run the compiler: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Code that ends up in the fuzzed program; what runs inside the compiler or before
/// it does not.
fn wants_coverage(arguments: &[OsString]) -> bool {
    let value_of = |flag: &str| {
        arguments
            .windows(2)
            .find(|pair| pair[0] == flag)
            .map(|pair| pair[1].to_string_lossy().into_owned())
    };
    let Some(name) = value_of("--crate-name") else {
        return false;
    };
    let is_question = arguments
        .iter()
        .any(|argument| argument.to_string_lossy().starts_with("--print"));
    let is_macro = value_of("--crate-type").is_some_and(|kind| kind == "proc-macro")
        || arguments
            .iter()
            .any(|argument| argument == OsStr::new("proc-macro"));
    !is_question && !is_macro && !name.starts_with("build_script_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_the_fuzzed_program_is_instrumented() {
        let table = [
            ("--crate-name orrery_node --crate-type lib src/lib.rs", true),
            ("--crate-name fuzz_command --crate-type bin x.rs", true),
            (
                "--crate-name build_script_build --crate-type bin build.rs",
                false,
            ),
            ("--crate-name derive --crate-type proc-macro lib.rs", false),
            ("- --crate-name ___ --print=file-names", false),
            ("-vV", false),
        ];
        for (line, wanted) in table {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(wants_coverage(&arguments), wanted, "{line}");
        }
    }
}
