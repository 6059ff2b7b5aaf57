//! Matrices as tables whose cells have heat.

use super::{Part, concat};
use crate::{
    chart::lines,
    format::{figure, figure_beside, html, html_key, html_prose, plural},
    key::Key,
    matrix::{Asked, Cell, Matrix, PAGE_MAX, Panel, STEPS, charts, matrices},
    origin::Profile,
    record::{Interval, Record},
};

/// Columns from which a matrix takes the whole width, and its cells are set closer.
const WIDE_FROM: usize = 6;

/// The results of a grid, in place of the headline table: what the page leads with, which is the first
/// figure that differs between cells, and all else.
pub(super) fn section(record: &Record) -> (String, String) {
    let (mut all, left_out) = matrices(record);
    if all.is_empty() {
        return (String::new(), "<p>No seed left a figure.</p>\n".to_owned());
    }
    let intro = intro(record, &all);
    let named = all.iter().any(|matrix| matrix.named);
    // Charts that are asked for stand in the place of what they draw.
    let asked = charts(record);
    all.retain(|matrix| asked.iter().all(|chart| chart.figure != matrix.figure));
    all.splice(0..0, asked);
    let first = all.iter().position(|matrix| matrix.alike().is_none());
    let lead = first.map(|first| leading(record, &all.remove(first)));
    let lead = lead.unwrap_or_default();
    (lead, intro + &figures(&all, left_out, named))
}

/// A figure that varies along pairs of labels, in a record without a grid, with what it is of; nothing
/// if all pairs are alike.
pub(super) fn pair(record: &Record, figure: &Key) -> Option<(String, Key)> {
    let (all, _) = matrices(record);
    let is_it = |matrix: &Matrix| matrix.figure == *figure || matrix.is_of(figure);
    let mut drawn = all.iter().filter(|matrix| is_it(matrix));
    let matrix = drawn.find(|matrix| matrix.alike().is_none())?;
    Some((leading(record, matrix), matrix.figure.clone()))
}

/// The matrix that a page leads with, and what the NATs are that its rows and columns name.
fn leading(record: &Record, matrix: &Matrix) -> String {
    markup(matrix) + &nats(record, matrix)
}

/// A list of the NATs among a matrix's rows and columns; nothing if they are something else.
fn nats(record: &Record, matrix: &Matrix) -> String {
    let profiles = record.origin.iter().flat_map(|origin| &origin.profiles);
    let nats: Vec<&Profile> = profiles.filter(|profile| profile.kind == "nat").collect();
    let values = matrix.rows.values.iter().chain(&matrix.columns.values);
    let mut named: Vec<&Profile> = Vec::new();
    for value in values {
        let nat = nats.iter().find(|nat| nat.name == *value);
        let is_new = |nat: &&&Profile| named.iter().all(|known| known.name != nat.name);
        named.extend(nat.filter(is_new));
    }
    let items = concat(named.iter().map(|nat| {
        let (name, summary) = (html(&nat.name), html(&nat.summary));
        format!("<div><dt class=\"code\">{name}</dt><dd>{summary}</dd></div>\n")
    }));
    if named.iter().all(|nat| nat.summary.is_empty()) {
        return String::new();
    }
    format!("<dl class=\"nats\" aria-label=\"What the NATs are\">\n{items}</dl>\n")
}

/// What the figures of a grid are.
fn intro(record: &Record, all: &[Matrix]) -> String {
    let labels: Vec<String> = record
        .grid
        .iter()
        .map(|dimension| {
            let values = plural(dimension.values.len(), "value");
            format!("{values} of {}", html(&dimension.label))
        })
        .collect();
    let cells: usize = record.grid.iter().map(|d| d.values.len()).product();
    format!(
        "<p class=\"note\">A grid of {cells} cells ({}). {}</p>\n",
        labels.join(" × "),
        means(all),
    )
}

/// Figures by pairs of labels, of a record without a grid. Folded unless an expectation names any.
/// The one that the page leads with is `drawn` already.
pub(super) fn pairs(record: &Record, drawn: Option<&Key>) -> Part {
    let (mut all, left_out) = matrices(record);
    all.retain(|matrix| drawn != Some(&matrix.figure));
    let expected = all.iter().any(|matrix| matrix.named);
    Part {
        folded: !expected,
        ..Part::open("pairs", "By pair", pairs_body(record, &all, left_out))
    }
}

fn pairs_body(record: &Record, all: &[Matrix], left_out: usize) -> String {
    if all.is_empty() || !record.grid.is_empty() {
        return String::new();
    }
    format!(
        "<p class=\"note\">{}</p>\n{}",
        means(all),
        figures(all, left_out, all.iter().any(|matrix| matrix.named)),
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
    let missing = if all.iter().any(Matrix::has_missing) {
        "; a cell with an n of its own is over the seeds with an event"
    } else {
        ""
    };
    let seeds = plural(seeds as usize, "seed");
    format!("Mean over n = {seeds}{interval}{missing}.")
}

/// All figures; those that no expectation names are folded where it names others (`named`).
fn figures(all: &[Matrix], left_out: usize, named: bool) -> String {
    let (first, others): (Vec<&Matrix>, Vec<&Matrix>) = all.iter().partition(|matrix| matrix.named);
    let mut out = arranged(&first);
    if !named {
        out.push_str(&arranged(&others));
    } else if !others.is_empty() {
        put!(
            out,
            "<details><summary>{} that differ between cells</summary>\n{}</details>\n",
            plural(others.len(), "further figure"),
            arranged(&others)
        );
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

/// Lists side by side after what needs the whole width.
fn arranged(all: &[&Matrix]) -> String {
    let (lists, others): (Vec<&Matrix>, Vec<&Matrix>) =
        all.iter().partition(|matrix| matrix.is_list());
    let mut out = concat(others.into_iter().map(markup));
    if !lists.is_empty() {
        let lists = concat(lists.into_iter().map(markup));
        put!(out, "<div class=\"lists\">\n{lists}</div>\n");
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
            html_prose(&matrix.alike_in_words())
        );
        return out;
    }
    let missed = matrix.everywhere.iter().any(|asked| !asked.held) || matrix.is_missed();
    if let Some(drawn) = lines::figures(matrix) {
        let drawn = concat(drawn.iter().map(super::figures::drawing));
        let open = if missed { " open" } else { "" };
        put!(
            out,
            "{drawn}<details{open}><summary>As a table</summary>\n{}{}</details>\n",
            panels(matrix),
            legend(matrix)
        );
    } else {
        out.push_str(&panels(matrix));
        out.push_str(&legend(matrix));
    }
    if matrix.left_out > 0 {
        put!(
            out,
            "<p class=\"note\">{} further in metrics.csv.</p>\n",
            plural(matrix.left_out, "panel")
        );
    }
    out.push_str("</figure>\n");
    out
}

fn panels(matrix: &Matrix) -> String {
    let wide = matrix.columns.values.len() >= WIDE_FROM;
    let class = if wide { "panels is-wide" } else { "panels" };
    let panels = matrix.panels.iter();
    let panels = concat(panels.map(|panel| panel_markup(matrix, panel)));
    format!("<div class=\"{class}\">\n{panels}</div>\n")
}

fn title(matrix: &Matrix) -> String {
    let key = html_key(matrix.figure.as_str());
    match matrix.suffix() {
        unit if unit.is_empty() || matrix.alike().is_some() || matrix.is_yes_no() => {
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
            html_key(matrix.figure.as_str())
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
            html(name)
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
    if matrix.is_yes_no() {
        return yes_no_markup(matrix, cell);
    }
    let (class, figure) = match &cell.interval {
        None => (String::new(), "<span class=\"muted\">–</span>".to_owned()),
        Some(interval) => {
            let (mean, ends) = matrix.numbers(interval);
            let mut ends = if ends.is_empty() {
                ends
            } else {
                format!("<small>{}</small>", html_prose(&ends))
            };
            ends.push_str(&fewer(matrix, interval));
            let heat = if matrix.varies() {
                format!("heat-{}", matrix.scale.step(interval.mean))
            } else {
                String::new()
            };
            (
                heat,
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

/// Of how many seeds a figure is, where others had no event.
fn fewer(matrix: &Matrix, interval: &Interval) -> String {
    let fewer = matrix.fewer_seeds(interval);
    fewer.map_or_else(String::new, |n| format!("<small>{n}</small>"))
}

/// A cell of yes or no: its sign, framed where the scenario expects it so.
fn yes_no_markup(matrix: &Matrix, cell: &Cell) -> String {
    let (class, sign) = match &cell.interval {
        None => ("muted", "–"),
        Some(interval) if interval.mean > 0.5 => ("is-yes", "✓"),
        Some(_) => ("is-no", "✗"),
    };
    let frame = match &cell.asked[..] {
        [] => "",
        asked if asked.iter().all(|asked| asked.held) => " is-asked",
        _ => " is-missed",
    };
    let fewer = cell.interval.as_ref().map(|i| fewer(matrix, i));
    let fewer = fewer.unwrap_or_default();
    format!("<td class=\"sign {class}{frame}\">{sign}{fewer}</td>")
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
        Some(worst) => html_prose(&figure(worst, &matrix.unit)),
        None => "no sample".to_owned(),
    }
}

/// What the signs stand for, and the frames if there are any.
fn yes_no_legend(matrix: &Matrix) -> String {
    let mut words = "<span>✓ in every seed, ✗ in none</span>".to_owned();
    if matrix.is_marked() {
        words.push_str("<span>framed: as the scenario expects it</span>");
    }
    if matrix.is_missed() {
        words.push_str("<span>double frame: otherwise than the scenario expects</span>");
    }
    format!("<figcaption class=\"heat-key\">{words}</figcaption>\n")
}

/// What the heat stands for, and the marks if there are any.
fn legend(matrix: &Matrix) -> String {
    let end = |value: f64| html_prose(&figure_beside(value, matrix.scale.greatest, &matrix.unit));
    if matrix.is_yes_no() {
        return yes_no_legend(matrix);
    }
    let mut words = String::new();
    if matrix.varies() {
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
