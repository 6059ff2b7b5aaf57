//! Names as text in JSON: how serde and schemas write and read what is a value in memory, as
//! `#[serde(with = "text::One")]` asks for it.
//!
//! What is no name of its kind is refused at reading, with what is wrong with it.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serializer, de};

/// Reads a name.
fn parsed<T: FromStr<Err: Display>, E: de::Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(E::custom)
}

/// A name by itself.
pub(crate) struct One;

impl One {
    pub(crate) fn serialize<T: Display, S: Serializer>(name: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(name)
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<T, D::Error> {
        parsed(&String::deserialize(from)?)
    }
}

/// A name that may be absent.
pub(crate) struct Maybe;

impl Maybe {
    #[expect(clippy::ref_option, reason = "serde hands it over so")]
    pub(crate) fn serialize<T: Display, S: Serializer>(
        name: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match name {
            Some(name) => to.serialize_some(&format_args!("{name}")),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| parsed(&text)).transpose()
    }
}

/// Several names.
pub(crate) struct Several;

impl Several {
    pub(crate) fn serialize<T: Display, S: Serializer>(
        names: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(names.iter().map(ToString::to_string))
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<T>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| parsed(text)).collect()
    }
}

/// Schemas of fields that are written so: they are those of texts.
macro_rules! in_schemas {
    ($($with:ident: $text:ty),+) => {
        $(impl JsonSchema for $with {
            fn inline_schema() -> bool {
                <$text>::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                <$text>::schema_name()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$text>::json_schema(generator)
            }
        })+
    };
}

in_schemas!(One: String, Maybe: Option<String>, Several: Vec<String>);

/// Lets a type with a text be written as that text, also in schemas.
macro_rules! written_as_text {
    ($type:ty, $name:literal, $what:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                crate::api::text::One::serialize(self, to)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                crate::api::text::One::deserialize(from)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $what })
            }
        }
    };
}
pub(crate) use written_as_text;
