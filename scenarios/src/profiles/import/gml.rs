//! A graph in GML, as the simulator Shadow takes it: nodes with an `id`, edges with a `latency`
//! such as `"10 ms"`. Where two nodes have no edge, the shortest way between them is their delay.
//!
//! GML: Himsolt, "GML: A portable Graph File Format", 1997.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::iter::Peekable;
use std::str::CharIndices;

use super::Delays;
use crate::format::reading::quantity::time_ns;

/// Lists within lists at most.
const DEPTH_MAX: usize = 16;

/// Edges at most: all pairs of as many regions as there may be.
const EDGES_MAX: usize = 1_000_000;

/// Keys of an edge that say more than its delay.
const LEFT_OUT: [&str; 3] = ["packet_loss", "jitter", "bandwidth"];

/// A list of keys and values, with the line on which it begins.
#[derive(Debug, Default)]
struct List {
    line: usize,
    entries: Vec<(String, Item)>,
}

#[derive(Debug)]
enum Item {
    /// A number or a string, as written.
    Text(String),
    List(List),
}

impl List {
    fn text(&self, key: &str) -> Option<&str> {
        self.entries.iter().find_map(|(name, item)| match item {
            Item::Text(text) if name == key => Some(text.as_str()),
            Item::Text(_) | Item::List(_) => None,
        })
    }

    fn lists<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a List> {
        self.entries
            .iter()
            .filter_map(move |(name, item)| match item {
                Item::List(list) if name == key => Some(list),
                Item::Text(_) | Item::List(_) => None,
            })
    }
}

/// Reads a graph.
pub(super) fn read(text: &str) -> Result<Delays, String> {
    let file = Parser::new(text).list(0)?;
    let graph = file
        .lists("graph")
        .next()
        .ok_or("there is no graph in it")?;
    let mut delays = Delays::default();
    let mut names = BTreeMap::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for node in graph.lists("node") {
        let at = |message: String| format!("line {}: {message}", node.line);
        let id = node.text("id");
        let id = id.ok_or_else(|| at("a node without \"id\"".to_owned()))?;
        if places.contains_key(id) {
            return Err(at(format!("two nodes with the id {id}")));
        }
        // Two nodes may be labelled alike; their ids are different.
        let label = node
            .text("label")
            .filter(|label| !names.contains_key(*label));
        let name = label.map_or_else(|| format!("node-{id}"), str::to_owned);
        places.insert(id, delays.place(&name, &mut names).map_err(at)?);
    }
    let is_directed = graph.text("directed") == Some("1");
    let mut left_out: Vec<&str> = Vec::new();
    for (number, edge) in graph.lists("edge").enumerate() {
        let at = |message: String| format!("line {}: {message}", edge.line);
        if number == EDGES_MAX {
            return Err(at(format!("more than {EDGES_MAX} edges")));
        }
        let end = |key: &str| {
            let id = edge
                .text(key)
                .ok_or_else(|| at(format!("an edge without \"{key}\"")))?;
            let place = places.get(id).copied();
            place.ok_or_else(|| at(format!("there is no node {id}")))
        };
        let (from, to) = (end("source")?, end("target")?);
        let ns = latency(edge).map_err(at)?;
        for pair in [(from, to), (to, from)]
            .into_iter()
            .take(if is_directed { 1 } else { 2 })
        {
            // Of several edges packets take the shortest.
            let least = delays.ns.entry(pair).or_insert(ns);
            *least = ns.min(*least);
        }
        let more = LEFT_OUT
            .iter()
            .filter(|key| edge.text(key).is_some_and(|text| !is_zero(text)));
        left_out.extend(more);
    }
    left_out.sort_unstable();
    left_out.dedup();
    if !left_out.is_empty() {
        let keys = left_out.join(", ");
        delays.notes.push(format!(
            "left out of the graph's edges: {keys}; [[network.path]] can say such things"
        ));
    }
    complete(&mut delays)?;
    Ok(delays)
}

fn is_zero(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|number| number == 0.0)
}

fn latency(edge: &List) -> Result<u64, String> {
    let text = edge.text("latency");
    let text = text.ok_or("an edge without \"latency\"")?;
    // Shadow writes "10 ms", and a number alone stands for nanoseconds there.
    let compact: String = text.split_whitespace().collect();
    let ns = match compact.parse::<u64>() {
        Ok(ns) => i64::try_from(ns).ok(),
        Err(_) => time_ns(&compact).ok(),
    };
    let ns = ns.and_then(|ns| u64::try_from(ns).ok());
    ns.ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        format!("\"latency\": expected a time such as \"10 ms\", found \"{text}\"")
    })
}

/// Gives pairs without an edge the delay of the shortest way between them.
fn complete(delays: &mut Delays) -> Result<(), String> {
    let count = delays.regions.len();
    if delays.ns.len() >= count * count.saturating_sub(1) && count > 0 {
        let is_edge = |a: usize, b: usize| a == b || delays.ns.contains_key(&(a, b));
        if (0..count).all(|a| (0..count).all(|b| is_edge(a, b))) {
            return Ok(());
        }
    }
    let mut ways: Vec<Vec<(usize, u64)>> = vec![Vec::new(); count];
    for (&(a, b), &ns) in &delays.ns {
        ways[a].push((b, ns));
    }
    let mut made = 0;
    for from in 0..count {
        let found = shortest(&ways, from);
        for (to, ns) in found.into_iter().enumerate().filter(|(to, _)| *to != from) {
            let Some(ns) = ns else {
                return Err(format!(
                    "there is no way from \"{}\" to \"{}\"",
                    delays.regions[from], delays.regions[to]
                ));
            };
            made += usize::from(delays.ns.insert((from, to), ns).is_none());
        }
    }
    if made > 0 {
        delays.notes.push(format!(
            "{made} pairs have no edge: their delay is that of the shortest way. All others have it \
             too where it is shorter than their edge"
        ));
    }
    Ok(())
}

/// The shortest delays from a node to all: Dijkstra's algorithm.
fn shortest(ways: &[Vec<(usize, u64)>], from: usize) -> Vec<Option<u64>> {
    let mut best: Vec<Option<u64>> = vec![None; ways.len()];
    let mut queue = BinaryHeap::from([Reverse((0, from))]);
    while let Some(Reverse((ns, at))) = queue.pop() {
        if best[at].is_some() {
            continue;
        }
        best[at] = Some(ns);
        for &(next, more) in &ways[at] {
            if best[next].is_none() {
                queue.push(Reverse((ns.saturating_add(more), next)));
            }
        }
    }
    best
}

/// Reads keys and values.
struct Parser<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
    line: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            rest: text.char_indices().peekable(),
            line: 1,
        }
    }

    /// Entries up to the bracket that closes them, or at depth 0 to the file's end.
    fn list(&mut self, depth: usize) -> Result<List, String> {
        if depth > DEPTH_MAX {
            return Err(format!("line {}: lists within lists, too deep", self.line));
        }
        let mut list = List {
            line: self.line,
            entries: Vec::new(),
        };
        loop {
            let key = match (self.word(), depth) {
                (Some("]"), 1..) | (None, 0) => return Ok(list),
                (None, _) => {
                    return Err(format!("line {}: the file ends within a list", self.line));
                }
                (Some(key), _) => key,
            };
            if matches!(key, "[" | "]") {
                return Err(format!("line {}: expected a key, found {key}", self.line));
            }
            let item = match self.word() {
                Some("[") => Item::List(self.list(depth + 1)?),
                Some("]") | None => {
                    let key: String = key.chars().take(40).collect();
                    return Err(format!("line {}: \"{key}\" has no value", self.line));
                }
                Some(value) => Item::Text(value.to_owned()),
            };
            list.entries.push((key.to_owned(), item));
        }
    }

    /// The next word, bracket, or string without its quotes. Comments are left out.
    fn word(&mut self) -> Option<&'a str> {
        loop {
            let &(start, c) = self.rest.peek()?;
            match c {
                '#' => self.skip(|c| c != '\n'),
                c if c.is_whitespace() => self.skip(char::is_whitespace),
                '[' | ']' => {
                    self.rest.next();
                    return Some(&self.text[start..=start]);
                }
                '"' => {
                    self.rest.next();
                    self.skip(|c| c != '"');
                    let end = self.rest.next().map_or(self.text.len(), |(end, _)| end);
                    return Some(&self.text[start + 1..end]);
                }
                _ => {
                    self.skip(|c| !c.is_whitespace() && !"[]\"#".contains(c));
                    let end = self.rest.peek().map_or(self.text.len(), |&(end, _)| end);
                    return Some(&self.text[start..end]);
                }
            }
        }
    }

    fn skip(&mut self, while_it: impl Fn(char) -> bool) {
        while let Some(&(_, c)) = self.rest.peek() {
            if !while_it(c) {
                return;
            }
            self.line += usize::from(c == '\n');
            self.rest.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_without_an_edge_take_the_shortest_way() {
        let text = "# of Shadow\ngraph [\n node [ id 0 ]\n node [ id 1 ]\n node [ id 2 ]\n\
             edge [ source 0 target 0 latency \"1 ms\" packet_loss 0.0 ]\n\
             edge [ source 0 target 1 latency \"10 ms\" packet_loss 0.01 ]\n\
             edge [ source 1 target 2 latency \"5 ms\" ]\n]\n";
        let delays = read(text).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(delays.regions, ["node-0", "node-1", "node-2"]);
        assert_eq!(delays.ns[&(2, 0)], 15_000_000);
        assert_eq!(delays.ns[&(0, 0)], 1_000_000);
        assert_eq!(delays.notes.len(), 2, "{:?}", delays.notes);
        assert!(delays.notes[0].contains("packet_loss"));
    }
}
