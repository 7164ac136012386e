use crate::{
    ApiError, InvalidRequest, ParseError,
    chat::usage::Usage,
    json,
    open_enum::open_enum,
    setters::{request, setters},
    stream::{ResponseModel, whole::WholeBody},
    text_input::TextInput,
    validate::{check_extra, check_model},
    wire::object,
};
use serde_json::{Value, json};

object! {
    /// A request for the embeddings of texts.
    ///
    /// ```
    /// use atoma_types::EmbeddingRequest;
    ///
    /// let request = EmbeddingRequest::new(
    ///     "intfloat/multilingual-e5-large-instruct",
    ///     "The quick brown fox jumped over the lazy dog",
    /// );
    /// request.validate()?;
    /// # Ok::<(), atoma_types::InvalidRequest>(())
    /// ```
    #[doc(alias = "CreateEmbeddingRequest")]
    pub struct EmbeddingRequest {
        /// The model to use. Required.
        pub model: String,
        /// The text or texts. Required. Each must fit into the model. Atoma's server takes one text, and refuses lists and
        /// tokens; other servers take them.
        pub input: TextInput,
        /// The form of the vectors on the wire. The default is `float`. Responses are read in
        /// either form.
        pub encoding_format: Option<EncodingFormat>,
        /// The number of dimensions, at least 1, for models that can shorten their vectors. The default is the model's.
        pub dimensions: Option<u32>,
        /// A stable, anonymous id of the end user. No default.
        pub user: Option<String>,
    }
}

open_enum! {
    /// The form of embeddings on the wire.
    pub enum EncodingFormat {
        /// Lists of numbers.
        Float = "float",
        /// Base64 of little-endian 32-bit floats: about a third of the size, and exact.
        Base64 = "base64",
    }
}

object! {
    /// The embeddings of the texts of a request.
    #[doc(alias = "CreateEmbeddingResponse")]
    pub struct EmbeddingResponse => sort {
        /// `list`.
        pub object: String,
        /// The model that computed them.
        pub model: String,
        /// One embedding for each text, in the order of the request, whatever the order on the wire.
        pub data: Vec<Embedding> as Always,
        /// The number of tokens used. `None` if the server does not say.
        pub usage: Option<Usage>,
        /// The signature of Atoma's node over `response_hash`, in base64.
        pub signature: Option<String>,
        /// The BLAKE2b-256 hash of the response without this member and `signature`, in base64.
        pub response_hash: Option<String>,
        /// The error, if the server reports one with a status of success.
        pub error: Option<Box<ApiError>> as ErrorMember,
    }
}

object! {
    /// The embedding of one text.
    pub struct Embedding {
        /// `embedding`.
        pub object: String,
        /// The vector, read from a list of numbers or from base64. Each number is the 32-bit float nearest to its decimal, as
        /// `str::parse::<f32>` reads it. A `null` in it is read as NaN.
        pub embedding: Vec<f32> as Vector,
        /// The position of the text in the request, from 0.
        pub index: u32 as Index,
    }
}

impl EmbeddingRequest {
    /// Requests the embeddings of `input`.
    pub fn new(model: impl Into<String>, input: impl Into<TextInput>) -> Self {
        Self { model: model.into(), input: input.into(), ..Self::default() }
    }

    /// Checks for mistakes that no server accepts: no model, no text, no dimensions, members set twice.
    ///
    /// Lists are valid, although Atoma's server refuses them.
    ///
    /// # Errors
    ///
    /// The first mistake found: the name of the field, and a remedy.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        check_model(&self.model, &self.extra)?;
        match self.input.fault() {
            Some(fault) => return Err(InvalidRequest::new("input", fault)),
            None if self.input.as_text() == Some("") && !self.extra.contains("input") => {
                return Err(InvalidRequest::new("input", "is empty: give a text"));
            }
            None => {}
        }
        if self.dimensions == Some(0) {
            return Err(InvalidRequest::new("dimensions", "must be at least 1"));
        }
        check_extra(self)
    }
}

request!(EmbeddingRequest);

setters! { EmbeddingRequest {
    encoding_format: EncodingFormat as impl Into<EncodingFormat>;
    dimensions: u32;
    user: String as impl Into<String>;
} }

impl EmbeddingResponse {
    /// The vectors, in the order of the texts.
    pub fn vectors(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.data.iter().map(|embedding| embedding.embedding.as_slice())
    }

    /// Puts the embeddings in the order of the texts. If indices repeat or are missing, they are
    /// replaced by the order on the wire.
    fn sort(&mut self, _has: &dyn Fn(&str) -> bool) {
        let mut order: Vec<u32> = self.data.iter().map(|embedding| embedding.index).collect();
        if order.windows(2).all(|pair| pair[0] < pair[1]) {
            return;
        }
        order.sort_unstable();
        if order.windows(2).all(|pair| pair[0] != pair[1]) {
            self.data.sort_by_key(|embedding| embedding.index);
        } else {
            (0..).zip(&mut self.data).for_each(|(place, embedding)| embedding.index = place);
        }
    }
}

impl ResponseModel for EmbeddingResponse {
    type Stream = WholeBody<Self>;

    /// Reads a body. A list without the object around it, as llama.cpp and TEI send it on some paths, is the `data`. So are
    /// vectors under other names, as Ollama, Cohere and Gemini send them on theirs.
    fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        let mut response: Self = json::object_or_list(body, "data")?;
        let has_vector = response.vectors().any(|vector| !vector.is_empty());
        if !has_vector && response.error.is_none() {
            response.take_vectors(body);
        }
        Ok(response)
    }

    fn error(&self) -> Option<&ApiError> {
        self.error.as_deref()
    }

    fn has_content(&self) -> bool {
        !self.data.is_empty()
    }

    fn usage(&self) -> Option<Usage> {
        self.usage.clone()
    }
}

impl EmbeddingResponse {
    /// Takes the vectors of a body that has none where they belong.
    #[cold]
    fn take_vectors(&mut self, body: &[u8]) {
        let Ok(value) = json::from_slice(body) else { return };
        let known = self.data.len();
        let found = vectors_in(&value);
        // Several vectors for one text, such as one for each token, are unexpected.
        if found.is_empty() || (known > 0 && known != found.len()) {
            return;
        }
        let embeddings = found.iter().zip(0_u32..).map(|(vector, index)| {
            json::object_from_value(&json!({"embedding": vector, "index": index}))
        });
        if let Some(data) = embeddings.collect() {
            self.data = data;
            NAMES.iter().for_each(|name| drop(self.extra.remove(name)));
        }
    }
}

/// The names under which servers send vectors.
const NAMES: [&str; 5] = ["data", "embeddings", "embedding", "values", "float"];

/// The vectors in a value: lists of numbers, however deep.
fn vectors_in(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) if list.first().is_some_and(Value::is_number) => vec![value],
        Value::Array(list) => list.iter().flat_map(vectors_in).collect(),
        Value::Object(members) => {
            let named = NAMES.iter().find_map(|name| members.get(*name));
            named.map(vectors_in).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}
