use crate::{
    Call, ChatCompletionStream, Client, Error, Operation, Reply, Result, call::Prepared, outcome,
};
use atoma_types::{ChatCompletionRequest, ChatCompletionResponse, StreamOptions};
use bytes::Bytes;

const PATH: &str = "/chat/completions";

/// Chat completions: [`create`](Self::create) for a whole answer, [`stream`](Self::stream) for one
/// that arrives as it is written.
#[derive(Clone, Debug)]
pub struct Chat {
    client: Client,
}

/// [`Chat::create`].
#[derive(Debug)]
pub struct CreateChatCompletion(Written);

/// [`Chat::stream`].
#[derive(Debug)]
pub struct StreamChatCompletion(Written);

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
        Call::new(self.client.clone(), CreateChatCompletion(Written::whole(request)))
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
        Call::new(self.client.clone(), StreamChatCompletion(Written::streamed(request)))
    }
}

impl Operation for CreateChatCompletion {
    type Output = Reply<ChatCompletionResponse>;

    fn run(self, prepared: Prepared) -> impl Future<Output = Result<Self::Output>> + Send {
        let Self(Written { body, choices }) = self;
        outcome::completion(prepared.post(PATH, body, false), choices)
    }
}

impl Operation for StreamChatCompletion {
    type Output = ChatCompletionStream;

    fn run(self, prepared: Prepared) -> impl Future<Output = Result<Self::Output>> + Send {
        let Self(Written { body, choices }) = self;
        let sent = prepared.post(PATH, body, true);
        async move {
            let mut sent = sent?;
            let answer = sent.answer().await?;
            // Boxed: it is large, and need not be there while the answer is awaited.
            Box::pin(ChatCompletionStream::open(sent, answer, choices)).await
        }
    }
}

/// A request as it goes over the wire, or why it does not: a call holds no more of it.
#[derive(Debug)]
struct Written {
    body: Result<Bytes>,
    /// How many answers are asked for.
    choices: u32,
}

impl Written {
    fn whole(mut request: ChatCompletionRequest) -> Self {
        let misuse = "the request has stream: true: call chat().stream(request) for a stream";
        let is_misused = request.stream.replace(false) == Some(true);
        Self::of(&request, is_misused.then_some(misuse))
    }

    fn streamed(mut request: ChatCompletionRequest) -> Self {
        let misuse =
            "the request has stream: false: call chat().create(request) for a whole answer";
        let is_misused = request.stream.replace(true) == Some(false);
        request
            .stream_options
            .get_or_insert_with(StreamOptions::default)
            .include_usage
            .get_or_insert(true);
        Self::of(&request, is_misused.then_some(misuse))
    }

    fn of(request: &ChatCompletionRequest, misuse: Option<&'static str>) -> Self {
        let body = match misuse {
            Some(misuse) => Err(Error::misuse(misuse)),
            None => request.to_vec().map(Bytes::from).map_err(Error::from),
        };
        Self { body, choices: request.n.unwrap_or(1) }
    }
}
