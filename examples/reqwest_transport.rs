//! The client over an existing `reqwest::Client`.
//!
//! Run: `cargo run --example reqwest_transport --features reqwest`
//!
//! You should see a count to ten, number by number, carried by reqwest. No key is needed; see `chat`
//! for how to talk to a real server.

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, Client, ClientBuilder,
    transport::{Body, Delivery, ErrorKind, Request, ResponseFuture, Transport, TransportError},
};
use atoma_mock::MockServer;
use std::{env, error::Error, io::Write, time::Duration};

/// Sends each request through reqwest.
#[derive(Debug)]
struct ReqwestTransport(reqwest::Client);

impl Transport for ReqwestTransport {
    fn send(&self, request: Request) -> ResponseFuture {
        let client = self.0.clone();
        Box::pin(async move {
            let request = reqwest::Request::try_from(request).map_err(no_response)?;
            let response = client.execute(request).await.map_err(no_response)?;
            Ok(http::Response::<reqwest::Body>::from(response).map(Body::new))
        })
    }
}

/// Only a failure to connect proves that nothing was sent.
fn no_response(error: reqwest::Error) -> TransportError {
    let (kind, sent) = match () {
        () if error.is_builder() => (ErrorKind::Request, Delivery::NotSent),
        () if error.is_connect() => (ErrorKind::Connect, Delivery::NotSent),
        () => (ErrorKind::ConnectionLost, Delivery::Unknown),
    };
    TransportError::new(kind, sent).with_source(error.without_url())
}

/// Redirects and retries would break the contract: the key must not travel, and a completion costs
/// money. The client has its own retries.
fn reqwest_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(Duration::from_secs(10))
        .build()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    use_ring();
    let mock = MockServer::builder().event_interval(Duration::from_millis(40)).start().await;
    let builder = match (env::var_os("ATOMASDK_BEARER_AUTH"), env::var("ATOMASDK_SERVER_URL")) {
        (Some(_), _) => ClientBuilder::default().from_env()?,
        (None, Ok(url)) => Client::builder().server_url(url).without_api_key(),
        (None, Err(_)) => Client::builder().api_key("any").server_url(mock.url()),
    };
    let client = builder.transport(ReqwestTransport(reqwest_client()?)).build()?;

    let request = ChatCompletionRequest::new(
        env::var("ATOMASDK_MODEL").unwrap_or("meta-llama/Llama-3.3-70B-Instruct".to_owned()),
        [ChatCompletionMessage::user("Count to ten.")],
    );
    let mut chunks = client.chat().stream(request).await?;
    while let Some(chunk) = chunks.try_next().await? {
        print!("{}", chunk.text());
        std::io::stdout().flush()?;
    }
    println!();
    Ok(())
}

/// reqwest was built without a crypto provider, to spare the examples a second one.
fn use_ring() {
    // An error means that a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
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
        use_ring();
        let server = LoopbackServer::start().unwrap();
        let transport = ReqwestTransport(reqwest_client().unwrap());
        contract::check(&transport, &server, &TokioTimer).await.unwrap();
    }
}
