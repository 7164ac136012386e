use super::{
    message::{self, ChatCompletionMessage},
    response_format::ResponseFormat,
    tool::{ChatCompletionToolsParam, ToolChoice},
};
use crate::{
    setters::{Number, Texts, setters},
    wire::{Codec, Elements, List, Members, Piece, Plain, Read, Scalar, Sent, Stopped, object},
};
use serde_json::Value;
use std::collections::BTreeMap;

object! {
    /// A request for a chat completion.
    ///
    /// Only the model and the messages are required. Building cannot fail; [`validate`](Self::validate) finds values that no server
    /// accepts. A field that is not set is left out when the request is written, and the server's default applies.
    ///
    /// ```
    /// use atoma_types::{ChatCompletionMessage, ChatCompletionRequest};
    ///
    /// let request = ChatCompletionRequest::new("meta-llama/Llama-3.3-70B-Instruct", [
    ///     ChatCompletionMessage::system("You are a helpful AI assistant"),
    ///     ChatCompletionMessage::user("Hello!"),
    /// ])
    /// .temperature(0.7)
    /// .max_completion_tokens(4096)
    /// .extra("top_k", 40);
    /// request.validate()?;
    /// # Ok::<(), atoma_types::InvalidRequest>(())
    /// ```
    #[doc(alias("CreateChatCompletionRequest", "CreateChatCompletionRequestArgs"))]
    pub struct ChatCompletionRequest {
        /// The conversation so far. Required, at least one message.
        pub messages: Vec<ChatCompletionMessage> as Sent,
        /// The model to use, by its name in the server's list; upper and lower case matter. Required.
        pub model: String,
        /// From −2 to 2. Above zero, tokens are the less likely the more often they have appeared. The default is 0.
        pub frequency_penalty: Option<f32>,
        /// Whether the model calls a function, in the form older than [`tool_choice`](Self::tool_choice). No default.
        pub function_call: Option<Value>,
        /// Functions the model may call, in the form older than [`tools`](Self::tools). None by default.
        pub functions: Option<Vec<Value>> as NonEmpty,
        /// The bias of tokens, by their ids: from −100, which bans a token, to 100, which allows no other.
        /// None by default.
        pub logit_bias: Option<BTreeMap<String, f32>> as NonEmpty,
        /// Whether to send the log probabilities of the tokens. The default is false.
        pub logprobs: Option<bool>,
        /// The most tokens that the model may generate, at least 1. If neither this nor `max_tokens` is set, Atoma sets 8192, and
        /// reserves balance for as many.
        pub max_completion_tokens: Option<u32>,
        /// The older name of `max_completion_tokens`, which takes precedence. Deprecated: the
        /// reference announces its removal.
        pub max_tokens: Option<u32>,
        /// The number of choices to generate, at least 1. The default is 1. Each is billed.
        pub n: Option<u32>,
        /// Whether the model may call several tools in one message. The server's default is true.
        pub parallel_tool_calls: Option<bool>,
        /// From −2 to 2. Above zero, tokens that have appeared at all are less likely. The default is 0.
        pub presence_penalty: Option<f32>,
        /// The format of the output. The default is text.
        pub response_format: Option<ResponseFormat>,
        /// Asks for the same output for the same request, as far as the server can. May be negative. No default.
        pub seed: Option<i64>,
        /// The latency tier: `auto` uses the credits of the scale tier if there are any, `default` does not. The default is `auto`.
        pub service_tier: Option<String>,
        /// Texts before which the model stops, at most 4. None by default.
        pub stop: Option<Vec<String>> as NonEmpty,
        /// Whether to send the response in chunks, as it is generated. The default is false.
        pub stream: Option<bool>,
        /// Options of a stream. Only with `stream`. Atoma's nodes always set `include_usage`. The member is left out
        /// if it is `None` or [`StreamOptions::none`]; a client may fill in its own default for `None`.
        pub stream_options: Option<StreamOptions> as NonEmpty,
        /// From 0 to 2: the higher, the more random. The default is the model's, usually 1. Set this or `top_p`, not both.
        pub temperature: Option<f32>,
        /// Whether the model calls tools, and which ones. The default is `none` without tools, `auto` with them.
        pub tool_choice: Option<ToolChoice>,
        /// The tools the model may call. None by default.
        pub tools: Option<Vec<ChatCompletionToolsParam>> as NonEmpty,
        /// The number of likeliest tokens to send at each position, from 0 to 20. Needs `logprobs`. The default is 0.
        pub top_logprobs: Option<u32>,
        /// From 0 to 1: only the likeliest tokens that together have this probability are chosen from. The default is 1.
        pub top_p: Option<f32>,
        /// A stable name for the end user that reveals nothing about them. No default.
        pub user: Option<String>,
    }
}

object! {
    /// Options of a stream.
    pub struct StreamOptions {
        /// Whether to send the usage in a last chunk. The default is false; Atoma's nodes always do.
        pub include_usage: Option<bool>,
        /// Whether to send the usage so far in every chunk, as vLLM and SGLang can: then the tokens
        /// used are known even if the stream is interrupted. The default is false.
        pub continuous_usage_stats: Option<bool>,
    }
}

/// Messages of responses are written without the members that servers reject in a request.
impl Codec<Vec<ChatCompletionMessage>> for Sent {
    fn scalar(value: Scalar<'_>) -> Read<Vec<ChatCompletionMessage>> {
        Plain::scalar(value)
    }

    fn array(elements: &mut dyn Elements) -> Result<Read<Vec<ChatCompletionMessage>>, Stopped> {
        Plain::array(elements)
    }

    fn object(members: &mut dyn Members) -> Result<Read<Vec<ChatCompletionMessage>>, Stopped> {
        Plain::object(members)
    }

    fn is_absent(value: &Vec<ChatCompletionMessage>) -> bool {
        value.is_empty()
    }

    fn piece(value: &Vec<ChatCompletionMessage>) -> Piece<'_> {
        match value.iter().any(|message| message::for_request(message).is_some()) {
            true => Piece::Made(Box::new(Messages(value))),
            false => Plain::piece(value),
        }
    }
}

struct Messages<'a>(&'a [ChatCompletionMessage]);

impl List for Messages<'_> {
    fn length(&self) -> usize {
        self.0.len()
    }

    fn element(&self, place: usize) -> Piece<'_> {
        let Some(message) = self.0.get(place) else { return Piece::Null };
        match message::for_request(message) {
            Some(changed) => Piece::OwnedObject(Box::new(changed)),
            None => Plain::piece(message),
        }
    }
}

impl ChatCompletionRequest {
    /// Returns a request to this model, with this conversation.
    pub fn new(
        model: impl Into<String>,
        messages: impl IntoIterator<Item = ChatCompletionMessage>,
    ) -> Self {
        Self { model: model.into(), messages: messages.into_iter().collect(), ..Self::default() }
    }

    /// Adds a message to the conversation.
    #[must_use]
    pub fn message(mut self, message: ChatCompletionMessage) -> Self {
        self.messages.push(message);
        self
    }

    /// Adds a tool that the model may call.
    #[must_use]
    pub fn tool(mut self, tool: ChatCompletionToolsParam) -> Self {
        self.tools.get_or_insert_with(Vec::new).push(tool);
        self
    }

    /// Sets a member that is not in the reference, such as a backend's `top_k`, `guided_json` or `reasoning_effort`.
    ///
    /// It is also the way to send a value outside a documented range on purpose: the member is
    /// written if the field of its name is not set, and [`validate`](Self::validate) does not check
    /// it. A number that is not finite has already become `null` in a JSON value. Pass fractions as
    /// `f64`: an `f32` becomes the `f64` nearest to it.
    ///
    /// ```
    /// # use atoma_types::{ChatCompletionMessage, ChatCompletionRequest};
    /// let request = ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")]).extra("temperature", 3.5);
    /// assert!(request.validate().is_ok());
    /// assert!(serde_json::to_string(&request)?.contains(r#""temperature":3.5"#));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name, value);
        self
    }
}

setters! { ChatCompletionRequest {
    frequency_penalty: Number as impl Into<Number>;
    function_call: Value as impl Into<Value>;
    logprobs: bool;
    max_completion_tokens: u32;
    max_tokens: u32;
    n: u32;
    parallel_tool_calls: bool;
    presence_penalty: Number as impl Into<Number>;
    response_format: ResponseFormat as impl Into<ResponseFormat>;
    seed: i64;
    service_tier: String as impl Into<String>;
    stop: Texts as impl Into<Texts>;
    stream: bool;
    stream_options: StreamOptions;
    temperature: Number as impl Into<Number>;
    tool_choice: ToolChoice as impl Into<ToolChoice>;
    top_logprobs: u32;
    top_p: Number as impl Into<Number>;
    user: String as impl Into<String>;
} }

/// Setters of the members that are lists.
impl ChatCompletionRequest {
    /// Sets the conversation, in place of the one passed to [`new`](Self::new).
    #[must_use]
    pub fn messages(mut self, messages: impl IntoIterator<Item = ChatCompletionMessage>) -> Self {
        self.messages = messages.into_iter().collect();
        self
    }

    /// Sets the model, in place of the one passed to [`new`](Self::new).
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Sets [`functions`](#structfield.functions).
    #[must_use]
    pub fn functions(mut self, functions: impl IntoIterator<Item = Value>) -> Self {
        self.functions = Some(functions.into_iter().collect());
        self
    }

    /// Sets [`logit_bias`](#structfield.logit_bias): pairs of a token's id and the bias to add.
    #[must_use]
    pub fn logit_bias<T: Into<String>>(mut self, bias: impl IntoIterator<Item = (T, f32)>) -> Self {
        self.logit_bias =
            Some(bias.into_iter().map(|(token, bias)| (token.into(), bias)).collect());
        self
    }

    /// Sets [`tools`](#structfield.tools).
    #[must_use]
    pub fn tools(mut self, tools: impl IntoIterator<Item = ChatCompletionToolsParam>) -> Self {
        self.tools = Some(tools.into_iter().collect());
        self
    }
}

impl StreamOptions {
    /// No options: the member `stream_options` is not sent, for servers that refuse it.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether to send the usage in a last chunk.
    #[must_use]
    pub fn include_usage(mut self, include_usage: bool) -> Self {
        self.include_usage = Some(include_usage);
        self
    }

    /// Whether to send the usage so far in every chunk.
    #[must_use]
    pub fn continuous_usage_stats(mut self, continuous_usage_stats: bool) -> Self {
        self.continuous_usage_stats = Some(continuous_usage_stats);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_string, to_value};

    fn request() -> ChatCompletionRequest {
        ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")])
    }

    const START: &str = r#"{"messages":[{"role":"user","content":"Hello!"}],"model":"m""#;

    #[test]
    fn what_is_not_set_is_not_written() {
        assert_eq!(to_string(&request()).unwrap(), format!("{START}}}"));
    }

    #[test]
    fn numbers_are_written_as_they_were_meant() {
        let request = request().temperature(0.7).top_p(1.0).logit_bias([("5", -0.1)]);
        let wire = r#","logit_bias":{"5":-0.1},"temperature":0.7,"top_p":1.0}"#;
        assert_eq!(to_string(&request).unwrap(), format!("{START}{wire}"));
        assert_eq!(to_value(&request).unwrap()["temperature"], json!(0.7));
    }

    #[test]
    fn a_number_that_is_not_finite_is_never_null() {
        for (request, field) in [
            (request().temperature(f32::NAN), "temperature"),
            (request().top_p(f32::INFINITY), "top_p"),
            (request().logit_bias([("5", f32::NEG_INFINITY)]), "logit_bias"),
        ] {
            let message = format!("{field} is not a finite number");
            assert!(to_string(&request).unwrap_err().to_string().contains(&message));
            assert!(to_value(&request).unwrap_err().to_string().contains(&message));
        }
    }

    #[test]
    fn a_member_is_never_written_twice() {
        let both = request().temperature(0.5).extra("temperature", 3.5).extra("top_k", 40);
        let wire = r#","temperature":0.5,"top_k":40}"#;
        assert_eq!(to_string(&both).unwrap(), format!("{START}{wire}"));
    }

    #[test]
    fn requests_are_read_as_other_clients_write_them() {
        let wire = json!({"model": "m", "messages": [{"role": "user", "content": "Hello!"}],
            "stop": "\n", "temperature": null, "max_tokens": 5.0, "guided_json": {"type": "object"}});
        let read: ChatCompletionRequest = from_value(wire).unwrap();
        let meant =
            request().stop(["\n"]).max_tokens(5).extra("guided_json", json!({"type": "object"}));
        assert_eq!(read, meant);
    }
}
