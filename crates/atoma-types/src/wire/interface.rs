//! The interfaces between the layers: models are read from them and written as them, without type
//! parameters.

use super::{Read, Target};
use crate::Extra;
use serde_json::{Number, Value};
use std::collections::BTreeMap;

/// Reading stopped; the owner of the members or elements has kept the reason.
pub(crate) struct Stopped;

/// A list or an object that is being read.
pub(crate) trait Rest {
    /// All that is left of it, as a value.
    fn rest(&mut self) -> Result<Value, Stopped>;

    /// Returns a value that does not fit.
    fn give_back(&mut self, value: Value);
}

/// The members of an object that is being read.
pub(crate) trait Members: Rest {
    /// Reads them into the fields of an object; values that do not fit, and members without a
    /// field, into its `extra`.
    fn read_into(&mut self, object: &mut dyn ReadObject) -> Result<(), Stopped>;

    /// Reads the value of the member that [`ReadObject::read_at`] is called for.
    fn value(&mut self, target: &mut dyn Target) -> Result<Read, Stopped>;

    /// The same, but first passes the JSON text of the value to `read`, if there is one. The target
    /// is used if there is none, or if `read` returns false.
    fn value_in_text(
        &mut self,
        read: &mut dyn FnMut(&str) -> bool,
        target: &mut dyn Target,
    ) -> Result<Read, Stopped>;
}

/// The elements of a list that is being read.
pub(crate) trait Elements: Rest {
    /// Reads the next element, if there is one.
    fn next(&mut self, target: &mut dyn Target) -> Result<bool, Stopped>;
}

/// Reads a list or an object as a whole through a function that returns values that do not fit as
/// an error.
pub(crate) fn whole<T>(
    source: &mut (impl Rest + ?Sized),
    read: fn(Value) -> Result<T, Value>,
) -> Result<Read<T>, Stopped> {
    Ok(match read(source.rest()?) {
        Ok(value) => Read::Known(value),
        Err(value) => {
            source.give_back(value);
            Read::Unknown
        }
    })
}

/// The name of a member.
pub(crate) enum Name {
    /// A known one, by its place.
    Known(usize),
    /// Any other, which is kept.
    Other(String),
}

impl Name {
    #[inline]
    pub(crate) fn find(name: &str, place: fn(&str) -> Option<usize>) -> Self {
        place(name).map_or_else(|| Self::Other(name.to_owned()), Self::Known)
    }
}

/// Where [`read_members`] gets the members of an object from.
pub(crate) trait MemberSource: Members {
    /// The name of the next member, if there is one.
    fn name(&mut self, place: fn(&str) -> Option<usize>) -> Result<Option<Name>, Stopped>;

    /// Returns the value of the member named last, of any kind.
    fn any_value(&mut self) -> Result<Value, Stopped>;

    /// Takes the value that last did not fit its field.
    fn take_unknown(&mut self) -> Option<Box<Value>>;
}

/// Reads members as [`Members::read_into`] does.
pub(crate) fn read_members<M: MemberSource>(
    members: &mut M,
    object: &mut dyn ReadObject,
) -> Result<(), Stopped> {
    let place = object.place();
    let mut seen = 0;
    while let Some(name) = members.name(place)? {
        match name {
            Name::Known(place) => match object.read_at(place, members)? {
                Read::Known(()) => seen |= 1 << place,
                Read::Null => {}
                Read::Unknown => put_aside(members.take_unknown(), object, place),
            },
            Name::Other(name) => {
                let value = members.any_value()?;
                object.extra_mut().push(name, value);
            }
        }
    }
    if !object.extra().is_empty() {
        settle(object.as_object());
    }
    object.after_reading(seen);
    // A field may have been set now whose member could not be read.
    if !object.extra().is_empty() {
        settle(object.as_object());
    }
    Ok(())
}

/// Puts a value that does not fit its field among the extra members.
#[cold]
fn put_aside(unknown: Option<Box<Value>>, object: &mut dyn ReadObject, place: usize) {
    if let Some(value) = unknown {
        let name = object.names()[place];
        object.extra_mut().push(name.to_owned(), *value);
    }
}

/// A value that is neither `null` nor holds others.
#[derive(Clone, Copy)]
pub(crate) enum Scalar<'a> {
    Boolean(bool),
    Number(&'a Number),
    Text(&'a str),
}

/// An object with fields and extra members. A field's place is its position among the members.
///
/// Reading and writing are separate traits, so that a program that only reads a model does not contain the code that writes it.
pub(crate) trait Object {
    /// The names of its fields on the wire, by their places.
    fn names(&self) -> &'static [&'static str];

    fn is_set_at(&self, place: usize) -> bool;

    fn extra(&self) -> &Extra;

    fn extra_mut(&mut self) -> &mut Extra;
}

/// A type that is read member by member.
pub(crate) trait ReadObject: Object {
    /// Finds the place of a name, or of another name for the same.
    fn place(&self) -> fn(&str) -> Option<usize>;

    /// Reads the value of the member named last into its field.
    fn read_at(&mut self, place: usize, members: &mut dyn Members) -> Result<Read, Stopped>;

    /// Called when all members have been read. `seen` has a bit for each place whose member had a value.
    fn after_reading(&mut self, _seen: u32) {}

    /// Makes it empty again, after reading has stopped.
    fn clear(&mut self);

    fn as_object(&mut self) -> &mut dyn Object;
}

/// A type that is written member by member.
pub(crate) trait WriteObject: Object {
    /// Passes each field to `write` by its name on the wire, with whether it is set; in one call,
    /// since most are absent and left out.
    fn pieces(&self, write: &mut dyn FnMut(&'static str, bool, Piece<'_>));

    fn as_object(&self) -> &dyn Object;
}

/// The items that [`object!`] defines.
pub(crate) trait Model: ReadObject + WriteObject + Default {
    /// Returns whether no field is set, and there are no extra members.
    fn says_nothing(&self) -> bool;
}

/// Returns whether the field of a name is set.
pub(crate) fn is_set(object: &dyn Object, name: &str) -> bool {
    let place = object.names().iter().position(|known| *known == name);
    place.is_some_and(|place| object.is_set_at(place))
}

/// Removes extra members that repeat another, or that have the name of a field that is set.
pub(crate) fn settle(object: &mut dyn Object) {
    if !object.extra().is_empty() {
        let mut extra = std::mem::take(object.extra_mut());
        extra.settle(&|name| is_set(object, name));
        *object.extra_mut() = extra;
    }
}

/// A value in the form in which it is written.
pub(crate) enum Piece<'a> {
    Null,
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    Value(&'a Value),
    Owned(Value),
    List(&'a dyn List),
    /// A list whose elements are written otherwise than they are.
    Made(Box<dyn List + 'a>),
    Numbers(&'a BTreeMap<String, f32>),
    Object(&'a dyn WriteObject),
    OwnedObject(Box<dyn WriteObject>),
    Tagged(Box<Tagged<'a>>),
    /// JSON has no way to write the value: a number that is not finite.
    Unwritable,
}

/// An object that begins with its `type`, and has one more member.
pub(crate) struct Tagged<'a> {
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) value: Piece<'a>,
    pub(crate) extra: Option<&'a Extra>,
}

/// A list that is written.
pub(crate) trait List {
    fn length(&self) -> usize;
    fn element(&self, place: usize) -> Piece<'_>;
}
