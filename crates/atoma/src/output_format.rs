//! Turns a type into a part of a request, and a response into the type.

use crate::{Error, Result, error::NotParsed, schema_of::schema_of};
use atoma_types::{
    ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse, ChatCompletionToolsParam,
    FinishReason, JsonSchemaFormat, ResponseFormat, Role, ToolChoice, strict_schema,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{borrow::Cow, fmt, marker::PhantomData};

/// The way in which a schema is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseMode {
    /// As `response_format` `json_schema`, which the server enforces.
    #[default]
    JsonSchema,
    /// As `response_format` `json_object`, with the schema in a system message: for servers without
    /// `json_schema`. The model may not follow it.
    JsonObject,
    /// As the parameters of a tool that the model has to call: for servers that only support tools.
    ToolCall,
}

/// The format of an output of type `T`: completes a request, and reads its response.
///
/// [`Chat::parse`](crate::Chat::parse) does both. This is for calls with options, and for the
/// blocking client.
///
/// ```
/// # async fn run(client: atoma::Client, request: atoma::ChatCompletionRequest) -> atoma::Result<()> {
/// # use atoma::{OutputFormat, ParseMode};
/// # use std::time::Duration;
/// # #[derive(serde::Deserialize, schemars::JsonSchema)]
/// # struct Weather { city: String }
/// let format = OutputFormat::<Weather>::new(ParseMode::JsonObject)?;
/// let call = client.chat().create(format.request(request)).timeout(Duration::from_secs(30));
/// let weather = format.read(call.await?.into_inner()).into_parsed()?;
/// # Ok(())
/// # }
/// ```
pub struct OutputFormat<T> {
    mode: ParseMode,
    name: String,
    schema: Value,
    value: PhantomData<fn() -> T>,
}

impl<T: JsonSchema> OutputFormat<T> {
    /// Makes the format from the JSON Schema of `T`, in strict form: see
    /// [`strict_schema`](crate::types::strict_schema).
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_request`] if the schema has no strict form, with the path of the
    /// unsupported part.
    pub fn new(mode: ParseMode) -> Result<Self> {
        let schema =
            strict_schema(&schema_of::<T>()).map_err(|error| Error::misuse(error.to_string()))?;
        Ok(Self { mode, name: name_of(&T::schema_name()), schema, value: PhantomData })
    }
}

impl<T> OutputFormat<T> {
    /// Returns the schema, in strict form.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Completes a request, so that the model writes a `T`.
    #[must_use]
    pub fn request(&self, mut request: ChatCompletionRequest) -> ChatCompletionRequest {
        let (name, schema) = (self.name.clone(), self.schema.clone());
        match self.mode {
            ParseMode::JsonSchema => {
                let format = JsonSchemaFormat::new(name, schema).strict(true);
                request.response_format = Some(format.into());
            }
            ParseMode::JsonObject => {
                request.response_format = Some(ResponseFormat::JsonObject);
                instruct(&mut request.messages, &schema);
            }
            ParseMode::ToolCall => {
                let tool = ChatCompletionToolsParam::function(name.clone())
                    .description("Returns the response to the user.")
                    .parameters(schema)
                    .strict(true);
                request.tools.get_or_insert_default().push(tool);
                request.tool_choice = Some(ToolChoice::Function(name));
            }
        }
        request
    }

    pub(crate) fn is_tool_call(&self) -> bool {
        self.mode == ParseMode::ToolCall
    }

    fn text_of<'a>(&self, response: &'a ChatCompletionResponse) -> Cow<'a, str> {
        let call = response.tool_calls().iter().find(|call| call.name() == self.name);
        match call {
            Some(call) if self.is_tool_call() => Cow::Borrowed(&call.function.arguments),
            _ => response.text(),
        }
    }
}

impl<T: DeserializeOwned> OutputFormat<T> {
    /// Reads the output of the first choice.
    pub fn read(&self, response: ChatCompletionResponse) -> Parsed<T> {
        let text = self.text_of(&response).into_owned();
        let refusal = response.message().and_then(|message| message.refusal.clone());
        let outcome = match (refusal.filter(|text| !text.is_empty()), response.finish_reason()) {
            (Some(refusal), _) => ParseOutcome::Refused(refusal),
            (None, Some(FinishReason::Length)) => ParseOutcome::Truncated,
            (None, Some(FinishReason::ContentFilter)) => ParseOutcome::ContentFilter,
            _ => match read_json(&text) {
                Ok(value) => ParseOutcome::Parsed(value),
                Err(error) => ParseOutcome::Invalid(error.to_string()),
            },
        };
        Parsed { outcome, text, response }
    }
}

/// Reads the value. If that fails, tries again without members that are `null`: the strict form
/// makes optional members nullable, also those whose type is not an `Option`.
fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    let text = without_fence(text);
    serde_json::from_str(text).or_else(|error| {
        let mut value: Value = serde_json::from_str(text)?;
        remove_nulls(&mut value);
        T::deserialize(value).map_err(|_| error)
    })
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

/// Removes the Markdown fence that models put around JSON when nothing enforces the format.
fn without_fence(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.map_or(text, |inner| inner.strip_prefix("json").unwrap_or(inner))
}

/// Adds the schema to the system message: some chat templates take one only.
fn instruct(messages: &mut Vec<ChatCompletionMessage>, schema: &Value) {
    let text = format!("Respond with a JSON object that conforms to this JSON Schema:\n{schema}");
    match messages.first_mut() {
        Some(first) if matches!(first.role, Role::System | Role::Developer) => {
            first.content = format!("{}\n\n{text}", first.text()).into();
        }
        _ => messages.insert(0, ChatCompletionMessage::system(text)),
    }
}

/// The name of the type, as servers accept it: 1 to 64 letters, digits, underscores or dashes.
fn name_of(name: &str) -> String {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    let allowed = name.chars().map(|letter| if is_allowed(letter) { letter } else { '_' });
    let name: String = allowed.take(64).collect();
    if name.is_empty() { "output".to_owned() } else { name }
}

/// A response that was read as a `T`, or the reason why it could not be.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed<T> {
    outcome: ParseOutcome<T>,
    text: String,
    response: ChatCompletionResponse,
}

/// The result of reading an output.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ParseOutcome<T> {
    /// The value.
    Parsed(T),
    /// The model refused, with this explanation.
    Refused(String),
    /// The output reached the limit of tokens.
    #[doc(alias = "LengthFinishReasonError")]
    Truncated,
    /// A content filter removed content.
    ContentFilter,
    /// The output is not JSON or does not fit the type; the reason says where, and may contain parts
    /// of the output.
    Invalid(String),
}

impl<T> Parsed<T> {
    /// Returns the value.
    ///
    /// # Errors
    ///
    /// There is none: see [`outcome`](Self::outcome). The response is in [`Error::partial`], and
    /// [`Error::kind`] is [`ContentFilter`](crate::ErrorKind::ContentFilter),
    /// [`UnexpectedResponse`](crate::ErrorKind::UnexpectedResponse) if the output is invalid, or
    /// [`Other`](crate::ErrorKind::Other) if the model refused or reached the limit of tokens.
    pub fn into_parsed(self) -> Result<T, Error> {
        let why = match self.outcome {
            ParseOutcome::Parsed(value) => return Ok(value),
            ParseOutcome::Refused(_) => NotParsed::Refused,
            ParseOutcome::Truncated => NotParsed::Truncated,
            ParseOutcome::ContentFilter => NotParsed::ContentFilter,
            ParseOutcome::Invalid(_) => NotParsed::Invalid,
        };
        Err(Error::not_parsed(why, self.response))
    }

    /// Returns the value or the reason why there is none.
    pub fn outcome(&self) -> &ParseOutcome<T> {
        &self.outcome
    }

    /// Returns the text that the value was read from, as the model wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the response.
    pub fn response(&self) -> &ChatCompletionResponse {
        &self.response
    }
}

impl<T> fmt::Debug for OutputFormat<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, name, schema, .. } = self;
        f.debug_struct("OutputFormat")
            .field("mode", mode)
            .field("name", name)
            .field("schema", schema)
            .finish()
    }
}
