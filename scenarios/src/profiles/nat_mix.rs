//! NAT mixes: which share of a population stands behind which kind of NAT.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::{ProfileError, from_toml};
use crate::format::reading::quantity::share_ppm;

/// Kinds of NATs and their shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatMix {
    /// Its name.
    pub name: String,
    /// What it is.
    pub summary: String,
    /// Where it comes from.
    pub source: String,
    /// Names of NAT profiles, and their shares in parts per million, which sum to a million (±1).
    pub shares: Vec<(String, u32)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    summary: String,
    source: String,
    shares: BTreeMap<String, String>,
}

/// Reads a mix.
pub(super) fn parse(file: &str, text: &str) -> Result<NatMix, ProfileError> {
    let raw: File = from_toml(file, text)?;
    let wrong = |what: String| ProfileError::new(format!("mix {file}: {what}"));
    let mut shares = Vec::new();
    for (name, share) in raw.shares {
        let share = share_ppm(&share)
            .map_err(|expected| wrong(format!("share of {name}: {}", expected.0)))?;
        shares.push((name, share));
    }
    let sum: u64 = shares.iter().map(|(_, share)| u64::from(*share)).sum();
    if !(999_999..=1_000_001).contains(&sum) {
        return Err(wrong("the shares do not sum to 1".to_owned()));
    }
    Ok(NatMix {
        name: raw.name,
        summary: raw.summary,
        source: raw.source,
        shares,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_have_to_sum_to_one() {
        let text = |shares: &str| format!("name='x'\nsummary='s'\nsource='q'\nshares={shares}\n");
        let mix = parse("x", &text("{ b='25%', a='75%' }")).expect("it is sound");
        let expected = [("a".to_owned(), 750_000), ("b".to_owned(), 250_000)];
        assert_eq!(mix.shares, expected);
        let check = |shares: &str, expected: &str| {
            let error = parse("x", &text(shares)).expect_err(shares);
            assert!(error.message.contains(expected), "{error}");
        };
        check("{ a='75%' }", "mix x: the shares do not sum to 1");
        check("{ a='much' }", "mix x: share of a: ");
        check("3", "profile x, line 4");
    }
}
