//! A drawing surface: plotters' SVG backend, with inks that the page's style sheet resolves.
//!
//! Plotters writes colours into each element. Here each ink is a colour that stands for a class,
//! and is replaced by it afterwards, so that one drawing serves light, dark and print.

use plotters::{
    coord::Shift,
    prelude::{
        Circle, DrawingArea, IntoDrawingArea, IntoFont, PathElement, Polygon, RGBColor, Rectangle,
        SVGBackend, ShapeStyle, Text,
    },
    style::{
        Color,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::format::{html, printable};

/// Plotters places everything on whole units; a quarter of a pixel is fine enough for a curve.
const UNITS_PER_PX: f64 = 4.0;

/// Variants that have a line style of their own; further ones repeat them.
pub const STYLES: usize = 6;

/// Size of a drawing, and of the type in it, in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shape {
    pub width: f64,
    pub height: f64,
    /// Most labelled ticks along the bottom.
    pub ticks_max: usize,
}

impl Shape {
    pub(crate) const WIDE: Self = Self {
        width: 860.0,
        height: 320.0,
        ticks_max: 11,
    };
    pub(crate) const NARROW: Self = Self {
        width: 350.0,
        height: 260.0,
        ticks_max: 5,
    };
}

/// What a line, an area or a word is drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Words.
    Text,
    /// Words of less weight.
    Muted,
    /// Lines to read values by.
    Grid,
    /// The two axes.
    Axis,
    /// A fault's stretch of time.
    Mark,
    /// A stretch of time that is not measured.
    Phase,
    /// The page itself, to set things apart.
    Page,
    /// A variant's line style.
    Series(usize),
    /// An area about a variant's line.
    Band(usize),
}

impl Ink {
    const ALL: [Self; 7] = [
        Self::Text,
        Self::Muted,
        Self::Grid,
        Self::Axis,
        Self::Mark,
        Self::Phase,
        Self::Page,
    ];

    fn code(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::Muted => 1,
            Self::Grid => 2,
            Self::Axis => 3,
            Self::Mark => 4,
            Self::Phase => 5,
            Self::Page => 6,
            Self::Series(place) => 16 + (place % STYLES) as u8,
            Self::Band(place) => 32 + (place % STYLES) as u8,
        }
    }

    fn class(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Muted => "muted".into(),
            Self::Grid => "grid".into(),
            Self::Axis => "axis".into(),
            Self::Mark => "mark".into(),
            Self::Phase => "phase".into(),
            Self::Page => "page".into(),
            Self::Series(place) => format!("s{}", place % STYLES),
            Self::Band(place) => format!("b{}", place % STYLES),
        }
    }

    fn colour(self) -> RGBColor {
        RGBColor(0x0A, 0x5E, self.code())
    }
}

/// Where text stands in relation to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// The point is its left end.
    Start,
    /// The point is its middle.
    Middle,
    /// The point is its right end.
    End,
}

/// A surface measured in CSS pixels from the upper left corner.
pub(crate) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// An `<svg>` element.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// Its markup.
    pub svg: String,
    /// Its height in CSS pixels at its own size.
    pub height_px: f64,
}

/// Draws into an `<svg>` element; `label` says what it shows to who cannot see it.
pub(crate) fn draw(shape: Shape, label: &str, paint: impl FnOnce(&Canvas<'_>)) -> Drawing {
    let mut svg = String::new();
    {
        let size = (units(shape.width) as u32, units(shape.height) as u32);
        let canvas = Canvas {
            area: SVGBackend::with_string(&mut svg, size).into_drawing_area(),
        };
        paint(&canvas);
        canvas.area.present().expect(IN_MEMORY);
    }
    Drawing {
        svg: resolve(&svg, shape, label),
        height_px: shape.height,
    }
}

const IN_MEMORY: &str = "drawing into a string meets no device that could fail";

impl Canvas<'_> {
    /// A polyline through `points`.
    pub(crate) fn line(&self, points: &[(f64, f64)], ink: Ink, width: f64) {
        if points.len() > 1 {
            let points: Vec<_> = points.iter().map(|p| at(*p)).collect();
            self.area
                .draw(&PathElement::new(points, stroke(ink, width)))
                .expect(IN_MEMORY);
        }
    }

    /// A filled area within `points`.
    pub(crate) fn area(&self, points: &[(f64, f64)], ink: Ink) {
        if points.len() > 2 {
            let points: Vec<_> = points.iter().map(|p| at(*p)).collect();
            self.area
                .draw(&Polygon::new(points, ink.colour().filled()))
                .expect(IN_MEMORY);
        }
    }

    /// A filled rectangle between two corners.
    pub(crate) fn rect(&self, from: (f64, f64), to: (f64, f64), ink: Ink) {
        let filled = ink.colour().filled();
        self.area
            .draw(&Rectangle::new([at(from), at(to)], filled))
            .expect(IN_MEMORY);
    }

    /// A variant's marker: disc, square, triangle, diamond, ring, cross.
    pub(crate) fn marker(&self, (x, y): (f64, f64), style: usize) {
        let ink = Ink::Series(style);
        let r = 3.4;
        let polygon = |points: &[(f64, f64)]| {
            let points: Vec<_> = points.iter().map(|(dx, dy)| at((x + dx, y + dy))).collect();
            self.area
                .draw(&Polygon::new(points, ink.colour().filled()))
                .expect(IN_MEMORY);
        };
        match style % STYLES {
            0 => self.circle((x, y), r, ink.colour().filled()),
            1 => self.rect((x - 3.0, y - 3.0), (x + 3.0, y + 3.0), ink),
            2 => polygon(&[(0.0, -4.0), (3.8, 3.0), (-3.8, 3.0)]),
            3 => polygon(&[(0.0, -4.4), (4.4, 0.0), (0.0, 4.4), (-4.4, 0.0)]),
            4 => self.circle((x, y), r, stroke(ink, 1.6)),
            _ => {
                self.line(&[(x - r, y - r), (x + r, y + r)], ink, 1.6);
                self.line(&[(x - r, y + r), (x + r, y - r)], ink, 1.6);
            }
        }
    }

    /// Words, vertically centred on the point.
    pub(crate) fn text(&self, point: (f64, f64), anchor: Anchor, ink: Ink, px: f64, words: &str) {
        let h_pos = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        // The backend divides sizes by 1.24, which is its idea of a line's height.
        let style = ("sans-serif", px * UNITS_PER_PX * 1.24)
            .into_font()
            .color(&ink.colour())
            .pos(Pos::new(h_pos, VPos::Center));
        self.area
            .draw(&Text::new(printable(words), at(point), style))
            .expect(IN_MEMORY);
    }

    fn circle(&self, centre: (f64, f64), radius: f64, style: ShapeStyle) {
        self.area
            .draw(&Circle::new(at(centre), units(radius), style))
            .expect(IN_MEMORY);
    }
}

fn units(px: f64) -> i32 {
    (px * UNITS_PER_PX).round() as i32
}

fn at((x, y): (f64, f64)) -> (i32, i32) {
    (units(x), units(y))
}

fn stroke(ink: Ink, width: f64) -> ShapeStyle {
    ink.colour().stroke_width(units(width).max(1) as u32)
}

/// Replaces stand-in colours by classes and the fixed size by one that follows the page.
///
/// Text cannot be mistaken for an attribute: the backend escapes its quotation marks.
fn resolve(svg: &str, shape: Shape, label: &str) -> String {
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    let mut out = format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{body}",
        units(shape.width),
        units(shape.height),
        html(label),
    );
    let series = (0..STYLES).flat_map(|place| [Ink::Series(place), Ink::Band(place)]);
    for ink in Ink::ALL.into_iter().chain(series) {
        let RGBColor(r, g, b) = ink.colour();
        for attribute in ["stroke", "fill"] {
            let stand_in = format!("{attribute}=\"#{r:02X}{g:02X}{b:02X}\"");
            let class = format!("class=\"{attribute}-{}\"", ink.class());
            out = out.replace(&stand_in, &class);
        }
    }
    for needless in [
        " opacity=\"1\"",
        " stroke=\"none\"",
        " font-family=\"sans-serif\"",
    ] {
        out = out.replace(needless, "");
    }
    out.replace(">\n", ">").replace("\n<", "<")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_takes_its_colours_from_the_page_and_escapes_words() {
        let svg = draw(Shape::NARROW, "a \"label\"", |canvas| {
            canvas.line(&[(0.0, 0.0), (10.0, 10.0)], Ink::Series(1), 1.5);
            canvas.text((5.0, 5.0), Anchor::Start, Ink::Text, 12.0, "<b>\u{1b}[1m");
            for style in 0..crate::chart::STYLES {
                canvas.marker((20.0, 20.0), style);
            }
        })
        .svg;
        assert!(svg.starts_with("<svg viewBox=\"0 0 1400 1040\" role=\"img\""));
        assert!(svg.contains("aria-label=\"a &quot;label&quot;\""));
        assert!(svg.contains("class=\"stroke-s1\""));
        assert!(svg.contains("class=\"fill-text\"") && svg.contains("&lt;b&gt;"));
        assert!(!svg.contains('#') && !svg.contains('\u{1b}') && !svg.contains("<b>"));
    }
}
