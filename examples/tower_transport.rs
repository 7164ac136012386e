//! The client over a `tower::Service`, with whatever layers you have around it.
//!
//! Run: `cargo run --example tower_transport --features tower`
//!
//! You should see four calls made at once answered in two pairs, since tower's limit lets only two
//! through at a time. It always talks to a mock, which takes 300 ms for each answer.

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, Client,
    transport::{
        Body, BoxError, Delivery, ErrorKind, HyperTransport, Request, ResponseFuture, Transport,
        TransportError,
    },
};
use atoma_mock::{MockServer, Response};
use std::{error::Error, fmt, time::Duration, time::Instant};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

/// Sends each request through a clone of the service.
struct TowerTransport<S>(S);

impl<S, B> Transport for TowerTransport<S>
where
    S: Service<Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn send(&self, request: Request) -> ResponseFuture {
        let service = self.0.clone();
        Box::pin(async move {
            let outcome = service.oneshot(request).await;
            outcome.map(|response| response.map(Body::new)).map_err(|error| no_answer(error.into()))
        })
    }
}

/// A layer's own error says nothing of whether the request was sent; one of a transport does.
fn no_answer(error: BoxError) -> TransportError {
    match error.downcast::<TransportError>() {
        Ok(error) => *error,
        Err(error) => TransportError::new(ErrorKind::Other, Delivery::Unknown).with_source(error),
    }
}

impl<S> fmt::Debug for TowerTransport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TowerTransport")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mock = MockServer::start().await;
    mock.always(Response::default().delay_head(Duration::from_millis(300)));

    let hyper = HyperTransport::new()?;
    let service = ServiceBuilder::new()
        .concurrency_limit(2)
        .service(service_fn(move |request| hyper.send(request)));
    let client = Client::builder()
        .api_key("any")
        .server_url(mock.url())
        .transport(TowerTransport(service))
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
        let hyper = HyperTransport::new().unwrap();
        let transport = TowerTransport(service_fn(move |request| hyper.send(request)));
        contract::check(&transport, &server, &TokioTimer).await.unwrap();
    }
}
