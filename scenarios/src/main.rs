//! The program `orrery`. Everything is in the library; here is only the entry.

fn main() -> std::process::ExitCode {
    orrery_scenarios::cli().run()
}
