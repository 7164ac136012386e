use crate::wire::object;

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
    /// A token with its log probability, and what else was likely in its place.
    pub struct TokenLogprob {
        /// The token, as text.
        pub token: String,
        /// The natural logarithm of the token's probability. vLLM writes −9999.0 for a probability of nothing.
        pub logprob: f64,
        /// The token's UTF-8 bytes, where a character is spread over tokens.
        pub bytes: Option<Vec<u8>>,
        /// The likeliest tokens at this place, as many as `top_logprobs` asked for.
        pub top_logprobs: Vec<TopLogprob>,
    }
}

object! {
    /// One of the likeliest tokens at a place.
    pub struct TopLogprob {
        /// The token, as text.
        pub token: String,
        /// The natural logarithm of the token's probability.
        pub logprob: f64,
        /// The token's UTF-8 bytes.
        pub bytes: Option<Vec<u8>>,
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
    }
}
