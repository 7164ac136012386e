//! Errors that a program can act on: each of these needs a different reaction.
//!
//! Run: `cargo run --example errors`
//!
//! You should see ten calls fail, each with its class, one line for people, and the program's
//! decision. It always talks to a mock, which fails as scripted.

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, Client, Error, ErrorKind, RetryConfig, Timeouts,
};
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
    let stream = async |response: Response| {
        mock.respond(response);
        client.chat().stream(request.clone()).await?.into_response().await
    };

    report("A mistake in the request", create(&request.clone().temperature(9.0)).await.err());

    mock.respond(Response::error(401, "AUTH_ERROR", "Authentication failed"));
    report("A key that is not accepted", create(&request).await.err());

    mock.respond(Response::error(400, "FIAT_PAYMENTS_ONLY", "Only fiat payments are supported"));
    report("An account without balance", create(&request).await.err());

    let long = "This model's maximum context length is 8192 tokens";
    mock.respond(Response::error(400, "REQUEST_ERROR", long));
    report("A conversation that is too long", create(&request).await.err());

    mock.respond(
        Response::error(429, "TOO_MANY_REQUESTS", "Too many requests")
            .header("retry-after", "20")
            .header("x-ratelimit-remaining-requests", "0"),
    );
    report("A busy server", create(&request).await.err());

    mock.respond(Response::raw(200, "text/html", "<html>Log in to the hotel's network</html>"));
    report("Something else than Atoma", create(&request).await.err());

    let nobody = create(&request).server_url("http://127.0.0.1:1").await;
    report("Nobody there", nobody.err());

    let cut = stream(Response::default().truncate_after_events(7)).await;
    report("A stream that ends too early", cut.err());

    let silent = stream(Response::default().only_keep_alive_after(4)).await;
    report("A stream that sends keep-alive comments and nothing else", silent.err());

    let overloaded = json!({ "code": 503, "message": "the node is overloaded" });
    let failed = stream(Response::default().error_after_events(10, overloaded)).await;
    report("An error inside the stream", failed.err());
    Ok(())
}

/// Prints an error for a log: its class, its line, and that of each cause.
fn report(what: &str, error: Option<Error>) {
    let Some(error) = error else { return println!("{what}: it worked") };
    println!("{what}\n  kind:     {:?}\n  error:    {error}", error.kind());
    let mut cause = std::error::Error::source(&error);
    while let Some(below) = cause {
        println!("  cause:    {below}");
        cause = below.source();
    }
    if let Some(limits) = error.rate_limits() {
        println!("  limits:   {:?} requests remain", limits.requests.remaining);
    }
    println!("  decision: {}\n", decide(&error));
}

/// Decides by the class and the other predicates of the error, never by its text.
fn decide(error: &Error) -> String {
    let partial = error.partial().map(|partial| partial.text().into_owned());
    if let Some(text) = partial.filter(|text| !text.is_empty()) {
        return format!("keep {text:?}, which is paid for, and offer another attempt");
    }
    match error.kind() {
        ErrorKind::Config | ErrorKind::InvalidRequest => "fix the program".to_owned(),
        ErrorKind::Authentication | ErrorKind::Permission => "ask for another key".to_owned(),
        ErrorKind::Quota => "ask for credits".to_owned(),
        ErrorKind::ContextLength => "shorten the conversation".to_owned(),
        _ if error.is_retryable() => {
            let wait = error.retry_after().unwrap_or(Duration::from_secs(5));
            let billed = error.may_have_been_processed();
            let price = if billed { ", at the price of another" } else { "" };
            format!("try again in {wait:?}{price}")
        }
        _ => match error.body_excerpt() {
            Some(excerpt) => format!("give up, and log the beginning of the body: {excerpt:?}"),
            None => "give up".to_owned(),
        },
    }
}
