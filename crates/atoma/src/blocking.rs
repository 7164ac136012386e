//! The same two calls, synchronous: for programs that have no async runtime and want none.
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
    Call as AsyncCall, CreateChatCompletion, Error, Operation, Reply, Result, RetryConfig,
    StreamChatCompletion, Timeouts,
};
use atoma_types::{ChatCompletionChunk, ChatCompletionRequest, ChatCompletionResponse};
use std::{fmt, future::Future, iter::FusedIterator, sync::Arc, time::Duration};
use tokio::runtime::{Builder, Handle, Runtime};

/// A client whose calls wait for their answer.
///
/// It keeps a small runtime of its own, without threads; clones share it and the connections. It
/// may be used from several threads at once, but not inside an async runtime: there, its calls
/// return an error that says so.
#[derive(Clone, Debug)]
pub struct Client {
    client: crate::Client,
    driver: Driver,
}

/// Chat completions, synchronous.
#[derive(Clone, Debug)]
pub struct Chat {
    client: Client,
}

/// A call that is not sent yet; see [`crate::Call`].
#[must_use = "a call is sent by `send`"]
#[derive(Debug)]
pub struct Call<O> {
    call: AsyncCall<O>,
    driver: Driver,
}

/// The answer as it is written: an iterator over its chunks.
///
/// It ends as [`crate::ChatCompletionStream`] does: with `None` when the answer is whole, else
/// with one error that holds what had arrived. Dropping it closes the connection at once.
#[derive(Debug)]
pub struct ChatCompletionStream {
    stream: crate::ChatCompletionStream,
    driver: Driver,
}

impl Client {
    /// As [`crate::Client::new`].
    ///
    /// # Errors
    ///
    /// As [`crate::Client::new`].
    pub fn new(api_key: impl Into<String>) -> Result<Self> {
        Self::from_client(crate::Client::new(api_key)?)
    }

    /// As [`crate::Client::from_env`].
    ///
    /// # Errors
    ///
    /// As [`crate::Client::from_env`].
    pub fn from_env() -> Result<Self> {
        Self::from_client(crate::Client::from_env()?)
    }

    /// Makes `client` synchronous, however it was built.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if the system gives no runtime (no file descriptors are left).
    pub fn from_client(client: crate::Client) -> Result<Self> {
        Ok(Self { client, driver: Driver::new()? })
    }

    /// Chat completions.
    pub fn chat(&self) -> Chat {
        Chat { client: self.clone() }
    }
}

impl Chat {
    /// As [`crate::Chat::create`]; [`Call::send`] sends it.
    pub fn create(&self, request: ChatCompletionRequest) -> Call<CreateChatCompletion> {
        let Client { client, driver } = self.client.clone();
        Call { call: client.chat().create(request), driver }
    }

    /// As [`crate::Chat::stream`]; [`Call::send`] sends it.
    pub fn stream(&self, request: ChatCompletionRequest) -> Call<StreamChatCompletion> {
        let Client { client, driver } = self.client.clone();
        Call { call: client.chat().stream(request), driver }
    }
}

impl<O: Operation> Call<O> {
    /// As [`crate::Call::retries`].
    pub fn retries(self, retries: RetryConfig) -> Self {
        self.map(|call| call.retries(retries))
    }

    /// As [`crate::Call::timeout`].
    pub fn timeout(self, total: Duration) -> Self {
        self.map(|call| call.timeout(total))
    }

    /// As [`crate::Call::timeouts`].
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        self.map(|call| call.timeouts(timeouts))
    }

    /// As [`crate::Call::server_url`].
    pub fn server_url(self, url: impl Into<String>) -> Self {
        self.map(|call| call.server_url(url))
    }

    /// As [`crate::Call::query`].
    pub fn query(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.map(|call| call.query(name, value))
    }

    /// As [`crate::Call::header`].
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.map(|call| call.header(name, value))
    }

    fn map(self, set: impl FnOnce(AsyncCall<O>) -> AsyncCall<O>) -> Self {
        Self { call: set(self.call), driver: self.driver }
    }
}

impl Call<CreateChatCompletion> {
    /// Sends the call and waits for the whole answer.
    ///
    /// # Errors
    ///
    /// As [`crate::Chat::create`].
    pub fn send(self) -> Result<Reply<ChatCompletionResponse>> {
        self.driver.wait(self.call.run())?
    }
}

impl Call<StreamChatCompletion> {
    /// Sends the call and waits for the head of the answer.
    ///
    /// # Errors
    ///
    /// As [`crate::Chat::stream`].
    pub fn send(self) -> Result<ChatCompletionStream> {
        let stream = self.driver.wait(self.call.run())??;
        Ok(ChatCompletionStream { stream, driver: self.driver })
    }
}

impl ChatCompletionStream {
    /// As [`crate::ChatCompletionStream::next_ref`].
    ///
    /// # Errors
    ///
    /// As [`crate::ChatCompletionStream::try_next`].
    pub fn next_ref(&mut self) -> Result<Option<&ChatCompletionChunk>> {
        self.driver.wait(self.stream.next_ref())?
    }

    /// As [`crate::ChatCompletionStream::into_response`].
    ///
    /// # Errors
    ///
    /// As [`crate::ChatCompletionStream::into_response`].
    pub fn into_response(self) -> Result<ChatCompletionResponse> {
        self.driver.wait(self.stream.into_response())?
    }

    /// The stream itself, for its head: status, headers, request id, attempts.
    pub fn as_stream(&self) -> &crate::ChatCompletionStream {
        &self.stream
    }
}

impl Iterator for ChatCompletionStream {
    type Item = Result<ChatCompletionChunk>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.driver.wait(self.stream.next()) {
            Ok(item) => item,
            Err(error) => Some(Err(error)),
        }
    }
}

impl FusedIterator for ChatCompletionStream {}

/// What runs the calls: a runtime on the thread that waits.
#[derive(Clone)]
struct Driver(Arc<OwnRuntime>);

struct OwnRuntime(Option<Runtime>);

impl Driver {
    fn new() -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            Error::config(format!("the blocking client got no runtime: {}", error.kind()))
        })?;
        Ok(Self(Arc::new(OwnRuntime(Some(runtime)))))
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        match &self.0.0 {
            Some(runtime) if Handle::try_current().is_err() => Ok(runtime.block_on(future)),
            _ => Err(Error::misuse(
                "the blocking client was used inside an async runtime: use atoma::Client there",
            )),
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver")
    }
}

/// Dropping a runtime the usual way panics inside another one.
impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
