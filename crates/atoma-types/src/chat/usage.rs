use std::borrow::Cow;

use serde_json::Value;

use crate::wire::object;
use crate::{Extra, json};

object! {
    /// How many tokens a completion took.
    ///
    /// In a stream it comes in a chunk of its own at the end, or in every chunk: the last one seen counts.
    pub struct Usage {
        /// Tokens of the prompt.
        pub prompt_tokens: u64,
        /// Tokens generated, over all choices. Zero if the server did not say.
        pub completion_tokens: u64,
        /// Both together, as the server counts them.
        pub total_tokens: u64,
        /// What the tokens of the prompt were.
        pub prompt_tokens_details: Option<PromptTokensDetails>,
        /// What the generated tokens were.
        pub completion_tokens_details: Option<CompletionTokensDetails>,
    }
}

object! {
    /// What the tokens of the prompt were.
    pub struct PromptTokensDetails {
        /// Tokens answered from the server's cache.
        pub cached_tokens: Option<u64>,
        /// Tokens of audio.
        pub audio_tokens: Option<u64>,
    }
}

object! {
    /// What the generated tokens were.
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

/// The usage of a completion: its own member, or one inside a vendor's member, such as `x_groq.usage`.
pub(crate) fn find<'a>(
    usage: Option<&'a Usage>,
    extras: impl IntoIterator<Item = &'a Extra>,
) -> Option<Cow<'a, Usage>> {
    if let Some(usage) = usage {
        return Some(Cow::Borrowed(usage));
    }
    let mut extras = extras.into_iter().filter(|extra| !extra.is_empty());
    extras.find_map(in_extra).map(Cow::Owned)
}

fn in_extra(extra: &Extra) -> Option<Usage> {
    extra.iter().find_map(|(name, value)| {
        let usage = if name == "usage" { value } else { value.get("usage")? };
        let counts = |member| usage.get(member).is_some_and(Value::is_number);
        if counts("prompt_tokens") || counts("completion_tokens") {
            return json::object_from_value(usage);
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

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
    fn a_count_that_is_no_count_is_kept_aside() {
        let wire = json!({"prompt_tokens": -1, "completion_tokens": 0, "total_tokens": {"a": 1}});
        let usage: Usage = from_value(wire.clone()).unwrap();
        assert_eq!(usage.prompt_tokens, 0);
        assert_eq!(to_value(&usage).unwrap(), wire);
    }
}
