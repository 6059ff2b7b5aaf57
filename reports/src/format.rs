//! Figures and text for people: significant digits, units, escaping.
//!
//! A figure never shows more digits than its interval supports. Names and details of a record are
//! not trusted: whatever is printed passes [`printable`] first.

/// A unit as shown: the factor from the stored unit, the suffix, and the decimals to print.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Shown {
    factor: f64,
    suffix: &'static str,
}

/// One figure with its unit, to three significant digits: `1.52 s`, `98.7 %`, `2,160`.
pub fn figure(value: f64, unit: &str) -> String {
    figure_beside(value, value, unit)
}

/// A figure in the unit that suits `greatest`, so that a column or an axis keeps one unit.
pub fn figure_beside(value: f64, greatest: f64, unit: &str) -> String {
    let shown = shown(greatest.abs(), unit);
    let scaled = value * shown.factor;
    format!(
        "{}{}",
        number(scaled, decimals_for(scaled)),
        spaced(shown.suffix, unit)
    )
}

/// The unit of differences of shares: hundredths of the whole.
pub const POINTS: &str = "points";

/// The unit of differences of figures: those of shares are in points.
pub fn unit_of_difference(unit: &str) -> &str {
    if unit == "ratio" { POINTS } else { unit }
}

/// A figure and its interval in one unit: `1.52 s [1.48, 1.57]`.
pub fn with_interval(mean: f64, ci95: [f64; 2], unit: &str) -> String {
    let (figure, interval) = interval_parts(mean, ci95, unit, false);
    format!("{figure} {interval}")
}

/// The two halves of [`with_interval`]; `signed` puts a sign before positive figures.
pub fn interval_parts(mean: f64, ci95: [f64; 2], unit: &str, signed: bool) -> (String, String) {
    let greatest = mean.abs().max(ci95[0].abs()).max(ci95[1].abs());
    let shown = shown(greatest, unit);
    let [low, high] = ci95.map(|end| end * shown.factor);
    let scaled = mean * shown.factor;
    let half = (high - low) / 2.0;
    // Two digits of the half width say as much as ten seeds can know.
    let decimals = if half > 0.0 {
        (1 - half.log10().floor() as i32).clamp(0, 3) as usize
    } else {
        decimals_for(scaled)
    };
    let sign = |v: f64| if signed && v > 0.0 { "+" } else { "" };
    let print = |v: f64| format!("{}{}", sign(v), number(v, decimals));
    (
        format!("{}{}", print(scaled), spaced(shown.suffix, unit)),
        format!("[{}, {}]", print(low), print(high)),
    )
}

/// A difference by what it differs from, in hundredths with its sign: `−92.7 %`, `+240 %`. Three digits at
/// most, and no more than its interval supports.
pub fn relative(mean: f64, ci95: [f64; 2]) -> String {
    let [percent, low, high] = [mean, ci95[0], ci95[1]].map(|share| share * 100.0);
    let brief = if percent.abs() >= 100.0 {
        0
    } else if percent.abs() >= 1.0 {
        1
    } else {
        2
    };
    let half = (high - low) / 2.0;
    let decimals = if half > 0.0 {
        brief.min((1 - half.log10().floor() as i32).clamp(0, 2) as usize)
    } else {
        brief
    };
    let sign = if percent > 0.0 { "+" } else { "" };
    format!("{sign}{} %", number(percent, decimals))
}

/// A mean and its interval as numbers in the unit that suits `greatest`, which [`suffix_beside`]
/// names; the interval is empty where its ends are equal.
pub fn numbers_beside(mean: f64, ci95: [f64; 2], greatest: f64, unit: &str) -> (String, String) {
    let factor = shown(greatest.abs(), unit).factor;
    let scaled = mean * factor;
    let [low, high] = ci95.map(|end| end * factor);
    let half = (high - low) / 2.0;
    if half > 0.0 {
        let decimals = (1 - half.log10().floor() as i32).clamp(0, 6) as usize;
        // A whole number among smaller ones keeps a digit for its ends.
        let decimals_max = decimals_for(scaled).max(usize::from(scaled.abs() < 100.0));
        let decimals = decimals.min(decimals_max);
        let ends = format!("[{}, {}]", number(low, decimals), number(high, decimals));
        (number(scaled, decimals), ends)
    } else {
        (number(scaled, decimals_for(scaled)), String::new())
    }
}

/// The unit of figures beside `greatest`, as people write it; empty for counts.
pub fn suffix_beside(greatest: f64, unit: &str) -> String {
    let suffix = spaced(shown(greatest.abs(), unit).suffix, unit);
    suffix.trim_start().to_owned()
}

/// A whole number with commas between thousands.
pub fn count(value: u64) -> String {
    number(value as f64, 0)
}

/// A stretch or point of simulated time: `4:05`, `1:02:03`.
pub fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (h, m, s) = (whole / 3600, whole / 60 % 60, whole % 60);
    if h > 0 {
        format!("{h}:{m:02}:{s:02}")
    } else {
        format!("{m}:{s:02}")
    }
}

/// A duration in words: `20 min`, `90 s`, `1 h 30 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, 1, s) if s > 0 => format!("{whole} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, 0, _) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// `1 seed`, `10 seeds`.
pub fn plural(n: usize, noun: &str) -> String {
    let ending = if n == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(n as u64))
}

/// Text without control characters: neither a terminal's escape sequences nor a broken line.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || is_bidirectional_override(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// Text for HTML, in element content and in quoted attributes.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// Sentences and figures for HTML: [`html`], with each figure on one line with its unit, and each interval
/// on one line.
pub fn html_prose(text: &str) -> String {
    html(&unbroken(text))
}

/// Units that stand behind a figure, as [`figure`] writes them.
const UNITS: [&str; 18] = [
    "%", "ns", "µs", "ms", "s", "min", "h", "B", "kB", "MB", "GB", "B/s", "kB/s", "MB/s", "bit/s",
    "kbit/s", "Mbit/s", "Gbit/s",
];

/// The text with spaces that no line ends at between a figure and its unit, and within an interval.
fn unbroken(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // How many bytes of an interval are still to come.
    let mut within = 0_usize;
    for (at, c) in text.char_indices() {
        within = within.saturating_sub(c.len_utf8());
        let rest = &text[at + c.len_utf8()..];
        if c == '[' {
            let inner = rest.split_once(']').map_or("", |(inner, _)| inner);
            let is_interval = inner
                .chars()
                .all(|c| c.is_ascii_digit() || " .,+-−".contains(c));
            within = if is_interval { inner.len() } else { 0 };
        }
        let is_before_unit = || {
            let is_apart = |c: char| c.is_whitespace() || ",;.:)".contains(c);
            let word = rest.split(is_apart).next().unwrap_or_default();
            out.ends_with(|c: char| c.is_ascii_digit()) && UNITS.contains(&word)
        };
        let is_bound = c == ' ' && (within > 0 || is_before_unit());
        out.push(if is_bound { '\u{a0}' } else { c });
    }
    out
}

/// Text for a Markdown table or paragraph, with everything that Markdown would read as its own
/// escaped.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '\\' | '!' | '@' => {
                out.push('\\');
                out.push(c);
            }
            other => out.push(other),
        }
    }
    out
}

/// A metric's key for HTML, with places where a narrow column may break it.
pub fn html_key(key: &str) -> String {
    html(key)
        .replace('.', ".<wbr>")
        .replace('_', "_<wbr>")
        .replace('{', "<wbr>{")
}

/// One shell word, quoted where a shell would otherwise read more than letters into it.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    let word = printable(word);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn is_bidirectional_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn shown(greatest: f64, unit: &str) -> Shown {
    let pick = |steps: &[(f64, f64, &'static str)]| {
        let found = steps
            .iter()
            .find(|(from, ..)| greatest >= *from)
            .or(steps.last());
        found.map_or(
            Shown {
                factor: 1.0,
                suffix: "",
            },
            |(_, factor, suffix)| Shown {
                factor: *factor,
                suffix,
            },
        )
    };
    match unit {
        "ms" if greatest == 0.0 => Shown {
            factor: 1.0,
            suffix: "ms",
        },
        "ms" => pick(&[
            (3.6e6 * 3.0, 1.0 / 3.6e6, "h"),
            (600_000.0, 1.0 / 60_000.0, "min"),
            (1_000.0, 1e-3, "s"),
            (1.0, 1.0, "ms"),
            (0.0, 1e3, "µs"),
        ]),
        "s" if greatest > 0.0 => {
            let Shown { factor, suffix } = shown(greatest * 1_000.0, "ms");
            Shown {
                factor: factor * 1_000.0,
                suffix,
            }
        }
        "B" => pick(&[
            (1e9, 1e-9, "GB"),
            (1e6, 1e-6, "MB"),
            (1e3, 1e-3, "kB"),
            (0.0, 1.0, "B"),
        ]),
        "bit/s" => pick(&[
            (1e9, 1e-9, "Gbit/s"),
            (1e6, 1e-6, "Mbit/s"),
            (1e3, 1e-3, "kbit/s"),
            (0.0, 1.0, "bit/s"),
        ]),
        "B/s" => pick(&[
            (1e9, 1e-9, "GB/s"),
            (1e6, 1e-6, "MB/s"),
            (1e3, 1e-3, "kB/s"),
            (0.0, 1.0, "B/s"),
        ]),
        "ratio" => Shown {
            factor: 100.0,
            suffix: "%",
        },
        POINTS => Shown {
            factor: 100.0,
            suffix: "points",
        },
        _ => Shown {
            factor: 1.0,
            suffix: "",
        },
    }
}

/// The suffix after a space; units that are not rescaled speak for themselves, and `1` is silent.
fn spaced(suffix: &str, unit: &str) -> String {
    match (suffix, unit) {
        ("", "1" | "") => String::new(),
        ("", unit) => format!(" {}", printable(unit)),
        (suffix, _) => format!(" {suffix}"),
    }
}

/// Decimals for three significant digits; whole numbers get none.
fn decimals_for(value: f64) -> usize {
    if value.fract() == 0.0 {
        return 0;
    }
    (2 - value.abs().log10().floor() as i32).clamp(0, 6) as usize
}

fn number(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let mut out = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    // A figure that rounds to nothing has no sign.
    let is_zero = text.chars().all(|c| matches!(c, '0' | '.'));
    if value < 0.0 && !is_zero {
        format!("−{out}")
    } else {
        out
    }
}

/// A text that begins like a sentence.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_show_three_digits_and_a_fitting_unit() {
        let table = [
            (0.0, "ms", "0 ms"),
            (0.0421, "ms", "42.1 µs"),
            (84.06, "ms", "84.1 ms"),
            (15_234.0, "ms", "15.2 s"),
            (601_000.0, "ms", "10.0 min"),
            (12.0, "s", "12 s"),
            (0.9871, "ratio", "98.7 %"),
            (1.0, "ratio", "100 %"),
            (2160.0, "1", "2,160"),
            (41.25, "1", "41.2"),
            (1_234_567.0, "B", "1.23 MB"),
            (-3.5, "hops", "−3.50 hops"),
            (f64::NAN, "1", "–"),
        ];
        for (value, unit, expected) in table {
            assert_eq!(figure(value, unit), expected, "{value} {unit}");
        }
    }

    #[test]
    fn intervals_decide_the_digits() {
        let table = [
            (
                15_234.0,
                [15_100.0, 15_390.0],
                "ms",
                "15.23 s [15.10, 15.39]",
            ),
            (41.3, [38.11, 44.52], "1", "41.3 [38.1, 44.5]"),
            (2_160.0, [1_990.0, 2_330.0], "1", "2,160 [1,990, 2,330]"),
            (0.0, [0.0, 0.0], "1", "0 [0, 0]"),
            (-0.012, [-0.02, 0.001], "ratio", "−1.2 % [−2.0, 0.1]"),
        ];
        for (mean, ci95, unit, expected) in table {
            assert_eq!(with_interval(mean, ci95, unit), expected);
        }
        let (signed, ends) = interval_parts(1.5, [-0.5, 3.5], "1", true);
        assert_eq!((signed.as_str(), ends.as_str()), ("+1.5", "[−0.5, +3.5]"));
    }

    #[test]
    fn relative_differences_have_three_digits_at_most() {
        let table = [
            (-0.926_57, [-0.9266, -0.9265], "−92.7 %"),
            (0.0034, [0.0033, 0.0035], "+0.34 %"),
            (-0.034, [-0.09, 0.02], "−3.4 %"),
            (2.4, [2.399, 2.401], "+240 %"),
            (1.0, [1.0, 1.0], "+100 %"),
            (12.345, [12.0, 13.0], "+1,234 %"),
        ];
        for (mean, ci95, expected) in table {
            assert_eq!(relative(mean, ci95), expected);
        }
    }

    #[test]
    fn numbers_of_a_matrix_share_their_unit() {
        let table = [
            (341_640.0, [341_640.0; 2], "0.342", ""),
            (74_761_928.0, [70e6, 79e6], "74.8", "[70.0, 79.0]"),
            (500_000.0, [400_000.0, 590_000.0], "0.500", "[0.400, 0.590]"),
            (0.0, [0.0; 2], "0", ""),
            (884e6, [880e6, 888e6], "884", "[880, 888]"),
            (6e6, [5.5e6, 6.5e6], "6.0", "[5.5, 6.5]"),
        ];
        for (mean, ci95, number, ends) in table {
            let found = numbers_beside(mean, ci95, 75e6, "bit/s");
            assert_eq!((&*found.0, &*found.1), (number, ends));
        }
        assert_eq!(suffix_beside(75e6, "bit/s"), "Mbit/s");
        assert_eq!(suffix_beside(1.0, "ratio"), "%");
        assert_eq!(suffix_beside(12.0, "1"), "");
    }

    #[test]
    fn untrusted_text_stays_text() {
        assert_eq!(
            html(r#"<script>alert("x")</script>&'"#),
            "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;"
        );
        assert_eq!(markdown("a|b\n<i>`c`"), "a\\|b\u{fffd}&lt;i>\\`c\\`");
        assert_eq!(
            printable("\u{1b}[31mred\u{202e}"),
            "\u{fffd}[31mred\u{fffd}"
        );
        assert_eq!(shell_word("a b'c; rm"), r"'a b'\''c; rm'");
        assert_eq!(shell_word("feed/skewed-clocks"), "feed/skewed-clocks");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn figures_stay_with_their_units_and_intervals_on_one_line() {
        for (text, expected) in [
            ("29.3 s against 449 ms", "29.3~s against 449~ms"),
            (
                "−29 (−100 %) [−45, −19], n = 6 pairs",
                "−29 (−100~%) [−45,~−19], n = 6 pairs",
            ),
            ("1 h 30 min, 2 MB/s.", "1~h 30~min, 2~MB/s."),
            (
                "5 seeds, 3 servers; home [a, b]",
                "5 seeds, 3 servers; home [a, b]",
            ),
            ("[1, 2", "[1, 2"),
        ] {
            assert_eq!(unbroken(text), expected.replace('~', "\u{a0}"), "{text}");
        }
    }

    #[test]
    fn times_read_as_people_write_them() {
        assert_eq!(clock(245.0), "4:05");
        assert_eq!(clock(3723.0), "1:02:03");
        for (seconds, expected) in [
            (45.0, "45 s"),
            (90.0, "90 s"),
            (1200.0, "20 min"),
            (5400.0, "1 h 30 min"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }
}
