//! A custom transport: here one that logs the exchanges of another.
//!
//! Run: `cargo run --example custom_transport`
//!
//! You should see two exchanges logged, the first with an error status, and then the response:
//! retries, timeouts, the key and errors belong to the client and still work. It always talks to a
//! mock.

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, Client,
    transport::{HyperTransport, Request, ResponseFuture, Transport},
};
use atoma_mock::{MockServer, Response};
use std::{error::Error, time::Instant};

/// Logs each exchange of the transport inside: a line when the head of the response is in.
///
/// No header is logged: the key is in one.
#[derive(Debug)]
struct Logged<T>(T);

impl<T: Transport> Transport for Logged<T> {
    fn send(&self, request: Request) -> ResponseFuture {
        let line = format!("{} {}", request.method(), request.uri());
        let started = Instant::now();
        let exchange = self.0.send(request);
        Box::pin(async move {
            let outcome = exchange.await;
            let elapsed = started.elapsed();
            match &outcome {
                Ok(response) => println!("  {line} -> {} in {elapsed:.1?}", response.status()),
                Err(error) => println!("  {line} -> {error} in {elapsed:.1?}"),
            }
            outcome
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mock = MockServer::start().await;
    mock.respond(Response::error(503, "SERVICE_UNAVAILABLE", "Service unavailable"));

    let client = Client::builder()
        .api_key("any")
        .server_url(mock.url())
        .transport(Logged(HyperTransport::new()?))
        .build()?;
    let request = ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [ChatCompletionMessage::user("Count to 5.")],
    );
    println!("{}", client.chat().create(request).await?.text());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoma_transport::{
        TokioTimer,
        testing::{LoopbackServer, contract},
    };

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let server = LoopbackServer::start().unwrap();
        let transport = Logged(HyperTransport::new().unwrap());
        contract::check(&transport, &server, &TokioTimer).await.unwrap();
    }
}
