use super::json::quoted;
use crate::tokens::{count, tokens};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

/// The length of a vector if the request does not say.
const DIMENSIONS: usize = 16;
/// The most that a request can ask for.
const MOST_DIMENSIONS: u64 = 8192;

/// Renders the vectors of an embeddings request: one for each input.
pub(crate) fn embeddings(request: &Value, with_usage: bool) -> String {
    let dimensions = match request["dimensions"].as_u64() {
        Some(dimensions) => dimensions.clamp(1, MOST_DIMENSIONS) as usize,
        None => DIMENSIONS,
    };
    let base64 = request["encoding_format"] == "base64";
    let inputs = inputs(&request["input"]);
    let data: Vec<String> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let vector = vector(input, dimensions);
            let embedding = if base64 { in_base64(&vector) } else { in_numbers(&vector) };
            format!(r#"{{"object":"embedding","embedding":{embedding},"index":{index}}}"#)
        })
        .collect();
    let usage = if with_usage {
        let tokens: usize = inputs.iter().map(|input| count(input)).sum();
        format!(r#","usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}"#)
    } else {
        String::new()
    };
    let model = quoted(request["model"].as_str().unwrap_or(""));
    format!(r#"{{"object":"list","data":[{}],"model":{model}{usage}}}"#, data.join(","))
}

/// One text, several, a list of tokens, or several lists. A token counts as a word.
fn inputs(input: &Value) -> Vec<String> {
    let words =
        |tokens: &[Value]| tokens.iter().map(|token| format!(" {token}")).collect::<String>();
    match input {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) if items.iter().any(Value::is_number) => vec![words(items)],
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::Array(tokens) => words(tokens),
                item => item.as_str().unwrap_or("").to_owned(),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// A vector of length one that depends on the words of a text alone: texts that share words are similar.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f32; dimensions];
    for token in tokens(&text.to_lowercase()) {
        let mut seed = token.trim().bytes().fold(0xcbf2_9ce4_8422_2325, fnv1a);
        for sum in &mut sums {
            seed = fnv1a(seed, 1);
            // The upper 24 bits, as a number from -1 to 1.
            *sum += (seed >> 40) as f32 / (1_u32 << 23) as f32 - 1.0;
        }
    }
    let length = sums.iter().map(|sum| sum * sum).sum::<f32>().sqrt();
    if length == 0.0 {
        sums[0] = 1.0;
        return sums;
    }
    sums.iter().map(|sum| sum / length).collect()
}

fn fnv1a(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
}

fn in_numbers(vector: &[f32]) -> String {
    let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
    format!("[{}]", numbers.join(","))
}

/// Little-endian floats of 4 bytes.
fn in_base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    quoted(&STANDARD.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(request: &Value) -> Value {
        serde_json::from_str(&embeddings(request, true)).unwrap()
    }

    fn cosine(one: &str, other: &str) -> f32 {
        vector(one, 16).iter().zip(vector(other, 16)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn both_encodings_hold_the_same_numbers() {
        let floats = render(&json!({"model": "m", "input": "Hello", "dimensions": 3}));
        let base64 = render(
            &json!({"model": "m", "input": "Hello", "dimensions": 3, "encoding_format": "base64"}),
        );
        let text = base64["data"][0]["embedding"].as_str().unwrap();
        let bytes = STANDARD.decode(text).unwrap();
        let decoded: Vec<f32> =
            bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        assert_eq!(decoded, vector("Hello", 3));
        let numbers = floats["data"][0]["embedding"].as_array().unwrap();
        let numbers: Vec<f32> =
            numbers.iter().map(|number| number.to_string().parse().unwrap()).collect();
        assert_eq!(numbers, decoded);
        assert_eq!(floats["usage"], json!({"prompt_tokens": 1, "total_tokens": 1}));
    }

    #[test]
    fn every_input_has_a_vector() {
        for (input, wanted) in [
            (json!("a"), 1),
            (json!(""), 1),
            (json!(["a", "b"]), 2),
            (json!([1, 2]), 1),
            (json!([[1], [2]]), 2),
        ] {
            let response = render(&json!({ "input": input }));
            assert_eq!(response["data"].as_array().unwrap().len(), wanted, "{input}");
        }
        assert!(!embeddings(&json!({"input": "a"}), false).contains("usage"));
    }

    #[test]
    fn texts_that_share_words_are_similar() {
        let related = cosine("the cat sat on the mat", "the cat sat");
        let unrelated = cosine("the cat sat on the mat", "quarterly revenue grew");
        assert!(related > 0.7 && related > unrelated + 0.2, "{related} {unrelated}");
        assert!((cosine("a b", "a b") - 1.0).abs() < 1e-5);
    }
}
