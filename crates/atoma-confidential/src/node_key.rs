use crate::{
    encoding::{self, Fault},
    error::NodeKeyError,
};
use alloc::string::{String, ToString};
use core::{fmt, str::FromStr};

/// The X25519 public key of a node: anyone with its secret can read the request.
///
/// A lock (`POST /v1/nodes/lock`) returns it as `public_key`, in base64. This type cannot decide
/// whether the key belongs to a node or to the proxy; compare it with a known key if you have one.
///
/// ```
/// use atoma_confidential::NodeKey;
///
/// let key: NodeKey = "D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyA=".parse()?;
/// assert_eq!(key.to_string(), "D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyA=");
/// assert!("AAAA".parse::<NodeKey>().is_err());
/// # Ok::<(), atoma_confidential::NodeKeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeKey([u8; 32]);

impl NodeKey {
    /// Creates a key from its 32 bytes. [`seal`](crate::seal) rejects weak ones.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Reads standard base64 with padding, in its only canonical form, of exactly 32 bytes.
impl FromStr for NodeKey {
    type Err = NodeKeyError;

    fn from_str(text: &str) -> Result<Self, NodeKeyError> {
        encoding::decode_fixed(text).map(Self).map_err(|fault| match fault {
            Fault::Base64 => NodeKeyError::not_base64(),
            Fault::Size(size) => NodeKeyError::wrong_size(size),
        })
    }
}

impl TryFrom<&str> for NodeKey {
    type Error = NodeKeyError;

    fn try_from(text: &str) -> Result<Self, NodeKeyError> {
        text.parse()
    }
}

/// Writes the key in base64.
impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&encoding::encode(&self.0))
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeKey").field(&self.to_string()).finish()
    }
}

impl From<NodeKey> for String {
    fn from(key: NodeKey) -> Self {
        key.to_string()
    }
}
