//! Codecs of the plain types.
//!
//! Servers disagree about the kind of simple values. A value is accepted where its meaning is plain, and kept in `extra` where it
//! is not:
//!
//! ```text
//! field      JSON on the wire                          value
//! String     "abc"  7                                  "abc", "7"
//! bool       true  "true"                              1 is kept in `extra`
//! integers   3  3.0  "3"                               3; -1 in an unsigned field is kept in `extra`
//! f64        0.5  "0.5"  "-Infinity"                   the last is f64::MIN, since JSON cannot write infinity
//! Option<T>  null, or absent                           None
//! Vec<T>     [a, null, b]  a                           [a, b], [a]
//! ```
//!
//! Each codec also defines when its value is absent: such a member may be left out when its object is written.

use super::{
    Codec, Elements, Members, Model, Piece, Plain, Read, Scalar, Stopped, Target,
    by_value::by_value, text::read_number, whole,
};
use serde_json::{Number, Value};
use std::{collections::BTreeMap, marker::PhantomData};

impl Scalar<'_> {
    /// The text, or the number as text.
    pub(crate) fn text(self) -> Option<String> {
        match self {
            Self::Boolean(_) => None,
            Self::Number(number) => Some(number.to_string()),
            Self::Text(text) => Some(text.to_owned()),
        }
    }

    /// The number, or the one that the text holds.
    fn float(self) -> Option<f64> {
        match self {
            Self::Boolean(_) => None,
            Self::Number(number) => number.as_f64(),
            Self::Text(text) => infinity_in(text).or_else(|| number_in(text)?.as_f64()),
        }
    }

    /// The same as a whole number; a fraction is cut off.
    #[inline]
    pub(crate) fn whole_number(self) -> Option<i128> {
        match self {
            Self::Boolean(_) => None,
            Self::Number(number) => whole_number(number),
            Self::Text(text) => whole_number(&number_in(text)?),
        }
    }
}

impl From<Scalar<'_>> for Value {
    fn from(value: Scalar<'_>) -> Self {
        match value {
            Scalar::Boolean(value) => value.into(),
            Scalar::Number(number) => number.clone().into(),
            Scalar::Text(text) => text.into(),
        }
    }
}

/// Numbers are accepted: some servers number their ids.
impl Codec<String> for Plain {
    fn scalar(value: Scalar<'_>) -> Read<String> {
        Read::known(value.text())
    }

    fn is_absent(value: &String) -> bool {
        value.is_empty()
    }

    fn piece(value: &String) -> Piece<'_> {
        Piece::Text(value)
    }
}

/// Numbers are not accepted: 0 and 1 may count something.
impl Codec<bool> for Plain {
    fn scalar(value: Scalar<'_>) -> Read<bool> {
        match value {
            Scalar::Boolean(value) => Read::Known(value),
            Scalar::Number(_) => Read::Unknown,
            Scalar::Text(text) => Read::known(text.parse().ok()),
        }
    }

    fn is_absent(value: &bool) -> bool {
        !value
    }

    fn piece(value: &bool) -> Piece<'_> {
        Piece::Boolean(*value)
    }
}

/// Integers. A number out of range does not fit; a fraction is cut off, since some servers write all numbers as floats.
macro_rules! integer {
    ($($ty:ty: $piece:ident)*) => { $(
        impl Codec<$ty> for Plain {
            fn scalar(value: Scalar<'_>) -> Read<$ty> {
                let number = value.whole_number();
                Read::known(number.and_then(|number| <$ty>::try_from(number).ok()))
            }

            fn is_absent(value: &$ty) -> bool {
                *value == 0
            }

            fn piece(value: &$ty) -> Piece<'_> {
                Piece::$piece((*value).into())
            }
        }
    )* };
}

integer!(u8: Unsigned u32: Unsigned u64: Unsigned i64: Signed);

/// Floats. One that is not finite is not written: JSON has no word for it.
impl Codec<f64> for Plain {
    fn scalar(value: Scalar<'_>) -> Read<f64> {
        Read::known(value.float())
    }

    fn is_absent(value: &f64) -> bool {
        *value == 0.0
    }

    fn piece(value: &f64) -> Piece<'_> {
        if value.is_finite() { Piece::Float(*value) } else { Piece::Unwritable }
    }
}

/// Floats of 32 bits, read from their digits where there are any.
impl Codec<f32> for Plain {
    fn scalar(value: Scalar<'_>) -> Read<f32> {
        #[allow(clippy::cast_possible_truncation)]
        let number = match value {
            // Its digits give the nearest `f32`, which the nearest `f64` may not.
            Scalar::Text(text) if number_in(text).is_some() => text.trim_ascii().parse().ok(),
            value => value.float().map(|number| number as f32),
        };
        // A number beyond the range would come back as another one.
        Read::known(number.filter(|number| number.is_finite()))
    }

    fn is_absent(value: &f32) -> bool {
        *value == 0.0
    }

    /// `0.7_f32` is written `0.7`: the shortest decimal, not its nearest `f64`.
    fn piece(value: &f32) -> Piece<'_> {
        if !value.is_finite() {
            return Piece::Unwritable;
        }
        // Written with the digits of the `f32`, then read as an `f64`: 0.7 instead of 0.699999988079071.
        let shortest = serde_json::to_string(value).ok().and_then(|text| number_in(&text));
        Piece::Float(shortest.and_then(|number| number.as_f64()).unwrap_or_else(|| (*value).into()))
    }
}

/// Any value, as it is.
impl Codec<Value> for Plain {
    by_value!(Value, Ok);

    fn is_absent(value: &Value) -> bool {
        value.is_null()
    }

    fn piece(value: &Value) -> Piece<'_> {
        Piece::Value(value)
    }
}

/// A value that may be absent. `null` is absent as well, and is not written.
impl<T> Codec<Option<T>> for Plain
where
    Self: Codec<T>,
{
    const OMIT: bool = true;

    fn scalar(value: Scalar<'_>) -> Read<Option<T>> {
        <Self as Codec<T>>::scalar(value).map(Some)
    }

    fn array(elements: &mut dyn Elements) -> Result<Read<Option<T>>, Stopped> {
        <Self as Codec<T>>::array(elements).map(|read| read.map(Some))
    }

    fn object(members: &mut dyn Members) -> Result<Read<Option<T>>, Stopped> {
        <Self as Codec<T>>::object(members).map(|read| read.map(Some))
    }

    fn is_absent(value: &Option<T>) -> bool {
        value.is_none()
    }

    fn piece(value: &Option<T>) -> Piece<'_> {
        value.as_ref().map_or(Piece::Null, <Self as Codec<T>>::piece)
    }
}

/// An object that is kept apart, and read where it stays.
pub(crate) struct Boxed;

impl<T: Model> Codec<Option<Box<T>>> for Boxed {
    const OMIT: bool = true;

    fn object(members: &mut dyn Members) -> Result<Read<Option<Box<T>>>, Stopped> {
        let mut object = Box::<T>::default();
        members.read_into(&mut *object)?;
        Ok(Read::Known(Some(object)))
    }

    fn is_absent(value: &Option<Box<T>>) -> bool {
        value.is_none()
    }

    fn piece(value: &Option<Box<T>>) -> Piece<'_> {
        value.as_deref().map_or(Piece::Null, <Plain as Codec<T>>::piece)
    }
}

/// A list. Elements without meaning are skipped, and a single value is a list of one.
impl<T> Codec<Vec<T>> for Plain
where
    Self: Codec<T>,
{
    const OMIT: bool = true;

    fn array(elements: &mut dyn Elements) -> Result<Read<Vec<T>>, Stopped> {
        let mut list = Vec::new();
        // Elements that do not fit are skipped without a trace: a list has no `extra` to keep them.
        while elements.next(&mut Element::<T, Self>(&mut list, PhantomData))? {}
        Ok(Read::Known(list))
    }

    fn object(members: &mut dyn Members) -> Result<Read<Vec<T>>, Stopped> {
        // A single object in place of a list of one.
        let mut list = Vec::new();
        let read = Element::<T, Self>(&mut list, PhantomData).object(members)?;
        Ok(read.map(|()| list))
    }

    fn scalar(value: Scalar<'_>) -> Read<Vec<T>> {
        match value {
            Scalar::Text(_) => <Self as Codec<T>>::scalar(value).map(|element| vec![element]),
            // Only text: a number in place of a list is more likely a count.
            _ => Read::Unknown,
        }
    }

    fn is_absent(value: &Vec<T>) -> bool {
        value.is_empty()
    }

    fn piece(value: &Vec<T>) -> Piece<'_> {
        Piece::List(value)
    }
}

/// The size in bytes from which on an element is large.
///
/// An empty `Vec` makes room for four elements when it first grows.
const LARGE: usize = 128;

/// The next element of a list.
struct Element<'a, T, C>(&'a mut Vec<T>, PhantomData<C>);

impl<T, C: Codec<T>> Element<'_, T, C> {
    /// Adds an element that fits.
    fn add(&mut self, read: Read<T>) -> Read {
        read.map(|element| {
            self.make_room();
            self.0.push(element);
        })
    }

    /// Makes room for one large element, since nearly every response has one choice; small ones grow as usual.
    fn make_room(&mut self) {
        if size_of::<T>() > LARGE && self.0.is_empty() {
            self.0.reserve_exact(1);
        }
    }
}

impl<T, C: Codec<T>> Target for Element<'_, T, C> {
    fn scalar(&mut self, value: Scalar<'_>) -> Read {
        self.add(C::scalar(value))
    }

    fn array(&mut self, elements: &mut dyn Elements) -> Result<Read, Stopped> {
        C::array(elements).map(|read| self.add(read))
    }

    fn object(&mut self, members: &mut dyn Members) -> Result<Read, Stopped> {
        self.make_room();
        C::object_onto(members, self.0)
    }
}

/// Numbers by name, such as the scores of a moderation. Members that are not numbers are skipped.
impl Codec<BTreeMap<String, f32>> for Plain {
    fn object(members: &mut dyn Members) -> Result<Read<BTreeMap<String, f32>>, Stopped> {
        whole(members, |value| match value {
            Value::Object(members) => {
                let mut numbers = BTreeMap::new();
                for (name, value) in members {
                    if let Some(number) = number_of(&value) {
                        numbers.insert(name, number);
                    }
                }
                Ok(numbers)
            }
            value => Err(value),
        })
    }

    fn is_absent(value: &BTreeMap<String, f32>) -> bool {
        value.is_empty()
    }

    fn piece(value: &BTreeMap<String, f32>) -> Piece<'_> {
        // Writing fails then: a map without one of its numbers would be another map.
        if value.values().all(|number| number.is_finite()) {
            Piece::Numbers(value)
        } else {
            Piece::Unwritable
        }
    }
}

/// The number in a value or in its text.
fn number_of(value: &Value) -> Option<f32> {
    let read = match value {
        Value::Number(number) => Plain::scalar(Scalar::Number(number)),
        Value::String(text) => Plain::scalar(Scalar::Text(text)),
        _ => Read::Unknown,
    };
    if let Read::Known(number) = read { Some(number) } else { None }
}

/// Returns the whole number that a JSON number means; a fraction is cut off.
fn whole_number(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_u64() {
        return Some(number.into());
    }
    // Negative, or it would have been a `u64`.
    if let Some(number) = number.as_i64() {
        return Some(number.into());
    }
    #[allow(clippy::cast_possible_truncation)]
    number.as_f64().map(|number| number as i128)
}

/// The greatest or least number, where a string says infinity: Python servers write their floats so.
fn infinity_in(text: &str) -> Option<f64> {
    let (size, number) = match text.trim_ascii().strip_prefix('-') {
        Some(size) => (size, f64::MIN),
        None => (text.trim_ascii(), f64::MAX),
    };
    let is_infinite = ["inf", "infinity"].iter().any(|name| size.eq_ignore_ascii_case(name));
    is_infinite.then_some(number)
}

/// The number that a string holds.
fn number_in(text: &str) -> Option<Number> {
    let text = text.trim_ascii();
    // Text that is not a number is rejected before it is read: nearly all text.
    let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    if is_number { read_number(text) } else { None }
}
