//! The adapters for tower services.

use atoma_transport::{
    Delivery, ErrorKind, Request, Response, TowerTransport, Transport, TransportError,
    TransportService,
    testing::{Exchange, ManualTimer, ScriptedTransport, contract},
};
use std::{
    io,
    task::{Context, Poll},
};
use tower_service::Service;

#[test]
fn both_adapters_together_keep_the_contract() {
    let (timer, server) = (ManualTimer::new(), ScriptedTransport::default());
    let server = server.timer(timer.clone());
    let transport = TowerTransport::new(TransportService::new(server.clone()));
    timer.run(contract::check(&transport, &server, &timer)).unwrap();
}

/// A service that fails with `error`, either before or while it sends.
#[derive(Clone)]
struct Failing {
    is_ready: bool,
}

impl Service<Request> for Failing {
    type Response = Response;
    type Error = io::Error;
    type Future = std::future::Ready<Result<Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_ready { Poll::Ready(Ok(())) } else { Poll::Ready(Err(io::Error::other("full"))) }
    }

    fn call(&mut self, _: Request) -> Self::Future {
        std::future::ready(Err(io::Error::other("lost")))
    }
}

#[test]
fn errors_of_a_service_say_whether_the_request_was_sent() {
    let timer = ManualTimer::new();
    for (is_ready, delivery) in [(false, Delivery::NotSent), (true, Delivery::Unknown)] {
        let transport = TowerTransport::new(Failing { is_ready });
        let error = timer.run(transport.send(Request::default())).unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Other, delivery));
    }
}

#[test]
fn a_transport_error_passes_a_service_unchanged() {
    let lost = TransportError::new(ErrorKind::ConnectionLost, Delivery::NotSent);
    let server = ScriptedTransport::new([Exchange::fail(lost)]);
    let transport = TowerTransport::new(TransportService::new(server));
    let error = ManualTimer::new().run(transport.send(Request::default())).unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::ConnectionLost, Delivery::NotSent));
}
