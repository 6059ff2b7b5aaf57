//! Commands to a node: to the one that runs in the folder, or to one that is
//! started for this command alone.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use orrery_node::api::{Audience, Command, Event, Payload, Reply};
use orrery_node::environment::Observer;
use orrery_node::real;
use serde_json::json;

use super::Failure;
use super::args::{Action, Format};
use super::folder::{Folder, Network};
use super::{print, search};

/// Longest file that is read as a post; the node's own bound is smaller.
const POST_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of a message that are read at most, whatever the node takes.
const MESSAGE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Has the folder's node do `action`, and prints what it answers.
pub async fn ask(folder: &Folder, action: Action) -> Result<(), Failure> {
    let format = match &action {
        Action::Timeline { format, .. }
        | Action::Status { format }
        | Action::Lookup { format, .. }
        | Action::Reach { format, .. } => *format,
        _ => Format::Text,
    };
    if let Action::Reindex {
        forget_contacts: true,
    } = &action
    {
        folder.forget_contacts()?;
    }
    let command = command_of(action)?;
    // A folder without a node, or with a wrong configuration, is told of first.
    folder.config()?;
    let reply = match real::ask(folder.path(), &command).await? {
        Some(answer) => answer?,
        None => alone(folder, command).await?,
    };
    show(reply, format)
}

/// Has a node do `command` that runs for it alone.
async fn alone(folder: &Folder, command: Command) -> Result<Reply, Failure> {
    let network = match command {
        Command::Pull { .. } => Network::Dial,
        // What these do would be gone with the node.
        Command::Dial { .. }
        | Command::DialPeer { .. }
        | Command::Lookup { .. }
        | Command::Reach { .. }
        | Command::Closest { .. }
        | Command::Provide { .. }
        | Command::Providers { .. }
        | Command::Join { .. }
        | Command::Leave { .. }
        | Command::Publish { .. } => {
            return Err(Failure::Other(
                "the node does not run; start it with `run`".to_owned(),
            ));
        }
        _ => Network::None,
    };
    let wants_card = matches!(command, Command::Card);
    let (handle, _lock) = folder.start(network, Arc::new(Quiet)).await?;
    let reply = handle.command(command).await;
    handle.stop().await;
    if let (true, Ok(Reply::Card { card })) = (wants_card, &reply) {
        let parsed = card.parse::<orrery_node::card::Card>();
        if parsed.is_ok_and(|card| card.addresses.is_empty()) {
            return Err(Failure::Other(
                "the node does not run, so its addresses are not known; start it with `run`, \
                 or set `listen.announce` in config.toml"
                    .to_owned(),
            ));
        }
    }
    Ok(reply?)
}

/// Logs what a short-lived node does.
struct Quiet;

impl Observer for Quiet {
    fn event(&self, event: &Event) {
        tracing::info!("{event:?}");
    }
}

fn command_of(action: Action) -> Result<Command, Failure> {
    Ok(match action {
        Action::Init | Action::Run { .. } | Action::Keys(_) => {
            return Err(Failure::Input("this is not asked of a node".to_owned()));
        }
        Action::Card => Command::Card,
        Action::Post { text, json, to } => Command::Post {
            body: match json {
                Some(path) => read_post(&path)?,
                None => json!({"type": "note/1", "text": text.unwrap_or_default()}),
            },
            to: audience(to)?,
        },
        Action::Follow { card } => Command::Follow { card },
        Action::Unfollow { id } => Command::Unfollow { identity: id },
        Action::Block { id } => Command::Block { identity: id },
        Action::Unblock { id } => Command::Unblock { identity: id },
        Action::Grant { op, reader } => Command::Grant { op, reader },
        Action::Pull { id } => Command::Pull { from: id },
        Action::Timeline { limit, author, .. } => Command::Timeline { limit, author },
        Action::Reindex { .. } => Command::Reindex,
        Action::BeginLogs => Command::BeginLogs,
        Action::Status { .. } => Command::Status,
        Action::Dial { address } => Command::Dial { address },
        Action::Lookup { who, by, .. } => search::look_up(who, by)?,
        Action::Reach { who, .. } => search::reach(who)?,
        Action::Closest { id } => Command::Closest { identity: id },
        Action::Provide { service } => Command::Provide { service },
        Action::Providers { service } => Command::Providers { service },
        Action::Join { topic } => Command::Join { topic },
        Action::Leave { topic } => Command::Leave { topic },
        Action::Publish { topic, text, file } => Command::Publish {
            topic,
            data: Payload(match file {
                Some(path) => read_message(&path)?,
                None => text.unwrap_or_default().into_bytes(),
            }),
        },
    })
}

fn audience(mut to: Vec<String>) -> Result<Audience, Failure> {
    match to.as_slice() {
        [one] if one == "public" => return Ok(Audience::Public),
        [one] if one == "friends" => return Ok(Audience::Friends),
        _ => {}
    }
    if to.iter().any(|who| who == "public" || who == "friends") {
        return Err(Failure::Input(
            "--to takes `public` or `friends` alone, or identities".to_owned(),
        ));
    }
    to.sort();
    to.dedup();
    Ok(Audience::Only(to))
}

/// At most so many bytes of a file, or of standard input for `-`.
fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().take(bytes_max).read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|file| file.take(bytes_max).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::Input(format!("`{}`: {error}", path.display())))?;
    Ok(bytes)
}

/// A message. Which size its node lets it have, only that knows.
fn read_message(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = read_file(path, MESSAGE_BYTES_MAX + 1)?;
    if bytes.len() as u64 > MESSAGE_BYTES_MAX {
        return Err(Failure::Input(format!(
            "`{}`: a message has at most {MESSAGE_BYTES_MAX} bytes",
            path.display()
        )));
    }
    Ok(bytes)
}

fn read_post(path: &Path) -> Result<serde_json::Value, Failure> {
    let bytes = read_file(path, POST_BYTES_MAX)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::Input(format!("`{}` is not JSON: {error}", path.display())))
}

fn show(reply: Reply, format: Format) -> Result<(), Failure> {
    match reply {
        Reply::Done => Ok(()),
        Reply::Posted { op, .. } => print::print_line(&op),
        Reply::Published { message } => print::print_line(&message),
        Reply::Card { card } => print::print_line(&card),
        Reply::Peers { peers } => peers.iter().try_for_each(|peer| print::print_line(peer)),
        Reply::Timeline { posts } => match format {
            Format::Json => print::print_json(&posts),
            Format::Text => print::print_posts(&posts),
        },
        Reply::Reindexed { before, after, ops } => {
            print::print_line(&format!("{ops} posts read, state {after}"))?;
            if before == after {
                return Ok(());
            }
            Err(Failure::Other(format!(
                "the index had been wrong: its state was {before}; it is right now"
            )))
        }
        Reply::Pulled { items, failed } => {
            print::print_line(&format!("{items} new"))?;
            if failed.is_empty() {
                return Ok(());
            }
            for (who, why) in &failed {
                // The exit code tells, too.
                print::tell(&format!("{who}: {why}"));
            }
            Err(Failure::Other(format!(
                "{} could not be pulled",
                failed.len()
            )))
        }
        outcome @ (Reply::Found { .. }
        | Reply::NotFound { .. }
        | Reply::Reached { .. }
        | Reply::NotReached { .. }) => search::show(&outcome, format),
        status @ Reply::Status { .. } => match format {
            Format::Json => print::print_json(&status),
            Format::Text => print::print_status(&status),
        },
    }
}
