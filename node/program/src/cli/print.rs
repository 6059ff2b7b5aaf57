//! Replies as text and JSON on standard output.

use std::io::{self, Write};

use orrery_node::api::{ChatMessage, Contact, Conversation, Friend, Post, Reachability, Reply};
use orrery_node::identity::IdentityId;
use serde::Serialize;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::Failure;
use super::clean::{printable, printable_json};
use super::search::way;

/// Characters of an identity that tell it from others in a list.
const SHORT: usize = 12;

/// Prints one line for people, see [`printable`].
pub fn print_line(line: &str) -> Result<(), Failure> {
    print_exactly(&printable(line))
}

fn print_exactly(line: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                Failure::OutputClosed
            } else {
                Failure::Disk(format!("cannot write the output: {error}"))
            }
        })
}

/// Prints a value as indented JSON.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::Other(format!("cannot write JSON: {error}")))?;
    print_exactly(&printable_json(&text))
}

/// Stands for what a reply has no room for.
const LEFT_OUT: &str =
    "(left out: too large to be shown with all others; a smaller --limit shows it)";

/// Prints posts, one a line.
pub fn print_posts(posts: &[Post]) -> Result<(), Failure> {
    for post in posts {
        let author = called(post.author_name.as_ref(), &post.author);
        let ahead = if post.stamp_ahead {
            " (clock ahead)"
        } else {
            ""
        };
        let content = if post.body_left_out {
            LEFT_OUT.to_owned()
        } else {
            content(&post.body)
        };
        print_line(&format!(
            "{}{ahead}  {author}  {}",
            utc(post.stamp_ms),
            content
        ))?;
    }
    Ok(())
}

/// Prints messages, one a line.
pub fn print_messages(messages: &[ChatMessage]) -> Result<(), Failure> {
    let mut lines = messages.iter().map(message_line);
    lines.try_for_each(|line| print_line(&line))
}

/// Prints conversations, one a line: how many messages are unread, with whom, and the newest message.
pub fn print_conversations(conversations: &[Conversation]) -> Result<(), Failure> {
    for conversation in conversations {
        let with = called(conversation.name.as_ref(), &conversation.with);
        print_line(&format!(
            "{:>3} unread  {with}  {}",
            conversation.unread,
            message_line(&conversation.newest)
        ))?;
    }
    Ok(())
}

fn message_line(message: &ChatMessage) -> String {
    format!(
        "{}  {:<9}  {}  {}",
        utc(message.stamp_ms),
        message.state.name(),
        called(message.author_name.as_ref(), &message.author),
        message.text
    )
}

/// What the owner calls somebody, or the beginning of their identity.
fn called(name: Option<&String>, identity: &IdentityId) -> String {
    match name {
        Some(name) => name.clone(),
        None => identity.to_string().chars().take(SHORT).collect(),
    }
}

/// Prints contacts, one a line: who, what they are called, and, if `all` kinds are among them, which
/// they are.
pub fn print_contacts(contacts: &[Contact], all: bool) -> Result<(), Failure> {
    for contact in contacts {
        let kind = match (contact.followed, contact.blocked) {
            (true, true) => "followed, blocked",
            (true, false) => "followed",
            (false, true) => "blocked",
            (false, false) => "known",
        };
        let kind = if all {
            format!("  {kind}")
        } else {
            String::new()
        };
        let name = contact.name.as_deref();
        let name = name.map_or_else(String::new, |name| format!("  {name}"));
        print_line(&format!("{}{kind}{name}", contact.identity))?;
    }
    Ok(())
}

/// Prints how the node is.
pub fn print_status(status: &Reply) -> Result<(), Failure> {
    status_lines(status)
        .iter()
        .try_for_each(|line| print_line(line))
}

fn status_lines(status: &Reply) -> Vec<String> {
    let Reply::Status {
        identity,
        peer,
        listening,
        connections,
        counters,
        running,
        version,
        uptime_ms,
        friends,
        reservations,
        reachability,
        reachable_at,
    } = status
    else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &str| lines.push(format!("{name:<12} {value}"));
    if *running {
        line("running", &format!("yes, for {}", span(*uptime_ms)));
    } else {
        line("running", "no; start it with `run`");
    }
    line("version", version);
    line("identity", &identity.to_string());
    line("peer", &peer.to_string());
    for address in listening {
        line("listening", address);
    }
    if *running {
        line("reachable", &reachable(*reachability, reachable_at));
    }
    for relay in reservations {
        line("reservation", &relay.to_string());
    }
    for one in friends {
        line("friend", &friend(one));
    }
    for connection in connections {
        line("connected", &connection.to_string());
    }
    for (name, count) in counters {
        lines.push(format!("{name:<20} {count}"));
    }
    lines
}

fn reachable(reachability: Reachability, at: &[String]) -> String {
    let at = at.join(" ");
    match reachability {
        Reachability::Public => format!("by everybody, at {at}"),
        Reachability::Relayed => "through relays".to_owned(),
        Reachability::Unknown => "not known; set autonat.enabled to have it tested".to_owned(),
    }
}

fn friend(friend: &Friend) -> String {
    let who = friend.name.clone();
    let who = who.unwrap_or_else(|| friend.identity.to_string());
    match (friend.link, friend.last_seen_ms) {
        (Some(link), _) => format!("{who}  {} over {}", way(link.path), link.transport.name()),
        (None, Some(seen)) => format!("{who}  not connected, last seen {}", utc(seen)),
        (None, None) => format!("{who}  not connected, not seen since the start"),
    }
}

/// A span of milliseconds in its two largest units.
fn span(ms: u64) -> String {
    let s = ms / 1_000;
    let (days, hours, minutes) = (s / 86_400, s / 3_600 % 24, s / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, _) => format!("{minutes} min {} s", s % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// What a person reads of a post: the text of a note, else its JSON.
fn content(body: &serde_json::Value) -> String {
    body.get("text")
        .and_then(serde_json::Value::as_str)
        .map_or_else(|| body.to_string(), str::to_owned)
}

/// Tells one line beside the output.
pub fn tell(line: &str) {
    // Where nobody hears of it, the outcome still shows.
    let _ = writeln!(io::stderr(), "{}", printable(line));
}

/// `2026-01-31 08:15:00Z`; of a stamp beyond the year 9999, its last second.
pub fn utc(stamp_ms: u64) -> String {
    let seconds = i64::try_from(stamp_ms / 1_000).unwrap_or(i64::MAX);
    let at = OffsetDateTime::from_unix_timestamp(seconds);
    let at = at.unwrap_or_else(|_| PrimitiveDateTime::MAX.assume_utc());
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// `2026-01-31T08:15:00.123Z`, for programs.
pub fn utc_exact(stamp_ms: u64) -> String {
    let text = utc(stamp_ms).replace(' ', "T");
    format!("{}.{:03}Z", text.trim_end_matches('Z'), stamp_ms % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_node::api::{FriendLink, Path, Transport};
    use orrery_node::keys::Keys;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (1_735_689_599, "2024-12-31 23:59:59Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
            (u64::MAX / 1_000, "9999-12-31 23:59:59Z"),
        ] {
            assert_eq!(utc(seconds * 1000), expected);
        }
        assert_eq!(utc_exact(951_782_400_007), "2000-02-29T00:00:00.007Z");
    }

    #[test]
    fn spans_have_two_units() {
        for (seconds, expected) in [
            (7, "7 s"),
            (125, "2 min 5 s"),
            (7_500, "2 h 5 min"),
            (270_000, "3 d 3 h"),
        ] {
            assert_eq!(span(seconds * 1_000), expected);
        }
    }

    #[test]
    fn friends_show_by_name_with_the_way_to_them() {
        let keys = Keys::generate(Some([1; 32]));
        let mut ada = Friend {
            identity: keys.identity(),
            name: Some("Ada".to_owned()),
            peer: keys.peer(),
            link: Some(FriendLink {
                path: Path::HolePunched,
                transport: Transport::Quic,
            }),
            last_seen_ms: Some(0),
        };
        assert_eq!(friend(&ada), "Ada  hole-punched over quic");
        ada.link = None;
        assert_eq!(
            friend(&ada),
            "Ada  not connected, last seen 1970-01-01 00:00:00Z"
        );
        ada.name = None;
        ada.last_seen_ms = None;
        let never = format!("{}  not connected, not seen since the start", ada.identity);
        assert_eq!(friend(&ada), never);
    }

    #[test]
    fn a_post_cannot_steer_the_terminal() {
        let body = serde_json::json!({"type": "note/1", "text": "a\u{1b}[2Jb\nc"});
        assert_eq!(printable(&content(&body)), "a [2Jb c");
    }
}
