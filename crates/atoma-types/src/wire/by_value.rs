//! Types whose meaning depends on a member, such as `type`: they are read as a whole JSON value first.

/// Reads a type by way of its function `read_value`, which says what a JSON value other than `null` means.
macro_rules! by_value {
    ($name:ident, $expected:literal) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::wire::read_whole(deserializer, $expected)
            }
        }

        impl $crate::wire::Codec<$name> for $crate::wire::Plain {
            fn read<'de, D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<$crate::wire::Read<$name>, D::Error> {
                Ok(match <serde_json::Value as serde::Deserialize>::deserialize(deserializer)? {
                    serde_json::Value::Null => $crate::wire::Read::Null,
                    value => $name::read_value(value),
                })
            }

            fn is_absent(_value: &$name) -> bool {
                false
            }
        }
    };
}

pub(crate) use by_value;
