//! Orrery's command line, with a workload and a scenario of its own.

mod hello;
mod protocol;

fn main() -> std::process::ExitCode {
    orrery::cli()
        .named(env!("CARGO_PKG_NAME"))
        .workload::<hello::Hello>()
        .scenario("hello", include_str!("../scenarios/hello.toml"))
        .run()
}
