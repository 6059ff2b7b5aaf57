//! Everything that a commit has to pass, cheapest first.

use std::fs::File;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::table::Table;
use crate::workspace::{Workspace, run as run_command, run_and_keep};
use crate::{
    determinism, figures, fuzz, goldens, layers, licences, outside, pages, program, regressions,
    tidy, validation,
};

/// How much of it to run.
#[derive(Args)]
pub struct Options {
    /// Begin at this step; the earlier ones count as passed
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
}

/// One check.
struct Step {
    name: &'static str,
    /// What repeats it alone.
    repeat: &'static str,
    /// Runs it and returns the lines to show again at the very end.
    run: fn(&Workspace) -> Result<Vec<String>>,
}

const STEPS: &[Step] = &[
    Step {
        name: "format",
        repeat: "cargo fmt --all -- --check",
        run: format,
    },
    Step {
        name: "tidy",
        repeat: "cargo xtask tidy",
        run: |w| quiet(tidy::run(w)),
    },
    Step {
        name: "layers",
        repeat: "cargo xtask layers",
        run: |w| quiet(layers::run(w)),
    },
    Step {
        name: "licences",
        repeat: "cargo xtask licences",
        run: |w| quiet(licences::run(w)),
    },
    Step {
        name: "clippy",
        repeat: "cargo clippy --locked --workspace --all-targets -- -D warnings",
        run: clippy,
    },
    Step {
        name: "tests",
        repeat: "cargo nextest run --locked --workspace",
        run: tests,
    },
    Step {
        name: "program",
        repeat: "cargo xtask program",
        run: program::run,
    },
    Step {
        name: "doc-tests",
        repeat: "cargo test --locked --workspace --doc",
        run: doc_tests,
    },
    Step {
        name: "outside",
        repeat: "cargo xtask outside",
        run: outside::run,
    },
    Step {
        name: "determinism",
        repeat: "cargo xtask determinism",
        run: |w| quiet(determinism::run(w, &determinism::Options::default())),
    },
    Step {
        name: "goldens",
        repeat: "cargo xtask goldens",
        run: |w| quiet(goldens::run(w, &goldens::Options::default())),
    },
    Step {
        name: "figures",
        repeat: "cargo xtask figures",
        run: |w| {
            await_tools()?;
            figures::run(w, &figures::Options::default())
        },
    },
    Step {
        name: "pages",
        repeat: "cargo xtask pages",
        run: pages::run,
    },
    Step {
        name: "regressions",
        repeat: "cargo xtask regressions",
        run: |w| quiet(regressions::run(w, &regressions::Options::default())),
    },
    Step {
        name: "validation",
        repeat: "cargo xtask validation",
        run: |w| quiet(validation::run(w)),
    },
    Step {
        name: "mutants",
        repeat: "cargo xtask mutants",
        run: |w| quiet(validation::mutants(w)),
    },
    Step {
        name: "fuzz",
        repeat: "cargo xtask fuzz",
        run: |w| quiet(fuzz::run(w, &fuzz::Options::of_ci())),
    },
];

/// Runs the steps in order and stops at the first that fails.
///
/// # Errors
/// The failed step, with the command that repeats it.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let first = match &options.from {
        None => 0,
        Some(name) => match STEPS.iter().position(|step| step.name == name) {
            Some(first) => first,
            None => bail!("no step is called {name}; there are {}", names()),
        },
    };
    let start = Instant::now();
    let mut table = Table::new(["step", "seconds", "result"]);
    let mut closing = Vec::new();
    for step in &STEPS[..first] {
        table.row([step.name.to_owned(), String::new(), "not run".to_owned()]);
    }
    for (index, step) in STEPS.iter().enumerate().skip(first) {
        println!(
            "\n=== {} ({} of {}): {}",
            step.name,
            index + 1,
            STEPS.len(),
            step.repeat
        );
        let began = Instant::now();
        let result = (step.run)(workspace);
        println!("=== {}: {} s", step.name, seconds(began.elapsed()));
        match result {
            Ok(lines) => closing.extend(lines),
            Err(error) => {
                println!("\nci failed in step `{}`: {error:#}", step.name);
                println!("to repeat it:    {}", step.repeat);
                bail!("then go on with: cargo xtask ci --from {}", step.name);
            }
        }
        table.row([
            step.name.to_owned(),
            seconds(began.elapsed()),
            "passed".to_owned(),
        ]);
    }
    println!("\n{table}");
    for line in closing {
        println!("{line}");
    }
    println!("ci passed in {} s", seconds(start.elapsed()));
    Ok(())
}

/// Waits for what `.ci/run` installs in the background, which holds a lock meanwhile: the steps that
/// need it leave themselves out where it is not there.
fn await_tools() -> Result<()> {
    let Some(held) = std::env::var_os("ORRERY_CI_INSTALLING") else {
        return Ok(());
    };
    let began = Instant::now();
    File::open(held)?.lock_shared()?;
    println!("waited {} s for tools", seconds(began.elapsed()));
    Ok(())
}

fn names() -> String {
    STEPS
        .iter()
        .map(|step| step.name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn seconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64())
}

fn quiet(result: Result<()>) -> Result<Vec<String>> {
    result.map(|()| Vec::new())
}

fn format(workspace: &Workspace) -> Result<Vec<String>> {
    quiet(run_command(
        workspace.cargo().args(["fmt", "--all", "--", "--check"]),
    ))
}

fn clippy(workspace: &Workspace) -> Result<Vec<String>> {
    quiet(run_command(workspace.cargo().args([
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])))
}

/// Every test in a process of its own: libraries below keep counters that a
/// second simulation in the same process would see.
fn tests(workspace: &Workspace) -> Result<Vec<String>> {
    let has_nextest = workspace
        .cargo()
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_nextest {
        println!("cargo-nextest is missing; installing it, which takes some minutes once");
        // It spends no time itself, so it is not optimised; nor need it update itself.
        run_command(workspace.cargo().args([
            "install",
            "--locked",
            "--debug",
            "--no-default-features",
            "--features",
            "default-no-update",
            "cargo-nextest",
        ]))?;
    }
    run_and_keep(
        workspace
            .cargo()
            .args(["nextest", "run", "--locked", "--workspace"]),
        |line| line.starts_with("Summary"),
    )
}

fn doc_tests(workspace: &Workspace) -> Result<Vec<String>> {
    run_and_keep(
        workspace
            .cargo()
            .args(["test", "--locked", "--workspace", "--doc"]),
        |_| false,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_names_are_unique_and_an_unknown_one_lists_them() {
        let mut sorted: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), STEPS.len());
        let workspace = Workspace::find().unwrap();
        let error = run(
            &workspace,
            &Options {
                from: Some("x".to_owned()),
            },
        )
        .unwrap_err();
        assert!(error.to_string().contains("doc-tests"), "{error}");
    }
}
