//! Which of its hosts a fault concerns, the same for all kinds: those of some regions, or on some access
//! networks, and a share of them that a seed draws.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{Acts, Source};
use crate::format::reading::problem::{Problems, quoted, suggestion};
use crate::format::reading::reader::{Reader, wrong_type};
use crate::format::reading::source::Span;
use crate::format::reading::tree::Kind;
use crate::format::scenario::group::Group;
use crate::format::scenario::selector::Hosts;

/// What every kind of fault may say besides its own fields.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct OfAllFields {
    /// Instead of `at` and `every`: how often on average it meets each host (`partition`: the network),
    /// such as `2/h`, at random (Poisson) from when it has ended; every host draws its own times.
    rate: Option<String>,
    /// Of these hosts, only those in these regions, such as `"eu-central-1"`: a whole region goes dark.
    /// Not with `partition`.
    regions: Option<RegionNames>,
    /// Of these hosts, only those whose group has an access link by this name, such as `4g`: the
    /// network of one provider. Not with `partition`.
    on_access: Option<AccessNames>,
    /// Of these hosts, after `regions` and `on_access`, only this share, such as `0.2`; each seed draws which. Not with
    /// `partition`.
    share: Option<f64>,
}

/// Regions of the delay profile.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it is documentation")]
pub enum RegionNames {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// Access links by name.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it is documentation")]
pub enum AccessNames {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// Which of its hosts a fault concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Which {
    /// Places of regions in the delay profile; empty: all.
    regions: Vec<usize>,
    /// Those of groups with other access links; none if nothing is said of these.
    #[serde(default, skip_serializing_if = "Hosts::is_empty")]
    spared: Hosts,
    /// How many of them, in parts per million.
    share_ppm: u32,
}

/// All, in parts per million.
const ALL_PPM: u32 = 1_000_000;

impl Which {
    /// All of them.
    pub const ALL: Self = Self {
        regions: Vec::new(),
        spared: Hosts { ranges: Vec::new() },
        share_ppm: ALL_PPM,
    };

    /// Whether a host in a region is concerned.
    pub fn is_of(&self, host: u32, region: usize) -> bool {
        let is_there = self.regions.is_empty() || self.regions.contains(&region);
        is_there && !self.spared.contains(host)
    }

    /// How many of `count` hosts of its regions are concerned, if not all.
    pub fn share_of(&self, count: usize) -> Option<usize> {
        let share = count as u64 * u64::from(self.share_ppm);
        let whole = u64::from(ALL_PPM);
        (self.share_ppm < ALL_PPM).then_some(((share + whole / 2) / whole) as usize)
    }

    pub(super) fn read(source: &Source<'_>, acts: Acts<'_>, problems: &mut Problems) -> Self {
        let reader = &source.reader;
        let regions = read_regions(source, problems);
        let spared = read_spared(source, acts, problems);
        let share = reader.share("share", problems);
        if share == Some(0) {
            problems.push(reader.span("share"), "\"share\": expected more than 0");
        }
        if let Acts::Parts(_) = acts {
            for key in ["regions", "on_access", "share"]
                .into_iter()
                .filter(|key| reader.value(key).is_some())
            {
                let message = format!(
                    "{} has no \"{key}\": say which hosts in \"between\"",
                    reader.what
                );
                problems.push(reader.span(key), message);
            }
        }
        Self {
            regions,
            spared,
            share_ppm: share.unwrap_or(ALL_PPM),
        }
    }
}

/// The texts of a field that has one or several, with their places.
fn names<'a>(
    reader: &Reader<'a>,
    key: &str,
    what: &str,
    problems: &mut Problems,
) -> Vec<(&'a str, Span)> {
    let Some(value) = reader.value(key) else {
        return Vec::new();
    };
    let values: Vec<_> = match &value.kind {
        Kind::Array(items) => items.iter().collect(),
        _ => vec![value],
    };
    let mut names = Vec::new();
    for value in values {
        match value.as_text() {
            Some(text) => names.push((text, value.span)),
            None => wrong_type(value, key, what, problems),
        }
    }
    names
}

/// Places of the regions that are named.
fn read_regions(source: &Source<'_>, problems: &mut Problems) -> Vec<usize> {
    let what = "a region's name, or a list of them";
    let mut regions = Vec::new();
    for (text, span) in names(&source.reader, "regions", what, problems) {
        match source.regions.iter().position(|region| region == text) {
            Some(place) => regions.push(place),
            // Without a usable delay profile its regions are unknown, which is noted there.
            None if source.regions.is_empty() => {}
            None => {
                let message = format!("there is no region {}", quoted(text));
                let help = suggestion(text, source.regions.iter().map(String::as_str));
                problems.push_with_help(span, message, Some(help));
            }
        }
    }
    regions
}

/// The hosts that a fault spares because their access link is not among those that are named.
fn read_spared(source: &Source<'_>, acts: Acts<'_>, problems: &mut Problems) -> Hosts {
    let what = "an access link's name, or a list of them";
    let named = names(&source.reader, "on_access", what, problems);
    if named.is_empty() {
        return Hosts::default();
    }
    let (hosts, _) = acts.hosts();
    let concerned = source.groups.iter();
    let concerned: Vec<&Group> = concerned
        .filter(|group| group.hosts().any(|host| hosts.contains(host)))
        .collect();
    for (text, span) in &named {
        if concerned.iter().all(|group| group.access.name != *text) {
            let message = format!("none of its hosts has the access link {}", quoted(text));
            let links = concerned.iter().map(|group| group.access.name.as_str());
            let help = suggestion(text, links);
            problems.push_with_help(*span, message, Some(help));
        }
    }
    let others = concerned.iter().filter(|group| {
        let mut named = named.iter();
        named.all(|(text, _)| group.access.name != *text)
    });
    let ranges = others.map(|group| (group.first_host, group.first_host + group.count));
    Hosts {
        ranges: ranges.collect(),
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::check_refused;

    #[test]
    fn wrong_hosts_are_refused_with_what_may_stand_there() {
        let stop = |more: &str| format!("kind='stop'\nhosts='g'\nfor='1s'\n{more}");
        let check = |more: &str, expected: &str| check_refused(&stop(more), expected);
        check("regions='atlantis'", "there is no region");
        check("regions=3", "a region's name");
        check(
            "on_access='4g'",
            "none of its hosts has the access link \"4g\"",
        );
        check("on_access=4", "an access link's name");
        check("share=0", "more than 0");
        check("share=1.5", "\"share\"");
        check("rate='2/h'", "\"at\" or a rate, not both");
        check_refused(
            "kind='partition'\nbetween=['g','s']\nfor='1s'\nshare=0.5",
            "partition\" has no \"share\"",
        );
        check_refused("kind='link'\nhosts='g'\nloss='1%'\nrate='2/h'", "not both");
    }
}
