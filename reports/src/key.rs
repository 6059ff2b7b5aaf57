//! Keys of figures: which metric, under which labels, which statistic.
//!
//! Owns the type and its text, `metric{label=value,…}.stat`, with the one parser of it. The parser
//! is for files alone: whoever makes a figure makes its key of parts, and whoever draws one asks
//! the key for them. It knows nothing of what figures mean.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::stats::Stat;

/// Which figure: a metric, under some labels, and for a distribution one of its statistics.
///
/// Keys are equal, ordered and written as their text. A text that is no key in full is a key of
/// one part, so that reading and writing never change a file.
///
/// ```
/// use orrery_reports::key::Key;
/// use orrery_reports::stats::Stat;
///
/// let key = Key::of("flow.goodput").with("to", "b").with("from", "a");
/// assert_eq!(key.to_string(), "flow.goodput{from=a,to=b}");
/// let key = Key::read("ping.rtt{from=a,to=b}.p50");
/// assert_eq!((key.metric(), key.label("to"), key.stat()), ("ping.rtt", Some("b"), Some(&Stat::P50)));
/// ```
#[derive(Clone)]
pub struct Key {
    /// What is compared and written; it begins with the metric.
    text: Box<str>,
    metric_bytes: usize,
    labels: Labels,
    stat: Option<Stat>,
}

impl Key {
    /// A metric as a whole.
    pub fn of(metric: &str) -> Self {
        Self {
            text: metric.into(),
            metric_bytes: metric.len(),
            labels: Labels::default(),
            stat: None,
        }
    }

    /// Reads a key as files have it.
    pub fn read(text: &str) -> Self {
        let read = Self::parse(text).filter(|key| *key.text == *text);
        read.unwrap_or_else(|| Self::of(text))
    }

    fn parse(text: &str) -> Option<Self> {
        let (whole, stat) = Stat::split(text);
        let (metric, labels) = match whole.split_once('{') {
            None => (whole, Labels::default()),
            Some((metric, rest)) => (metric, Labels::read(rest.strip_suffix('}')?)),
        };
        Some(Self::made(metric, labels, stat))
    }

    fn made(metric: &str, labels: Labels, stat: Option<Stat>) -> Self {
        let mut text = metric.to_owned();
        if !labels.is_empty() {
            text.push_str(&labels.braced());
        }
        if let Some(stat) = &stat {
            text.push('.');
            text.push_str(&stat.name());
        }
        Self {
            text: text.into(),
            metric_bytes: metric.len(),
            labels,
            stat,
        }
    }

    /// The metric's name.
    pub fn metric(&self) -> &str {
        &self.text[..self.metric_bytes]
    }

    /// What the metric's name begins with, up to its first point: `flow` of `flow.goodput`.
    pub fn area(&self) -> &str {
        let metric = self.metric();
        metric.split_once('.').map_or(metric, |(area, _)| area)
    }

    /// Its labels, those of a grid's cell among them.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name)
    }

    /// The statistic, if it speaks of one.
    pub fn stat(&self) -> Option<&Stat> {
        self.stat.as_ref()
    }

    /// The key as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// With one label more.
    #[must_use]
    pub fn with(self, label: &str, value: &str) -> Self {
        self.within(&Labels::from([(label, value)]))
    }

    /// With these labels too, such as those of a cell.
    #[must_use]
    pub fn within(self, more: &Labels) -> Self {
        if more.is_empty() {
            return self;
        }
        let mut labels = self.labels.clone();
        labels.extend(more);
        self.with_labels(labels)
    }

    /// With these labels instead of its own.
    #[must_use]
    pub fn with_labels(&self, labels: Labels) -> Self {
        Self::made(self.metric(), labels, self.stat.clone())
    }

    /// One statistic of a metric, or none.
    #[must_use]
    pub fn with_stat(&self, stat: Option<Stat>) -> Self {
        Self::made(self.metric(), self.labels.clone(), stat)
    }

    /// The metric with its labels, whatever its statistic.
    #[must_use]
    pub fn without_stat(&self) -> Cow<'_, Self> {
        match self.stat {
            None => Cow::Borrowed(self),
            Some(_) => Cow::Owned(self.with_stat(None)),
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl PartialEq<str> for Key {
    fn eq(&self, other: &str) -> bool {
        *self.text == *other
    }
}

impl PartialEq<&str> for Key {
    fn eq(&self, other: &&str) -> bool {
        *self.text == **other
    }
}

/// Maps of keys are asked for the text of one, too: it compares alike.
impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer).map(|text| Self::read(&text))
    }
}

/// Keys are strings of a file's schema.
impl JsonSchema for Key {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// Labels and their values, by name; a value may be left open, and is then not written.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// None.
    pub const NONE: Self = Self(BTreeMap::new());

    /// Reads labels as keys have them between their braces.
    pub(crate) fn read(text: &str) -> Self {
        let pairs = text.split(',');
        pairs
            .map(|label| label.split_once('=').unwrap_or((label, "")))
            .collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// A label's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Sets a label.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// Sets these labels, too.
    pub fn extend(&mut self, more: &Self) {
        for (name, value) in more.iter() {
            self.set(name, value);
        }
    }

    /// Those of which `keep` holds.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        self.iter().filter(|(name, _)| keep(name)).collect()
    }

    /// As keys have them, with braces; nothing if there are none.
    pub fn braced(&self) -> String {
        if self.is_empty() {
            String::new()
        } else {
            format!("{{{self}}}")
        }
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Labels {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let owned = pairs.into_iter();
        Self(
            owned
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Labels {
    fn from(pairs: [(&str, &str); N]) -> Self {
        pairs.into_iter().collect()
    }
}

/// As keys have them, without braces: `delay=10ms,loss=1%`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            let sign = if value.is_empty() { "" } else { "=" };
            write!(f, "{comma}{name}{sign}{value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again_to_the_letter() {
        for text in [
            "a",
            "a.b",
            "a.b.p50",
            "a.b{x=1}",
            "a.b{x=1.5,y=a b}.within(1.5s)",
            "a{from,to}.p50",
            "a{y=1,x=2}",
            "a{x=1,x=2}",
            "a{x=}",
            "a{",
            "a}",
            "a{}",
            "a{}.p50",
            "{x=1}",
            "a{x=1}b",
            ".p50",
            "",
        ] {
            assert_eq!(Key::read(text).to_string(), text);
            let written = serde_json::to_string(&Key::read(text)).expect("a string");
            let read: Key = serde_json::from_str(&written).expect("a string");
            assert_eq!(read, Key::read(text));
        }
    }

    #[test]
    fn a_key_has_parts() {
        let check = |text: &str, metric: &str, labels: &[(&str, &str)], stat: Option<Stat>| {
            let key = Key::read(text);
            let labels: Labels = labels.iter().copied().collect();
            assert_eq!(
                (key.metric(), key.labels(), key.stat()),
                (metric, &labels, stat.as_ref()),
                "{text}"
            );
        };
        check("a.b", "a.b", &[], None);
        check("a.b.max", "a.b", &[], Some(Stat::Max));
        check(
            "a{x=1,y=2}.p99",
            "a",
            &[("x", "1"), ("y", "2")],
            Some(Stat::P99),
        );
        check("a{x,y}", "a", &[("x", ""), ("y", "")], None);
        let within = Stat::Within("1m30s".into());
        check("a.within(1m30s)", "a", &[], Some(within));
        // No keys in full.
        check("a{y=1,x=2}", "a{y=1,x=2}", &[], None);
        check("a{x=1}b", "a{x=1}b", &[], None);
    }

    #[test]
    fn keys_of_parts_are_those_that_are_read() {
        let cell = Labels::from([("loss", "1%")]);
        let key = Key::of("a.b").with("to", "x").within(&cell);
        let key = key.with_stat(Some(Stat::P50));
        assert_eq!(key, Key::read("a.b{loss=1%,to=x}.p50"));
        assert_eq!(*key.without_stat(), Key::read("a.b{loss=1%,to=x}"));
        assert_eq!(key.area(), "a");
        let keys = [("a{x=1}", 1), ("a.b", 2)].map(|(text, n)| (Key::read(text), n));
        let map = BTreeMap::from(keys);
        assert_eq!((map.get("a{x=1}"), map.get("a")), (Some(&1), None));
        assert_eq!(map.keys().next().expect("two").as_str(), "a.b", "by text");
    }
}
