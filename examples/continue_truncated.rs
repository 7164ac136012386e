//! A stream that ends too early, continued at that point, and the two parts joined to one response.
//!
//! Run: `cargo run --example continue_truncated`
//!
//! You should see the error, the text that had arrived, the request that continues it, and the whole text. It talks to a
//! mock, which closes the first stream cleanly after four events, as a failing node behind Atoma's proxy does.

use atoma::{ChatCompletionMessage, ChatCompletionRequest, Client, types::Continuation};
use atoma_mock::{MockServer, Response};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mock = MockServer::start().await;
    mock.respond(Response::text("Rome was not built in a day.").truncate_after_events(4));
    let client = Client::builder().api_key("any").server_url(mock.url()).build()?;

    let request = ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [ChatCompletionMessage::user("Tell me a proverb about Rome.")],
    );
    let stream = client.chat().stream(request.clone()).await?;
    let Err(error) = stream.into_response().await else {
        return Err("the stream was complete".into());
    };
    println!("error: {error}");
    let partial = error.into_partial().ok_or("nothing had arrived")?;
    println!("partial text: {:?}", partial.text());
    let usage = partial.usage_or_estimate(&request, |text| text.len().div_ceil(4));
    let mark = if usage.is_estimate { "about " } else { "" };
    println!("tokens: {mark}{}", usage.usage.total_tokens);

    let next = partial
        .continue_request(&request, Continuation::FinalMessage)
        .ok_or("there is no text to continue")?;
    println!("the next request ends with: {:?}", next.messages.last().map(|last| last.text()));

    // A server that continues the message sends the rest of it.
    let rest = "Rome was not built in a day.".replacen(&*partial.text(), "", 1);
    mock.respond(Response::text(rest));
    let rest = client.chat().stream(next).await?.into_response().await?;
    println!("whole text: {:?}", partial.joined(rest).text());
    Ok(())
}
