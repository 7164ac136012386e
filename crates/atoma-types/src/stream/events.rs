use super::accumulator::ChatCompletionAccumulator;
use crate::{
    FinishReason, Logprobs, PartialJson, ToolCall, Usage,
    chat::chunk::{ChatCompletionChunk, ChatCompletionChunkChoice},
};
use serde_json::Value;
use std::mem;

/// An event of a streamed chat completion.
///
/// `choice` is the index of the choice, 0 unless the request asks for several. Deltas arrive as the
/// model writes; the `…Done` events and [`Finish`](Self::Finish) arrive when the response is
/// complete, because content can follow a finish reason.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChatEvent {
    /// More of the content.
    #[non_exhaustive]
    ContentDelta {
        /// The index of the choice.
        choice: u32,
        /// The new text, never empty.
        delta: String,
    },
    /// The whole content: all of its deltas joined.
    #[non_exhaustive]
    ContentDone {
        /// The index of the choice.
        choice: u32,
        /// The text.
        content: String,
    },
    /// More of the model's reasoning.
    #[non_exhaustive]
    ReasoningDelta {
        /// The index of the choice.
        choice: u32,
        /// The new text, never empty.
        delta: String,
    },
    /// The whole reasoning: all of its deltas joined.
    #[non_exhaustive]
    ReasoningDone {
        /// The index of the choice.
        choice: u32,
        /// The text.
        reasoning: String,
    },
    /// More of a refusal.
    #[non_exhaustive]
    RefusalDelta {
        /// The index of the choice.
        choice: u32,
        /// The new text, never empty.
        delta: String,
    },
    /// The whole refusal: all of its deltas joined.
    #[non_exhaustive]
    RefusalDone {
        /// The index of the choice.
        choice: u32,
        /// The text.
        refusal: String,
    },
    /// A tool call has a name, and its arguments begin.
    #[non_exhaustive]
    ToolCallStarted {
        /// The index of the choice.
        choice: u32,
        /// The number of the call in its choice, from 0, in the order in which calls start.
        call: usize,
        /// The id. A server that sends it late, or twice, makes the one of [`ToolCallDone`](Self::ToolCallDone) differ.
        id: String,
        /// The name of the function.
        name: String,
    },
    /// More of a tool call's arguments; [`ChatEvents::arguments`] has them parsed as far as they go.
    #[non_exhaustive]
    ToolCallDelta {
        /// The index of the choice.
        choice: u32,
        /// The number of the call in its choice.
        call: usize,
        /// The new text, never empty.
        delta: String,
    },
    /// A whole tool call. Its arguments are all of its deltas joined.
    #[non_exhaustive]
    ToolCallDone {
        /// The index of the choice.
        choice: u32,
        /// The number of the call in its choice.
        call: usize,
        /// The call, as in the response.
        tool_call: ToolCall,
    },
    /// The log probabilities of new tokens.
    #[non_exhaustive]
    Logprobs {
        /// The index of the choice.
        choice: u32,
        /// The entries of the new tokens.
        logprobs: Logprobs,
    },
    /// The usage so far, each time the server reports it. The last one counts.
    Usage(Usage),
    /// The finish reason of a choice.
    #[non_exhaustive]
    Finish {
        /// The index of the choice.
        choice: u32,
        /// The reason, as in the response.
        reason: FinishReason,
    },
}

/// Turns the chunks of a stream into [`ChatEvent`]s.
///
/// An accumulator reads the chunks, and is passed to this value together with each chunk: events
/// follow the accumulated response. Text that a later chunk may still replace is held back, so the
/// joined deltas of a kind always equal the `…Done` event and the text in the response. Each chunk
/// costs time in proportion to its new parts.
///
/// ```
/// use atoma_types::{ChatCompletionAccumulator, ChatEvent, ChatEvents, ChunkReader};
///
/// let (mut reader, mut response) = (ChunkReader::new(), ChatCompletionAccumulator::new());
/// let mut events = ChatEvents::new();
/// let mut text = String::new();
/// for data in [
///     r#"{"choices": [{"index": 0, "delta": {"content": "Hel"}}]}"#,
///     r#"{"choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]}"#,
/// ] {
///     let chunk = reader.read(data.as_bytes())?;
///     response.push(&chunk);
///     for event in events.push(&chunk, &response) {
///         if let ChatEvent::ContentDelta { delta, .. } = event {
///             text.push_str(&delta);
///         }
///     }
/// }
/// let last = events.finish(&response);
/// assert!(matches!(&last[0], ChatEvent::ContentDone { content, .. } if *content == text));
/// assert!(matches!(&last[1], ChatEvent::Finish { .. }));
/// # Ok::<(), atoma_types::ParseError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ChatEvents {
    choices: Vec<ChoiceEvents>,
    new: Vec<ChatEvent>,
}

/// The progress of one choice.
#[derive(Debug, Clone, Default)]
struct ChoiceEvents {
    index: u32,
    content: String,
    reasoning: String,
    refusal: String,
    calls: Vec<CallEvents>,
}

/// The progress of one tool call that has started.
#[derive(Debug, Clone, Default)]
struct CallEvents {
    /// Its place in the accumulator, where calls without a name are counted too.
    place: usize,
    /// The length of the arguments that were in deltas.
    sent: usize,
    arguments: PartialJson,
}

impl ChatEvents {
    /// Creates a value that has seen no chunk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the events of a chunk; `so_far` is the accumulator that the chunk was pushed to.
    pub fn push(
        &mut self,
        chunk: &ChatCompletionChunk,
        so_far: &ChatCompletionAccumulator,
    ) -> Vec<ChatEvent> {
        for choice in &chunk.choices {
            self.push_choice(choice, so_far);
        }
        if let (Some(_), Some(usage)) = (chunk.usage(), so_far.usage()) {
            self.new.push(ChatEvent::Usage(usage.clone()));
        }
        mem::take(&mut self.new)
    }

    /// Returns the last events of a complete response: deltas that were held back, and the `…Done`
    /// events.
    ///
    /// Do not call it for a stream that failed, because then nothing is done.
    pub fn finish(&mut self, so_far: &ChatCompletionAccumulator) -> Vec<ChatEvent> {
        for choice in so_far.response().choices {
            let index = choice.index;
            self.finish_calls(index, choice.message.tool_calls, so_far);
            let known = self.choice(index);
            let content = mem::take(&mut known.content);
            let reasoning = mem::take(&mut known.reasoning);
            let refusal = mem::take(&mut known.refusal);
            if !reasoning.is_empty() {
                self.new.push(ChatEvent::ReasoningDone { choice: index, reasoning });
            }
            if !content.is_empty() {
                self.new.push(ChatEvent::ContentDone { choice: index, content });
            }
            if !refusal.is_empty() {
                self.new.push(ChatEvent::RefusalDone { choice: index, refusal });
            }
            if let Some(reason) = choice.finish_reason {
                self.new.push(ChatEvent::Finish { choice: index, reason });
            }
        }
        mem::take(&mut self.new)
    }

    /// Returns the arguments of a tool call as far as they go; `None` before they begin.
    ///
    /// The value never holds a member that the model has not written: see [`PartialJson`].
    #[must_use]
    pub fn arguments(&self, choice: u32, call: usize) -> Option<&Value> {
        let known = self.choices.iter().find(|known| known.index == choice)?;
        known.calls.get(call)?.arguments.value()
    }

    fn push_choice(&mut self, new: &ChatCompletionChunkChoice, so_far: &ChatCompletionAccumulator) {
        // A choice that the accumulator does not keep has no events.
        let Some(calls) = so_far.calls(new.index) else { return };
        let choice = new.index;
        if let Some(reasoning) = new.delta.reasoning().filter(|text| !text.is_empty()) {
            self.choice(choice).reasoning.push_str(&reasoning);
            self.new.push(ChatEvent::ReasoningDelta { choice, delta: reasoning.into_owned() });
        }
        let content = new.delta.text();
        if !content.is_empty() {
            self.choice(choice).content.push_str(&content);
            self.new.push(ChatEvent::ContentDelta { choice, delta: content.into_owned() });
        }
        if let Some(refusal) = new.delta.refusal.as_ref().filter(|text| !text.is_empty()) {
            self.choice(choice).refusal.push_str(refusal);
            self.new.push(ChatEvent::RefusalDelta { choice, delta: refusal.clone() });
        }
        if !new.delta.tool_calls.is_empty() {
            for place in 0..calls.len() {
                if let Some((call, arguments)) = calls.so_far(place) {
                    let (id, name) = (&call.id, &call.function.name);
                    self.push_call(choice, place, id, name, arguments);
                }
            }
        }
        if let Some(logprobs) = &new.logprobs {
            self.new.push(ChatEvent::Logprobs { choice, logprobs: Logprobs::clone(logprobs) });
        }
    }

    /// Emits the new part of a call, whose arguments are `arguments` so far.
    fn push_call(&mut self, choice: u32, place: usize, id: &str, name: &str, arguments: &str) {
        let calls = &mut self.choice(choice).calls;
        let known = calls.iter().position(|known| known.place == place);
        let call = known.unwrap_or(calls.len());
        if known.is_none() {
            calls.push(CallEvents { place, ..CallEvents::default() });
        }
        let delta = arguments.get(calls[call].sent..).unwrap_or_default().to_owned();
        calls[call].sent += delta.len();
        calls[call].arguments.push(&delta);
        if known.is_none() {
            let (id, name) = (id.to_owned(), name.to_owned());
            self.new.push(ChatEvent::ToolCallStarted { choice, call, id, name });
        }
        if !delta.is_empty() {
            self.new.push(ChatEvent::ToolCallDelta { choice, call, delta });
        }
    }

    /// Emits the rest of each call and the call itself.
    fn finish_calls(
        &mut self,
        choice: u32,
        tool_calls: Vec<ToolCall>,
        so_far: &ChatCompletionAccumulator,
    ) {
        let Some(calls) = so_far.calls(choice) else { return };
        let places = (0..calls.len()).filter(|place| calls.is_kept(*place));
        for (place, tool_call) in places.zip(tool_calls) {
            let (name, arguments) = (&tool_call.function.name, &tool_call.function.arguments);
            self.push_call(choice, place, &tool_call.id, name, arguments);
            let known = &self.choice(choice).calls;
            let call = known.iter().position(|known| known.place == place).unwrap_or_default();
            self.new.push(ChatEvent::ToolCallDone { choice, call, tool_call });
        }
    }

    fn choice(&mut self, index: u32) -> &mut ChoiceEvents {
        let place = self.choices.iter().position(|known| known.index == index);
        let place = place.unwrap_or_else(|| {
            self.choices.push(ChoiceEvents { index, ..ChoiceEvents::default() });
            self.choices.len() - 1
        });
        &mut self.choices[place]
    }
}
