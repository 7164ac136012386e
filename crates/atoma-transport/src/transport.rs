use crate::{Body, TransportError};
use bytes::Bytes;
use std::{fmt, future::Future, pin::Pin, sync::Arc};

/// A request with its whole body in memory, so that it can be sent again unchanged.
///
/// Options of a single call are in its extensions: [`Timeouts`](crate::Timeouts),
/// [`Deadline`](crate::Deadline), [`RetryConfig`](crate::RetryConfig).
pub type Request = http::Request<Bytes>;

/// A response whose head has arrived and whose body has not been read yet.
pub type Response = http::Response<Body>;

/// The future that [`Transport::send`] returns: the head of the response, or an error.
pub type ResponseFuture =
    Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + 'static>>;

/// Sends one request to a server and returns one response.
///
/// # Contract
///
/// 1. **One exchange.** The request is sent at most once: no retries, no redirects, no caching.
///    A request that certainly never reached a server may be written again.
/// 2. **Any status is `Ok`.** A 500 is a response; `Err` means that there was none.
/// 3. **Head first.** The future is ready as soon as the head has arrived; the body streams after
///    it. Nothing is decompressed or buffered.
/// 4. **Dropping cancels.** Dropping the future or the body ends the exchange immediately: the
///    connection is closed (HTTP/1) or the stream reset (HTTP/2), and no task continues behind it.
/// 5. **Errors are exact.** They keep their cause as `source()`, and [`TransportError::delivery`]
///    is [`Delivery::NotSent`](crate::Delivery::NotSent) only if the server cannot have seen the
///    request. The decision to send a paid request again depends on it.
///
/// An implementation needs neither timeouts nor retries: [`Timeout`](crate::Timeout) and
/// [`Retry`](crate::Retry) wrap any transport. The suite in `atoma_transport::testing` (feature
/// `test-util`) checks an implementation against this contract.
///
/// # A second implementation
///
/// ```
/// use atoma_transport::{Body, Request, ResponseFuture, Transport};
///
/// /// Responds to each request with its own body.
/// #[derive(Debug)]
/// struct Echo;
///
/// impl Transport for Echo {
///     fn send(&self, request: Request) -> ResponseFuture {
///         Box::pin(async move { Ok(http::Response::new(Body::from(request.into_body()))) })
///     }
/// }
/// ```
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends `request` and resolves to the head of the response.
    fn send(&self, request: Request) -> ResponseFuture;
}

impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn send(&self, request: Request) -> ResponseFuture {
        (**self).send(request)
    }
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn send(&self, request: Request) -> ResponseFuture {
        (**self).send(request)
    }
}

/// Wraps a closure as a [`Transport`].
///
/// ```
/// use atoma_transport::{Body, transport_fn};
///
/// let transport = transport_fn(|request: atoma_transport::Request| async move {
///     assert_eq!(request.uri().path(), "/v1/chat/completions");
///     Ok(http::Response::new(Body::from("{}")))
/// });
/// # let _: &dyn atoma_transport::Transport = &transport;
/// ```
pub fn transport_fn<F, R>(send: F) -> TransportFn<F>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response, TransportError>> + Send + 'static,
{
    TransportFn(send)
}

/// The transport that [`transport_fn`] returns.
#[derive(Clone, Copy)]
pub struct TransportFn<F>(F);

impl<F, R> Transport for TransportFn<F>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response, TransportError>> + Send + 'static,
{
    fn send(&self, request: Request) -> ResponseFuture {
        Box::pin((self.0)(request))
    }
}

impl<F> fmt::Debug for TransportFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransportFn")
    }
}
