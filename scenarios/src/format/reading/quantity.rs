//! Numbers with units, as people write them: `20m`, `30/h`, `20Mbit/s`, `64KiB`, `50ppm`, `1%`.
//!
//! All arithmetic is on integers: a scenario means the same on every platform.

use std::fmt::Write as _;

/// Nanoseconds of a second.
pub const SECOND_NS: i64 = 1_000_000_000;
/// Nanoseconds of an hour.
pub const HOUR_NS: i64 = 3_600 * SECOND_NS;

/// The longest time a scenario may name: one year.
pub const TIME_MAX_NS: i64 = 365 * 24 * HOUR_NS;

/// What was expected where a quantity could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected(pub &'static str);

const TIME_UNITS: [(&str, i128); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Reads a time such as `20m`, `-1.5s` or `1h30m`, in nanoseconds.
///
/// # Errors
/// What was expected.
pub fn time_ns(text: &str) -> Result<i64, Expected> {
    const EXPECTED: Expected =
        Expected("expected a time such as \"20m\" or \"1.5s\" (units ns, us, ms, s, m, h, d)");
    let text = text.trim();
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return Err(EXPECTED);
    }
    let mut sum: i128 = 0;
    while !rest.is_empty() {
        let (number, after) = Decimal::split(rest).ok_or(EXPECTED)?;
        let unit_len = after
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(after.len());
        let unit = unit_of(&after[..unit_len], &TIME_UNITS).ok_or(EXPECTED)?;
        sum += number.times(unit).ok_or(EXPECTED)?;
        if sum > i128::from(TIME_MAX_NS) {
            return Err(Expected("expected a time of at most 365d"));
        }
        rest = after[unit_len..].trim_start();
    }
    let sum = sum as i64;
    Ok(if negative { -sum } else { sum })
}

/// Reads how often something happens, such as `30/h`: mean nanoseconds in between.
///
/// # Errors
/// What was expected.
pub fn interval_of_rate_ns(text: &str) -> Result<u64, Expected> {
    interval_ns(text).and_then(|ns| {
        (ns >= 1_000_000).then_some(ns).ok_or(Expected(
            "expected between once a year and 1000/s for each host",
        ))
    })
}

/// Reads how often packets are sent, such as `500/s`: mean nanoseconds in between, at least a
/// microsecond.
///
/// # Errors
/// What was expected.
pub fn interval_of_fast_rate_ns(text: &str) -> Result<u64, Expected> {
    interval_ns(text).and_then(|ns| {
        (ns >= 1_000)
            .then_some(ns)
            .ok_or(Expected("expected at most a million packets a second"))
    })
}

fn interval_ns(text: &str) -> Result<u64, Expected> {
    const EXPECTED: Expected =
        Expected("expected how often, such as \"30/h\" or \"0.5/s\" (per s, m, h or d)");
    let (number, after) = Decimal::split(text.trim()).ok_or(EXPECTED)?;
    let unit = after.trim_start().strip_prefix('/').ok_or(EXPECTED)?;
    let unit = unit_of(unit.trim(), &TIME_UNITS).ok_or(EXPECTED)?;
    if number.digits == 0 {
        return Err(Expected(
            "expected a rate above 0; leave the workload out for none",
        ));
    }
    let interval = unit * number.scale() / number.digits;
    if interval > i128::from(TIME_MAX_NS) {
        return Err(Expected(
            "expected between once a year and 1000/s for each host",
        ));
    }
    Ok(interval as u64)
}

/// Reads a link's rate such as `20Mbit/s`, in bits per second.
///
/// # Errors
/// What was expected.
pub fn bits_per_second(text: &str) -> Result<u64, Expected> {
    const EXPECTED: Expected =
        Expected("expected a link rate such as \"20Mbit/s\" (bit/s, kbit/s, Mbit/s, Gbit/s)");
    let units = [
        ("bit/s", 1),
        ("kbit/s", 1_000),
        ("Mbit/s", 1_000_000),
        ("Gbit/s", 1_000_000_000),
    ];
    let bits = one(text, &units).ok_or(EXPECTED)?;
    if !(1_000..=1_000_000_000_000).contains(&bits) {
        return Err(Expected("expected a link rate from 1kbit/s to 1000Gbit/s"));
    }
    Ok(bits as u64)
}

/// Reads a size such as `64KiB`, in bytes.
///
/// # Errors
/// What was expected.
pub fn bytes(text: &str) -> Result<i64, Expected> {
    const EXPECTED: Expected =
        Expected("expected a size such as \"200B\" or \"64KiB\" (B, kB, KiB, MB, MiB, GB, GiB)");
    let units = [
        ("B", 1),
        ("kB", 1_000),
        ("KiB", 1 << 10),
        ("MB", 1_000_000),
        ("MiB", 1 << 20),
        ("GB", 1_000_000_000),
        ("GiB", 1 << 30),
    ];
    one(text, &units)
        .filter(|&size| size <= 1 << 40)
        .map(|size| size as i64)
        .ok_or(EXPECTED)
}

/// Reads a clock's drift such as `-50ppm`, in parts per billion.
///
/// # Errors
/// What was expected.
pub fn drift_ppb(text: &str) -> Result<i64, Expected> {
    const EXPECTED: Expected =
        Expected("expected a drift such as \"50ppm\" (ppb, ppm), at most 100000ppm");
    let text = text.trim();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    one(rest, &[("ppb", 1), ("ppm", 1_000)])
        .filter(|&drift| drift <= 100_000_000)
        .map(|drift| sign * drift as i64)
        .ok_or(EXPECTED)
}

/// Reads a share such as `1%` or `0.01`, in parts per million.
///
/// # Errors
/// What was expected.
pub fn share_ppm(text: &str) -> Result<u32, Expected> {
    const EXPECTED: Expected = Expected("expected a share from 0 to 1, such as 0.01 or \"1%\"");
    let (number, after) = Decimal::split(text.trim()).ok_or(EXPECTED)?;
    let unit = match after.trim() {
        "" => 1_000_000,
        "%" => 10_000,
        "ppm" => 1,
        _ => return Err(EXPECTED),
    };
    number
        .times(unit)
        .filter(|&share| share <= 1_000_000)
        .map(|share| share as u32)
        .ok_or(EXPECTED)
}

fn one(text: &str, units: &[(&str, i128)]) -> Option<i128> {
    let (number, after) = Decimal::split(text.trim())?;
    number.times(unit_of(after.trim(), units)?)
}

fn unit_of(unit: &str, units: &[(&str, i128)]) -> Option<i128> {
    units
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor)
}

/// A decimal number without a sign: `digits / 10^places`.
#[derive(Debug, Clone, Copy)]
struct Decimal {
    digits: i128,
    places: u32,
}

impl Decimal {
    /// The number at the start of `text` and what follows it. At most 15
    /// digits before and 9 after the point.
    fn split(text: &str) -> Option<(Self, &str)> {
        let whole_len = text
            .find(|c: char| !c.is_ascii_digit() && c != '_')
            .unwrap_or(text.len());
        let (whole, mut rest) = text.split_at(whole_len);
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            let len = after
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(after.len());
            (fraction, rest) = after.split_at(len);
        }
        let digits: String = whole.chars().filter(|c| *c != '_').collect();
        if digits.is_empty() || digits.len() > 15 || fraction.len() > 9 {
            return None;
        }
        let number = Self {
            digits: (digits + fraction).parse().ok()?,
            places: fraction.len() as u32,
        };
        Some((number, rest.trim_start()))
    }

    fn scale(self) -> i128 {
        10_i128.pow(self.places)
    }

    /// The number times `factor`, rounded towards zero.
    fn times(self, factor: i128) -> Option<i128> {
        Some(self.digits.checked_mul(factor)? / self.scale())
    }
}

/// How to write a number that lacks its unit, so that `read` takes it: `write "50ms" or "50s"`.
pub fn with_unit<T>(number: &str, read: impl Fn(&str) -> Result<T, Expected>) -> Option<String> {
    let units = ["ms", "s", "Mbit/s", "KiB", "ppm", "/h", "/s"];
    let written = units.map(|unit| format!("{number}{unit}"));
    let fit = written.iter().filter(|text| read(text).is_ok());
    let ways: Vec<String> = fit.take(2).map(|text| format!("\"{text}\"")).collect();
    (!ways.is_empty()).then(|| format!("write {}", ways.join(" or ")))
}

/// A link's rate for people: `20Mbit/s`.
pub fn show_bits(bits_per_second: u64) -> String {
    show_in(
        bits_per_second,
        &[
            ("Gbit/s", 1_000_000_000),
            ("Mbit/s", 1_000_000),
            ("kbit/s", 1_000),
            ("bit/s", 1),
        ],
    )
}

/// A size for people: `64KiB`, `1.5kB`.
pub fn show_bytes(bytes: u64) -> String {
    let whole = [("MiB", 1 << 20), ("KiB", 1 << 10)];
    let found = whole
        .iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    match found {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => show_in(bytes, &[("MB", 1_000_000), ("B", 1)]),
    }
}

/// A share for people: `1.5%`.
pub fn show_share(ppm: u32) -> String {
    show_in(u64::from(ppm) * 100, &[("%", 1_000_000)])
}

/// A number in the first unit that is not larger than it, exact to six places.
fn show_in(number: u64, units: &[(&str, u64)]) -> String {
    let fits = units.iter().find(|(_, factor)| number >= *factor);
    let Some((unit, factor)) = fits.or(units.last()) else {
        return number.to_string();
    };
    let whole = number / factor;
    let rest = u128::from(number % factor) * 1_000_000 / u128::from(*factor);
    let fraction = format!("{rest:06}");
    match fraction.trim_end_matches('0') {
        "" => format!("{whole}{unit}"),
        fraction => format!("{whole}.{fraction}{unit}"),
    }
}

/// A time for people: `20m`, `1.5s`, `1h30m`.
pub fn show_time(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
    let exact = [
        ("d", 86_400_000_000_000_u64),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    if ns == 0 {
        return "0s".to_owned();
    }
    let mut rest = ns;
    let mut out = sign.to_owned();
    for (unit, size) in exact {
        if rest >= size {
            let _ = write!(out, "{}{unit}", rest / size);
            rest %= size;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_exactly() {
        let check = |text, expected| assert_eq!(time_ns(text).ok(), expected, "{text}");
        check("20m", Some(1_200 * SECOND_NS));
        check("1h30m", Some(5_400 * SECOND_NS));
        check("1.5s", Some(1_500_000_000));
        check("-120s", Some(-120 * SECOND_NS));
        check("250us", Some(250_000));
        check("0s", Some(0));
        check("20", None);
        check("fast", None);
        check("", None);
        check("-", None);
        check("5 m", Some(300 * SECOND_NS));
        check("999999d", None);
        check("99999999999999999999s", None);
        check("1s2", None);
    }

    #[test]
    fn shown_times_read_back() {
        for ns in [
            0,
            1,
            1_500_000_000,
            5_400 * SECOND_NS,
            -30 * SECOND_NS,
            TIME_MAX_NS,
        ] {
            assert_eq!(time_ns(&show_time(ns)), Ok(ns), "{}", show_time(ns));
        }
    }

    #[test]
    fn rates_become_intervals() {
        let check = |text, expected| assert_eq!(interval_of_rate_ns(text).ok(), expected, "{text}");
        check("30/h", Some(120_000_000_000));
        check("0.5/s", Some(2_000_000_000));
        check("fast", None);
        check("30", None);
        check("0/h", None);
        check("-3/h", None);
        check("5000/s", None);
    }

    #[test]
    fn rates_sizes_and_shares_are_shown_as_they_are_read() {
        for text in ["20Mbit/s", "1.5kbit/s", "1Gbit/s", "2.048Mbit/s"] {
            assert_eq!(bits_per_second(text).map(show_bits).as_deref(), Ok(text));
        }
        for text in ["64KiB", "1500B", "2MiB", "3MB", "0B"] {
            let shown = bytes(text).map(|bytes| show_bytes(bytes as u64));
            assert_eq!(shown.as_deref(), Ok(text));
        }
        for text in ["1%", "0.05%", "100%", "0%", "0.0001%"] {
            assert_eq!(share_ppm(text).map(show_share).as_deref(), Ok(text));
        }
    }

    #[test]
    fn links_sizes_shares_and_drifts_are_read() {
        assert_eq!(bits_per_second("20Mbit/s"), Ok(20_000_000));
        assert!(bits_per_second("20MB/s").is_err());
        assert!(bits_per_second("0bit/s").is_err());
        assert_eq!(bytes("64KiB"), Ok(65_536));
        assert!(bytes("64").is_err());
        assert_eq!(share_ppm("1%"), Ok(10_000));
        assert_eq!(share_ppm("0.25"), Ok(250_000));
        assert!(share_ppm("1.5").is_err());
        assert!(share_ppm("-1%").is_err());
        assert_eq!(drift_ppb("-50ppm"), Ok(-50_000));
        assert!(drift_ppb("50").is_err());
    }
}
