//! Commands to a node: to the one that runs in the folder, or to one that is
//! started for this command alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use orrery_node::api::{Audience, Command, Contact, Event, FriendLink, Payload, Reply};
use orrery_node::environment::Observer;
use orrery_node::identity::IdentityId;
use orrery_node::op::OpId;
use orrery_node::real::{self, FolderLock, LockError};
use orrery_node::{DecodeError, NodeHandle};
use serde_json::json;

use super::Failure;
use super::args::{Action, ChatAction, Format};
use super::folder::{Folder, Network};
use super::names::{self, identity};
use super::{owner, print, search};

/// Longest file that is read as a post; the node's own bound is smaller.
const POST_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of a message that are read at most, whatever the node takes.
const MESSAGE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How long a command waits for its turn: for a node that is starting or ending, or another command.
const TURN: Duration = Duration::from_secs(10);

/// Has the folder's node do `action`, and prints what it answers.
pub async fn ask(folder: &Folder, mut action: Action) -> Result<(), Failure> {
    let format = match &action {
        Action::Timeline { format, .. }
        | Action::Status { format }
        | Action::Following { format }
        | Action::Blocked { format }
        | Action::Contacts { format }
        | Action::Lookup { format, .. }
        | Action::Reach { format, .. }
        | Action::Chat(ChatAction::Show { format, .. } | ChatAction::List { format }) => *format,
        _ => Format::Text,
    };
    if let Action::Reindex {
        forget_contacts: true,
    } = &action
    {
        folder.forget_contacts()?;
    }
    // A folder without a node, or with a wrong configuration, is told of first.
    folder.config()?;
    names::resolve(folder, &mut action).await?;
    let wanted = Wanted::of(&action);
    let command = command_of(action)?;
    let reply = match answer(folder, command).await? {
        Answered::ByNode(reply) => reply,
        Answered::Alone(reply) => told_alone(reply, wanted),
    };
    if let Reply::Pulled { failed, .. } = &reply
        && !failed.is_empty()
    {
        let called = names::called(folder).await;
        return show_pulled(&reply, &called);
    }
    show(reply, format, wanted)
}

/// What of a reply is wanted, where the command does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// That somebody is followed.
    Followed,
    /// Those who are followed.
    Following,
    /// Those who are blocked.
    Blocked,
    /// All of it.
    All,
}

impl Wanted {
    fn of(action: &Action) -> Self {
        match action {
            Action::Follow { .. } => Self::Followed,
            Action::Following { .. } => Self::Following,
            Action::Blocked { .. } => Self::Blocked,
            _ => Self::All,
        }
    }

    fn admits(self, contact: &Contact) -> bool {
        match self {
            Self::Following => contact.followed,
            Self::Blocked => contact.blocked,
            Self::Followed | Self::All => true,
        }
    }
}

/// The reply of a node that ran for it alone, and says so.
fn told_alone(mut reply: Reply, wanted: Wanted) -> Reply {
    if let Reply::Status { running, .. } = &mut reply {
        *running = false;
    }
    if wanted == Wanted::Followed {
        print::tell("the node does not run; it connects with them when you start it with `run`");
    }
    reply
}

/// Who has answered.
pub enum Answered {
    /// The node that runs in the folder.
    ByNode(Reply),
    /// One that was started for the command alone.
    Alone(Reply),
}

/// Has the folder's node do `command`: the one that runs there, also where it is just starting, or one that
/// runs for it alone, once no other process has the folder.
pub async fn answer(folder: &Folder, command: Command) -> Result<Answered, Failure> {
    let until = Instant::now() + TURN;
    let mut passphrase = None;
    loop {
        if let Some(answer) = real::ask(folder.path(), &command).await? {
            return Ok(Answered::ByNode(answer?));
        }
        let network = network_for(&command);
        if network.is_some() && passphrase.is_none() {
            passphrase = Some(folder.passphrase()?);
        }
        match (FolderLock::take(folder.path()), network) {
            (Err(LockError::InUse(_)), _) if Instant::now() < until => FolderLock::pause().await,
            (Err(error), _) => return Err(error.into()),
            (Ok(_), None) => return Err(not_running()),
            (Ok(lock), Some(network)) => {
                let passphrase = passphrase.flatten();
                let quiet = Arc::new(Quiet::default());
                let observer = Arc::clone(&quiet) as Arc<dyn Observer>;
                let started = folder.start(lock, passphrase.as_ref(), network, observer);
                let reply = alone(started.await?, command, &quiet).await?;
                return Ok(Answered::Alone(reply));
            }
        }
    }
}

/// What a node may do on the network that is started for `command` alone; nothing if it cannot be.
fn network_for(command: &Command) -> Option<Network> {
    match command {
        Command::Pull { .. } => Some(Network::Dial),
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
        | Command::Publish { .. } => None,
        _ => Some(Network::None),
    }
}

/// Has a node do `command` that was started for it alone, and stops it.
async fn alone(
    (handle, _lock): (NodeHandle, FolderLock),
    mut command: Command,
    quiet: &Quiet,
) -> Result<Reply, Failure> {
    if let Command::Follow { wait, .. } = &mut command {
        // There is no network to be connected by.
        *wait = false;
    }
    let wants_card = matches!(command, Command::Card);
    let reply = handle.command(command).await;
    if quiet.met_damage.load(Ordering::Relaxed) {
        // No later process knows of it: the index is made anew before this one ends.
        match handle.command(Command::Reindex).await {
            Ok(_) => print::tell("the index was made anew from the files"),
            Err(error) => print::tell(&format!("the index cannot be made anew: {error}")),
        }
    }
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

/// What is asked needs a node that runs.
pub fn not_running() -> Failure {
    Failure::Other("the node does not run; start it with `run`".to_owned())
}

/// Logs what a short-lived node does, and says what its owner should know.
#[derive(Default)]
struct Quiet {
    /// Whether the index was found not to be as it was written.
    met_damage: AtomicBool,
}

impl Observer for Quiet {
    fn event(&self, event: &Event) {
        if matches!(event, Event::StorageFailed { damaged: true, .. }) {
            self.met_damage.store(true, Ordering::Relaxed);
        }
        tracing::info!("{event:?}");
        owner::tell(event);
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
        Action::Follow { card, name } => Command::Follow {
            card,
            name,
            wait: true,
        },
        Action::Name { id, name } => Command::Name {
            identity: identity(&id)?,
            name,
        },
        Action::Following { .. } | Action::Blocked { .. } | Action::Contacts { .. } => {
            Command::Contacts
        }
        Action::Unfollow { id } => Command::Unfollow {
            identity: identity(&id)?,
        },
        Action::Block { id } => Command::Block {
            identity: identity(&id)?,
        },
        Action::Unblock { id } => Command::Unblock {
            identity: identity(&id)?,
        },
        Action::Grant { op, reader } => Command::Grant {
            op: op_of(&op)?,
            reader: identity(&reader)?,
        },
        Action::Pull { id } => Command::Pull {
            from: id.as_deref().map(identity).transpose()?,
        },
        Action::Timeline { limit, author, .. } => Command::Timeline {
            limit,
            author: author.as_deref().map(identity).transpose()?,
        },
        Action::Chat(action) => chat(action)?,
        Action::Reindex { .. } => Command::Reindex,
        Action::BeginLogs => Command::BeginLogs,
        Action::Status { .. } => Command::Status,
        Action::Dial { address } => Command::Dial {
            address,
            wait: true,
        },
        Action::Lookup { who, by, .. } => search::look_up(&who, by)?,
        Action::Reach { who, .. } => search::reach(&who)?,
        Action::Closest { id } => Command::Closest {
            identity: identity(&id)?,
        },
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

fn chat(action: ChatAction) -> Result<Command, Failure> {
    Ok(match action {
        ChatAction::Send { to, text, reply_to } => Command::ChatSend {
            to: identity(&to)?,
            text,
            reply_to: reply_to.as_deref().map(op_of).transpose()?,
        },
        ChatAction::Read { with } => Command::ChatRead {
            with: identity(&with)?,
        },
        ChatAction::Show { with, limit, .. } => Command::ChatShow {
            with: identity(&with)?,
            limit,
        },
        ChatAction::List { .. } => Command::ChatList,
    })
}

/// The post that `word` names.
fn op_of(word: &str) -> Result<OpId, Failure> {
    let parsed = word.trim().parse();
    parsed.map_err(|error: DecodeError| Failure::Input(error.to_string()))
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
    let readers = to.iter().map(|who| identity(who));
    Ok(Audience::Only(readers.collect::<Result<_, _>>()?))
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

/// What pulls have brought where some have failed, by the names of those that have.
fn show_pulled(reply: &Reply, called: &BTreeMap<IdentityId, String>) -> Result<(), Failure> {
    let Reply::Pulled { items, failed } = reply else {
        return Ok(());
    };
    print::print_line(&format!("{items} new"))?;
    for (who, why) in failed {
        // The exit code tells, too.
        let name = called.get(who).cloned();
        let name = name.unwrap_or_else(|| who.to_string());
        print::tell(&format!("{name}: {why}"));
    }
    Err(Failure::Other(format!(
        "{} could not be pulled",
        failed.len()
    )))
}

/// Says of `what` was to be shown what is left out.
fn tell_left_out(what: &str, cut: bool, unreadable: u64) {
    if cut {
        print::tell(&format!(
            "older {what} may be left out: too many that have expired, or are of blocked authors, stand \
             before them"
        ));
    }
    if unreadable > 0 {
        print::tell(&format!(
            "{unreadable} {what} cannot be read and are left out, since the index is damaged; ask again"
        ));
    }
}

/// How it stands with somebody who is followed now.
fn show_followed(link: Option<FriendLink>, reason: Option<&str>) -> Result<(), Failure> {
    let told = match (link, reason) {
        (Some(link), _) => {
            let (path, transport) = (search::way(link.path), link.transport.name());
            format!("followed; connected, {path} over {transport}")
        }
        (None, Some(reason)) => format!("followed; not connected yet: {reason}"),
        (None, None) => "followed; not connected yet".to_owned(),
    };
    print::print_line(&told)
}

fn show(reply: Reply, format: Format, wanted: Wanted) -> Result<(), Failure> {
    match reply {
        Reply::Done => Ok(()),
        Reply::Posted { op, left_out, .. } => {
            for reader in left_out {
                print::tell(&format!(
                    "{reader} is no reader of it: nothing can be sealed to the key that is known of them; ask \
                     them for a new card"
                ));
            }
            print::print_line(&op.to_string())
        }
        Reply::Published { message } => print::print_line(&message),
        Reply::Card { card } => print::print_line(&card),
        Reply::Peers { peers } => {
            let mut peers = peers.iter();
            peers.try_for_each(|peer| print::print_line(&peer.to_string()))
        }
        Reply::Timeline {
            posts,
            cut,
            unreadable,
        } => {
            match format {
                Format::Json => print::print_json(&posts),
                Format::Text => print::print_posts(&posts),
            }?;
            tell_left_out("posts", cut, unreadable);
            Ok(())
        }
        Reply::MarkedRead { messages } => print::print_line(&format!("{messages} read")),
        Reply::Messages {
            messages,
            cut,
            unreadable,
        } => {
            match format {
                Format::Json => print::print_json(&messages),
                Format::Text => print::print_messages(&messages),
            }?;
            tell_left_out("messages", cut, unreadable);
            Ok(())
        }
        Reply::Conversations {
            conversations,
            cut,
            unreadable,
        } => {
            match format {
                Format::Json => print::print_json(&conversations),
                Format::Text => print::print_conversations(&conversations),
            }?;
            tell_left_out("messages", cut, unreadable);
            Ok(())
        }
        Reply::Reindexed { before, after, ops } => {
            print::print_line(&format!("{ops} posts read, state {after}"))?;
            if before == after {
                return Ok(());
            }
            Err(Failure::Other(format!(
                "the index had been wrong: its state was {before}; it is right now"
            )))
        }
        Reply::Pulled { items, .. } => print::print_line(&format!("{items} new")),
        Reply::Followed { link, reason, .. } => show_followed(link, reason.as_deref()),
        Reply::Contacts { mut contacts } => {
            contacts.retain(|contact| wanted.admits(contact));
            match format {
                Format::Json => print::print_json(&contacts),
                Format::Text => print::print_contacts(&contacts, wanted == Wanted::All),
            }
        }
        Reply::Dialled {
            peer,
            path,
            transport,
            took_us,
        } => {
            let (path, took) = (search::way(path), search::millis(took_us));
            print::print_line(&format!(
                "{peer}: {path} over {}, in {took}",
                transport.name()
            ))
        }
        Reply::NotDialled { reason } => Err(Failure::Other(format!("not connected: {reason}"))),
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
