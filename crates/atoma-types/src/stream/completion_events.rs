use super::{StreamModel, completions::CompletionModel};
use crate::{CompletionLogprobs, FinishReason, Usage};

/// An event of a streamed completion.
///
/// `choice` is the index of the choice, 0 unless the request has several prompts or asks for
/// several completions. Deltas arrive as the model writes; [`TextDone`](Self::TextDone) and
/// [`Finish`](Self::Finish) arrive when the response is complete, because text can follow a finish
/// reason.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum CompletionEvent {
    /// More of the text.
    #[non_exhaustive]
    TextDelta {
        /// The index of the choice.
        choice: u32,
        /// The new text, never empty.
        delta: String,
    },
    /// The whole text: all of its deltas joined.
    #[non_exhaustive]
    TextDone {
        /// The index of the choice.
        choice: u32,
        /// The text.
        text: String,
    },
    /// The log probabilities of new tokens.
    #[non_exhaustive]
    Logprobs {
        /// The index of the choice.
        choice: u32,
        /// The entries of the new tokens.
        logprobs: CompletionLogprobs,
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

/// Turns the chunks of a stream into [`CompletionEvent`]s.
///
/// A [`CompletionModel`] reads and joins the chunks, and is passed to this value after each chunk.
/// The joined deltas of a choice always equal the [`TextDone`](CompletionEvent::TextDone) event and
/// the text in the response. Each chunk costs time in proportion to its new parts.
///
/// ```
/// use atoma_types::{CompletionEvent, CompletionEvents, CompletionModel, Seen, StreamModel};
///
/// let (mut model, mut events) = (CompletionModel::default(), CompletionEvents::new());
/// let mut text = String::new();
/// for mut data in [
///     r#"{"choices": [{"text": "Once", "index": 0, "finish_reason": null}]}"#,
///     r#"{"choices": [{"text": " more", "index": 0, "finish_reason": "stop"}]}"#,
/// ] {
///     if let Seen::Chunk = model.read("", &mut data)? {
///         for event in events.push(&model) {
///             if let CompletionEvent::TextDelta { delta, .. } = event {
///                 text.push_str(&delta);
///             }
///         }
///     }
/// }
/// let last = events.finish(&model);
/// assert!(matches!(&last[0], CompletionEvent::TextDone { text: all, .. } if *all == text));
/// assert!(matches!(&last[1], CompletionEvent::Finish { .. }));
/// # Ok::<(), atoma_types::ParseError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CompletionEvents {
    _private: (),
}

impl CompletionEvents {
    /// Creates a value that has seen no chunk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the events of the chunk that `so_far` read last.
    pub fn push(&mut self, so_far: &CompletionModel) -> Vec<CompletionEvent> {
        let mut events = Vec::new();
        let chunk = so_far.chunk();
        // A choice that the model does not keep has no events.
        for new in chunk.choices.iter().filter(|new| so_far.keeps(new.index)) {
            let choice = new.index;
            if !new.text.is_empty() {
                events.push(CompletionEvent::TextDelta { choice, delta: new.text.clone() });
            }
            if let Some(logprobs) = &new.logprobs {
                let logprobs = CompletionLogprobs::clone(logprobs);
                events.push(CompletionEvent::Logprobs { choice, logprobs });
            }
        }
        if let (Some(_), Some(usage)) = (chunk.usage(), so_far.usage()) {
            events.push(CompletionEvent::Usage(usage.clone()));
        }
        events
    }

    /// Returns the last events of a complete response.
    ///
    /// Do not call it for a stream that failed, because then nothing is done.
    pub fn finish(&mut self, so_far: &CompletionModel) -> Vec<CompletionEvent> {
        let mut events = Vec::new();
        for known in so_far.choices() {
            let choice = known.index;
            if !known.text.is_empty() {
                events.push(CompletionEvent::TextDone { choice, text: known.text.clone() });
            }
            if let Some(reason) = known.finish_reason.clone() {
                events.push(CompletionEvent::Finish { choice, reason });
            }
        }
        events
    }
}
