//! How values are read from the wire and written to it.
//!
//! A [`Codec`] says what each kind of JSON value means for one type. Reading a member never fails unless the JSON
//! itself is broken: a value that means nothing for its field is handed back and kept in the object's `extra`.

mod by_value;
mod object;
mod scalar;

use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::{Number, Value};

pub(crate) use by_value::by_value;
pub(crate) use object::{
    Key, MemberName, Object, append, object, read_in_place, read_member, wire_codec, wire_name,
    write_member,
};
pub(crate) use scalar::{Always, ErrorMember, Index, JsonText, WhenSet};

/// What was found where a `T` was expected.
pub(crate) enum Read<T> {
    /// A value whose meaning is plain.
    Known(T),
    /// Nothing: `null`, or what stands for it.
    Null,
    /// A value that means nothing here.
    Unknown(Value),
}

impl<T> Read<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Self::Known(value) => Read::Known(f(value)),
            Self::Null => Read::Null,
            Self::Unknown(value) => Read::Unknown(value),
        }
    }

    /// Puts a known value where it belongs. What says nothing erases nothing.
    pub(crate) fn put<C: Codec<T>>(self, target: &mut T) -> Read<()> {
        self.map(|value| {
            if !C::is_absent(&value) || C::is_absent(target) {
                *target = value;
            }
        })
    }
}

/// The usual way of reading and writing a type.
pub(crate) struct Plain;

/// How a `T` is read from any JSON value, and written.
pub(crate) trait Codec<T> {
    /// Whether an absent value is left out when its object is written.
    const OMIT: bool = false;

    fn boolean(value: bool) -> Read<T> {
        Read::Unknown(value.into())
    }

    fn number(value: Number) -> Read<T> {
        Read::Unknown(value.into())
    }

    fn text(value: &str) -> Read<T> {
        Read::Unknown(value.into())
    }

    fn array<'de, A: SeqAccess<'de>>(array: A) -> Result<Read<T>, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(array)).map(Read::Unknown)
    }

    fn object<'de, A: MapAccess<'de>>(object: A) -> Result<Read<T>, A::Error> {
        Ok(match Value::deserialize(MapAccessDeserializer::new(object))? {
            // With its feature `arbitrary_precision`, serde_json hands numbers over as objects.
            Value::Number(number) => Self::number(number),
            value => Read::Unknown(value),
        })
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Read<T>, D::Error>
    where
        Self: Sized,
    {
        deserializer.deserialize_any(AnyValue(PhantomData::<(T, Self)>))
    }

    /// Reads into a field, as [`Read::put`] does. An object that is large is read where it stays: handing it up
    /// through every layer costs more than reading it.
    fn read_into<'de, D: Deserializer<'de>>(
        deserializer: D,
        target: &mut T,
    ) -> Result<Read<()>, D::Error>
    where
        Self: Sized,
    {
        Self::read(deserializer).map(|read| read.put::<Self>(target))
    }

    /// Reads an element of a list, and adds it unless it means nothing.
    fn read_element<'de, D: Deserializer<'de>>(
        deserializer: D,
        list: &mut Vec<T>,
    ) -> Result<(), D::Error>
    where
        Self: Sized,
    {
        if let Read::Known(element) = Self::read(deserializer)? {
            list.push(element);
        }
        Ok(())
    }

    /// Whether the value says nothing, as if its member were not there.
    fn is_absent(value: &T) -> bool;

    /// Whether JSON has no way to write the value: a number that is not finite.
    fn is_unwritable(_value: &T) -> bool {
        false
    }

    fn write<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
    {
        value.serialize(serializer)
    }
}

/// Reads a value that stands alone, where there is no `extra` to keep what cannot be read.
pub(crate) fn read_whole<'de, T, D>(deserializer: D, expected: &str) -> Result<T, D::Error>
where
    Plain: Codec<T>,
    D: Deserializer<'de>,
{
    match Plain::read(deserializer)? {
        Read::Known(value) => Ok(value),
        Read::Null | Read::Unknown(_) => Err(D::Error::custom(format_args!("expected {expected}"))),
    }
}

/// A value as its codec reads it.
pub(crate) struct Lenient<T, C>(pub(crate) Read<T>, PhantomData<C>);

impl<'de, T, C: Codec<T>> Deserialize<'de> for Lenient<T, C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        C::read(deserializer).map(|read| Self(read, PhantomData))
    }
}

/// A value as its codec writes it.
pub(crate) struct Written<'a, T, C>(&'a T, PhantomData<C>);

impl<'a, T, C> Written<'a, T, C> {
    pub(crate) fn new(value: &'a T) -> Self {
        Self(value, PhantomData)
    }
}

impl<T: Serialize, C: Codec<T>> Serialize for Written<'_, T, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        C::write(self.0, serializer)
    }
}

struct AnyValue<T, C>(PhantomData<(T, C)>);

impl<'de, T, C: Codec<T>> Visitor<'de> for AnyValue<T, C> {
    type Value = Read<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Read::Null)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Read::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        C::read(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(C::boolean(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(C::number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(C::number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(value).map_or(Read::Null, C::number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(C::text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, array: A) -> Result<Self::Value, A::Error> {
        C::array(array)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        C::object(object)
    }
}
