//! Replies as text and JSON on standard output.

use std::io::{self, Write};

use orrery_node::api::{Post, Reply};
use serde::Serialize;

use super::Failure;
use super::clean::printable;

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
    print_exactly(&text)
}

/// Prints posts, one a line.
pub fn print_posts(posts: &[Post]) -> Result<(), Failure> {
    for post in posts {
        let author: String = post.author.chars().take(SHORT).collect();
        let ahead = if post.stamp_ahead {
            " (clock ahead)"
        } else {
            ""
        };
        print_line(&format!(
            "{}{ahead}  {author}  {}",
            utc(post.stamp_ms),
            content(&post.body)
        ))?;
    }
    Ok(())
}

/// Prints how the node is.
pub fn print_status(status: &Reply) -> Result<(), Failure> {
    let Reply::Status {
        identity,
        peer,
        listening,
        connections,
        counters,
    } = status
    else {
        return Ok(());
    };
    print_line(&format!("identity     {identity}"))?;
    print_line(&format!("peer         {peer}"))?;
    for address in listening {
        print_line(&format!("listening    {address}"))?;
    }
    for connection in connections {
        print_line(&format!("connected    {connection}"))?;
    }
    for (name, count) in counters {
        print_line(&format!("{name:<20} {count}"))?;
    }
    Ok(())
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

/// `2026-01-31 08:15:00Z`, by the proleptic Gregorian calendar.
pub fn utc(stamp_ms: u64) -> String {
    let seconds = stamp_ms / 1000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Year, month and day of a number of days since 1970-01-01, reckoned in
/// 400-year cycles that begin with a March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let cycle = shifted / 146_097;
    let day_of_cycle = shifted % 146_097;
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524
        - day_of_cycle / 146_096)
        / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_cycle + cycle * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (1_735_689_599, "2024-12-31 23:59:59Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
        ] {
            assert_eq!(utc(seconds * 1000), expected);
        }
    }

    #[test]
    fn a_post_cannot_steer_the_terminal() {
        let body = serde_json::json!({"type": "note/1", "text": "a\u{1b}[2Jb\nc"});
        assert_eq!(printable(&content(&body)), "a [2Jb c");
    }
}
