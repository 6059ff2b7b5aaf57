//! What is wrong with a scenario: collected, ordered, and shown with its place.
//!
//! Owns wording helpers ("did you mean"); it decides nothing about validity.

use std::fmt;

use super::source::{Origin, Source, Span, shorten};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where; the whole file's begin if it has no better place.
    pub span: Span,
    /// What, and what was expected, in one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Problems that are shown at most; more only bury the first.
const SHOWN_MAX: usize = 30;

/// All problems of one scenario. The error type of reading a scenario.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    sources: Vec<Source>,
    list: Vec<Problem>,
    /// What is no problem, and perhaps not meant.
    warnings: Vec<Problem>,
}

impl Problems {
    /// No problems yet, in the text of `file`.
    pub fn new(name: &str, text: &str) -> Self {
        Self {
            sources: vec![Source {
                origin: Origin::File(name.to_owned()),
                text: text.to_owned(),
            }],
            list: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds the text of a `--set` argument and returns its number.
    pub fn add_argument(&mut self, text: &str) -> usize {
        self.sources.push(Source {
            origin: Origin::Argument,
            text: text.to_owned(),
        });
        self.sources.len() - 1
    }

    /// Notes a problem.
    pub fn push(&mut self, span: Span, message: impl Into<String>) {
        self.list.push(Problem {
            span,
            message: message.into(),
            help: None,
        });
    }

    /// Notes a problem and what to do about it.
    pub fn push_with_help(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        self.list.push(Problem {
            span,
            message: message.into(),
            help,
        });
    }

    /// Notes what is sound, and perhaps not meant, and what to do about it.
    pub fn warn(&mut self, span: Span, message: impl Into<String>, help: &str) {
        self.warnings.push(Problem {
            span,
            message: message.into(),
            help: Some(help.to_owned()),
        });
    }

    /// What was found that is perhaps not meant, each once with its place, in the order of places.
    pub fn warnings(&self) -> Vec<String> {
        let mut list: Vec<&Problem> = self.warnings.iter().collect();
        list.sort();
        list.dedup();
        let told = list.into_iter().map(|warning| {
            let place = self.sources[warning.span.source].place(warning.span.start);
            let help = warning.help.as_deref().unwrap_or_default();
            format!("{place}: {}; {help}", warning.message)
        });
        told.collect()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Number of problems noted so far.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The problems in the order of their places, each once. A problem of the
    /// file's common part shows up once for every variant and is told once.
    pub fn sorted(&self) -> Vec<&Problem> {
        let mut list: Vec<&Problem> = self.list.iter().collect();
        list.sort();
        list.dedup();
        list
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = self.sorted();
        for (index, problem) in list.iter().take(SHOWN_MAX).enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let source = &self.sources[problem.span.source];
            write!(
                f,
                "{}: {}",
                source.place(problem.span.start),
                problem.message
            )?;
            if let Some(help) = &problem.help {
                write!(f, "; {help}")?;
            }
            writeln!(f)?;
            if !source.text.is_empty() {
                writeln!(
                    f,
                    "{}",
                    source.snippet(problem.span.start, problem.span.end)
                )?;
            }
        }
        if list.len() > SHOWN_MAX {
            writeln!(f, "\nand {} more problems", list.len() - SHOWN_MAX)?;
        }
        Ok(())
    }
}

/// The name among `valid` that is closest to `given`, if any is close.
pub fn nearest<'a>(given: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Distances over long nonsense would be slow and never close.
    if given.chars().count() > 100 {
        return None;
    }
    let fold = |name: &str| name.to_lowercase().replace('_', "-");
    let folded = fold(given);
    valid
        .into_iter()
        .filter_map(|name| {
            let other = fold(name);
            let distance = strsim::damerau_levenshtein(&folded, &other);
            let longest = other.chars().count().max(folded.chars().count());
            let within = folded.len() >= 3 && other.contains(&folded);
            let near = distance <= (longest / 3).max(1);
            (near || within).then_some((!near, distance, name))
        })
        .min()
        .map(|(_, _, name)| name)
}

/// Help for an unknown name: the nearest one, or the list of all.
pub fn suggestion<'a>(given: &str, valid: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(name) = nearest(given, valid.clone()) {
        return format!("did you mean \"{name}\"?");
    }
    let names: Vec<&str> = valid.into_iter().collect();
    if names.is_empty() {
        return "there are none".to_owned();
    }
    let mut list = names
        .iter()
        .take(24)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > 24 {
        list.push_str(", …");
    }
    format!("known: {list}")
}

/// `text` in quotes, shortened so that nonsense does not flood the terminal.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", shorten(text, 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let valid = ["duration", "warmup", "drain", "feed.missed_forever"];
        let check = |given, expected| assert_eq!(nearest(given, valid), expected, "{given}");
        check("durration", Some("duration"));
        check("warm-up", Some("warmup"));
        check("missed_forever", Some("feed.missed_forever"));
        check("xyzzy", None);
        check(&"d".repeat(1_000_000), None);
    }

    #[test]
    fn more_than_thirty_problems_are_counted_not_shown() {
        let mut problems = Problems::new("a.toml", "x\n");
        for number in 0..40 {
            let span = Span {
                source: 0,
                start: 0,
                end: 1,
            };
            problems.push(span, format!("problem {number:02}"));
        }
        let text = problems.to_string();
        assert!(text.contains("and 10 more problems") && !text.contains("problem 30"));
    }
}
