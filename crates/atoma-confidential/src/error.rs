use core::{error::Error, fmt};

/// Implements `{:?}` of an error as its line, which `main` prints when it returns the error. The fields are under `{:#?}`.
macro_rules! debug_as_line {
    ($name:ident { $($label:literal: $field:tt),* }) => {
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                if f.alternate() {
                    return f.debug_struct(stringify!($name))$(.field($label, &self.$field))*.finish();
                }
                core::fmt::Display::fmt(self, f)
            }
        }
    };
}
pub(crate) use debug_as_line;

/// A request was not sealed, so nothing may be sent. It never contains text of the request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SealError {
    kind: SealErrorKind,
    reason: &'static str,
}

/// The kinds of [`SealError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SealErrorKind {
    /// The plaintext is not a JSON object with one `model` that is a string and at most one `stream` that is a boolean.
    InvalidPlaintext,
    /// The `model` of the plaintext is not that of the call.
    ModelMismatch,
    /// The `stream` of the plaintext (`false` where absent) is not that of the call: the response could not be read.
    StreamMismatch,
    /// The key of the node is a low-order point or not canonical: anyone could read the request.
    WeakNodeKey,
    /// The source of random bytes failed, or returned only zeros.
    Randomness,
    /// The plaintext is longer than AES-GCM allows (64 GiB).
    TooLarge,
}

impl SealError {
    pub(crate) const fn new(kind: SealErrorKind, reason: &'static str) -> Self {
        Self { kind, reason }
    }

    /// Returns the kind of the error.
    #[must_use]
    pub const fn kind(&self) -> SealErrorKind {
        self.kind
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request not encrypted: {}", self.reason)
    }
}

debug_as_line!(SealError { "kind": kind, "reason": reason });

impl Error for SealError {}

/// A response was not opened, so none of it may be used. It never contains text of the response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OpenError {
    kind: OpenErrorKind,
    member: &'static str,
}

/// The kinds of [`OpenError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// The response is not one JSON object: cut short, followed by more text, or malformed.
    NotJson,
    /// The response is an error object, which nobody encrypts or signs: `{"error": …}` or `{"object": "error", …}`.
    ErrorObject,
    /// The response is plain JSON in place of an encrypted one: anybody can have written it.
    NotEncrypted,
    /// A member of the encrypted response is missing or `null`.
    MissingMember,
    /// A member appears twice, so it is ambiguous.
    DuplicateMember,
    /// A member is not a string of canonical, padded base64.
    InvalidBase64,
    /// The nonce does not have 12 bytes.
    NonceSize,
    /// The ciphertext is shorter than its tag of 16 bytes.
    CiphertextTooShort,
    /// The hash does not have 32 bytes.
    HashSize,
    /// The nonce is that of the request: somebody sent the request back.
    RequestNonce,
    /// The tag does not fit: altered, or encrypted for another request.
    TagMismatch,
    /// The hash is not that of the plaintext.
    HashMismatch,
    /// The plaintext is not a JSON object, although the tag and the hash fit: it is not UTF-8, or does not begin and end
    /// as an object. The grammar inside is left to the parser that reads it.
    PlaintextNotJson,
}

impl OpenError {
    pub(crate) const fn new(kind: OpenErrorKind) -> Self {
        Self { kind, member: "" }
    }

    pub(crate) const fn of_member(kind: OpenErrorKind, member: &'static str) -> Self {
        Self { kind, member }
    }

    /// Returns the kind of the error.
    #[must_use]
    pub const fn kind(&self) -> OpenErrorKind {
        self.kind
    }

    /// Whether the response is an error object. Its text can still be read, but nobody vouches for it.
    #[must_use]
    pub fn is_error_object(&self) -> bool {
        self.kind == OpenErrorKind::ErrorObject
    }

    /// Whether the response was not encrypted at all: plain JSON or an error object.
    #[must_use]
    pub fn is_not_encrypted(&self) -> bool {
        matches!(self.kind, OpenErrorKind::NotEncrypted | OpenErrorKind::ErrorObject)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let member = self.member;
        match self.kind {
            OpenErrorKind::NotJson => f.write_str("encrypted response is not a JSON object"),
            OpenErrorKind::ErrorObject => {
                f.write_str("error object instead of an encrypted response")
            }
            OpenErrorKind::NotEncrypted => f.write_str("response is not encrypted"),
            OpenErrorKind::MissingMember => write!(f, "encrypted response without `{member}`"),
            OpenErrorKind::DuplicateMember => {
                write!(f, "encrypted response with two members `{member}`")
            }
            OpenErrorKind::InvalidBase64 => {
                write!(f, "`{member}` of the encrypted response is not canonical base64")
            }
            OpenErrorKind::NonceSize => {
                f.write_str("nonce of the encrypted response does not have 12 bytes")
            }
            OpenErrorKind::CiphertextTooShort => {
                f.write_str("ciphertext of the response is shorter than its tag")
            }
            OpenErrorKind::HashSize => f.write_str("response_hash does not have 32 bytes"),
            OpenErrorKind::RequestNonce => {
                f.write_str("encrypted response repeats the nonce of the request")
            }
            OpenErrorKind::TagMismatch => {
                f.write_str("response cannot be decrypted: the tag does not fit")
            }
            OpenErrorKind::HashMismatch => {
                f.write_str("response_hash is not that of the decrypted response")
            }
            OpenErrorKind::PlaintextNotJson => f.write_str("decrypted response is not JSON"),
        }
    }
}

debug_as_line!(OpenError { "kind": kind, "member": member });

impl Error for OpenError {}

/// A text is not the key of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NodeKeyError {
    size: Option<usize>,
}

impl NodeKeyError {
    pub(crate) const fn not_base64() -> Self {
        Self { size: None }
    }

    pub(crate) const fn wrong_size(size: usize) -> Self {
        Self { size: Some(size) }
    }

    /// Whether the text is base64, but not of 32 bytes.
    #[must_use]
    pub const fn is_wrong_size(&self) -> bool {
        self.size.is_some()
    }
}

impl fmt::Display for NodeKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size {
            Some(size) => write!(f, "node key has {size} bytes instead of 32"),
            None => f.write_str("node key is not canonical, padded base64"),
        }
    }
}

debug_as_line!(NodeKeyError { "size": size });

impl Error for NodeKeyError {}
