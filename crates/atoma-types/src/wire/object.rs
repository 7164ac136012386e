//! Objects: one macro that defines a model and how it is read and written.

use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap};

use super::{Codec, Lenient, Read, Written};
use crate::Extra;

/// Defines a model: a struct with public fields and an `extra`, read member by member and written without what is absent.
///
/// `name: Type` is a member of that name; `as Codec` names another codec than [`super::Plain`]; `= "wire" | "other"` gives
/// the name on the wire, and further names that are read as the same.
macro_rules! object {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(
                $(#[$field_meta:meta])*
                pub $field:ident : $ty:ty $(as $codec:ident)? $(= $wire:literal $(| $alias:literal)*)?,
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Default)]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $ty, )*
            /// Members this crate has no field for, and known ones whose value could not be read: kept, and written back.
            pub extra: $crate::Extra,
        }

        const _: () = {
            use $crate::wire::{Codec, Key, MemberName, Plain, Read, read_member, wire_codec, wire_name, write_member};

            #[allow(non_camel_case_types)]
            enum Member {
                $( $field, )*
                Other(String),
            }

            impl MemberName for Member {
                fn from_name(name: &str) -> Self {
                    match name {
                        $( wire_name!($field $(, $wire)?) $($(| $alias)*)? => Self::$field, )*
                        other => Self::Other(other.to_owned()),
                    }
                }
            }

            impl $name {
                fn is_set(&self, name: &str) -> bool {
                    match name {
                        $( wire_name!($field $(, $wire)?) => {
                            !<wire_codec!($($codec)?) as Codec<$ty>>::is_absent(&self.$field)
                        } )*
                        _ => false,
                    }
                }

                /// Sorts out the extra members: none is repeated, none has the name of a field that is set.
                pub(crate) fn settle(&mut self) {
                    if !self.extra.is_empty() {
                        let mut extra = std::mem::take(&mut self.extra);
                        extra.settle(|name| self.is_set(name));
                        self.extra = extra;
                    }
                }
            }

            impl Codec<$name> for Plain {
                fn object<'de, A: serde::de::MapAccess<'de>>(mut map: A) -> Result<Read<$name>, A::Error> {
                    let mut object = $name::default();
                    while let Some(Key(member)) = map.next_key()? {
                        match member {
                            $( Member::$field => {
                                let name = wire_name!($field $(, $wire)?);
                                read_member::<$ty, wire_codec!($($codec)?), A>(&mut map, &mut object.$field, name, &mut object.extra)?;
                            } )*
                            Member::Other(name) => object.extra.push(name, map.next_value()?),
                        }
                    }
                    object.settle();
                    Ok(Read::Known(object))
                }

                fn is_absent(value: &$name) -> bool {
                    $( <wire_codec!($($codec)?) as Codec<$ty>>::is_absent(&value.$field) && )* value.extra.is_empty()
                }
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    use serde::ser::SerializeMap;

                    let mut map = serializer.serialize_map(None)?;
                    $( write_member::<$ty, wire_codec!($($codec)?), S::SerializeMap>(
                        &mut map, &self.$field, wire_name!($field $(, $wire)?), &self.extra,
                    )?; )*
                    for (name, value) in self.extra.iter().filter(|(name, _)| !self.is_set(name)) {
                        map.serialize_entry(name, value)?;
                    }
                    map.end()
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

macro_rules! wire_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident, $wire:literal) => {
        $wire
    };
}

macro_rules! wire_codec {
    () => {
        $crate::wire::Plain
    };
    ($codec:ident) => {
        $crate::wire::$codec
    };
}

pub(crate) use {object, wire_codec, wire_name};

/// The members an object knows.
pub(crate) trait MemberName {
    fn from_name(name: &str) -> Self;
}

/// The name of a member, told without an allocation when it is a known one.
pub(crate) struct Key<M>(pub(crate) M);

impl<'de, M: MemberName> Deserialize<'de> for Key<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(KeyVisitor(PhantomData))
    }
}

struct KeyVisitor<M>(PhantomData<M>);

impl<M: MemberName> Visitor<'_> for KeyVisitor<M> {
    type Value = Key<M>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Key(M::from_name(name)))
    }
}

/// Reads one member into its field, or into `extra` if it means nothing there. What says nothing erases nothing.
pub(crate) fn read_member<'de, T, C, A>(
    map: &mut A,
    field: &mut T,
    name: &'static str,
    extra: &mut Extra,
) -> Result<(), A::Error>
where
    C: Codec<T>,
    A: MapAccess<'de>,
{
    match map.next_value::<Lenient<T, C>>()?.0 {
        Read::Known(value) if C::is_absent(&value) && !C::is_absent(field) => {}
        Read::Known(value) => *field = value,
        Read::Null => {}
        Read::Unknown(value) => extra.push(name.to_owned(), value),
    }
    Ok(())
}

/// Writes one member. An absent one gives way to an extra member of its name.
pub(crate) fn write_member<T, C, M>(
    map: &mut M,
    field: &T,
    name: &'static str,
    extra: &Extra,
) -> Result<(), M::Error>
where
    T: Serialize,
    C: Codec<T>,
    M: SerializeMap,
{
    if C::is_absent(field) && (C::OMIT || extra.contains(name)) {
        return Ok(());
    }
    if C::is_unwritable(field) {
        return Err(M::Error::custom(format_args!("{name} is not a finite number")));
    }
    map.serialize_entry(name, &Written::<T, C>::new(field))
}
