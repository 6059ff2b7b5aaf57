//! `bench.html`: what a scenario costs and where that goes, as one file that needs
//! nothing else.

use std::fmt::Write as _;

use orrery_reports::chart::bars::{Row, shares};
use orrery_reports::format::{figure, figure_beside, html, plural, shell_word};
use orrery_reports::html::{document, figure as figure_markup, table};

use super::{Case, Measurement};
use crate::profile::{Part, Profile};

/// The page.
pub fn page(measured: &Measurement) -> String {
    let mut body = String::new();
    opening(measured, &mut body);
    body.push_str("<h2>What it costs</h2>\n");
    let runs = plural(measured.runs as usize, "run");
    put(
        &mut body,
        format_args!(
            "<p class=\"note\">Median of {runs}, least and greatest below it. CPU time and memory are the \
         whole process’s; latencies are simulated time.</p>\n"
        ),
    );
    body.push_str(&costs(&measured.cases));
    let profiled: Vec<(&str, &Profile)> = measured
        .cases
        .iter()
        .filter_map(|case| Some((case.name.as_str(), case.profile.as_ref()?)))
        .collect();
    if !profiled.is_empty() {
        profiles(&profiled, &mut body);
    }
    document(&format!("{} · bench", measured.scenario), &body)
}

fn put(out: &mut String, words: std::fmt::Arguments<'_>) {
    out.write_fmt(words).expect("a string takes every write");
}

fn opening(measured: &Measurement, out: &mut String) {
    let machine = &measured.machine;
    let command: Vec<String> = measured
        .arguments
        .iter()
        .map(|word| shell_word(word))
        .collect();
    put(
        out,
        format_args!(
            "<p class=\"kind\">bench</p>\n<h1>{}</h1>\n<dl class=\"facts\">\n",
            html(&measured.scenario)
        ),
    );
    for (name, fact) in [
        ("processor", machine.processor.as_str()),
        ("cores", &machine.cores.to_string()),
        (
            "build",
            &format!("{}, {}", machine.build, machine.allocator),
        ),
        ("commit", &machine.commit),
    ] {
        put(
            out,
            format_args!("<div><dt>{name}</dt><dd>{}</dd></div>\n", html(fact)),
        );
    }
    put(
        out,
        format_args!(
            "</dl>\n<h3>Repeat it</h3>\n<pre>cargo run --profile dist -p orrery-bench -- {}</pre>\n",
            html(&command.join(" "))
        ),
    );
    for case in &measured.cases {
        put(
            out,
            format_args!(
                "<p class=\"note\">{}: trace hash <code>{}</code>, equal in every run</p>\n",
                html(&case.name),
                html(&case.trace_hash)
            ),
        );
    }
}

/// A row for each figure, a column for each case.
fn costs(cases: &[Case]) -> String {
    let mut head = vec![String::new()];
    head.extend(cases.iter().map(|case| html(&case.name)));
    let mut names: Vec<&str> = Vec::new();
    for spread in cases.iter().flat_map(|case| &case.figures) {
        if !names.contains(&spread.name) {
            names.push(spread.name);
        }
    }
    let cell = |case: &Case, name: &str| {
        let spread = case.figures.iter().find(|spread| spread.name == name);
        spread.map_or_else(
            || "–".to_owned(),
            |spread| {
                let show = |value| figure_beside(value, spread.max, &spread.unit);
                format!(
                    "<span class=\"figure-value\">{}</span><small>{} to {}</small>",
                    figure(spread.median, &spread.unit),
                    show(spread.min),
                    show(spread.max)
                )
            },
        )
    };
    let row = |name: &&str| {
        let mut row = vec![html(name)];
        row.extend(cases.iter().map(|case| cell(case, name)));
        row
    };
    table(&head, &names.iter().map(row).collect::<Vec<_>>())
}

fn profiles(profiled: &[(&str, &Profile)], out: &mut String) {
    let samples = profiled
        .iter()
        .map(|(name, profile)| format!("{} of {name}", profile.samples))
        .collect::<Vec<_>>()
        .join(", ");
    let caption = format!(
        "Shares of sampled CPU time of the simulating thread ({samples} samples) with 95 % intervals \
         of sampling. A sample belongs to the innermost function of a known part; what that \
         function calls elsewhere, such as copying or hash functions, is counted with it."
    );
    let of_all = |part: Part| {
        let shares = profiled.iter().map(|(_, profile)| profile.share_of(part));
        shares.map(|share| (share.share, share.error)).collect()
    };
    let rows: Vec<Row> = Part::ALL
        .iter()
        .map(|&part| Row {
            name: part.name().to_owned(),
            shares: of_all(part),
        })
        .filter(|row| row.shares.iter().any(|(share, _)| *share > 0.0))
        .collect();
    let series: Vec<&str> = profiled.iter().map(|(name, _)| *name).collect();
    out.push_str("<h2>Where the time goes</h2>\n");
    out.push_str(&figure_markup(&shares(
        "CPU time by part",
        &caption,
        &series,
        &rows,
    )));
    memory(profiled, out);
    for (name, profile) in profiled {
        functions(name, profile, out);
    }
}

fn memory(profiled: &[(&str, &Profile)], out: &mut String) {
    for (name, profile) in profiled {
        put(
            out,
            format_args!(
                "<p>{}: {} of all CPU time is spent in the allocator, and {} in copying, filling and \
             comparing memory; both are counted in the parts above.</p>\n",
                html(name),
                figure(profile.allocator.share, "ratio"),
                figure(profile.copying.share, "ratio")
            ),
        );
    }
}

fn functions(case: &str, profile: &Profile, out: &mut String) {
    put(out, format_args!("<h3>Functions, {}</h3>\n", html(case)));
    for part in &profile.parts {
        let rows: Vec<Vec<String>> = part
            .functions
            .iter()
            .map(|function| {
                let share = function.samples as f64 / profile.samples as f64;
                vec![
                    format!("<span class=\"code\">{}</span>", html(&function.name())),
                    figure(share, "ratio"),
                ]
            })
            .collect();
        put(
            out,
            format_args!(
                "<details><summary>{}: {}</summary>\n{}</details>\n",
                html(part.part.name()),
                figure(part.share.share, "ratio"),
                table(&["function".to_owned(), "of all".to_owned()], &rows)
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Machine, Spread};
    use super::*;
    use crate::profile::{Frame, Stack};

    fn case(name: &str, function: &str) -> Case {
        let stack = Stack {
            frames: vec![Frame {
                function: function.to_owned(),
                file: String::new(),
            }],
            samples: 4,
        };
        Case {
            name: name.to_owned(),
            trace_hash: "00ff".to_owned(),
            figures: vec![Spread {
                name: "CPU",
                unit: "s".to_owned(),
                min: 1.0,
                median: 2.0,
                max: 4.0,
            }],
            profile: Some(Profile::of_stacks(&[stack])),
        }
    }

    #[test]
    fn the_page_shows_figures_parts_and_the_way_to_repeat_it_without_scripts() {
        let page = page(&Measurement {
            scenario: "a/b".to_owned(),
            arguments: vec!["work".to_owned(), "a/b".to_owned(), "it's".to_owned()],
            runs: 3,
            machine: Machine::here(),
            cases: vec![case("wire", "yamux::a"), case("flow", "libp2p_kad::<b>")],
        });
        for expected in [
            "Median of 3 runs",
            &figure(2.0, "s"),
            &format!("{} to {}", figure(1.0, "s"), figure(4.0, "s")),
            "muxing",
            "Kademlia",
            "libp2p_kad::&lt;b&gt;",
            "-- work a/b",
            "00ff",
        ] {
            assert!(page.contains(expected), "{expected} is missing");
        }
        assert!(!page.contains("<script") && !page.contains("http"));
    }
}
