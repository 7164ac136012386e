//! Which choice an index means: servers number choices from 0 or from 1, and some change the index of an only choice.
//!
//! A chunk is returned to the caller when it has been read, so the decision cannot wait for the end of the stream:
//!
//! ```text
//! asked for 1   ─► Single ─────── several whole choices in a chunk ──────────► From(lowest)
//! asked for n   ─► Undecided(n) ─┬─ the index 0, or content ─────────────────► From(0)
//!                                └─ an index of n or more, and none of 0 ────► From(1)
//! ```

use super::streamed::StreamedChunk;

/// Numbers the choices of a stream from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Numbering {
    /// The server counts from this index.
    From(u32),
    /// One choice was asked for, and no chunk had several whole ones: any index is that of the only choice.
    Single,
    /// This number was asked for, and neither 0 nor content was seen yet.
    Undecided(u32),
}

impl Default for Numbering {
    fn default() -> Self {
        Self::From(0)
    }
}

impl Numbering {
    /// Numbers a stream for which `n` choices were asked.
    pub(crate) fn of(n: u32) -> Self {
        if n <= 1 { Self::Single } else { Self::Undecided(n) }
    }

    /// Numbers the choices of a chunk.
    #[inline]
    pub(crate) fn number<C: StreamedChunk>(&mut self, chunk: &mut C) {
        match self {
            Self::From(0) => {}
            Self::Single if chunk.choices() == 1 => *chunk.index_mut(0) = 0,
            _ => self.decide(chunk),
        }
    }

    /// Numbers a chunk that is not usual: several choices, or an index that leaves open what the server counts from.
    #[cold]
    fn decide<C: StreamedChunk>(&mut self, chunk: &mut C) {
        let positions = 0..chunk.choices();
        let Some(lowest) = positions.clone().map(|at| *chunk.index_mut(at)).min() else { return };
        let highest = positions.clone().map(|at| *chunk.index_mut(at)).max().unwrap_or(lowest);
        // Whole choices come together only in a body, or from a server that does not stream.
        let is_whole = positions.len() > 1 && chunk.is_whole();
        if is_whole && lowest == highest {
            // Whole choices without indices.
            for (at, index) in positions.zip(0..) {
                *chunk.index_mut(at) = index;
            }
            *self = Self::From(0);
            return;
        }
        match *self {
            Self::From(_) => {}
            // The server sends several choices although one was asked for.
            Self::Single if is_whole => *self = Self::From(lowest),
            // Fragments of one choice that were put into one chunk.
            Self::Single => {
                for at in positions {
                    *chunk.index_mut(at) = 0;
                }
                return;
            }
            Self::Undecided(n) if lowest > 0 && highest >= n => *self = Self::From(1),
            // Content fixes the numbers: chunks that were returned cannot be numbered again.
            Self::Undecided(_) => {
                if lowest == 0 || positions.clone().any(|at| chunk.has_content(at)) {
                    *self = Self::From(0);
                }
            }
        }
        if let Self::From(first) = *self {
            for at in positions {
                let index = chunk.index_mut(at);
                // An index below the first is a mistake of the server: it joins the first choice.
                *index = index.saturating_sub(first);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{ChatModel, Seen, StreamModel};
    use serde_json::json;

    /// A full stop in a text is its finish reason. The texts of the chunks of choice 0, and the text of each choice of the response.
    fn read(n: u32, chunks: &[&[(u32, &str)]]) -> (String, Vec<String>) {
        let mut model = ChatModel::default();
        model.expect_choices(n);
        let mut text = String::new();
        for choices in chunks {
            let choices = choices.iter().map(|(index, text)| {
                let finish = text.ends_with('.').then_some("stop");
                let content = text.trim_end_matches('.');
                json!({"index": index, "delta": {"content": content}, "finish_reason": finish})
            });
            let data = json!({"choices": choices.collect::<Vec<_>>()}).to_string();
            if let Seen::Chunk = model.read("", &mut &*data).unwrap() {
                text += &model.chunk().text();
            }
        }
        let choices = model.into_response().choices.into_iter();
        (text, choices.map(|choice| choice.message.text().into_owned()).collect())
    }

    #[test]
    fn the_first_choice_is_found_whatever_the_server_counts_from() {
        type Chunks<'a> = &'a [&'a [(u32, &'a str)]];
        let cases: &[(&str, u32, Chunks<'_>, &str, &[&str])] = &[
            ("one", 1, &[&[(0, "a")], &[(0, "b")]], "ab", &["ab"]),
            ("one, from 1", 1, &[&[(1, "a")], &[(1, "b")]], "ab", &["ab"]),
            ("one, changing", 1, &[&[(0, "a")], &[(1, "b")], &[(2, "c")]], "abc", &["abc"]),
            ("one, two fragments in a chunk", 1, &[&[(0, "a"), (0, "b")]], "ab", &["ab"]),
            ("one, fragments of two indices", 1, &[&[(0, "a"), (1, "b")]], "ab", &["ab"]),
            ("one, but two whole ones", 1, &[&[(1, "b."), (0, "a.")]], "a", &["a", "b"]),
            ("one, but two whole ones from 1", 1, &[&[(2, "b."), (1, "a.")]], "a", &["a", "b"]),
            ("two", 2, &[&[(0, "a")], &[(1, "b")], &[(0, "a")]], "aa", &["aa", "b"]),
            ("two, the second first", 2, &[&[(1, "b")], &[(0, "a")]], "a", &["a", "b"]),
            (
                "two, from 1",
                2,
                &[&[(1, "")], &[(2, "")], &[(1, "a")], &[(2, "b")], &[(1, "a")]],
                "aa",
                &["aa", "b"],
            ),
            ("two, from 1, the second first", 2, &[&[(2, "b")], &[(1, "a")]], "a", &["a", "b"]),
            ("two in a chunk, from 1", 2, &[&[(1, "a"), (2, "b")]], "a", &["a", "b"]),
            // It may as well be the second choice of a server that counts from 0.
            ("two, from 1, with content at first", 2, &[&[(1, "a")], &[(2, "b")]], "", &["a", "b"]),
            ("two, but the first never comes", 2, &[&[(1, "b")]], "", &["b"]),
            ("two, but only the second finishes", 2, &[&[(1, "b")], &[(1, ".")]], "", &["b"]),
            ("three, but one comes", 3, &[&[(0, "a")], &[(0, ".")]], "a", &["a"]),
        ];
        for (name, n, chunks, text, choices) in cases {
            let found = read(*n, chunks);
            assert_eq!(found.0, *text, "{name}: chunks");
            assert_eq!(found.1, *choices, "{name}: response");
        }
    }

    #[test]
    fn a_body_with_two_choices_reads_as_in_a_unary_call() {
        for choices in [
            json!([{"index": 1, "message": {"content": "b"}}, {"index": 0, "message": {"content": "a"}}]),
            json!([{"index": 0, "message": {"content": "a"}}, {"index": 1, "message": {"content": "b"}}]),
            json!([{"message": {"content": "a"}}, {"message": {"content": "b"}}]),
            json!([{"index": 1, "message": {"content": "a"}}, {"index": 2, "message": {"content": "b"}}]),
        ] {
            let body = json!({"object": "chat.completion", "choices": choices}).to_string();
            let unary = crate::ChatCompletionResponse::from_slice(body.as_bytes()).unwrap();
            for n in [1, 2] {
                let mut model = ChatModel::default();
                model.expect_choices(n);
                model.read_body(&mut &*body).unwrap();
                assert_eq!(model.chunk().text(), "a", "{n}: {body}");
                assert_eq!(model.into_response().text(), unary.text(), "{n}: {body}");
            }
        }
    }

    #[test]
    fn a_finished_choice_alone_keeps_its_index() {
        let (_, texts) = read(2, &[&[(1, "a.")], &[(0, "b.")]]);
        assert_eq!(texts, ["b", "a"]);
    }

    #[test]
    fn an_index_0_means_that_the_server_counts_from_0() {
        let (_, texts) = read(2, &[&[(0, "a"), (2, "b")], &[(1, "c")]]);
        assert_eq!(texts, ["a", "c", "b"]);
    }

    #[test]
    fn known_numbers_are_kept() {
        let chunk = json!({"choices": [{"index": 0, "finish_reason": "stop"}, {"index": 0, "finish_reason": "stop"}]});
        let mut chunk: crate::ChatCompletionChunk = serde_json::from_value(chunk).unwrap();
        super::Numbering::From(0).number(&mut chunk);
        assert_eq!(chunk.choices.iter().map(|choice| choice.index).collect::<Vec<_>>(), [0, 0]);
    }
}
