//! Other views of a stream: typed events, or the text alone.

use crate::{Error, ResponseStream, Result};
use atoma_types::{
    ChatEvent, ChatEvents, ChatModel, CompletionEvent, CompletionEvents, CompletionModel,
    StreamModel,
};
use futures_core::{FusedStream, Stream};
use serde_json::Value;
use std::{
    borrow::Cow,
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A chat completion as typed events; [`ResponseStream::events`] returns it.
pub type ChatEventStream = TypedEventStream<ChatEvents>;

/// A completion of plain text as typed events; [`ResponseStream::events`] returns it.
pub type CompletionEventStream = TypedEventStream<CompletionEvents>;

/// A response as typed events; [`ResponseStream::events`] returns it.
///
/// It ends as the stream does: with `None` if the response is complete, otherwise with an error that
/// holds the partial response. The `…Done` and `Finish` events come at the end of a complete
/// response only.
pub struct TypedEventStream<E: StreamEvents> {
    stream: ResponseStream<E::Model>,
    events: E,
    ready: VecDeque<E::Event>,
    is_finished: bool,
}

/// The text of a response as it is generated; [`ResponseStream::text`] returns it.
///
/// It ends as the stream does: with `None` if the response is complete, otherwise with an error that
/// holds the partial response. No item is empty.
pub struct TextStream<M: StreamModel> {
    stream: ResponseStream<M>,
    text_of: fn(&M::Chunk) -> Cow<'_, str>,
}

impl ResponseStream<ChatModel> {
    /// Turns the chunks into typed events: deltas of content, reasoning, refusal and tool calls,
    /// usage, finish.
    ///
    /// Call it before the first chunk is read: events begin at the current position of the chunks.
    ///
    /// ```
    /// # async fn run(stream: atoma::ChatCompletionStream) -> atoma::Result<()> {
    /// use atoma::ChatEvent;
    ///
    /// let mut events = stream.events();
    /// while let Some(event) = events.try_next().await? {
    ///     match event {
    ///         ChatEvent::ContentDelta { delta, .. } => print!("{delta}"),
    ///         ChatEvent::ToolCallDone { tool_call, .. } => println!("call {}", tool_call.name()),
    ///         _ => {}
    ///     }
    /// }
    /// let response = events.into_response().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn events(self) -> ChatEventStream {
        TypedEventStream::new(self)
    }

    /// Reduces the chunks to their text: that of the first choice.
    ///
    /// ```
    /// # async fn run(stream: atoma::ChatCompletionStream) -> atoma::Result<()> {
    /// let mut text = stream.text();
    /// while let Some(piece) = text.try_next().await? {
    ///     print!("{piece}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn text(self) -> TextStream<ChatModel> {
        TextStream { stream: self, text_of: |chunk| chunk.text() }
    }
}

impl ResponseStream<CompletionModel> {
    /// Turns the chunks into typed events: deltas of text, log probabilities, usage, finish.
    ///
    /// Call it before the first chunk is read: events begin at the current position of the chunks.
    ///
    /// ```
    /// # async fn run(stream: atoma::ResponseStream<atoma::types::CompletionModel>) -> atoma::Result<()> {
    /// use atoma::CompletionEvent;
    ///
    /// let mut events = stream.events();
    /// while let Some(event) = events.try_next().await? {
    ///     if let CompletionEvent::TextDelta { delta, .. } = event {
    ///         print!("{delta}");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn events(self) -> CompletionEventStream {
        TypedEventStream::new(self)
    }

    /// Reduces the chunks to their text: that of the first choice.
    #[must_use]
    pub fn text(self) -> TextStream<CompletionModel> {
        TextStream { stream: self, text_of: |chunk| chunk.text().into() }
    }
}

impl<E: StreamEvents> TypedEventStream<E> {
    fn new(stream: ResponseStream<E::Model>) -> Self {
        Self { stream, events: E::default(), ready: VecDeque::new(), is_finished: false }
    }

    /// Returns the next event; `None` once the response is complete.
    ///
    /// Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// As [`ResponseStream::try_next`]. Calling again returns the same error.
    pub async fn try_next(&mut self) -> Result<Option<E::Event>> {
        match self.next().await {
            Some(item) => item.map(Some),
            None => self.stream.failed().map_or(Ok(None), |error| Err(Error::clone(error))),
        }
    }

    /// Returns the next item of the stream: an error once, then `None`.
    pub async fn next(&mut self) -> Option<Result<E::Event>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Reads to the end, and returns the response; see [`ResponseStream::into_response`].
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    pub async fn into_response(self) -> Result<<E::Model as StreamModel>::Response> {
        self.stream.into_response().await
    }

    /// Returns the stream below, for its metadata, statistics and partial response.
    pub fn as_stream(&self) -> &ResponseStream<E::Model> {
        &self.stream
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<E::Event>>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            match ready!(self.stream.poll_step(cx)) {
                Some(Ok(())) => {
                    self.ready.extend(self.events.next_events(self.stream.model()));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if self.is_finished || self.stream.failed().is_some() => {
                    return Poll::Ready(None);
                }
                None => {
                    self.is_finished = true;
                    self.ready.extend(self.events.last_events(self.stream.model()));
                }
            }
        }
    }
}

impl ChatEventStream {
    /// Returns the arguments of a tool call so far, parsed; see [`ChatEvents::arguments`].
    pub fn arguments(&self, choice: u32, call: usize) -> Option<&Value> {
        self.events.arguments(choice, call)
    }
}

impl<M: StreamModel> TextStream<M> {
    /// Returns the next piece of text; `None` once the response is complete.
    ///
    /// Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// As [`ResponseStream::try_next`]. Calling again returns the same error.
    pub async fn try_next(&mut self) -> Result<Option<String>> {
        match self.next().await {
            Some(item) => item.map(Some),
            None => self.stream.failed().map_or(Ok(None), |error| Err(Error::clone(error))),
        }
    }

    /// Returns the next item of the stream: an error once, then `None`.
    pub async fn next(&mut self) -> Option<Result<String>> {
        poll_fn(|cx| self.poll_text(cx)).await
    }

    /// Reads to the end, and returns the response; see [`ResponseStream::into_response`].
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    pub async fn into_response(self) -> Result<M::Response> {
        self.stream.into_response().await
    }

    /// Returns the stream below, for its metadata, statistics and partial response.
    pub fn as_stream(&self) -> &ResponseStream<M> {
        &self.stream
    }

    fn poll_text(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<String>>> {
        loop {
            match ready!(self.stream.poll_step(cx)) {
                Some(Ok(())) => {
                    let text = (self.text_of)(self.stream.chunk());
                    if !text.is_empty() {
                        return Poll::Ready(Some(Ok(text.into_owned())));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<E: StreamEvents> Stream for TypedEventStream<E> {
    type Item = Result<E::Event>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_event(cx)
    }
}

impl<E: StreamEvents> Unpin for TypedEventStream<E> {}

impl<E: StreamEvents> FusedStream for TypedEventStream<E> {
    fn is_terminated(&self) -> bool {
        let is_over = self.is_finished || self.stream.failed().is_some();
        self.stream.is_terminated() && self.ready.is_empty() && is_over
    }
}

impl<M: StreamModel> Stream for TextStream<M> {
    type Item = Result<String>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_text(cx)
    }
}

impl<M: StreamModel> FusedStream for TextStream<M> {
    fn is_terminated(&self) -> bool {
        self.stream.is_terminated()
    }
}

impl<E: StreamEvents> fmt::Debug for TypedEventStream<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedEventStream").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl<M: StreamModel> fmt::Debug for TextStream<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextStream").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// The typed events of a kind of stream: [`ChatEvents`] and [`CompletionEvents`]. Not implementable
/// outside this crate.
pub trait StreamEvents: sealed::Sealed + Default + Send {
    /// The model that the stream is read into.
    type Model: StreamModel;

    /// One event.
    type Event: Send;

    /// Returns the events of the chunk that the model read last.
    #[doc(hidden)]
    fn next_events(&mut self, so_far: &Self::Model) -> Vec<Self::Event>;

    /// Returns the events at the end of a complete response.
    #[doc(hidden)]
    fn last_events(&mut self, so_far: &Self::Model) -> Vec<Self::Event>;
}

impl StreamEvents for ChatEvents {
    type Model = ChatModel;
    type Event = ChatEvent;

    fn next_events(&mut self, so_far: &ChatModel) -> Vec<ChatEvent> {
        self.push(so_far.chunk(), so_far.accumulator())
    }

    fn last_events(&mut self, so_far: &ChatModel) -> Vec<ChatEvent> {
        self.finish(so_far.accumulator())
    }
}

impl StreamEvents for CompletionEvents {
    type Model = CompletionModel;
    type Event = CompletionEvent;

    fn next_events(&mut self, so_far: &CompletionModel) -> Vec<CompletionEvent> {
        self.push(so_far)
    }

    fn last_events(&mut self, so_far: &CompletionModel) -> Vec<CompletionEvent> {
        self.finish(so_far)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for atoma_types::ChatEvents {}
    impl Sealed for atoma_types::CompletionEvents {}
}

#[cfg(test)]
mod tests;
