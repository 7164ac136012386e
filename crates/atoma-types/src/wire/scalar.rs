//! Codecs of the plain types.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Number, Value};

use super::{Codec, Lenient, Plain, Read, Written};

impl Codec<String> for Plain {
    fn text(value: &str) -> Read<String> {
        Read::Known(value.to_owned())
    }

    fn number(value: Number) -> Read<String> {
        Read::Known(value.to_string())
    }

    fn is_absent(value: &String) -> bool {
        value.is_empty()
    }
}

impl Codec<bool> for Plain {
    fn boolean(value: bool) -> Read<bool> {
        Read::Known(value)
    }

    fn text(value: &str) -> Read<bool> {
        value.parse().map_or_else(|_| Read::Unknown(value.into()), Read::Known)
    }

    fn is_absent(value: &bool) -> bool {
        !value
    }
}

macro_rules! integer {
    ($($ty:ty)*) => { $(
        impl Codec<$ty> for Plain {
            fn number(value: Number) -> Read<$ty> {
                let known = whole(&value).and_then(|number| <$ty>::try_from(number).ok());
                known.map_or_else(|| Read::Unknown(value.into()), Read::Known)
            }

            fn text(value: &str) -> Read<$ty> {
                number_in(value).map_or_else(|| Read::Unknown(value.into()), |number| match Self::number(number) {
                    Read::Unknown(_) => Read::Unknown(value.into()),
                    read => read,
                })
            }

            fn is_absent(value: &$ty) -> bool {
                *value == 0
            }
        }
    )* };
}

integer!(u8 u32 u64 i64);

impl Codec<f64> for Plain {
    fn number(value: Number) -> Read<f64> {
        value.as_f64().map_or_else(|| Read::Unknown(value.into()), Read::Known)
    }

    fn text(value: &str) -> Read<f64> {
        number_in(value).map_or_else(|| Read::Unknown(value.into()), Self::number)
    }

    fn is_absent(value: &f64) -> bool {
        *value == 0.0
    }

    fn is_unwritable(value: &f64) -> bool {
        !value.is_finite()
    }
}

impl Codec<f32> for Plain {
    fn number(value: Number) -> Read<f32> {
        #[allow(clippy::cast_possible_truncation)]
        match value.as_f64().map(|number| number as f32) {
            Some(number) if number.is_finite() => Read::Known(number),
            _ => Read::Unknown(value.into()),
        }
    }

    fn text(value: &str) -> Read<f32> {
        number_in(value).map_or_else(|| Read::Unknown(value.into()), Self::number)
    }

    fn is_absent(value: &f32) -> bool {
        *value == 0.0
    }

    fn is_unwritable(value: &f32) -> bool {
        !value.is_finite()
    }

    /// `0.7_f32` is written `0.7`: the shortest decimal, not its nearest `f64`.
    fn write<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
        let shortest = value.to_string().parse::<f64>().map_err(S::Error::custom)?;
        serializer.serialize_f64(shortest)
    }
}

impl Codec<Value> for Plain {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Read<Value>, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Null => Read::Null,
            value => Read::Known(value),
        })
    }

    fn is_absent(value: &Value) -> bool {
        value.is_null()
    }
}

impl<T> Codec<Option<T>> for Plain
where
    Self: Codec<T>,
    T: Serialize,
{
    const OMIT: bool = true;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Read<Option<T>>, D::Error> {
        <Self as Codec<T>>::read(deserializer).map(|read| read.map(Some))
    }

    fn is_absent(value: &Option<T>) -> bool {
        value.is_none()
    }

    fn is_unwritable(value: &Option<T>) -> bool {
        value.as_ref().is_some_and(<Self as Codec<T>>::is_unwritable)
    }

    fn write<S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => <Self as Codec<T>>::write(value, serializer),
            None => serializer.serialize_none(),
        }
    }
}

impl<T> Codec<Box<T>> for Plain
where
    Self: Codec<T>,
    T: Serialize,
{
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Read<Box<T>>, D::Error> {
        <Self as Codec<T>>::read(deserializer).map(|read| read.map(Box::new))
    }

    fn is_absent(value: &Box<T>) -> bool {
        <Self as Codec<T>>::is_absent(value)
    }
}

/// A list: elements that mean nothing are passed over, and one value alone is a list of one.
impl<T> Codec<Vec<T>> for Plain
where
    Self: Codec<T>,
    T: Serialize,
{
    const OMIT: bool = true;

    fn array<'de, A: SeqAccess<'de>>(mut array: A) -> Result<Read<Vec<T>>, A::Error> {
        let mut list = Vec::new();
        while array.next_element_seed(Element::<T, Self>(&mut list, PhantomData))?.is_some() {}
        Ok(Read::Known(list))
    }

    fn object<'de, A: MapAccess<'de>>(object: A) -> Result<Read<Vec<T>>, A::Error> {
        <Self as Codec<T>>::read(MapAccessDeserializer::new(object)).map(list_of_one)
    }

    fn text(value: &str) -> Read<Vec<T>> {
        list_of_one(<Self as Codec<T>>::text(value))
    }

    fn is_absent(value: &Vec<T>) -> bool {
        value.is_empty()
    }

    fn is_unwritable(value: &Vec<T>) -> bool {
        value.iter().any(<Self as Codec<T>>::is_unwritable)
    }

    fn write<S: Serializer>(value: &Vec<T>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(value.len()))?;
        for element in value {
            list.serialize_element(&Written::<T, Self>::new(element))?;
        }
        list.end()
    }
}

/// The next element of a list; most lists have only one.
struct Element<'a, T, C>(&'a mut Vec<T>, PhantomData<C>);

impl<'de, T, C: Codec<T>> DeserializeSeed<'de> for Element<'_, T, C> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.0.is_empty() {
            self.0.reserve_exact(1);
        }
        C::read_element(deserializer, self.0)
    }
}

impl Codec<BTreeMap<String, f32>> for Plain {
    fn object<'de, A: MapAccess<'de>>(
        mut object: A,
    ) -> Result<Read<BTreeMap<String, f32>>, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((name, Lenient(read, _))) =
            object.next_entry::<String, Lenient<f32, Self>>()?
        {
            if let Read::Known(value) = read {
                map.insert(name, value);
            }
        }
        Ok(Read::Known(map))
    }

    fn is_absent(value: &BTreeMap<String, f32>) -> bool {
        value.is_empty()
    }

    fn is_unwritable(value: &BTreeMap<String, f32>) -> bool {
        value.values().any(<Self as Codec<f32>>::is_unwritable)
    }

    fn write<S: Serializer>(
        value: &BTreeMap<String, f32>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(value.len()))?;
        for (name, number) in value {
            map.serialize_entry(name, &Written::<f32, Self>::new(number))?;
        }
        map.end()
    }
}

/// A member that is written even when it is an empty list.
pub(crate) struct Always;

impl<T: Serialize> Codec<Vec<T>> for Always
where
    Plain: Codec<T>,
{
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Read<Vec<T>>, D::Error> {
        <Plain as Codec<Vec<T>>>::read(deserializer)
    }

    fn is_absent(value: &Vec<T>) -> bool {
        value.is_empty()
    }

    fn write<S: Serializer>(value: &Vec<T>, serializer: S) -> Result<S::Ok, S::Error> {
        <Plain as Codec<Vec<T>>>::write(value, serializer)
    }
}

/// A member that is left out when it says nothing.
pub(crate) struct WhenSet;

impl<T: Serialize> Codec<T> for WhenSet
where
    Plain: Codec<T>,
{
    const OMIT: bool = true;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Read<T>, D::Error> {
        Plain::read(deserializer)
    }

    fn is_absent(value: &T) -> bool {
        Plain::is_absent(value)
    }

    fn write<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        Plain::write(value, serializer)
    }
}

/// A member that tells an error.
pub(crate) struct ErrorMember;

/// A position: below zero counts as zero, beyond `u32` as the greatest.
pub(crate) struct Index;

impl Codec<u32> for Index {
    fn number(value: Number) -> Read<u32> {
        let index = whole(&value).map(|number| u32::try_from(number.max(0)).unwrap_or(u32::MAX));
        index.map_or_else(|| Read::Unknown(value.into()), Read::Known)
    }

    fn text(value: &str) -> Read<u32> {
        number_in(value).map_or_else(|| Read::Unknown(value.into()), Self::number)
    }

    fn is_absent(value: &u32) -> bool {
        *value == 0
    }
}

/// A string that holds JSON: any other value that stands in its place is put into text.
pub(crate) struct JsonText;

impl Codec<String> for JsonText {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Read<String>, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Null => Read::Null,
            Value::String(text) => Read::Known(text),
            value => Read::Known(value.to_string()),
        })
    }

    fn is_absent(value: &String) -> bool {
        value.is_empty()
    }
}

impl Codec<Option<String>> for JsonText {
    const OMIT: bool = true;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Read<Option<String>>, D::Error> {
        <Self as Codec<String>>::read(deserializer).map(|read| read.map(Some))
    }

    fn is_absent(value: &Option<String>) -> bool {
        value.is_none()
    }
}

fn list_of_one<T>(read: Read<T>) -> Read<Vec<T>> {
    read.map(|element| vec![element])
}

/// The whole number that a JSON number means; a fraction is cut off.
fn whole(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_u64() {
        return Some(number.into());
    }
    if let Some(number) = number.as_i64() {
        return Some(number.into());
    }
    #[allow(clippy::cast_possible_truncation)]
    number.as_f64().map(|number| number as i128)
}

/// The number that a string holds.
fn number_in(text: &str) -> Option<Number> {
    serde_json::from_str(text.trim()).ok()
}
