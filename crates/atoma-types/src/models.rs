use crate::stream::{ResponseModel, whole::WholeBody};
use crate::wire::object;
use crate::{ApiError, ParseError, json};

object! {
    /// The models that a server offers.
    pub struct ModelList {
        /// `list`.
        pub object: String,
        /// The models.
        pub data: Vec<ModelInfo> as Always,
    }
}

object! {
    /// A model that a server offers.
    pub struct ModelInfo {
        /// The name to use in requests.
        pub id: String,
        /// `model`.
        pub object: String,
        /// When the model was created, in seconds since 1970. Atoma sends a constant.
        pub created: i64,
        /// The owner of the model. Atoma sends a constant.
        pub owned_by: String,
    }
}

impl ResponseModel for ModelList {
    type Stream = WholeBody<Self>;

    fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        json::object_from_slice(body)
    }

    fn error(&self) -> Option<&ApiError> {
        None
    }

    fn has_content(&self) -> bool {
        !self.data.is_empty() || self.object == "list"
    }
}
