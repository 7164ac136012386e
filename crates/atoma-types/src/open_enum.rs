//! Enumerations that stay open: a value invented tomorrow is kept, shown and written back.
//!
//! ```text
//! "stop"   ─► Stop            ─► "stop"
//! "eos"    ─► Other("eos")    ─► "eos"       unknown: kept and written back
//! 7        ─► Other("7")      ─► "7"
//! ""       ─► as `null`
//! ```
//!
//! Conversions never fail, so a response is never rejected for a word that this crate does not know.

/// Defines an enumeration of strings with a last variant for every string not listed.
///
/// `= Variant` after the name is the default: the meaning of an absent member.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident $(= $default:ident)? {
            $( $(#[$variant_meta:meta])* $variant:ident = $wire:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_meta])* #[doc = concat!("\n\nOn the wire: `\"", $wire, "\"`.")] $variant, )+
            /// Any other value, kept unchanged.
            Other(String),
        }

        $(
            impl Default for $name {
                fn default() -> Self {
                    Self::$default
                }
            }
        )?

        impl $name {
            /// Returns the value on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $wire, )+
                    Self::Other(other) => other,
                }
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                match value {
                    $( $wire => Self::$variant, )+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl From<String> for $name {
            fn from(value: String) -> Self {
                Self::from(value.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::convert::Infallible;

            /// Never fails: a value that is not listed is kept as `Other`.
            fn from_str(value: &str) -> Result<Self, Self::Err> {
                Ok(value.into())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::wire::read_whole(deserializer, "a string")
            }
        }

        impl $crate::wire::Codec<$name> for $crate::wire::Plain {
            fn scalar(value: $crate::wire::Scalar<'_>) -> $crate::wire::Read<$name> {
                use $crate::wire::{Read, Scalar};
                match value {
                    Scalar::Text("") => Read::Null,
                    Scalar::Text(text) => Read::Known($name::from(text)),
                    _ => Read::known(value.text().map($name::Other)),
                }
            }

            fn is_absent(value: &$name) -> bool {
                value.as_str().is_empty() $(|| *value == $name::$default)?
            }

            fn piece(value: &$name) -> $crate::wire::Piece<'_> {
                $crate::wire::Piece::Text(value.as_str())
            }
        }
    };
}

pub(crate) use open_enum;
