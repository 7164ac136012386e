use crate::{Call, Error, Json, Streamed, core::Core};
use atoma_types::{CompletionModel, CompletionRequest, CompletionResponse};
use std::sync::Arc;

const PATH: &str = "/completions";

/// Completions of plain text; [`Client::completions`](crate::Client::completions) returns it.
#[derive(Clone, Debug)]
pub struct Completions {
    core: Arc<Core>,
}

impl Completions {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core) }
    }

    /// Generates a completion of a prompt and waits for all of it.
    ///
    /// ```
    /// # async fn run(client: atoma::Client) -> atoma::Result<()> {
    /// use atoma::CompletionRequest;
    ///
    /// let request = CompletionRequest::new("meta-llama/Llama-3.3-70B-Instruct", "Once upon a");
    /// println!("{}", client.completions().create(request).await?.text());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Every [`Error`]. A request that is invalid or has `stream: true` fails before it is sent.
    pub fn create(&self, mut request: CompletionRequest) -> Call<Json<CompletionResponse>> {
        let body = encode(&mut request, false);
        Call::post(&self.core, PATH, body, Json::new(request.choices()))
    }

    /// Generates a completion of a prompt and returns it chunk by chunk.
    ///
    /// The stream ends as that of [`chat`](crate::Chat::stream) does: complete, or with an error
    /// that has the partial response.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); a request that has `stream: false` fails before it is sent.
    #[doc(alias = "create_stream")]
    pub fn stream(&self, mut request: CompletionRequest) -> Call<Streamed<CompletionModel>> {
        let asks_usage = request.stream_options.is_none().then_some(self.core.stream_usage);
        if let (Some(options), true) = (&mut request.stream_options, self.core.stream_usage) {
            options.include_usage.get_or_insert(true);
        }
        let body = encode(&mut request, true);
        Call::post(&self.core, PATH, body, Streamed::new(request.choices())).asks_usage(asks_usage)
    }
}

fn encode(request: &mut CompletionRequest, stream: bool) -> Result<Vec<u8>, Error> {
    Error::check_stream("completions", &mut request.stream, stream)?;
    Ok(request.to_vec()?)
}
