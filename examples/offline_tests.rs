//! How to test an application that uses this SDK, without a network, a key or a wait.
//!
//! Run: `cargo run --example offline_tests` for the application against a mock, and
//! `cargo test -p atoma-examples --example offline_tests` for its tests.
//!
//! You should see a headline, or three tests pass: one over a real connection to a scripted server,
//! one in memory, and one in which a minute passes instantly.

use atoma::{ChatCompletionMessage, ChatCompletionRequest, Client};
use atoma_mock::{MockServer, Response};

/// The application: a headline for a text, or the beginning of the text if no model is available.
async fn headline(client: &Client, text: &str) -> atoma::Result<String> {
    let request = ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [
            ChatCompletionMessage::system("Response with a headline for the text, nothing else."),
            ChatCompletionMessage::user(text),
        ],
    )
    .max_completion_tokens(30);
    match client.chat().create(request).await {
        Ok(reply) => Ok(reply.text().trim().to_owned()),
        Err(error) if error.is_retryable() => Ok(text.chars().take(12).collect::<String>() + "…"),
        Err(error) => Err(error),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mock = MockServer::start().await;
    mock.respond(Response::text("Tomatoes Up, Soup To Follow"));
    let client = Client::builder().api_key("any").server_url(mock.url()).build()?;
    println!("{}", headline(&client, "The price of tomatoes rose by a tenth.").await?);
    println!("Its tests: cargo test -p atoma-examples --example offline_tests");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoma_transport::testing::{Exchange, ManualTimer, ScriptedTransport};
    use std::time::Duration;

    const TEXT: &str = "The price of tomatoes rose by a tenth.";

    /// Everything is real except the server: sockets, HTTP, the wire format.
    #[tokio::test]
    async fn the_text_is_sent_and_the_headline_comes_back() {
        let mock = MockServer::start().await;
        mock.respond(Response::text(" Tomatoes Up \n"));
        let client = Client::builder().api_key("k").server_url(mock.url()).build().unwrap();

        assert_eq!(headline(&client, TEXT).await.unwrap(), "Tomatoes Up");

        let request = &mock.requests()[0];
        assert_eq!(request.bearer(), Some("k"));
        assert_eq!(request.json()["messages"][1]["content"], TEXT);
    }

    /// No sockets and no runtime: the transport responds from memory.
    #[test]
    fn a_refused_key_is_not_hidden() {
        let body = r#"{"error": {"code": "AUTH_ERROR", "message": "Authentication failed"}}"#;
        let server = ScriptedTransport::new([Exchange::respond(401).body(body)]);
        let timer = ManualTimer::new();

        let error = timer.run(headline(&client(&server, &timer), TEXT)).unwrap_err();

        assert_eq!(error.api_error().unwrap().code.as_deref(), Some("AUTH_ERROR"));
        assert_eq!(server.requests().len(), 1);
    }

    /// Time is passed in too, so waiting for a busy server costs the test nothing.
    #[test]
    fn a_server_that_stays_busy_is_not_waited_for_for_ever() {
        let busy = || Exchange::respond(429).header("retry-after", "30");
        let server = ScriptedTransport::new([busy(), busy(), busy()]);
        let timer = ManualTimer::new();

        let headline = timer.run(headline(&client(&server, &timer), TEXT)).unwrap();

        assert_eq!(headline, "The price of…");
        assert_eq!(server.requests().len(), 3);
        assert!(timer.elapsed() >= Duration::from_secs(60));
    }

    fn client(server: &ScriptedTransport, timer: &ManualTimer) -> Client {
        let builder = Client::builder().api_key("k");
        builder.transport(server.clone()).timer(timer.clone()).build().unwrap()
    }
}
