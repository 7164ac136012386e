//! Further cases of the classes of faults in `fixtures/field.jsonl`: usage, log probabilities, numbers, and the order of JSON.

mod support;

use atoma_types::{
    ChatCompletionChunk, ChatCompletionMessage, ChatCompletionRequest, CompletionRequest,
    StreamOptions, TokenLogprob, Usage,
};
use serde_json::json;
use support::{choices, events, read_body, read_stream};

/// The usage of chunks in order, and that of the response.
#[test]
fn usage_that_says_nothing_erases_nothing() {
    let usage = |prompt: u64, completion: u64, total: u64| json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total});
    for (parts, wanted) in [
        (vec![usage(9, 1, 10), json!({})], [9, 1, 10]),
        (vec![usage(9, 1, 10), json!(null), usage(0, 0, 0)], [9, 1, 10]),
        (vec![usage(9, 1, 10), usage(9, 2, 11)], [9, 2, 11]),
        (vec![usage(9, 0, 9), usage(0, 4, 4)], [9, 4, 13]),
        (vec![usage(9, 0, 0), usage(0, 4, 0)], [9, 4, 13]),
        (vec![json!({"input_tokens": 9}), json!({"output_tokens": 4})], [9, 4, 13]),
        (vec![json!({"prompt_tokens": 9, "completion_tokens": 4})], [9, 4, 13]),
        (vec![json!({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 20})], [9, 4, 20]),
        (
            vec![
                json!({"input_tokens": 9, "output_tokens": 4, "prompt_tokens": 0, "completion_tokens": 0}),
            ],
            [9, 4, 13],
        ),
    ] {
        let chunks: Vec<_> = parts
            .iter()
            .map(|usage| json!({"id": "c", "choices": [{"delta": {"content": "a"}}], "usage": usage}))
            .collect();
        let found = read_stream(&events(&chunks)).response.usage.unwrap();
        assert_eq!(
            [found.prompt_tokens, found.completion_tokens, found.total_tokens],
            wanted,
            "{parts:?}"
        );
    }
    let details = json!({"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}});
    let chunks = [
        json!({"id": "c", "choices": [], "usage": details}),
        json!({"id": "c", "choices": [],
        "usage": {"completion_tokens": 2, "prompt_tokens_details": {}}}),
    ];
    let usage: Usage = read_stream(&events(&chunks)).response.usage.unwrap();
    assert_eq!(usage.prompt_tokens_details.unwrap().cached_tokens, Some(1));
}

#[test]
fn log_probabilities_that_are_unknown_are_never_certain() {
    for (wire, wanted, written) in [
        (json!(null), None, json!(null)),
        (json!(-0.5), Some(-0.5), json!(-0.5)),
        (json!("-0.5"), Some(-0.5), json!(-0.5)),
        (json!("-inf"), Some(f64::MIN), json!(f64::MIN)),
        (json!("-Infinity"), Some(f64::MIN), json!(f64::MIN)),
        (json!(0), Some(0.0), json!(0.0)),
    ] {
        let entry = json!({"token": "A", "logprob": wire, "top_logprobs": [{"token": "B", "logprob": wire}]});
        let body =
            json!({"choices": [{"message": {"content": "A"}, "logprobs": {"content": [entry]}}]});
        let response = read_body(&body.to_string()).response;
        let logprobs = response.choices[0].logprobs.clone().unwrap();
        let token = &logprobs.content.as_ref().unwrap()[0];
        assert_eq!((token.logprob, token.top_logprobs[0].logprob), (wanted, wanted), "{wire}");
        assert_eq!(
            serde_json::to_value(&logprobs).unwrap()["content"][0]["logprob"],
            written,
            "{wire}"
        );
    }
    let older = |token: &str| {
        json!({"index": 0, "delta": {"content": token}, "logprobs": {
        "tokens": [token], "token_logprobs": [-0.1], "top_logprobs": [{token: -0.1}], "text_offset": [0]}})
    };
    let response = choices(&[older("A"), older("A")]).response;
    let logprobs = serde_json::to_value(response.choices[0].logprobs.clone()).unwrap();
    assert_eq!(logprobs["tokens"], json!(["A", "A"]));
    assert_eq!(logprobs["top_logprobs"], json!([{"A": -0.1}, {"A": -0.1}]));
}

#[test]
fn the_bytes_of_a_token_are_written_only_if_there_are_any() {
    for (name, bytes, written) in [
        ("none", None, None),
        ("null", Some(json!(null)), None),
        ("an empty list", Some(json!([])), Some(json!([]))),
        ("a list", Some(json!([72, 105])), Some(json!([72, 105]))),
    ] {
        let mut likely = json!({"token": "A", "logprob": -0.5});
        if let Some(bytes) = bytes {
            likely["bytes"] = bytes;
        }
        let mut entry = likely.clone();
        entry["top_logprobs"] = json!([likely]);
        let token: TokenLogprob = serde_json::from_value(entry).unwrap();
        let token = serde_json::to_value(&token).unwrap();
        assert_eq!(token.get("bytes"), written.as_ref(), "{name}");
        assert_eq!(token["top_logprobs"][0].get("bytes"), written.as_ref(), "{name}");
    }
}

#[test]
fn integers_beyond_64_bits_keep_their_digits() {
    let digits = "123456789012345678901234567890";
    let json = format!(
        r#"{{"id":{digits},"x":[{digits},{{"y":-{digits}}}],"z":1e300,"choices":[{{"delta":{{"content":"a"}}}}]}}"#
    );
    let chunk = ChatCompletionChunk::from_slice(json.as_bytes()).unwrap();
    assert_eq!(chunk.id, digits);
    assert_eq!(chunk.extra.get("x"), Some(&json!([digits, {"y": format!("-{digits}")}])));
    assert_eq!(chunk.extra.get("z"), Some(&json!(1e300)));
    assert_eq!(chunk.text(), "a");
    let whole = read_body(&json.replace("delta", "message")).response;
    assert_eq!((whole.id.as_str(), whole.text().as_ref()), (digits, "a"));
    let largest = format!(r#"{{"x":{},"choices":[]}}"#, u64::MAX);
    let chunk = ChatCompletionChunk::from_slice(largest.as_bytes()).unwrap();
    assert_eq!(chunk.extra.get("x"), Some(&json!(u64::MAX)));
}

#[test]
fn requests_hold_nothing_that_can_be_left_out_and_keep_the_callers_order() {
    let request = || ChatCompletionRequest::new("m", [ChatCompletionMessage::user("a")]);
    let plain = request().to_vec().unwrap();
    let empty: [(&str, f32); 0] = [];
    for empty in [
        request().tools([]),
        request().functions([]),
        request().stop([""; 0]),
        request().logit_bias(empty),
        request().stream_options(StreamOptions::none()),
    ] {
        assert_eq!(empty.to_vec().unwrap(), plain);
    }
    let schema = json!({"zebra": {"type": "string"}, "apple": {"b": 1, "a": 2}, "mango": []});
    let sent = request().extra("guided_json", schema.clone()).to_vec().unwrap();
    let text = String::from_utf8(sent).unwrap();
    assert!(
        text.contains(r#"{"zebra":{"type":"string"},"apple":{"b":1,"a":2},"mango":[]}"#),
        "{text}"
    );
}

#[test]
fn empty_lists_and_maps_of_a_request_are_read_as_absent() {
    let empty = json!({"stop": [], "logit_bias": {}, "stream_options": {}});
    let completion: CompletionRequest = serde_json::from_value(empty.clone()).unwrap();
    assert_eq!(completion, CompletionRequest::default());
    let mut empty = empty;
    empty["tools"] = json!([]);
    empty["functions"] = json!([]);
    let chat: ChatCompletionRequest = serde_json::from_value(empty).unwrap();
    assert_eq!(chat, ChatCompletionRequest::default());
}
