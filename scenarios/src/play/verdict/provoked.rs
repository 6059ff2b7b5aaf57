//! A table: posts that were kept from their readers, and the causes that must be found for it.

use std::collections::BTreeMap;

use orrery_reports::record::Metric;

use crate::play;
use crate::workload::feed::metrics::FEED_MISSED_FOREVER;

const HEAD: &str = "name = 't'\nduration = '60s'\nwarmup = '1s'\n\
                    [network]\ndelays = 'three-regions'\n\
                    [[workload]]\nkind = 'post'\nfrom = 'a'\nat = '30s'\n";

/// A group of one host, with further lines.
fn group(name: &str, lines: &str) -> String {
    format!("[[group]]\nname = '{name}'\ncount = 1\nboot = '0s'\n{lines}\n")
}

/// Posts that `a` wrote for its friends and that they never got, by cause.
fn missed(drain: &str, groups: &[String], more: &str) -> BTreeMap<String, u64> {
    let head = HEAD.replace("warmup", &format!("drain = '{drain}'\nwarmup"));
    let text = format!("{head}{}{more}", groups.concat());
    let plan = crate::format::read("t", &text, None, &[]);
    let plan = plan.unwrap_or_else(|wrong| panic!("{wrong}"));
    let job = crate::job::Job::new(plan.cases[0].scenario.clone(), 1);
    // Readers that get nothing do not drain: that they stall is not the question here.
    let result = play::run(&job, &mut |_| {}).result;
    let metrics = result.metrics.into_iter();
    let missed = metrics.filter(|(key, _)| key.metric() == FEED_MISSED_FOREVER.name);
    let missed = missed.filter_map(|(key, metric)| match metric {
        Metric::Value { value, .. } => Some((key.label("cause")?.to_owned(), value as u64)),
        Metric::Distribution { .. } => None,
    });
    missed.collect()
}

#[track_caller]
fn check(drain: &str, groups: &[String], more: &str, cause: &str) {
    let expected = [(cause.to_owned(), 1)].into();
    assert_eq!(missed(drain, groups, more), expected, "{groups:?} {more}");
}

#[test]
fn who_takes_no_part_in_feeds_is_the_cause() {
    let groups = [
        group("a", "friends_with = 'b'"),
        group("b", "node = { 'feed.enabled' = false }"),
    ];
    check("30s", &groups, "", "reader-without-feeds");
}

#[test]
fn who_cannot_be_reached_is_not_connected() {
    let groups = [
        group("a", "friends_with = 'b'\nnat = 'sym'"),
        group("b", "nat = 'sym'"),
    ];
    check("30s", &groups, "", "not-connected");
}

#[test]
fn a_reader_without_power_at_the_end_is_down() {
    let groups = [group("a", "friends_with = 'b'"), group("b", "")];
    let late = "[[group]]\nname = 'c'\ncount = 1\nboot = '59s'\nprogram = 'none'\n";
    let cut = "[[fault]]\nkind = 'power-cut'\nhosts = 'b'\nat = '20s'\nfor = '60s'\n";
    check("0s", &groups, &format!("{late}{cut}"), "reader-down");
}

#[test]
fn an_author_without_power_at_the_end_is_down() {
    // What it has written never left it: the reader could not come to it before.
    let groups = [
        group("a", "friends_with = 'b'\nnat = 'sym'"),
        group("b", "nat = 'sym'"),
    ];
    let cut = "[[fault]]\nkind = 'power-cut'\nhosts = 'a'\nat = '40s'\nfor = '60s'\n";
    check("0s", &groups, cut, "author-down");
}
