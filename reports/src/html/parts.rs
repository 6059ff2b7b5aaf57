//! What sections of the page are made of: parts under a heading, tables, anchors.

/// A part of the page under a heading of its own.
pub(super) struct Part {
    /// Its anchor.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// Markup; a part without any is left out.
    pub(super) body: String,
    /// Whether only its heading shows at first.
    pub(super) folded: bool,
}

impl Part {
    pub(super) fn open(id: &'static str, title: &'static str, body: String) -> Self {
        Self {
            id,
            title,
            body,
            folded: false,
        }
    }

    pub(super) fn folded(id: &'static str, title: &'static str, body: String) -> Self {
        Self {
            folded: true,
            ..Self::open(id, title, body)
        }
    }

    pub(super) fn markup(&self) -> String {
        let Self {
            id, title, body, ..
        } = self;
        if self.folded {
            // A link to an anchor within opens the part.
            format!(
                "<details class=\"part\"><summary><h2>{title}</h2></summary>\n<div \
                 id=\"{id}\">{body}</div></details>\n"
            )
        } else {
            format!("<section id=\"{id}\"><h2>{title}</h2>\n{body}</section>\n")
        }
    }
}

/// A table in a box that scrolls on its own: head cells, then rows of cells that are markup.
pub fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let mut out = String::from("<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>");
    for cell in head {
        put!(out, "<th scope=\"col\">{cell}</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (place, cell) in row.iter().enumerate() {
            if place == 0 {
                put!(out, "<th scope=\"row\">{cell}</th>");
            } else {
                put!(out, "<td>{cell}</td>");
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

pub(super) fn concat(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<String>>().concat()
}

/// The anchor of a seed's line, made of letters that need no escaping.
pub(super) fn seed_anchor(variant: usize, seed: &str) -> String {
    let seed: String = seed
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(40)
        .collect();
    format!("seed-{variant}-{seed}")
}
