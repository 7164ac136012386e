//! The written form of a value, without type parameters.

use super::{Codec, List, Piece, Plain, Tagged, WriteObject, is_set};
use crate::Extra;
use serde::ser::{Error, Serialize, SerializeMap, Serializer};

impl<T> List for Vec<T>
where
    Plain: Codec<T>,
{
    fn length(&self) -> usize {
        self.len()
    }

    fn element(&self, place: usize) -> Piece<'_> {
        self.get(place).map_or(Piece::Null, Plain::piece)
    }
}

/// The one place where a kind of piece meets a serializer: everything else passes pieces.
impl Serialize for Piece<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Signed(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Value(value) => value.serialize(serializer),
            Self::Owned(value) => value.serialize(serializer),
            Self::List(list) => write_list(*list, serializer),
            Self::Made(list) => write_list(&**list, serializer),
            Self::Numbers(numbers) => serializer.collect_map(
                numbers.iter().map(|(name, number)| (name, <Plain as Codec<f32>>::piece(number))),
            ),
            Self::Object(object) => write_object(*object, serializer),
            Self::OwnedObject(object) => write_object(&**object, serializer),
            Self::Tagged(tagged) => tagged.write(serializer),
            Self::Unwritable => Err(S::Error::custom("a number is not finite")),
        }
    }
}

/// Writes the elements of a list, each made into a piece when its turn comes.
fn write_list<S: Serializer>(list: &dyn List, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq((0..list.length()).map(|place| list.element(place)))
}

/// Writes a member for each field, and the extra members.
fn write_object<S: Serializer>(object: &dyn WriteObject, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    each_member(object, &mut |name, piece| map.serialize_entry(name, piece))?;
    map.end()
}

/// Passes each member that is written to `write`: a field, or an extra member. An extra member replaces an absent field of its
/// name.
pub(super) fn each_member<E: Error>(
    object: &dyn WriteObject,
    write: &mut dyn FnMut(&str, &Piece<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let extra = object.extra();
    let mut written = Ok(());
    object.pieces(&mut |name, is_set, piece| {
        // The callback cannot stop the walk, so the first error is kept and the rest is skipped.
        if written.is_err() || (!is_set && extra.contains(name)) {
            return;
        }
        written = match piece {
            Piece::Unwritable => Err(E::custom(format_args!("{name} is not a finite number"))),
            piece => write(name, &piece),
        };
    });
    written?;
    // A field that is set takes precedence over an extra member of its name.
    for (name, value) in extra.iter().filter(|(name, _)| !is_set(object.as_object(), name)) {
        write(name, &Piece::Value(value))?;
    }
    Ok(())
}

impl Tagged<'_> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", self.kind)?;
        map.serialize_entry(self.name, &self.value)?;
        let extra = self.extra.into_iter().flat_map(Extra::iter);
        for (name, value) in extra.filter(|(name, _)| *name != "type" && *name != self.name) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
