//! Setters, and the values they take.

/// Defines a setter for each field of a request, of the same name.
///
/// `name: Type` takes a `Type`, and `as impl Into<Type>` anything that converts to one. A `Type`
/// other than the field's converts to that.
macro_rules! setters {
    ($name:ident { $( $field:ident: $ty:ty $(as $given:ty)?; )* }) => {
        /// Setters: one for each member, of the same name.
        impl $name {
            $( $crate::setters::setters!(@one $field: $ty $(as $given)?); )*
        }
    };
    (@one $field:ident: $ty:ty) => {
        $crate::setters::setters!(@one $field: $ty as $ty);
    };
    (@one $field:ident: $ty:ty as $given:ty) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, $field: $given) -> Self {
            let value: $ty = $field.into();
            self.$field = Some(value.into());
            self
        }
    };
}

/// Defines the methods that every request has besides its setters: `extra`, and `to_vec` on top of
/// its `validate`.
macro_rules! request {
    ($name:ident) => {
        impl $name {
            /// Sets a member that has no field, or a value that [`validate`](Self::validate) must
            /// not check.
            ///
            /// It is written if the field of the same name is not set.
            #[must_use]
            #[doc(alias = "extra_body")]
            pub fn extra(
                mut self,
                name: impl Into<String>,
                value: impl Into<serde_json::Value>,
            ) -> Self {
                self.extra.insert(name, value);
                self
            }

            /// Validates the request and writes it as JSON, the body of a call.
            ///
            /// # Errors
            ///
            /// The first mistake found, as [`validate`](Self::validate).
            pub fn to_vec(&self) -> Result<Vec<u8>, $crate::InvalidRequest> {
                self.validate()?;
                $crate::validate::to_vec(self)
            }
        }
    };
}

pub(crate) use request;
pub(crate) use setters;

/// A number given to a setter: any integer or float converts to it.
///
/// ```
/// # use atoma_types::{ChatCompletionMessage, ChatCompletionRequest};
/// let request = ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")]);
/// let request = request.temperature(1).top_p(0.9).presence_penalty(-0.5_f32);
/// assert_eq!((request.temperature, request.top_p), (Some(1.0), Some(0.9)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(f32);

macro_rules! numbers {
    ($($ty:ty)*) => { $(
        impl From<$ty> for Number {
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, trivial_numeric_casts)]
            fn from(number: $ty) -> Self {
                Self(number as f32)
            }
        }
    )* };
}

numbers! { f32 f64 i8 i16 i32 i64 u8 u16 u32 u64 usize }

impl From<Number> for f32 {
    fn from(number: Number) -> Self {
        number.0
    }
}

/// One text or several, given to a setter such as `stop`.
///
/// ```
/// # use atoma_types::{ChatCompletionMessage, ChatCompletionRequest};
/// let request = ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")]);
/// assert_eq!(request.clone().stop("\n").stop, Some(vec!["\n".to_owned()]));
/// assert_eq!(request.stop(["a", "b"]).stop.unwrap().len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts(Vec<String>);

impl From<&str> for Texts {
    fn from(text: &str) -> Self {
        Self(vec![text.to_owned()])
    }
}

impl From<String> for Texts {
    fn from(text: String) -> Self {
        Self(vec![text])
    }
}

impl<T: Into<String>> From<Vec<T>> for Texts {
    fn from(texts: Vec<T>) -> Self {
        texts.into_iter().collect()
    }
}

impl<T: Into<String> + Clone> From<&[T]> for Texts {
    fn from(texts: &[T]) -> Self {
        texts.iter().cloned().collect()
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for Texts {
    fn from(texts: [T; N]) -> Self {
        texts.into_iter().collect()
    }
}

impl<T: Into<String>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        Self(texts.into_iter().map(Into::into).collect())
    }
}

impl From<Texts> for Vec<String> {
    fn from(texts: Texts) -> Self {
        texts.0
    }
}
