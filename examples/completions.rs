//! Completions of plain text: a unary response, and a stream of text.
//!
//! Run: `cargo run --example completions`
//!
//! You should see two completions of the same prompt, the second word by word, and why each stopped.

mod support;

use atoma::CompletionRequest;
use std::{error::Error, io::Write};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;
    let request = CompletionRequest::new(
        support::model("meta-llama/Llama-3.3-70B-Instruct"),
        "Once upon a time",
    )
    .max_tokens(64);

    let reply = client.completions().create(request.clone()).await?;
    println!("{}\n(stopped: {:?})", reply.text(), reply.finish_reason());

    let mut text = client.completions().stream(request).await?.text();
    while let Some(piece) = text.try_next().await? {
        print!("{piece}");
        std::io::stdout().flush()?;
    }
    let response = text.into_response().await?;
    println!("\n(stopped: {:?})", response.finish_reason());
    Ok(())
}
