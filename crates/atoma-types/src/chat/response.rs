use super::{
    call_ids,
    finish_reason::{FinishReason, StopReason},
    logprobs::Logprobs,
    message::ChatCompletionMessage,
    tool::{ToolCall, ToolKind},
    usage::{self, Usage},
};
use crate::{
    ApiError, ParseError, SharedStr, error::ErrorPlace, json, open_enum::open_enum, wire::object,
};
use serde_json::Value;
use std::borrow::Cow;

object! {
    /// The response to a request that is not streamed.
    ///
    /// ```
    /// use atoma_types::ChatCompletionResponse;
    ///
    /// let body = br#"{"choices": [{"message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}]}"#;
    /// let response = ChatCompletionResponse::from_slice(body)?;
    /// assert_eq!(response.text(), "Hello!");
    /// # Ok::<(), atoma_types::ParseError>(())
    /// ```
    #[doc(alias("CreateChatCompletionResponse", "ChatCompletion"))]
    pub struct ChatCompletionResponse => after_reading {
        /// The id of the completion.
        pub id: SharedStr,
        /// The kind of object: `chat.completion`.
        pub object: ObjectKind as WhenSet,
        /// The time of creation in seconds since 1970. Zero if the server does not say.
        pub created: i64,
        /// The model that wrote the completion.
        pub model: SharedStr,
        /// The choices: one, unless the request asked for more with `n`.
        pub choices: Vec<ChatCompletionChoice> as Always,
        /// The number of tokens used. See also [`ChatCompletionResponse::usage`].
        pub usage: Option<Usage>,
        /// The latency tier that served the request.
        pub service_tier: Option<SharedStr>,
        /// The build of the backend.
        pub system_fingerprint: Option<SharedStr>,
        /// The signature of Atoma's node over `response_hash`, in base64.
        pub signature: Option<String>,
        /// The BLAKE2b-256 hash of the response without this member and `signature`, in base64.
        pub response_hash: Option<String>,
        /// The error, if the server reports one with a status of success. It takes precedence over the choices. See also
        /// [`ChatCompletionResponse::error`].
        pub error: Option<Box<ApiError>> as ErrorMember,
    }
}

object! {
    /// One choice: a message, and why it ended.
    pub struct ChatCompletionChoice {
        /// The position among the choices, from 0.
        pub index: u32 as Index,
        /// The message. It can be part of the next request unchanged.
        pub message: ChatCompletionMessage = "message" | "delta",
        /// Why the model stopped. `None` if the server does not say.
        pub finish_reason: Option<FinishReason> as Finish = "finish_reason" | "finishReason",
        /// The stop token or stop text that ended the choice.
        pub stop_reason: Option<StopReason>,
        /// The log probabilities of the tokens, if the request asked for them.
        pub logprobs: Option<Box<Logprobs>> as Boxed,
        /// The error of this choice.
        pub error: Option<Box<ApiError>> as ErrorMember,
    }
}

open_enum! {
    /// The kind of an object, by its member `object`.
    pub enum ObjectKind = Unspecified {
        /// A complete response.
        ChatCompletion = "chat.completion",
        /// A chunk of a streamed response.
        ChatCompletionChunk = "chat.completion.chunk",
        /// Unspecified: the member is absent or empty.
        Unspecified = "",
    }
}

impl ChatCompletionResponse {
    /// Reads a body: its first JSON value. Blank lines before it and anything after it are ignored.
    ///
    /// Flaws of real servers are repaired: half a UTF-16 surrogate pair becomes U+FFFD, and so do bytes that are not UTF-8; a raw
    /// control character is read as if escaped; `NaN` is read as `null`, and a number that is too large as the largest. An integer
    /// beyond 64 bits is kept as a string of its digits.
    ///
    /// So are flaws of tool calls: a call without an id, or with the id of another, gets a new one; a function call without a
    /// name is dropped; no arguments become `{}`.
    ///
    /// # Errors
    ///
    /// The body is not a JSON object, or is incomplete. An error that the server reports is not a parse error: see
    /// [`ChatCompletionResponse::error`].
    pub fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        let mut response = Self::default();
        response.read_body(body)?;
        Ok(response)
    }

    /// Reads a body as [`from_slice`](Self::from_slice) does, into this empty response. Returns whether anything follows it.
    pub(crate) fn read_body(&mut self, body: &[u8]) -> Result<bool, ParseError> {
        let has_more = json::object_into(body, self)?;
        for choice in &mut self.choices {
            let is_finished = choice.finish_reason.is_some();
            call_ids::settle(&mut choice.message.tool_calls, is_finished);
        }
        Ok(has_more)
    }

    /// Finds an error wherever the server reports it.
    fn after_reading(&mut self, has: &dyn Fn(&str) -> bool) {
        ErrorPlace::search(&mut self.error, &mut self.extra, || ErrorPlace {
            choices: self.choices.len(),
            has_choices: has("choices"),
            usage: self.usage.as_ref(),
            id: &self.id,
            object: self.object.as_str(),
        });
        for choice in &mut self.choices {
            choice.find_text();
            choice.find_error();
        }
    }

    /// Returns the text of the first choice (index 0), parts joined; empty without one.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        self.message().map(ChatCompletionMessage::text).unwrap_or_default()
    }

    /// Returns the message of the first choice (index 0).
    #[must_use]
    pub fn message(&self) -> Option<&ChatCompletionMessage> {
        self.first().map(|choice| &choice.message)
    }

    /// Returns the message of the first choice (index 0) without the tool calls that are incomplete.
    ///
    /// A call whose arguments are not valid JSON cannot be made, and servers refuse a conversation in which a call has no
    /// result. Use this to continue the conversation after a stream that ended early. In a response without a finish reason,
    /// a last call without arguments is left out as well.
    ///
    /// ```
    /// use atoma_types::ChatCompletionResponse;
    ///
    /// let partial = ChatCompletionResponse::from_slice(br#"{"choices": [{"message": {"content": "I'll look.", "tool_calls": [
    ///     {"id": "call_1", "function": {"name": "f", "arguments": "{\"city\": \"Par"}}]}}]}"#)?;
    /// let message = partial.message_without_incomplete_tool_calls().unwrap();
    /// assert!(message.tool_calls.is_empty());
    /// assert_eq!(message.text(), "I'll look.");
    /// # Ok::<(), atoma_types::ParseError>(())
    /// ```
    #[must_use]
    pub fn message_without_incomplete_tool_calls(&self) -> Option<ChatCompletionMessage> {
        let choice = self.first()?;
        let mut message = choice.message.clone();
        let is_blank = |call: &ToolCall| call.function.arguments.trim_ascii().is_empty();
        let is_function = |call: &ToolCall| call.kind == ToolKind::Function;
        let is_open = |last: &ToolCall| is_function(last) && is_blank(last);
        if choice.finish_reason.is_none() && message.tool_calls.last().is_some_and(is_open) {
            message.tool_calls.pop();
        }
        message.tool_calls.retain(|call| !is_function(call) || call.arguments_json().is_ok());
        Some(message)
    }

    /// Returns why the model stopped, in the first choice (index 0).
    #[must_use]
    pub fn finish_reason(&self) -> Option<&FinishReason> {
        self.first()?.finish_reason.as_ref()
    }

    fn first(&self) -> Option<&ChatCompletionChoice> {
        self.choices.iter().min_by_key(|choice| choice.index)
    }

    /// Returns the tool calls of the first choice (index 0).
    #[must_use]
    pub fn tool_calls(&self) -> &[ToolCall] {
        self.message().map(|message| message.tool_calls.as_slice()).unwrap_or_default()
    }

    /// Returns the error that the server reports, for the response or for a choice.
    #[must_use]
    pub fn error(&self) -> Option<&ApiError> {
        let in_choices = || self.choices.iter().find_map(|choice| choice.error.as_deref());
        self.error.as_deref().or_else(in_choices)
    }

    /// Returns the number of tokens used, also if the server sends it in a vendor's member
    /// (`x_groq.usage`) or in the choice.
    #[must_use]
    pub fn usage(&self) -> Option<Cow<'_, Usage>> {
        let of_choices = self.choices.iter().map(|choice| &choice.extra);
        usage::find(self.usage.as_ref(), &self.extra, of_choices)
    }
}

impl ChatCompletionChoice {
    /// Takes a text that came in place of a message as its content. Only where no message could be read is it among the members
    /// without a field, by the name of the field.
    fn find_text(&mut self) {
        if let Some(Value::String(text)) = self.extra.get("message") {
            self.message.content = text.as_str().into();
            self.extra.remove("message");
        }
    }

    /// Takes an error out of the message, where some servers report it, or out of the finish reason.
    fn find_error(&mut self) {
        if self.error.is_none() {
            self.error = ApiError::take_from(&mut self.message.extra)
                .or_else(|| ApiError::of_finish_reason(self.finish_reason.as_ref()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn created_is_read_from_a_float_or_a_string() {
        for (wire, created) in
            [(json!(5.9), 5), (json!("7"), 7), (json!(null), 0), (json!("2024-01-01"), 0)]
        {
            let response: ChatCompletionResponse = from_value(json!({"created": wire})).unwrap();
            assert_eq!(response.created, created);
        }
    }

    #[test]
    fn a_vendors_usage_is_found() {
        let response: ChatCompletionResponse =
            from_value(json!({"choices": [{"usage": {"prompt_tokens": 1, "total_tokens": 3}}]}))
                .unwrap();
        assert_eq!(response.usage().unwrap().total_tokens, 3);
    }
}
