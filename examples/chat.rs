//! A completion, token by token.
//!
//! Run: `cargo run --example chat`
//!
//! Without a key it starts a mock of Atoma on loopback and talks to that. With
//! `ATOMASDK_BEARER_AUTH` set it calls `https://api.atoma.network`; with `ATOMASDK_SERVER_URL`,
//! that server, with or without a key. `ATOMASDK_MODEL` names another model. The other examples do
//! the same, unless they say otherwise.
//!
//! You should see a greeting appear word by word, then the number of tokens it took.

mod support;

use atoma::{ChatCompletionMessage, ChatCompletionRequest};
use std::{error::Error, io::Write};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;

    let request = ChatCompletionRequest::new(
        support::model("meta-llama/Llama-3.3-70B-Instruct"),
        [
            ChatCompletionMessage::system("You are a helpful AI assistant"),
            ChatCompletionMessage::user("Hello!"),
        ],
    )
    .temperature(0.7)
    .max_completion_tokens(4096);

    let mut chunks = client.chat().stream(request).await?;
    while let Some(chunk) = chunks.try_next().await? {
        print!("{}", chunk.text());
        std::io::stdout().flush()?;
        if let Some(usage) = chunk.usage() {
            println!("\n({} tokens)", usage.total_tokens);
        }
    }
    Ok(())
}
