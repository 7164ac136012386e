//! Row 90: a good stream has the same content however its bytes are split.

use crate::lab::{
    CANARY, Script, request,
    responses::{DONE, STREAM, completion, event, events, finish},
    serve, within,
};
use atoma::{ChatCompletionChunk, ChatCompletionStream, Client};
use atoma_transport::testing::{Exchange, ManualTimer, ScriptedTransport};

/// Good streams of every kind, named after their special property.
fn streams() -> Vec<(&'static str, String)> {
    let chunk =
        |delta: &str| event("X").replacen("{\"role\":\"assistant\",\"content\":\"X\"}", delta, 1);
    let tools = [
        "{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}",
        "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"x\\\":\"}}]}",
        "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]}",
    ];
    let usage = "data: {\"id\":\"lab-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\
                 \"model\":\"lab-model\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\
                 \"completion_tokens\":2,\"total_tokens\":3}}\n\n";
    let fields = "\u{feff}: hello\nretry: 10\nid: 7\nevent: message\ndata: {\"id\":\"lab-1\",\n\
                  data: \"choices\":[{\"index\":0,\"delta\":\n\
                  data:{\"content\":\"in lines\"}}]}\n\n:\n\n";
    vec![
        ("plain", events("Hello")),
        ("CR LF", events("Hello").replace('\n', "\r\n")),
        ("CR", events("Hello").replace('\n', "\r")),
        ("characters of up to four bytes", events("é ✓ 🦀 \\ud83e\\udd80 \\u00e9")),
        ("every field", [fields, &finish(), DONE].concat()),
        ("tool calls and usage", tools.map(chunk).concat() + &finish() + usage + DONE),
        ("reasoning", chunk("{\"reasoning_content\":\"hm\"}") + &events("so")),
        ("no [DONE]", event("Hel") + &event("lo") + &finish()),
        ("no last blank line", events("Hello").trim_end().to_owned()),
        ("JSON in place of a stream", completion("Hello")),
    ]
}

/// The chunks of a stream that arrives in these pieces.
fn read(pieces: &[&[u8]]) -> Vec<ChatCompletionChunk> {
    let response = Exchange::respond(200).header("content-type", "text/event-stream");
    let response = pieces.iter().fold(response, |response, piece| response.body(piece.to_vec()));
    let timer = ManualTimer::new();
    let client = Client::builder()
        .api_key(CANARY)
        .transport(ScriptedTransport::new([response]))
        .timer(timer.clone())
        .build()
        .unwrap();
    timer.run(async { chunks(client.chat().stream(request()).await.unwrap()).await })
}

async fn chunks(mut stream: ChatCompletionStream) -> Vec<ChatCompletionChunk> {
    let mut chunks = Vec::new();
    while let Some(chunk) = stream.try_next().await.unwrap() {
        chunks.push(chunk);
    }
    chunks
}

#[test]
fn row_090_the_same_at_every_cut() {
    for (name, stream) in streams() {
        let bytes = stream.as_bytes();
        let whole = read(&[bytes]);
        assert!(!whole.is_empty(), "{name}");
        for cut in 1..bytes.len() {
            let (left, right) = bytes.split_at(cut);
            assert_eq!(read(&[left, right]), whole, "{name}, cut at {cut}");
        }
        for size in 1..=17 {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(read(&pieces), whole, "{name}, in pieces of {size}");
        }
    }
}

#[tokio::test]
async fn row_090_byte_by_byte_from_a_socket() {
    for (name, stream) in streams() {
        println!("case: {name}");
        let whole = read(&[stream.as_bytes()]);
        let dripping = Script::on_request().drip([STREAM, &stream].concat());
        let lab = serve([dripping]).start().await;
        let read = within(chunks(lab.open().await.unwrap())).await;
        assert_eq!(read, whole);
        lab.healthy().await;
    }
}
