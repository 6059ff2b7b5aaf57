//! A rough reading of Rust source: which characters are code, which are comment,
//! and which lines belong to tests.
//!
//! Enough for [`crate::tidy`] to find words without being fooled by strings and
//! comments; it understands tokens, not grammar.

/// A Rust file, line by line.
pub struct Source {
    /// Each line's code; comments and the insides of literals are blanks.
    pub code: Vec<String>,
    /// Each line's comment text, without code.
    pub comments: Vec<String>,
    /// Whether a string literal runs over the line's end.
    pub ends_in_string: Vec<bool>,
    /// Whether the line stands in an item marked `#[cfg(test)]` or `#[test]`.
    pub in_test: Vec<bool>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Line,
    Block(u32),
    Text,
    Raw(usize),
}

impl Source {
    /// Reads `text`.
    pub fn parse(text: &str) -> Self {
        let mut source = Self {
            code: vec![],
            comments: vec![],
            ends_in_string: vec![],
            in_test: vec![],
        };
        let mut kind = Kind::Code;
        for line in text.lines() {
            if kind == Kind::Line {
                kind = Kind::Code;
            }
            let (code, comment);
            (code, comment, kind) = split_line(line, kind);
            source.code.push(code);
            source.comments.push(comment);
            source
                .ends_in_string
                .push(matches!(kind, Kind::Text | Kind::Raw(_)));
        }
        source.in_test = mark_tests(&source.code);
        source
    }
}

/// Splits one line that begins as `kind` into code and comment.
fn split_line(line: &str, mut kind: Kind) -> (String, String, Kind) {
    let chars: Vec<char> = line.chars().collect();
    let (mut code, mut comment) = (String::new(), String::new());
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let mut taken = 1;
        match kind {
            Kind::Code => {
                (kind, taken) = token(rest, at.checked_sub(1).map(|before| chars[before]));
                if matches!(kind, Kind::Code) && taken == 1 {
                    code.push(rest[0]);
                } else {
                    code.extend(std::iter::repeat_n(' ', taken));
                }
            }
            Kind::Line => comment.push(rest[0]),
            Kind::Block(depth) => {
                comment.push(rest[0]);
                if rest.starts_with(&['*', '/']) {
                    kind = if depth == 1 {
                        Kind::Code
                    } else {
                        Kind::Block(depth - 1)
                    };
                    taken = 2;
                } else if rest.starts_with(&['/', '*']) {
                    kind = Kind::Block(depth + 1);
                    taken = 2;
                }
            }
            Kind::Text => match rest[0] {
                '\\' => taken = 2,
                '"' => kind = Kind::Code,
                _ => {}
            },
            Kind::Raw(hashes) => {
                let closes = rest[0] == '"'
                    && rest.len() > hashes
                    && rest[1..=hashes].iter().all(|c| *c == '#');
                if closes {
                    kind = Kind::Code;
                    taken = 1 + hashes;
                }
            }
        }
        at += taken;
    }
    (code, comment, kind)
}

/// What begins at `rest`, and how many characters its opening takes. Character
/// literals are taken whole; a lifetime is code.
fn token(rest: &[char], before: Option<char>) -> (Kind, usize) {
    match rest {
        ['/', '/', ..] => (Kind::Line, 2),
        ['/', '*', ..] => (Kind::Block(1), 2),
        ['"', ..] => (Kind::Text, 1),
        ['r' | 'b' | 'c', ..] if !before.is_some_and(|c| c.is_alphanumeric() || c == '_') => {
            raw_string(rest)
        }
        ['\'', '\\', _, tail @ ..] => {
            let end = tail
                .iter()
                .position(|c| *c == '\'')
                .unwrap_or(tail.len().saturating_sub(1));
            (Kind::Code, 3 + end + 1)
        }
        ['\'', _, '\'', ..] => (Kind::Code, 3),
        _ => (Kind::Code, 1),
    }
}

fn raw_string(rest: &[char]) -> (Kind, usize) {
    let prefix = rest
        .iter()
        .take_while(|c| matches!(c, 'r' | 'b' | 'c'))
        .count();
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    let is_raw = prefix <= 2 && rest[..prefix].contains(&'r');
    if is_raw && rest.get(prefix + hashes) == Some(&'"') {
        (Kind::Raw(hashes), prefix + hashes + 1)
    } else {
        (Kind::Code, 1)
    }
}

/// Marks the lines of items that follow `#[cfg(test)]` or `#[test]`, up to the
/// brace that closes them or the semicolon that ends them.
fn mark_tests(code: &[String]) -> Vec<bool> {
    let mut marks = vec![false; code.len()];
    let mut line = 0;
    while line < code.len() {
        let trimmed = code[line].trim_start();
        let is_test = ["#[cfg(test)]", "#[test]", "#[tokio::test", "#[cfg(any(test"]
            .iter()
            .any(|attribute| trimmed.starts_with(attribute));
        if !is_test {
            line += 1;
            continue;
        }
        let mut depth = 0_i64;
        let mut ended = false;
        while line < code.len() && !ended {
            marks[line] = true;
            let mut square = 0_i64;
            for c in code[line].chars() {
                match c {
                    '[' | '(' => square += 1,
                    ']' | ')' => square -= 1,
                    '{' => depth += 1,
                    '}' => {
                        depth -= 1;
                        ended |= depth == 0;
                    }
                    ';' if depth == 0 && square == 0 => ended = true,
                    _ => {}
                }
            }
            line += 1;
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_comments_and_literals_come_apart() {
        let table = [
            ("let a = 1; // why", "let a = 1;", " why"),
            (
                "f(\"// no\"); /* b */ g()",
                "f(       );           g()",
                " b *",
            ),
            ("r#\"x \" y\"# + 'a' + '\\'' // c", " + ", " c"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}", ""),
            ("let bar = br\"q\"; // z", "let bar = ", " z"),
            ("'\\u{1F600}' x", " x", ""),
        ];
        for (line, code, comment) in table {
            let source = Source::parse(line);
            let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let code_found = squeezed(&source.code[0]);
            assert!(
                code_found.starts_with(&squeezed(code)),
                "{line}: {code_found:?}"
            );
            assert_eq!(source.comments[0], comment, "{line}");
        }
    }

    #[test]
    fn strings_and_block_comments_run_over_lines() {
        let source = Source::parse("let a = \"one\ntwo\"; /* three\nfour */ five");
        assert_eq!(source.ends_in_string, [true, false, false]);
        assert_eq!(source.code[1].trim(), ";");
        assert_eq!(source.code[2].trim(), "five");
    }

    #[test]
    fn test_items_are_marked_to_their_closing_brace() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() { }\n}\nfn c() {}\n\
                    #[cfg(test)]\nuse d;\nfn e() {}\n#[test]\nfn f() {\n}\nfn g() {}";
        let marked: Vec<usize> = Source::parse(text)
            .in_test
            .iter()
            .enumerate()
            .filter_map(|(line, marked)| marked.then_some(line))
            .collect();
        assert_eq!(marked, [1, 2, 3, 4, 6, 7, 9, 10, 11]);
    }
}
