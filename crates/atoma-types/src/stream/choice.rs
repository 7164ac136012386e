//! One choice of a chat stream so far.

use super::{arguments::Arguments, logprobs::LogprobsSoFar, merge, tool_calls::ToolCalls};
use crate::{
    chat::{
        chunk::{ChatCompletionChunkChoice, ChatCompletionChunkDelta},
        content::Content,
        finish_reason::FinishReason,
        message::{REASONING_TEXTS, Role},
        response::ChatCompletionChoice,
    },
    wire::settle,
};
use serde_json::Value;

/// One choice so far. Its tool calls, reasoning and log probabilities are kept apart until the end.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ChoiceSoFar {
    pub(super) index: u32,
    role: Role,
    content: Content,
    pub(super) finish_reason: Option<FinishReason>,
    /// The refusal, names, the stop reason, an error and unknown members. Boxed, as few streams have one: 360 bytes of each.
    rest: Option<Box<ChatCompletionChoice>>,
    pub(super) calls: ToolCalls,
    logprobs: Option<Box<LogprobsSoFar>>,
    /// Those of the call in the form older than tool calls. Boxed, as few streams have one: 80 bytes of each idle stream.
    arguments: Option<Box<Arguments>>,
    /// The text, whichever of its two names it arrives under.
    reasoning: String,
    /// Whether text arrived as `reasoning`, and as `reasoning_content`: the message has the same names.
    is_reasoning: bool,
    is_reasoning_content: bool,
}

impl ChoiceSoFar {
    /// A choice that nothing was added to.
    pub(super) fn new(index: u32) -> Self {
        Self { index, ..Self::default() }
    }

    /// Adds the same choice of the next chunk.
    pub(super) fn push(&mut self, new: &ChatCompletionChunkChoice) {
        self.push_delta(&new.delta);
        if let Some(reason) = &new.finish_reason {
            finish(&mut self.finish_reason, reason);
        }
        // The last one counts, as for errors: earlier ones are usually placeholders.
        if let Some(reason) = &new.stop_reason {
            self.rest().stop_reason = Some(reason.clone());
        }
        if let Some(error) = &new.error {
            self.rest().error = Some(error.clone());
        }
        if let Some(logprobs) = &new.logprobs {
            self.logprobs.get_or_insert_default().append(logprobs);
        }
        if !new.extra.is_empty() {
            merge::outer_members(&mut self.rest().extra, &new.extra);
        }
    }

    fn rest(&mut self) -> &mut ChatCompletionChoice {
        self.rest.get_or_insert_default()
    }

    /// Adds the next part of the message.
    fn push_delta(&mut self, delta: &ChatCompletionChunkDelta) {
        if let Some(role) = &delta.role {
            self.role.clone_from(role);
        }
        if !delta.extra.is_empty() {
            self.push_members(delta);
        }
        self.push_texts(delta);
    }

    /// Adds the streamed strings of the message.
    pub(super) fn push_texts(&mut self, delta: &ChatCompletionChunkDelta) {
        if let Some(content) = &delta.content {
            self.content.append(content);
        }
        // An empty refusal is a placeholder: set, it would make the message a refused one.
        if let Some(refusal) = delta.refusal.as_ref().filter(|refusal| !refusal.is_empty()) {
            self.rest().message.refusal.get_or_insert_default().push_str(refusal);
        }
        for fragment in &delta.tool_calls {
            self.calls.push(fragment);
        }
        self.push_reasoning(delta);
    }

    /// Adds the unknown members of a delta.
    fn push_members(&mut self, delta: &ChatCompletionChunkDelta) {
        let message = &mut self.rest.get_or_insert_default().message;
        for (name, value) in delta.extra.iter() {
            match (name, value) {
                // The older form of a tool call: one call, without an id or an index.
                ("function_call", Value::Object(pieces)) => {
                    let arguments = self.arguments.get_or_insert_default();
                    push_function_call(&mut message.function_call, arguments, pieces);
                }
                ("name", Value::String(speaker)) => message.name = Some(speaker.clone()),
                ("tool_call_id", Value::String(id)) => message.tool_call_id = Some(id.clone()),
                (name, Value::String(piece)) if REASONING_TEXTS.contains(&name) => {
                    // Other names for reasoning: text in pieces, where `merge` would keep only the last piece.
                    match message.extra.get_mut(name) {
                        Some(Value::String(all)) => all.push_str(piece),
                        _ => message.extra.set_last(name, value),
                    }
                }
                _ => merge::member(&mut message.extra, name, value),
            }
        }
    }

    /// Either name, or both with the same text: it is one reasoning.
    fn push_reasoning(&mut self, delta: &ChatCompletionChunkDelta) {
        let says = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let (is_reasoning, is_content) = (says(&delta.reasoning), says(&delta.reasoning_content));
        // A server that sends both names sends the same text under them.
        let text = if is_content { &delta.reasoning_content } else { &delta.reasoning };
        self.is_reasoning |= is_reasoning;
        self.is_reasoning_content |= is_content;
        self.reasoning.push_str(text.as_deref().unwrap_or_default());
    }

    /// Puts the parts that were kept apart into the message.
    pub(super) fn into_choice(self) -> ChatCompletionChoice {
        let mut choice = self.rest.map(|rest| *rest).unwrap_or_default();
        (choice.index, choice.finish_reason) = (self.index, self.finish_reason);
        let message = &mut choice.message;
        (message.role, message.content) = (self.role, self.content);
        message.tool_calls = self.calls.into_calls(choice.finish_reason.is_some());
        if let Some(arguments) =
            message.function_call.as_mut().and_then(|call| call.get_mut("arguments"))
        {
            *arguments = self.arguments.unwrap_or_default().into_text().into();
        }
        message.reasoning = self.is_reasoning.then(|| self.reasoning.clone());
        message.reasoning_content = self.is_reasoning_content.then_some(self.reasoning);
        settle(message);
        choice.logprobs = self.logprobs.map(|all| Box::new(all.into_logprobs()));
        // An unknown value of `delta` has no meaning in a message.
        choice.extra.remove("delta");
        settle(&mut choice);
        choice
    }
}

/// Takes over a finish reason. The last one counts, but a plain `stop` does not hide why the model stopped before.
pub(crate) fn finish(known: &mut Option<FinishReason>, reason: &FinishReason) {
    // Some servers send `tool_calls` and then, in the last chunk, `stop`.
    let is_hidden = is_plain_stop(reason) && known.as_ref().is_some_and(says_why);
    if !is_hidden {
        *known = Some(reason.clone());
    }
}

/// Returns whether a reason says why the model stopped, in the words of any server.
fn says_why(reason: &FinishReason) -> bool {
    const WORDS: [&str; 10] = [
        "tool_calls",
        "tool_call",
        "tool_use",
        "function_call",
        "length",
        "max_tokens",
        "model_length",
        "content_filter",
        "safety",
        "refusal",
    ];
    WORDS.iter().any(|known| reason.as_str().eq_ignore_ascii_case(known))
}

/// Returns whether a reason only says that the model stopped, in the words of any server.
fn is_plain_stop(reason: &FinishReason) -> bool {
    ["stop", "eos", "eos_token", "end_turn", "completed", "done"]
        .iter()
        .any(|known| reason.as_str().eq_ignore_ascii_case(known))
}

/// Adds a piece of a call in the form older than tool calls.
fn push_function_call(
    call: &mut Option<Value>,
    arguments: &mut Arguments,
    pieces: &serde_json::Map<String, Value>,
) {
    let call = call.get_or_insert_with(|| Value::Object(serde_json::Map::new()));
    let Value::Object(call) = call else { return };
    for (name, piece) in pieces {
        match (name.as_str(), piece) {
            ("arguments", Value::String(piece)) => {
                arguments.push_to_only_call(piece);
                // Written in the end; the place among the members is kept.
                call.entry("arguments").or_insert_with(|| "".into());
            }
            _ => merge::objects(call, &[(name.clone(), piece.clone())].into_iter().collect()),
        }
    }
}
