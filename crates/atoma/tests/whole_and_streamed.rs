//! A law: the joined chunks of a response are the response, however it was split into chunks and
//! frames.

mod support;

use atoma::{
    ChatCompletionResponse, Client,
    transport::testing::{Exchange, ManualTimer, ScriptedTransport},
};
use proptest::{collection::vec, option, prelude::*, sample::Index};
use serde_json::{Value, json};
use std::collections::VecDeque;
use support::{event, request};

/// One choice of a response.
#[derive(Clone, Debug)]
struct Choice {
    text: Option<String>,
    reasoning: Option<(bool, String)>,
    calls: Vec<(String, String)>,
    finish: &'static str,
}

#[derive(Clone, Debug)]
struct Response {
    choices: Vec<Choice>,
    usage: Option<(u32, u32)>,
    is_done: bool,
}

/// How the response is split: the length of the pieces, the order of the choices, and the length of
/// the frames.
#[derive(Clone, Debug)]
struct Cuts {
    pieces: Vec<usize>,
    turns: Vec<Index>,
    frames: Vec<usize>,
    comments: bool,
}

fn responses() -> impl Strategy<Value = Response> {
    let text = || r"[a-zé日🙂\u{0}-\u{1f}\u{2028}\\\u{22} ]{0,24}";
    let call = ("[a-z_]{1,8}", text());
    let finish = prop::sample::select(vec!["stop", "length", "tool_calls", "eos"]);
    let reasoning =
        option::of((any::<bool>(), text().prop_filter("said", |text| !text.is_empty())));
    let choice = (option::of(text()), reasoning, vec(call, 0..3), finish)
        .prop_map(|(text, reasoning, calls, finish)| Choice { text, reasoning, calls, finish });
    (vec(choice, 1..4), option::of((0..9999_u32, 0..9999_u32)), any::<bool>())
        .prop_map(|(choices, usage, is_done)| Response { choices, usage, is_done })
}

fn cuts() -> impl Strategy<Value = Cuts> {
    let turns = vec(any::<Index>(), 1..20);
    (vec(1..6_usize, 1..10), turns, vec(1..200_usize, 1..10), any::<bool>())
        .prop_map(|(pieces, turns, frames, comments)| Cuts { pieces, turns, frames, comments })
}

impl Choice {
    fn message(&self) -> Value {
        let mut message = json!({"role": "assistant", "content": self.text});
        if let Some((is_content, reasoning)) = &self.reasoning {
            message[reasoning_name(*is_content)] = json!(reasoning);
        }
        let calls = self.calls.iter().enumerate().map(|(place, (name, arguments))| {
            let function = json!({"name": name, "arguments": arguments});
            json!({"id": format!("id{place}"), "type": "function", "function": function})
        });
        if !self.calls.is_empty() {
            message["tool_calls"] = calls.collect();
        }
        message
    }

    /// The deltas of this choice in order, as JSON; strings are split between any two UTF-16 units.
    fn deltas(&self, lengths: &mut impl Iterator<Item = usize>) -> VecDeque<String> {
        let mut deltas = VecDeque::from([r#"{"role":"assistant","content":""}"#.to_owned()]);
        if let Some((is_content, reasoning)) = &self.reasoning {
            let name = reasoning_name(*is_content);
            deltas
                .extend(pieces(reasoning, lengths).map(|piece| format!(r#"{{"{name}":{piece}}}"#)));
        }
        let text = self.text.as_deref().unwrap_or_default();
        deltas.extend(pieces(text, lengths).map(|piece| format!(r#"{{"content":{piece}}}"#)));
        for (place, (name, arguments)) in self.calls.iter().enumerate() {
            let call = json!({"index": place, "id": format!("id{place}"), "type": "function",
                "function": {"name": name, "arguments": ""}});
            deltas.push_back(json!({"tool_calls": [call]}).to_string());
            deltas.extend(pieces(arguments, lengths).map(|piece| {
                format!(
                    r#"{{"tool_calls":[{{"index":{place},"function":{{"arguments":{piece}}}}}]}}"#
                )
            }));
        }
        deltas
    }
}

const fn reasoning_name(is_content: bool) -> &'static str {
    if is_content { "reasoning_content" } else { "reasoning" }
}

/// `text` in pieces, each a JSON string; a piece may end with half a surrogate pair.
fn pieces(text: &str, lengths: &mut impl Iterator<Item = usize>) -> impl Iterator<Item = String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let (mut rest, mut pieces) = (&units[..], Vec::new());
    while !rest.is_empty() {
        let (piece, left) = rest.split_at(lengths.next().unwrap_or(1).min(rest.len()));
        let escaped: String = piece.iter().map(|unit| format!("\\u{unit:04x}")).collect();
        pieces.push(format!("\"{escaped}\""));
        rest = left;
    }
    pieces.into_iter()
}

impl Response {
    fn unary(&self) -> String {
        let choices = self.choices.iter().enumerate().map(|(index, choice)| {
            json!({"index": index, "message": choice.message(), "finish_reason": choice.finish})
        });
        let choices: Value = choices.collect();
        let mut body = json!({"id": "c1", "object": "chat.completion", "created": 7, "model": "m",
            "choices": choices});
        if let Some(usage) = self.usage() {
            body["usage"] = usage;
        }
        body.to_string()
    }

    fn usage(&self) -> Option<Value> {
        let (prompt, completion) = self.usage?;
        Some(json!({"prompt_tokens": prompt, "completion_tokens": completion,
            "total_tokens": prompt + completion}))
    }

    fn stream(&self, cuts: &Cuts) -> String {
        let mut lengths = cuts.pieces.iter().copied().cycle();
        let mut left: Vec<_> =
            self.choices.iter().map(|choice| choice.deltas(&mut lengths)).collect();
        for (choice, deltas) in self.choices.iter().zip(&mut left) {
            deltas.push_back(format!(r#"{{}},"finish_reason":"{}""#, choice.finish));
        }
        let mut body = String::new();
        let mut turns = cuts.turns.iter().cycle();
        while let Some(index) = next_turn(&left, &mut turns) {
            let delta = left[index].pop_front().unwrap_or_default();
            let chunk = format!(r#"{{"index":{index},"delta":{delta}}}"#);
            body += &event(format!(
                r#"{{"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{chunk}]}}"#
            ));
            if cuts.comments {
                body += ": keep-alive\n\n";
            }
        }
        if let Some(usage) = self.usage() {
            body += &event(json!({"id": "c1", "choices": [], "usage": usage}));
        }
        body + if self.is_done { "data: [DONE]\n\n" } else { "" }
    }
}

/// A choice with deltas left.
fn next_turn<'a>(
    left: &[VecDeque<String>],
    turns: &mut impl Iterator<Item = &'a Index>,
) -> Option<usize> {
    let unfinished: Vec<_> = (0..left.len()).filter(|index| !left[*index].is_empty()).collect();
    (!unfinished.is_empty()).then(|| *turns.next().unwrap().get(&unfinished))
}

/// The parts that have to be equal.
fn essence(response: &ChatCompletionResponse) -> Value {
    let choices = response.choices.iter().map(|choice| {
        let message = &choice.message;
        json!({
            "index": choice.index,
            "role": message.role.as_str(),
            "text": message.text(),
            "reasoning": message.reasoning(),
            "calls": message.tool_calls,
            "finish": choice.finish_reason,
        })
    });
    let choices: Vec<_> = choices.collect();
    json!({
        "id": response.id, "model": response.model, "created": response.created,
        "choices": choices, "usage": response.usage,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn joined_chunks_are_the_response(response in responses(), cuts in cuts()) {
        let body = response.stream(&cuts).into_bytes();
        let mut streamed = Exchange::respond(200).header("content-type", "text/event-stream");
        let (mut rest, mut lengths) = (&body[..], cuts.frames.iter().cycle());
        while !rest.is_empty() {
            let (frame, left) = rest.split_at(rest.len().min(*lengths.next().unwrap()));
            streamed = streamed.body(frame.to_vec());
            rest = left;
        }
        let unary = Exchange::respond(200).body(response.unary());
        let regardless = Exchange::respond(200).body(body.clone());
        let transport = ScriptedTransport::new([unary, streamed, regardless]);
        let timer = ManualTimer::new();
        let builder = Client::builder().api_key("sk-test").server_url("http://localhost:1");
        let client = builder.transport(transport).timer(timer.clone()).build().unwrap();
        let request = || request().n(u32::try_from(response.choices.len()).unwrap());

        let (unary, streamed, regardless) = timer.run(async {
            let chat = client.chat();
            let unary = chat.create(request()).await.unwrap().into_inner();
            let streamed = chat.stream(request()).await.unwrap().into_response().await.unwrap();
            let regardless = chat.create(request()).await.unwrap().into_inner();
            (unary, streamed, regardless)
        });
        prop_assert_eq!(essence(&streamed), essence(&unary));
        prop_assert_eq!(essence(&regardless), essence(&unary));
        prop_assert_eq!(timer.elapsed(), std::time::Duration::ZERO);
    }
}
