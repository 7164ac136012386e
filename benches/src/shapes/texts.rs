//! The texts that are read: chunks and bodies of each shape.

use crate::traffic::token;
use base64::{Engine as _, prelude::BASE64_STANDARD};

/// The number of embeddings in a response, and of numbers in each.
const EMBEDDINGS: (usize, usize) = (1_000, 1_536);

/// The chunks of a stream, for a number of events.
pub(super) fn chunks(shape: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| chunk(shape, number)).collect()
}

fn chunk(shape: &str, number: usize) -> String {
    let text = quoted(token(number));
    let (mut index, mut rest) = (0, "");
    let mut delta = format!(r#""content":{text}"#);
    let mut logprobs = "null".to_owned();
    let usage;
    match shape {
        "unlike members" if number % 2 == 1 => rest = r#","stop_reason":null"#,
        "log probabilities" => logprobs = logprobs_of(number),
        "tool calls" => {
            let (call, function) = (number / 500, format!(r#"{{"arguments":{text}}}"#));
            delta = format!(r#""tool_calls":[{{"index":{call},"function":{function}}}]"#);
        }
        "reasoning" => delta = format!(r#""reasoning_content":{text}"#),
        "four choices" => index = number % 4,
        "content parts" => delta = format!(r#""content":[{{"type":"text","text":{text}}}]"#),
        _ => {}
    }
    let choice = match shape {
        "completions" => {
            format!(r#""index":0,"text":{text},"logprobs":null,"finish_reason":null"#)
        }
        _ => format!(
            r#""index":{index},"delta":{{{delta}}},"logprobs":{logprobs},"finish_reason":null{rest}"#
        ),
    };
    rest = match shape {
        "usage" => {
            let (completion, total) = (number + 1, number + 12);
            usage = format!(
                r#","usage":{{"prompt_tokens":11,"completion_tokens":{completion},"total_tokens":{total}}}"#
            );
            &usage
        }
        _ => "",
    };
    let object = if shape == "completions" { "text_completion" } else { "chat.completion.chunk" };
    format!(
        r#"{{"id":"chatcmpl-5f2c1f0a9b7e4d3c8a6b","object":"{object}","created":1795435200,"model":"meta-llama/Llama-3.3-70B-Instruct","choices":[{{{choice}}}]{rest}}}"#
    )
}

/// The five likeliest tokens, with their bytes.
fn logprobs_of(number: usize) -> String {
    let likely: Vec<_> = (0..5).map(|rank| format!("{{{}}}", logprob(number + 3 * rank))).collect();
    let (token, likely) = (logprob(number), likely.join(","));
    format!(r#"{{"content":[{{{token},"top_logprobs":[{likely}]}}],"refusal":null}}"#)
}

fn logprob(number: usize) -> String {
    let text = token(number);
    let digits = (number * 7_919 + 12_345) * 65_537 % 1_000_000_007 * 999_983;
    format!(
        r#""token":{},"logprob":-{}.{digits:015},"bytes":{:?}"#,
        quoted(text),
        number % 7,
        text.as_bytes()
    )
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A whole response with about this many bytes of content.
pub(super) fn body(size: usize) -> String {
    let mut text = String::new();
    let mut number = 0;
    while text.len() < size {
        text.push_str(token(number));
        number += 1;
    }
    format!(
        r#"{{"id":"chatcmpl-5f2c1f0a9b7e4d3c8a6b","object":"chat.completion","created":1795435200,"model":"meta-llama/Llama-3.3-70B-Instruct","choices":[{{"index":0,"message":{{"role":"assistant","content":{}}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":11,"completion_tokens":17,"total_tokens":28}}}}"#,
        quoted(&text)
    )
}

/// A response of embeddings.
pub(super) fn embeddings(is_base64: bool) -> String {
    let (count, length) = EMBEDDINGS;
    let number = |row: usize, column: usize| {
        let digits = (row * column * 7_919 + column * 104_729 + 1) * 65_537 % 1_000_000_007;
        let sign = if (row + column).is_multiple_of(2) { "" } else { "-" };
        format!("{sign}0.0{digits:010}")
    };
    let embedding = |row| {
        let numbers = (0..length).map(|column| number(row, column));
        if !is_base64 {
            return format!("[{}]", numbers.collect::<Vec<_>>().join(","));
        }
        let bytes: Vec<u8> = numbers
            .flat_map(|text| text.parse::<f32>().unwrap_or_default().to_le_bytes())
            .collect();
        format!("\"{}\"", BASE64_STANDARD.encode(bytes))
    };
    let data: Vec<_> = (0..count)
        .map(|row| {
            let embedding = embedding(row);
            format!(r#"{{"object":"embedding","index":{row},"embedding":{embedding}}}"#)
        })
        .collect();
    let data = data.join(",");
    format!(
        r#"{{"object":"list","data":[{data}],"model":"m","usage":{{"prompt_tokens":9,"total_tokens":9}}}}"#
    )
}
