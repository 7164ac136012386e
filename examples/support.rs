//! Shared code of the examples: the client, and the model.

#![allow(dead_code, reason = "each example uses a part of it")]

use atoma::{Client, ClientBuilder};
use atoma_mock::MockServer;
use std::{env, time::Duration};

/// Returns a client of the server that the environment names; without a key and a server, of a mock on
/// loopback, which runs as long as it is held.
pub(crate) async fn client() -> atoma::Result<(Client, Option<MockServer>)> {
    client_with(|builder| builder).await
}

/// Returns such a client with other settings.
pub(crate) async fn client_with(
    configure: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> atoma::Result<(Client, Option<MockServer>)> {
    if env::var_os("ATOMASDK_BEARER_AUTH").is_some() {
        return Ok((configure(Client::builder().from_env()?).build()?, None));
    }
    if let Ok(url) = env::var("ATOMASDK_SERVER_URL") {
        // A server in the local network often has neither a key nor a certificate.
        let builder = Client::builder().server_url(url).without_api_key().allow_http(true);
        return Ok((configure(builder).build()?, None));
    }
    let mock = MockServer::builder().event_interval(Duration::from_millis(40)).start().await;
    let builder = Client::builder().api_key("any").server_url(mock.url());
    Ok((configure(builder).build()?, Some(mock)))
}

/// Returns the model that `ATOMASDK_MODEL` names, for servers that have others; otherwise `usual`.
pub(crate) fn model(usual: &str) -> String {
    env::var("ATOMASDK_MODEL").unwrap_or_else(|_| usual.to_owned())
}
