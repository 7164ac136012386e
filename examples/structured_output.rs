//! A Rust type, filled by the model: at the end, and while it is written.
//!
//! Run: `cargo run --example structured_output --features derive`
//!
//! You should see a recipe grow, member by member, then the whole `Recipe`, and then the same asked of a server that knows
//! tools but no schemas. The mock fills them with whatever fits. No key is needed; see `chat` for how to talk to a real
//! server.

mod support;

use atoma::{ChatCompletionMessage, ChatCompletionRequest, ParseMode, ParseOutcome};
use schemars::JsonSchema;
use serde::Deserialize;
use std::error::Error;

/// A recipe for two
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "the fields are only printed")]
struct Recipe {
    title: String,
    /// From the first cut to the table
    minutes: u32,
    course: Course,
    ingredients: Vec<Ingredient>,
    /// Left out if it goes with everything
    wine: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
enum Course {
    Starter,
    Main,
    Dessert,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "the fields are only printed")]
struct Ingredient {
    name: String,
    grams: Option<f64>,
}

/// A `Recipe` of which any member may be missing yet.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(dead_code, reason = "the fields are only printed")]
struct Growing {
    title: String,
    minutes: Option<u32>,
    course: Option<Course>,
    ingredients: Vec<serde_json::Value>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;
    let request = ChatCompletionRequest::new(
        support::model("meta-llama/Llama-3.3-70B-Instruct"),
        [ChatCompletionMessage::user("A recipe for a tomato soup, please.")],
    );

    let mut stream = client.chat().parse::<Recipe>(request.clone()).stream().await?;
    let mut last = String::new();
    while stream.next_ref().await?.is_some() {
        // Only what is certain: a text may still grow, a number or the name of an enum does not.
        let growing = format!("{:?}", stream.read_as::<Growing>().unwrap_or_default());
        if growing != last {
            println!("{growing}");
            last = growing;
        }
    }
    let parsed = stream.into_response().await?;
    match parsed.outcome() {
        ParseOutcome::Parsed(recipe) => println!("\n{recipe:#?}"),
        ParseOutcome::Refused(why) => println!("the model refused: {why}"),
        ParseOutcome::Truncated => println!("ask again with more tokens than {}", parsed.text()),
        other => println!("{other:?}: {}", parsed.text()),
    }

    let call = client.chat().parse::<Recipe>(request).mode(ParseMode::ToolCall);
    let recipe: Recipe = call.await?.into_parsed()?;
    println!("\nas the arguments of a tool: {}, a {:?}", recipe.title, recipe.course);
    Ok(())
}
