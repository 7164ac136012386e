//! Setters of members that Atoma's reference does not list. Its proxy passes them on, and backends know many of them.

use super::request::ChatCompletionRequest;
use crate::{open_enum::open_enum, setters::Texts};
use serde_json::{Value, json};

open_enum! {
    /// The amount of reasoning before the model writes.
    pub enum ReasoningEffort {
        /// Not at all.
        None = "none",
        /// As little as possible.
        Minimal = "minimal",
        /// A little.
        Low = "low",
        /// The default of most models.
        Medium = "medium",
        /// Much.
        High = "high",
    }
}

open_enum! {
    /// The length of a model's completions.
    pub enum Verbosity {
        /// Short.
        Low = "low",
        /// The default.
        Medium = "medium",
        /// Long.
        High = "high",
    }
}

/// Setters of members that are not in Atoma's reference, but known to other servers and to many backends.
///
/// They are kept in `extra`, and not judged by [`validate`](Self::validate).
///
/// ```
/// # use atoma_types::{ChatCompletionMessage, ChatCompletionRequest};
/// let request = ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")])
///     .reasoning_effort("low")
///     .metadata([("job", "42")]);
/// assert_eq!(request.extra.get("reasoning_effort").unwrap(), "low");
/// ```
impl ChatCompletionRequest {
    /// Sets how much the model reasons before it writes.
    #[must_use]
    pub fn reasoning_effort(self, effort: impl Into<ReasoningEffort>) -> Self {
        self.extra("reasoning_effort", effort.into().as_str())
    }

    /// Sets how long the completion is.
    #[must_use]
    pub fn verbosity(self, verbosity: impl Into<Verbosity>) -> Self {
        self.extra("verbosity", verbosity.into().as_str())
    }

    /// Sets a key that groups requests with the same beginning, for the server's cache of prompts.
    #[must_use]
    pub fn prompt_cache_key(self, key: impl Into<String>) -> Self {
        self.extra("prompt_cache_key", key.into())
    }

    /// Sets a stable, anonymous id of the end user, by which the server finds abuse. It replaces `user` on newer servers.
    #[must_use]
    pub fn safety_identifier(self, id: impl Into<String>) -> Self {
        self.extra("safety_identifier", id.into())
    }

    /// Sets pairs of names and values that the server stores with the completion. OpenAI takes at most 16.
    #[must_use]
    pub fn metadata<N: Into<String>, V: Into<String>>(
        self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), Value::from(value.into())));
        self.extra("metadata", Value::Object(pairs.collect()))
    }

    /// Sets whether the server stores the completion.
    #[must_use]
    pub fn store(self, store: bool) -> Self {
        self.extra("store", store)
    }

    /// Sets text that the completion probably repeats, such as a file to edit: the server writes repeated parts faster.
    #[must_use]
    pub fn prediction(self, content: impl Into<String>) -> Self {
        self.extra("prediction", json!({"type": "content", "content": content.into()}))
    }

    /// Sets the kinds of output: `text`, `audio`. One or several.
    #[must_use]
    pub fn modalities(self, modalities: impl Into<Texts>) -> Self {
        self.extra("modalities", Vec::<String>::from(modalities.into()))
    }

    /// Sets the options of a web search, as JSON: `json!({})` for the defaults.
    #[must_use]
    pub fn web_search_options(self, options: impl Into<Value>) -> Self {
        self.extra("web_search_options", options)
    }

    /// Sets whether each chunk of a stream has the usage so far, in the [`stream_options`](Self::stream_options).
    ///
    /// vLLM and SGLang know it; they require `include_usage` as well, which is set. Atoma's nodes overwrite these options.
    #[must_use]
    pub fn continuous_usage_stats(mut self, continuous: bool) -> Self {
        let options = self.stream_options.take().unwrap_or_default();
        let options = if continuous { options.include_usage(true) } else { options };
        self.stream_options(options.continuous_usage_stats(continuous))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChatCompletionMessage;

    #[test]
    fn each_setter_writes_its_member() {
        let request = || ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")]);
        for (request, name, wire) in [
            (request().reasoning_effort("xhigh"), "reasoning_effort", json!("xhigh")),
            (request().reasoning_effort(ReasoningEffort::Low), "reasoning_effort", json!("low")),
            (request().verbosity(Verbosity::High), "verbosity", json!("high")),
            (request().prompt_cache_key("k"), "prompt_cache_key", json!("k")),
            (request().safety_identifier("i"), "safety_identifier", json!("i")),
            (request().metadata([("a", "b")]), "metadata", json!({"a": "b"})),
            (request().store(true), "store", json!(true)),
            (request().prediction("p"), "prediction", json!({"type": "content", "content": "p"})),
            (request().modalities("text"), "modalities", json!(["text"])),
            (request().modalities(["text", "audio"]), "modalities", json!(["text", "audio"])),
            (request().web_search_options(json!({})), "web_search_options", json!({})),
            (
                request().continuous_usage_stats(true),
                "stream_options",
                json!({"include_usage": true, "continuous_usage_stats": true}),
            ),
        ] {
            let written: Value = serde_json::from_slice(&request.to_vec().unwrap()).unwrap();
            assert_eq!(written[name], wire);
        }
    }
}
