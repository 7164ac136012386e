use crate::wire::{Piece, by_value_type};
use serde_json::Value;

/// Text for a model to read: one text or several, as text or as tokens.
///
/// It is the `prompt` of a completion and the `input` of an embedding.
///
/// ```
/// use atoma_types::TextInput;
///
/// assert_eq!(TextInput::from("Once upon a time").count(), 1);
/// assert_eq!(TextInput::from(["a", "b"]).count(), 2);
/// assert_eq!(TextInput::from([464, 2068]), TextInput::Tokens(vec![464, 2068]));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TextInput {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// One text, as the ids of its tokens.
    Tokens(Vec<u32>),
    /// Several texts, each as the ids of its tokens.
    TokenLists(Vec<Vec<u32>>),
    /// Any other JSON, such as the images of a multimodal model. Written unchanged.
    Other(Value),
}

impl TextInput {
    /// The number of texts.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Text(_) | Self::Tokens(_) => 1,
            Self::Texts(texts) => texts.len(),
            Self::TokenLists(lists) => lists.len(),
            Self::Other(value) => value.as_array().map_or(1, Vec::len),
        }
    }

    /// The text, if it is exactly one and not given as tokens.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the reason why there is nothing to read, if so.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Texts(texts) if texts.is_empty() => Some("is empty: add at least one text"),
            Self::TokenLists(lists) if lists.is_empty() => Some("is empty: add at least one text"),
            Self::Tokens(tokens) if tokens.is_empty() => Some("is empty: add at least one token"),
            Self::TokenLists(lists) if lists.iter().any(Vec::is_empty) => {
                Some("has a text without tokens")
            }
            Self::Other(Value::Null) => Some("is missing: give a text"),
            _ => None,
        }
    }

    /// Reads in the order of the server: `[]` is a list of texts.
    fn read_value(value: Value) -> Result<Self, Value> {
        Ok(match value {
            Value::String(text) => Self::Text(text),
            Value::Array(list) => {
                if let Some(texts) = all(&list, |value| Some(value.as_str()?.to_owned())) {
                    Self::Texts(texts)
                } else if let Some(tokens) = all(&list, token) {
                    Self::Tokens(tokens)
                } else if let Some(lists) = all(&list, |list| all(list.as_array()?, token)) {
                    Self::TokenLists(lists)
                } else {
                    Self::Other(Value::Array(list))
                }
            }
            value => Self::Other(value),
        })
    }

    fn piece(&self) -> Piece<'_> {
        match self {
            Self::Text(text) => Piece::Text(text),
            Self::Texts(texts) => Piece::List(texts),
            Self::Tokens(tokens) => Piece::List(tokens),
            Self::TokenLists(lists) => Piece::List(lists),
            Self::Other(value) => Piece::Value(value),
        }
    }
}

by_value_type!(TextInput, "text or tokens");

fn token(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

/// Reads all elements with a function; `None` if it returns `None` for one of them.
fn all<T>(list: &[Value], read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    list.iter().map(read).collect()
}

impl Default for TextInput {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl From<&str> for TextInput {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for TextInput {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for TextInput {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

macro_rules! from_lists {
    ($($element:ty => $variant:ident by $convert:expr;)*) => { $(
        impl From<Vec<$element>> for TextInput {
            fn from(list: Vec<$element>) -> Self {
                Self::$variant(list.into_iter().map($convert).collect())
            }
        }

        impl From<&[$element]> for TextInput {
            fn from(list: &[$element]) -> Self {
                list.to_vec().into()
            }
        }

        impl<const N: usize> From<[$element; N]> for TextInput {
            fn from(list: [$element; N]) -> Self {
                Self::$variant(list.into_iter().map($convert).collect())
            }
        }
    )* };
}

from_lists! {
    &str => Texts by str::to_owned;
    String => Texts by |text| text;
    u32 => Tokens by |token| token;
    Vec<u32> => TokenLists by |list| list;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn every_form_is_written_as_it_is_read() {
        for (input, wire) in [
            (TextInput::from("a"), json!("a")),
            (["a", "b"].into(), json!(["a", "b"])),
            (vec!["a".to_owned()].into(), json!(["a"])),
            (Vec::<String>::new().into(), json!([])),
            ([1, 2].into(), json!([1, 2])),
            (vec![vec![1], vec![2, 3]].into(), json!([[1], [2, 3]])),
            (TextInput::Other(json!([{"image": "…"}])), json!([{"image": "…"}])),
            (TextInput::Other(json!([-1])), json!([-1])),
            (TextInput::Other(json!(["a", 1])), json!(["a", 1])),
        ] {
            assert_eq!(to_value(&input).unwrap(), wire);
            assert_eq!(from_value::<TextInput>(wire).unwrap(), input);
        }
    }
}
