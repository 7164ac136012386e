//! From a model's output to the tokens that are rendered.
//!
//! The request's limits are applied here, as a node applies them: the text ends before a stop sequence, then reasoning, content and
//! arguments share the token limit in this order. The finish reason follows: `length` if anything was cut off, `tool_calls` if
//! there are calls, otherwise `stop`.
use crate::{
    behavior::{Behavior, UsagePlace},
    endpoint::Endpoint,
    fake_model::{Output, messages, text_of},
    tokens::{count, tokens},
};
use serde_json::Value;

/// A model's output as tokens, within the limits of the request: everything that is rendered.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    /// The id of the completion.
    pub(crate) id: String,
    /// Unix seconds.
    pub(crate) created: u64,
    /// The model of the request.
    pub(crate) model: String,
    /// The number of choices with this output.
    pub(crate) choices: usize,
    /// The tokens of the reasoning.
    pub(crate) reasoning: Vec<String>,
    /// The tokens of the content.
    pub(crate) content: Vec<String>,
    /// The calls, in order.
    pub(crate) tool_calls: Vec<CallTokens>,
    /// `None` if the response is scripted to have none.
    pub(crate) finish_reason: Option<String>,
    /// The stop sequence that was met.
    pub(crate) stop_reason: Option<String>,
    /// The size of the prompt.
    pub(crate) prompt_tokens: usize,
    /// The number of alternatives for each token; `None`: no log probabilities at all.
    pub(crate) top_logprobs: Option<usize>,
    /// Where the counts of tokens appear.
    pub(crate) usage: UsagePlace,
}

/// A tool call, its arguments as tokens.
#[derive(Clone, Debug)]
pub(crate) struct CallTokens {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Vec<String>,
}

impl Generation {
    /// Splits `output` into tokens, within the token limit and the stop sequences of `request`.
    ///
    /// `number` makes the id; `created` is in Unix seconds.
    pub(crate) fn new(
        endpoint: Endpoint,
        request: &Value,
        output: &Output,
        behavior: &Behavior,
        number: usize,
        created: u64,
    ) -> Self {
        let chat = endpoint == Endpoint::Chat;
        let mut limit = token_limit(request);
        let mut cut = false;
        // Shared by the three: each takes its tokens from the rest of the limit.
        let mut within_limit = |text: &str| {
            let mut pieces = tokens(text);
            cut |= pieces.len() > limit;
            pieces.truncate(limit);
            limit -= pieces.len();
            pieces
        };
        let (text, stop_reason) = until_stop(&output.text, &stop_sequences(request));
        let reasoning = within_limit(output.reasoning.as_deref().unwrap_or(""));
        let content = within_limit(text);
        let calls = output.tool_calls.iter().enumerate().map(|(place, call)| CallTokens {
            id: format!("chatcmpl-tool-{number:012x}{place:04x}"),
            name: call.name.clone(),
            arguments: within_limit(&call.arguments),
        });
        let tool_calls: Vec<CallTokens> = calls.collect();

        let reason = match &output.finish_reason {
            Some(reason) => reason,
            None if cut => "length",
            None if !tool_calls.is_empty() => "tool_calls",
            None => "stop",
        };
        Self {
            id: format!("{}-{number:016x}", if chat { "chatcmpl" } else { "cmpl" }),
            created,
            model: request["model"].as_str().unwrap_or("").to_owned(),
            choices: request["n"].as_u64().map_or(1, |n| n.clamp(1, 128) as usize),
            reasoning,
            content,
            tool_calls,
            finish_reason: (!behavior.without_finish_reason).then(|| reason.to_owned()),
            stop_reason: if cut { None } else { stop_reason },
            prompt_tokens: prompt_tokens(request),
            top_logprobs: top_logprobs(request, chat),
            usage: behavior.usage,
        }
    }

    /// The tokens of one choice.
    pub(crate) fn tokens_per_choice(&self) -> usize {
        let arguments: usize = self.tool_calls.iter().map(|call| call.arguments.len()).sum();
        self.reasoning.len() + self.content.len() + arguments
    }
}

/// Chat has a switch and a number, completions have only the number.
fn top_logprobs(request: &Value, chat: bool) -> Option<usize> {
    let number = if chat { &request["top_logprobs"] } else { &request["logprobs"] };
    let number = number.as_u64().map(|top| top.min(20) as usize);
    if chat { (request["logprobs"] == true).then_some(number.unwrap_or(0)) } else { number }
}

/// `max_completion_tokens`, or else `max_tokens`, or else the 8192 that the proxy inserts.
fn token_limit(request: &Value) -> usize {
    let limit = request["max_completion_tokens"].as_u64().or(request["max_tokens"].as_u64());
    limit.map_or(8192, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// The stop sequences: one, several or none.
fn stop_sequences(request: &Value) -> Vec<&str> {
    match &request["stop"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The text before the first stop sequence, and that sequence.
fn until_stop<'a>(text: &'a str, sequences: &[&str]) -> (&'a str, Option<String>) {
    let found = sequences.iter().filter(|sequence| !sequence.is_empty());
    let found = found.filter_map(|sequence| Some((text.find(sequence)?, *sequence)));
    match found.min() {
        Some((place, sequence)) => (&text[..place], Some(sequence.to_owned())),
        None => (text, None),
    }
}

/// The tokens of all messages, and four for the frame of each.
fn prompt_tokens(request: &Value) -> usize {
    messages(request).iter().map(|message| count(&text_of(message)) + 4).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn generate(request: &Value, output: &Output) -> Generation {
        Generation::new(Endpoint::Chat, request, output, &Behavior::default(), 1, 0)
    }

    fn text(text: &str) -> Output {
        Output { text: text.to_owned(), ..Output::default() }
    }

    #[test]
    fn the_token_limit_truncates_and_is_the_finish_reason() {
        let output = text("one two three four");
        for (request, content, reason) in [
            (json!({}), "one two three four", "stop"),
            (json!({"max_tokens": 2}), "one two", "length"),
            (json!({"max_completion_tokens": 3, "max_tokens": 1}), "one two three", "length"),
            (json!({"max_tokens": 4}), "one two three four", "stop"),
            (json!({"max_tokens": 0}), "", "length"),
        ] {
            let generation = generate(&request, &output);
            assert_eq!(generation.content.concat(), content, "{request}");
            assert_eq!(generation.finish_reason.as_deref(), Some(reason), "{request}");
        }
    }

    #[test]
    fn reasoning_counts_towards_the_limit() {
        let output = Output { reasoning: Some("a b c".into()), ..text("d e") };
        let generation = generate(&json!({"max_tokens": 4}), &output);
        assert_eq!(
            (generation.reasoning.concat(), generation.content.concat()),
            ("a b c".into(), "d".into())
        );
    }

    #[test]
    fn the_first_stop_sequence_ends_the_text() {
        for (stop, content, stop_reason) in [
            (json!("three"), "one two ", Some("three")),
            (json!(["three", "two"]), "one ", Some("two")),
            (json!(["", "zzz"]), "one two three", None),
            (json!(null), "one two three", None),
        ] {
            let generation = generate(&json!({ "stop": stop }), &text("one two three"));
            assert_eq!(generation.content.concat(), content);
            assert_eq!(generation.stop_reason.as_deref(), stop_reason);
            assert_eq!(generation.finish_reason.as_deref(), Some("stop"));
        }
    }

    #[test]
    fn calls_finish_with_tool_calls() {
        let call = crate::fake_model::FunctionCall { name: "f".into(), arguments: "{}".into() };
        let generation =
            generate(&json!({}), &Output { tool_calls: vec![call], ..Output::default() });
        assert_eq!(generation.finish_reason.as_deref(), Some("tool_calls"));
    }

    #[test]
    fn the_prompt_is_counted() {
        let request = json!({"messages": [{"role": "user", "content": "Hello, world"}]});
        assert_eq!(prompt_tokens(&request), 7);
    }
}
