//! What was run: hosts, profiles, what variants change, the scenario's text, and the program.

use serde_json::Value;

use super::{concat, table};
use crate::{
    format::html,
    origin::{Origin, Profile, Program},
    record::Record,
};

/// The access profile of gateways' own links, which scenarios need not name.
const GATEWAYS_LINK: &str = "ideal";

/// What a record keeps of its origin; nothing in records from before it was kept.
pub(super) fn origin(record: &Record) -> String {
    let Some(origin) = &record.origin else {
        return String::new();
    };
    let text = format!(
        "<details><summary>The scenario’s text (BLAKE3 {})</summary>\n<pre>{}</pre></details>\n",
        html(origin.text_hash.get(..16).unwrap_or_default()),
        html(&origin.text)
    );
    let figures = format!(
        "<details><summary>Hosts, profiles and changes to the text</summary>\n{}{}{}</details>\n",
        changes(origin),
        hosts(origin),
        profiles(origin)
    );
    figures + &text + &program(origin)
}

fn hosts(origin: &Origin) -> String {
    let head = ["variant", "group", "hosts", "runs", "access", "NAT"].map(str::to_owned);
    let groups = origin.topology.iter().flat_map(|(variant, groups)| {
        let of_variant = groups.iter();
        of_variant.map(move |group| (variant, group))
    });
    let rows: Vec<Vec<String>> = groups
        .map(|(variant, group)| {
            vec![
                html(variant),
                html(&group.group),
                group.count.to_string(),
                html(&group.program),
                html(&group.access),
                html(group.nat.as_deref().unwrap_or("–")),
            ]
        })
        .collect();
    table(&head, &rows)
}

/// What variants and settings change in the text.
fn changes(origin: &Origin) -> String {
    let settings = origin.settings.iter();
    let settings = settings.map(|setting| ("--set".to_owned(), setting.clone()));
    let variants = origin.variants.iter();
    let variants = variants
        .filter(|(_, changes)| changes.as_object().is_some_and(|fields| !fields.is_empty()))
        .flat_map(|(name, changes)| {
            let lines = lines(changes).into_iter();
            lines.map(move |line| (format!("variant {name}"), line))
        });
    let items = concat(settings.chain(variants).map(|(what, change)| {
        format!("<li>{}: <code>{}</code></li>\n", html(&what), html(&change))
    }));
    if items.is_empty() {
        return items;
    }
    format!("<p class=\"note\">Changes to the text:</p>\n<ul>\n{items}</ul>\n")
}

/// What a variant changes, a line each: the paths that it sets, and its other fields as its file has them.
fn lines(changes: &Value) -> Vec<String> {
    let fields = changes.as_object().into_iter().flatten();
    let lines = fields.flat_map(|(name, value)| match value {
        Value::Object(paths) if name == "set" => paths.iter().map(line).collect(),
        value => vec![line((name, value))],
    });
    lines.collect()
}

fn line((name, value): (&String, &Value)) -> String {
    format!("{name} = {}", as_toml(value))
}

/// A value as scenarios write it, on one line.
fn as_toml(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(as_toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(line).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// Whether a profile is shown: not the link that gateways have where no group names it.
fn is_named(origin: &Origin, profile: &Profile) -> bool {
    let mut groups = origin.topology.values().flatten();
    profile.kind != "access"
        || profile.name != GATEWAYS_LINK
        || groups.any(|group| group.access == profile.name)
}

fn profiles(origin: &Origin) -> String {
    if origin.profiles.is_empty() {
        return String::new();
    }
    let head = ["profile", "name", "figures and source"].map(str::to_owned);
    let rows: Vec<Vec<String>> = origin
        .profiles
        .iter()
        .filter(|profile| is_named(origin, profile))
        .map(|profile| {
            vec![
                html(&profile.kind),
                html(&profile.name),
                format!(
                    "<span class=\"words\">{}<small>{}</small></span>",
                    html(&profile.figures),
                    html(&profile.source)
                ),
            ]
        })
        .collect();
    table(&head, &rows)
}

fn program(origin: &Origin) -> String {
    let Program {
        version,
        profile,
        compiler,
        target,
        hash,
    } = &origin.program;
    format!(
        "<p class=\"note\">Begun {}, by version {}, built as {} by {} for {}, BLAKE3 of the program {}.\
         </p>\n",
        html(&origin.begun),
        html(version),
        html(profile),
        html(compiler),
        html(target),
        html(hash.get(..16).unwrap_or_default())
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_written_as_in_a_scenario() {
        let changes = json!({
            "set": { "group.home.node.sync.strategy": "after_ts", "group.home.count": 3 },
            "without": ["relays"],
            "workload": [{ "kind": "ping", "every": "1s" }],
        });
        let expected = [
            "group.home.count = 3",
            "group.home.node.sync.strategy = \"after_ts\"",
            "without = [\"relays\"]",
            "workload = [{ every = \"1s\", kind = \"ping\" }]",
        ];
        let mut lines = lines(&changes);
        lines.sort_unstable();
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_link_of_gateways_is_shown_where_a_group_has_it() {
        let profile = |name: &str| Profile {
            kind: "access".to_owned(),
            name: name.to_owned(),
            summary: String::new(),
            source: String::new(),
            figures: String::new(),
            text: String::new(),
            tables: [].into(),
        };
        let mut origin = Origin {
            profiles: vec![profile("ideal"), profile("dsl")],
            ..Origin::default()
        };
        let shown = |origin: &Origin| {
            let table = profiles(origin);
            ["ideal", "dsl"].map(|name| table.contains(name))
        };
        assert_eq!(shown(&origin), [false, true]);
        let group = crate::origin::Hosts {
            group: "g".to_owned(),
            count: 1,
            program: "node".to_owned(),
            access: "ideal".to_owned(),
            nat: None,
        };
        origin.topology.insert("v".to_owned(), vec![group]);
        assert_eq!(shown(&origin), [true, true]);
    }
}
