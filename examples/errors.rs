//! Errors a program can act on: each of these needs something else done.
//!
//! Run: `cargo run --example errors`
//!
//! You should see eight calls fail, each with one line for people and the decision that a program
//! takes. It always talks to a mock, which fails to order.

use atoma::{ChatCompletionMessage, ChatCompletionRequest, Client, Error, RetryConfig, Timeouts};
use atoma_mock::{MockServer, Response};
use serde_json::json;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mock = MockServer::start().await;
    let client = Client::builder()
        .api_key("any")
        .server_url(mock.url())
        .retries(RetryConfig::none())
        .stream_timeouts(Timeouts::default().idle(Duration::from_millis(200)))
        .build()?;
    let request = ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [ChatCompletionMessage::user("Count to ten.")],
    );
    let create = |request: &ChatCompletionRequest| client.chat().create(request.clone());
    let stream = async |answer: Response| {
        mock.respond(answer);
        client.chat().stream(request.clone()).await?.into_response().await
    };

    tell("A mistake in the request", create(&request.clone().temperature(9.0)).await.err());

    mock.respond(Response::error(401, "AUTH_ERROR", "Authentication failed"));
    tell("A key that is not accepted", create(&request).await.err());

    mock.respond(
        Response::error(429, "TOO_MANY_REQUESTS", "Too many requests").header("retry-after", "20"),
    );
    tell("A busy server", create(&request).await.err());

    mock.respond(Response::raw(200, "text/html", "<html>Log in to the hotel's network</html>"));
    tell("Something else than Atoma", create(&request).await.err());

    let nobody = create(&request).server_url("http://127.0.0.1:1").await;
    tell("Nobody there", nobody.err());

    let cut = stream(Response::default().truncate_after_events(7)).await;
    tell("A stream that ends too early", cut.err());

    let silent = stream(Response::default().only_keep_alive_after(4)).await;
    tell("A stream that sends keep-alive comments and nothing else", silent.err());

    let overloaded = json!({ "code": 503, "message": "the node is overloaded" });
    let failed = stream(Response::default().error_after_events(10, overloaded)).await;
    tell("An error inside the stream", failed.err());
    Ok(())
}

/// Prints an error as a log should have it: its line, and that of each cause below.
fn tell(what: &str, error: Option<Error>) {
    let Some(error) = error else { return println!("{what}: it worked") };
    println!("{what}\n  error:    {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(below) = cause {
        println!("  cause:    {below}");
        cause = below.source();
    }
    println!("  decision: {}\n", decide(&error));
}

/// What a program does about it. No text is looked at, only what the error answers.
fn decide(error: &Error) -> String {
    if error.is_config() || error.is_invalid_request() {
        return "mend the program; nothing was sent".to_owned();
    }
    if error.status().is_some_and(|status| status == 401 || status == 403) {
        return "ask for another key".to_owned();
    }
    let partial = error.partial().map(|partial| partial.text().into_owned());
    if let Some(text) = partial.filter(|text| !text.is_empty()) {
        return format!("keep {text:?}, which is paid for, and offer to try again");
    }
    if error.is_retryable() {
        let wait = error.retry_after().unwrap_or(Duration::from_secs(5));
        let price = if error.may_have_been_processed() { ", at the price of another" } else { "" };
        return format!("try again in {wait:?}{price}");
    }
    match error.body_excerpt() {
        Some(excerpt) => format!("give up, and log what came: {excerpt:?}"),
        None => "give up".to_owned(),
    }
}
