//! Which failures are retried, when, and which are not: a completion costs money.
//!
//! Run: `cargo run --example retries`
//!
//! You should see a call succeed at its third attempt, after the wait that the server asked for;
//! then one that is configured to be sent only once, one that would have to wait too long, and two
//! that no retry could help. It always talks to a mock, which fails as scripted.

use atoma::{
    BackoffStrategy, ChatCompletionMessage, ChatCompletionRequest, Client, Error, RetryConfig,
};
use atoma_mock::{MockServer, Response};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mock = MockServer::start().await;
    let busy = Response::error(429, "TOO_MANY_REQUESTS", "Too many requests");
    let down = Response::error(503, "SERVICE_UNAVAILABLE", "Service unavailable");

    // The defaults are three attempts, and half a second doubling up to eight between them.
    let retries = RetryConfig::default().max_attempts(4).backoff(
        BackoffStrategy::default()
            .initial_interval(Duration::from_millis(200))
            .max_elapsed_time(Duration::from_secs(30)),
    );
    let client = Client::builder()
        .api_key("any")
        .server_url(mock.url())
        .retries(retries)
        .on_retry(|event| println!("  ({}: waiting {:.1?})", event.cause, event.wait))
        .build()?;
    let request = ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [ChatCompletionMessage::user("Count to 3.")],
    );

    println!("A server that is down, then busy, then well:");
    mock.respond(down.clone()).respond(busy.clone().header("retry-after", "1"));
    let reply = client.chat().create(request.clone()).await?;
    println!("  {}", reply.text());
    println!("  {}", reply.attempts());

    mock.respond(down);
    let once = client.chat().create(request.clone()).retries(RetryConfig::none());
    report("Retries switched off for one call", once.await.err());

    mock.respond(busy.header("retry-after", "3600"));
    report(
        "Asked to wait for longer than a minute",
        client.chat().create(request.clone()).await.err(),
    );

    mock.respond(Response::error(402, "BALANCE_ERROR", "Insufficient balance"));
    report("No balance", client.chat().create(request.clone()).await.err());

    // The response had begun: sending again would pay for it twice.
    mock.respond(Response::text("one two three").reset_after_events(2));
    let begun = client.chat().stream(request).await?.into_response().await;
    report("A connection lost in the middle of a response", begun.err());
    Ok(())
}

fn report(what: &str, error: Option<Error>) {
    let Some(error) = error else { return println!("\n{what}: it worked") };
    println!("\n{what}: {error}");
    println!("  attempts: {}", error.attempts().count);
    println!("  worth trying again: {}", error.is_retryable());
    if let Some(wait) = error.retry_after() {
        println!("  not before: {wait:?}");
    }
    println!("  may have been billed: {}", error.may_have_been_processed());
}
