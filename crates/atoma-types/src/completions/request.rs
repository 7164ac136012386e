use crate::{
    InvalidRequest, StreamOptions,
    setters::{Number, Texts, request, setters},
    text_input::TextInput,
    validate::{check_counts, check_extra, check_model, check_range},
    wire::object,
};
use std::collections::BTreeMap;

object! {
    /// A request to complete a text, without the roles of a chat.
    ///
    /// ```
    /// use atoma_types::CompletionRequest;
    ///
    /// let request = CompletionRequest::new("meta-llama/Llama-3.3-70B-Instruct", "Once upon a time")
    ///     .max_tokens(64)
    ///     .stop("\n\n");
    /// request.validate()?;
    /// # Ok::<(), atoma_types::InvalidRequest>(())
    /// ```
    #[doc(alias = "CreateCompletionRequest")]
    pub struct CompletionRequest {
        /// The model to use. Required.
        pub model: String,
        /// The text or texts to complete, as text or as tokens. Required.
        pub prompt: TextInput,
        /// Generates this number of completions and returns the best `n` of them: at least `n`. The default is 1. Each is billed.
        pub best_of: Option<u32>,
        /// Whether to repeat the prompt in front of the completion. The default is false.
        pub echo: Option<bool>,
        /// From −2 to 2. Above zero, tokens are less likely the more often they have appeared. The default is 0.
        pub frequency_penalty: Option<f32>,
        /// A number to add to the likelihood of tokens, by their ids: from −100, which bans a token, to 100, which allows no
        /// other. None by default.
        pub logit_bias: Option<BTreeMap<String, f32>> as NonEmpty,
        /// The number of the likeliest tokens to return at each position, from 0 to 20. Without it, none are returned, not
        /// even those of the completion.
        pub logprobs: Option<u32>,
        /// The maximum number of tokens to generate, at least 1. The reference gives 16 as the default; Atoma's server inserts
        /// `max_completion_tokens` of 8192, and reserves balance for as many.
        pub max_tokens: Option<u32>,
        /// The number of completions for each prompt, at least 1. The default is 1. Each is billed.
        pub n: Option<u32>,
        /// From −2 to 2. Above zero, tokens that have appeared at all are less likely. The default is 0.
        pub presence_penalty: Option<f32>,
        /// Asks for the same completion for the same request, as far as the server can. May be negative. No default.
        pub seed: Option<i64>,
        /// Texts before which the model stops, at most 4. None by default.
        pub stop: Option<Vec<String>> as NonEmpty,
        /// Whether to send the completion in chunks. The default is false.
        pub stream: Option<bool>,
        /// Options of a stream. Only with `stream`. Atoma's nodes always set `include_usage`.
        pub stream_options: Option<StreamOptions> as NonEmpty,
        /// The text that follows the completion, for models that insert text. None by default.
        pub suffix: Option<String>,
        /// From 0 to 2: the higher, the more random. The default is the model's, usually 1. Set this or `top_p`, not both.
        pub temperature: Option<f32>,
        /// From 0 to 1: only the likeliest tokens that together have this probability are chosen from. The default is 1.
        pub top_p: Option<f32>,
        /// A stable, anonymous id of the end user. No default.
        pub user: Option<String>,
    }
}

impl CompletionRequest {
    /// Requests the completion of `prompt`.
    pub fn new(model: impl Into<String>, prompt: impl Into<TextInput>) -> Self {
        Self { model: model.into(), prompt: prompt.into(), ..Self::default() }
    }

    /// The number of completions that the response has: `n` for each prompt.
    #[must_use]
    pub fn choices(&self) -> u32 {
        let prompts = u32::try_from(self.prompt.count()).unwrap_or(u32::MAX);
        prompts.max(1).saturating_mul(self.n.unwrap_or(1).max(1))
    }

    /// Sets [`logit_bias`](#structfield.logit_bias): pairs of a token's id and the number to add.
    #[must_use]
    pub fn logit_bias<T: Into<String>>(mut self, bias: impl IntoIterator<Item = (T, f32)>) -> Self {
        self.logit_bias =
            Some(bias.into_iter().map(|(token, bias)| (token.into(), bias)).collect());
        self
    }

    /// Checks for mistakes that no server accepts: required members that are missing, numbers that are not finite, values
    /// outside the ranges of the reference, and members set twice.
    ///
    /// # Errors
    ///
    /// The first mistake found: the name of the field, and a remedy.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        check_model(&self.model, &self.extra)?;
        if let Some(fault) = self.prompt.fault() {
            return Err(InvalidRequest::new("prompt", fault));
        }
        check_range("frequency_penalty", self.frequency_penalty, -2, 2)?;
        check_range("presence_penalty", self.presence_penalty, -2, 2)?;
        check_range("temperature", self.temperature, 0, 2)?;
        check_range("top_p", self.top_p, 0, 1)?;
        for (token, bias) in self.logit_bias.iter().flatten() {
            check_range(&format!("logit_bias.{token}"), Some(*bias), -100, 100)?;
        }
        check_counts([("best_of", self.best_of), ("max_tokens", self.max_tokens), ("n", self.n)])?;
        if self.stop.as_ref().is_some_and(|stop| stop.len() > 4) {
            return Err(InvalidRequest::new("stop", "must have at most 4 texts"));
        }
        if self.logprobs.is_some_and(|logprobs| logprobs > 20) {
            return Err(InvalidRequest::new("logprobs", "must be from 0 to 20"));
        }
        if self.best_of.is_some_and(|best_of| best_of < self.n.unwrap_or(1)) {
            return Err(InvalidRequest::new("best_of", "must be at least n"));
        }
        check_extra(self)
    }
}

request!(CompletionRequest);

setters! { CompletionRequest {
    best_of: u32;
    echo: bool;
    frequency_penalty: Number as impl Into<Number>;
    logprobs: u32;
    max_tokens: u32;
    n: u32;
    presence_penalty: Number as impl Into<Number>;
    seed: i64;
    stop: Texts as impl Into<Texts>;
    stream: bool;
    stream_options: StreamOptions;
    suffix: String as impl Into<String>;
    temperature: Number as impl Into<Number>;
    top_p: Number as impl Into<Number>;
    user: String as impl Into<String>;
} }
