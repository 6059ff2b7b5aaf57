//! What can be said on the command line.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use orrery_node::api::LookupMethod;
use orrery_node::config::TimeSpan;
use orrery_node::topic::Topic;

const EXAMPLES: &str = "\
Examples, in two terminals:
  orrery-node --dir alice init
  orrery-node --dir alice run --listen /ip4/127.0.0.1/tcp/4151

  orrery-node --dir bob init
  orrery-node --dir bob run --listen /ip4/127.0.0.1/tcp/4152
and in a third:
  orrery-node --dir bob follow $(orrery-node --dir alice card)
  orrery-node --dir alice post \"Hello, world\" --to public
  orrery-node --dir bob pull
  orrery-node --dir bob timeline

Two nodes on one machine need two ports: with `run --listen`, as above, or by
listen.addresses in each DIR/config.toml.

Any setting can come from the environment, which overrides config.toml:
ORRERY__SECTION__FIELD, such as ORRERY__RELAY__ENABLED=true. Lists are
separated by commas.

To read a node's captured QUIC packets in Wireshark, set SSLKEYLOGFILE to a file
for their secrets before `run`. That file decrypts everything they carry.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 6 the disk or a
permission refused. `run` ends with 70 when the node has failed internally,
and with 74 when its store cannot be used any more: start it again.";

const METHODS: &str = "\
Each method is a way to find an identity's addresses, and needs its settings:
  known       the cards of those you follow, and bootstrap.peers; nothing to set
  mdns        the local network: mdns.enabled, at both ends
  kad         their record in a Kademlia table: kad.enabled and kad.walk at both
              ends, kad.publish at theirs, and a first node in bootstrap.peers
  rendezvous  a node in bootstrap.peers with rendezvous.server; rendezvous.client
              at both ends
  friends     your friends, and theirs: friends_lookup.enabled, at theirs too
  relay       a node in bootstrap.peers with relay.enabled; relay_client.enabled
              at both ends
mdns, rendezvous and relay need a card of the identity: one that is stored here,
or given on the command line. `known` prints what is stored here; a card given on
the command line carries its own addresses.";

const LOOKUP_EXAMPLES: &str = "\
The first method that knows ends the search. Addresses are printed one a line, each
ready for `dial`; the method that found them is named on standard error. If none does,
each reports why, and the exit code is 1. Each method may take reach.method_timeout.

Examples:
  orrery-node lookup ID
  orrery-node lookup ID --by kad --by friends
  orrery-node dial $(orrery-node lookup ID | head -n 1)";

const REACH_EXAMPLES: &str = "\
Prints how they are connected now (direct, hole-punched or relayed), which method
found them, and how long it took. What a method finds is dialled; if that fails,
the next is asked. A relayed connection may be replaced by a hole-punched one
later (hole_punch.enabled). The whole search is limited by reach.timeout; if it
fails, the exit code is 1.

Examples:
  orrery-node reach ID
  orrery-node reach $(orrery-node --dir bob card)";

/// The parser of a method's name.
fn method() -> impl TypedValueParser<Value = LookupMethod> {
    let names = PossibleValuesParser::new(LookupMethod::ALL.map(LookupMethod::name));
    names.try_map(|name| {
        let mut all = LookupMethod::ALL.into_iter();
        all.find(|method| method.name() == name)
            .ok_or("there is no such method")
    })
}

/// A node of a peer-to-peer social network: your posts stay with you, and go
/// straight to your friends.
#[derive(Debug, Parser)]
#[command(name = "orrery-node", version, after_help = EXAMPLES)]
pub struct Arguments {
    /// Folder with keys, posts and configuration [default: $ORRERY_DIR, else ./orrery]
    #[arg(long, global = true, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// What to log to standard error, such as `debug` or `orrery_node=trace`
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// What to do with keys. The identity and the peer's name stay the same; friends hear of new keys as
/// they pull.
#[derive(Debug, Subcommand)]
pub enum KeysAction {
    /// Show which keys are in use and which were
    Show,
    /// Put new keys in the place of those in use
    #[command(after_help = "\
Posts to you are sealed to the new encryption key as soon as their authors learn of it; the old key
is kept to read earlier ones. The old device's private key is deleted; what it signed stays valid,
unless --revoke says from when on it does not. Make a new card afterwards: peers that know of the
rotation refuse the old one.

Examples:
  orrery-node keys rotate
  orrery-node keys rotate --only encryption
  orrery-node keys rotate --revoke --since 3d")]
    Rotate {
        /// Replace only this one
        #[arg(long, value_enum)]
        only: Option<KeyKind>,
        /// Let the new certificate end after this time: posts made later are refused. `keys renew`
        /// makes another in time
        #[arg(long, value_name = "SPAN")]
        valid_for: Option<TimeSpan>,
        /// Revoke the device that is replaced
        #[arg(long, conflicts_with = "only")]
        revoke: bool,
        /// Treat the device as compromised for this long already; only with --revoke
        #[arg(long, value_name = "SPAN", requires = "revoke")]
        since: Option<TimeSpan>,
    },
    /// Certify the keys in use anew
    Renew {
        /// Let the certificate end after this time [default: never]
        #[arg(long, value_name = "SPAN")]
        valid_for: Option<TimeSpan>,
    },
    /// Put the key file under a passphrase, or another one
    #[command(after_help = "\
Commands that need the keys ask for the passphrase, or take it from ORRERY_PASSPHRASE, or from the
first line of the file that ORRERY_PASSPHRASE_FILE names; the new one from ORRERY_NEW_PASSPHRASE or
ORRERY_NEW_PASSPHRASE_FILE. Commands to a running node need none. `age --decrypt` opens the key
file. A forgotten passphrase cannot be recovered.

Examples:
  orrery-node keys passphrase
  orrery-node keys passphrase --remove
  ORRERY_PASSPHRASE_FILE=/run/secrets/orrery orrery-node run")]
    Passphrase {
        /// Keep the keys without one
        #[arg(long)]
        remove: bool,
    },
    /// Have friends refuse everything that an earlier device signs from now on
    Revoke {
        /// The device's name, which `keys show` prints
        device: String,
        /// Treat the device as compromised for this long already
        #[arg(long, value_name = "SPAN")]
        since: Option<TimeSpan>,
    },
}

/// What to do in conversations. Both have to follow each other.
#[derive(Debug, Subcommand)]
pub enum ChatAction {
    /// Send a friend a message; prints its name once it is safely stored
    #[command(after_help = "\
It reaches them when both nodes are connected; `chat show` says whether it has. Set push.enabled
at both ends to have messages come at once; without, they come with the next pull.

Examples:
  orrery-node chat send Ada \"At noon?\"
  orrery-node chat send Ada \"Yes\" --reply-to OP")]
    Send {
        /// Their identity, or your name for them
        to: String,
        /// What to say, at most 16 KiB
        text: String,
        /// The message that it answers
        #[arg(long, value_name = "OP")]
        reply_to: Option<String>,
    },
    /// Mark all messages of a friend as read, and let them know
    Read {
        /// Their identity, or your name for them
        with: String,
    },
    /// Show the newest messages of a conversation, the oldest first; they are not marked as read
    #[command(after_help = "\
Your own messages are `sent` while they are here alone, `delivered` once their reader has stored
them, and `read` once the reader says so; those of the other are `unread` or `read`.")]
    Show {
        /// Their identity, or your name for them
        with: String,
        /// Show at most so many; 1000 are the most
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: u32,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// List conversations, that of the newest message first
    List {
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// A key that can be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyKind {
    /// The one that signs posts.
    Device,
    /// The one to which others seal what you may read.
    Encryption,
}

/// What to do. Apart from `init`, `run` and `keys`, commands go to the node that runs
/// in the folder; without one, they work on the folder directly.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Make keys and a commented config.toml; refuses to touch existing ones
    Init,
    /// Run the node until it is interrupted
    Run {
        /// Print every event as a line of JSON, with its time as `at`
        #[arg(long)]
        events: bool,
        /// Listen here instead of at `listen.addresses`; repeat for several
        #[arg(long, value_name = "ADDRESS")]
        listen: Vec<String>,
    },
    /// Print your contact card, which lets others follow you
    Card,
    /// Publish a post; prints its name once it is safely stored
    #[command(after_help = "\
Examples:
  orrery-node post \"Dinner at eight?\"
  orrery-node post \"Hello, world\" --to public
  orrery-node post --json event.json --to ID1 --to ID2")]
    Post {
        /// The text of a note
        #[arg(required_unless_present = "json", conflicts_with = "json")]
        text: Option<String>,
        /// A JSON file to post as it is; it must be an object with a `type` (`-` reads standard input)
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Who may read it: `public`, `friends` (all you follow), or a contact by identity or name;
        /// repeat for several
        #[arg(long, value_name = "WHO", default_value = "friends")]
        to: Vec<String>,
    },
    /// Follow an identity: keep a connection to its node and pull its posts
    #[command(after_help = "\
Prints whether they are connected, or why not yet; the node keeps trying.

Examples:
  orrery-node follow $(cat ada.card) --name Ada
  orrery-node follow orrery1…")]
    Follow {
        /// Their contact card, `orrery1…`
        card: String,
        /// Your name for them, in lists and on the command line; it stays on this node
        #[arg(long)]
        name: Option<String>,
    },
    /// Give a contact a name of yours, or remove it; it stays on this node
    Name {
        /// Their identity, or your present name for them
        id: String,
        /// Your name for them
        name: Option<String>,
    },
    /// List whom you follow
    Following {
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// List whom you block
    Blocked {
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// List all contacts: whom you follow, block or have named, and whose card you had
    Contacts {
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Stop following a contact
    Unfollow {
        /// Their identity, or your name for them
        id: String,
    },
    /// Refuse all requests of an identity, and connections with it
    Block {
        /// Their identity, or your name for them
        id: String,
    },
    /// Undo `block`
    Unblock {
        /// Their identity, or your name for them
        id: String,
    },
    /// Let a contact read an earlier post of yours
    Grant {
        /// The post's name
        op: String,
        /// Their identity, or your name for them
        reader: String,
    },
    /// Pull now; without a running node, one is started for it
    Pull {
        /// From whom, by identity or name [default: all you follow]
        id: Option<String>,
    },
    /// Show posts, newest first
    Timeline {
        /// Show at most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: u32,
        /// Only posts of this identity, or of this contact
        #[arg(long, value_name = "ID")]
        author: Option<String>,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Talk with a friend: messages that nobody else reads, with the time at which they arrived and were read
    #[command(subcommand)]
    Chat(ChatAction),
    /// Rebuild the index from the post files
    Reindex {
        /// Start without contacts where both the index and the file of contacts are lost: all follows
        /// and blocks are gone then. Not while the node runs
        #[arg(long)]
        forget_contacts: bool,
    },
    /// Start new logs: after restoring the folder from a copy, or if a reader found a log forked
    #[command(after_help = "\
A folder restored from a copy knows fewer of your posts than your readers do:
they would take your next post for a forgery, and freeze the log. A running node
asks its friends what they hold and starts new logs by itself; this command does
so at once, without asking.")]
    BeginLogs,
    /// Connect the running node to an address, and print the outcome
    Dial {
        /// A multiaddr, such as /ip4/192.0.2.7/tcp/4150, with /p2p/… if the peer is known
        address: String,
    },
    /// Find an identity's addresses, by the methods of `reach.lookup_order` in turn
    #[command(after_help = format!("{LOOKUP_EXAMPLES}\n\n{METHODS}"))]
    Lookup {
        /// Their identity, as their own `status` prints it, your name for them, or any card of theirs
        #[arg(value_name = "ID")]
        who: String,
        /// Ask this method instead; repeat for several, in their order
        #[arg(long, value_name = "METHOD", value_parser = method())]
        by: Vec<LookupMethod>,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Connect the running node to an identity, by the methods of `reach.lookup_order` in turn
    #[command(after_help = format!("{REACH_EXAMPLES}\n\n{METHODS}"))]
    Reach {
        /// Their identity, as their own `status` prints it, your name for them, or their contact card
        #[arg(value_name = "ID")]
        who: String,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Name the peers nearest to the record of an identity's address; `kad.walk` must be set
    Closest {
        /// Their identity, or your name for them
        id: String,
    },
    /// Offer a service by name, until the node stops; `kad.walk` must be set
    Provide {
        /// The service's name
        service: String,
    },
    /// Name the peers that offer a service; `kad.walk` must be set
    Providers {
        /// The service's name
        service: String,
    },
    /// Join a topic, whose messages are not stored; `gossip.enabled` must be set
    #[command(after_help = "\
Every peer that knows the topic can join and read it. Messages are not stored:
they appear as `gossip-received` among the events of `run --events`, and a peer
that joins late gets no earlier ones. Set gossip.topics in config.toml to join
at every start.

Example, with `gossip.enabled = true` in both folders:
  orrery-node --dir alice run --events --listen /ip4/127.0.0.1/tcp/4151
  orrery-node --dir bob run --events --listen /ip4/127.0.0.1/tcp/4152
  orrery-node --dir alice join lunch
  orrery-node --dir bob join lunch
  orrery-node --dir bob dial /ip4/127.0.0.1/tcp/4151
  orrery-node --dir bob publish lunch \"At noon?\"")]
    Join {
        /// The topic
        topic: Topic,
    },
    /// Leave a topic
    Leave {
        /// The topic
        topic: Topic,
    },
    /// Send a message to a topic; prints its name
    Publish {
        /// The topic
        topic: Topic,
        /// The message
        #[arg(required_unless_present = "file", conflicts_with = "file")]
        text: Option<String>,
        /// Send what is in a file, or `-` for standard input; `gossip.max_message_bytes` bounds it
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Show and change the keys of a node that does not run
    #[command(subcommand)]
    Keys(KeysAction),
    /// Show whether the node runs, its friends and how they are connected, addresses and counters
    Status {
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The help pages of a command and of all below it.
    fn pages(command: &mut clap::Command) -> Vec<String> {
        let below = command.get_subcommands_mut().flat_map(pages);
        let mut all: Vec<String> = below.collect();
        all.push(command.render_long_help().to_string());
        all
    }

    /// The words of a line as a shell would give them to the program. What another command prints is one
    /// word, and what is before the program's name is none.
    fn words(line: &str) -> Vec<String> {
        let (_, line) = line.split_once("orrery-node ").unwrap_or_default();
        let mut words = vec![String::from("orrery-node")];
        let (mut quoted, mut inner) = (false, 0_i32);
        let mut word = String::new();
        for c in line.chars() {
            match c {
                '"' if inner == 0 => quoted = !quoted,
                ' ' if !quoted && inner == 0 => words.push(std::mem::take(&mut word)),
                '(' => inner += 1,
                ')' => inner -= 1,
                c if inner == 0 => word.push(c),
                _ => {}
            }
        }
        words.push(word);
        words
    }

    #[test]
    fn every_example_of_the_help_is_a_command() {
        let mut examples = 0;
        for page in pages(&mut Arguments::command()) {
            let of_page = page.lines().filter(|line| line.starts_with("  "));
            let lines = of_page.map(str::trim).filter(|line| {
                let begin = line.split(' ').find(|word| !word.contains('='));
                begin == Some("orrery-node")
            });
            for line in lines {
                let parsed = Arguments::try_parse_from(words(line));
                assert!(parsed.is_ok(), "{line}: {:?}", parsed.err());
                examples += 1;
            }
        }
        assert!(examples > 20, "{examples}");
    }
}
