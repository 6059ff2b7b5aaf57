//! `[[network.path]]`: what lies between two regions beside their delay.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::format::reading::problem::{Problems, quoted, suggestion};
use crate::format::reading::quantity::{bits_per_second, bytes};
use crate::format::reading::reader::{Reader, fields_of, wrong_type};
use crate::format::reading::tree::{Kind, Table};

/// Regions as text or a list of texts; `*` stands for all of them.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum RegionsText {
    /// One region, or all.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// `[[network.path]]`: a rate, a queue and losses between two regions, shared by all their hosts.
#[derive(JsonSchema)]
pub struct PathFields {
    /// The region that packets leave, a list of regions, or `*` for all. Each pair of regions has a
    /// path of its own.
    pub from: RegionsText,
    /// The region that they come to; the same region joins its own hosts.
    pub to: RegionsText,
    /// Rate, such as `100Mbit/s`, shared by all hosts of the two regions; unlimited if absent.
    pub rate: Option<String>,
    /// Most bytes that wait for the rate; `1MiB` if absent. More are dropped (`net.drops` with the
    /// reason `path-queue-full`).
    pub queue: Option<String>,
    /// Share of packets lost, such as `0.1%` (`net.drops` with the reason `path-loss`).
    pub loss: Option<String>,
    /// Whether the way back is alike, with a queue of its own; `true` if absent.
    pub both_ways: Option<bool>,
}

/// One direction between two regions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionPath {
    /// The region that packets leave, by its place.
    pub from: usize,
    /// The region that they come to.
    pub to: usize,
    /// Bits per second; unlimited if absent.
    pub rate_bps: Option<u64>,
    /// Bytes that wait at most.
    pub queue_bytes: u64,
    /// Share of packets lost, in parts per million.
    pub loss_ppm: u32,
}

/// Tables at most.
const TABLES_MAX: usize = 1_000;

/// A queue that nobody has set.
const QUEUE_BYTES: u64 = 1 << 20;

/// Reads all paths between `regions`, ascending by their ends.
pub fn read(network: &Reader<'_>, regions: &[String], problems: &mut Problems) -> Vec<RegionPath> {
    let mut paths: BTreeMap<(usize, usize), RegionPath> = BTreeMap::new();
    for table in network.tables("path", TABLES_MAX, problems) {
        for path in read_table(table, regions, problems) {
            let ends = (path.from, path.to);
            if paths.insert(ends, path).is_some() {
                let (from, to) = (quoted(&regions[ends.0]), quoted(&regions[ends.1]));
                let message = format!("there is another path from {from} to {to}");
                problems.push(table.span, message);
            }
        }
    }
    paths.into_values().collect()
}

fn read_table(table: &Table, regions: &[String], problems: &mut Problems) -> Vec<RegionPath> {
    let reader = Reader::new(table, "a path", &fields_of::<PathFields>(), problems);
    let from = places(&reader, "from", regions, problems);
    let to = places(&reader, "to", regions, problems);
    let rate_bps = reader.quantity("rate", bits_per_second, problems);
    let queue = reader.quantity("queue", bytes, problems);
    let loss_ppm = reader.share("loss", problems).unwrap_or(0);
    let both_ways = reader.flag("both_ways", problems).unwrap_or(true);
    if reader.value("rate").is_none() && reader.value("loss").is_none() {
        let message = "a path needs a \"rate\" or a \"loss\"; delays are the profile's";
        problems.push(table.span, message);
    }
    if reader.value("queue").is_some() && reader.value("rate").is_none() {
        let message = "\"queue\": nothing waits without a \"rate\"";
        problems.push(reader.span("queue"), message);
    }
    let path = |from, to| RegionPath {
        from,
        to,
        rate_bps,
        queue_bytes: queue.map_or(QUEUE_BYTES, |bytes| bytes as u64),
        loss_ppm,
    };
    let mut paths: BTreeMap<(usize, usize), RegionPath> = BTreeMap::new();
    for &a in &from {
        for &b in &to {
            paths.insert((a, b), path(a, b));
            if both_ways {
                paths.insert((b, a), path(b, a));
            }
        }
    }
    paths.into_values().collect()
}

/// The places of the regions that a field names.
fn places(
    reader: &Reader<'_>,
    key: &str,
    regions: &[String],
    problems: &mut Problems,
) -> Vec<usize> {
    let Some(value) = reader.value(key) else {
        return Vec::new();
    };
    let names = match &value.kind {
        Kind::Array(items) => items.iter().collect(),
        _ => vec![value],
    };
    let mut places = Vec::new();
    for value in names {
        let Some(name) = value.as_text() else {
            wrong_type(value, key, "a region's name", problems);
            continue;
        };
        match regions.iter().position(|region| region == name) {
            Some(place) => places.push(place),
            None if name == "*" => places.extend(0..regions.len()),
            // Without a delay profile there are no regions, which is noted there.
            None if regions.is_empty() => {}
            None => {
                let help = suggestion(name, regions.iter().map(String::as_str));
                let message = format!("\"{key}\": unknown region {}", quoted(name));
                problems.push_with_help(value.span, message, Some(help));
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use crate::format::{Plan, read};

    fn plan(network: &str) -> Result<Plan, String> {
        let text = format!(
            "name='t'\nduration='1m'\n[network]\ndelays='three-regions'\n{network}\n\
             [[group]]\nname='g'\ncount=2\nprogram='none'\n"
        );
        read("t", &text, None, &[]).map_err(|problems| problems.to_string())
    }

    fn regions() -> Vec<String> {
        let plan = plan("").unwrap_or_else(|problems| panic!("{problems}"));
        plan.cases[0].scenario.network.delays.regions.clone()
    }

    #[test]
    fn paths_join_pairs_of_regions() {
        let regions = regions();
        let (a, b) = (&regions[0], &regions[1]);
        let check = |path: &str, expected: &[(usize, usize)]| {
            let plan = plan(&format!("[[network.path]]\n{path}"));
            let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
            let paths = &plan.cases[0].scenario.network.paths;
            let ends: Vec<_> = paths.iter().map(|path| (path.from, path.to)).collect();
            assert_eq!(ends, expected, "{path}");
        };
        check(
            &format!("from='{a}'\nto='{b}'\nrate='1Mbit/s'"),
            &[(0, 1), (1, 0)],
        );
        check(
            &format!("from='{a}'\nto='{b}'\nloss='1%'\nboth_ways=false"),
            &[(0, 1)],
        );
        check(&format!("from='{a}'\nto='{a}'\nloss='1%'"), &[(0, 0)]);
        check(
            &format!("from='{a}'\nto='*'\nloss=0.5\nboth_ways=false"),
            &[(0, 0), (0, 1), (0, 2)],
        );
        check(
            &format!("from=['{a}','{b}']\nto='{b}'\nloss='1%'"),
            &[(0, 1), (1, 0), (1, 1)],
        );
    }

    #[test]
    fn wrong_paths_are_named() {
        let regions = regions();
        let (a, b) = (&regions[0], &regions[1]);
        let check = |path: &str, expected: &str| {
            let problems = plan(&format!("[[network.path]]\n{path}")).expect_err(path);
            assert!(problems.contains(expected), "{path}: {problems}");
        };
        check(
            &format!("from='{a}'\nrate='1Mbit/s'"),
            "lacks the field \"to\"",
        );
        check(
            "from='nowhere'\nto='*'\nloss='1%'",
            "unknown region \"nowhere\"",
        );
        check(
            &format!("from='{a}'\nto='{b}'"),
            "needs a \"rate\" or a \"loss\"",
        );
        check(
            &format!("from='{a}'\nto='{b}'\nloss='1%'\nqueue='1MiB'"),
            "nothing waits without a \"rate\"",
        );
        check(
            &format!(
                "from='{a}'\nto='{b}'\nloss='1%'\n[[network.path]]\nfrom='{b}'\nto='{a}'\nloss='2%'"
            ),
            "there is another path",
        );
        check(&format!("from=3\nto='{b}'\nloss='1%'"), "a region's name");
    }
}
