//! Laws of truncated responses: wherever a response is cut, the part in hand continues to a valid request, and joins with the
//! rest to the whole. Their usage is estimated.

use atoma_types::{
    ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse, Continuation, Role, Texts,
};
use proptest::prelude::*;
use serde_json::{Value, from_value, json};

fn response(message: &Value, finish: Option<&str>, tokens: u64) -> ChatCompletionResponse {
    let choice = json!({"index": 0, "message": message, "finish_reason": finish});
    let usage =
        json!({"prompt_tokens": 3, "completion_tokens": tokens, "total_tokens": tokens + 3});
    from_value(json!({"id": "c", "choices": [choice], "usage": usage})).unwrap()
}

fn request() -> ChatCompletionRequest {
    ChatCompletionRequest::new("m", [ChatCompletionMessage::user("u")]).temperature(0.5)
}

/// A text, and a place between two of its characters.
fn cut_texts() -> impl Strategy<Value = (String, usize)> {
    r"[a-zé日🙂 \n\\\u{22}]{0,40}".prop_flat_map(|text: String| {
        let places: Vec<usize> =
            text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        (Just(text), prop::sample::select(places))
    })
}

proptest! {
    #[test]
    fn the_parts_join_to_the_whole(
        (text, cut) in cut_texts(),
        (reasoning, reasoning_cut) in cut_texts(),
        tokens in (0..99_u64, 0..99_u64),
    ) {
        let message = |text: &str, reasoning: &str| {
            json!({"role": "assistant", "content": text, "reasoning_content": reasoning})
        };
        let (first, rest) = text.split_at(cut);
        let (thought, thoughts) = reasoning.split_at(reasoning_cut);
        let partial = response(&message(first, thought), None, tokens.0);
        let whole = partial.joined(response(&message(rest, thoughts), Some("stop"), tokens.1));
        prop_assert_eq!(whole.text(), &*text);
        let known = whole.message().and_then(|message| message.reasoning_content.as_deref());
        prop_assert_eq!(known.unwrap_or_default(), &*reasoning);
        prop_assert_eq!(whole.finish_reason().unwrap().as_str(), "stop");
        prop_assert_eq!(whole.usage.unwrap().completion_tokens, tokens.0 + tokens.1);
    }

    #[test]
    fn a_request_that_continues_is_valid_and_holds_the_whole_part(
        (text, cut) in cut_texts(),
        is_by_message in any::<bool>(),
    ) {
        let partial = response(&json!({"content": text[..cut]}), None, 1);
        let by = if is_by_message { Continuation::instruction() } else { Continuation::FinalMessage };
        let Some(next) = partial.continue_request(&request().stream(true), by) else {
            prop_assert!(cut == 0, "only an empty part has no continuation");
            return Ok(());
        };
        next.validate().unwrap();
        let roles: Vec<Role> = next.messages.iter().map(|message| message.role.clone()).collect();
        let wanted = [Role::User, Role::Assistant, Role::User];
        prop_assert_eq!(&roles[..], if is_by_message { &wanted[..] } else { &wanted[..2] });
        prop_assert_eq!(next.messages[1].text(), &text[..cut]);
        prop_assert_eq!((next.temperature, next.stream), (request().temperature, None));
    }

    /// Cut again and again, each part continues from the text so far.
    #[test]
    fn a_continuation_may_be_cut_as_well(
        parts in prop::collection::vec("[a-z ]{1,8}", 1..6),
    ) {
        let mut so_far: Option<ChatCompletionResponse> = None;
        for part in &parts {
            let part = response(&json!({"content": part}), None, 1);
            so_far = Some(match so_far {
                Some(known) => known.joined(part),
                None => part,
            });
            let known = so_far.as_ref().unwrap();
            let next = known.continue_request(&request(), Continuation::FinalMessage).unwrap();
            prop_assert_eq!(next.messages.len(), 2);
            prop_assert_eq!(next.messages[1].text(), known.text());
        }
        let whole = so_far.unwrap();
        prop_assert_eq!(whole.text(), parts.concat());
    }
}

#[test]
fn log_probabilities_refusals_and_other_choices_are_joined() {
    let part = |tokens: &[&str], refusal: &str, index: u32| {
        let content: Vec<Value> =
            tokens.iter().map(|token| json!({"token": token, "logprob": -0.5})).collect();
        let message = json!({"content": "a", "refusal": refusal});
        json!({"index": index, "message": message, "logprobs": {"content": content}})
    };
    let of = |choices: &[Value]| {
        from_value::<ChatCompletionResponse>(json!({"id": "c", "choices": choices})).unwrap()
    };
    let first = of(&[part(&["a"], "I ca", 0)]);
    let whole = first.joined(of(&[part(&["b", "c"], "n't", 0), part(&["d"], "", 1)]));
    let tokens = |at: usize| -> Vec<&str> {
        let logprobs = whole.choices[at].logprobs.as_ref().unwrap();
        logprobs.content.iter().flatten().map(|entry| entry.token.as_str()).collect()
    };
    assert_eq!((tokens(0), tokens(1)), (vec!["a", "b", "c"], vec!["d"]));
    assert_eq!(whole.choices[0].message.refusal.as_deref(), Some("I can't"));
    assert_eq!((whole.choices.len(), whole.choices[1].index), (2, 1));

    // Without any in the first part, those of the continuation count.
    let mut plain = first;
    plain.choices[0].logprobs = None;
    let joined = plain.joined(of(&[part(&["b"], "", 0)]));
    assert_eq!(joined.choices[0].logprobs.as_ref().unwrap().content.as_ref().unwrap().len(), 1);
}

#[test]
fn an_estimate_of_the_usage_counts_texts_reasoning_and_arguments() {
    let call = json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let message = json!({"content": "four", "reasoning_content": "six ch", "tool_calls": [call]});
    let partial = json!({"choices": [{"message": message}, {"message": {"content": "x"}}]});
    let partial: ChatCompletionResponse = from_value(partial).unwrap();
    let report = partial.usage_or_estimate(&request(), str::len);
    assert!(report.is_estimate);
    let usage = (report.usage.prompt_tokens, report.usage.completion_tokens);
    assert_eq!((usage, report.usage.total_tokens), ((1, 4 + 6 + 2 + 1), 1 + 13));

    let reported = response(&json!({"content": "four"}), None, 7);
    let report = reported.usage_or_estimate(&request(), |_| unreachable!("the server counted"));
    assert_eq!((report.usage.completion_tokens, report.is_estimate), (7, false));
}

#[test]
fn stop_sequences_come_from_one_text_or_many() {
    let stop = |texts: Texts| request().stop(texts).stop.unwrap();
    assert_eq!(stop("a".into()), ["a"]);
    assert_eq!(stop(String::from("a").into()), ["a"]);
    assert_eq!(stop(vec!["a", "b"].into()), ["a", "b"]);
    assert_eq!(stop(["a", "b"][..].into()), ["a", "b"]);
    assert_eq!(stop(["a", "b"].into()), ["a", "b"]);
}

#[test]
fn a_continued_message_keeps_the_name_of_its_author() {
    for name in [Some("n"), None] {
        let partial = response(&json!({"content": "one", "name": name}), None, 1);
        let next = partial.continue_request(&request(), Continuation::FinalMessage).unwrap();
        assert_eq!(next.messages[1].name.as_deref(), name);
    }
}
