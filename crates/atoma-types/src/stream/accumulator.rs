//! Joins the chunks of a chat stream into one response.
//!
//! ```text
//! chunk ─┬─ id, model, created, tier   the first that is set counts
//!        ├─ usage                      merged: the counts of the last chunk that has them
//!        └─ choices ── by index ──► ChoiceSoFar ─┬─ content, refusal   appended
//!                                                ├─ tool_calls        ToolCalls
//!                                                ├─ reasoning         appended, apart from the message
//!                                                ├─ logprobs          LogprobsSoFar
//!                                                └─ unknown members   merge
//! ```
//!
//! The parts on the right that need more than appending stay apart until [`ChatCompletionAccumulator::into_response`], so that a
//! push costs no more than the chunk is long.
use super::{
    arguments::Arguments, logprobs::LogprobsSoFar, memory_size, merge, tool_calls::ToolCalls,
};
use crate::{
    SharedStr, Usage,
    chat::{
        chunk::{ChatCompletionChunk, ChatCompletionChunkChoice, ChatCompletionChunkDelta},
        content::Content,
        finish_reason::FinishReason,
        message::{REASONING_TEXTS, Role},
        response::{ChatCompletionChoice, ChatCompletionResponse, ObjectKind},
    },
    wire::settle,
};
use serde_json::Value;

/// The most choices that are kept; further ones are skipped.
const MOST_CHOICES: usize = 128;

/// Joins the chunks of a stream into the response that a call without streaming would have returned.
///
/// - Text, refusal and reasoning are joined, per choice. Reasoning keeps the name or names that it
///   arrived under.
/// - Fragments of tool calls are added to the call of their index and id; a new id at an index
///   begins another call, and so does a named fragment after complete arguments. Calls without an
///   id get one: `call_0`, `call_1`, … Gaps in the indices make no calls.
/// - Of usage, finish reason, stop reason and unknown members the last that is not null counts; log probabilities are joined.
/// - `signature` and `response_hash` belong to single chunks: the response has none.
///
/// Pushing takes time and memory in proportion to the new parts of the chunk. At most 128 choices, 128 tool calls per choice, and
/// 128 unknown members per object are kept; further ones are skipped.
///
/// ```
/// use atoma_types::{ChatCompletionAccumulator, ChunkReader};
///
/// let mut reader = ChunkReader::new();
/// let mut response = ChatCompletionAccumulator::new();
/// for data in [
///     r#"{"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]}"#,
///     r#"{"choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]}"#,
/// ] {
///     response.push(&reader.read(data.as_bytes())?);
/// }
/// assert!(response.all_finished());
/// assert_eq!(response.into_response().text(), "Hello");
/// # Ok::<(), atoma_types::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChatCompletionAccumulator {
    id: SharedStr,
    model: SharedStr,
    created: i64,
    service_tier: Option<SharedStr>,
    system_fingerprint: Option<SharedStr>,
    /// The usage, an error and unknown members. Boxed: most streams have none of them before their end, and a response is
    /// 344 bytes of each idle stream.
    rest: Option<Box<ChatCompletionResponse>>,
    /// Sorted by index, each index once.
    choices: Vec<ChoiceSoFar>,
    chunks: u64,
    /// The estimate that `size` returns. It only grows.
    size: usize,
}

/// One choice so far. Its tool calls, reasoning and log probabilities are kept apart until the end.
#[derive(Debug, Clone, PartialEq, Default)]
struct ChoiceSoFar {
    index: u32,
    role: Role,
    content: Content,
    finish_reason: Option<FinishReason>,
    /// The refusal, names, the stop reason, an error and unknown members. Boxed, as few streams have one: 360 bytes of each.
    rest: Option<Box<ChatCompletionChoice>>,
    calls: ToolCalls,
    logprobs: Option<Box<LogprobsSoFar>>,
    /// Those of the call in the form older than tool calls. Boxed, as few streams have one: 80 bytes of each idle stream.
    arguments: Option<Box<Arguments>>,
    /// The text, whichever of its two names it arrives under.
    reasoning: String,
    /// Whether text arrived as `reasoning`, and as `reasoning_content`: the message has the same names.
    is_reasoning: bool,
    is_reasoning_content: bool,
}

impl ChatCompletionAccumulator {
    /// Returns an accumulator without chunks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next chunk.
    pub fn push(&mut self, chunk: &ChatCompletionChunk) {
        self.chunks = self.chunks.saturating_add(1);
        self.push_top_level(chunk);
        // Nearly every chunk has no unknown members: the test is cheaper than a walk over an empty list.
        if !chunk.extra.is_empty() {
            self.size = self.size.saturating_add(memory_size::of_lists(&chunk.extra));
        }
        for choice in &chunk.choices {
            if let Some(known) = self.choice(choice.index) {
                known.push(choice);
                // Estimated from the chunk, not from the response: measuring what is kept would make a stream quadratic.
                let logprobs = choice.logprobs.as_deref().map_or(0, memory_size::of_logprobs);
                let new = memory_size::of_delta(&choice.delta).saturating_add(logprobs);
                self.size = self.size.saturating_add(new);
                if !choice.extra.is_empty() {
                    self.size = self.size.saturating_add(memory_size::of_lists(&choice.extra));
                }
            }
        }
    }

    /// Adds a chunk that differs from the one before, which was added, in its streamed strings and in nothing else that a
    /// response takes: of nearly every chunk of a stream, a third of the work of [`push`](Self::push).
    pub(crate) fn push_texts(&mut self, chunk: &ChatCompletionChunk) {
        self.chunks = self.chunks.saturating_add(1);
        for choice in &chunk.choices {
            if let Some(known) = self.choice(choice.index) {
                known.push_texts(&choice.delta);
                let new = memory_size::of_delta(&choice.delta);
                self.size = self.size.saturating_add(new);
            }
        }
    }

    /// Returns the response so far, while the stream continues.
    #[must_use]
    pub fn response(&self) -> ChatCompletionResponse {
        self.clone().into_response()
    }

    /// Returns the response. It is complete if every choice is finished.
    #[must_use]
    pub fn into_response(self) -> ChatCompletionResponse {
        let mut response = ChatCompletionResponse {
            id: self.id,
            object: ObjectKind::ChatCompletion,
            created: self.created,
            model: self.model,
            choices: self.choices.into_iter().map(ChoiceSoFar::into_choice).collect(),
            service_tier: self.service_tier,
            system_fingerprint: self.system_fingerprint,
            ..self.rest.map(|rest| *rest).unwrap_or_default()
        };
        settle(&mut response);
        response
    }

    /// Returns the number of chunks pushed.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Returns about how many bytes of text, arguments and log probabilities are kept, so that the caller can limit them.
    #[must_use]
    #[inline]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the number of choices seen.
    #[must_use]
    pub fn choices(&self) -> usize {
        self.choices.len()
    }

    /// Returns true if there is a choice, and every choice seen has a finish reason.
    #[must_use]
    pub fn all_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|known| known.finish_reason.is_some())
    }

    /// The usage so far.
    pub(crate) fn usage(&self) -> Option<&Usage> {
        self.rest.as_ref()?.usage.as_ref()
    }

    /// The tool calls of a choice so far.
    pub(crate) fn calls(&self, choice: u32) -> Option<&ToolCalls> {
        let place = self.choices.binary_search_by_key(&choice, |known| known.index).ok()?;
        Some(&self.choices[place].calls)
    }

    /// Adds the members outside of the choices. Servers repeat them in each chunk, and some change the id within a stream:
    /// the first one is the response's.
    fn push_top_level(&mut self, chunk: &ChatCompletionChunk) {
        for (known, new) in [(&mut self.id, &chunk.id), (&mut self.model, &chunk.model)] {
            if known.is_empty() {
                known.clone_from(new);
            }
        }
        if self.created == 0 {
            self.created = chunk.created;
        }
        for (known, new) in [
            (&mut self.service_tier, &chunk.service_tier),
            (&mut self.system_fingerprint, &chunk.system_fingerprint),
        ] {
            if known.is_none() {
                known.clone_from(new);
            }
        }
        // Merged, not replaced: some servers send the counts of prompt and completion in different chunks.
        if let Some(usage) = chunk.usage() {
            self.rest.get_or_insert_default().usage.get_or_insert_default().merge(&usage);
        }
        if let Some(error) = &chunk.error {
            self.rest.get_or_insert_default().error = Some(error.clone());
        }
        if !chunk.extra.is_empty() {
            merge::outer_members(&mut self.rest.get_or_insert_default().extra, &chunk.extra);
        }
    }

    /// Returns the choice of an index, which is added at its place if it is new and there is room.
    fn choice(&mut self, index: u32) -> Option<&mut ChoiceSoFar> {
        let place = match self.choices.binary_search_by_key(&index, |known| known.index) {
            // A server that numbers choices without end must not fill the memory.
            Ok(place) => place,
            Err(_) if self.choices.len() >= MOST_CHOICES => return None,
            Err(place) => {
                // Nearly every response has one choice, and room for four is large.
                self.choices.reserve_exact(usize::from(self.choices.is_empty()));
                self.choices.insert(place, ChoiceSoFar { index, ..ChoiceSoFar::default() });
                place
            }
        };
        self.choices.get_mut(place)
    }
}

/// The chunks of a stream that was read before.
impl<'a> FromIterator<&'a ChatCompletionChunk> for ChatCompletionAccumulator {
    fn from_iter<I: IntoIterator<Item = &'a ChatCompletionChunk>>(chunks: I) -> Self {
        let mut response = Self::new();
        chunks.into_iter().for_each(|chunk| response.push(chunk));
        response
    }
}

impl ChoiceSoFar {
    /// Adds the same choice of the next chunk.
    fn push(&mut self, new: &ChatCompletionChunkChoice) {
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
    fn push_texts(&mut self, delta: &ChatCompletionChunkDelta) {
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
    fn into_choice(self) -> ChatCompletionChoice {
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
