//! The contract suite: honest transports pass it, and it notices each way to break it.

use atoma_transport::{
    Body, Delivery, ErrorKind, Request, Response, Retry, RetryBudget, RetryConfig, Timeout,
    Timeouts, Transport, TransportError,
    testing::{LoopbackServer, ManualTimer, ScriptedTransport, contract},
    transport_fn,
};
use bytes::Bytes;
use contract::{ContractServer, Scene};
use http_body::Body as _;
use std::{future::poll_fn, pin::Pin};

fn scripted() -> (ScriptedTransport, ManualTimer) {
    let timer = ManualTimer::new();
    (ScriptedTransport::new([]).timer(timer.clone()), timer)
}

/// Checks a transport that sends through `server`, and returns the promise that it broke.
fn broken<T: Transport>(wrap: impl FnOnce(ScriptedTransport) -> T) -> String {
    let (server, timer) = scripted();
    let transport = wrap(server.clone());
    let outcome = timer.run(contract::check(&transport, &server, &timer));
    outcome.map_or_else(|broken| broken.to_string(), |()| "none".into())
}

#[test]
fn the_scripted_transport_keeps_the_contract() {
    assert_eq!(broken(|server| server), "none");
}

#[cfg(feature = "hyper")]
#[tokio::test]
async fn the_hyper_transport_keeps_the_contract() {
    use atoma_transport::{HyperTransport, Proxy, TokioTimer};
    let server = LoopbackServer::start().unwrap();
    let transport = HyperTransport::builder().proxy(Proxy::none()).build().unwrap();
    contract::check(&transport, &server, &TokioTimer).await.unwrap();
}

#[test]
fn timeouts_keep_the_contract() {
    let timed = |server| Timeout::new(server, ManualTimer::new(), Timeouts::default());
    assert_eq!(broken(timed), "none");
}

#[test]
fn a_retry_layer_without_retries_keeps_the_contract() {
    let off = |server| Retry::new(server, ManualTimer::new()).config(RetryConfig::none());
    assert_eq!(broken(off), "none");
}

#[test]
fn retries_break_the_contract() {
    let (server, timer) = scripted();
    // The script has no exchange for a retry, so the first status that is retried breaks it.
    let retry = Retry::new(server.clone(), timer.clone()).budget(RetryBudget::default());
    let broken = timer.run(contract::check(&retry, &server, &timer)).unwrap_err();
    assert!(broken.to_string().contains("exactly one exchange"), "{broken}");
    assert!(format!("{broken:?}").starts_with(&broken.to_string()), "{broken:?}");
    assert!(format!("{broken:#?}").starts_with("BrokenPromise {\n"), "{broken:#?}");
}

#[test]
fn an_error_for_a_status_breaks_the_contract() {
    let said = broken(|server| {
        through(server, |response| async move {
            if response.status().is_server_error() {
                return Err(TransportError::new(ErrorKind::Other, Delivery::Unknown));
            }
            Ok(response)
        })
    });
    assert!(said.contains("any status is Ok"), "{said}");
}

#[test]
fn reading_the_body_first_breaks_the_contract() {
    let said = broken(|server| {
        through(server, |response| async move {
            let (head, mut body) = response.into_parts();
            let mut all = Vec::new();
            while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                all.extend_from_slice(&frame?.into_data().unwrap());
            }
            Ok(Response::from_parts(head, Body::from(all)))
        })
    });
    assert!(said.contains("the head is returned before the body"), "{said}");
}

#[test]
fn keeping_the_exchange_alive_breaks_the_contract() {
    let said = broken(|server| {
        through(server, |response| async move {
            if response.body().is_end_stream() {
                return Ok(response);
            }
            let (head, body) = response.into_parts();
            let body = Box::leak(Box::new(body));
            Ok(Response::from_parts(head, Body::new(body)))
        })
    });
    assert!(said.contains("dropping the body ends the exchange"), "{said}");
}

#[test]
fn ending_an_interrupted_body_cleanly_breaks_the_contract() {
    struct Deaf(Body);

    impl http_body::Body for Deaf {
        type Data = Bytes;
        type Error = TransportError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, TransportError>>> {
            Pin::new(&mut self.0).poll_frame(cx).map(|frame| frame?.ok().map(Ok))
        }
    }

    let said = broken(|server| {
        through(
            server,
            |response| async move { Ok(response.map(|body| Body::streamed(Deaf(body)))) },
        )
    });
    assert!(said.contains("an interrupted body ends in one error"), "{said}");
}

#[test]
fn an_inexact_error_breaks_the_contract() {
    let careless = |sent| {
        broken(move |server: ScriptedTransport| {
            transport_fn(move |request| {
                let exchange = server.send(request);
                async move {
                    exchange
                        .await
                        .map_err(|error| TransportError::new(error.kind(), sent).with_source(error))
                }
            })
        })
    };
    let said = careless(Delivery::NotSent);
    assert!(said.contains("an error without a response has Delivery::Unknown"), "{said}");
    let said = careless(Delivery::Unknown);
    assert!(said.contains("an error without a connection has Delivery::NotSent"), "{said}");
}

/// Sends with `server` and returns the response that `change` makes.
fn through<F, R>(server: ScriptedTransport, change: F) -> impl Transport
where
    F: Fn(Response) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Response, TransportError>> + Send + 'static,
{
    transport_fn(move |request: Request| {
        let (exchange, change) = (server.send(request), change.clone());
        async move { change(exchange.await?).await }
    })
}

#[test]
fn the_loopback_server_responds_to_plain_sockets() {
    use std::io::{Read, Write};
    let server = LoopbackServer::start().unwrap();
    let uri = server.play(Scene::Respond(429, vec![Bytes::from_static(b"slow down")]));
    let authority = uri.authority().unwrap().as_str();
    let mut socket = std::net::TcpStream::connect(authority).unwrap();
    let request = format!("POST {} HTTP/1.1\r\ncontent-length: 2\r\n\r\n{{}}", uri.path());
    socket.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 429 "), "{response}");
    assert!(response.ends_with("content-length: 9\r\n\r\nslow down"), "{response}");
    let [received] = &server.received()[..] else { panic!() };
    assert_eq!((received.uri().path(), &received.body()[..]), (uri.path(), &b"{}"[..]));
}
