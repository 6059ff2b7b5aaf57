//! Amounts that may be drawn: a constant, `uniform(a, b)`, `normal(mean, deviation)` or
//! `exponential(mean)`, and whether each host draws its own.
//!
//! Owns the text form. Drawing is `world`'s.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::Expected;

/// An amount in its field's integer unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Whether every host draws its own (`each …`) rather than all sharing one.
    pub each: bool,
    /// How it is drawn.
    pub draw: Draw,
}

/// How an amount is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Draw {
    /// Always this.
    Constant(i64),
    /// Equally likely from the first to the second, both included.
    Uniform(i64, i64),
    /// Normal with this mean and standard deviation.
    Normal(i64, i64),
    /// Exponential with this mean.
    Exponential(i64),
}

impl Amount {
    /// Always `value`.
    pub const fn constant(value: i64) -> Self {
        Self {
            each: false,
            draw: Draw::Constant(value),
        }
    }

    /// The least and the greatest value; `None` where it has no bounds.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        match self.draw {
            Draw::Constant(value) => Some((value, value)),
            Draw::Uniform(low, high) => Some((low, high)),
            Draw::Normal(..) | Draw::Exponential(_) => None,
        }
    }

    /// Reads an amount whose parts are read by `unit`.
    ///
    /// # Errors
    /// What was expected.
    pub fn read(text: &str, unit: fn(&str) -> Result<i64, Expected>) -> Result<Self, String> {
        let text = text.trim();
        let (each, rest) = match text.strip_prefix("each ") {
            Some(rest) => (true, rest.trim()),
            None => (false, text),
        };
        let draw = Draw::read(rest, unit)?;
        Ok(Self { each, draw })
    }
}

impl Draw {
    fn read(text: &str, unit: fn(&str) -> Result<i64, Expected>) -> Result<Self, String> {
        let part = |text: &str| unit(text).map_err(|expected| expected.0.to_owned());
        let Some((name, arguments)) = text.split_once('(') else {
            return part(text).map(Self::Constant);
        };
        let arguments = arguments
            .strip_suffix(')')
            .ok_or_else(|| "expected a closing parenthesis".to_owned())?;
        let parts: Vec<&str> = arguments.split(',').collect();
        match (name.trim(), parts[..].len()) {
            ("uniform", 2) => {
                let (low, high) = (part(parts[0])?, part(parts[1])?);
                if low > high {
                    return Err("expected uniform(least, greatest), the least first".to_owned());
                }
                Ok(Self::Uniform(low, high))
            }
            ("normal", 2) => {
                let (mean, deviation) = (part(parts[0])?, part(parts[1])?);
                if deviation < 0 {
                    return Err("expected a standard deviation of at least 0".to_owned());
                }
                Ok(Self::Normal(mean, deviation))
            }
            ("exponential", 1) => {
                let mean = part(parts[0])?;
                if mean <= 0 {
                    return Err("expected a mean above 0".to_owned());
                }
                Ok(Self::Exponential(mean))
            }
            _ => Err(
                "expected a constant, uniform(a, b), normal(mean, deviation) or exponential(mean)"
                    .to_owned(),
            ),
        }
    }
}

/// In the schema, an amount is a string.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub struct AmountText(
    /// A constant, `uniform(a, b)`, `normal(mean, deviation)` or `exponential(mean)`, each part
    /// with its unit; `each` before it makes every host draw its own.
    pub String,
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::reading::quantity::{SECOND_NS, time_ns};

    #[test]
    fn amounts_are_read() {
        let check = |text, expected: Result<(bool, Draw), &str>| match (
            Amount::read(text, time_ns),
            expected,
        ) {
            (Ok(amount), Ok((each, draw))) => {
                assert_eq!((amount.each, amount.draw), (each, draw), "{text}");
            }
            (Err(message), Err(part)) => assert!(message.contains(part), "{text}: {message}"),
            (got, _) => panic!("{text}: {got:?}"),
        };
        check("5s", Ok((false, Draw::Constant(5 * SECOND_NS))));
        check(
            "normal(0s, 30s)",
            Ok((false, Draw::Normal(0, 30 * SECOND_NS))),
        );
        check(
            "each uniform(-120s, -30s)",
            Ok((true, Draw::Uniform(-120 * SECOND_NS, -30 * SECOND_NS))),
        );
        check(
            "exponential(2s)",
            Ok((false, Draw::Exponential(2 * SECOND_NS))),
        );
        check("exponential(0s)", Err("above 0"));
        check("uniform(3s, 1s)", Err("least first"));
        check("normal(3s, -1s)", Err("deviation"));
        check("uniform(3s)", Err("expected a constant, uniform"));
        check("uniform(3s, 5s", Err("parenthesis"));
        check("soon", Err("expected a time"));
    }
}
