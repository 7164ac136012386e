//! Objects: one macro that defines a model and how it is read and written.
//!
//! A definition such as
//!
//! ```text
//! object! {
//!     /// A token and its probability.
//!     pub struct TokenLogprob => after_reading {
//!         pub token: String,
//!         pub bytes: Vec<u8> as Aligned = "bytes" | "token_bytes",
//!     }
//! }
//! ```
//!
//! becomes a struct with an `extra`, and one implementation of each trait below. Each field has a place, its position in the
//! definition; names are matched to places by one `match`, and every other step works on places.
//!
//! ```text
//! Object        names, places, `extra`
//! ReadObject    a member's value ─► the field at its place
//! WriteObject   each field ─► a Piece and whether it is set
//! Model         ReadObject + WriteObject + Default
//! Debug         the fields that are set
//! serde         Serialize and Deserialize, for other formats
//! ```

use super::{Codec, Members, Model, Piece, Plain, Read, Stopped};

/// Defines a model: a struct with public fields and an `extra`, read member by member and written
/// without absent members.
///
/// `name: Type` is a member of that name; `as Codec` names another codec than [`super::Plain`], or says that the member is
/// written `Always`, even when it is an empty list, or only `WhenSet`; `= "wire" | "other"` gives the name on the wire, and
/// further names that are read as the same.
///
/// `=> method` after the struct's name is called when an object has been read, with a function that
/// returns whether a member of a name had a value that was not `null`.
macro_rules! object {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(=> $after:ident)? {
            $(
                $(#[$field_meta:meta])*
                pub $field:ident : $ty:ty $(as $codec:ident)? $(= $wire:literal $(| $alias:literal)*)?,
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(PartialEq, Default)]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $ty, )*
            /// Members this crate has no field for, and known ones whose value could not be read: kept, and written back.
            pub extra: $crate::Extra,
        }

        const _: () = {
            use $crate::wire::{
                Codec, Members, Model, Object, Piece, Read, ReadObject, Stopped, WriteObject, wire_codec, wire_name,
                wire_omit,
            };

            // The places. Variants are named like the fields, so that no numbers have to be counted in the macro.
            #[allow(non_camel_case_types)]
            enum Place {
                $( $field, )*
            }

            fn place(name: &str) -> Option<usize> {
                Some(match name {
                    $( wire_name!($field $(, $wire)?) $($(| $alias)*)? => Place::$field as usize, )*
                    _ => return None,
                })
            }

            impl Object for $name {
                fn names(&self) -> &'static [&'static str] {
                    &[$( wire_name!($field $(, $wire)?), )*]
                }

                fn is_set_at(&self, place: usize) -> bool {
                    // Not a `match`: the optimizer makes the same table of it, and a macro cannot build its arms here.
                    $( if place == Place::$field as usize {
                        return !<wire_codec!($($codec)?) as Codec<$ty>>::is_absent(&self.$field);
                    } )*
                    false
                }

                fn extra(&self) -> &$crate::Extra {
                    &self.extra
                }

                fn extra_mut(&mut self) -> &mut $crate::Extra {
                    &mut self.extra
                }
            }

            impl ReadObject for $name {
                fn place(&self) -> fn(&str) -> Option<usize> {
                    place
                }

                fn read_at(&mut self, place: usize, members: &mut dyn Members) -> Result<Read, Stopped> {
                    $( if place == Place::$field as usize {
                        return <wire_codec!($($codec)?) as Codec<$ty>>::read_member(members, &mut self.$field);
                    } )*
                    // Places come from `place`, so that this is never reached.
                    Ok(Read::Null)
                }

                $(
                    fn after_reading(&mut self, seen: u32) {
                        self.$after(&|name| place(name).is_some_and(|place| seen & (1 << place) != 0));
                    }
                )?

                fn clear(&mut self) {
                    *self = Self::default();
                }

                fn as_object(&mut self) -> &mut dyn Object {
                    self
                }
            }

            impl WriteObject for $name {
                fn pieces(&self, write: &mut dyn FnMut(&'static str, bool, Piece<'_>)) {
                    $(
                        // Absent members are left out, unless the codec or `Always` requires them.
                        let is_set = !<wire_codec!($($codec)?) as Codec<$ty>>::is_absent(&self.$field);
                        if is_set || !wire_omit!($ty $(, $codec)?) {
                            let piece = <wire_codec!($($codec)?) as Codec<$ty>>::piece(&self.$field);
                            write(wire_name!($field $(, $wire)?), is_set, piece);
                        }
                    )*
                }

                fn as_object(&self) -> &dyn Object {
                    self
                }
            }

            // Not derived: a derived `clone` is inline, so each crate that clones a response would contain it once
            // more. That is 20 kB of a small program (measured).
            impl Clone for $name {
                fn clone(&self) -> Self {
                    Self { $( $field: self.$field.clone(), )* extra: self.extra.clone() }
                }
            }

            /// Prints the fields that are set.
            impl std::fmt::Debug for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    let mut object = f.debug_struct(stringify!($name));
                    $(
                        if !<wire_codec!($($codec)?) as Codec<$ty>>::is_absent(&self.$field) {
                            object.field(stringify!($field), &self.$field);
                        }
                    )*
                    if !self.extra.is_empty() {
                        object.field("extra", &self.extra);
                    }
                    object.finish()
                }
            }

            impl Model for $name {
                #[inline]
                fn says_nothing(&self) -> bool {
                    $( <wire_codec!($($codec)?) as Codec<$ty>>::is_absent(&self.$field) && )* self.extra.is_empty()
                }
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    Piece::Object(self).serialize(serializer)
                }
            }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    $crate::wire::read_whole(deserializer, "an object")
                }
            }
        };
    };
}

/// The name of a field on the wire: its own, unless another is given.
macro_rules! wire_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident, $wire:literal) => {
        $wire
    };
}

/// The codec of a field. `Always` and `WhenSet` change only whether it is written.
macro_rules! wire_codec {
    () => {
        $crate::wire::Plain
    };
    (Always) => {
        $crate::wire::Plain
    };
    (WhenSet) => {
        $crate::wire::Plain
    };
    ($codec:ident) => {
        $crate::wire::$codec
    };
}

/// Whether an absent field is left out.
macro_rules! wire_omit {
    ($ty:ty) => {
        <$crate::wire::Plain as Codec<$ty>>::OMIT
    };
    ($ty:ty, Always) => {
        false
    };
    ($ty:ty, WhenSet) => {
        true
    };
    ($ty:ty, $codec:ident) => {
        <$crate::wire::$codec as Codec<$ty>>::OMIT
    };
}

pub(crate) use object;
pub(crate) use wire_codec;
pub(crate) use wire_name;
pub(crate) use wire_omit;

/// Models inside models.
impl<T: Model> Codec<T> for Plain {
    fn object(members: &mut dyn Members) -> Result<Read<T>, Stopped> {
        let mut object = T::default();
        members.read_into(&mut object)?;
        Ok(Read::Known(object))
    }

    fn object_into(members: &mut dyn Members, target: &mut T) -> Result<Read, Stopped> {
        // Read where it stays: no copy of an object that is a few hundred bytes large.
        if target.says_nothing() {
            return members.read_into(target).map(Read::Known);
        }
        // The member is repeated, or another name for it came before: an empty value must not erase the first.
        let mut again = T::default();
        members.read_into(&mut again)?;
        if !again.says_nothing() {
            *target = again;
        }
        Ok(Read::Known(()))
    }

    fn object_onto(members: &mut dyn Members, list: &mut Vec<T>) -> Result<Read, Stopped> {
        // Pushed first and then read, for the same reason.
        list.push(T::default());
        list.last_mut().map_or(Ok(()), |last| members.read_into(last)).map(Read::Known)
    }

    fn is_absent(value: &T) -> bool {
        value.says_nothing()
    }

    fn piece(value: &T) -> Piece<'_> {
        Piece::Object(value)
    }
}
