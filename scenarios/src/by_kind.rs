//! Values of several kinds as they travel and are documented: `{"post": {"to": …}}`, and a table of
//! fields for each kind.
//!
//! Owns what registries of kinds have in common. Which kinds there are is theirs.

use std::fmt;
use std::marker::PhantomData;

use schemars::Schema;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserializer, Serializer};
use serde_json::{Value, json};

/// A value of any of several kinds.
pub trait ByKind: Sized {
    /// What such a value is called.
    const WHAT: &'static str;

    /// The name of its kind.
    fn kind(&self) -> &'static str;

    /// Its fields.
    ///
    /// # Errors
    /// Fields that JSON cannot express.
    fn to_json(&self) -> serde_json::Result<Value>;

    /// The value of the kind `name` with these fields, `None` if there is no such kind.
    ///
    /// # Errors
    /// Fields that are not those of the kind.
    fn from_json(name: &str, fields: Value) -> Option<serde_json::Result<Self>>;
}

/// Writes a value under the name of its kind.
///
/// # Errors
/// Those of the serializer, and of [`ByKind::to_json`].
pub fn serialize<T: ByKind, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let fields = value.to_json().map_err(S::Error::custom)?;
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(value.kind(), &fields)?;
    map.end()
}

/// Reads what [`serialize`] writes.
///
/// # Errors
/// No kind, an unknown one, or fields that are not its own.
pub fn deserialize<'de, T: ByKind, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(OneKind(PhantomData))
}

struct OneKind<T>(PhantomData<T>);

impl<'de, T: ByKind> Visitor<'de> for OneKind<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} by its kind", T::WHAT)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let entry: Option<(String, Value)> = map.next_entry()?;
        let without = || A::Error::custom(format!("a {} without a kind", T::WHAT));
        let (name, fields) = entry.ok_or_else(without)?;
        let unknown = || A::Error::custom(format!("no {} \"{name}\"", T::WHAT));
        T::from_json(&name, fields)
            .ok_or_else(unknown)?
            .map_err(A::Error::custom)
    }
}

/// Adds fields that all kinds have to the documented ones of a kind.
pub fn add_fields(fields: &mut Schema, more: &Schema) {
    let more = more.as_value().get("properties");
    let object = fields.ensure_object();
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    if let (Some(properties), Some(more)) =
        (properties.as_object_mut(), more.and_then(Value::as_object))
    {
        properties.extend(more.clone());
    }
}

/// Adds `kind`, which is required and goes first, to the documented fields of a kind.
pub fn with_kind(kind: &str, mut fields: Schema) -> Schema {
    let object = fields.ensure_object();
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        let tag = json!({ "type": "string", "const": kind });
        properties.insert("kind".to_owned(), tag);
    }
    let required = object.entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        required.insert(0, json!("kind"));
    }
    fields
}
