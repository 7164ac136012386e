use crate::{
    Extra, json,
    wire::{Scalar, object},
};
use serde_json::Value;
use std::borrow::Cow;

object! {
    /// The number of tokens that a completion used.
    ///
    /// In a stream it arrives in a last chunk without choices, or in every chunk: the last count
    /// that is not zero is used. If the usual members are missing, those of other servers are read:
    /// `input_tokens` and `output_tokens`, and each name in camel case (`promptTokens`).
    #[doc(alias = "CompletionUsage")]
    pub struct Usage => complete {
        /// Tokens of the prompt.
        pub prompt_tokens: u64,
        /// Tokens generated, over all choices. Zero if the server does not say.
        pub completion_tokens: u64,
        /// Both together, as the server counts them; their sum if it does not say.
        pub total_tokens: u64,
        /// The kinds of tokens in the prompt.
        pub prompt_tokens_details: Option<PromptTokensDetails>,
        /// The kinds of generated tokens.
        pub completion_tokens_details: Option<CompletionTokensDetails>,
    }
}

object! {
    /// The kinds of tokens in the prompt.
    pub struct PromptTokensDetails {
        /// Tokens read from the server's cache.
        pub cached_tokens: Option<u64>,
        /// Tokens of audio.
        pub audio_tokens: Option<u64>,
    }
}

object! {
    /// The kinds of generated tokens.
    pub struct CompletionTokensDetails {
        /// Tokens spent on reasoning.
        pub reasoning_tokens: Option<u64>,
        /// Tokens of audio.
        pub audio_tokens: Option<u64>,
        /// Predicted tokens that appeared in the completion.
        pub accepted_prediction_tokens: Option<u64>,
        /// Predicted tokens that did not.
        pub rejected_prediction_tokens: Option<u64>,
    }
}

/// The names of each count, the usual one first.
const PROMPT: [&str; 6] = [
    "prompt_tokens",
    "input_tokens",
    "promptTokens",
    "inputTokens",
    "prompt_token_count",
    "promptTokenCount",
];
const COMPLETION: [&str; 6] = [
    "completion_tokens",
    "output_tokens",
    "completionTokens",
    "outputTokens",
    "candidates_token_count",
    "candidatesTokenCount",
];
const TOTAL: [&str; 4] = ["total_tokens", "totalTokens", "total_token_count", "totalTokenCount"];

/// A count above zero, which some servers write as a float or as text.
fn count_of(value: &Value) -> Option<u64> {
    let count = match value {
        Value::Number(number) => Scalar::Number(number).whole_number(),
        Value::String(text) => Scalar::Text(text).whole_number(),
        _ => None,
    };
    u64::try_from(count?).ok().filter(|count| *count > 0)
}

impl Usage {
    /// Fills in counts that are missing, after reading.
    fn complete(&mut self, _has: &dyn Fn(&str) -> bool) {
        if !self.extra.is_empty() {
            for (count, names) in [
                (&mut self.prompt_tokens, &PROMPT[..]),
                (&mut self.completion_tokens, &COMPLETION),
                (&mut self.total_tokens, &TOTAL),
            ] {
                // A member of the usual name that could not be read is kept as it is.
                if *count == 0 && !self.extra.contains(names[0]) {
                    let mut counts = names.iter().filter_map(|name| self.extra.get(name));
                    *count = counts.find_map(count_of).unwrap_or_default();
                }
            }
        }
        if self.total_tokens == 0 && !self.extra.contains("total_tokens") {
            self.total_tokens = self.sum();
        }
    }

    fn sum(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }

    /// Adds the usage of another call: the counts, and the details that either of them has.
    ///
    /// ```
    /// use atoma_types::Usage;
    ///
    /// let calls: [Usage; 2] = serde_json::from_str(
    ///     r#"[{"prompt_tokens": 5, "completion_tokens": 2}, {"prompt_tokens": 9, "completion_tokens": 1}]"#,
    /// )?;
    /// let total = calls.iter().fold(Usage::default(), Usage::plus);
    /// assert_eq!((total.prompt_tokens, total.completion_tokens, total.total_tokens), (14, 3, 17));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (known, more) in [
            (&mut self.prompt_tokens, other.prompt_tokens),
            (&mut self.completion_tokens, other.completion_tokens),
            (&mut self.total_tokens, other.total_tokens),
        ] {
            *known = known.saturating_add(more);
        }
        if let Some(more) = &other.prompt_tokens_details {
            let known = self.prompt_tokens_details.get_or_insert_default();
            add(&mut known.cached_tokens, more.cached_tokens);
            add(&mut known.audio_tokens, more.audio_tokens);
        }
        if let Some(more) = &other.completion_tokens_details {
            let known = self.completion_tokens_details.get_or_insert_default();
            add(&mut known.reasoning_tokens, more.reasoning_tokens);
            add(&mut known.audio_tokens, more.audio_tokens);
            add(&mut known.accepted_prediction_tokens, more.accepted_prediction_tokens);
            add(&mut known.rejected_prediction_tokens, more.rejected_prediction_tokens);
        }
        self
    }

    /// Returns whether no count is above zero.
    pub(crate) fn is_zero(&self) -> bool {
        (self.prompt_tokens, self.completion_tokens, self.total_tokens) == (0, 0, 0)
    }

    /// Takes over the counts of a later chunk. Zeros do not replace counts; if prompt and
    /// completion arrive separately, the total is their sum.
    pub(crate) fn merge(&mut self, later: &Self) {
        let is_half = (later.prompt_tokens == 0 && self.prompt_tokens > 0)
            || (later.completion_tokens == 0 && self.completion_tokens > 0);
        for (known, new) in [
            (&mut self.prompt_tokens, later.prompt_tokens),
            (&mut self.completion_tokens, later.completion_tokens),
        ] {
            if new > 0 {
                *known = new;
            }
        }
        if is_half {
            self.total_tokens = self.total_tokens.max(self.sum());
        } else if later.total_tokens > 0 {
            self.total_tokens = later.total_tokens;
        }
        if let Some(details) = later.prompt_tokens_details.as_ref() {
            if self.prompt_tokens_details.is_none() || *details != PromptTokensDetails::default() {
                self.prompt_tokens_details = Some(details.clone());
            }
        }
        if let Some(details) = later.completion_tokens_details.as_ref() {
            if self.completion_tokens_details.is_none()
                || *details != CompletionTokensDetails::default()
            {
                self.completion_tokens_details = Some(details.clone());
            }
        }
        self.extra.merge(&later.extra);
    }
}

fn add(known: &mut Option<u64>, more: Option<u64>) {
    if let Some(more) = more {
        *known = Some(known.unwrap_or(0).saturating_add(more));
    }
}

/// The usage of a completion: its own member, or one inside a vendor's member, such as `x_groq.usage`.
pub(crate) fn find<'a>(
    usage: Option<&'a Usage>,
    extra: &'a Extra,
    mut of_choices: impl Iterator<Item = &'a Extra>,
) -> Option<Cow<'a, Usage>> {
    if let Some(usage) = usage.filter(|usage| !usage.is_zero()) {
        return Some(Cow::Borrowed(usage));
    }
    // Looked for in each chunk of a stream, nearly all of which have no unknown members.
    let search = |extra: &Extra| if extra.is_empty() { None } else { in_extra(extra) };
    let elsewhere = search(extra).or_else(|| of_choices.find_map(search));
    elsewhere.map(Cow::Owned).or(usage.map(Cow::Borrowed))
}

#[cold]
fn in_extra(extra: &Extra) -> Option<Usage> {
    extra.iter().find_map(|(name, value)| {
        let usage = match name {
            "usage" | "usageMetadata" | "usage_metadata" => value,
            _ => value.get("usage")?,
        };
        let counts = |member: &&str| usage.get(*member).is_some_and(Value::is_number);
        let has_counts = PROMPT.iter().chain(&COMPLETION).any(counts);
        if has_counts { json::object_from_value(usage) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn counts_are_read_from_what_servers_write() {
        let usage: Usage = from_value(json!({
            "prompt_tokens": 5.0, "completion_tokens": null, "total_tokens": "7",
            "prompt_tokens_details": {"cached_tokens": null}, "completion_tokens_details": "none",
        }))
        .unwrap();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (5, 0, 7));
        assert_eq!(usage.prompt_tokens_details, Some(PromptTokensDetails::default()));
        assert_eq!(usage.completion_tokens_details, None);
        assert_eq!(usage.extra.get("completion_tokens_details"), Some(&json!("none")));
    }

    #[test]
    fn usage_adds_up_with_its_details() {
        let first: Usage = from_value(json!({
            "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 1},
        }))
        .unwrap();
        let second: Usage = from_value(json!({
            "prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 6},
        }))
        .unwrap();
        let wanted = json!({
            "prompt_tokens": 14, "completion_tokens": 3, "total_tokens": 17,
            "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 6},
        });
        assert_eq!(to_value(first.clone().plus(&second)).unwrap(), wanted);
        assert_eq!(to_value(second.plus(&first)).unwrap(), wanted);
    }

    #[test]
    fn counts_under_the_names_of_other_servers_are_read() {
        for wire in [
            json!({"input_tokens": 5, "output_tokens": 2}),
            json!({"promptTokens": 5, "completionTokens": 2, "totalTokens": 7}),
            json!({"inputTokens": 5, "outputTokens": "2"}),
            json!({"promptTokenCount": 5.0, "candidatesTokenCount": 2, "totalTokenCount": 7}),
            json!({"prompt_tokens": 0, "completion_tokens": 0, "input_tokens": 5, "output_tokens": 2}),
        ] {
            let usage: Usage = from_value(wire.clone()).unwrap();
            let counts = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens);
            assert_eq!(counts, (5, 2, 7), "{wire}");
        }
    }

    #[test]
    fn a_count_that_is_no_count_is_kept_aside() {
        let wire = json!({"prompt_tokens": -1, "completion_tokens": 0, "total_tokens": {"a": 1}});
        let usage: Usage = from_value(wire.clone()).unwrap();
        assert_eq!(usage.prompt_tokens, 0);
        assert_eq!(to_value(&usage).unwrap(), wire);
    }

    #[test]
    fn a_total_that_cannot_be_read_is_kept_and_not_replaced_by_the_sum() {
        let wire = json!({"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": -1.0});
        let usage: Usage = from_value(wire.clone()).unwrap();
        assert_eq!(usage.total_tokens, 0);
        assert_eq!(to_value(&usage).unwrap(), wire);
    }

    #[test]
    fn a_zero_is_not_a_count_and_the_next_name_is_tried() {
        let usage: Usage = from_value(json!({
            "input_tokens": 0, "promptTokens": 5, "output_tokens": "0", "outputTokens": 2,
        }))
        .unwrap();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (5, 2, 7));
    }

    #[test]
    fn counts_of_a_vendors_member_are_used_in_place_of_zeros() {
        let extra: crate::ChatCompletionChunk = from_value(json!({
            "choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            "x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 2}},
        }))
        .unwrap();
        assert_eq!(extra.usage().unwrap().total_tokens, 7);
    }

    /// Prompt, completion and total so far, those of a later chunk, and the result.
    #[test]
    fn later_counts_replace_earlier_ones_and_halves_add_up() {
        for (known, later, result) in [
            ((5, 0, 5), (0, 2, 2), (5, 2, 7)),
            ((0, 2, 2), (5, 0, 5), (5, 2, 7)),
            ((5, 2, 7), (5, 3, 8), (5, 3, 8)),
            ((5, 2, 9), (5, 3, 8), (5, 3, 8)),
            ((5, 2, 9), (0, 3, 3), (5, 3, 9)),
            ((5, 2, 9), (6, 0, 6), (6, 2, 9)),
            ((0, 2, 9), (0, 3, 8), (0, 3, 8)),
            ((5, 0, 9), (6, 0, 8), (6, 0, 8)),
            ((5, 2, 7), (6, 3, 0), (6, 3, 7)),
            ((0, 0, 0), (0, 0, 0), (0, 0, 0)),
            ((5, 2, 7), (0, 0, 0), (5, 2, 7)),
        ] {
            let usage = |(prompt_tokens, completion_tokens, total_tokens)| Usage {
                prompt_tokens,
                completion_tokens,
                total_tokens,
                ..Usage::default()
            };
            let mut merged = usage(known);
            merged.merge(&usage(later));
            assert_eq!(merged, usage(result), "{known:?} {later:?}");
        }
    }

    /// The details so far, those of a later chunk, and the result.
    #[test]
    fn empty_details_replace_no_details() {
        for (known, later, result) in [
            (json!(null), json!({}), json!({})),
            (json!(null), json!({"audio_tokens": 1}), json!({"audio_tokens": 1})),
            (json!({"audio_tokens": 1}), json!({}), json!({"audio_tokens": 1})),
            (json!({"audio_tokens": 1}), json!(null), json!({"audio_tokens": 1})),
            (json!({"audio_tokens": 1}), json!({"audio_tokens": 2}), json!({"audio_tokens": 2})),
        ] {
            for name in ["prompt_tokens_details", "completion_tokens_details"] {
                let usage = |details: &Value| from_value::<Usage>(json!({name: details})).unwrap();
                let mut merged = usage(&known);
                merged.merge(&usage(&later));
                let merged = to_value(&merged).unwrap();
                assert_eq!(merged[name], result, "{name}: {known} {later}");
            }
        }
    }
}
