use crate::{
    ApiError, ParseError, json,
    stream::{ResponseModel, whole::WholeBody},
    wire::object,
};
use serde_json::Value;

object! {
    /// The models that a server offers.
    #[doc(alias = "ListModelResponse")]
    pub struct ModelList {
        /// `list`.
        pub object: String,
        /// The models.
        pub data: Vec<ModelInfo> as Always,
        /// The error, if the server reports one with a status of success.
        pub error: Option<Box<ApiError>> as ErrorMember,
    }
}

object! {
    /// A model that a server offers.
    ///
    /// Servers add members, such as `max_model_len` of vLLM or `meta` of llama.cpp: they are in `extra`.
    pub struct ModelInfo => after_reading {
        /// The name to use in requests. Upper and lower case matter.
        pub id: String,
        /// `model`.
        pub object: String,
        /// The time of creation in seconds since 1970. Zero if the server does not say; Atoma sends a constant.
        pub created: i64,
        /// The owner of the model. Empty if the server does not say; Atoma sends a constant.
        pub owned_by: String,
    }
}

impl ModelList {
    /// The model of a name, if the server offers it.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&ModelInfo> {
        self.data.iter().find(|model| model.id == id)
    }
}

impl ResponseModel for ModelList {
    type Stream = WholeBody<Self>;

    /// Reads a body. A list without the object around it, as Together sends it, is the `data`, and so are the `models` of
    /// Ollama, Cohere and Gemini on their own paths. An entry may be its name alone.
    fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        let mut list: Self = json::object_or_list(body, "data")?;
        if list.data.is_empty() && list.error.is_none() {
            list.take_models(body);
        }
        Ok(list)
    }

    fn error(&self) -> Option<&ApiError> {
        self.error.as_deref()
    }

    fn has_content(&self) -> bool {
        !self.data.is_empty() || self.object == "list"
    }
}

impl ModelList {
    /// Takes the models of a body that has none where they belong. A list of none is a list.
    #[cold]
    fn take_models(&mut self, body: &[u8]) {
        let Ok(value) = json::from_slice(body) else { return };
        let named = ["data", "models"].iter().find_map(|name| value.get(name)?.as_array());
        let Some(list) = named.or(value.as_array()) else { return };
        self.data = list
            .iter()
            .filter_map(|entry| match entry {
                Value::String(id) => Some(ModelInfo { id: id.clone(), ..ModelInfo::default() }),
                entry => json::object_from_value(entry),
            })
            .collect();
        self.extra.remove("models");
        "list".clone_into(&mut self.object);
    }
}

impl ModelInfo {
    /// Takes the name where there is no id.
    fn after_reading(&mut self, has: &dyn Fn(&str) -> bool) {
        let name = |name: &&str| self.extra.get(name)?.as_str();
        if let (false, Some(id)) = (has("id"), ["name", "model"].iter().find_map(name)) {
            self.id = id.to_owned();
        }
    }
}

/// Any JSON value, for endpoints without a schema, such as `open_router/models`.
impl ResponseModel for Value {
    type Stream = WholeBody<Self>;

    fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        json::from_slice(body)
    }

    /// Reads a JSON value that is neither an object nor a list.
    fn from_text(body: &str) -> Option<Self> {
        json::from_str(body).ok().filter(|value| !value.is_null())
    }

    fn error(&self) -> Option<&ApiError> {
        None
    }

    fn has_content(&self) -> bool {
        // An error arrives in place of the data.
        let is_error = self.as_object().is_some_and(|members| {
            members.get("error").is_some_and(|error| !error.is_null())
                && !members.contains_key("data")
        });
        !self.is_null() && !is_error
    }
}
