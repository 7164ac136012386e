use crate::{Body, TransportError};
use bytes::Bytes;
use std::{fmt, future::Future, pin::Pin, sync::Arc};

/// A request with its whole body in hand, so that it can be sent again as it is.
///
/// Options of a single call travel in its extensions: [`Timeouts`](crate::Timeouts),
/// [`Deadline`](crate::Deadline), [`RetryConfig`](crate::RetryConfig).
pub type Request = http::Request<Bytes>;

/// A response whose head has arrived and whose body is still to be read.
pub type Response = http::Response<Body>;

/// What [`Transport::send`] returns: the head of the answer, or why there is none.
pub type ResponseFuture =
    Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + 'static>>;

/// Carries one request to a server and brings back one response.
///
/// # What an implementation promises
///
/// 1. **One exchange.** The request is sent at most once. No retries, no redirects, no caching.
///    A request that certainly never reached a server may be written again.
/// 2. **Any status is `Ok`.** A 500 is an answer; `Err` means that there was none.
/// 3. **Head first.** The future is ready as soon as the head is in; the body streams after it.
///    Nothing is decompressed, buffered whole, or waited for.
/// 4. **Dropping cancels.** Dropping the future or the body ends the exchange at once: the
///    connection is closed (HTTP/1) or the stream reset (HTTP/2), and no task goes on behind it.
/// 5. **Errors tell the truth.** They keep their cause as `source()`, and
///    [`TransportError::delivery`] says [`Delivery::NotSent`](crate::Delivery::NotSent) only when
///    the server cannot have seen the request. Whether a paid answer may be asked for twice is
///    decided on it.
///
/// Time-outs and retries are not an implementation's business: [`Timeout`](crate::Timeout) and
/// [`Retry`](crate::Retry) wrap any transport. The suite in `atoma_transport::testing` (feature
/// `test-util`) checks these promises against an implementation.
///
/// # A second implementation
///
/// ```
/// use atoma_transport::{Body, Request, ResponseFuture, Transport};
///
/// /// Answers each request with its own body.
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

/// Makes a [`Transport`] of a closure.
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
