//! Tables and figures as programs write them: CSV by comma, semicolon, tab or spaces.
//!
//! Owns how text becomes cells, and how a decimal number becomes an integer of a unit. What the
//! cells mean is their readers' affair. One reader for all files beside a profile, so that none
//! is stricter than another.

/// A line with something on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number in the file, from 1.
    pub line: usize,
    /// Its cells, without the spaces around them.
    pub cells: Vec<String>,
}

impl Row {
    /// A cell; empty beyond the row's end.
    pub fn cell(&self, place: usize) -> &str {
        self.cells.get(place).map_or("", String::as_str)
    }
}

/// The rows of a table. Blank lines and those that begin with `#` are left out, and so is a
/// byte order mark. Cells are parted by the first of tab, semicolon and comma that the first row
/// has, or else by spaces.
///
/// # Errors
/// The text is empty.
pub fn rows(text: &str) -> Result<Vec<Row>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let lines = || text.lines().zip(1..).filter(|(line, _)| is_content(line));
    let (first, _) = lines().next().ok_or("the table is empty")?;
    let separator = ['\t', ';', ','].into_iter().find(|&c| first.contains(c));
    let mut rows = Vec::new();
    for (text, line) in lines() {
        let mut cells = match separator {
            None => text.split_whitespace().map(str::to_owned).collect(),
            Some(separator) => {
                cells(text, separator).map_err(|error| format!("line {line}: {error}"))?
            }
        };
        // A separator at the end of each line is no cell.
        while cells.last().is_some_and(String::is_empty) {
            cells.pop();
        }
        if !cells.is_empty() {
            rows.push(Row { line, cells });
        }
    }
    Ok(rows)
}

/// The cells of one line, without the spaces around them.
fn cells(line: &str, separator: char) -> Result<Vec<String>, String> {
    let mut cells: Vec<String> = if line.contains('"') {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .delimiter(separator as u8)
            .from_reader(line.as_bytes());
        let record = reader.records().next().transpose();
        let record = record.map_err(|error| error.to_string())?;
        let cells = record.iter().flatten();
        cells.map(|cell| cell.trim().to_owned()).collect()
    } else {
        line.split(separator)
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    if separator == ';' {
        // Where semicolons part cells, a comma is the decimal point.
        for cell in &mut cells {
            let pointed = cell.replace(',', ".");
            if decimal(&pointed).is_some() {
                *cell = pointed;
            }
        }
    }
    Ok(cells)
}

/// Whether a cell says that there is no figure.
pub fn is_missing(cell: &str) -> bool {
    ["", "-", "nan", "null", "none", "na", "n/a"]
        .iter()
        .any(|none| cell.eq_ignore_ascii_case(none))
}

/// A decimal number times `unit`, rounded to the nearest integer, however many digits it is
/// written with: `79.97800000000001` and `1e-05` are such numbers. `None` for anything else,
/// and beyond 10^24.
pub fn scaled(cell: &str, unit: u64) -> Option<i128> {
    let (digits, exponent) = decimal(cell)?;
    let number = digits.checked_mul(i128::from(unit))?;
    if exponent >= 0 {
        let factor = 10_i128.checked_pow(u32::try_from(exponent).ok()?)?;
        return number.checked_mul(factor);
    }
    let Some(divisor) = 10_i128.checked_pow(exponent.unsigned_abs()) else {
        return Some(0);
    };
    let half = divisor / 2;
    Some(if number >= 0 {
        (number + half) / divisor
    } else {
        (number - half) / divisor
    })
}

/// Digits and the power of ten that they are multiplied with.
fn decimal(text: &str) -> Option<(i128, i32)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    if whole.trim_start_matches('0').len() > 18 || exponent.abs() > 60 {
        return None;
    }
    // What is beyond 18 places decides about nothing that fits a unit.
    let fraction = &fraction[..fraction.len().min(18)];
    let digits: i128 = format!("0{whole}{fraction}").parse().ok()?;
    Some((sign * digits, exponent - fraction.len() as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_separator_gives_the_same_cells() {
        let cells = [["ms", "a", "b"], ["a", "1", "2.5"], ["b", "3", "4"]];
        for text in [
            "ms,a,b\na,1,2.5\nb,3,4\n",
            "\u{feff}ms,a,b\r\na,1,2.5\r\nb,3,4",
            "ms\ta\tb\na\t1\t2.5\nb\t3\t4\n",
            "ms;a;b\na;1;2,5\nb;3;4\n",
            "ms a  b\na 1   2.5\nb 3 4\n",
            "# measured\n\nms, a, b\n\na, 1, 2.5\n# half\nb, 3, 4,\n",
            "\"ms\",\"a\",\"b\"\n\"a\",\"1\",\"2.5\"\n\"b\",3,4\n",
        ] {
            let rows = rows(text).unwrap_or_else(|wrong| panic!("{text:?}: {wrong}"));
            let found: Vec<&Vec<String>> = rows.iter().map(|row| &row.cells).collect();
            assert_eq!(found, cells.iter().collect::<Vec<_>>(), "{text:?}");
        }
        assert_eq!(rows("# a\n\nx,y\n").expect("it is sound")[0].line, 3);
        assert!(rows("").is_err() && rows("\n# nothing\n").is_err());
    }

    #[test]
    fn numbers_are_read_as_programs_print_them() {
        let check = |cell: &str, expected| assert_eq!(scaled(cell, 1_000_000), expected, "{cell}");
        check("79.97800000000001", Some(79_978_000));
        check("153.73399999999998", Some(153_734_000));
        check("1e-05", Some(10));
        check("1.5E+2", Some(150_000_000));
        check("-0.25", Some(-250_000));
        check(".5", Some(500_000));
        check("5.", Some(5_000_000));
        check("+7", Some(7_000_000));
        check("1e-40", Some(0));
        check("0.0000005", Some(1));
        check("", None);
        check("nan", None);
        check("inf", None);
        check("1,5", None);
        check("0x10", None);
        check("1e99", None);
        check("99999999999999999999", None);
    }
}
