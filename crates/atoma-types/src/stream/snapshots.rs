//! Messages in chunks: some servers send the complete message so far next to the deltas, after them
//! or in place of them.
//!
//! ```text
//! deltas "Hel" "lo", then a message "Hello"    the message repeats them: only new members count
//! messages "Hel", "Hello"                      each holds the text so far: only "lo" of it is new
//! messages "Hel", "lo"                         pieces, as deltas are
//! a delta next to a message                    the delta counts
//! ```

use crate::{ChatCompletionChunkChoice, chat::chunk::ChatCompletionChunkDelta};

/// The part of the choices' texts that is needed to judge complete messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Messages {
    /// The choices whose deltas had content.
    with_deltas: Vec<Deltas>,
    /// The text and the reasoning of the last message that came in place of a delta, by the index of its choice.
    last: Vec<(u32, String, String)>,
}

/// The members that the deltas of a choice had.
#[derive(Debug, Clone, Default)]
struct Deltas {
    index: u32,
    has_content: bool,
    has_reasoning: bool,
    has_refusal: bool,
    has_calls: bool,
    /// The names of those without a field.
    others: Vec<String>,
}

/// How many choices are remembered, and how many names of each.
const MOST: usize = 128;

impl Messages {
    /// Empties the delta of a choice if it was read from a message without news.
    ///
    /// A message in place of a delta is a piece, unless
    /// - deltas came before it: then it is the whole message once more, and only members that no delta had are new;
    /// - it begins with the message before it: then only the rest is new.
    ///
    /// A message next to a delta is not new, except for the members that no delta had when the choice ends.
    pub(crate) fn settle(
        &mut self,
        choice: &mut ChatCompletionChunkChoice,
        has_delta: impl Fn() -> bool,
    ) {
        let index = choice.index;
        let known = self.with_deltas.iter_mut().find(|known| known.index == index);
        let Some(message) = choice.message.as_deref() else {
            return match known {
                Some(known) => known.note(&choice.delta),
                None => self.note(choice),
            };
        };
        // The delta was filled from the message, because there was no other.
        let is_message = *message == choice.delta && !has_delta();
        match (is_message, known) {
            (true, Some(known)) => choice.delta = known.unseen(message),
            (true, None) => self.keep_what_is_new(choice),
            (false, Some(known)) => {
                known.note(&choice.delta);
                if choice.finish_reason.is_some() && !has_content(&choice.delta) {
                    choice.delta = known.unseen(message);
                }
            }
            (false, None) => {
                let is_only = !self.last.iter().any(|last| last.0 == index);
                if choice.finish_reason.is_some() && !has_content(&choice.delta) && is_only {
                    choice.delta = message.clone();
                }
                self.note(choice);
            }
        }
    }

    /// Notes the first delta with content of a choice.
    fn note(&mut self, choice: &ChatCompletionChunkChoice) {
        if self.with_deltas.len() < MOST && has_content(&choice.delta) {
            let mut new = Deltas { index: choice.index, ..Deltas::default() };
            new.note(&choice.delta);
            // Nearly every response has one choice.
            self.with_deltas.reserve_exact(usize::from(self.with_deltas.is_empty()));
            self.with_deltas.push(new);
        }
    }

    /// Reduces a message to its new part, if it begins with the message before it.
    fn keep_what_is_new(&mut self, choice: &mut ChatCompletionChunkChoice) {
        let index = choice.index;
        let text = choice.delta.text().into_owned();
        let reasoning = choice.delta.reasoning().unwrap_or_default().into_owned();
        let Some((_, last, last_reasoning)) = self.last.iter_mut().find(|last| last.0 == index)
        else {
            if self.last.len() < MOST {
                self.last.push((index, text, reasoning));
            }
            return;
        };
        // Two equal pieces are pieces, unless the second ends the choice.
        let is_last = choice.finish_reason.is_some();
        let grows = |new: &str, known: &str| {
            new.starts_with(known) && (new.len() > known.len() || known.is_empty() || is_last)
        };
        let says_something = !last.is_empty() || !last_reasoning.is_empty();
        if says_something && grows(&text, last) && grows(&reasoning, last_reasoning) {
            let delta = &mut choice.delta;
            delta.content = Some(text[last.len()..].into());
            let new = &reasoning[last_reasoning.len()..];
            for field in [&mut delta.reasoning, &mut delta.reasoning_content] {
                *field = field.take().filter(|_| !new.is_empty()).map(|_| new.to_owned());
            }
        }
        (*last, *last_reasoning) = (text, reasoning);
    }
}

impl Deltas {
    /// Notes the members that a delta has.
    fn note(&mut self, delta: &ChatCompletionChunkDelta) {
        let says = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        self.has_content |= delta.content.as_ref().is_some_and(|content| !content.is_empty());
        self.has_reasoning |= says(&delta.reasoning) || says(&delta.reasoning_content);
        self.has_refusal |= says(&delta.refusal);
        self.has_calls |= !delta.tool_calls.is_empty();
        for (name, _) in delta.extra.iter() {
            if self.others.len() < MOST && !self.others.iter().any(|known| known == name) {
                self.others.push(name.to_owned());
            }
        }
    }

    /// The members of a whole message that no delta had.
    fn unseen(&self, message: &ChatCompletionChunkDelta) -> ChatCompletionChunkDelta {
        let mut new = message.clone();
        if self.has_content {
            new.content = None;
        }
        if self.has_reasoning {
            (new.reasoning, new.reasoning_content) = (None, None);
        }
        if self.has_refusal {
            new.refusal = None;
        }
        if self.has_calls {
            new.tool_calls.clear();
        }
        for name in &self.others {
            new.extra.remove(name);
        }
        new
    }
}

/// Returns whether a delta says anything, in whatever member.
pub(crate) fn has_content(delta: &ChatCompletionChunkDelta) -> bool {
    delta.content.as_ref().is_some_and(|content| !content.is_empty())
        || delta.reasoning.as_ref().is_some_and(|text| !text.is_empty())
        || delta.reasoning_content.as_ref().is_some_and(|text| !text.is_empty())
        || delta.refusal.as_ref().is_some_and(|text| !text.is_empty())
        || !delta.tool_calls.is_empty()
        || !delta.extra.is_empty()
}
