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
use super::{choice::ChoiceSoFar, memory_size, merge, tool_calls::ToolCalls};
use crate::{
    SharedStr, Usage,
    chat::{
        chunk::ChatCompletionChunk,
        response::{ChatCompletionResponse, ObjectKind},
    },
    wire::settle,
};

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
                self.choices.insert(place, ChoiceSoFar::new(index));
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
