//! Reads any JSON value, with care for integers that no number type of Rust holds.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// The way to read an integer beyond 64 bits.
///
/// Text is read with [`Refuse`](Self::Refuse) first, which nearly always goes well. Otherwise it is read again after
/// [`crate::json::repair`] has put such integers in quotes, so that all their digits are kept, as a string. The feature
/// `arbitrary_precision` of serde_json would keep them as well, but it changes numbers for all users of serde_json in a program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wide {
    /// It is an error.
    Refuse,
    /// It is the nearest `f64`.
    Round,
}

/// The JSON of a value. Its `to_string` would add the code of the pretty printer.
pub(crate) fn text_of(value: &Value) -> String {
    serde_json::to_string(value).expect("the names in a value are text")
}

/// The name of the only member of a number, as serde_json passes it with its feature
/// `arbitrary_precision`.
pub(super) const NUMBER: &str = "$serde_json::private::Number";

/// Reads any value.
#[derive(Clone, Copy)]
pub(crate) struct AnyValue;

impl<'de> DeserializeSeed<'de> for AnyValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element_seed(self)? {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let value = access.next_value_seed(self)?;
            if name == NUMBER {
                return number_in(&value).ok_or_else(|| A::Error::custom("invalid number"));
            }
            members.insert(name, value);
        }
        Ok(members.into())
    }
}

/// The number in the text that serde_json passes for it.
fn number_in(value: &Value) -> Option<Value> {
    serde_json::from_str(value.as_str()?).ok().map(Value::Number)
}
