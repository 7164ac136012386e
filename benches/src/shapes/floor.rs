//! The floor: serde_json into plain owned structs with the members that each shape has.

use serde::Deserialize;

/// A chunk of content.
#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub(super) struct Chunk<C = Choice> {
    id: String,
    object: String,
    created: u64,
    model: String,
    choices: Vec<C>,
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub(super) struct Choice<D = Delta> {
    index: u32,
    delta: D,
    finish_reason: Option<String>,
    logprobs: Option<Logprobs>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub(super) struct Delta {
    role: Option<String>,
    content: Option<String>,
    reasoning_content: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
}

/// A delta whose content is a list of parts.
#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub(super) struct PartsDelta {
    role: Option<String>,
    content: Option<Vec<Part>>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct Part {
    r#type: String,
    text: String,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct ToolCall {
    index: u32,
    id: Option<String>,
    r#type: Option<String>,
    function: Function,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub(super) struct Logprobs {
    content: Option<Vec<Token>>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct Token {
    token: String,
    logprob: f64,
    bytes: Option<Vec<u8>>,
    top_logprobs: Vec<LikelyToken>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct LikelyToken {
    token: String,
    logprob: f64,
    bytes: Option<Vec<u8>>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub(super) struct Usage {
    prompt_tokens: u64,
    completion_tokens: Option<u64>,
    total_tokens: u64,
}

/// A choice of a completion that is not of a chat.
#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub(super) struct TextChoice {
    index: u32,
    text: String,
    finish_reason: Option<String>,
}

/// A response that is not streamed.
#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub(super) struct WholeChoice {
    index: u32,
    message: Delta,
    finish_reason: Option<String>,
}

/// A response of embeddings, as numbers or as base64.
#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub(super) struct Embeddings<E> {
    object: String,
    pub(super) data: Vec<Embedding<E>>,
    model: String,
    usage: Usage,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
pub(super) struct Embedding<E> {
    index: u32,
    pub(super) embedding: E,
}
