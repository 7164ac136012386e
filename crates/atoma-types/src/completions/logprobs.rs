use crate::{
    TokenLogprob,
    wire::{Codec, Members, Piece, Plain, Read, Stopped, object, whole},
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

object! {
    /// The log probabilities of a completion's tokens: lists of one entry for each token.
    pub struct CompletionLogprobs {
        /// The tokens, as text.
        pub tokens: Vec<String> as Aligned,
        /// The natural logarithm of each token's probability. `None` where the server does not know it, such as for the first
        /// token of a prompt.
        pub token_logprobs: Vec<Option<f64>> as Aligned,
        /// The likeliest tokens at each position, with their log probabilities.
        pub top_logprobs: Vec<Option<BTreeMap<String, f64>>> as Aligned,
        /// The position of each token in the text, in characters.
        pub text_offset: Vec<u32> as Aligned,
        /// The entries in the form of chat completions, which llama.cpp sends here as well.
        pub content: Vec<TokenLogprob>,
    }
}

impl CompletionLogprobs {
    /// Adds the entries of a later chunk.
    pub(crate) fn append(&mut self, later: &Self) {
        self.tokens.extend_from_slice(&later.tokens);
        self.token_logprobs.extend_from_slice(&later.token_logprobs);
        self.top_logprobs.extend_from_slice(&later.top_logprobs);
        self.text_offset.extend_from_slice(&later.text_offset);
        self.content.extend_from_slice(&later.content);
        self.extra.merge(&later.extra);
    }

    /// About how many bytes the entries take.
    pub(crate) fn memory_size(&self) -> usize {
        /// About the size of a map's entry without its text.
        const ENTRY: usize = 64;
        let tokens: usize = self.tokens.iter().map(|token| token.len() + size_of::<String>()).sum();
        let maps = self.top_logprobs.iter().flatten();
        let maps: usize = maps.flatten().map(|(token, _)| token.len() + ENTRY).sum();
        let content = self.content.iter();
        let content: usize = content
            .map(|token| token.token.len() + 2 * ENTRY * (1 + token.top_logprobs.len()))
            .sum();
        tokens + 16 * self.token_logprobs.len() + 32 * self.top_logprobs.len() + maps + content
    }
}

/// The likeliest tokens at a position. Entries without a number are skipped.
impl Codec<BTreeMap<String, f64>> for Plain {
    fn object(members: &mut dyn Members) -> Result<Read<BTreeMap<String, f64>>, Stopped> {
        whole(members, |value| match value {
            Value::Object(members) => Ok(members
                .into_iter()
                .filter_map(|(token, logprob)| Some((token, logprob.as_f64()?)))
                .collect()),
            value => Err(value),
        })
    }

    fn is_absent(value: &BTreeMap<String, f64>) -> bool {
        value.is_empty()
    }

    fn piece(value: &BTreeMap<String, f64>) -> Piece<'_> {
        let members: Map<String, Value> =
            value.iter().map(|(token, logprob)| (token.clone(), (*logprob).into())).collect();
        Piece::Owned(members.into())
    }
}
