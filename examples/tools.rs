//! A model that calls functions of yours: the loop that runs them and gives the results back.
//!
//! Run: `cargo run --example tools`
//!
//! You should see the model call `get_current_weather` with a city, and then an answer made of what
//! that returned. No key is needed; see `chat` for how to talk to a real server.

mod support;

use atoma::{ChatCompletionMessage, ChatCompletionRequest, ChatCompletionToolsParam, ToolCall};
use serde_json::json;
use std::error::Error;

/// How often the model may ask for tools before it has to answer.
const MOST_ROUNDS: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;
    let question = "What is the weather in Lisbon?";
    let mut request = ChatCompletionRequest::new(
        support::model("meta-llama/Llama-3.3-70B-Instruct"),
        [ChatCompletionMessage::user(question)],
    )
    .tool(
        ChatCompletionToolsParam::function("get_current_weather")
            .description("Get the current weather in a location")
            .parameters(json!({
                "type": "object",
                "properties": { "location": { "type": "string", "description": "A city" } },
                "required": ["location"]
            })),
    );

    println!("user:  {question}");
    for _ in 0..MOST_ROUNDS {
        let reply = client.chat().create(request.clone()).await?;
        if reply.tool_calls().is_empty() {
            println!("model: {}", reply.text());
            return Ok(());
        }
        // The message that calls goes back as it came, then one message for each result.
        request.messages.extend(reply.message().cloned());
        for call in reply.tool_calls() {
            println!("model: calls {}({})", call.function.name, call.function.arguments);
            let result = run(call);
            println!("tool:  {result}");
            request.messages.push(ChatCompletionMessage::tool(&call.id, result));
        }
    }
    Err("the model went on calling tools".into())
}

/// Runs one call. What is wrong with it is told to the model, which may then do better.
fn run(call: &ToolCall) -> String {
    let arguments = match call.arguments_json() {
        Ok(arguments) => arguments,
        Err(error) => return format!("the arguments cannot be read: {error}"),
    };
    match (call.function.name.as_str(), arguments["location"].as_str()) {
        ("get_current_weather", Some(location)) => format!("22 °C and sunny in {location}"),
        ("get_current_weather", None) => "the argument location is missing".to_owned(),
        (name, _) => format!("there is no tool {name}"),
    }
}
