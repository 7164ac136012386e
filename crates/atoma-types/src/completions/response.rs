use super::logprobs::CompletionLogprobs;
use crate::{
    ApiError, FinishReason, ParseError, SharedStr, StopReason, Usage, chat::usage,
    error::ErrorPlace, json, wire::object,
};
use std::borrow::Cow;

object! {
    /// The completions of a request, or a chunk of them: both have the same form.
    ///
    /// ```
    /// use atoma_types::CompletionResponse;
    ///
    /// let body = br#"{"object": "text_completion", "choices": [{"text": " there was", "index": 0, "finish_reason": "length"}]}"#;
    /// let response = CompletionResponse::from_slice(body)?;
    /// assert_eq!(response.text(), " there was");
    /// # Ok::<(), atoma_types::ParseError>(())
    /// ```
    #[doc(alias = "CreateCompletionResponse")]
    pub struct CompletionResponse => after_reading {
        /// The id of the completion.
        pub id: SharedStr,
        /// `text_completion`.
        pub object: SharedStr,
        /// The time of creation in seconds since 1970. Zero if the server does not say.
        pub created: i64,
        /// The model that wrote the completion.
        pub model: SharedStr,
        /// The completions: one for each prompt, unless the request asked for more with `n`. Empty in a chunk that only has
        /// the usage.
        pub choices: Vec<CompletionChoice> as Always,
        /// The number of tokens used. See also [`CompletionResponse::usage`].
        pub usage: Option<Usage>,
        /// The build of the backend. Many servers leave it out.
        pub system_fingerprint: Option<SharedStr>,
        /// The signature of Atoma's node over `response_hash`, in base64.
        pub signature: Option<String>,
        /// The BLAKE2b-256 hash of the response without this member and `signature`, in base64.
        pub response_hash: Option<String>,
        /// The error, if the server reports one with a status of success. It takes precedence over the choices. See also
        /// [`CompletionResponse::error`].
        pub error: Option<Box<ApiError>> as ErrorMember,
    }
}

/// A chunk of a streamed completion, which has the same form as a complete one.
pub type CompletionChunk = CompletionResponse;

object! {
    /// One completion, or the new text of one.
    pub struct CompletionChoice => after_reading {
        /// The text.
        pub text: String,
        /// The position among the completions, from 0. With several prompts, the `n` completions of the first come first.
        pub index: u32 as Index,
        /// The log probabilities of the tokens, if the request asked for them.
        pub logprobs: Option<Box<CompletionLogprobs>> as Boxed,
        /// Why the model stopped. `None` in all chunks but the last of a completion.
        pub finish_reason: Option<FinishReason> as Finish,
        /// The stop token or stop text that ended the completion.
        pub stop_reason: Option<StopReason>,
        /// The error of this completion.
        pub error: Option<Box<ApiError>> as ErrorMember,
    }
}

impl CompletionResponse {
    /// Reads a body or the data of one event, as tolerantly as [`crate::ChatCompletionResponse::from_slice`].
    ///
    /// # Errors
    ///
    /// The body is not a JSON object, or is incomplete. An error that the server reports is not a parse error: see
    /// [`CompletionResponse::error`].
    pub fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        json::object_from_slice(body)
    }

    /// The text of the first completion (index 0).
    #[must_use]
    pub fn text(&self) -> &str {
        self.first().map(|choice| choice.text.as_str()).unwrap_or_default()
    }

    /// Why the model stopped, in the first completion (index 0).
    #[must_use]
    pub fn finish_reason(&self) -> Option<&FinishReason> {
        self.first()?.finish_reason.as_ref()
    }

    /// The error of the response or of a completion.
    #[must_use]
    pub fn error(&self) -> Option<&ApiError> {
        let in_choices = || self.choices.iter().find_map(|choice| choice.error.as_deref());
        self.error.as_deref().or_else(in_choices)
    }

    /// The number of tokens used, also where a server puts it into another member (`x_groq.usage`) or into the choice.
    #[must_use]
    pub fn usage(&self) -> Option<Cow<'_, Usage>> {
        let of_choices = self.choices.iter().map(|choice| &choice.extra);
        usage::find(self.usage.as_ref(), &self.extra, of_choices)
    }

    fn first(&self) -> Option<&CompletionChoice> {
        self.choices.iter().min_by_key(|choice| choice.index)
    }

    /// Finds an error wherever the server reports it.
    fn after_reading(&mut self, has: &dyn Fn(&str) -> bool) {
        ErrorPlace::search(&mut self.error, &mut self.extra, || ErrorPlace {
            choices: self.choices.len(),
            has_choices: has("choices"),
            usage: self.usage.as_ref(),
            id: &self.id,
            object: &self.object,
        });
    }
}

impl CompletionChoice {
    /// Takes the text of a message or a delta, which proxies before a chat model send in place of `text`.
    fn after_reading(&mut self, has: &dyn Fn(&str) -> bool) {
        if has("text") || self.extra.is_empty() {
            return;
        }
        for name in ["delta", "message"] {
            let content = self.extra.get(name).and_then(|message| message.get("content"));
            if let Some(text) = content.and_then(|content| content.as_str()) {
                self.text = text.to_owned();
                self.extra.remove(name);
                return;
            }
        }
    }
}
