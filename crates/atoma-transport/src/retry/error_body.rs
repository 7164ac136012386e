use crate::{Body, Sleep};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

/// The most that is read of an error body.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// The most time that reading an error body takes.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// Reads an error body until its end, [`MAX_BYTES`], an error, or `timeout`, and returns the bytes so
/// far. Errors and the timeout are ignored: the status matters more than the explanation.
pub(super) async fn read(mut body: Body, mut timeout: Sleep) -> Bytes {
    let mut chunks = Chunks::default();
    poll_fn(|cx| {
        if poll_read(&mut body, &mut chunks, cx).is_ready() {
            return Poll::Ready(());
        }
        timeout.as_mut().poll(cx)
    })
    .await;
    chunks.into_bytes()
}

fn poll_read(body: &mut Body, chunks: &mut Chunks, cx: &mut Context<'_>) -> Poll<()> {
    while !chunks.is_full() {
        match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            Some(Ok(frame)) => chunks.push(frame.into_data().unwrap_or_default()),
            Some(Err(_)) | None => break,
        }
    }
    Poll::Ready(())
}

/// The chunks of a body. A single chunk, the usual case, is not copied.
#[derive(Default)]
struct Chunks {
    first: Bytes,
    joined: BytesMut,
}

impl Chunks {
    fn is_full(&self) -> bool {
        self.first.len().max(self.joined.len()) >= MAX_BYTES
    }

    fn push(&mut self, mut chunk: Bytes) {
        chunk.truncate(MAX_BYTES - self.first.len().max(self.joined.len()));
        if self.first.is_empty() {
            self.first = chunk;
            return;
        }
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&self.first);
        }
        self.joined.extend_from_slice(&chunk);
    }

    fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}
