//! What of a text may reach a terminal.
//!
//! Names, posts, file names, errors and fields of the log may be others' words. Control characters
//! steer a terminal, marks of direction show a text in another order than it has, and characters of
//! no width hide differences. Whatever is printed for people goes through here, and JSON, too, which a
//! terminal may show: it means the same afterwards.

use std::fmt::Write;

/// Whether a character shows nothing itself, or changes how others show.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'                                   // soft hyphen
            | '\u{61c}' | '\u{200e}' | '\u{200f}'  // marks of direction
            | '\u{202a}'..='\u{202e}'              // embeddings and overrides
            | '\u{2066}'..='\u{2069}'              // isolates
            | '\u{180e}'
            | '\u{200b}'..='\u{200d}'              // of no width
            | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'              // annotations
            | '\u{e0000}'..='\u{e0fff}'            // tags, selectors
    )
}

fn cleaned(text: &str, keeps: impl Fn(char) -> bool) -> String {
    text.chars()
        .filter(|c| !is_hidden(*c))
        .map(|c| {
            let breaks = c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
            if breaks && !keeps(c) { ' ' } else { c }
        })
        .collect()
}

/// `text` as one line of what can be seen.
pub fn printable(text: &str) -> String {
    cleaned(text, |_| false)
}

/// As [`printable`], with its line breaks.
pub fn printable_lines(text: &str) -> String {
    cleaned(text, |c| c == '\n')
}

/// As [`printable_lines`], with the escape sequences of a logger that lets none of others through.
pub fn printable_colours(text: &str) -> String {
    cleaned(text, |c| matches!(c, '\n' | '\u{1b}'))
}

/// JSON that says the same in characters of which none steers a terminal.
pub fn printable_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // JSON has these in its strings alone, but for the line breaks between values.
        let steers = c != '\n' && (c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
        if steers || is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_steers_no_terminal_and_says_the_same() {
        let text = "a\u{1b}[2Jb\n\u{7f}\u{9b}31m\u{202e}c\u{2028}\u{feff}\u{e0041} Grüße 🎉 \"\\";
        let value = serde_json::json!({ text: [text, 1, null] });
        for json in [
            serde_json::to_string(&value).expect("plain data"),
            serde_json::to_string_pretty(&value).expect("plain data"),
        ] {
            let printed = printable_json(&json);
            assert_eq!(printable_lines(&printed), printed, "nothing to take out");
            let read: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
            assert_eq!(read, value);
            assert!(printed.contains("Grüße 🎉"), "{printed}");
        }
    }

    #[test]
    fn nothing_of_others_steers_the_terminal() {
        for (text, expected) in [
            ("Grüße, мир, 世界 🎉", "Grüße, мир, 世界 🎉"),
            ("a\u{1b}[2Jb\nc\td\r", "a [2Jb c d "),
            ("a\u{7f}b\u{9b}31mc\u{85}d", "a b 31mc d"),
            ("user\u{202e}gpj.exe\u{202c}", "usergpj.exe"),
            (
                "\u{2066}a\u{2067}b\u{2068}c\u{2069}d\u{200f}\u{200e}\u{61c}",
                "abcd",
            ),
            ("pay\u{200b}p\u{200d}a\u{feff}l\u{2060}", "paypal"),
            ("tag\u{e0041}s", "tags"),
            ("one\u{2028}two\u{2029}three", "one two three"),
        ] {
            assert_eq!(printable(text), expected, "{text:?}");
        }
        assert_eq!(printable_lines("a\n\u{1b}b\u{202e}"), "a\n b");
        assert_eq!(
            printable_colours("\u{1b}[31mc\u{9b}\u{202e}"),
            "\u{1b}[31mc "
        );
    }
}
