//! The command line: from arguments to output.
//!
//! Owns words, exit codes and formats. All that a node does is done by the
//! library, whether the node runs already or is started for one command.

mod args;
mod ask;
mod clean;
mod failure;
mod folder;
mod gate;
mod init;
mod keys;
mod logging;
mod lossy;
mod names;
mod owner;
mod passphrase;
mod print;
mod prompt;
mod run;
mod search;

pub use args::Arguments;
pub use clean::printable_lines;
pub use failure::Failure;

use args::Action;

/// Does what the arguments say.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let default_filter = match arguments.action {
        Action::Run { .. } => "warn,orrery_node=info",
        _ => "error",
    };
    let log = logging::start(arguments.log.as_deref().unwrap_or(default_filter))?;
    let folder = folder::Folder::new(arguments.dir);
    folder.refuse_shared()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(async {
        match arguments.action {
            Action::Init => init::init(&folder),
            Action::Run { events, listen } => {
                run::run(&folder.listening(listen), events, &log).await
            }
            Action::Keys(action) => keys::keys(&folder, &action),
            action => ask::ask(&folder, action).await,
        }
    })
}
