use crate::{
    Body, BoxError, Delivery, ErrorKind, Request, Response, ResponseFuture, Transport,
    TransportError,
};
use bytes::Bytes;
use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};
use tower_service::Service;

/// A [`Transport`] that sends each request through a clone of a tower service.
///
/// The service must not retry or follow redirects: see the contract of [`Transport`]. Errors that
/// are a [`TransportError`] pass as they are; others become [`ErrorKind::Other`] with
/// [`Delivery::Unknown`].
///
/// ```
/// use atoma_transport::{TowerTransport, TransportService, testing::ScriptedTransport};
///
/// let service = TransportService::new(ScriptedTransport::new([]));
/// let transport = TowerTransport::new(service); // with tower's layers in between
/// ```
pub struct TowerTransport<S> {
    /// Behind a lock, so that the service need not be `Sync`; it is held for the clone only.
    service: Mutex<S>,
}

impl<S> TowerTransport<S> {
    /// Wraps a service.
    pub const fn new(service: S) -> Self {
        Self { service: Mutex::new(service) }
    }
}

impl<S, B> Transport for TowerTransport<S>
where
    S: Service<Request, Response = http::Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn send(&self, request: Request) -> ResponseFuture {
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(|error| {
                // The request has not left this function.
                to_transport_error(error.into(), Delivery::NotSent)
            })?;
            match service.call(request).await {
                Ok(response) => Ok(response.map(Body::new)),
                Err(error) => Err(to_transport_error(error.into(), Delivery::Unknown)),
            }
        })
    }
}

fn to_transport_error(error: BoxError, delivery: Delivery) -> TransportError {
    match error.downcast::<TransportError>() {
        Ok(error) => *error,
        Err(error) => TransportError::new(ErrorKind::Other, delivery).with_source(error),
    }
}

impl<S> fmt::Debug for TowerTransport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TowerTransport")
    }
}

/// A tower service that sends each request with a [`Transport`]. It is always ready.
#[derive(Debug)]
pub struct TransportService<T> {
    transport: Arc<T>,
}

impl<T: Transport> TransportService<T> {
    /// Wraps a transport.
    pub fn new(transport: T) -> Self {
        Self { transport: Arc::new(transport) }
    }
}

impl<T> Clone for TransportService<T> {
    fn clone(&self) -> Self {
        Self { transport: Arc::clone(&self.transport) }
    }
}

impl<T: Transport> Service<Request> for TransportService<T> {
    type Response = Response;
    type Error = TransportError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> ResponseFuture {
        self.transport.send(request)
    }
}
