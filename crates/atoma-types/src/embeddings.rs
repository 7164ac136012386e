use crate::chat::usage::Usage;
use crate::stream::{ResponseModel, whole::WholeBody};
use crate::wire::object;
use crate::{ApiError, InvalidRequest, ParseError, json};

object! {
    /// A request for the embedding of a text.
    pub struct EmbeddingRequest {
        /// The model to use. Required.
        pub model: String,
        /// The text. Required.
        pub input: String as Always,
        /// The number of dimensions, for models that can shorten their embeddings.
        pub dimensions: Option<u32>,
        /// An id of the end user.
        pub user: Option<String>,
    }
}

object! {
    /// The embeddings of a request.
    pub struct EmbeddingResponse {
        /// `list`.
        pub object: String,
        /// The model that computed them.
        pub model: String,
        /// One embedding for each text of the request.
        pub data: Vec<Embedding> as Always,
        /// The number of tokens used.
        pub usage: Option<Usage>,
        /// The signature of Atoma's node over `response_hash`, in base64.
        pub signature: Option<String>,
        /// The BLAKE2b-256 hash of the response without this member and `signature`, in base64.
        pub response_hash: Option<String>,
    }
}

object! {
    /// The embedding of a text.
    pub struct Embedding {
        /// `embedding`.
        pub object: String,
        /// The vector.
        pub embedding: Vec<f32> as Always,
        /// The position of the text in the request.
        pub index: u32,
    }
}

impl EmbeddingRequest {
    /// Requests the embedding of `input`.
    pub fn new(model: impl Into<String>, input: impl Into<String>) -> Self {
        Self { model: model.into(), input: input.into(), ..Self::default() }
    }

    /// Writes the request as JSON.
    ///
    /// # Errors
    ///
    /// A number is not finite.
    pub fn to_vec(&self) -> Result<Vec<u8>, InvalidRequest> {
        serde_json::to_vec(self).map_err(|error| InvalidRequest::unwritable(&error.to_string()))
    }
}

impl ResponseModel for EmbeddingResponse {
    type Stream = WholeBody<Self>;

    fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        json::object_from_slice(body)
    }

    fn error(&self) -> Option<&ApiError> {
        None
    }

    fn has_content(&self) -> bool {
        !self.data.is_empty()
    }

    fn usage(&self) -> Option<Usage> {
        self.usage.clone()
    }
}
