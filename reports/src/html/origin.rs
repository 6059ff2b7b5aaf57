//! What was run: hosts, profiles, what variants change, the scenario's text, and the program.

use super::{concat, table};
use crate::{
    format::html,
    origin::{Origin, Program},
    record::Record,
};

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
        .map(|(name, changes)| (format!("variant {name}"), changes.to_string()));
    let items = concat(settings.chain(variants).map(|(what, change)| {
        format!("<li>{}: <code>{}</code></li>\n", html(&what), html(&change))
    }));
    if items.is_empty() {
        return items;
    }
    format!("<p class=\"note\">Changes to the text:</p>\n<ul>\n{items}</ul>\n")
}

fn profiles(origin: &Origin) -> String {
    if origin.profiles.is_empty() {
        return String::new();
    }
    let head = ["profile", "name", "figures and source"].map(str::to_owned);
    let rows: Vec<Vec<String>> = origin
        .profiles
        .iter()
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
