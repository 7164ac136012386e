//! The number of compute units that a request asks for.

use serde_json::Value;

/// The units that a lock has by default.
const USUAL: u64 = 8192;
/// The units of an image, its pixels, at the size that the server assumes.
const IMAGE: u64 = 1024 * 1024;
/// The bytes of text that count as one token.
const BYTES_PER_TOKEN: u64 = 4;

/// Returns the units to lock for this request: the tokens of prompt and output together, 8192 at
/// least; for images the pixels, 1048576 at least.
pub(super) fn units(path: &str, body: &Value) -> u64 {
    if path == "/images/generations" {
        let count = body["n"].as_u64().unwrap_or(1).max(1);
        return count.saturating_mul(pixels(body["size"].as_str().unwrap_or(""))).max(IMAGE);
    }
    let prompt = [&body["messages"], &body["prompt"], &body["input"]].map(text_size);
    let prompt = prompt.iter().sum::<u64>().div_ceil(BYTES_PER_TOKEN);
    let output = body["max_completion_tokens"].as_u64().or(body["max_tokens"].as_u64());
    let output = output.unwrap_or(if prompt > USUAL / 2 { USUAL } else { 0 });
    let choices = body["n"].as_u64().unwrap_or(1).max(1);
    output.saturating_mul(choices).saturating_add(prompt).max(USUAL)
}

fn pixels(size: &str) -> u64 {
    let sides = size.split_once('x').and_then(|(width, height)| {
        Some(width.parse::<u64>().ok()?.saturating_mul(height.parse().ok()?))
    });
    sides.unwrap_or(IMAGE)
}

/// The bytes of the text in a prompt or in messages. Images are not text.
fn text_size(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64,
        Value::Array(items) => items.iter().map(text_size).sum(),
        Value::Number(_) => BYTES_PER_TOKEN,
        Value::Object(members) => {
            ["content", "text"].iter().filter_map(|name| members.get(*name)).map(text_size).sum()
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::units;
    use serde_json::json;

    #[test]
    fn long_chats_and_images_ask_for_more_than_the_usual_units() {
        let chat = "/chat/completions";
        let long = "x".repeat(40_000);
        for (path, body, expected) in [
            (chat, json!({"messages": [{"content": "hi"}]}), 8192),
            (chat, json!({"messages": [{"content": "abcd"}], "max_tokens": 20_000}), 20_001),
            (chat, json!({"messages": [{"content": [{"type": "text", "text": long}]}]}), 18_192),
            (chat, json!({"messages": [], "max_completion_tokens": 5000, "n": 2}), 10_000),
            (chat, json!({"max_completion_tokens": u64::MAX, "n": 9}), u64::MAX),
            ("/completions", json!({"prompt": [1, 2, 3], "max_tokens": 8192}), 8195),
            ("/embeddings", json!({"input": "a"}), 8192),
            ("/images/generations", json!({"n": 1, "size": "256x256"}), 1024 * 1024),
            ("/images/generations", json!({"n": 2, "size": "1024x1024"}), 2 * 1024 * 1024),
            ("/images/generations", json!({"size": "auto"}), 1024 * 1024),
        ] {
            assert_eq!(units(path, &body), expected, "{path}");
        }
    }
}
