//! Spans of calls and attempts, printed by a subscriber.
//!
//! Run: `cargo run --example tracing --features tracing`
//!
//! You should see each span as it ends: an attempt that the mock refuses with a 503, the retry, the second attempt, and the
//! call that they belong to, with its model, tokens and finish reason; then a stream that breaks off, with the time to its
//! first token and its error. No text of the conversation is among them: `Tracing::content` adds it.

use atoma::{ChatCompletionMessage, ChatCompletionRequest, Client, Tracing};
use atoma_mock::{MockServer, Response};
use std::{error::Error, io, time::Duration};
use tracing_subscriber::fmt::format::FmtSpan;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(io::stdout)
        .with_span_events(FmtSpan::CLOSE)
        .without_time()
        .init();
    let mock = MockServer::builder().event_interval(Duration::from_millis(40)).start().await;
    mock.respond(Response::error(503, "SERVICE_UNAVAILABLE", "Service unavailable"));
    mock.respond(Response::text("Hello there."));
    mock.respond(Response::text("Once upon a time there was").truncate_after_events(3));

    let client =
        Client::builder().api_key("any").server_url(mock.url()).observer(Tracing::new()).build()?;
    let request = ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [ChatCompletionMessage::user("Tell me a story.")],
    )
    .temperature(0.7);

    let reply = client.chat().create(request.clone()).await?;
    println!("the first call returned {:?}", reply.text());

    let truncated = client.chat().stream(request).await?.into_response().await;
    println!("the second call failed: {}", truncated.expect_err("the mock truncates it"));
    Ok(())
}
