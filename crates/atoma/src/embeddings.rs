use crate::{Call, Error, Json, Result, batch, core::Core};
use atoma_types::{EmbeddingRequest, EmbeddingResponse, TextInput};
use std::sync::Arc;

const ONE_TEXT: &str = "Atoma takes one text per call: use embeddings().create_all for a list";

/// Embeddings of texts; [`Client::embeddings`](crate::Client::embeddings) returns it.
#[derive(Clone, Debug)]
pub struct Embeddings {
    core: Arc<Core>,
}

impl Embeddings {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core) }
    }

    /// Computes the embedding of a text, or of several where the server takes a list.
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
    /// Every [`Error`]. A list or tokens fail before they are sent to Atoma: it takes one text.
    pub fn create(&self, request: EmbeddingRequest) -> Call<Json<EmbeddingResponse>> {
        let is_list = request.input.as_text().is_none();
        Call::post(&self.core, "/embeddings", request.to_vec(), Json::new(1))
            .refused_by_atoma(is_list.then_some(ONE_TEXT))
    }

    /// Computes the embeddings of many texts, at most `concurrency` calls at a time, and returns the
    /// vectors in the order of the texts.
    ///
    /// `request` has the model and the other settings; its input is replaced by `per_call` texts at a
    /// time. Atoma's own server takes one, whatever `per_call` is.
    ///
    /// # Errors
    ///
    /// The first error of a call, in the order of the texts; also if a vector is missing.
    pub async fn create_all<T: Into<String>>(
        &self,
        request: EmbeddingRequest,
        texts: impl IntoIterator<Item = T>,
        per_call: usize,
        concurrency: usize,
    ) -> Result<Vec<Vec<f32>>> {
        let texts: Vec<String> = texts.into_iter().map(Into::into).collect();
        let per_call = if self.core.server_url.is_atoma() { 1 } else { per_call.max(1) };
        let parts: Vec<&[String]> = texts.chunks(per_call).collect();
        let calls = parts.iter().map(|part| {
            let input = match part {
                [text] => TextInput::Text(text.clone()),
                texts => TextInput::Texts(texts.to_vec()),
            };
            let mut request = request.clone();
            request.input = input;
            self.create(request)
        });
        let mut replies = batch(calls, concurrency);
        let mut vectors = Vec::with_capacity(texts.len());
        for part in &parts {
            let Some(reply) = replies.next().await.transpose()? else { break };
            let data = reply.into_inner().data;
            if data.len() != part.len() || data.iter().any(|vector| vector.embedding.is_empty()) {
                return Err(Error::unexpected("not one vector per text in the response", b""));
            }
            vectors.extend(data.into_iter().map(|embedding| embedding.embedding));
        }
        Ok(vectors)
    }
}
