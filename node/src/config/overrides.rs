//! Settings that are given beside the file, such as by environment variables: their text, read as the
//! setting wants it.

use toml::{Table, Value};

use super::{Config, ConfigError};

impl Config {
    /// Reads TOML text as [`Self::from_toml`] does, then puts `overrides` in the place of what it
    /// says: dotted paths and their values as text. A value is TOML (`true`, `30`, `["a", "b"]`);
    /// quotes around texts may be left out, and so may the brackets of a list, whose members are
    /// parted by commas then.
    ///
    /// # Errors
    /// [`ConfigError`] naming the place: of the text first, then of the overrides.
    pub fn from_toml_with(text: &str, overrides: &[(String, String)]) -> Result<Self, ConfigError> {
        let of_file = Self::from_toml(text)?;
        if overrides.is_empty() {
            return Ok(of_file);
        }
        let mut table = Table::try_from(of_file).map_err(|error| ConfigError::Invalid {
            path: "the configuration".to_owned(),
            reason: error.to_string(),
        })?;
        for (path, text) in overrides {
            let was = path.split_once('.').and_then(|(section, field)| {
                let section = table.get(section)?.as_table()?;
                section.get(field)
            });
            let value = read(text, was);
            table.insert(path.clone(), value);
        }
        Self::from_table(table)
    }
}

/// `text` as a value like `was`.
fn read(text: &str, was: Option<&Value>) -> Value {
    let as_text = || Value::String(text.to_owned());
    let parsed = format!("value = {text}").parse::<Table>();
    let parsed = parsed.ok().and_then(|mut table| table.remove("value"));
    match (was, parsed) {
        (Some(Value::Array(_)), Some(array @ Value::Array(_))) => array,
        (Some(Value::Array(_)), _) => {
            let members = text.split(',').map(str::trim);
            let members = members.filter(|member| !member.is_empty());
            Value::Array(
                members
                    .map(|member| Value::String(member.to_owned()))
                    .collect(),
            )
        }
        (Some(Value::String(_)), Some(text @ Value::String(_))) => text,
        (Some(Value::String(_)), _) | (_, None) => as_text(),
        (_, Some(value)) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(path: &str, value: &str) -> Result<Config, String> {
        let overrides = [(path.to_owned(), value.to_owned())];
        let file = "[sync]\nlimit = 7\n[relay]\nenabled = true";
        Config::from_toml_with(file, &overrides).map_err(|error| error.to_string())
    }

    #[test]
    fn an_override_goes_before_the_file_and_leaves_the_rest() {
        let config = with("sync.limit", "9").expect("a number");
        assert_eq!((config.sync.limit, config.relay.enabled), (9, true));
        let spans = ["1s", "\"1s\""].map(|text| with("sync.pull_interval", text));
        for config in spans {
            assert_eq!(
                config.expect("a span").sync.pull_interval.as_millis_u64(),
                1_000
            );
        }
        let off = with("relay.enabled", "false").expect("a choice");
        assert!(!off.relay.enabled);
        for lists in [
            "/ip4/192.0.2.1/tcp/1, /ip4/192.0.2.1/tcp/2",
            "[\"/ip4/192.0.2.1/tcp/1\", \"/ip4/192.0.2.1/tcp/2\"]",
        ] {
            let config = with("listen.addresses", lists).expect("addresses");
            assert_eq!(config.listen.addresses.len(), 2);
        }
        assert!(
            with("listen.addresses", "")
                .expect("none")
                .listen
                .addresses
                .is_empty()
        );
    }

    #[test]
    fn what_is_wrong_with_an_override_is_named() {
        let unknown = with("sync.limt", "9").expect_err("unknown");
        assert!(unknown.contains("did you mean `sync.limit`?"), "{unknown}");
        let wrong = with("sync.limit", "many").expect_err("no number");
        assert!(wrong.contains("`sync.limit`"), "{wrong}");
    }
}
