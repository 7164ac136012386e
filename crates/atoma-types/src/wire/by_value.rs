//! Types whose meaning depends on a member, such as `type`: they are first read as a complete JSON
//! value.

/// The functions of a [`super::Codec`] that read any value but `null` through a function that returns values without meaning
/// as an error.
macro_rules! by_value {
    ($ty:ty, $read:expr) => {
        fn scalar(value: $crate::wire::Scalar<'_>) -> $crate::wire::Read<$ty> {
            let read: fn(serde_json::Value) -> Result<$ty, serde_json::Value> = $read;
            $crate::wire::Read::known(read(value.into()).ok())
        }

        fn array(
            elements: &mut dyn $crate::wire::Elements,
        ) -> Result<$crate::wire::Read<$ty>, $crate::wire::Stopped> {
            $crate::wire::whole(elements, $read)
        }

        fn object(
            members: &mut dyn $crate::wire::Members,
        ) -> Result<$crate::wire::Read<$ty>, $crate::wire::Stopped> {
            $crate::wire::whole(members, $read)
        }
    };
}

/// Reads a type through its function `read_value`, and writes it through its function `piece`.
macro_rules! by_value_type {
    ($name:ident, $expected:literal) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::wire::read_whole(deserializer, $expected)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.piece().serialize(serializer)
            }
        }

        impl $crate::wire::Codec<$name> for $crate::wire::Plain {
            $crate::wire::by_value!($name, $name::read_value);

            fn is_absent(_value: &$name) -> bool {
                false
            }

            fn piece(value: &$name) -> $crate::wire::Piece<'_> {
                value.piece()
            }
        }
    };
}

pub(crate) use by_value;
pub(crate) use by_value_type;
