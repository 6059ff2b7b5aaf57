//! Matrices as tables whose cells have heat.

use super::concat;
use crate::{
    format::{figure, figure_beside, html, html_key, plural},
    matrix::{Asked, Cell, Matrix, PAGE_MAX, Panel, STEPS, matrices},
    record::Record,
};

/// Columns from which a matrix takes the whole width, and its cells are set closer.
const WIDE_FROM: usize = 6;

/// The results of a grid, in place of the headline table.
pub(super) fn section(record: &Record) -> String {
    let (all, left_out) = matrices(record);
    if all.is_empty() {
        return "<h2 id=\"results\">Results</h2>\n<p>No seed left a figure.</p>\n".to_owned();
    }
    let labels: Vec<String> = record
        .grid
        .iter()
        .map(|dimension| format!("{} {}", dimension.values.len(), html(&dimension.label)))
        .collect();
    let cells: usize = record.grid.iter().map(|d| d.values.len()).product();
    format!(
        "<h2 id=\"results\">Results</h2>\n<p class=\"note\">A grid of {cells} cells ({}). {}</p>\n{}",
        labels.join(" × "),
        means(&all),
        figures(&all, left_out),
    )
}

/// Figures by pairs of labels, of a record without a grid.
pub(super) fn pairs(record: &Record) -> String {
    let (all, left_out) = matrices(record);
    if all.is_empty() || !record.grid.is_empty() {
        return String::new();
    }
    format!(
        "<h2 id=\"pairs\">By pair</h2>\n<p class=\"note\">{}</p>\n{}",
        means(&all),
        figures(&all, left_out),
    )
}

fn means(all: &[Matrix]) -> String {
    let cells = all
        .iter()
        .flat_map(|matrix| &matrix.panels)
        .flat_map(|panel| panel.cells.concat());
    let seeds = cells.filter_map(|cell| cell.interval).map(|i| i.n).max();
    let seeds = seeds.unwrap_or(0);
    let interval = if seeds > 1 {
        "; beneath it the 95 % bootstrap interval, where seeds differ"
    } else {
        ""
    };
    format!("Mean over n = {seeds} seeds{interval}.")
}

fn figures(all: &[Matrix], left_out: usize) -> String {
    let (lists, others): (Vec<&Matrix>, Vec<&Matrix>) =
        all.iter().partition(|matrix| matrix.is_list());
    let mut out = concat(others.into_iter().map(markup));
    if !lists.is_empty() {
        let lists = concat(lists.into_iter().map(markup));
        put!(out, "<div class=\"lists\">\n{lists}</div>\n");
    }
    if left_out > 0 {
        put!(
            out,
            "<p class=\"note\">Further figures that differ between cells, of which {PAGE_MAX} are \
             drawn: {left_out}; they are in metrics.csv.</p>\n"
        );
    }
    out
}

fn markup(matrix: &Matrix) -> String {
    let mut out = format!("<figure class=\"matrix\">\n<h3>{}</h3>\n", title(matrix));
    for asked in &matrix.everywhere {
        let (class, word) = sign(asked);
        put!(
            out,
            "<p class=\"note\"><b class=\"{class}\">{word}</b> in every cell: <span \
             class=\"code\">{}</span> (worst {})</p>\n",
            html(&asked.bound),
            worst(matrix, asked),
        );
    }
    if matrix.alike().is_some() {
        put!(
            out,
            "<p>{}</p>\n</figure>\n",
            html(&matrix.alike_in_words())
        );
        return out;
    }
    let wide = matrix.columns.values.len() >= WIDE_FROM;
    let class = if wide { "panels is-wide" } else { "panels" };
    put!(out, "<div class=\"{class}\">\n");
    for panel in &matrix.panels {
        out.push_str(&panel_markup(matrix, panel));
    }
    out.push_str("</div>\n");
    if matrix.left_out > 0 {
        put!(
            out,
            "<p class=\"note\">{} further in metrics.csv.</p>\n",
            plural(matrix.left_out, "panel")
        );
    }
    out.push_str(&legend(matrix));
    out.push_str("</figure>\n");
    out
}

fn title(matrix: &Matrix) -> String {
    let key = html_key(&matrix.figure);
    match matrix.suffix() {
        unit if unit.is_empty() || matrix.alike().is_some() => {
            format!("<span class=\"code\">{key}</span>")
        }
        unit => format!(
            "<span class=\"code\">{key}</span> <span class=\"muted\">in {}</span>",
            html(&unit)
        ),
    }
}

fn panel_markup(matrix: &Matrix, panel: &Panel) -> String {
    let mut out = String::from("<div class=\"scroll\" tabindex=\"0\"><table class=\"heat\">\n");
    if !panel.title.is_empty() {
        put!(out, "<caption>{}</caption>\n", html(&panel.title));
    }
    if matrix.is_list() {
        put!(
            out,
            "<thead><tr><th scope=\"col\">{}</th><th scope=\"col\">{}</th></tr></thead>\n",
            html(&matrix.rows.label),
            html_key(&matrix.figure)
        );
    } else {
        let names = matrix.columns.values.iter();
        let names = concat(names.map(|name| format!("<th scope=\"col\">{}</th>", name_of(name))));
        put!(
            out,
            "<thead><tr><th></th><th scope=\"colgroup\" colspan=\"{}\">{}</th></tr>\n\
             <tr><th>{}</th>{names}</tr></thead>\n",
            matrix.columns.values.len(),
            html(&matrix.columns.label),
            html(&matrix.rows.label),
        );
    }
    out.push_str("<tbody>\n");
    for (name, cells) in matrix.rows.values.iter().zip(&panel.cells) {
        let cells = concat(cells.iter().map(|cell| cell_markup(matrix, cell)));
        put!(
            out,
            "<tr><th scope=\"row\">{}</th>{cells}</tr>\n",
            name_of(name)
        );
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// A value with places where a narrow column may break it.
fn name_of(value: &str) -> String {
    html(value).replace('-', "-<wbr>")
}

fn cell_markup(matrix: &Matrix, cell: &Cell) -> String {
    let (class, figure) = match &cell.interval {
        None => (String::new(), "<span class=\"muted\">–</span>".to_owned()),
        Some(interval) => {
            let (mean, ends) = matrix.numbers(interval);
            let ends = if ends.is_empty() {
                ends
            } else {
                format!("<small>{}</small>", html(&ends))
            };
            (
                format!("heat-{}", matrix.scale.step(interval.mean)),
                format!("<span class=\"figure-value\">{}</span>{ends}", html(&mean)),
            )
        }
    };
    let marks = concat(cell.asked.iter().map(|asked| {
        let (class, word) = sign(asked);
        let missed = if asked.held {
            String::new()
        } else {
            format!(" <span>worst {}</span>", worst(matrix, asked))
        };
        format!(
            "<small class=\"asked {class}\"><b>{}</b> {}{missed}</small>",
            word.split(' ').next().unwrap_or_default(),
            html(short(&asked.bound)),
        )
    }));
    let missed = if cell.asked.iter().all(|asked| asked.held) {
        ""
    } else {
        " is-missed"
    };
    format!("<td class=\"{class}{missed}\">{figure}{marks}</td>")
}

/// A bound as a cell has room for it: what is expected exactly needs no sign.
fn short(bound: &str) -> &str {
    bound.strip_prefix("==").map_or(bound, str::trim)
}

fn sign(asked: &Asked) -> (&'static str, &'static str) {
    if asked.held {
        ("is-good", "✓ expected")
    } else {
        ("is-bad", "✗ expected")
    }
}

fn worst(matrix: &Matrix, asked: &Asked) -> String {
    match asked.worst {
        Some(worst) => html(&figure(worst, &matrix.unit)),
        None => "no sample".to_owned(),
    }
}

/// What the heat stands for, and the marks if there are any.
fn legend(matrix: &Matrix) -> String {
    let end = |value: f64| html(&figure_beside(value, matrix.scale.greatest, &matrix.unit));
    let mut words = String::new();
    if matrix.scale.greatest > matrix.scale.least {
        let steps = concat((0..STEPS).map(|step| format!("<i class=\"heat-{step}\"></i>")));
        put!(
            words,
            "<span>{}</span><span class=\"ramp\" aria-hidden=\"true\">{steps}</span>\
             <span>{}{}</span>",
            end(matrix.scale.least),
            end(matrix.scale.greatest),
            if matrix.scale.log {
                ", heat by the logarithm"
            } else {
                ""
            },
        );
    }
    if matrix.is_marked() {
        words.push_str(
            "<span>✓ ✗: what the scenario expects of the cell, and whether it held in every \
             seed</span>",
        );
    }
    format!("<figcaption class=\"heat-key\">{words}</figcaption>\n")
}
