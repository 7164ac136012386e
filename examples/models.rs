//! The state of the server, its models, and its list for OpenRouter.
//!
//! Run: `cargo run --example models`
//!
//! You should see that the server is healthy, the IDs of its models, and that one of them is
//! offered.

mod support;

use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;

    let health = client.health().check().await?;
    println!("the server is {}", if health.is_ok() { "well" } else { "not well" });

    let list = client.models().list().await?;
    for model in &list.data {
        println!("{}", model.id);
    }
    let model = support::model("meta-llama/Llama-3.3-70B-Instruct");
    let reply = client.models().retrieve(&model).await?;
    println!("{model} is offered: {}", reply.is_some());

    let any = client.open_router().models().await?;
    println!("{} bytes of JSON for OpenRouter", any.raw().len());
    Ok(())
}
