//! The same as `chat`, without async: a unary response, then an iterator of chunks.
//!
//! Run: `cargo run --example chat_blocking`
//!
//! You should see one greeting and a count to ten, number by number. No key is needed; see `chat`
//! for how to talk to a real server.

use atoma::{ChatCompletionMessage, ChatCompletionRequest, ClientBuilder, blocking::Client};
use atoma_mock::MockServer;
use std::{env, error::Error, io::Write, time::Duration};

fn main() -> Result<(), Box<dyn Error>> {
    let mock = MockServer::builder().event_interval(Duration::from_millis(40)).start_blocking();
    let builder = match (env::var_os("ATOMASDK_BEARER_AUTH"), env::var("ATOMASDK_SERVER_URL")) {
        (Some(_), _) => ClientBuilder::default().from_env()?,
        (None, Ok(url)) => ClientBuilder::default().server_url(url).without_api_key(),
        (None, Err(_)) => ClientBuilder::default().api_key("any").server_url(mock.url()),
    };
    let client = Client::from_client(builder.build()?)?;
    let model = env::var("ATOMASDK_MODEL");
    let model = model.as_deref().unwrap_or("meta-llama/Llama-3.3-70B-Instruct");

    let hello = ChatCompletionRequest::new(model, [ChatCompletionMessage::user("Hello!")]);
    let reply = client.chat().create(hello).send()?;
    println!("{}", reply.text());

    let count = ChatCompletionRequest::new(model, [ChatCompletionMessage::user("Count to ten.")]);
    for chunk in client.chat().stream(count).timeout(Duration::from_secs(60)).send()? {
        print!("{}", chunk?.text());
        std::io::stdout().flush()?;
    }
    println!();
    Ok(())
}
