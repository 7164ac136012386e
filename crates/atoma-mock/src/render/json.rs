use serde_json::Value;

pub(super) fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), quoted)
}

pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

pub(super) fn usage(prompt_tokens: usize, completion_tokens: usize) -> String {
    format!(
        r#"{{"prompt_tokens":{prompt_tokens},"total_tokens":{},"completion_tokens":{completion_tokens},"prompt_tokens_details":null}}"#,
        prompt_tokens + completion_tokens,
    )
}
