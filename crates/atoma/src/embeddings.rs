use crate::{Call, Json, core::Core};
use atoma_types::{EmbeddingRequest, EmbeddingResponse};
use std::sync::Arc;

/// Embeddings of texts; [`Client::embeddings`](crate::Client::embeddings) returns it.
#[derive(Clone, Debug)]
pub struct Embeddings {
    core: Arc<Core>,
}

impl Embeddings {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core) }
    }

    /// Computes the embedding of a text.
    ///
    /// ```
    /// # async fn run(client: atoma::Client) -> atoma::Result<()> {
    /// use atoma::EmbeddingRequest;
    ///
    /// let request = EmbeddingRequest::new("intfloat/multilingual-e5-large", "A text.");
    /// let reply = client.embeddings().create(request).await?;
    /// println!("{} dimensions", reply.data[0].embedding.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Every [`Error`](crate::Error).
    #[allow(clippy::needless_pass_by_value, reason = "as every method takes its request")]
    pub fn create(&self, request: EmbeddingRequest) -> Call<Json<EmbeddingResponse>> {
        Call::post(&self.core, "/embeddings", request.to_vec(), Json::new(1))
    }
}
