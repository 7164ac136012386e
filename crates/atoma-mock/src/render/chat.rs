//! The JSON of chat completions, whole and in chunks.
//!
//! The text is written by hand, member by member, because the order of the members and the nulls are part of the imitation: a node
//! signs the exact text, and clients see what vLLM writes, not what a serializer would write.
//!
//! ```text
//! chunk of each choice in turn:  role, reasoning…, content…, (tool call, arguments…)…, finish
//! last chunk, without choices:   usage
//! ```
use super::json::{optional, quoted, usage};
use crate::{behavior::UsagePlace, generation::Generation};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Renders a response that is not streamed, in the form of vLLM behind the node.
pub(crate) fn document(generation: &Generation) -> String {
    let message = message(generation);
    let logprobs = logprobs(generation, &generation.content);
    let mut choices = String::new();
    for index in 0..generation.choices {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(
            choices,
            r#"{comma}{{"index":{index},"message":{message},"logprobs":{logprobs},"finish_reason":{},"stop_reason":{}}}"#,
            optional(generation.finish_reason.as_deref()),
            optional(generation.stop_reason.as_deref()),
        );
    }
    let usage = match generation.usage {
        UsagePlace::Nowhere => String::new(),
        _ => {
            let usage = usage(
                generation.prompt_tokens,
                generation.choices * generation.tokens_per_choice(),
            );
            format!(r#","usage":{usage}"#)
        }
    };
    let head = head(generation, "chat.completion");
    format!(
        r#"{{{head},"choices":[{choices}],"service_tier":null,"system_fingerprint":null{usage},"prompt_logprobs":null,"kv_transfer_params":null}}"#
    )
}

/// The chunks of a stream, each a JSON document, rendered one by one.
#[derive(Debug)]
pub(crate) struct ChatChunks {
    /// The output, already split into tokens.
    generation: Generation,
    /// The members that all chunks begin with.
    head: String,
    /// The parts of one choice, in order; every choice has the same.
    deltas: Vec<Delta>,
    /// The number of chunks rendered.
    next: usize,
    /// The number of tokens in them, over all choices.
    tokens: usize,
}

/// The part of a choice that one chunk adds.
#[derive(Clone, Copy, Debug)]
enum Delta {
    /// The first chunk: a role and empty content.
    Role,
    /// One token of the reasoning, by its position.
    Reasoning(usize),
    /// One token of the content.
    Content(usize),
    /// The beginning of a tool call: its id and name.
    ToolCall(usize),
    /// One token of a call's arguments.
    Arguments(usize, usize),
    /// The last chunk of a choice, with the finish reason.
    Finish,
}

impl ChatChunks {
    /// Plans the chunks. They are rendered when they are asked for, so that a long stream costs no memory.
    pub(crate) fn new(generation: Generation) -> Self {
        let mut deltas = vec![Delta::Role];
        deltas.extend((0..generation.reasoning.len()).map(Delta::Reasoning));
        deltas.extend((0..generation.content.len()).map(Delta::Content));
        for (call, fragments) in generation.tool_calls.iter().enumerate() {
            deltas.push(Delta::ToolCall(call));
            deltas.extend((0..fragments.arguments.len()).map(|one| Delta::Arguments(call, one)));
        }
        deltas.push(Delta::Finish);
        let head = head(&generation, "chat.completion.chunk");
        Self { generation, head, deltas, next: 0, tokens: 0 }
    }

    /// Renders one chunk: `delta` of the choice at `index`.
    fn chunk(&mut self, delta: Delta, index: usize) -> String {
        let generation = &self.generation;
        let mut end = String::from(r#""finish_reason":null"#);
        let mut logprobs = "null".to_owned();
        let mut tokens = 1;
        let delta = match delta {
            Delta::Role => {
                tokens = 0;
                r#"{"role":"assistant","content":""}"#.to_owned()
            }
            Delta::Reasoning(place) => {
                format!(r#"{{"reasoning_content":{}}}"#, quoted(&generation.reasoning[place]))
            }
            Delta::Content(place) => {
                let token = &generation.content[place..=place];
                logprobs = self::logprobs(generation, token);
                format!(r#"{{"content":{}}}"#, quoted(&token[0]))
            }
            Delta::ToolCall(place) => {
                tokens = 0;
                let call = &generation.tool_calls[place];
                format!(
                    r#"{{"tool_calls":[{{"index":{place},"id":{},"type":"function","function":{{"name":{},"arguments":""}}}}]}}"#,
                    quoted(&call.id),
                    quoted(&call.name),
                )
            }
            Delta::Arguments(place, part) => format!(
                r#"{{"tool_calls":[{{"index":{place},"function":{{"arguments":{}}}}}]}}"#,
                quoted(&generation.tool_calls[place].arguments[part]),
            ),
            Delta::Finish => {
                tokens = 0;
                end = format!(
                    r#""finish_reason":{},"stop_reason":{}"#,
                    optional(generation.finish_reason.as_deref()),
                    optional(generation.stop_reason.as_deref()),
                );
                "{}".to_owned()
            }
        };
        self.tokens += tokens;
        let usage = match generation.usage {
            UsagePlace::EveryChunk => {
                format!(r#","usage":{}"#, usage(generation.prompt_tokens, self.tokens))
            }
            _ => String::new(),
        };
        let head = &self.head;
        let choice = format!(r#"{{"index":{index},"delta":{delta},"logprobs":{logprobs},{end}}}"#);
        format!(r#"{{{head},"choices":[{choice}]{usage}}}"#)
    }
}

impl Iterator for ChatChunks {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let place = self.next;
        self.next += 1;
        let choices = self.generation.choices;
        // Choices interleave: all of them get a delta before any gets the next.
        if let Some(delta) = self.deltas.get(place / choices) {
            return Some(self.chunk(*delta, place % choices));
        }
        let generation = &self.generation;
        // After the last delta there is one more chunk, for the usage.
        if place > self.deltas.len() * choices || generation.usage == UsagePlace::Nowhere {
            return None;
        }
        let head = &self.head;
        let usage = usage(generation.prompt_tokens, self.tokens);
        Some(format!(r#"{{{head},"choices":[],"usage":{usage}}}"#))
    }
}

/// The first members of every document.
fn head(generation: &Generation, object: &str) -> String {
    format!(
        r#""id":{},"object":"{object}","created":{},"model":{}"#,
        quoted(&generation.id),
        generation.created,
        quoted(&generation.model),
    )
}

/// The message of a whole completion, with a null for every member that vLLM has and does not fill.
fn message(generation: &Generation) -> String {
    let content = generation.content.concat();
    let content = if content.is_empty() && !generation.tool_calls.is_empty() {
        "null".to_owned()
    } else {
        quoted(&content)
    };
    let calls: Vec<String> = generation
        .tool_calls
        .iter()
        .map(|call| {
            format!(
                r#"{{"id":{},"type":"function","function":{{"name":{},"arguments":{}}}}}"#,
                quoted(&call.id),
                quoted(&call.name),
                quoted(&call.arguments.concat()),
            )
        })
        .collect();
    let reasoning = match generation.reasoning.concat() {
        none if none.is_empty() => "null".to_owned(),
        reasoning => quoted(&reasoning),
    };
    format!(
        r#"{{"role":"assistant","content":{content},"refusal":null,"annotations":null,"audio":null,"function_call":null,"tool_calls":[{}],"reasoning_content":{reasoning}}}"#,
        calls.join(","),
    )
}

/// Invented log probabilities: each token is likely, its alternatives less and less so.
fn logprobs(generation: &Generation, tokens: &[String]) -> String {
    const ALTERNATIVES: [&str; 4] = [" the", " a", ",", "."];
    let Some(top) = generation.top_logprobs else { return "null".to_owned() };
    let entry = |token: &str, logprob: f64| json!({"token": token, "logprob": logprob, "bytes": token.as_bytes()});
    let entries: Vec<Value> = tokens
        .iter()
        .map(|token| {
            let mut whole = entry(token, -0.125);
            let others = (1..top).map(|rank| {
                let name = ALTERNATIVES[rank % ALTERNATIVES.len()].repeat(1 + rank / 4);
                entry(&name, -0.125 - 2.0 * rank as f64)
            });
            let first = (top > 0).then(|| entry(token, -0.125));
            whole["top_logprobs"] = first.into_iter().chain(others).collect();
            whole
        })
        .collect();
    json!({ "content": entries }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        behavior::Behavior,
        endpoint::Endpoint,
        fake_model::{FunctionCall, Output},
    };
    use proptest::prelude::*;

    fn generate(request: &Value, output: &Output, behavior: &Behavior) -> Generation {
        Generation::new(Endpoint::Chat, request, output, behavior, 255, 1_755_000_000)
    }

    fn hello() -> Output {
        Output { text: "Hello \"you\"".into(), ..Output::default() }
    }

    fn chunks(request: &Value, output: &Output, behavior: &Behavior) -> Vec<Value> {
        let chunks = ChatChunks::new(generate(request, output, behavior));
        chunks.map(|chunk| serde_json::from_str(&chunk).unwrap()).collect()
    }

    #[test]
    fn a_document_is_exactly_this() {
        let text = document(&generate(&json!({"model": "m"}), &hello(), &Behavior::default()));
        assert_eq!(
            text,
            r#"{"id":"chatcmpl-00000000000000ff","object":"chat.completion","created":1755000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello \"you\"","refusal":null,"annotations":null,"audio":null,"function_call":null,"tool_calls":[],"reasoning_content":null},"logprobs":null,"finish_reason":"stop","stop_reason":null}],"service_tier":null,"system_fingerprint":null,"usage":{"prompt_tokens":0,"total_tokens":5,"completion_tokens":5,"prompt_tokens_details":null},"prompt_logprobs":null,"kv_transfer_params":null}"#
        );
    }

    #[test]
    fn a_chunk_is_exactly_this() {
        let generation = generate(&json!({"model": "m"}), &hello(), &Behavior::default());
        let mut chunks = ChatChunks::new(generation);
        assert_eq!(
            chunks.nth(1).unwrap(),
            r#"{"id":"chatcmpl-00000000000000ff","object":"chat.completion.chunk","created":1755000000,"model":"m","choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}]}"#
        );
        assert_eq!(
            chunks.last().unwrap(),
            r#"{"id":"chatcmpl-00000000000000ff","object":"chat.completion.chunk","created":1755000000,"model":"m","choices":[],"usage":{"prompt_tokens":0,"total_tokens":5,"completion_tokens":5,"prompt_tokens_details":null}}"#
        );
    }

    #[test]
    fn choices_interleave() {
        let chunks = chunks(&json!({"n": 2}), &hello(), &Behavior::default());
        let indices: Vec<_> =
            chunks.iter().map(|chunk| chunk["choices"][0]["index"].clone()).collect();
        assert_eq!(indices[..4], [0, 1, 0, 1]);
        assert_eq!(chunks.len(), 2 * 7 + 1);
        assert_eq!(chunks[14]["usage"]["completion_tokens"], 10);
    }

    #[test]
    fn a_tool_call_is_sent_in_fragments() {
        let call = FunctionCall { name: "f".into(), arguments: r#"{"a":1}"#.into() };
        let output = Output { tool_calls: vec![call], ..Output::default() };
        let chunks = chunks(&json!({}), &output, &Behavior::default());
        let part = |place: usize| &chunks[place]["choices"][0]["delta"]["tool_calls"][0];
        assert_eq!(part(1)["function"], json!({"name": "f", "arguments": ""}));
        assert_eq!(part(1)["id"], "chatcmpl-tool-0000000000ff0000");
        assert!(part(2).get("id").is_none());
        let arguments: String =
            (1..9).filter_map(|place| part(place)["function"]["arguments"].as_str()).collect();
        assert_eq!(arguments, r#"{"a":1}"#);
    }

    #[test]
    fn usage_is_where_the_response_sets_it() {
        let with = |usage| Behavior { usage, ..Behavior::default() };
        let count = |usage| {
            let chunks = chunks(&json!({}), &hello(), &with(usage));
            chunks.iter().filter(|chunk| chunk["usage"].is_object()).count()
        };
        assert_eq!(count(UsagePlace::LastChunk), 1);
        assert_eq!(count(UsagePlace::EveryChunk), 8);
        assert_eq!(count(UsagePlace::Nowhere), 0);
        let silent = document(&generate(&json!({}), &hello(), &with(UsagePlace::Nowhere)));
        assert!(!silent.contains("usage"));
    }

    proptest! {
        #[test]
        fn the_joined_chunks_are_the_document(
            text in "[a-z ,.é🙂\"]{0,40}",
            reasoning in proptest::option::of("[a-z ]{0,20}"),
            arguments in proptest::collection::vec("[a-z{}:\"]{0,20}", 0..3),
            limit in 0_usize..40,
            n in 1_usize..4,
        ) {
            let call = |arguments: &String| FunctionCall { name: "f".into(), arguments: arguments.clone() };
            let tool_calls: Vec<FunctionCall> = arguments.iter().map(call).collect();
            let output = Output { reasoning, text, tool_calls, finish_reason: None };
            let request = json!({"model": "m", "n": n, "max_completion_tokens": limit});
            let whole = document(&generate(&request, &output, &Behavior::default()));
            let whole: Value = serde_json::from_str(&whole).unwrap();
            let chunks = chunks(&request, &output, &Behavior::default());

            for index in 0..n {
                let of_choice = || chunks.iter().map(|chunk| &chunk["choices"][0])
                    .filter(|choice| choice["index"] == index);
                let joined = |name: &str| -> String {
                    of_choice().filter_map(|choice| choice["delta"][name].as_str()).collect()
                };
                let choice = &whole["choices"][index];
                let text = |name: &str| choice["message"][name].as_str().unwrap_or("").to_owned();
                prop_assert_eq!(joined("content"), text("content"));
                prop_assert_eq!(joined("reasoning_content"), text("reasoning_content"));
                let mut calls = vec![String::new(); output.tool_calls.len()];
                for part in of_choice().map(|choice| &choice["delta"]["tool_calls"][0]) {
                    if let Some(place) = part["index"].as_u64() {
                        calls[place as usize] += part["function"]["arguments"].as_str().unwrap();
                    }
                }
                for (place, arguments) in calls.iter().enumerate() {
                    let call = &choice["message"]["tool_calls"][place];
                    prop_assert_eq!(&call["function"]["arguments"], arguments);
                }
                prop_assert_eq!(&of_choice().next_back().unwrap()["finish_reason"], &choice["finish_reason"]);
            }
            prop_assert_eq!(&chunks.last().unwrap()["usage"], &whole["usage"]);
        }
    }

    #[test]
    fn log_probabilities_on_request() {
        let request = json!({"logprobs": true, "top_logprobs": 3});
        let chunks = chunks(&request, &hello(), &Behavior::default());
        let entry = &chunks[1]["choices"][0]["logprobs"]["content"][0];
        assert_eq!(entry["token"], "Hello");
        assert_eq!(entry["bytes"], json!([72, 101, 108, 108, 111]));
        assert_eq!(entry["top_logprobs"].as_array().unwrap().len(), 3);
        assert_eq!(chunks[0]["choices"][0]["logprobs"], Value::Null);
    }
}
