//! Which hosts something concerns: `home`, `home[3]`, `home[0..20]`, or a list of those.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::format::reading::problem::{Problems, quoted, suggestion};
use crate::format::reading::reader::{Reader, wrong_type};
use crate::format::reading::source::Span;
use crate::format::reading::tree::Kind;

/// Hosts as text (`home`, `home[3]`, `home[0..20]`) or a list of such texts.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum HostsText {
    /// One selector.
    One(String),
    /// Several; their union is meant.
    Several(Vec<String>),
}

/// A set of hosts: ranges of host numbers, ascending, apart and not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosts {
    /// First host and the one after the last.
    pub ranges: Vec<(u32, u32)>,
}

impl Hosts {
    /// The host numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(|&(from, to)| from..to)
    }

    /// How many hosts.
    pub fn len(&self) -> u32 {
        self.ranges.iter().map(|&(from, to)| to - from).sum()
    }

    /// Whether no host is concerned.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether `host` is among them.
    pub fn contains(&self, host: u32) -> bool {
        let after = self.ranges.partition_point(|&(from, _)| from <= host);
        after > 0 && host < self.ranges[after - 1].1
    }

    /// The host of that place, over and over.
    ///
    /// # Panics
    /// If there are no hosts, which selectors refuse.
    pub fn dealt(&self, place: u32) -> u32 {
        let place = place % self.len().max(1);
        let mut before = 0;
        for &(from, to) in &self.ranges {
            if place < before + (to - from) {
                return from + (place - before);
            }
            before += to - from;
        }
        unreachable!("a place below the number of hosts is in one of the ranges")
    }

    /// Whether some host is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.ranges.iter().any(|&(from, to)| {
            other
                .ranges
                .iter()
                .any(|&(other_from, other_to)| from < other_to && other_from < to)
        })
    }

    fn from_ranges(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.retain(|(from, to)| from < to);
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (from, to) in ranges {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        Self { ranges: merged }
    }
}

/// Hosts under one name, as selectors name them.
pub trait HostGroup {
    /// Its name.
    fn name(&self) -> &str;
    /// The numbers of its hosts; none if their count could not be read.
    fn hosts(&self) -> Range<u32>;
    /// Whether nodes run on them.
    fn has_node(&self) -> bool;
}

/// Reads the selector of a field. Problems are noted, hitting no host among them.
pub fn read<G: HostGroup>(
    reader: &Reader<'_>,
    key: &str,
    groups: &[G],
    problems: &mut Problems,
) -> Option<Hosts> {
    let value = reader.value(key)?;
    let before = problems.len();
    let mut ranges = Vec::new();
    match &value.kind {
        Kind::Text(text) => ranges.extend(range(text, value.span, groups, problems)),
        Kind::Array(items) => {
            for item in items.iter().take(1_000) {
                match item.as_text() {
                    Some(text) => ranges.extend(range(text, item.span, groups, problems)),
                    None => wrong_type(item, key, "hosts such as \"home[0..20]\"", problems),
                }
            }
        }
        _ => wrong_type(value, key, "hosts such as \"home[0..20]\"", problems),
    }
    let hosts = Hosts::from_ranges(ranges);
    // A group whose count could not be read has no hosts to select, which is already noted.
    let unreadable = groups.iter().any(|group| group.hosts().is_empty());
    if problems.len() > before || unreadable {
        return None;
    }
    if hosts.is_empty() {
        problems.push(value.span, format!("\"{key}\" selects no host"));
        return None;
    }
    Some(hosts)
}

/// Reads one selector at `span`.
pub fn range<G: HostGroup>(
    text: &str,
    span: Span,
    groups: &[G],
    problems: &mut Problems,
) -> Option<(u32, u32)> {
    let (name, inside) = match text.split_once('[') {
        Some((name, rest)) => (name.trim(), Some(rest)),
        None => (text.trim(), None),
    };
    let Some(group) = groups.iter().find(|group| group.name() == name) else {
        let message = format!("there is no group {}", quoted(name));
        let help = suggestion(name, groups.iter().map(HostGroup::name));
        problems.push_with_help(span, message, Some(help));
        return None;
    };
    let Range { start, end } = group.hosts();
    let Some(inside) = inside else {
        return Some((start, end));
    };
    if start == end {
        return None;
    }
    let numbers = inside.strip_suffix(']').and_then(|inside| {
        Some(if let Some((from, to)) = inside.split_once("..") {
            (
                from.trim().parse::<u32>().ok()?,
                to.trim().parse::<u32>().ok()?,
            )
        } else {
            let index = inside.trim().parse::<u32>().ok()?;
            (index, index.checked_add(1)?)
        })
    });
    let Some((from, to)) = numbers else {
        let message = format!(
            "expected hosts such as \"{name}\", \"{name}[3]\" or \"{name}[0..20]\", found {}",
            quoted(text)
        );
        problems.push(span, message);
        return None;
    };
    if from >= to || to > end - start {
        let message = format!(
            "{} selects beyond group \"{name}\", whose hosts are {name}[0..{}]",
            quoted(text),
            end - start
        );
        problems.push(span, message);
        return None;
    }
    Some((start + from, start + to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_merge_contain_and_overlap() {
        let hosts = Hosts::from_ranges(vec![(5, 9), (0, 2), (8, 12), (3, 3)]);
        assert_eq!(hosts.ranges, [(0, 2), (5, 12)]);
        assert_eq!(hosts.len(), 9);
        let members: Vec<u32> = (0..14).filter(|&host| hosts.contains(host)).collect();
        assert_eq!(members, hosts.iter().collect::<Vec<_>>());
        assert!(hosts.overlaps(&Hosts::from_ranges(vec![(1, 3)])));
        assert!(!hosts.overlaps(&Hosts::from_ranges(vec![(2, 5)])));
    }
}
