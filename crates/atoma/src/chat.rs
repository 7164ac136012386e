use crate::{
    Call, ChatCompletionStream, Client, Error, Operation, Reply, Result,
    call::{EVENT_STREAM, JSON, Prepared},
    outcome,
};
use atoma_types::{ChatCompletionRequest, ChatCompletionResponse, StreamOptions};
use bytes::Bytes;
use http::uri::PathAndQuery;
use std::sync::LazyLock;

static PATH: LazyLock<PathAndQuery> =
    LazyLock::new(|| PathAndQuery::from_static("/v1/chat/completions"));

/// Chat completions: [`create`](Self::create) for a whole answer, [`stream`](Self::stream) for one
/// that arrives as it is written.
#[derive(Clone, Debug)]
pub struct Chat {
    client: Client,
}

/// [`Chat::create`].
#[derive(Debug)]
pub struct CreateChatCompletion(ChatCompletionRequest);

/// [`Chat::stream`].
#[derive(Debug)]
pub struct StreamChatCompletion(ChatCompletionRequest);

impl Chat {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Asks for an answer and waits for all of it.
    ///
    /// Sends `"stream": false`. Without `max_completion_tokens` Atoma reserves balance for 8192.
    /// Dropping the future closes the connection, but Atoma finishes and bills a unary answer all
    /// the same; prefer [`stream`](Self::stream) for what may be given up.
    ///
    /// ```
    /// # async fn run(client: atoma::Client) -> atoma::Result<()> {
    /// use atoma::{ChatCompletionMessage, ChatCompletionRequest};
    ///
    /// let request = ChatCompletionRequest::new(
    ///     "meta-llama/Llama-3.3-70B-Instruct",
    ///     [ChatCompletionMessage::user("Hello!")],
    /// );
    /// let reply = client.chat().create(request).await?;
    /// println!("{}", reply.text());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error`] says which of its questions apply; a request that has `stream: true` or can never
    /// be right is refused before anything is sent.
    pub fn create(&self, request: ChatCompletionRequest) -> Call<CreateChatCompletion> {
        Call::new(self.client.clone(), CreateChatCompletion(request))
    }

    /// Asks for an answer and hands it on piece by piece.
    ///
    /// Sends `"stream": true` and asks for usage, unless `stream_options` says otherwise. The call
    /// resolves when the head is in; the chunks follow from the [`ChatCompletionStream`]. Dropping
    /// either closes the connection at once; on Atoma that stops the billing.
    ///
    /// ```
    /// # async fn run(client: atoma::Client) -> atoma::Result<()> {
    /// # use atoma::{ChatCompletionMessage, ChatCompletionRequest};
    /// # let request = ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")]);
    /// let mut chunks = client.chat().stream(request).await?;
    /// while let Some(chunk) = chunks.try_next().await? {
    ///     print!("{}", chunk.text());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); a request that has `stream: false` is refused.
    pub fn stream(&self, request: ChatCompletionRequest) -> Call<StreamChatCompletion> {
        Call::new(self.client.clone(), StreamChatCompletion(request))
    }
}

impl Operation for CreateChatCompletion {
    type Output = Reply<ChatCompletionResponse>;

    fn run(mut self, prepared: Prepared) -> impl Future<Output = Result<Self::Output>> + Send {
        let choices = self.0.n.unwrap_or(1);
        outcome::completion(prepared.post(&PATH, self.written(), JSON), choices)
    }
}

impl CreateChatCompletion {
    fn written(&mut self) -> Result<Bytes> {
        let request = &mut self.0;
        if request.stream == Some(true) {
            return Err(Error::misuse(
                "the request has stream: true: call chat().stream(request) for a stream",
            ));
        }
        request.stream = Some(false);
        written(request)
    }
}

impl Operation for StreamChatCompletion {
    type Output = ChatCompletionStream;

    fn run(mut self, prepared: Prepared) -> impl Future<Output = Result<Self::Output>> + Send {
        let choices = self.0.n.unwrap_or(1);
        let sent = prepared.post(&PATH, self.written(), EVENT_STREAM);
        async move {
            let answer = sent?.answer().await?;
            // Boxed: it is large, and need not be there while the answer is awaited.
            Box::pin(ChatCompletionStream::open(answer, choices)).await
        }
    }
}

impl StreamChatCompletion {
    fn written(&mut self) -> Result<Bytes> {
        let request = &mut self.0;
        if request.stream == Some(false) {
            return Err(Error::misuse(
                "the request has stream: false: call chat().create(request) for a whole answer",
            ));
        }
        request.stream = Some(true);
        request
            .stream_options
            .get_or_insert_with(StreamOptions::default)
            .include_usage
            .get_or_insert(true);
        written(request)
    }
}

/// The request as it goes over the wire, checked first.
fn written(request: &ChatCompletionRequest) -> Result<Bytes> {
    request.validate()?;
    let body = serde_json::to_vec(request)
        .map_err(|error| Error::misuse(format!("the request cannot be written: {error}")))?;
    Ok(body.into())
}
