//! Which choice an index means: servers number choices from 0 or from 1, and some change the index of an only choice.

use super::streamed::StreamedChunk;

/// The most choices that are held back while the server's first number is unknown.
const MOST_HELD: usize = 32;

/// Numbers the choices of a stream from 0.
#[derive(Debug, Clone)]
pub(crate) struct Numbering<C: StreamedChunk> {
    rule: Rule,
    /// Choices that cannot be numbered yet. They are put before those of the chunk that decides.
    held: Vec<C::Choice>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    /// The server counts from this index.
    From(u32),
    /// One choice was asked for, and no chunk had several complete ones: any index is that of the
    /// only choice.
    Single,
    /// This number was asked for, and the indices so far, neither 0 nor that number, fit both ways
    /// of counting.
    Undecided(u32),
}

impl<C: StreamedChunk> Default for Numbering<C> {
    fn default() -> Self {
        Self { rule: Rule::From(0), held: Vec::new() }
    }
}

impl<C: StreamedChunk> Numbering<C> {
    /// Numbers a stream for which `n` choices were asked; zero if that is unknown.
    pub(crate) fn of(n: u32) -> Self {
        let rule = match n {
            0 => Rule::From(0),
            1 => Rule::Single,
            n => Rule::Undecided(n),
        };
        Self { rule, held: Vec::new() }
    }

    /// Numbers the choices of a chunk, as far as the rule is known.
    #[inline]
    pub(crate) fn number(&mut self, chunk: &mut C) {
        if self.rule == Rule::From(0) {
            return;
        }
        if self.rule == Rule::Single && chunk.choices() == 1 {
            *chunk.index_mut(0) = 0;
            return;
        }
        self.decide(chunk);
    }

    #[cold]
    fn decide(&mut self, chunk: &mut C) {
        let positions = 0..chunk.choices();
        let Some(lowest) = positions.clone().map(|at| *chunk.index_mut(at)).min() else { return };
        let highest = positions.clone().map(|at| *chunk.index_mut(at)).max().unwrap_or(lowest);
        let is_whole = positions.len() > 1 && chunk.is_whole();
        if is_whole && lowest == highest {
            // Whole choices without indices.
            for (at, index) in positions.zip(0..) {
                *chunk.index_mut(at) = index;
            }
            self.rule = Rule::From(0);
            return;
        }
        match self.rule {
            Rule::From(_) => {}
            // The server sends several choices although one was asked for.
            Rule::Single if is_whole => self.rule = Rule::From(lowest),
            // Fragments of one choice that were put into one chunk.
            Rule::Single => {
                for at in positions {
                    *chunk.index_mut(at) = 0;
                }
                return;
            }
            Rule::Undecided(_) if lowest == 0 => self.rule = Rule::From(0),
            Rule::Undecided(n) if highest >= n => self.rule = Rule::From(1),
            Rule::Undecided(_) => {
                let is_finished = positions.clone().any(|at| chunk.is_finished(at));
                if is_finished || self.held.len() + chunk.choices() > MOST_HELD {
                    self.rule = Rule::From(0);
                }
            }
        }
        if let Rule::From(first) = self.rule {
            for at in positions {
                let index = chunk.index_mut(at);
                *index = index.saturating_sub(first);
            }
        }
    }

    /// Takes the choices out of a chunk if they cannot be numbered yet, or puts earlier ones before
    /// them that now can. Returns whether it changed the chunk.
    #[inline]
    pub(crate) fn hold_or_release(&mut self, chunk: &mut C) -> bool {
        if let Rule::Undecided(_) = self.rule {
            self.held.append(chunk.choices_mut());
            return true;
        }
        !self.held.is_empty() && self.release(chunk)
    }

    /// Puts the held choices before those of a chunk.
    #[cold]
    pub(crate) fn release(&mut self, chunk: &mut C) -> bool {
        let held = self.held.len();
        chunk.choices_mut().splice(0..0, std::mem::take(&mut self.held));
        if let Rule::From(first) = self.rule {
            for at in 0..held {
                let index = chunk.index_mut(at);
                *index = index.saturating_sub(first);
            }
        }
        held > 0
    }

    pub(crate) fn is_holding(&self) -> bool {
        !self.held.is_empty()
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
        let partial = model.response();
        if model.finish() == Seen::Chunk {
            text += &model.chunk().text();
        }
        assert_eq!(model.response(), partial);
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
                &[&[(1, "a")], &[(2, "b")], &[(1, "a")], &[(2, "b")]],
                "aa",
                &["aa", "bb"],
            ),
            ("two, from 1, the second first", 2, &[&[(2, "b")], &[(1, "a")]], "a", &["a", "b"]),
            ("two in a chunk, from 1", 2, &[&[(1, "a"), (2, "b")]], "a", &["a", "b"]),
            (
                "two, from 1, one after the other",
                2,
                &[&[(1, "a")], &[(1, "a")], &[(2, "b")]],
                "aa",
                &["aa", "b"],
            ),
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
}
