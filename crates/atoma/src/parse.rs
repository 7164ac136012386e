//! Structured output: a type of the caller, filled by the model.

use crate::{
    Chat, Error, Reply, Result,
    output_format::{OutputFormat, ParseMode, Parsed},
    parse_stream::ParseStream,
};
use atoma_types::ChatCompletionRequest;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
};

impl Chat {
    /// Generates a value of type `T`: sends its JSON Schema, and reads the output as `T`.
    ///
    /// ```
    /// # async fn run(client: atoma::Client, request: atoma::ChatCompletionRequest) -> atoma::Result<()> {
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Weather {
    ///     city: String,
    ///     /// In degrees Celsius
    ///     temperature: f64,
    ///     wind: Option<String>,
    /// }
    ///
    /// let weather: Weather = client.chat().parse(request).await?.into_parsed()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create), and [`Error::is_invalid_request`] if the schema of `T` has no
    /// strict form, with the path of the unsupported part: a map with arbitrary keys, for example.
    pub fn parse<T: DeserializeOwned + JsonSchema>(
        &self,
        request: ChatCompletionRequest,
    ) -> ParseCall<T> {
        let format = OutputFormat::new(ParseMode::default());
        ParseCall { chat: self.clone(), request, format }
    }
}

/// A request for structured output that has not been sent yet; [`Chat::parse`] returns it.
///
/// Await it for the whole output, or call [`stream`](Self::stream). For the options of a
/// [`Call`](crate::Call), such as a timeout, use an [`OutputFormat`].
#[must_use = "nothing is sent unless you `.await` it or call `stream`"]
pub struct ParseCall<T> {
    chat: Chat,
    request: ChatCompletionRequest,
    format: Result<OutputFormat<T>>,
}

impl<T: DeserializeOwned + JsonSchema> ParseCall<T> {
    /// Sets how the schema is sent. Default [`ParseMode::JsonSchema`].
    pub fn mode(mut self, mode: ParseMode) -> Self {
        self.format = OutputFormat::new(mode);
        self
    }

    /// Streams the output, with the value so far.
    ///
    /// # Errors
    ///
    /// As [`Chat::stream`] and [`Chat::parse`].
    pub async fn stream(self) -> Result<ParseStream<T>> {
        let format = self.format?;
        let stream = self.chat.stream(format.request(self.request)).await?;
        Ok(ParseStream::new(stream, format))
    }
}

impl<T: DeserializeOwned + JsonSchema + 'static> IntoFuture for ParseCall<T> {
    type Output = Result<Reply<Parsed<T>>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let format = self.format?;
            let reply = self.chat.create(format.request(self.request)).await?;
            Ok(reply.map(|response| format.read(response)))
        })
    }
}

impl<T> Reply<Parsed<T>> {
    /// Returns the value; see [`Parsed::into_parsed`].
    ///
    /// # Errors
    ///
    /// As [`Parsed::into_parsed`].
    pub fn into_parsed(self) -> Result<T, Error> {
        self.into_inner().into_parsed()
    }
}

impl<T> fmt::Debug for ParseCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParseCall").field("format", &self.format).finish_non_exhaustive()
    }
}
