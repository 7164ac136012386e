//! Connects serde's deserializers to the interfaces of the models, which have no type parameters.
//!
//! A model is compiled once, a deserializer of serde for each input. This file is the seam: everything with a type parameter is
//! here and small; it turns serde's visitor calls into calls of `dyn Target`, and serde's accesses into `dyn Members` and
//! `dyn Elements`.
//!
//! ```text
//! Deserializer ─► Any (Visitor) ─┬─ a scalar ─► Target::scalar
//!                                ├─ a list ───► Source as Elements ─► Target::array  ─┐ Elements::next
//!                                └─ an object ► Source as Members ──► Target::object ─┤ Members::value
//!                                    ▲                                                │
//!                                    └──────── Any, for the value inside ◄────────────┘
//! ```
//!
//! Two results travel back besides the value. A value that does not fit is left in `unknown`, where the object around it finds it
//! for its `extra`. An error of serde cannot pass through `dyn`, so it stays in the `Source` while [`Stopped`] travels.

use super::{
    Elements, MemberSource, Members, Name, Read, ReadObject, Rest, Scalar, Stopped, Target,
    read_members, value::AnyValue,
};
use serde::de::{
    DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor,
    value::{MapAccessDeserializer, SeqAccessDeserializer},
};
use serde_json::{Number, Value};

/// Reads a value; an unknown one is skipped.
pub(crate) fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
    target: &mut dyn Target,
) -> Result<Read, D::Error> {
    deserializer.deserialize_any(Any { target, unknown: &mut None })
}

/// Passes a value to a target, and keeps it if it is unknown.
struct Any<'a> {
    /// Receives the value.
    target: &'a mut dyn Target,
    /// Set if the target does not know the value.
    unknown: &'a mut Option<Box<Value>>,
}

impl Any<'_> {
    /// Keeps a value that the target did not know. It is built only then.
    #[inline]
    fn keep<E>(self, read: Read, value: impl Into<Value>) -> Result<Read, E> {
        if matches!(read, Read::Unknown) {
            *self.unknown = Some(Box::new(value.into()));
        }
        Ok(read)
    }
}

impl<'de> DeserializeSeed<'de> for Any<'_> {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Read, E> {
        Ok(Read::Null)
    }

    fn visit_none<E>(self) -> Result<Read, E> {
        Ok(Read::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Read, E> {
        let read = self.target.scalar(Scalar::Boolean(value));
        self.keep(read, value)
    }

    fn visit_u64<E>(self, value: u64) -> Result<Read, E> {
        let read = self.target.scalar(Scalar::Number(&value.into()));
        self.keep(read, value)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Read, E> {
        let read = self.target.scalar(Scalar::Number(&value.into()));
        self.keep(read, value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Read, E> {
        // The other methods get exact numbers; an integer beyond 64 bits arrives here, rounded.
        // Not finite: other formats than JSON have such numbers.
        let Some(number) = Number::from_f64(value) else { return Ok(Read::Null) };
        let read = self.target.scalar(Scalar::Number(&number));
        self.keep(read, number)
    }

    #[inline]
    fn visit_str<E>(self, value: &str) -> Result<Read, E> {
        let read = self.target.scalar(Scalar::Text(value));
        self.keep(read, value)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, access: A) -> Result<Read, A::Error> {
        // A function pointer, since `Source` serves both kinds of access, which have no trait in common.
        let rest = |access: &mut A| AnyValue.deserialize(SeqAccessDeserializer::new(access));
        let mut source = Source { access, rest, unknown: None, error: None };
        let mut read = self.target.array(&mut source);
        // The target returned the list, or did not begin to read it: either way it is still whole.
        if let Ok(Read::Unknown) = read {
            read = source.hand_on(&mut self);
        }
        source.end(read)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, access: A) -> Result<Read, A::Error> {
        let rest = |access: &mut A| AnyValue.deserialize(MapAccessDeserializer::new(access));
        let mut source = Source { access, rest, unknown: None, error: None };
        let mut read = self.target.object(&mut source);
        if let Ok(Read::Unknown) = read {
            read = source.hand_on(&mut self);
        }
        source.end(read)
    }
}

/// The name under which serde_json passes the text of a value, as it does for its `RawValue`. Other
/// deserializers pass the value itself, and so would a serde_json with another name.
const RAW: &str = "$serde_json::private::RawValue";

/// Passes the text of a value to a function, or the value to a target.
struct Raw<'a> {
    /// Reads the text; false if it does not know it.
    read: &'a mut dyn FnMut(&str) -> bool,
    /// The way that is taken otherwise.
    any: Any<'a>,
}

impl<'de> DeserializeSeed<'de> for Raw<'_> {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        deserializer.deserialize_newtype_struct(RAW, self)
    }
}

impl<'de> Visitor<'de> for Raw<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON value")
    }

    // Another deserializer: it does not know the name and passes the value.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        deserializer.deserialize_any(self.any)
    }

    fn visit_unit<E>(self) -> Result<Read, E> {
        Ok(Read::Null)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Read, E> {
        self.any.visit_str(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Read, A::Error> {
        self.any.visit_seq(access)
    }

    // serde_json: an object with the one member [`RAW`].
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Read, A::Error> {
        let names = Names { place: |name| (name == RAW).then_some(0) };
        if let Some(Name::Known(_)) = access.next_key_seed(names)? {
            return access.next_value_seed(RawText(self));
        }
        Err(A::Error::custom("expected a list"))
    }
}

/// The text of a value.
struct RawText<'a>(Raw<'a>);

impl<'de> DeserializeSeed<'de> for RawText<'_> {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for RawText<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the text of a JSON value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Read, E> {
        if (self.0.read)(text) {
            return Ok(Read::Known(()));
        }
        // The text has been taken from the input, so the value is read from the text itself.
        let mut deserializer = serde_json::Deserializer::from_str(text);
        deserializer.deserialize_any(self.0.any).map_err(E::custom)
    }
}

/// serde's access to members or elements.
struct Source<A, E> {
    /// serde's own access.
    access: A,
    /// Reads all that is left as a value.
    rest: fn(&mut A) -> Result<Value, E>,
    /// The last unknown value: of a member, or of everything that is read here.
    unknown: Option<Box<Value>>,
    /// Why reading stopped.
    error: Option<E>,
}

impl<A, E: Error> Source<A, E> {
    /// Keeps an error here, since the caller behind `dyn` cannot name its type.
    fn keep<T>(&mut self, read: Result<T, E>) -> Result<T, Stopped> {
        read.map_err(|error| {
            self.error = Some(error);
            Stopped
        })
    }

    /// Passes on the whole unknown value: one that was returned, or has not been begun.
    #[cold]
    fn hand_on(&mut self, to: &mut Any<'_>) -> Result<Read, Stopped> {
        let value = match self.unknown.take() {
            Some(value) => *value,
            None => self.rest()?,
        };
        // With its feature `arbitrary_precision`, serde_json passes numbers as objects.
        if let Value::Number(number) = &value {
            let read = to.target.scalar(Scalar::Number(number));
            if !matches!(read, Read::Unknown) {
                return Ok(read);
            }
        }
        // One level up, for the object around this value.
        *to.unknown = Some(Box::new(value));
        Ok(Read::Unknown)
    }

    /// Returns the result, with the error that was kept.
    fn end(self, read: Result<Read, Stopped>) -> Result<Read, E> {
        read.map_err(|Stopped| self.error.unwrap_or_else(|| E::custom("reading stopped")))
    }
}

impl<A, E: Error> Rest for Source<A, E> {
    fn rest(&mut self) -> Result<Value, Stopped> {
        let value = (self.rest)(&mut self.access);
        self.keep(value)
    }

    fn give_back(&mut self, value: Value) {
        self.unknown = Some(Box::new(value));
    }
}

impl<'de, A: MapAccess<'de>> MemberSource for Source<A, A::Error> {
    fn name(&mut self, place: fn(&str) -> Option<usize>) -> Result<Option<Name>, Stopped> {
        let name = self.access.next_key_seed(Names { place });
        self.keep(name)
    }

    fn any_value(&mut self) -> Result<Value, Stopped> {
        let value = self.access.next_value_seed(AnyValue);
        self.keep(value)
    }

    fn take_unknown(&mut self) -> Option<Box<Value>> {
        self.unknown.take()
    }
}

impl<'de, A: MapAccess<'de>> Members for Source<A, A::Error> {
    fn read_into(&mut self, object: &mut dyn ReadObject) -> Result<(), Stopped> {
        read_members(self, object)
    }

    fn value(&mut self, target: &mut dyn Target) -> Result<Read, Stopped> {
        let read = self.access.next_value_seed(Any { target, unknown: &mut self.unknown });
        self.keep(read)
    }

    fn value_in_text(
        &mut self,
        read: &mut dyn FnMut(&str) -> bool,
        target: &mut dyn Target,
    ) -> Result<Read, Stopped> {
        let any = Any { target, unknown: &mut self.unknown };
        let read = self.access.next_value_seed(Raw { read, any });
        self.keep(read)
    }
}

impl<'de, A: SeqAccess<'de>> Elements for Source<A, A::Error> {
    fn next(&mut self, target: &mut dyn Target) -> Result<bool, Stopped> {
        let read = self.access.next_element_seed(Any { target, unknown: &mut self.unknown });
        self.keep(read).map(|read| read.is_some())
    }
}

/// Finds the place of a name, or keeps it.
struct Names {
    place: fn(&str) -> Option<usize>,
}

impl<'de> DeserializeSeed<'de> for Names {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Names {
    type Value = Name;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name of a member")
    }

    #[inline]
    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(Name::find(name, self.place))
    }
}
