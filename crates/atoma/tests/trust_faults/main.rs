//! The faults of verified and confidential calls: rows 130 to 148 of `FAULTS.md`.

mod locks;
#[cfg(target_os = "linux")]
#[path = "../support/memory.rs"]
mod memory;
#[path = "../support/confidential_proxy.rs"]
mod proxy;
mod responses;
#[path = "../support/mod.rs"]
mod support;

use atoma::{Client, Error, RetryConfig, transport::testing::ManualTimer};
use atoma_mock::MockServer;
use proxy::{Play, Proxy};
use std::time::Duration;
use support::{chunk, completion, last_chunk, request};

/// A client of the mock that waits for 1 ms between its attempts.
pub(crate) fn client_of_mock(mock: &MockServer) -> Client {
    let backoff = atoma::BackoffStrategy::default().initial_interval(Duration::from_millis(1));
    let retries = RetryConfig::default().backoff(backoff);
    let builder = Client::builder().api_key("any-secret-key").server_url(mock.url());
    builder.retries(retries).build().unwrap()
}

pub(crate) fn create(client: &Client, timer: &ManualTimer) -> Result<String, Error> {
    let reply = timer.run(client.confidential().chat().create(request()))?;
    Ok(reply.text().into_owned())
}

pub(crate) fn stream(client: &Client, timer: &ManualTimer) -> Result<String, Error> {
    timer.run(async {
        let stream = client.confidential().chat().stream(request()).await?;
        Ok(stream.into_response().await?.text().into_owned())
    })
}

/// The next calls of the same client succeed, now that nothing tampers with locks and responses.
pub(crate) fn next_calls_succeed(client: &Client, proxy: &Proxy, timer: &ManualTimer) {
    *proxy.lock_response.lock().unwrap() = None;
    *proxy.secrets.lock().unwrap() = vec![0x23];
    let next = vec![chunk("ne"), chunk("xt"), last_chunk()];
    let plays = [Play::Seal(completion("next")), Play::Stream(next)];
    *proxy.plays.lock().unwrap() = plays.into();
    assert_eq!(create(client, timer).unwrap(), "next");
    assert_eq!(stream(client, timer).unwrap(), "next");
}

/// The next calls of a client of the mock succeed.
pub(crate) async fn mock_responds_again(client: &Client) {
    client.confidential().chat().create(request()).await.unwrap();
    let stream = client.confidential().chat().stream(request()).await.unwrap();
    stream.into_response().await.unwrap();
}

/// Asserts that nothing that was sent or received is in any text of the error.
pub(crate) fn shows_no_text(error: &Error, name: &str) {
    let shown = format!("{error} {error:?} {error:#?} {:?}", error.body_excerpt());
    assert!(!shown.contains("canary") && !shown.contains("Hello!"), "{name}: {shown}");
}
