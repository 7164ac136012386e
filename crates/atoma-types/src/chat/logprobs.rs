use crate::{Extra, wire::object};
use serde_json::Value;

object! {
    /// The log probabilities of a choice's tokens, sent when the request asks for `logprobs`.
    pub struct Logprobs {
        /// One entry for each token of the content.
        pub content: Option<Vec<TokenLogprob>>,
        /// One entry for each token of the refusal.
        pub refusal: Option<Vec<TokenLogprob>>,
    }
}

object! {
    /// A token with its log probability, and the likely alternatives.
    pub struct TokenLogprob {
        /// The token, as text.
        pub token: String,
        /// The natural logarithm of the token's probability; `None` if the server does not know it.
        ///
        /// vLLM writes −9999.0 for a probability of zero. Minus infinity is read as [`f64::MIN`].
        pub logprob: Option<f64> as Always,
        /// The token's UTF-8 bytes, where a character is spread over tokens.
        pub bytes: Option<Vec<u8>> as Bytes,
        /// The likeliest tokens at this place, as many as `top_logprobs` asked for.
        pub top_logprobs: Vec<TopLogprob>,
    }
}

object! {
    /// One of the likeliest tokens at a place.
    pub struct TopLogprob {
        /// The token, as text.
        pub token: String,
        /// The natural logarithm of the token's probability; `None` if the server does not know it.
        pub logprob: Option<f64> as Always,
        /// The token's UTF-8 bytes.
        pub bytes: Option<Vec<u8>> as Bytes,
    }
}

impl Logprobs {
    /// Adds the entries of a later chunk.
    pub(crate) fn append(&mut self, later: &Self) {
        for (all, more) in
            [(&mut self.content, &later.content), (&mut self.refusal, &later.refusal)]
        {
            if let Some(more) = more {
                all.get_or_insert_with(Vec::new).extend_from_slice(more);
            }
        }
        join_lists(&mut self.extra, &later.extra);
    }
}

/// Adds the members of a later chunk. The older form has lists of equal length: `tokens`,
/// `token_logprobs`, `text_offset`, `top_logprobs`.
pub(crate) fn join_lists(all: &mut Extra, later: &Extra) {
    for (name, value) in later.iter() {
        match (all.get_mut(name), value) {
            (Some(Value::Array(all)), Value::Array(more)) => all.extend_from_slice(more),
            _ => all.set_last(name, value),
        }
    }
}
