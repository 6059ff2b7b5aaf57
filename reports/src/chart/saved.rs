//! A figure as files of its own: the drawing as an SVG that needs no page, and its data as CSV.
//!
//! Both are links with their content within, so that a page saves them without a script.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Figure, canvas::Shape};
use crate::format::html;

/// What a drawing that has no page takes its colours from: `var(…)` are those of the page.
const STYLE: &str = "text{font-family:system-ui,sans-serif}\
.fill-text{fill:var(--text)}.fill-muted{fill:var(--muted)}.fill-page{fill:var(--page)}\
.fill-phase{fill:var(--phase-tint)}.fill-mark{fill:var(--mark-tint)}\
.stroke-text{stroke:var(--text)}.stroke-muted{stroke:var(--muted)}.stroke-grid{stroke:var(--grid)}\
.stroke-axis{stroke:var(--axis)}.stroke-mark{stroke:var(--mark)}\
.stroke-s0{stroke:var(--s0)}.fill-s0,.fill-b0{fill:var(--s0)}\
.stroke-s1{stroke:var(--s1);stroke-dasharray:30 16}.fill-s1,.fill-b1{fill:var(--s1)}\
.stroke-s2{stroke:var(--s2);stroke-dasharray:8 12}.fill-s2,.fill-b2{fill:var(--s2)}\
.stroke-s3{stroke:var(--s3);stroke-dasharray:40 12 8 12}.fill-s3,.fill-b3{fill:var(--s3)}\
.stroke-s4{stroke:var(--s4);stroke-dasharray:60 20}.fill-s4,.fill-b4{fill:var(--s4)}\
.stroke-s5{stroke:var(--s5);stroke-dasharray:8 24}.fill-s5,.fill-b5{fill:var(--s5)}\
.fill-b0,.fill-b1,.fill-b2,.fill-b3,.fill-b4,.fill-b5{fill-opacity:.16}\
circle.stroke-s4,line.stroke-s5{stroke-dasharray:none}";

/// The style sheet of the page, which has the colours.
const PAGE: &str = include_str!("../html/style.css");

/// On what a drawing is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// White, as paper and slides.
    Light,
    /// Dark, as a page in dark mode.
    Dark,
}

/// The style of a drawing on its own, and the colour beneath it.
fn style(ground: Ground) -> (String, &'static str) {
    // The page has the colours for light first, and then those that differ in the dark.
    let mut blocks = PAGE.split(":root {").skip(1);
    let mut block = || colours(blocks.next().unwrap_or_default());
    let (mut colours, dark) = (block(), block());
    if ground == Ground::Dark {
        colours.extend(dark);
    }
    let mut style = STYLE.to_owned();
    for (name, colour) in &colours {
        style = style.replace(&format!("var({name})"), colour);
    }
    (style, colours.get("--page").copied().unwrap_or("none"))
}

/// The colours by name that a block of the style sheet begins with.
fn colours(block: &'static str) -> BTreeMap<&'static str, &'static str> {
    let (block, _) = block.split_once('}').unwrap_or_default();
    let pairs = block.split(';').filter_map(|pair| pair.split_once(':'));
    let pairs = pairs.map(|(name, colour)| (name.trim(), colour.trim()));
    pairs.filter(|(name, _)| name.starts_with("--")).collect()
}

/// Height of a line of words, in CSS pixels.
const LINE_PX: f64 = 22.0;

/// The figure as an SVG file: title, legend and drawing.
pub fn svg(figure: &Figure, ground: Ground) -> String {
    let (style, beneath) = style(ground);
    let width = Shape::WIDE.width;
    let entries = figure.legend.len();
    let top = LINE_PX * (1.4 + entries as f64);
    let height = top + figure.wide.height_px;
    let entry = |(nth, (style, name)): (usize, &(usize, String))| {
        let y = LINE_PX * (1.9 + nth as f64);
        // Drawn in quarters of a pixel, as the dashes of the styles are.
        format!(
            "<g transform=\"translate(8 {y}) scale(.25)\"><line x2=\"148\" stroke-width=\"10\" \
             class=\"stroke-s{style}\"/></g><text x=\"52\" y=\"{}\" font-size=\"13\" \
             class=\"fill-text\">{}</text>",
            y + 4.5,
            html(name),
        )
    };
    let legend: Vec<String> = figure.legend.iter().enumerate().map(entry).collect();
    let place = format!(
        "<svg y=\"{top}\" width=\"{width}\" height=\"{}\" ",
        figure.wide.height_px
    );
    let inner = figure.wide.svg.replacen("<svg ", &place, 1);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\"><title>{title}</title><style>{style}</style>\
         <rect width=\"100%\" height=\"100%\" fill=\"{beneath}\"/>\
         <text x=\"8\" y=\"20\" font-size=\"15\" font-weight=\"600\" class=\"fill-text\">{title}</text>\
         {}{inner}</svg>\n",
        legend.concat(),
        title = html(&figure.title),
    )
}

/// Links that save the figure and its data, as markup.
pub(crate) fn links(figure: &Figure) -> String {
    let name = file_name(&figure.title);
    let link = |ending: &str, kind: &str, content: &str, word: &str| {
        format!(
            "<a download=\"{name}.{ending}\" href=\"data:{kind};base64,{}\">{word}</a>",
            STANDARD.encode(content)
        )
    };
    let mut all = vec![link(
        "svg",
        "image/svg+xml",
        &svg(figure, Ground::Light),
        "SVG",
    )];
    if !figure.data.rows.is_empty()
        && let Ok(csv) = figure.data.csv()
    {
        all.push(link("csv", "text/csv", &csv, "CSV"));
    }
    format!("<p class=\"save\">Save: {}</p>\n", all.join(" · "))
}

/// A figure's file name without its ending, of its title: small letters, digits and hyphens.
pub fn file_name(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("-").chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::super::data::Data;
    use super::*;

    #[test]
    fn a_saved_figure_needs_no_page_and_its_data_is_a_table() {
        let legend = vec![(0, "one & all".to_owned())];
        let mut figure = Figure::new("A <title>".into(), String::new(), legend, |shape| {
            super::super::canvas::draw(shape, "a", |_| {})
        });
        figure.data = Data::of(["loss", "mean"]);
        figure.data.row(["0,1 %".into(), "3".into()]);
        let dark = svg(&figure, Ground::Dark);
        assert!(dark.contains("fill=\"#101418\"") && dark.contains(".fill-text{fill:#e8ebee}"));
        let svg = svg(&figure, Ground::Light);
        assert!(svg.contains("fill=\"#ffffff\"") && svg.contains(".fill-text{fill:#16191d}"));
        assert!(!svg.contains("var(") && !dark.contains("var("));
        assert!(svg.starts_with("<svg xmlns=") && svg.contains("A &lt;title&gt;"));
        assert!(svg.contains("one &amp; all") && svg.contains("<style>"));
        assert_eq!(
            figure.data.csv().expect("plain text"),
            "loss,mean\n\"0,1 %\",3\n"
        );
        let links = links(&figure);
        assert!(links.contains("download=\"a-title.svg\"") && links.contains("a-title.csv"));
    }
}
