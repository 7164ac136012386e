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
    /// Without `max_completion_tokens` Atoma reserves balance for 8192 tokens. If the call is
    /// dropped, Atoma still finishes and bills it: use [`stream`](Self::stream) for calls that may
    /// be cancelled.
    ///
    /// ```
    /// # use atoma::{ChatCompletionMessage, ChatCompletionRequest};
    /// # async fn run(client: atoma::Client) -> atoma::Result<()> {
    /// let messages = [ChatCompletionMessage::user("Hello!")];
    /// let request = ChatCompletionRequest::new("meta-llama/Llama-3.3-70B-Instruct", messages);
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
        let body = encode(&mut request, false);
        Call::post(&self.core, PATH, body, Json::new(request.n.unwrap_or(1)))
    }

    /// Generates a completion and returns it chunk by chunk.
    ///
    /// Sends `"stream": true`, and asks for the usage unless [`Call::stream_usage`] or the
    /// `stream_options` of the request say otherwise. The call resolves when the head has arrived.
    /// Dropping it or the stream closes the connection, which stops generation and billing.
    ///
    /// ```
    /// # async fn run(client: atoma::Client, request: atoma::ChatCompletionRequest) -> atoma::Result<()> {
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
    #[doc(alias = "create_stream")]
    pub fn stream(&self, mut request: ChatCompletionRequest) -> Call<Streamed<ChatModel>> {
        let asks_usage = request.stream_options.is_none().then_some(self.core.stream_usage);
        if let (Some(options), true) = (&mut request.stream_options, self.core.stream_usage) {
            options.include_usage.get_or_insert(true);
        }
        let body = encode(&mut request, true);
        let call = Call::post(&self.core, PATH, body, Streamed::new(request.n.unwrap_or(1)));
        call.asks_usage(asks_usage)
    }
}

fn encode(request: &mut ChatCompletionRequest, stream: bool) -> Result<Vec<u8>, Error> {
    Error::check_stream("chat", &mut request.stream, stream)?;
    Ok(request.to_vec()?)
}
