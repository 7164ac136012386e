use crate::{Body, Sleep};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The most that is read of an error body.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// Reads an error body until its end, [`MAX_BYTES`], an error, or the end of `patience`, and
/// returns what came: a refusal is not to be lost because its explanation is.
pub(super) async fn read(mut body: Body, mut patience: Sleep) -> Bytes {
    let mut pieces = Pieces::default();
    poll_fn(|cx| {
        if poll_read(&mut body, &mut pieces, cx).is_ready() {
            return Poll::Ready(());
        }
        patience.as_mut().poll(cx)
    })
    .await;
    pieces.into_bytes()
}

fn poll_read(body: &mut Body, pieces: &mut Pieces, cx: &mut Context<'_>) -> Poll<()> {
    while !pieces.is_full() {
        match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            Some(Ok(frame)) => pieces.push(frame.into_data().unwrap_or_default()),
            Some(Err(_)) | None => break,
        }
    }
    Poll::Ready(())
}

/// A body in one piece, the usual case, is not copied.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    joined: BytesMut,
}

impl Pieces {
    fn is_full(&self) -> bool {
        self.first.len().max(self.joined.len()) >= MAX_BYTES
    }

    fn push(&mut self, mut piece: Bytes) {
        piece.truncate(MAX_BYTES - self.first.len().max(self.joined.len()));
        if self.first.is_empty() {
            self.first = piece;
            return;
        }
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&self.first);
        }
        self.joined.extend_from_slice(&piece);
    }

    fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}
