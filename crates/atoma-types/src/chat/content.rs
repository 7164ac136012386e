//! The content of a message, in requests, responses and chunks.
//!
//! ```text
//! "Hello"                                  Content::Text
//! [{"type":"text","text":"Hello"}, …]      Content::Parts: Text, ImageUrl, or Other as it is
//! {"type":"text","text":"Hello"}           Content::Parts with one part
//! null                                     Content::Text("")
//! ```
//!
//! The chunks of a stream are joined to the same form: text continues in the last text part, and a thought in the last thought.
use crate::{
    json,
    open_enum::open_enum,
    wire::{
        Codec, Elements, Field, Members, Piece, Plain, Read, Scalar, Stopped, Tagged,
        by_value_type, object, read, whole,
    },
};
use serde::{
    de::{Deserialize, Deserializer},
    ser::{Serialize, Serializer},
};
use serde_json::Value;
use std::borrow::Cow;

/// The content of a message: text, or a list of parts.
///
/// It is always written, as `""` when it is empty: Atoma rejects a message whose content is absent, `null` or an empty list.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Parts in their order.
    Parts(Vec<ContentPart>),
}

/// A part of a message's content.
///
/// ```
/// use atoma_types::{ChatCompletionMessage, ContentPart, ImageDetail};
///
/// let message = ChatCompletionMessage::user("What is this?")
///     .part(ContentPart::image_url("https://example.com/cat.png").detail(ImageDetail::High));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ContentPart {
    /// Text.
    Text(TextPart),
    /// An image, by its address.
    ImageUrl(ImageUrlPart),
    /// Any other part, such as audio or a model's thinking; kept unchanged.
    Other(Value),
}

object! {
    /// A part that is text.
    pub struct TextPart {
        /// The text.
        pub text: String,
    }
}

object! {
    /// A part that is an image.
    pub struct ImageUrlPart {
        /// The address of the image.
        pub image_url: ImageUrl,
    }
}

object! {
    /// The address of an image, and how closely to look at it.
    pub struct ImageUrl {
        /// An `https:` address, or a `data:` one that holds the image itself.
        pub url: String,
        /// How closely the model looks. The server's default is `auto`.
        pub detail: Option<ImageDetail>,
    }
}

open_enum! {
    /// How closely a model looks at an image.
    pub enum ImageDetail {
        /// The model decides.
        Auto = "auto",
        /// A small version of the image: fewer tokens.
        Low = "low",
        /// The image in full.
        High = "high",
    }
}

impl Content {
    /// Returns the text, parts joined, without a model's thinking.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Parts(parts) => {
                join(parts.iter().filter_map(ContentPart::as_text).map(Cow::Borrowed))
            }
        }
    }

    /// Returns true if there is neither text nor a part.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Parts(parts) => parts.is_empty(),
        }
    }

    /// The text of the parts that hold a model's thinking, as Mistral sends it.
    pub(crate) fn thinking(&self) -> Cow<'_, str> {
        match self {
            Self::Text(_) => Cow::Borrowed(""),
            Self::Parts(parts) => join(parts.iter().filter_map(ContentPart::thinking)),
        }
    }

    /// The end of the text, where more of it can be put.
    pub(crate) fn last_text_mut(&mut self) -> &mut String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => {
                // After an image or a thought, text begins a new part.
                if !matches!(parts.last(), Some(ContentPart::Text(_))) {
                    parts.push(ContentPart::text(""));
                }
                match parts.last_mut() {
                    Some(ContentPart::Text(part)) => &mut part.text,
                    _ => unreachable!("the last part was made text above"),
                }
            }
        }
    }

    /// Adds the content of a later chunk. Pieces of text continue where the last ended, and so do pieces of thinking.
    pub(crate) fn append(&mut self, later: &Self) {
        let parts = match later {
            Self::Text(text) if text.is_empty() => return,
            Self::Text(text) => return self.last_text_mut().push_str(text),
            Self::Parts(parts) => parts,
        };
        for part in parts {
            match part {
                ContentPart::Text(piece) if piece.extra.is_empty() => {
                    self.last_text_mut().push_str(&piece.text);
                }
                part => {
                    let all = self.parts_mut();
                    // Pieces of one thought are one part; any other part is whole.
                    let joined = all.last_mut().is_some_and(|last| last.go_on_thinking(part));
                    if !joined {
                        all.push(part.clone());
                    }
                }
            }
        }
    }

    /// The parts; text becomes the first of them.
    pub(crate) fn parts_mut(&mut self) -> &mut Vec<ContentPart> {
        if let Self::Text(text) = self {
            let text = std::mem::take(text);
            let first = (!text.is_empty()).then(|| ContentPart::text(text));
            *self = Self::Parts(first.into_iter().collect());
        }
        match self {
            Self::Parts(parts) => parts,
            Self::Text(_) => unreachable!("text was made a part above"),
        }
    }
}

impl ContentPart {
    /// Returns a part that is text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(TextPart { text: text.into(), ..TextPart::default() })
    }

    /// Returns a part that is an image, by its `https:` or `data:` address.
    pub fn image_url(url: impl Into<String>) -> Self {
        let image_url = ImageUrl { url: url.into(), ..ImageUrl::default() };
        Self::ImageUrl(ImageUrlPart { image_url, ..ImageUrlPart::default() })
    }

    /// Sets how closely to look at the image. On a part that is not an image this does nothing.
    #[must_use]
    pub fn detail(mut self, detail: ImageDetail) -> Self {
        if let Self::ImageUrl(part) = &mut self {
            part.image_url.detail = Some(detail);
        }
        self
    }

    /// Returns the text of a text part.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(part) => Some(&part.text),
            _ => None,
        }
    }

    /// The text of a thinking part: `{"type": "thinking", "thinking": "…"}`, or a list of text parts in place of the string.
    pub(crate) fn thinking(&self) -> Option<Cow<'_, str>> {
        let Self::Other(value) = self else { return None };
        if !self.is_thinking() {
            return None;
        }
        match value.get("thinking")? {
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Array(parts) => Some(texts_in(parts)),
            _ => None,
        }
    }

    /// Adds a later piece of the same thought. False if either part is not thinking, or their forms differ.
    fn go_on_thinking(&mut self, later: &Self) -> bool {
        if !self.is_thinking() || !later.is_thinking() {
            return false;
        }
        let (Self::Other(all), Self::Other(later)) = (self, later) else { return false };
        match (all.get_mut("thinking"), later.get("thinking")) {
            (Some(Value::String(all)), Some(Value::String(piece))) => all.push_str(piece),
            (Some(Value::Array(all)), Some(Value::Array(pieces))) => all.extend_from_slice(pieces),
            _ => return false,
        }
        true
    }

    /// Returns whether the part is a model's thinking.
    fn is_thinking(&self) -> bool {
        matches!(self, Self::Other(value) if value.get("type").is_some_and(|kind| kind == "thinking"))
    }

    /// Reads a part from a value; the value comes back if it is none.
    fn read_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::String(text) => Ok(Self::text(text)),
            value @ Value::Object(_) => Ok(Self::from_object(value)),
            value => Err(value),
        }
    }

    /// The part in the form in which it is written, its `type` first.
    fn piece(&self) -> Piece<'_> {
        let (name, value, extra) = match self {
            Self::Text(part) => ("text", Piece::Text(&part.text), &part.extra),
            Self::ImageUrl(part) => ("image_url", Piece::Object(&part.image_url), &part.extra),
            Self::Other(value) => return Piece::Value(value),
        };
        Piece::Tagged(Box::new(Tagged { kind: name, name, value, extra: Some(extra) }))
    }

    /// Reads a part by its `type`, or by its members if it has none. Parts that do not have their usual form are kept as they are.
    fn from_object(value: Value) -> Self {
        let kind = value.get("type").map(|kind| kind.as_str().unwrap_or_default());
        match kind {
            // The second name is that of another API; requests refuse it.
            Some("text" | "output_text") | None
                if value.get("text").is_some_and(Value::is_string) =>
            {
                let mut part: TextPart = json::object_from_value(&value).unwrap_or_default();
                part.extra.remove("type");
                Self::Text(part)
            }
            Some("image_url") if value.get("image_url").is_some_and(Value::is_object) => {
                let mut part: ImageUrlPart = json::object_from_value(&value).unwrap_or_default();
                part.extra.remove("type");
                Self::ImageUrl(part)
            }
            _ => Self::Other(value),
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<ContentPart>> for Content {
    fn from(parts: Vec<ContentPart>) -> Self {
        if parts.is_empty() { Self::default() } else { Self::Parts(parts) }
    }
}

impl<const N: usize> From<[ContentPart; N]> for Content {
    fn from(parts: [ContentPart; N]) -> Self {
        Vec::from(parts).into()
    }
}

impl From<ContentPart> for Content {
    fn from(part: ContentPart) -> Self {
        Self::Parts(vec![part])
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Plain::piece(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut content = Self::default();
        match read(deserializer, &mut Field::<_, Plain>::new(&mut content))? {
            Read::Known(()) | Read::Null => Ok(content),
            Read::Unknown => Err(serde::de::Error::custom("expected text or parts")),
        }
    }
}

impl Codec<Content> for Plain {
    fn scalar(value: Scalar<'_>) -> Read<Content> {
        Read::known(value.text().map(Content::from))
    }

    fn array(elements: &mut dyn Elements) -> Result<Read<Content>, Stopped> {
        let read = <Self as Codec<Vec<ContentPart>>>::array(elements)?;
        Ok(read.map(Content::from))
    }

    fn object(members: &mut dyn Members) -> Result<Read<Content>, Stopped> {
        whole(members, |value| match value {
            value @ Value::Object(_) => Ok(ContentPart::from_object(value).into()),
            value => Err(value),
        })
    }

    fn is_absent(value: &Content) -> bool {
        value.is_empty()
    }

    fn piece(value: &Content) -> Piece<'_> {
        match value {
            Content::Parts(parts) if !parts.is_empty() => Piece::List(parts),
            // Atoma rejects an empty list.
            Content::Parts(_) => Piece::Text(""),
            Content::Text(text) => Piece::Text(text),
        }
    }
}

by_value_type!(ContentPart, "a content part");

/// The texts of a list of objects, joined.
fn texts_in(list: &[Value]) -> Cow<'_, str> {
    join(list.iter().filter_map(|part| part.get("text")?.as_str()).map(Cow::Borrowed))
}

/// Joins texts, without an allocation where one is enough.
pub(crate) fn join<'a>(mut texts: impl Iterator<Item = Cow<'a, str>>) -> Cow<'a, str> {
    let Some(mut all) = texts.next() else { return Cow::Borrowed("") };
    for text in texts {
        all.to_mut().push_str(&text);
    }
    all
}
