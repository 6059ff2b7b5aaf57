//! Who is friends with whom.

use std::collections::BTreeSet;

use orrery_sim::random::Stream;

use crate::format::scenario::friends::Graph;
use crate::format::scenario::group::Group;

/// Friendships, which go both ways.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Friends {
    of: Vec<Vec<u32>>,
}

impl Friends {
    /// The friends of a host, ascending.
    ///
    /// # Panics
    /// If there is no such host.
    pub fn of(&self, host: u32) -> &[u32] {
        &self.of[host as usize]
    }

    /// Each friendship once, the smaller host first, ascending.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.of.iter().zip(0_u32..).flat_map(|(friends, host)| {
            friends
                .iter()
                .filter(move |&&friend| host < friend)
                .map(move |&friend| (host, friend))
        })
    }

    /// The friendships of `count` hosts, numbered from 0.
    pub fn build(graph: &Graph, count: u32, stream: &mut Stream) -> Self {
        let edges = match graph {
            Graph::None => BTreeSet::new(),
            Graph::Ring => circulant(count, 2),
            Graph::Complete => circulant(count, count.saturating_sub(1)),
            Graph::RandomRegular(degree) => shuffled(circulant(count, *degree), stream),
            Graph::SmallWorld(degree, rewired_ppm) => {
                rewired(circulant(count, *degree), (count, *rewired_ppm), stream)
            }
            Graph::PowerLaw(degree) => attached(count, degree / 2, stream),
            Graph::Listed(pairs) => pairs.iter().copied().collect(),
        };
        let mut of = vec![Vec::new(); count as usize];
        for (a, b) in edges {
            of[a as usize].push(b);
            of[b as usize].push(a);
        }
        for friends in &mut of {
            friends.sort_unstable();
        }
        Self { of }
    }

    /// The friendships of all hosts of a scenario's groups.
    pub fn of_groups(groups: &[Group], seed: u64) -> Self {
        let mut all = Self::default();
        for group in groups {
            let mut stream = Stream::new(seed, &format!("friends {}", group.name), 0);
            let within = Self::build(&group.friends, group.count, &mut stream);
            all.of.extend(within.of.into_iter().map(|friends| {
                friends
                    .into_iter()
                    .map(|friend| friend + group.first_host)
                    .collect()
            }));
        }
        for group in groups {
            for (host, friend) in group
                .hosts()
                .flat_map(|host| group.friends_with.iter().map(move |friend| (host, friend)))
            {
                all.of[host as usize].push(friend);
                all.of[friend as usize].push(host);
            }
        }
        for friends in &mut all.of {
            friends.sort_unstable();
            // Two groups may both say it.
            friends.dedup();
        }
        all
    }
}

fn edge(a: u32, b: u32) -> (u32, u32) {
    (a.min(b), a.max(b))
}

/// The regular graph in which each knows the nearest on a circle.
fn circulant(count: u32, degree: u32) -> BTreeSet<(u32, u32)> {
    let mut edges = BTreeSet::new();
    let mut add = |host: u32, step: u32| {
        let other = (u64::from(host) + u64::from(step)) % u64::from(count);
        if other as u32 != host {
            edges.insert(edge(host, other as u32));
        }
    };
    for host in 0..count {
        for step in 1..=degree / 2 {
            add(host, step);
        }
        // An odd degree needs an even count, and the opposite host.
        if degree % 2 == 1 {
            add(host, count / 2);
        }
    }
    edges
}

/// Exchanges ends of random pairs of edges, which keeps every degree. Ten attempts an edge mix
/// well (Milo and others, "On the uniform generation of random graphs with prescribed degree
/// sequences", 2003, suggest 100 at most).
fn shuffled(mut edges: BTreeSet<(u32, u32)>, stream: &mut Stream) -> BTreeSet<(u32, u32)> {
    let mut list: Vec<(u32, u32)> = edges.iter().copied().collect();
    if list.len() < 2 {
        return edges;
    }
    for _ in 0..list.len() * 10 {
        let first = stream.below(list.len() as u64) as usize;
        let second = stream.below(list.len() as u64) as usize;
        let (a, b) = list[first];
        let (c, d) = if stream.below(2) == 0 {
            list[second]
        } else {
            (list[second].1, list[second].0)
        };
        let (new_first, new_second) = (edge(a, d), edge(c, b));
        let apart = a != d && c != b && first != second;
        if !apart || edges.contains(&new_first) || edges.contains(&new_second) {
            continue;
        }
        edges.remove(&list[first]);
        edges.remove(&list[second]);
        edges.insert(new_first);
        edges.insert(new_second);
        list[first] = new_first;
        list[second] = new_second;
    }
    edges
}

/// Leads a share of the edges, in parts per million, from their first end to any other host (Watts and
/// Strogatz, "Collective dynamics of small-world networks", 1998).
fn rewired(
    mut edges: BTreeSet<(u32, u32)>,
    (count, ppm): (u32, u32),
    stream: &mut Stream,
) -> BTreeSet<(u32, u32)> {
    for old in edges.clone() {
        let leads_away = stream.below(1_000_000) < u64::from(ppm);
        let new = edge(old.0, stream.below(u64::from(count)) as u32);
        if leads_away && new.0 != new.1 && !edges.contains(&new) {
            edges.remove(&old);
            edges.insert(new);
        }
    }
    edges
}

/// Each host that comes befriends so many of those that are there, of whom one with twice as many friends
/// is befriended twice as often; the first know each other (Barabási and Albert, "Emergence of scaling in
/// random networks", 1999).
fn attached(count: u32, each: u32, stream: &mut Stream) -> BTreeSet<(u32, u32)> {
    let first = (each + 1).min(count);
    let mut edges = circulant(first, first.saturating_sub(1));
    // Both ends of each edge: a host stands here as often as it has friends.
    let mut ends: Vec<u32> = edges.iter().flat_map(|&(a, b)| [a, b]).collect();
    for host in first..count {
        let mut befriended = BTreeSet::new();
        while (befriended.len() as u32) < each {
            befriended.insert(ends[stream.below(ends.len() as u64) as usize]);
        }
        for friend in befriended {
            edges.insert(edge(host, friend));
            ends.extend([host, friend]);
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn build(graph: &Graph, count: u32, seed: u64) -> Friends {
        Friends::build(graph, count, &mut Stream::new(seed, "test", 0))
    }

    #[test]
    fn rings_and_complete_graphs_are_as_named() {
        assert_eq!(
            build(&Graph::Ring, 4, 1).of,
            [[1, 3], [0, 2], [1, 3], [0, 2]]
        );
        assert_eq!(build(&Graph::Ring, 2, 1).of, [[1], [0]]);
        assert_eq!(build(&Graph::Complete, 3, 1).of, [[1, 2], [0, 2], [0, 1]]);
        assert_eq!(build(&Graph::Complete, 6, 1).pairs().count(), 15);
        assert_eq!(build(&Graph::None, 3, 1).pairs().count(), 0);
        assert_eq!(build(&Graph::Complete, 1, 1).of, [Vec::<u32>::new()]);
    }

    #[test]
    fn another_seed_gives_other_friends() {
        let graphs = [
            Graph::RandomRegular(6),
            Graph::SmallWorld(6, 100_000),
            Graph::PowerLaw(6),
        ];
        for graph in graphs {
            let of = |seed| build(&graph, 40, seed);
            assert_eq!(of(1), of(1));
            assert_ne!(of(1), of(2));
        }
    }

    /// The share of pairs of a host's friends who are friends of each other.
    fn clustering(friends: &Friends) -> f64 {
        let (mut closed, mut all) = (0, 0);
        for of in &friends.of {
            for (place, a) in of.iter().enumerate() {
                for b in &of[place + 1..] {
                    all += 1;
                    closed += u32::from(friends.of(*a).contains(b));
                }
            }
        }
        f64::from(closed) / f64::from(all)
    }

    #[test]
    fn small_worlds_have_circles_of_friends_and_lose_them_as_they_are_rewired() {
        let of = |ppm| clustering(&build(&Graph::SmallWorld(8, ppm), 500, 1));
        // 3(K - 2) / 4(K - 1) on the circle, and (1 - p)^3 of it where a share p is rewired.
        let circle = 3.0 * 6.0 / (4.0 * 7.0);
        assert!((of(0) - circle).abs() < 1e-9);
        for (ppm, share) in [(100_000, 0.1_f64), (300_000, 0.3)] {
            let expected = circle * (1.0 - share).powi(3);
            assert!(
                (of(ppm) - expected).abs() < 0.03,
                "{ppm}: {} {expected}",
                of(ppm)
            );
        }
        assert!(of(1_000_000) < 0.05);
        let friends = build(&Graph::SmallWorld(8, 300_000), 500, 1);
        assert_eq!(friends.pairs().count(), 2_000);
    }

    #[test]
    fn few_have_very_many_friends_by_a_power_law_and_all_have_some() {
        let friends = build(&Graph::PowerLaw(8), 4_000, 1);
        let degrees: Vec<usize> = friends.of.iter().map(Vec::len).collect();
        assert!(degrees.iter().all(|degree| *degree >= 4));
        let mean = degrees.iter().sum::<usize>() as f64 / 4_000.0;
        assert!((mean - 8.0).abs() < 0.1, "{mean}");
        // Of degrees at least k there are m(m + 1) / k(k + 1), exactly as the graph grows large.
        for k in [8_usize, 16, 32, 64] {
            let found = degrees.iter().filter(|degree| **degree >= k).count() as f64 / 4_000.0;
            let expected = 20.0 / (k * (k + 1)) as f64;
            let deviation = (expected / 4_000.0).sqrt();
            assert!(
                (found - expected).abs() < 5.0 * deviation,
                "{k}: {found} {expected}"
            );
        }
    }

    #[test]
    fn groups_are_friends_with_hosts_of_others() {
        let text = "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
                    [[group]]\nname='a'\ncount=3\nfriends={ graph='ring' }\n\
                    friends_with='b[1]'\n\
                    [[group]]\nname='b'\ncount=2\nfriends_with=['a[0]']\n";
        let plan = crate::format::read("t", text, None, &[]).unwrap_or_else(|e| panic!("{e}"));
        let friends = Friends::of_groups(&plan.cases[0].scenario.groups, 1);
        let expected: [&[u32]; 5] = [&[1, 2, 3, 4], &[0, 2, 4], &[0, 1, 4], &[0], &[0, 1, 2]];
        assert_eq!(friends.of, expected);
        let check = |from: &str, to: &str, expected: &str| {
            let text = text.replace(from, to);
            let told = crate::format::read("t", &text, None, &[]).expect_err(to);
            assert!(told.to_string().contains(expected), "{told}");
        };
        check("['a[0]']", "'b[0]'", "is for hosts of other groups");
        check("['a[0]']", "'c'", "there is no group \"c\"");
        check(
            "count=2\n",
            "count=2\nprogram='none'\n",
            "group \"b\" has no nodes",
        );
    }

    proptest! {
        #[test]
        fn random_regular_graphs_are_regular_mutual_and_simple(
            count in 2_u32..60, degree in 0_u32..20, seed in any::<u64>(),
        ) {
            prop_assume!(degree < count && count * degree % 2 == 0);
            let friends = build(&Graph::RandomRegular(degree), count, seed);
            for host in 0..count {
                let of = friends.of(host);
                prop_assert_eq!(of.len() as u32, degree);
                prop_assert!(of.windows(2).all(|pair| pair[0] < pair[1]));
                prop_assert!(!of.contains(&host));
                prop_assert!(of.iter().all(|&friend| friends.of(friend).contains(&host)));
            }
        }
    }
}
