use super::{
    content::{Content, join},
    finish_reason::{FinishReason, StopReason},
    logprobs::Logprobs,
    message::{self, ChatCompletionMessage, Role},
    response::{ChatCompletionChoice, ChatCompletionResponse, ObjectKind},
    tool::{FunctionCallDelta, ToolCall, ToolCallDelta},
    usage::{self, Usage},
};
use crate::{ApiError, ParseError, SharedStr, error::ErrorPlace, json, wire::object};
use serde_json::Value;
use std::borrow::Cow;

object! {
    /// A chunk of a streamed response: the JSON of one event.
    ///
    /// Read the events of a stream with a [`crate::ChunkReader`], and join the chunks with a
    /// [`crate::ChatCompletionAccumulator`]; [`crate::ChatModel`] does both.
    #[doc(alias = "CreateChatCompletionStreamResponse")]
    pub struct ChatCompletionChunk => after_reading {
        /// The id of the completion. Some servers change it with every chunk.
        pub id: SharedStr,
        /// The kind of object: `chat.completion.chunk`.
        pub object: ObjectKind as WhenSet,
        /// The time of creation in seconds since 1970. Zero if the server does not say.
        pub created: i64,
        /// The model that writes the completion.
        pub model: SharedStr,
        /// The new parts of the choices. Empty in a chunk that only has the usage.
        pub choices: Vec<ChatCompletionChunkChoice> as Always,
        /// The number of tokens used so far. The last one in a stream counts. See also [`ChatCompletionChunk::usage`].
        pub usage: Option<Box<Usage>> as Boxed,
        /// The latency tier that serves the request.
        pub service_tier: Option<SharedStr>,
        /// The build of the backend.
        pub system_fingerprint: Option<SharedStr>,
        /// The signature of Atoma's node over this chunk's `response_hash`, in base64.
        pub signature: Option<String>,
        /// The BLAKE2b-256 hash of this chunk without this member and `signature`, in base64.
        pub response_hash: Option<String>,
        /// The error, if the server reports one in the stream. See also [`ChatCompletionChunk::error`].
        pub error: Option<Box<ApiError>> as ErrorMember,
    }
}

object! {
    /// The new part of one choice.
    pub struct ChatCompletionChunkChoice => after_reading {
        /// The position among the choices, from 0.
        pub index: u32 as Index,
        /// The addition to its message.
        pub delta: ChatCompletionChunkDelta,
        /// The message so far, which some servers send in addition to the delta. If it arrives in
        /// place of a delta, it is new: it is read into `delta` as well.
        pub message: Option<Box<ChatCompletionChunkDelta>> as Boxed,
        /// Why the model stopped, in the last chunk of the choice.
        pub finish_reason: Option<FinishReason> as Finish = "finish_reason" | "finishReason",
        /// The stop token or stop text that ended the choice.
        pub stop_reason: Option<StopReason>,
        /// The log probabilities of the new tokens, if the request asked for them.
        pub logprobs: Option<Box<Logprobs>> as Boxed,
        /// The error of this choice.
        pub error: Option<Box<ApiError>> as ErrorMember,
    }
}

object! {
    /// An addition to a message.
    pub struct ChatCompletionChunkDelta {
        /// The author; usually in the first chunk only.
        pub role: Option<Role>,
        /// The next piece of the content.
        pub content: Option<Content>,
        /// The next piece of the reasoning, as vLLM, OpenRouter and Ollama name it.
        pub reasoning: Option<String>,
        /// The next piece of the reasoning, as DeepSeek and SGLang name it.
        pub reasoning_content: Option<String>,
        /// The next piece of a refusal.
        pub refusal: Option<String>,
        /// Fragments of tool calls.
        pub tool_calls: Vec<ToolCallDelta>,
    }
}

impl ChatCompletionChunk {
    /// Reads one event alone. Half a UTF-16 surrogate pair becomes U+FFFD; a [`crate::ChunkReader`] joins it with the half in
    /// the next event. Otherwise this reads as [`ChatCompletionResponse::from_slice`] does.
    ///
    /// # Errors
    ///
    /// The data is not a JSON object, or is incomplete.
    pub fn from_slice(data: &[u8]) -> Result<Self, ParseError> {
        json::object_from_slice(data)
    }

    /// Returns the new text of the first choice (index 0), parts joined.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match &self.choices[..] {
            [choice] if choice.index == 0 => choice.delta.text(),
            choices => {
                let first = choices.iter().filter(|choice| choice.index == 0);
                join(first.map(|choice| choice.delta.text()))
            }
        }
    }

    /// Returns the new reasoning of the first choice (index 0), under whichever name the server sends it, once.
    #[must_use]
    pub fn reasoning(&self) -> Option<Cow<'_, str>> {
        self.first()?.delta.reasoning()
    }

    /// Returns why the model stopped, in the first choice (index 0).
    #[must_use]
    pub fn finish_reason(&self) -> Option<&FinishReason> {
        self.first()?.finish_reason.as_ref()
    }

    /// Returns the number of tokens used so far, also if the server sends it in a vendor's member
    /// (`x_groq.usage`) or in the choice.
    #[must_use]
    pub fn usage(&self) -> Option<Cow<'_, Usage>> {
        let of_choices = self.choices.iter().map(|choice| &choice.extra);
        usage::find(self.usage.as_deref(), &self.extra, of_choices)
    }

    /// Returns the error that the server reports, for the response or for a choice.
    #[must_use]
    pub fn error(&self) -> Option<&ApiError> {
        let in_choices = || self.choices.iter().find_map(|choice| choice.error.as_deref());
        self.error.as_deref().or_else(in_choices)
    }

    /// Finds an error wherever the server reports it.
    fn after_reading(&mut self, has: &dyn Fn(&str) -> bool) {
        ErrorPlace::search(&mut self.error, &mut self.extra, || ErrorPlace {
            choices: self.choices.len(),
            has_choices: has("choices"),
            usage: self.usage.as_deref(),
            id: &self.id,
            object: self.object.as_str(),
        });
    }

    fn first(&self) -> Option<&ChatCompletionChunkChoice> {
        self.choices.iter().find(|choice| choice.index == 0)
    }
}

impl ChatCompletionChunkChoice {
    /// Reads a message in place of a delta as a delta, and takes an error out of the delta.
    fn after_reading(&mut self, has: &dyn Fn(&str) -> bool) {
        if let Some(message) = self.message.as_mut().filter(|_| !has("delta")) {
            // The calls of a whole message are whole.
            for (index, call) in (0..).zip(&mut message.tool_calls) {
                call.index.get_or_insert(index);
            }
            self.delta = (**message).clone();
        }
        if !self.extra.is_empty() {
            self.find_text();
        }
        if self.error.is_none() && !self.delta.extra.is_empty() {
            self.error = ApiError::take_from(&mut self.delta.extra);
        }
        if self.error.is_none() {
            self.error = ApiError::of_finish_reason(self.finish_reason.as_ref());
        }
    }
}

impl ChatCompletionChunkChoice {
    /// Takes a text that came in place of a delta as its content.
    #[cold]
    fn find_text(&mut self) {
        let name = if self.extra.contains("delta") { "delta" } else { "message" };
        let is_free = self.delta == ChatCompletionChunkDelta::default();
        if let Some(Value::String(text)) = self.extra.get(name).filter(|_| is_free) {
            self.delta.content = Some(text.as_str().into());
            self.extra.remove(name);
        }
    }
}

impl ChatCompletionChunkDelta {
    /// Returns the new text, parts joined, without the model's reasoning.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        self.content.as_ref().map(Content::text).unwrap_or_default()
    }

    /// Returns the new reasoning, under whichever name the server sends it, once.
    #[must_use]
    pub fn reasoning(&self) -> Option<Cow<'_, str>> {
        message::reasoning(
            self.reasoning_content.as_deref(),
            self.reasoning.as_deref(),
            self.content.as_ref(),
            &self.extra,
        )
    }
}

/// A complete response as the only chunk of a stream, for servers that do not stream when asked to.
impl From<ChatCompletionResponse> for ChatCompletionChunk {
    fn from(response: ChatCompletionResponse) -> Self {
        Self {
            id: response.id,
            object: ObjectKind::ChatCompletionChunk,
            created: response.created,
            model: response.model,
            choices: response.choices.into_iter().map(Into::into).collect(),
            usage: response.usage.map(Box::new),
            service_tier: response.service_tier,
            system_fingerprint: response.system_fingerprint,
            signature: response.signature,
            response_hash: response.response_hash,
            error: response.error,
            extra: response.extra,
        }
    }
}

impl From<ChatCompletionChoice> for ChatCompletionChunkChoice {
    fn from(mut choice: ChatCompletionChoice) -> Self {
        choice.extra.remove("message");
        Self {
            index: choice.index,
            delta: choice.message.into(),
            message: None,
            finish_reason: choice.finish_reason,
            stop_reason: choice.stop_reason,
            logprobs: choice.logprobs,
            error: choice.error,
            extra: choice.extra,
        }
    }
}

impl From<ChatCompletionMessage> for ChatCompletionChunkDelta {
    fn from(message: ChatCompletionMessage) -> Self {
        let mut extra = message.extra;
        extra.extend(message.name.map(|name| ("name", name)));
        extra.extend(message.tool_call_id.map(|id| ("tool_call_id", id)));
        extra.extend(message.function_call.map(|call| ("function_call", call)));
        Self {
            role: Some(message.role),
            content: Some(message.content),
            reasoning: message.reasoning,
            reasoning_content: message.reasoning_content,
            refusal: message.refusal,
            tool_calls: (0..)
                .zip(message.tool_calls)
                .map(|(index, call)| whole_call(index, call))
                .collect(),
            extra,
        }
    }
}

fn whole_call(index: i64, call: ToolCall) -> ToolCallDelta {
    ToolCallDelta {
        index: Some(index),
        id: Some(call.id),
        kind: Some(call.kind),
        function: FunctionCallDelta {
            name: Some(call.function.name),
            arguments: Some(call.function.arguments),
            extra: call.function.extra,
        },
        extra: call.extra,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn a_choice_stays_small() {
        assert!(
            size_of::<ChatCompletionChunkChoice>() < 400,
            "{}",
            size_of::<ChatCompletionChunkChoice>()
        );
    }

    #[test]
    fn errors_are_found_wherever_they_are() {
        for wire in [
            json!({"error": {"message": "e"}}),
            json!({"error": "e"}),
            json!({"choices": [{"error": {"message": "e"}}]}),
            json!({"error": true, "message": "e"}),
            json!({"object": "error", "message": "e"}),
            json!({"code": 400, "details": "e"}),
        ] {
            let chunk = ChatCompletionChunk::from_slice(wire.to_string().as_bytes()).unwrap();
            assert_eq!(chunk.error().map(|error| error.message.as_str()), Some("e"), "{wire}");
        }
        for wire in [
            json!({"error": null}),
            json!({"error": ""}),
            json!({"error": {}}),
            json!({"error": false}),
        ] {
            let chunk = ChatCompletionChunk::from_slice(wire.to_string().as_bytes()).unwrap();
            assert_eq!(chunk.error(), None, "{wire}");
        }
    }

    #[test]
    fn a_message_in_place_of_a_delta_is_read_as_one() {
        let chunk: ChatCompletionChunk =
            from_value(json!({"choices": [{"message": {"content": "a"}}]})).unwrap();
        assert_eq!(chunk.text(), "a");
    }

    #[test]
    fn a_whole_response_becomes_a_chunk() {
        let response: ChatCompletionResponse = from_value(json!({
            "id": "c", "choices": [{"message": {"content": "a", "tool_calls": [{"id": "x", "function": {"name": "f"}}]},
            "finish_reason": "stop"}], "usage": {"prompt_tokens": 1},
        }))
        .unwrap();
        let chunk = ChatCompletionChunk::from(response);
        assert_eq!(
            (chunk.text().as_ref(), chunk.finish_reason()),
            ("a", Some(&FinishReason::Stop))
        );
        assert_eq!(chunk.choices[0].delta.tool_calls[0].index, Some(0));
    }
}
