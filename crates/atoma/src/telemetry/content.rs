//! Responses and messages in the form of OpenTelemetry's conventions.

use atoma_types::{
    ChatCompletionMessage, ChatCompletionResponse, CompletionResponse, EmbeddingResponse,
    FinishReason,
};
use serde_json::{Value, json};
use std::any::Any;

/// A response of any model, with the parts that the conventions have attributes for.
pub(super) struct Summary<'a> {
    /// Empty if there is none.
    pub(super) id: &'a str,
    pub(super) model: &'a str,
    pub(super) choices: Vec<Choice<'a>>,
}

/// A choice of a response.
pub(super) struct Choice<'a> {
    finish_reason: Option<&'a str>,
    output: Output<'a>,
}

enum Output<'a> {
    Message(&'a ChatCompletionMessage),
    Text(&'a str),
}

impl<'a> Summary<'a> {
    pub(super) fn of(response: &'a (dyn Any + Send + Sync)) -> Option<Self> {
        if let Some(chat) = response.downcast_ref::<ChatCompletionResponse>() {
            let choices = chat.choices.iter().map(|choice| Choice {
                finish_reason: choice.finish_reason.as_ref().map(FinishReason::as_str),
                output: Output::Message(&choice.message),
            });
            return Some(Self { id: &chat.id, model: &chat.model, choices: choices.collect() });
        }
        if let Some(completion) = response.downcast_ref::<CompletionResponse>() {
            let choices = completion.choices.iter().map(|choice| Choice {
                finish_reason: choice.finish_reason.as_ref().map(FinishReason::as_str),
                output: Output::Text(&choice.text),
            });
            let (id, model) = (&completion.id, &completion.model);
            return Some(Self { id, model, choices: choices.collect() });
        }
        let embeddings = response.downcast_ref::<EmbeddingResponse>()?;
        Some(Self { id: "", model: &embeddings.model, choices: Vec::new() })
    }

    /// Returns the output messages, one for each choice.
    pub(super) fn messages(&self) -> Value {
        self.choices.iter().map(Choice::message).collect()
    }
}

impl Choice<'_> {
    pub(super) fn finish_reason(&self) -> Option<&str> {
        self.finish_reason
    }

    fn message(&self) -> Value {
        let mut message = match self.output {
            // A message type of this crate can always be written as JSON.
            Output::Message(message) => {
                message_of(&serde_json::to_value(message).unwrap_or_default())
            }
            Output::Text(text) => json!({"role": "assistant", "parts": [text_part(text)]}),
        };
        message["finish_reason"] = self.finish_reason.unwrap_or("error").into();
        message
    }
}

/// Returns the input messages of a chat.
pub(super) fn messages(messages: &Value) -> Value {
    messages.as_array().into_iter().flatten().map(message_of).collect()
}

/// Returns the input messages of a completion, or of an image.
pub(super) fn prompt(prompt: &Value) -> Value {
    let prompts = match prompt {
        Value::Array(prompts) => prompts.as_slice(),
        prompt => std::slice::from_ref(prompt),
    };
    let texts = prompts.iter().filter_map(Value::as_str);
    texts.map(|text| json!({"role": "user", "parts": [text_part(text)]})).collect()
}

/// Returns the definitions of tools, without the level that wraps functions.
pub(super) fn tools(tools: &Value) -> Value {
    let definition = |tool: &Value| {
        let Some(function) = tool["function"].as_object() else { return tool.clone() };
        let mut definition = function.clone();
        definition.insert("type".to_owned(), "function".into());
        Value::Object(definition)
    };
    tools.as_array().into_iter().flatten().map(definition).collect()
}

fn message_of(message: &Value) -> Value {
    let role = message["role"].as_str().unwrap_or("assistant");
    let mut parts = Vec::new();
    for name in ["reasoning_content", "reasoning"] {
        if let Some(reasoning) = message[name].as_str() {
            parts.push(json!({"type": "reasoning", "content": reasoning}));
        }
    }
    match &message["content"] {
        content if role == "tool" => {
            let id = &message["tool_call_id"];
            parts.push(json!({"type": "tool_call_response", "id": id, "response": content}));
        }
        Value::String(text) if !text.is_empty() => parts.push(text_part(text)),
        Value::Array(content) => parts.extend(content.iter().map(part)),
        _ => {}
    }
    if let Some(refusal) = message["refusal"].as_str() {
        parts.push(json!({"type": "refusal", "content": refusal}));
    }
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let function = &call["function"];
        let arguments = &function["arguments"];
        let parsed = arguments.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        parts.push(json!({
            "type": "tool_call",
            "id": call["id"],
            "name": function["name"],
            "arguments": parsed.as_ref().unwrap_or(arguments),
        }));
    }
    json!({"role": role, "parts": parts})
}

/// Returns a part of a message. Kinds that the conventions do not name are kept as they are, except for
/// their data, which may be megabytes.
fn part(part: &Value) -> Value {
    match part["type"].as_str() {
        Some("text") => text_part(part["text"].as_str().unwrap_or_default()),
        Some("image_url") => match part["image_url"]["url"].as_str() {
            Some(url) if !url.starts_with("data:") => {
                json!({"type": "uri", "modality": "image", "uri": url})
            }
            _ => json!({"type": "image"}),
        },
        kind => json!({"type": kind.unwrap_or("unknown")}),
    }
}

fn text_part(text: &str) -> Value {
    json!({"type": "text", "content": text})
}
