//! The client over a `tower::Service` with any layers around it.
//!
//! Run: `cargo run --example tower_transport --features tower`
//!
//! You should see four concurrent calls complete in two pairs, because tower's limit lets only two
//! through at a time. It always talks to a mock, which takes 300 ms for each response.

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, Client,
    transport::{HyperTransport, TowerTransport, TransportService},
};
use atoma_mock::{MockServer, Response};
use std::{
    error::Error,
    time::{Duration, Instant},
};
use tower::ServiceBuilder;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mock = MockServer::start().await;
    mock.always(Response::default().delay_head(Duration::from_millis(300)));

    let service = ServiceBuilder::new()
        .concurrency_limit(2)
        .service(TransportService::new(HyperTransport::new()?));
    let client = Client::builder()
        .api_key("any")
        .server_url(mock.url())
        .transport(TowerTransport::new(service))
        .build()?;

    let started = Instant::now();
    let ask = async |number: u32| {
        let count = ChatCompletionMessage::user(format!("Count to {number}."));
        let request = ChatCompletionRequest::new("meta-llama/Llama-3.3-70B-Instruct", [count]);
        let reply = client.chat().create(request).await?;
        println!("after {:.1?}: {}", started.elapsed(), reply.text());
        Ok::<_, atoma::Error>(())
    };
    tokio::try_join!(ask(3), ask(4), ask(5), ask(6))?;
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
        let service = TransportService::new(HyperTransport::new().unwrap());
        let transport = TowerTransport::new(service);
        contract::check(&transport, &server, &TokioTimer).await.unwrap();
    }
}
