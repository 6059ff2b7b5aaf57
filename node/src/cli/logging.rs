//! The log on standard error.

use std::io;

use tracing_subscriber::EnvFilter;

use super::Failure;

/// Logs what `filter` lets through.
pub fn start(filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::Input(format!(
            "--log `{filter}`: {error}; write for example `info` or `orrery_node=debug`"
        ))
    })?;
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(!no_color && io::IsTerminal::is_terminal(&io::stderr()))
        .init();
    Ok(())
}
