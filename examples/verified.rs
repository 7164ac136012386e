//! A client that accepts only responses signed by a node it knows.
//!
//! Run: `cargo run --example verified --features verify`
//!
//! You should see a verified response and stream, and then two that fail: one that was altered on
//! the way, and one by another signer. It talks to a mock, which signs with a published test key.

use atoma::{ChatCompletionMessage, ChatCompletionRequest, Client, verify::Verifier};
use atoma_mock::{MockServer, Response};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mock = MockServer::start().await;
    let plain = Client::builder().api_key("any").server_url(mock.url()).build()?;
    let client = plain.verified(Verifier::pinned([mock.signer()])?);
    let request = ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [ChatCompletionMessage::user("Hello!")],
    );

    let reply = client.chat().create(request.clone()).await?;
    println!("{:?}: {}", reply.text(), reply.verified().ok_or("not verified")?);

    // Each chunk is checked before it is returned.
    let mut chunks = client.chat().stream(request.clone()).await?;
    while chunks.try_next().await?.is_some() {}
    println!("a stream: {}", chunks.verified().ok_or("not verified")?);

    mock.respond(Response::text("Hi.").unsigned());
    let error = client.chat().create(request.clone()).await.err().ok_or("accepted")?;
    println!("unsigned: {error} ({:?})", error.trust_failure().map(ToString::to_string));

    let stranger: atoma::verify::SuiAddress = format!("0x{}", "1".repeat(64)).parse()?;
    let strict = plain.verified(Verifier::pinned([stranger])?);
    let error = strict.chat().create(request).await.err().ok_or("accepted")?;
    println!("another signer: {error} ({:?})", error.trust_failure().map(ToString::to_string));
    Ok(())
}
