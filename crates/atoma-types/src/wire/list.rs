//! Codecs of lists whose positions matter.
//!
//! ```text
//! Aligned   ["a", null, 7]   ─► ["a", "", "7"]       each position keeps its element
//! Vector    [0.1, null, 0.2] ─► [0.1, NaN, 0.2]      from the text, number by number
//!           "zczMPQ=="       ─► [0.1]                base64 of little-endian bytes
//!           [[0.1, 0.2]]     ─► [0.1, 0.2]           a list around a single vector
//!           [[0.1], [0.2]]   ─► kept in `extra`      one vector for each token
//! Bytes     [72, 105]        ─► [72, 105]            from the text
//! ```

use super::{
    Codec, Elements, Field, List, Members, Piece, Plain, Read, Scalar, Stopped, Target, number,
};
use crate::base64;
use serde_json::Value;
use std::marker::PhantomData;

/// A list of which each position belongs to the same position of another list.
///
/// An element that is `null` or does not fit is read as the default, so that those after it keep
/// their places.
pub(crate) struct Aligned;

impl<T: Default> Codec<Vec<T>> for Aligned
where
    Plain: Codec<T>,
{
    const OMIT: bool = true;

    fn array(elements: &mut dyn Elements) -> Result<Read<Vec<T>>, Stopped> {
        let mut list = Vec::new();
        loop {
            let length = list.len();
            if !elements.next(&mut Last(&mut list, PhantomData::<Plain>))? {
                return Ok(Read::Known(list));
            }
            // The element was `null` or did not fit.
            if list.len() == length {
                list.push(T::default());
            }
        }
    }

    fn is_absent(value: &Vec<T>) -> bool {
        value.is_empty()
    }

    fn piece(value: &Vec<T>) -> Piece<'_> {
        Piece::List(value)
    }
}

/// Where the next element of a list is read to.
struct Last<'a, T, C>(&'a mut Vec<T>, PhantomData<C>);

impl<T, C: Codec<T>> Target for Last<'_, T, C> {
    fn scalar(&mut self, value: Scalar<'_>) -> Read {
        C::scalar(value).map(|element| self.0.push(element))
    }

    fn array(&mut self, elements: &mut dyn Elements) -> Result<Read, Stopped> {
        Ok(C::array(elements)?.map(|element| self.0.push(element)))
    }

    fn object(&mut self, members: &mut dyn Members) -> Result<Read, Stopped> {
        C::object_onto(members, self.0)
    }
}

/// A vector of numbers: a list of them, or base64 of their bytes, each four in the little-endian order.
///
/// `null` in the list is the number that is not one, and is written `null` again. A list around a single vector is that vector.
///
/// The numbers are read from their text: through an `f64`, one in half a billion would be rounded twice, to another `f32`.
pub(crate) struct Vector;

/// An embedding of 1536 numbers is the largest value of most responses: it is read from its text, without a call per number.
impl Codec<Vec<f32>> for Vector {
    fn read_member(members: &mut dyn Members, target: &mut Vec<f32>) -> Result<Read, Stopped> {
        // The codec's other methods read every form that the text reader does not know, and every other deserializer.
        from_text::<_, Self>(members, target, vector_in)
    }

    fn scalar(value: Scalar<'_>) -> Read<Vec<f32>> {
        let Scalar::Text(text) = value else { return Read::Unknown };
        Read::known(base64::decode_floats(text))
    }

    fn array(elements: &mut dyn Elements) -> Result<Read<Vec<f32>>, Stopped> {
        let mut numbers = Numbers::default();
        loop {
            let length = numbers.list.len();
            if !elements.next(&mut numbers)? {
                return Ok(Read::Known(numbers.list));
            }
            if let Some(inner) = numbers.inner.take() {
                let Value::Array(mut rest) = elements.rest()? else { return Ok(Read::Unknown) };
                // The only element was a list.
                if length == 0 && rest.is_empty() {
                    return Ok(Read::Known(inner));
                }
                // Several vectors in place of one, such as one for each token: they are kept
                // unchanged.
                let mut all: Vec<Value> = numbers.list.into_iter().map(Value::from).collect();
                all.push(inner.into());
                all.append(&mut rest);
                elements.give_back(all.into());
                return Ok(Read::Unknown);
            }
            if numbers.list.len() == length {
                numbers.list.push(f32::NAN);
            }
        }
    }

    fn is_absent(value: &Vec<f32>) -> bool {
        value.is_empty()
    }

    fn piece(value: &Vec<f32>) -> Piece<'_> {
        Piece::Made(Box::new(Floats(value)))
    }
}

/// Reads a member from its JSON text, if there is one that `read` knows, and through the codec otherwise.
fn from_text<T, C: Codec<T>>(
    members: &mut dyn Members,
    target: &mut T,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Read, Stopped> {
    let mut found = None;
    let mut read_text = |text: &str| {
        found = read(text);
        found.is_some()
    };
    let known = members.value_in_text(&mut read_text, &mut Field::<_, C>::new(target))?;
    Ok(match found {
        Some(value) => Read::Known(value).put::<C>(target),
        None => known,
    })
}

/// Reads the JSON text of a vector in one of its usual forms: a list of only numbers and `null`, or
/// base64.
///
/// `None` for anything else, also for text that is not JSON: the general reader decides then. White space is allowed wherever
/// JSON allows it.
fn vector_in(json: &str) -> Option<Vec<f32>> {
    if let Some(text) = json.strip_prefix('"') {
        return base64::decode_floats(text.strip_suffix('"')?);
    }
    // About as many bytes as an `f32` has when it is written.
    list_in(json, 10, |at| {
        // `null` is a number that is not finite.
        let is_null = json[at..].starts_with("null");
        if is_null { Some((f32::NAN, at + 4)) } else { number::read_f32(json, at) }
    })
}

/// The bytes of a token, as a list of numbers.
///
/// Each log probability has such a list. A chunk with the five likeliest tokens takes 5 % fewer
/// instructions when the list is read from its text, without a call per number.
pub(crate) struct Bytes;

impl Codec<Option<Vec<u8>>> for Bytes {
    const OMIT: bool = true;

    fn read_member(
        members: &mut dyn Members,
        target: &mut Option<Vec<u8>>,
    ) -> Result<Read, Stopped> {
        from_text::<_, Self>(members, target, |text| bytes_in(text).map(Some))
    }

    fn scalar(value: Scalar<'_>) -> Read<Option<Vec<u8>>> {
        Plain::scalar(value)
    }

    fn array(elements: &mut dyn Elements) -> Result<Read<Option<Vec<u8>>>, Stopped> {
        Plain::array(elements)
    }

    fn is_absent(value: &Option<Vec<u8>>) -> bool {
        value.is_none()
    }

    fn piece(value: &Option<Vec<u8>>) -> Piece<'_> {
        Plain::piece(value)
    }
}

/// Reads the JSON text of a list of whole numbers below 256. `None` for anything else.
fn bytes_in(json: &str) -> Option<Vec<u8>> {
    list_in(json, 3, |at| {
        let (byte, end) = number::short_count(json.as_bytes(), at)?;
        Some((u8::try_from(byte).ok()?, end))
    })
}

/// Reads the JSON text of a list through a function that reads the element at a position and returns its
/// end. `per_element` is about how many bytes each has.
#[inline]
fn list_in<T>(
    json: &str,
    per_element: usize,
    element: impl Fn(usize) -> Option<(T, usize)>,
) -> Option<Vec<T>> {
    let bytes = json.as_bytes();
    json.strip_prefix('[')?;
    let mut at = after_spaces(bytes, 1);
    if bytes.get(at) == Some(&b']') {
        return (at + 1 == json.len()).then(Vec::new);
    }
    let mut list = Vec::with_capacity(json.len() / per_element);
    loop {
        let (value, end) = element(at)?;
        list.push(value);
        at = after_spaces(bytes, end);
        match bytes.get(at)? {
            b',' => at = after_spaces(bytes, at + 1),
            b']' => return (at + 1 == json.len()).then_some(list),
            _ => return None,
        }
    }
}

/// Where the white space ends that begins at a position.
#[inline]
fn after_spaces(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// A vector as it is written: numbers that are not finite become `null`.
struct Floats<'a>(&'a [f32]);

impl List for Floats<'_> {
    fn length(&self) -> usize {
        self.0.len()
    }

    fn element(&self, place: usize) -> Piece<'_> {
        match self.0.get(place) {
            Some(number) if number.is_finite() => <Plain as Codec<f32>>::piece(number),
            _ => Piece::Null,
        }
    }
}

/// The numbers of a vector so far.
#[derive(Default)]
struct Numbers {
    list: Vec<f32>,
    /// The vector inside, if the element read last was a list.
    inner: Option<Vec<f32>>,
}

impl Target for Numbers {
    fn scalar(&mut self, value: Scalar<'_>) -> Read {
        <Plain as Codec<f32>>::scalar(value).map(|number| self.list.push(number))
    }

    fn array(&mut self, elements: &mut dyn Elements) -> Result<Read, Stopped> {
        let read = <Aligned as Codec<Vec<Option<f32>>>>::array(elements)?;
        Ok(read.map(|list| {
            let numbers = list.into_iter().map(|number| number.unwrap_or(f32::NAN));
            self.inner = Some(numbers.collect());
        }))
    }

    fn object(&mut self, _members: &mut dyn Members) -> Result<Read, Stopped> {
        Ok(Read::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_read_from_text_that_is_json() {
        let base64 = "\"AACAPw==\"";
        for (json, wanted) in [
            ("[]", Some(vec![])),
            ("[ \n]", Some(vec![])),
            ("[1]", Some(vec![1.0])),
            ("[ -0.5 ,\r\n 1e2\t]", Some(vec![-0.5, 100.0])),
            (base64, Some(vec![1.0])),
            ("[01]", None),
            ("[1.]", None),
            ("[-.5]", None),
            ("[-inf]", None),
            ("[+1]", None),
            ("[1,]", None),
            ("[,1]", None),
            ("[1 2]", None),
            ("[1]]", None),
            ("[]]", None),
            ("[[1]", None),
            ("[\"1\"]", None),
            ("[1", None),
            ("[", None),
            ("", None),
            ("1", None),
            ("\"a", None),
            ("\"[1]\"", None),
        ] {
            assert_eq!(vector_in(json), wanted, "{json}");
        }
        let odd = vector_in("[null,1e39,0.5]").unwrap();
        assert!(odd[0].is_nan() && odd[1].is_nan() && odd[2] == 0.5);
    }

    #[test]
    fn bytes_are_read_from_a_list_of_whole_numbers_below_256() {
        for (json, wanted) in [
            ("[]", Some(vec![])),
            ("[0]", Some(vec![0])),
            ("[ 72 ,\n255 ]", Some(vec![72, 255])),
            ("[256]", None),
            ("[-1]", None),
            ("[1.0]", None),
            ("[1e1]", None),
            ("[01]", None),
            ("[null]", None),
            ("[1,]", None),
            ("[1]]", None),
            ("[1", None),
            ("\"SGk=\"", None),
        ] {
            assert_eq!(bytes_in(json), wanted, "{json}");
        }
    }
}
