//! Traces of churn: when each host of a population was there, as it was observed.

use std::collections::BTreeMap;

use crate::format::reading::quantity::{show_time, time_ns};
use crate::format::reading::table::{self, Row};

/// The first line.
const HEADING: &str = "host,from,to";

/// Sessions of hosts, by their places in the group: from and to nanoseconds, ascending and apart.
pub type Sessions = BTreeMap<u32, Vec<(u64, u64)>>;

/// Reads a trace of a group of `count` hosts.
///
/// # Errors
/// The number of the line at fault, and what is wrong with it.
pub fn read(text: &str, count: u32) -> Result<Sessions, String> {
    let mut rows = table::rows(text)?.into_iter();
    let heading = rows.next().map(|row| row.cells.join(","));
    if heading.as_deref() != Some(HEADING) {
        return Err(format!("line 1: expected the heading {HEADING}"));
    }
    let mut sessions = Sessions::new();
    for row in rows {
        let session = session(&row, count);
        let (host, session) = session.map_err(|error| format!("line {}: {error}", row.line))?;
        sessions.entry(host).or_default().push(session);
    }
    for (host, sessions) in &mut sessions {
        sessions.sort_unstable();
        if let Some(two) = sessions.windows(2).find(|two| two[1].0 < two[0].1) {
            let at = show_time(i64::try_from(two[1].0).unwrap_or(i64::MAX));
            return Err(format!("two sessions of host {host} overlap at {at}"));
        }
        // What follows without a gap is one session.
        sessions.dedup_by(|next, last| {
            let joins = next.0 == last.1;
            last.1 = if joins { next.1 } else { last.1 };
            joins
        });
    }
    Ok(sessions)
}

fn session(row: &Row, count: u32) -> Result<(u32, (u64, u64)), String> {
    let [host, from, to] = &row.cells[..] else {
        return Err(format!("expected {HEADING}"));
    };
    let host: u32 = host
        .parse()
        .map_err(|_| format!("expected the number of a host, found {host}"))?;
    if host >= count {
        return Err(format!(
            "there is no host {host}: the group has {count}, from 0 on"
        ));
    }
    let (from_ns, to_ns) = (moment(from)?, moment(to)?);
    if from_ns >= to_ns {
        return Err(format!("a session from {from} to {to} has no length"));
    }
    Ok((host, (from_ns, to_ns)))
}

/// A moment of the run: seconds, or with a unit.
fn moment(text: &str) -> Result<u64, String> {
    let is_bare = text.ends_with(|last: char| last.is_ascii_digit());
    let with_unit = if is_bare {
        format!("{text}s")
    } else {
        text.to_owned()
    };
    match time_ns(&with_unit) {
        Ok(ns) if ns >= 0 => Ok(ns as u64),
        _ => Err(format!(
            "expected seconds or a time such as 90m, found {text}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_those_of_the_lines_in_any_order() {
        let text = "host,from,to\n1, 90m, 2h\n0,0,12.5\n\n1,0s,60m\n1,60m,70m\n";
        let minute_ns = 60_000_000_000;
        let sessions = read(text, 2).unwrap();
        assert_eq!(sessions[&0], [(0, 12_500_000_000)]);
        assert_eq!(
            sessions[&1],
            [(0, 70 * minute_ns), (90 * minute_ns, 120 * minute_ns)]
        );
    }

    #[test]
    fn wrong_lines_are_told_by_their_numbers() {
        let check = |text: &str, expected: &str| {
            let told = read(text, 2).expect_err(text);
            assert!(told.contains(expected), "{text}: {told}");
        };
        check("", "the table is empty");
        check("0,0,1\n", "line 1: expected the heading");
        check("host,from,to\n2,0,1\n", "line 2: there is no host 2");
        check("host,from,to\n1,0\n", "line 2: expected host,from,to");
        check("host,from,to\n1,5,5\n", "line 2: a session from 5 to 5");
        check("host,from,to\n1,x,5\n", "line 2: expected seconds");
        check("host,from,to\n1,-3,5\n", "line 2: expected seconds");
        check(
            "host,from,to\n1,0,5\n0,0,9\n1,4,6\n",
            "two sessions of host 1 overlap at 4s",
        );
    }
}
