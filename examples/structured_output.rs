//! A response that fits a JSON schema, read into a Rust type.
//!
//! Run: `cargo run --example structured_output --features derive`
//!
//! You should see a `Recipe`, filled (by the mock, with anything that fits the schema). No key is
//! needed; see `chat` for how to talk to a real server.

mod support;

use atoma::{ChatCompletionMessage, ChatCompletionRequest, FinishReason, types::JsonSchemaFormat};
use serde::Deserialize;
use serde_json::json;
use std::error::Error;

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "the fields are only printed")]
struct Recipe {
    title: String,
    minutes: u32,
    vegetarian: bool,
    ingredients: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;

    let schema = json!({
        "type": "object",
        "properties": {
            "title": { "type": "string" },
            "minutes": { "type": "integer", "minimum": 1, "maximum": 240 },
            "vegetarian": { "type": "boolean" },
            "ingredients": { "type": "array", "items": { "type": "string" }, "minItems": 2 }
        },
        "required": ["title", "minutes", "vegetarian", "ingredients"],
        "additionalProperties": false
    });
    let request = ChatCompletionRequest::new(
        support::model("meta-llama/Llama-3.3-70B-Instruct"),
        [ChatCompletionMessage::user("A recipe for a tomato soup, please.")],
    )
    .response_format(JsonSchemaFormat::new("recipe", schema).strict(true));

    let reply = client.chat().create(request).await?;
    if reply.finish_reason() == Some(&FinishReason::Length) {
        return Err("the response was cut short: ask with a greater max_completion_tokens".into());
    }
    let recipe: Recipe = serde_json::from_str(&reply.text())?;
    println!("{recipe:#?}");
    Ok(())
}
