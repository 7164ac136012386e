use crate::{
    ChatCompletionStream, ChatEventStream, Result,
    output_format::{OutputFormat, Parsed},
};
use atoma_types::{ChatEvent, PartialJson};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// Structured output as it is generated; [`ParseCall::stream`](crate::ParseCall::stream) returns it.
///
/// ```
/// # async fn run(client: atoma::Client, request: atoma::ChatCompletionRequest) -> atoma::Result<()> {
/// # #[derive(serde::Deserialize, schemars::JsonSchema)]
/// # struct Weather { city: String }
/// let mut stream = client.chat().parse::<Weather>(request).stream().await?;
/// while let Some(value) = stream.next_ref().await? {
///     println!("{value}"); // {"city":"Par"}, then {"city":"Paris"}
/// }
/// let weather = stream.into_response().await?.into_parsed()?;
/// # Ok(())
/// # }
/// ```
pub struct ParseStream<T> {
    events: ChatEventStream,
    format: OutputFormat<T>,
    partial: PartialJson,
}

impl<T: DeserializeOwned> ParseStream<T> {
    pub(crate) fn new(stream: ChatCompletionStream, format: OutputFormat<T>) -> Self {
        Self { events: stream.events(), format, partial: PartialJson::new() }
    }

    /// Waits for more of the output, and returns the value as far as it is certain; `None` once the
    /// response is complete.
    ///
    /// Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// As [`ResponseStream::try_next`](crate::ResponseStream::try_next).
    pub async fn next_ref(&mut self) -> Result<Option<&Value>> {
        let is_call = self.format.is_tool_call();
        while let Some(event) = self.events.try_next().await? {
            match event {
                ChatEvent::ContentDelta { choice: 0, delta, .. } if !is_call => {
                    self.partial.push(&delta);
                }
                ChatEvent::ToolCallDelta { choice: 0, call: 0, delta, .. } if is_call => {
                    self.partial.push(&delta);
                }
                _ => continue,
            }
            if self.partial.value().is_some() {
                return Ok(self.partial.value());
            }
        }
        Ok(None)
    }

    /// Reads the value so far as `P`: a type like `T` whose members may be missing (`Option`).
    ///
    /// Returns `None` if it does not fit `P` yet.
    pub fn read_as<P: DeserializeOwned>(&self) -> Option<P> {
        self.partial.read_as().ok()
    }

    /// Reads to the end, and returns the output.
    ///
    /// # Errors
    ///
    /// As [`next_ref`](Self::next_ref).
    pub async fn into_response(self) -> Result<Parsed<T>> {
        let response = self.events.into_response().await?;
        Ok(self.format.read(response))
    }

    /// Returns the stream below, for its metadata, statistics and partial response.
    pub fn as_stream(&self) -> &ChatCompletionStream {
        self.events.as_stream()
    }
}

impl<T> fmt::Debug for ParseStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParseStream").field("events", &self.events).finish_non_exhaustive()
    }
}
