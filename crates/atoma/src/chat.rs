use crate::{Call, Error, Json, Streamed, core::Core};
use atoma_types::{ChatCompletionRequest, ChatCompletionResponse, ChatModel};
use std::sync::Arc;

const PATH: &str = "/chat/completions";

/// Chat completions; [`Client::chat`](crate::Client::chat) returns it.
#[derive(Clone, Debug)]
pub struct Chat {
    core: Arc<Core>,
}

impl Chat {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core) }
    }

    /// Generates a completion and waits for all of it.
    ///
    /// Sends `"stream": false`. Without `max_completion_tokens` Atoma reserves balance for 8192
    /// tokens. Dropping the call closes the connection, but Atoma finishes and bills the completion
    /// all the same: prefer [`stream`](Self::stream) for one that may be abandoned.
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
    /// Every [`Error`]. A request that is invalid or has `stream: true` fails before it is sent.
    #[doc(alias = "completions")]
    pub fn create(&self, mut request: ChatCompletionRequest) -> Call<Json<ChatCompletionResponse>> {
        let is_misused = request.stream.replace(false) == Some(true);
        let body = encode(&request, is_misused, "stream: true: call chat().stream(request)");
        Call::post(&self.core, PATH, body, Json::new(request.n.unwrap_or(1)))
    }

    /// Generates a completion and returns it chunk by chunk.
    ///
    /// Sends `"stream": true`, and asks for the usage unless [`Call::stream_usage`] or the
    /// `stream_options` of the request say otherwise. The call resolves when the head has arrived.
    /// Dropping it or the [`ChatCompletionStream`](crate::ChatCompletionStream) closes the connection, which
    /// stops the generation, and the billing on Atoma.
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
    /// As [`create`](Self::create); a request that has `stream: false` fails before it is sent.
    pub fn stream(&self, mut request: ChatCompletionRequest) -> Call<Streamed<ChatModel>> {
        let is_misused = request.stream.replace(true) == Some(false);
        let asks_usage = request.stream_options.is_none().then_some(self.core.stream_usage);
        if let (Some(options), true) = (&mut request.stream_options, self.core.stream_usage) {
            options.include_usage.get_or_insert(true);
        }
        let body = encode(&request, is_misused, "stream: false: call chat().create(request)");
        let endpoint = Streamed::new(request.n.unwrap_or(1));
        Call::post(&self.core, PATH, body, endpoint).asks_usage(asks_usage)
    }
}

fn encode(
    request: &ChatCompletionRequest,
    is_misused: bool,
    misuse: &str,
) -> Result<Vec<u8>, Error> {
    if is_misused {
        return Err(Error::misuse(format!("the request has {misuse} instead")));
    }
    Ok(request.to_vec()?)
}
