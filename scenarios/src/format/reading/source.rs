//! Texts that a scenario is made of, and places in them.
//!
//! Owns the file's text and each command-line argument's. It reads no files.

use std::fmt::Write as _;

/// A stretch of bytes of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Which source, counted from 0.
    pub source: usize,
    /// First byte.
    pub start: usize,
    /// First byte after it.
    pub end: usize,
}

/// Where a text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file, or a catalog entry, with its name.
    File(String),
    /// The value of `--set`.
    Argument,
}

/// A text with its origin.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it comes from.
    pub origin: Origin,
    /// The text.
    pub text: String,
}

impl Source {
    /// Line and column of a byte, both from 1; columns count characters.
    pub fn line_and_column(&self, byte: usize) -> (usize, usize) {
        let byte = self.boundary(byte);
        let before = &self.text[..byte];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// `file.toml:3:7`, or the argument with its column.
    pub fn place(&self, byte: usize) -> String {
        let (line, column) = self.line_and_column(byte);
        match &self.origin {
            Origin::File(name) => format!("{name}:{line}:{column}"),
            Origin::Argument => format!("--set '{}', column {column}", shorten(&self.text, 80)),
        }
    }

    /// The line around a span with a caret under it, indented for people.
    pub fn snippet(&self, start: usize, end: usize) -> String {
        let start = self.boundary(start);
        let end = self.boundary(end.max(start));
        let (line, column) = self.line_and_column(start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |at| start + at);
        // A very long line would bury the message, so a window of it is shown.
        let characters: Vec<char> = self.text[line_start..line_end]
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let first = (column - 1).saturating_sub(WINDOW / 2);
        let first = if characters.len() <= WINDOW { 0 } else { first };
        let shown: String = characters.iter().skip(first).take(WINDOW).collect();
        let width = self.text[start..end.min(line_end).max(start)]
            .chars()
            .count()
            .clamp(1, WINDOW - (column - 1 - first).min(WINDOW - 1));
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let mut out = String::new();
        let _ = writeln!(out, " {margin} |");
        let _ = writeln!(out, " {number} | {}", shown.trim_end());
        let _ = write!(
            out,
            " {margin} | {}{}",
            " ".repeat(column - 1 - first),
            "^".repeat(width)
        );
        out
    }

    /// The nearest character boundary at or before `byte`.
    fn boundary(&self, byte: usize) -> usize {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        byte
    }
}

/// Characters of a line that are shown at most.
const WINDOW: usize = 100;

/// At most `limit` characters of `text`, with an ellipsis if some are left out.
pub fn shorten(text: &str, limit: usize) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    if text.chars().count() <= limit {
        text.chars().map(clean).collect()
    } else {
        text.chars().take(limit).map(clean).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_its_word_and_counts_characters() {
        let source = Source {
            origin: Origin::File("a.toml".into()),
            text: "x = 1\nname = \"é\" # é\nfoo = 2\n".into(),
        };
        let foo = source.text.find("foo").expect("it is there");
        assert_eq!(source.place(foo), "a.toml:3:1");
        assert_eq!(source.snippet(foo, foo + 3), "   |\n 3 | foo = 2\n   | ^^^");
        let hash = source.text.find('#').expect("it is there");
        assert_eq!(source.place(hash), "a.toml:2:12");
    }

    #[test]
    fn a_very_long_line_is_shown_as_a_window() {
        let source = Source {
            origin: Origin::Argument,
            text: format!("{}bad{}", "a".repeat(5_000), "b".repeat(5_000)),
        };
        let snippet = source.snippet(5_000, 5_003);
        assert!(snippet.len() < 400 && snippet.contains("bad"));
        assert!(source.snippet(5_000, 10_003).len() < 400);
    }
}
