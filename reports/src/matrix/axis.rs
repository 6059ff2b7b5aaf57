//! Values of a dimension as places on an axis, where they are numbers of one kind.

/// What a unit measures, and how much of it one is.
const UNITS: &[(&str, Kind, f64)] = &[
    ("", Kind::Plain, 1.0),
    ("%", Kind::Share, 1e-2),
    ("ppm", Kind::Share, 1e-6),
    ("ns", Kind::Time, 1e-9),
    ("us", Kind::Time, 1e-6),
    ("µs", Kind::Time, 1e-6),
    ("ms", Kind::Time, 1e-3),
    ("s", Kind::Time, 1.0),
    ("m", Kind::Time, 60.0),
    ("h", Kind::Time, 3_600.0),
    ("d", Kind::Time, 86_400.0),
    ("B", Kind::Bytes, 1.0),
    ("kB", Kind::Bytes, 1e3),
    ("MB", Kind::Bytes, 1e6),
    ("GB", Kind::Bytes, 1e9),
    ("KiB", Kind::Bytes, 1_024.0),
    ("MiB", Kind::Bytes, 1_048_576.0),
    ("GiB", Kind::Bytes, 1_073_741_824.0),
    ("bit/s", Kind::Rate, 1.0),
    ("kbit/s", Kind::Rate, 1e3),
    ("Mbit/s", Kind::Rate, 1e6),
    ("Gbit/s", Kind::Rate, 1e9),
    ("/s", Kind::Frequency, 3_600.0),
    ("/m", Kind::Frequency, 60.0),
    ("/min", Kind::Frequency, 60.0),
    ("/h", Kind::Frequency, 1.0),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Share,
    Time,
    Bytes,
    Rate,
    Frequency,
}

/// Fewer values than this are not worth an axis.
const VALUES_MIN: usize = 2;

/// Where the values lie, in a unit of their own kind, if they are numbers of one kind that only
/// grow or only shrink.
pub fn positions(values: &[String]) -> Option<Vec<f64>> {
    if values.len() < VALUES_MIN {
        return None;
    }
    let read: Vec<(Kind, f64)> = values
        .iter()
        .map(|value| read(value))
        .collect::<Option<_>>()?;
    let places: Vec<f64> = read.iter().map(|(_, place)| *place).collect();
    // Nothing of anything is nothing: `0` may stand without a unit.
    let mut kinds = read.iter().filter(|(_, place)| *place != 0.0);
    let first = kinds.next()?.0;
    let is_one_kind = kinds.all(|(kind, _)| *kind == first);
    let grows = places.windows(2).all(|pair| pair[0] < pair[1]);
    let shrinks = places.windows(2).all(|pair| pair[0] > pair[1]);
    (is_one_kind && (grows || shrinks)).then_some(places)
}

fn read(value: &str) -> Option<(Kind, f64)> {
    let is_of_number = |c: char| c.is_ascii_digit() || "+-.".contains(c);
    let (number, unit) = value.split_at(value.find(|c| !is_of_number(c)).unwrap_or(value.len()));
    let number: f64 = number.replace('_', "").parse().ok()?;
    let unit = unit.trim();
    let (_, kind, one) = UNITS.iter().find(|(name, ..)| *name == unit)?;
    number.is_finite().then_some((*kind, number * one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_one_kind_have_places() {
        let check = |values: &[&str], expected: Option<&[f64]>| {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            let found = positions(&values);
            let near = |a: &[f64], b: &[f64]| {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9)
            };
            match (&found, expected) {
                (Some(found), Some(expected)) => assert!(near(found, expected), "{found:?}"),
                _ => assert!(
                    found.is_none() && expected.is_none(),
                    "{values:?}: {found:?}"
                ),
            }
        };
        check(&["0%", "0.1%", "3%"], Some(&[0.0, 0.001, 0.03]));
        check(&["1ns", "20ms", "1s"], Some(&[1e-9, 0.02, 1.0]));
        check(
            &["64KiB", "1MiB", "2MB"],
            Some(&[65_536.0, 1_048_576.0, 2e6]),
        );
        check(&["8", "4", "2"], Some(&[8.0, 4.0, 2.0]));
        check(&["0", "10ms", "20ms"], Some(&[0.0, 0.01, 0.02]));
        check(&["1", "2"], Some(&[1.0, 2.0]));
        check(&["1"], None);
        check(&["1", "1s", "2s"], None);
        check(&["1", "3", "2"], None);
        check(&["eim", "edm", "3"], None);
        check(&["0", "0", "0"], None);
    }
}
