//! A stream as typed events: content, tool calls with their arguments as they grow, usage, finish.
//!
//! Run: `cargo run --example events`
//!
//! You should see a tool call start, its arguments parsed as far as they go, the whole call, the usage and the finish
//! reason. It talks to a mock, which asks for the weather.

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, ChatCompletionToolsParam, ChatEvent, Client,
};
use atoma_mock::{MockServer, Response};
use serde_json::json;
use std::{error::Error, time::Duration};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mock = MockServer::builder().event_interval(Duration::from_millis(40)).start().await;
    mock.respond(Response::tool_call("get_weather", json!({"city": "Paris", "days": 3})));
    let client = Client::builder().api_key("any").server_url(mock.url()).build()?;

    let request = ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [ChatCompletionMessage::user("What is the weather in Paris?")],
    )
    .tool(ChatCompletionToolsParam::function("get_weather"));

    let mut events = client.chat().stream(request).await?.events();
    while let Some(event) = events.try_next().await? {
        match event {
            ChatEvent::ContentDelta { delta, .. } => print!("{delta}"),
            ChatEvent::ToolCallStarted { name, .. } => println!("call of {name} starts"),
            ChatEvent::ToolCallDelta { choice, call, delta, .. } => {
                let so_far = events.arguments(choice, call).map(ToString::to_string);
                println!("  {delta:<12} {}", so_far.unwrap_or_default());
            }
            ChatEvent::ToolCallDone { tool_call, .. } => {
                println!("call of {} with {}", tool_call.name(), tool_call.function.arguments);
            }
            ChatEvent::Usage(usage) => println!("{} tokens so far", usage.total_tokens),
            ChatEvent::Finish { reason, .. } => println!("finished: {}", reason.as_str()),
            _ => {}
        }
    }
    Ok(())
}
