//! The JSON of text completions, whole and in chunks, written by hand as that of chats.
//!
//! One request may have several prompts, each with `n` choices: they are numbered through, prompt after prompt.
use super::json::{optional, quoted, usage};
use crate::{behavior::UsagePlace, generation::Generation, tokens::tokens};
use serde_json::{Value, json};

/// Returns the prompts of a request. A list of tokens becomes a text that counts them.
pub(crate) fn prompts(request: &Value) -> Vec<String> {
    let counted = |tokens: &[Value]| format!("{} tokens", tokens.len());
    match &request["prompt"] {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) if items.iter().any(Value::is_number) => vec![counted(items)],
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::Array(tokens) => counted(tokens),
                item => item.as_str().unwrap_or("").to_owned(),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The response to a completions request: the choices of all prompts, as tokens.
#[derive(Debug)]
pub(crate) struct TextCompletion {
    /// The members that every document begins with.
    head: String,
    /// The choices of all prompts, in the order of their indices.
    choices: Vec<Choice>,
    /// The tokens of all prompts.
    prompt_tokens: usize,
    /// The number of alternatives for each token; `None`: no log probabilities.
    top_logprobs: Option<usize>,
    /// Where the counts of tokens appear.
    usage: UsagePlace,
}

/// One choice, as tokens.
#[derive(Debug)]
struct Choice {
    /// The tokens of its text, those of an echoed prompt first.
    tokens: Vec<String>,
    /// How many of the tokens repeat the prompt.
    echoed: usize,
    finish_reason: Option<String>,
    stop_reason: Option<String>,
}

impl TextCompletion {
    /// Joins the generations of all prompts; `echo` repeats the prompts in front of the texts.
    pub(crate) fn new(generations: Vec<(String, Generation)>, echo: bool) -> Self {
        let Some((_, first)) = generations.first() else { return Self::without_choices() };
        let head = format!(
            r#""id":{},"object":"text_completion","created":{},"model":{}"#,
            quoted(&first.id),
            first.created,
            quoted(&first.model),
        );
        let (top_logprobs, usage) = (first.top_logprobs, first.usage);
        let prompt_tokens = generations.iter().map(|(prompt, _)| tokens(prompt).len()).sum();
        let mut choices = Vec::new();
        for (prompt, generation) in generations {
            let repeated = if echo { tokens(&prompt) } else { Vec::new() };
            for _ in 0..generation.choices {
                choices.push(Choice {
                    tokens: [repeated.clone(), generation.content.clone()].concat(),
                    echoed: repeated.len(),
                    finish_reason: generation.finish_reason.clone(),
                    stop_reason: generation.stop_reason.clone(),
                });
            }
        }
        Self { head, choices, prompt_tokens, top_logprobs, usage }
    }

    /// The response to a request without a prompt.
    fn without_choices() -> Self {
        Self {
            head: r#""object":"text_completion""#.to_owned(),
            choices: Vec::new(),
            prompt_tokens: 0,
            top_logprobs: None,
            usage: UsagePlace::Nowhere,
        }
    }

    /// Renders a response that is not streamed.
    pub(crate) fn document(&self) -> String {
        let choice = |(index, choice): (usize, &Choice)| {
            format!(
                r#"{{"index":{index},"text":{},"logprobs":{},"finish_reason":{},"stop_reason":{},"prompt_logprobs":null}}"#,
                quoted(&choice.tokens.concat()),
                self.logprobs(&choice.tokens, 0, choice.echoed > 0),
                optional(choice.finish_reason.as_deref()),
                optional(choice.stop_reason.as_deref()),
            )
        };
        let choices: Vec<String> = self.choices.iter().enumerate().map(choice).collect();
        let usage = match self.usage {
            UsagePlace::Nowhere => String::new(),
            _ => format!(r#","usage":{}"#, usage(self.prompt_tokens, self.completion_tokens())),
        };
        format!(
            r#"{{{},"choices":[{}]{usage},"kv_transfer_params":null}}"#,
            self.head,
            choices.join(","),
        )
    }

    /// The tokens that the model wrote: echoed ones are not counted.
    fn completion_tokens(&self) -> usize {
        self.choices.iter().map(|choice| choice.tokens.len() - choice.echoed).sum()
    }

    /// Invented log probabilities; that of a first token of an echoed prompt is unknown.
    fn logprobs(&self, tokens: &[String], offset: usize, first_is_unknown: bool) -> String {
        let Some(top) = self.top_logprobs else { return "null".to_owned() };
        let known = |place: usize| place > 0 || !first_is_unknown;
        let top_of = |place: usize, token: &String| {
            let others =
                (1..top).map(|rank| (format!(" {rank}"), json!(-0.125 - 2.0 * rank as f64)));
            let own = (top > 0).then(|| (token.clone(), json!(-0.125)));
            if known(place) {
                json!(own.into_iter().chain(others).collect::<serde_json::Map<_, _>>())
            } else {
                Value::Null
            }
        };
        let mut place_in_text = offset;
        let offsets: Vec<usize> = tokens
            .iter()
            .map(|token| {
                let start = place_in_text;
                place_in_text += token.chars().count();
                start
            })
            .collect();
        let probabilities: Vec<Option<f64>> =
            (0..tokens.len()).map(|place| known(place).then_some(-0.125)).collect();
        let top: Vec<Value> =
            tokens.iter().enumerate().map(|(place, token)| top_of(place, token)).collect();
        json!({
            "text_offset": offsets,
            "token_logprobs": probabilities,
            "tokens": tokens,
            "top_logprobs": top,
        })
        .to_string()
    }
}

/// The chunks of a stream, one token each: the choices take turns, then each one finishes, then the usage.
#[derive(Debug)]
pub(crate) struct CompletionChunks {
    /// The response that is sent in pieces.
    completion: TextCompletion,
    /// The choice and its token that are next.
    next: (usize, usize),
    /// The number of tokens sent, for the usage.
    sent: usize,
    /// Whether the usage was sent.
    ended: bool,
}

impl CompletionChunks {
    /// Returns the chunks of a response.
    pub(crate) fn new(completion: TextCompletion) -> Self {
        Self { completion, next: (0, 0), sent: 0, ended: false }
    }

    /// Renders the token at `place` of a choice, or its finish if there is none.
    fn chunk(&mut self, index: usize, place: usize) -> String {
        let completion = &self.completion;
        let choice = &completion.choices[index];
        let token = choice.tokens.get(place);
        self.sent += usize::from(token.is_some() && place >= choice.echoed);
        let before = choice.tokens.iter().take(place).map(|token| token.chars().count()).sum();
        let unknown = choice.echoed > 0 && place == 0;
        let (finish_reason, stop_reason) = match token {
            Some(_) => (None, None),
            None => (choice.finish_reason.as_deref(), choice.stop_reason.as_deref()),
        };
        let logprobs = match token {
            Some(token) => completion.logprobs(std::slice::from_ref(token), before, unknown),
            None => "null".to_owned(),
        };
        let usage = match completion.usage {
            UsagePlace::EveryChunk => {
                format!(r#","usage":{}"#, usage(completion.prompt_tokens, self.sent))
            }
            _ => String::new(),
        };
        format!(
            r#"{{{},"choices":[{{"index":{index},"text":{},"logprobs":{logprobs},"finish_reason":{},"stop_reason":{}}}]{usage}}}"#,
            completion.head,
            quoted(token.map_or("", String::as_str)),
            optional(finish_reason),
            optional(stop_reason),
        )
    }
}

impl Iterator for CompletionChunks {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let choices = &self.completion.choices;
        // A choice has one chunk more than tokens: the one that finishes it.
        let longest = choices.iter().map(|choice| choice.tokens.len()).max().unwrap_or(0);
        while self.next.1 <= longest {
            let (index, place) = self.next;
            let Some(choice) = self.completion.choices.get(index) else {
                self.next = (0, place + 1);
                if self.completion.choices.is_empty() {
                    break;
                }
                continue;
            };
            self.next.0 += 1;
            if place <= choice.tokens.len() {
                return Some(self.chunk(index, place));
            }
        }
        if std::mem::replace(&mut self.ended, true) || self.completion.usage == UsagePlace::Nowhere
        {
            return None;
        }
        let usage = usage(self.completion.prompt_tokens, self.completion.completion_tokens());
        Some(format!(r#"{{{},"choices":[],"usage":{usage}}}"#, self.completion.head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{behavior::Behavior, endpoint::Endpoint, fake_model::Output};

    fn completion(request: &Value, text: &str) -> TextCompletion {
        let output = Output { text: text.to_owned(), ..Output::default() };
        let behavior = Behavior::default();
        let generate = |prompt: String| {
            let generation =
                Generation::new(Endpoint::Completions, request, &output, &behavior, 255, 7);
            (prompt, generation)
        };
        TextCompletion::new(
            prompts(request).into_iter().map(generate).collect(),
            request["echo"] == true,
        )
    }

    #[test]
    fn a_document_is_exactly_this() {
        let document = completion(&json!({"model": "m", "prompt": "Say"}), "a b").document();
        assert_eq!(
            document,
            r#"{"id":"cmpl-00000000000000ff","object":"text_completion","created":7,"model":"m","choices":[{"index":0,"text":"a b","logprobs":null,"finish_reason":"stop","stop_reason":null,"prompt_logprobs":null}],"usage":{"prompt_tokens":1,"total_tokens":3,"completion_tokens":2,"prompt_tokens_details":null},"kv_transfer_params":null}"#
        );
    }

    #[test]
    fn prompts_in_every_form() {
        for (prompt, wanted) in [
            (json!("a"), vec!["a"]),
            (json!(["a", "b"]), vec!["a", "b"]),
            (json!([1, 2]), vec!["2 tokens"]),
            (json!([[1], [2, 3]]), vec!["1 tokens", "2 tokens"]),
            (json!([]), vec![]),
            (json!(null), vec![]),
        ] {
            assert_eq!(prompts(&json!({ "prompt": prompt })), wanted, "{prompt}");
        }
    }

    #[test]
    fn the_joined_chunks_are_the_document() {
        for request in [
            json!({"prompt": "one two"}),
            json!({"prompt": ["one", "two"], "n": 2}),
            json!({"prompt": "one two", "echo": true, "logprobs": 2}),
            json!({"prompt": "one", "max_tokens": 1}),
            json!({"prompt": []}),
        ] {
            let text = "some text, é 🙂";
            let document: Value =
                serde_json::from_str(&completion(&request, text).document()).unwrap();
            let chunks: Vec<Value> = CompletionChunks::new(completion(&request, text))
                .map(|chunk| serde_json::from_str(&chunk).unwrap())
                .collect();
            for (index, choice) in document["choices"].as_array().unwrap().iter().enumerate() {
                let of_choice: Vec<&Value> = chunks
                    .iter()
                    .map(|chunk| &chunk["choices"][0])
                    .filter(|choice| choice["index"] == index)
                    .collect();
                let joined: String =
                    of_choice.iter().filter_map(|choice| choice["text"].as_str()).collect();
                assert_eq!(joined, choice["text"], "{request}");
                assert_eq!(of_choice.last().unwrap()["finish_reason"], choice["finish_reason"]);
                for member in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
                    let parts =
                        of_choice.iter().filter_map(|choice| choice["logprobs"][member].as_array());
                    let joined: Vec<Value> = parts.flatten().cloned().collect();
                    let whole = choice["logprobs"][member].as_array().cloned().unwrap_or_default();
                    assert_eq!(joined, whole, "{request} {member}");
                }
            }
            if let Some(last) = chunks.last() {
                assert_eq!(last["usage"], document["usage"], "{request}");
            }
        }
    }
}
