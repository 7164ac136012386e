use crate::{Request, Response, ResponseFuture, Transport, TransportError};
use std::{fmt, future::Future, sync::Arc};

/// Wraps a transport in a closure, which decides about each request: to wait, to change it, to
/// respond itself, or to send it with [`Next::send`].
///
/// Around the client's own transport it sees each attempt; around a [`Retry`](crate::Retry), each
/// call.
///
/// # A cache
///
/// ```
/// use atoma_transport::{Body, Next, Request, Transport, layer_fn};
/// # use atoma_transport::testing::{Exchange, ManualTimer, ScriptedTransport};
/// # let (timer, inner) = (ManualTimer::new(), ScriptedTransport::new([Exchange::respond(200)]));
/// use std::{collections::HashMap, sync::{Arc, Mutex}};
///
/// let cache = Arc::new(Mutex::new(HashMap::from([("/health".to_owned(), "cached")])));
/// let cached = layer_fn(inner, move |request: Request, next: Next| {
///     let hit = cache.lock().unwrap().get(request.uri().path()).copied();
///     async move {
///         match hit {
///             Some(body) => Ok(http::Response::new(Body::from(body))),
///             None => next.send(request).await,
///         }
///     }
/// });
/// # let request = http::Request::get("/health").body(Default::default())?;
/// # let response = timer.run(cached.send(request))?;
/// # assert!(response.body().is_whole());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # A limit on concurrent requests
///
/// ```
/// # use atoma_transport::{Transport, layer_fn, testing::{Exchange, ScriptedTransport}};
/// # let inner = ScriptedTransport::new([Exchange::respond(200)]);
/// use std::sync::Arc;
/// use tokio::sync::Semaphore;
///
/// let permits = Arc::new(Semaphore::new(8));
/// let limited = layer_fn(inner, move |request, next| {
///     let permits = Arc::clone(&permits);
///     async move {
///         let _permit = permits.acquire_owned().await;
///         next.send(request).await
///     }
/// });
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(limited.send(Default::default()))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn layer_fn<F, R>(inner: impl Transport, layer: F) -> LayerFn<F>
where
    F: Fn(Request, Next) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response, TransportError>> + Send + 'static,
{
    LayerFn { next: Next(Arc::new(inner)), layer }
}

/// The transport inside a [`layer_fn`]. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Next(Arc<dyn Transport>);

impl Next {
    /// Sends the request with the inner transport.
    pub fn send(&self, request: Request) -> ResponseFuture {
        self.0.send(request)
    }
}

/// The transport that [`layer_fn`] returns.
#[derive(Clone)]
pub struct LayerFn<F> {
    next: Next,
    layer: F,
}

impl<F, R> Transport for LayerFn<F>
where
    F: Fn(Request, Next) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response, TransportError>> + Send + 'static,
{
    fn send(&self, request: Request) -> ResponseFuture {
        Box::pin((self.layer)(request, self.next.clone()))
    }
}

impl<F> fmt::Debug for LayerFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LayerFn").field(&self.next.0).finish()
    }
}
