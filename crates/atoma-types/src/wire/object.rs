//! Objects: one macro that defines a model and how it is read and written.

use std::marker::PhantomData;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap};
use serde_json::{Number, Value};

use super::{Codec, Read, Written};
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
            use $crate::wire::{
                Codec, Key, MemberName, Object, Plain, Read, append, read_in_place, read_member, wire_codec, wire_name,
                write_member,
            };

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

            impl Object for $name {
                fn read_members<'de, A: serde::de::MapAccess<'de>>(&mut self, mut map: A) -> Result<(), A::Error> {
                    while let Some(Key(member)) = map.next_key()? {
                        match member {
                            $( Member::$field => {
                                let name = wire_name!($field $(, $wire)?);
                                read_member::<$ty, wire_codec!($($codec)?), A>(&mut map, &mut self.$field, name, &mut self.extra)?;
                            } )*
                            Member::Other(name) => self.extra.push(name, map.next_value()?),
                        }
                    }
                    self.settle();
                    Ok(())
                }
            }

            impl Codec<$name> for Plain {
                fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Read<$name>, D::Error> {
                    let mut object = $name::default();
                    let read = read_in_place(deserializer, &mut object)?;
                    Ok(read.map(|()| object))
                }

                fn read_into<'de, D: serde::Deserializer<'de>>(
                    deserializer: D,
                    target: &mut $name,
                ) -> Result<Read<()>, D::Error> {
                    if <Self as Codec<$name>>::is_absent(target) {
                        return read_in_place(deserializer, target);
                    }
                    let again = <Self as Codec<$name>>::read(deserializer)?;
                    Ok(again.put::<Self>(target))
                }

                fn read_element<'de, D: serde::Deserializer<'de>>(
                    deserializer: D,
                    list: &mut Vec<$name>,
                ) -> Result<(), D::Error> {
                    append(deserializer, list)
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

/// Reads one member into its field, or into `extra` if it means nothing there.
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
    if let Read::Unknown(value) = map.next_value_seed(Field::<T, C>(field, PhantomData))? {
        extra.push(name.to_owned(), value);
    }
    Ok(())
}

/// A value read into where it stays.
struct Field<'a, T, C>(&'a mut T, PhantomData<C>);

impl<'de, T, C: Codec<T>> DeserializeSeed<'de> for Field<'_, T, C> {
    type Value = Read<()>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read<()>, D::Error> {
        C::read_into(deserializer, self.0)
    }
}

/// What is read member by member.
pub(crate) trait Object: Default {
    fn read_members<'de, A: MapAccess<'de>>(&mut self, map: A) -> Result<(), A::Error>;
}

/// Reads an object into an empty one.
pub(crate) fn read_in_place<'de, T: Object, D: Deserializer<'de>>(
    deserializer: D,
    target: &mut T,
) -> Result<Read<()>, D::Error> {
    deserializer.deserialize_any(InPlace(target))
}

/// Reads an object at the end of a list.
pub(crate) fn append<'de, T: Object, D: Deserializer<'de>>(
    deserializer: D,
    list: &mut Vec<T>,
) -> Result<(), D::Error> {
    list.push(T::default());
    let Some(last) = list.last_mut() else { return Ok(()) };
    if !matches!(read_in_place(deserializer, last)?, Read::Known(())) {
        list.pop();
    }
    Ok(())
}

struct InPlace<'a, T>(&'a mut T);

impl<'de, T: Object> Visitor<'de> for InPlace<'_, T> {
    type Value = Read<()>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Read<()>, A::Error> {
        self.0.read_members(map).map(Read::Known)
    }

    fn visit_unit<E>(self) -> Result<Read<()>, E> {
        Ok(Read::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Read<()>, E> {
        Ok(Read::Unknown(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Read<()>, E> {
        Ok(Read::Unknown(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Read<()>, E> {
        Ok(Read::Unknown(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Read<()>, E> {
        Ok(Number::from_f64(value).map_or(Read::Null, |number| Read::Unknown(number.into())))
    }

    fn visit_str<E>(self, value: &str) -> Result<Read<()>, E> {
        Ok(Read::Unknown(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, array: A) -> Result<Read<()>, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(array)).map(Read::Unknown)
    }
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
