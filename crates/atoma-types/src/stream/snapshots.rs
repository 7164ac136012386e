//! Messages in chunks: some servers send the complete message so far next to the deltas, after them
//! or in place of them.

use crate::ChatCompletionChunkChoice;
use crate::chat::chunk::ChatCompletionChunkDelta;

/// The part of the choices' texts that is needed to judge complete messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Messages {
    /// The indices of the choices whose deltas had content.
    with_deltas: Vec<u32>,
    /// The text and the reasoning of the last message that arrived in place of a delta, by the
    /// index of its choice.
    last: Vec<(u32, String, String)>,
}

/// The number of choices that are remembered.
const MOST_CHOICES: usize = 128;

impl Messages {
    /// Empties the delta of a choice if it was read from a message without news.
    ///
    /// A message in place of a delta is a piece, unless
    /// - deltas came before it: then it is the complete message once more;
    /// - it begins with the message before it: then only the rest is new.
    pub(crate) fn settle(
        &mut self,
        choice: &mut ChatCompletionChunkChoice,
        has_delta: impl Fn() -> bool,
    ) {
        let message = choice.message.as_deref();
        let is_message = message.is_some_and(|message| *message == choice.delta) && !has_delta();
        let index = choice.index;
        let has_deltas = self.with_deltas.contains(&index);
        if !is_message {
            if !has_deltas && self.with_deltas.len() < MOST_CHOICES && has_content(&choice.delta) {
                self.with_deltas.push(index);
            }
        } else if has_deltas {
            choice.delta = ChatCompletionChunkDelta::default();
        } else {
            self.keep_what_is_new(choice);
        }
    }

    fn keep_what_is_new(&mut self, choice: &mut ChatCompletionChunkChoice) {
        let index = choice.index;
        let text = choice.delta.text().into_owned();
        let reasoning = choice.delta.reasoning().unwrap_or_default().into_owned();
        let Some((_, last, last_reasoning)) = self.last.iter_mut().find(|last| last.0 == index)
        else {
            if self.last.len() < MOST_CHOICES {
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

fn has_content(delta: &ChatCompletionChunkDelta) -> bool {
    delta.content.as_ref().is_some_and(|content| !content.is_empty())
        || delta.reasoning.as_ref().is_some_and(|text| !text.is_empty())
        || delta.reasoning_content.as_ref().is_some_and(|text| !text.is_empty())
        || delta.refusal.as_ref().is_some_and(|text| !text.is_empty())
        || !delta.tool_calls.is_empty()
}
