use crate::wire::{Codec, Piece, Plain, Read, Scalar, read_whole};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{borrow::Borrow, cmp::Ordering, fmt, hash, ops::Deref, sync::Arc};

/// Text that is cheap to clone: the clones share one allocation.
///
/// The chunks of a stream repeat their id and their model, so a [`ChunkReader`](crate::ChunkReader) allocates each of
/// them once per stream. In use it is like a `String` that cannot be changed: it dereferences to `str`, compares with
/// texts of any type, and is JSON text. An empty one does not allocate.
///
/// ```
/// use atoma_types::{ChatCompletionChunk, SharedStr};
/// use std::collections::HashMap;
///
/// let chunk = ChatCompletionChunk::from_slice(br#"{"id": "chatcmpl-1", "model": "llama", "choices": []}"#)?;
/// assert_eq!(chunk.id, "chatcmpl-1");
/// assert!(chunk.model.starts_with("llama"));
///
/// let tokens: HashMap<SharedStr, u64> = [(chunk.model.clone(), 7)].into();
/// assert_eq!(tokens["llama"], 7);
///
/// let owned: String = chunk.id.into();
/// # assert_eq!(owned, "chatcmpl-1");
/// # Ok::<(), atoma_types::ParseError>(())
/// ```
#[derive(Clone, Default)]
pub struct SharedStr {
    /// `None` is the empty text.
    text: Option<Arc<str>>,
}

impl SharedStr {
    /// Returns the text.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }
}

impl Deref for SharedStr {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for SharedStr {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for SharedStr {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<&str> for SharedStr {
    fn from(text: &str) -> Self {
        Self { text: (!text.is_empty()).then(|| text.into()) }
    }
}

impl From<&String> for SharedStr {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for SharedStr {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<Arc<str>> for SharedStr {
    fn from(text: Arc<str>) -> Self {
        Self { text: (!text.is_empty()).then_some(text) }
    }
}

impl From<SharedStr> for String {
    fn from(text: SharedStr) -> Self {
        text.as_str().to_owned()
    }
}

impl fmt::Display for SharedStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for SharedStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for SharedStr {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (&self.text, &other.text) {
            // Nearly always the same allocation, as chunks of one stream.
            (Some(text), Some(other)) => Arc::ptr_eq(text, other) || text == other,
            (text, other) => text.is_none() && other.is_none(),
        }
    }
}

impl Eq for SharedStr {}

impl PartialOrd for SharedStr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SharedStr {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other)
    }
}

/// Hashes as `str` does, so that a map with such keys can be asked for a `&str`.
impl hash::Hash for SharedStr {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

macro_rules! equals {
    ($($text:ty),*) => { $(
        impl PartialEq<$text> for SharedStr {
            fn eq(&self, other: &$text) -> bool {
                let other: &str = other;
                self.as_str() == other
            }
        }

        impl PartialEq<SharedStr> for $text {
            fn eq(&self, other: &SharedStr) -> bool {
                *other == *self
            }
        }
    )* };
}

equals!(str, &str, String);

impl Serialize for SharedStr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// Reads a string, or a number as its digits.
impl<'de> Deserialize<'de> for SharedStr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_whole(deserializer, "a string")
    }
}

impl Codec<SharedStr> for Plain {
    fn scalar(value: Scalar<'_>) -> Read<SharedStr> {
        match value {
            Scalar::Text(text) => Read::Known(text.into()),
            value => Read::known(value.text().map(SharedStr::from)),
        }
    }

    fn is_absent(value: &SharedStr) -> bool {
        value.text.is_none()
    }

    fn piece(value: &SharedStr) -> Piece<'_> {
        Piece::Text(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        collections::{BTreeSet, HashSet},
        hash::{BuildHasher, RandomState},
    };

    #[test]
    fn it_compares_sorts_and_hashes_as_its_text_does() {
        let texts = ["", "a", "ab", "b", "é"];
        let hasher = RandomState::new();
        for a in texts {
            let shared = SharedStr::from(a);
            assert_eq!(hasher.hash_one(&shared), hasher.hash_one(a), "{a}");
            assert_eq!((shared.to_string(), format!("{shared:?}")), (a.into(), format!("{a:?}")));
            for b in texts {
                let other = SharedStr::from(b.to_owned());
                assert_eq!(shared == other, a == b, "{a} {b}");
                assert_eq!(shared == b, a == b, "{a} {b}");
                assert_eq!(shared == *b, a == b, "{a} {b}");
                let text = b.to_owned();
                assert_eq!((text == shared, shared == text), (a == b, a == b), "{a} {b}");
                assert_eq!(shared.cmp(&other), a.cmp(b), "{a} {b}");
            }
        }
        let all = || texts.iter().map(|text| SharedStr::from(*text));
        assert!(all().collect::<HashSet<_>>().contains("ab"));
        assert!(all().collect::<BTreeSet<_>>().contains("ab"));
    }

    #[test]
    fn clones_share_their_text_and_an_empty_one_has_none() {
        let text = SharedStr::from("a");
        assert_eq!(text.clone().as_ptr(), text.as_ptr());
        assert_eq!(SharedStr::from(Arc::from("")).text, None);
        assert_eq!(SharedStr::from(String::new()).text, SharedStr::default().text);
        assert_eq!(String::from(text), "a");
    }

    #[test]
    fn it_is_json_text() {
        assert_eq!(serde_json::to_string(&SharedStr::from("a\"b")).unwrap(), r#""a\"b""#);
        for (json, wanted) in [(r#""a\"b""#, "a\"b"), ("7", "7"), (r#""""#, "")] {
            assert_eq!(serde_json::from_str::<SharedStr>(json).unwrap(), wanted, "{json}");
        }
        assert!(serde_json::from_str::<SharedStr>("[]").is_err());
        assert!(serde_json::from_str::<SharedStr>("true").is_err());
    }
}
