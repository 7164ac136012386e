//! A blocking client, for programs that have no async runtime and want none.
//!
//! It makes the same calls as [`atoma::Client`](crate::Client). [`Call::send`] sends them and waits
//! for the response; a stream is an iterator.
//!
//! ```no_run
//! use atoma::{ChatCompletionMessage, ChatCompletionRequest, blocking::Client};
//!
//! let client = Client::from_env()?;
//! let request = ChatCompletionRequest::new(
//!     "meta-llama/Llama-3.3-70B-Instruct",
//!     [ChatCompletionMessage::user("Hello!")],
//! );
//! println!("{}", client.chat().create(request.clone()).send()?.text());
//! for chunk in client.chat().stream(request).send()? {
//!     print!("{}", chunk?.text());
//! }
//! # Ok::<(), atoma::Error>(())
//! ```

use crate::{
    Call, ChatEventStream, ClientBuilder, CompletionEventStream, Download, Endpoint, Json, Reply,
    Result, Selected, Streamed, TextStream, runtime::BlockingRuntime,
};
use atoma_types::{ChatModel, CompletionModel, ResponseModel, StreamModel};
use bytes::Bytes;
use futures_core::Stream;
use std::{fmt, future::poll_fn, iter::FusedIterator, ops::Deref, pin::Pin};

/// A chat completion as it is generated: an iterator over its chunks.
pub type ChatCompletionStream = ResponseStream<ChatModel>;

/// A client whose calls are sent with [`Call::send`].
///
/// It derefs to [`atoma::Client`](crate::Client), so it has the same resources. It keeps a small
/// runtime without threads, which clones share like the connections, and can be used from several
/// threads at the same time.
///
/// It works wherever blocking is allowed, `spawn_blocking` and `block_in_place` included. Inside an
/// async task, where Tokio would panic, its calls return an error for which
/// [`is_invalid_request`](crate::Error::is_invalid_request) is true.
#[derive(Clone, Debug)]
pub struct Client(crate::Client);

impl Client {
    /// Makes a client for Atoma with this API key; see [`crate::Client::new`].
    ///
    /// # Errors
    ///
    /// As [`crate::Client::new`].
    pub fn new(api_key: impl Into<String>) -> Result<Self> {
        Self::from_client(crate::Client::new(api_key)?)
    }

    /// Makes a client from the environment; see [`crate::Client::from_env`].
    ///
    /// # Errors
    ///
    /// As [`crate::Client::from_env`].
    pub fn from_env() -> Result<Self> {
        Self::from_client(crate::Client::from_env()?)
    }

    /// Configures a client; [`ClientBuilder::build_blocking`] makes it.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Makes a blocking client of an async one.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`](crate::Error::is_config) if the system cannot create a runtime (no file
    /// descriptors are left).
    pub fn from_client(client: crate::Client) -> Result<Self> {
        Ok(Self(client.with_runtime(BlockingRuntime::new()?)))
    }
}

impl Deref for Client {
    type Target = crate::Client;

    fn deref(&self) -> &crate::Client {
        &self.0
    }
}

impl ClientBuilder {
    /// Makes a blocking client; see [`build`](Self::build).
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_blocking(self) -> Result<Client> {
        Client::from_client(self.build()?)
    }
}

impl<E: BlockingEndpoint> Call<E> {
    /// Sends a call of a blocking [`Client`] and waits: for the whole response, or for the head of
    /// a stream.
    ///
    /// # Errors
    ///
    /// As the method that made the call. Also
    /// [`is_invalid_request`](crate::Error::is_invalid_request) if an async client made it, or the
    /// thread is inside an async task.
    pub fn send(self) -> Result<E::Blocking> {
        let runtime = self.runtime()?;
        let output = runtime.block_on(self)??;
        Ok(E::blocking(output, runtime))
    }
}

/// The outcome of [`Call::send`] for each kind of call.
pub trait BlockingEndpoint: Endpoint {
    /// The value that [`Call::send`] returns.
    type Blocking;

    #[doc(hidden)]
    fn blocking(output: Self::Output, runtime: BlockingRuntime) -> Self::Blocking;
}

impl<T: ResponseModel> BlockingEndpoint for Json<T> {
    type Blocking = Reply<T>;

    fn blocking(reply: Reply<T>, _: BlockingRuntime) -> Reply<T> {
        reply
    }
}

impl<T: ResponseModel, U: Send + 'static> BlockingEndpoint for Selected<T, U> {
    type Blocking = Reply<U>;

    fn blocking(reply: Reply<U>, _: BlockingRuntime) -> Reply<U> {
        reply
    }
}

impl BlockingEndpoint for Download {
    type Blocking = Reply<Bytes>;

    fn blocking(reply: Reply<Bytes>, _: BlockingRuntime) -> Reply<Bytes> {
        reply
    }
}

impl<M: StreamModel> BlockingEndpoint for Streamed<M> {
    type Blocking = ResponseStream<M>;

    fn blocking(stream: crate::ResponseStream<M>, runtime: BlockingRuntime) -> ResponseStream<M> {
        ResponseStream { stream, runtime }
    }
}

/// A response as it is generated: an iterator over its chunks.
///
/// It ends as [`crate::ResponseStream`] does: with `None` if the response is complete, otherwise
/// with one error that holds the partial response. Dropping it closes the connection.
pub struct ResponseStream<M: StreamModel> {
    stream: crate::ResponseStream<M>,
    runtime: BlockingRuntime,
}

impl<M: StreamModel> ResponseStream<M> {
    /// Returns the next chunk; `None` once the response is complete. See
    /// [`crate::ResponseStream::try_next`].
    ///
    /// # Errors
    ///
    /// As [`crate::ResponseStream::try_next`].
    pub fn try_next(&mut self) -> Result<Option<M::Chunk>> {
        self.runtime.block_on(self.stream.try_next())?
    }

    /// Returns a reference to the next chunk, which is not copied; see
    /// [`crate::ResponseStream::next_ref`].
    ///
    /// # Errors
    ///
    /// As [`crate::ResponseStream::try_next`].
    pub fn next_ref(&mut self) -> Result<Option<&M::Chunk>> {
        let has_chunk = self.runtime.block_on(self.stream.step())??;
        Ok(has_chunk.then(|| self.stream.chunk()))
    }

    /// Reads to the end and joins the chunks; see [`crate::ResponseStream::into_response`].
    ///
    /// # Errors
    ///
    /// As [`crate::ResponseStream::into_response`].
    pub fn into_response(self) -> Result<M::Response> {
        self.runtime.block_on(self.stream.into_response())?
    }

    /// Returns the async stream, for its metadata, raw text and partial response.
    pub fn as_stream(&self) -> &crate::ResponseStream<M> {
        &self.stream
    }
}

impl ResponseStream<ChatModel> {
    /// Turns the chunks into typed events; see [`crate::ResponseStream::events`].
    pub fn events(self) -> View<ChatEventStream> {
        View { stream: self.stream.events(), runtime: self.runtime }
    }

    /// Reduces the chunks to their text; see [`crate::ResponseStream::text`].
    pub fn text(self) -> View<TextStream<ChatModel>> {
        View { stream: self.stream.text(), runtime: self.runtime }
    }
}

impl ResponseStream<CompletionModel> {
    /// Turns the chunks into typed events; see [`crate::ResponseStream::events`].
    pub fn events(self) -> View<CompletionEventStream> {
        View { stream: self.stream.events(), runtime: self.runtime }
    }

    /// Reduces the chunks to their text; see [`crate::ResponseStream::text`].
    pub fn text(self) -> View<TextStream<CompletionModel>> {
        View { stream: self.stream.text(), runtime: self.runtime }
    }
}

/// An iterator over another view of a stream: its events, or its text.
///
/// It ends as [`ResponseStream`] does.
#[derive(Debug)]
pub struct View<S> {
    stream: S,
    runtime: BlockingRuntime,
}

impl<S> View<S> {
    /// Returns the async view, for its metadata and partial response.
    pub fn as_stream(&self) -> &S {
        &self.stream
    }
}

impl<T: Send, S: Stream<Item = Result<T>> + Send + Unpin> Iterator for View<S> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self { stream, runtime } = self;
        match runtime.block_on(poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx))) {
            Ok(item) => item,
            Err(error) => Some(Err(error)),
        }
    }
}

impl<M: StreamModel> Iterator for ResponseStream<M> {
    type Item = Result<M::Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.runtime.block_on(self.stream.next()) {
            Ok(item) => item,
            Err(error) => Some(Err(error)),
        }
    }
}

impl<M: StreamModel> FusedIterator for ResponseStream<M> {}

impl<M: StreamModel> fmt::Debug for ResponseStream<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream.fmt(f)
    }
}
