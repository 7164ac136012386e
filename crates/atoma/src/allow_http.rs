//! The permission to send plain HTTP to other machines, passed to any transport.

use atoma_transport::{PlainHttp, Request, ResponseFuture, Transport};
use std::sync::Arc;

/// Marks every request as one that may go to other machines without TLS.
#[derive(Debug)]
pub(crate) struct AllowHttp(pub(crate) Arc<dyn Transport>);

impl Transport for AllowHttp {
    fn send(&self, mut request: Request) -> ResponseFuture {
        request.extensions_mut().insert(PlainHttp::Anywhere);
        self.0.send(request)
    }
}
