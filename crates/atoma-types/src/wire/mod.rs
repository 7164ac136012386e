//! Reading values from the wire and writing them to it.
//!
//! A [`Codec`] defines the meaning of each kind of JSON value for one type. Reading a member never
//! fails unless the JSON itself is broken: a value that does not fit its field is returned and kept
//! in the object's `extra`.
//!
//! The models are compiled once: they read from [`Members`] and [`Elements`], and are written as
//! [`Piece`]s, for any deserializer or serializer of serde. Compiled for each of those, they would
//! be most of a small program.

mod by_value;
mod interface;
mod list;
mod member;
mod number;
mod object;
mod read;
mod scalar;
mod text;
mod value;
mod write;
mod write_json;

pub(crate) use by_value::{by_value, by_value_type};
pub(crate) use interface::{
    Elements, List, MemberSource, Members, Model, Name, Object, Piece, ReadObject, Rest, Scalar,
    Stopped, Tagged, WriteObject, is_set, read_members, settle, whole,
};
pub(crate) use list::{Aligned, Bytes, Vector};
pub(crate) use member::{ErrorMember, Finish, Index, JsonText, NonEmpty, Sent};
pub(crate) use object::{object, wire_codec, wire_name, wire_omit};
pub(crate) use read::read;
pub(crate) use scalar::Boxed;
use serde::de::{Deserializer, Error};
use std::marker::PhantomData;
pub(crate) use text::{read_some, read_text, read_value};
pub(crate) use value::{Wide, text_of};
pub(crate) use write_json::write_json;

/// The result of reading a `T`.
pub(crate) enum Read<T = ()> {
    /// A value whose meaning is plain.
    Known(T),
    /// `null`, or a value that means the same.
    Null,
    /// A value that does not fit here. Its owner keeps it.
    Unknown,
}

impl<T> Read<T> {
    pub(crate) fn known(value: Option<T>) -> Self {
        value.map_or(Self::Unknown, Self::Known)
    }

    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Self::Known(value) => Read::Known(f(value)),
            Self::Null => Read::Null,
            Self::Unknown => Read::Unknown,
        }
    }

    /// Stores the value, unless it is empty and the target already has one.
    pub(crate) fn put<C: Codec<T>>(self, target: &mut T) -> Read {
        self.map(|value| {
            if !C::is_absent(&value) || C::is_absent(target) {
                *target = value;
            }
        })
    }
}

/// The usual way of reading and writing a type.
pub(crate) struct Plain;

/// Reads a `T` from any JSON value, and writes it. JSON kinds that a codec does not override are
/// rejected (and kept in `extra`).
pub(crate) trait Codec<T> {
    /// Whether an absent value is left out when its object is written.
    const OMIT: bool = false;

    fn scalar(_value: Scalar<'_>) -> Read<T> {
        Read::Unknown
    }

    fn array(_elements: &mut dyn Elements) -> Result<Read<T>, Stopped> {
        Ok(Read::Unknown)
    }

    fn object(_members: &mut dyn Members) -> Result<Read<T>, Stopped> {
        Ok(Read::Unknown)
    }

    /// Reads the value of a member into its field.
    fn read_member(members: &mut dyn Members, target: &mut T) -> Result<Read, Stopped>
    where
        Self: Sized,
    {
        members.value(&mut Field::<T, Self>::new(target))
    }

    /// Reads an object into a field, as [`Read::put`] does. One that is large is read where it stays: handing it up
    /// through every layer costs more than reading it.
    fn object_into(members: &mut dyn Members, target: &mut T) -> Result<Read, Stopped>
    where
        Self: Sized,
    {
        Self::object(members).map(|read| read.put::<Self>(target))
    }

    /// Reads an object at the end of a list.
    fn object_onto(members: &mut dyn Members, list: &mut Vec<T>) -> Result<Read, Stopped> {
        Self::object(members).map(|read| read.map(|element| list.push(element)))
    }

    /// Returns whether the value is empty, as if its member were not there.
    fn is_absent(value: &T) -> bool;

    /// Returns the value in the form in which it is written.
    fn piece(value: &T) -> Piece<'_>;
}

/// The target of a value: one of these methods is called, depending on the value's kind.
pub(crate) trait Target {
    fn scalar(&mut self, value: Scalar<'_>) -> Read;
    fn array(&mut self, elements: &mut dyn Elements) -> Result<Read, Stopped>;
    fn object(&mut self, members: &mut dyn Members) -> Result<Read, Stopped>;
}

/// A value read into its field.
pub(crate) struct Field<'a, T, C>(&'a mut T, PhantomData<C>);

impl<'a, T, C> Field<'a, T, C> {
    pub(crate) fn new(target: &'a mut T) -> Self {
        Self(target, PhantomData)
    }
}

impl<T, C: Codec<T>> Target for Field<'_, T, C> {
    fn scalar(&mut self, value: Scalar<'_>) -> Read {
        C::scalar(value).put::<C>(self.0)
    }

    fn array(&mut self, elements: &mut dyn Elements) -> Result<Read, Stopped> {
        C::array(elements).map(|read| read.put::<C>(self.0))
    }

    fn object(&mut self, members: &mut dyn Members) -> Result<Read, Stopped> {
        C::object_into(members, self.0)
    }
}

/// Reads a value that is not a member: there is no `extra` to keep it if it cannot be read.
pub(crate) fn read_whole<'de, T, D>(deserializer: D, expected: &str) -> Result<T, D::Error>
where
    Plain: Codec<T>,
    D: Deserializer<'de>,
{
    let mut value = None;
    read(deserializer, &mut Field::<_, Plain>::new(&mut value))?;
    value.ok_or_else(|| D::Error::custom(format_args!("expected {expected}")))
}
