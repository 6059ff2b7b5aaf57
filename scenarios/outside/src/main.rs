//! Orrery's command line, with a service of the node, a workload and a scenario of its own.

mod greeter;
mod hello;
mod protocol;

fn main() -> std::process::ExitCode {
    orrery::cli()
        .named(env!("CARGO_PKG_NAME"))
        .service::<greeter::Greeter>()
        .workload::<hello::Hello>()
        .scenario("hello", include_str!("../scenarios/hello.toml"))
        .run()
}
