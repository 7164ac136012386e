//! Codecs of members that are read or written otherwise than their type usually is.
//!
//! They are named in the definitions of [`object!`](super::object): `pub index: u32 as Index`. Those without an implementation here
//! have it next to the type that they are for.

use super::{
    Codec, Elements, Members, Piece, Plain, Read, Scalar, Stopped, by_value::by_value,
    value::text_of,
};
use serde_json::Value;

/// A member that reports an error.
pub(crate) struct ErrorMember;

/// A position: below zero counts as zero, beyond `u32` as the greatest.
pub(crate) struct Index;

impl Codec<u32> for Index {
    fn scalar(value: Scalar<'_>) -> Read<u32> {
        let index = value.whole_number();
        Read::known(index.map(|number| u32::try_from(number.max(0)).unwrap_or(u32::MAX)))
    }

    fn is_absent(value: &u32) -> bool {
        *value == 0
    }

    fn piece(value: &u32) -> Piece<'_> {
        Piece::Unsigned((*value).into())
    }
}

/// A member whose value some servers spell `"null"` in place of `null`.
pub(crate) struct Finish;

/// The messages of a request.
pub(crate) struct Sent;

/// A list or a map that is left out when it is empty.
pub(crate) struct NonEmpty;

impl<T> Codec<Option<T>> for NonEmpty
where
    Plain: Codec<T>,
{
    const OMIT: bool = true;

    fn scalar(value: Scalar<'_>) -> Read<Option<T>> {
        not_empty(<Plain as Codec<Option<T>>>::scalar(value))
    }

    fn array(elements: &mut dyn Elements) -> Result<Read<Option<T>>, Stopped> {
        <Plain as Codec<Option<T>>>::array(elements).map(not_empty)
    }

    fn object(members: &mut dyn Members) -> Result<Read<Option<T>>, Stopped> {
        <Plain as Codec<Option<T>>>::object(members).map(not_empty)
    }

    fn is_absent(value: &Option<T>) -> bool {
        value.as_ref().is_none_or(<Plain as Codec<T>>::is_absent)
    }

    fn piece(value: &Option<T>) -> Piece<'_> {
        <Plain as Codec<Option<T>>>::piece(value)
    }
}

/// Reads an empty value as `null`: servers send `[]` and `{}` for nothing.
fn not_empty<T>(read: Read<Option<T>>) -> Read<Option<T>>
where
    Plain: Codec<T>,
{
    match read {
        Read::Known(value) if <NonEmpty as Codec<Option<T>>>::is_absent(&value) => Read::Null,
        read => read,
    }
}

/// A string that holds JSON: any other value in its place is written as text.
pub(crate) struct JsonText;

impl Codec<String> for JsonText {
    by_value!(String, |value| Ok(in_text(value)));

    fn is_absent(value: &String) -> bool {
        value.is_empty()
    }

    fn piece(value: &String) -> Piece<'_> {
        Piece::Text(value)
    }
}

impl Codec<Option<String>> for JsonText {
    const OMIT: bool = true;

    by_value!(Option<String>, |value| Ok(Some(in_text(value))));

    fn is_absent(value: &Option<String>) -> bool {
        value.is_none()
    }

    fn piece(value: &Option<String>) -> Piece<'_> {
        Plain::piece(value)
    }
}

/// The text of a value: of a string its content, of anything else its JSON.
fn in_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        value => text_of(&value),
    }
}
