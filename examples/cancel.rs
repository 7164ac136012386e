//! Ending a call early: by dropping the stream, by a timeout, or by any other event.
//!
//! Run: `cargo run --example cancel`
//!
//! You should see three counts stop early, and after each that the server noticed immediately:
//! Atoma stops generating, and billing, when the connection closes. It always talks to a mock,
//! because only a mock can report this.

use atoma::{ChatCompletionMessage, ChatCompletionRequest, ChatCompletionStream, Client};
use atoma_mock::MockServer;
use std::{error::Error, io::Write, time::Duration};
use tokio::time::{Instant, sleep};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mock = MockServer::builder().event_interval(Duration::from_millis(40)).start().await;
    let client = Client::builder().api_key("any").server_url(mock.url()).build()?;
    let request = ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [ChatCompletionMessage::user("Count to 1000.")],
    );

    println!("Dropped after ten chunks:");
    let mut chunks = client.chat().stream(request.clone()).await?;
    for _ in 0..10 {
        print_next(&mut chunks).await?;
    }
    drop(chunks);
    report(&mock, 1).await;

    println!("A second for the whole call:");
    let mut chunks = client.chat().stream(request.clone()).timeout(Duration::from_secs(1)).await?;
    let error = loop {
        match print_next(&mut chunks).await {
            Ok(true) => {}
            Ok(false) => return Err("the count came to its end".into()),
            Err(error) => break error,
        }
    };
    let kept = error.partial().map(|response| response.text().len()).unwrap_or_default();
    print!(" … {error}; {kept} bytes of text are kept in the error");
    report(&mock, 2).await;

    println!("Until something else happens:");
    let mut chunks = client.chat().stream(request).await?;
    let mut something_else = std::pin::pin!(sleep(Duration::from_millis(500)));
    loop {
        tokio::select! {
            more = print_next(&mut chunks) => if !more? { break },
            () = &mut something_else => break,
        }
    }
    drop(chunks);
    report(&mock, 3).await;
    Ok(())
}

/// Prints the next chunk; false at the end. Dropping it half-way loses nothing.
async fn print_next(chunks: &mut ChatCompletionStream) -> atoma::Result<bool> {
    let chunk = chunks.try_next().await?;
    print!("{}", chunk.as_ref().map(|chunk| chunk.text()).unwrap_or_default());
    std::io::stdout().flush().ok();
    Ok(chunk.is_some())
}

/// Waits until the server has seen this many abandoned responses, and returns how long that took.
async fn report(mock: &MockServer, abandoned: usize) {
    let dropped = Instant::now();
    mock.wait_for(|state| state.abandoned == abandoned && state.open_connections == 0).await;
    println!("\n  the server saw the connection close after {:.1?}\n", dropped.elapsed());
}
