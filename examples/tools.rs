//! A model that calls functions, which the client runs.
//!
//! Run: `cargo run --example tools --features derive`
//!
//! You should see the model call `get_weather` with a city, the approval of the call, and then a text
//! made from its result. No key is needed; see `chat` for how to talk to a real server.

mod support;

use atoma::{Approval, ChatCompletionMessage, ChatCompletionRequest, Tool, ToolCall, ToolEvent};
use schemars::JsonSchema;
use serde::Deserialize;
use std::error::Error;

#[derive(Deserialize, JsonSchema)]
struct WeatherArgs {
    /// The name of a city
    city: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;
    let weather = Tool::new("get_weather", "The weather of a city", async |args: WeatherArgs| {
        if args.city.is_empty() {
            // The model reads the error, and can try again.
            return Err("the city is empty".into());
        }
        Ok(format!("22 °C and sunny in {}", args.city))
    });

    let question = "What is the weather in Lisbon?";
    println!("user:  {question}");
    let request = ChatCompletionRequest::new(
        support::model("meta-llama/Llama-3.3-70B-Instruct"),
        [ChatCompletionMessage::user(question)],
    );
    let mut run = client.chat().run_tools(request, &[weather]).max_rounds(5).approve(
        async |call: ToolCall| {
            println!("asked: {}({})", call.name(), call.function.arguments);
            Approval::Allow
        },
    );
    while let Some(event) = run.next().await? {
        if let ToolEvent::Step(step) = event {
            println!("tool:  {}", step.content);
        }
    }
    println!("model: {}", run.text());
    println!("{} rounds, {} tokens", run.rounds(), run.usage().total_tokens);
    Ok(())
}
