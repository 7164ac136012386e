//! The output of a relay reads back as the same stream: for every stream of the corpora, and for any.

use super::{
    check, events,
    support::{chunk, event},
};
use atoma::transport::testing::{Exchange, ManualTimer};
use proptest::{collection::vec, option, prelude::*};
use serde_json::{Value, json};

#[tokio::test]
async fn every_stream_of_the_corpora_reads_back_as_the_same_chunks() {
    let mut relayed = 0;
    for (corpus, cases) in [
        ("tolerance", include_str!("../fixtures/tolerance.jsonl")),
        ("more", include_str!("../fixtures/tolerance-more.jsonl")),
        ("field", include_str!("../fixtures/field.jsonl")),
    ] {
        for line in cases.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let exchange = || {
                let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
                let content_type = case["content_type"].as_str().unwrap_or_default();
                Exchange::respond(status)
                    .header("content-type", content_type)
                    .body(case["raw"].as_str().unwrap().to_owned())
            };
            let n = case["n"].as_u64().map_or(1, |n| u32::try_from(n).unwrap());
            let name = format!("{corpus} {}", case["id"]);
            relayed += usize::from(check(&name, exchange, n).await.is_some());
        }
    }
    assert!(relayed > 150, "{relayed} of the cases are streams");
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        texts().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-z]{1,6}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Texts with everything that a line of an event, or JSON, has to escape.
fn texts() -> impl Strategy<Value = String> {
    r"([a-z:é日🙂\u{0}-\u{1f}\u{7f}\u{2028}\u{2029}\u{feff}\\\u{22} \r\n]|data: |\[DONE\]){0,12}"
}

fn deltas() -> impl Strategy<Value = Value> {
    let call = (option::of("[a-z]{1,4}"), option::of("[a-z_]{1,8}"), texts()).prop_map(
        |(id, name, arguments)| {
            let function = json!({"name": name, "arguments": arguments});
            json!({"index": 0, "id": id, "function": function})
        },
    );
    let texts = (option::of(texts()), option::of(texts()), option::of(texts()));
    (texts, option::of(call), option::of(values())).prop_map(|(texts, call, more)| {
        let mut delta = json!({"role": "assistant"});
        for (name, text) in
            [("content", texts.0), ("reasoning_content", texts.1), ("refusal", texts.2)]
        {
            if let Some(text) = text {
                delta[name] = text.into();
            }
        }
        if let Some(call) = call {
            delta["tool_calls"] = json!([call]);
        }
        if let Some(more) = more {
            delta["x_vendor"] = more;
        }
        delta
    })
}

fn chunks() -> impl Strategy<Value = Value> {
    let choice = (0..3_u32, deltas(), option::of("stop|length|tool_calls|[a-z]{1,5}")).prop_map(
        |(index, delta, finish)| json!({"index": index, "delta": delta, "finish_reason": finish}),
    );
    (vec(choice, 0..3), option::of(0..9999_u32), option::of(values()), texts()).prop_map(
        |(choices, usage, more, id)| {
            let mut chunk = json!({
                "id": id, "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": choices,
            });
            if let Some(tokens) = usage {
                chunk["usage"] = json!({"completion_tokens": tokens, "total_tokens": tokens});
            }
            if let Some(more) = more {
                chunk["x_vendor"] = more;
            }
            chunk
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_stream_reads_back_as_the_same_chunks(chunks in vec(chunks(), 0..8), is_done in any::<bool>()) {
        // Where the first index is another one, the client has to wait for the server's first number.
        let mut stream: String = event(chunk("")) + &chunks.iter().map(event).collect::<String>();
        if is_done {
            stream += "data: [DONE]\n\n";
        }
        ManualTimer::new().run(check("any", || events(stream.clone()), 3));
    }
}
