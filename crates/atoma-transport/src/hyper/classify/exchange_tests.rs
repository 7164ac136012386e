//! The errors of exchanges that hyper began: without a head, and in a body.

use super::*;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The peer of a connection. After the request it sends bytes and closes, or reading from it fails.
struct Peer {
    end: Result<&'static [u8], fn() -> io::Error>,
    has_request: bool,
    reader: Waker,
}

impl Peer {
    fn new(end: Result<&'static [u8], fn() -> io::Error>) -> Self {
        Self { end, has_request: false, reader: Waker::noop().clone() }
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.has_request {
            self.reader = cx.waker().clone();
            return Poll::Pending;
        }
        Poll::Ready(match &mut self.end {
            Ok(bytes) => {
                buf.put_slice(std::mem::take(bytes));
                Ok(())
            }
            Err(error) => Err(error()),
        })
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.has_request = true;
        self.reader.wake_by_ref();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// hyper's error for a request to a peer that sends `bytes` and closes.
async fn after(bytes: &'static [u8]) -> hyper::Error {
    exchange(Peer::new(Ok(bytes))).await
}

/// hyper's error for a request to a peer from which reading fails.
async fn failing(error: fn() -> io::Error) -> hyper::Error {
    exchange(Peer::new(Err(error))).await
}

async fn exchange(peer: Peer) -> hyper::Error {
    let (mut sender, connection) = http1::handshake(TokioIo::new(peer)).await.unwrap();
    let request = http::Request::new(Empty::<Bytes>::new());
    tokio::spawn(connection);
    match sender.send_request(request).await {
        Err(error) => error,
        Ok(response) => response.into_body().collect().await.unwrap_err(),
    }
}

/// hyper's error for a request that it did not begin.
async fn canceled() -> hyper::Error {
    let (mut sender, _) = http1::handshake(TokioIo::new(Peer::new(Ok(b"")))).await.unwrap();
    sender.send_request(http::Request::new(Empty::<Bytes>::new())).await.unwrap_err()
}

const BROKEN_HEAD: &[u8] = b"nothing of HTTP\r\n\r\n";

#[tokio::test]
async fn an_exchange_without_a_head_names_its_cause() {
    use ErrorKind::{ConnectionLost, Protocol, Timeout, Tls, TooLarge};
    type Row = (&'static str, hyper::Error, &'static [u8], ErrorKind, bool, Option<&'static str>);
    let table: [Row; 13] = [
        ("closed", after(b"").await, b"", ConnectionLost, true, None),
        (
            "reset",
            failing(|| io::ErrorKind::ConnectionReset.into()).await,
            b"",
            ConnectionLost,
            true,
            None,
        ),
        (
            "given up",
            failing(|| io::ErrorKind::TimedOut.into()).await,
            b"",
            Timeout(Phase::Head),
            true,
            None,
        ),
        ("no HTTP", after(BROKEN_HEAD).await, b"", Protocol, false, None),
        ("canceled", canceled().await, b"", ConnectionLost, true, None),
        ("canceled after bytes", canceled().await, b"HTTP/1.1 408 ", Protocol, false, None),
        ("closed after bytes", after(b"").await, b"H", ConnectionLost, true, None),
        (
            "a large head",
            failing(|| io::Error::other(HeadTooLarge)).await,
            b"",
            TooLarge,
            false,
            Some("headers"),
        ),
        (
            "a damaged record",
            failing(|| io::Error::other(rustls::Error::DecryptError)).await,
            b"",
            ConnectionLost,
            true,
            Some("a TLS record was damaged on its way"),
        ),
        (
            "an alert about TLS",
            failing(|| alert(AlertDescription::InternalError)).await,
            b"",
            ConnectionLost,
            true,
            Some("it ended TLS (InternalError)"),
        ),
        (
            "an alert about the client's certificate",
            failing(|| alert(AlertDescription::CertificateExpired)).await,
            b"",
            Tls,
            false,
            Some("the server refused (CertificateExpired)"),
        ),
        (
            "no client certificate",
            failing(|| alert(AlertDescription::CertificateRequired)).await,
            b"",
            Tls,
            false,
            Some("the server wants a client certificate"),
        ),
        (
            "a broken rule",
            failing(|| io::Error::other(rustls::Error::PeerSentOversizedRecord)).await,
            b"",
            ConnectionLost,
            false,
            Some("the server does not follow the rules of TLS"),
        ),
    ];
    for (name, error, unread, kind, transient, detail) in table {
        let failed = head(error, unread, true);
        assert_eq!((failed.kind(), failed.is_transient()), (kind, transient), "{name}");
        assert_eq!(failed.detail(), detail, "{name}");
        let sent = if kind == Tls { Delivery::NotSent } else { Delivery::Unknown };
        assert_eq!(failed.delivery(), sent, "{name}");
        assert!(failed.source().is_some(), "{name}");
    }
}

fn alert(alert: AlertDescription) -> io::Error {
    io::Error::other(rustls::Error::AlertReceived(alert))
}

#[tokio::test]
async fn a_request_that_was_not_written_was_not_sent() {
    for (written, sent) in [(false, Delivery::NotSent), (true, Delivery::Unknown)] {
        assert_eq!(head(canceled().await, b"", written).delivery(), sent);
        assert_eq!(head(canceled().await, b"junk", written).delivery(), sent);
        assert_eq!(head(after(BROKEN_HEAD).await, b"", written).delivery(), sent);
    }
}

#[tokio::test]
async fn bytes_before_the_request_leave_it_unsent() {
    let failed = head(failing(|| io::Error::other(UnaskedResponse)).await, b"", true);
    assert_eq!((failed.kind(), failed.delivery()), (ErrorKind::ConnectionLost, Delivery::NotSent));
    assert_eq!(failed.detail(), Some("the server sent bytes before the request was written"));
}

#[tokio::test]
async fn a_tls_record_is_recognized_by_its_first_two_bytes() {
    for (unread, is_tls) in [
        (&[0x15, 0x03, 0x01, 0x00][..], true),
        (&[0x16, 0x03], true),
        (&[0x14, 0x03], false),
        (&[0x17, 0x03], false),
        (&[0x15, 0x02], false),
        (&[0x15], false),
        (b"HTTP", false),
    ] {
        let failed = head(canceled().await, unread, true);
        let (kind, sent) = match is_tls {
            true => (ErrorKind::Tls, Delivery::NotSent),
            false => (ErrorKind::Protocol, Delivery::Unknown),
        };
        assert_eq!((failed.kind(), failed.delivery()), (kind, sent), "{unread:?}");
        assert!(!failed.is_transient(), "{unread:?}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_names_its_cause() {
    use ErrorKind::{BodyInterrupted, Timeout, TooLarge};
    const OVER: [&str; 3] = [
        "chunk extensions over limit",
        "chunk trailers bytes over limit",
        "chunk trailers count overflow",
    ];
    const CUT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc";
    let table: [(&str, hyper::Error, ErrorKind); 6] = [
        ("cut", after(CUT).await, BodyInterrupted),
        ("reset", failing(|| io::ErrorKind::ConnectionReset.into()).await, BodyInterrupted),
        ("given up", failing(|| io::ErrorKind::TimedOut.into()).await, Timeout(Phase::Idle)),
        (OVER[0], failing(|| io::Error::other(OVER[0])).await, TooLarge),
        (OVER[1], failing(|| io::Error::other(OVER[1])).await, TooLarge),
        (OVER[2], failing(|| io::Error::other(OVER[2])).await, TooLarge),
    ];
    for (name, error, kind) in table {
        let failed = body(error);
        assert_eq!((failed.kind(), failed.delivery()), (kind, Delivery::Unknown), "{name}");
        let is_framing = kind == TooLarge;
        assert_eq!(failed.detail(), is_framing.then_some("chunk extensions or trailers"), "{name}");
    }
    let unlike: [Box<dyn Error>; 2] = [OVER[0].into(), io::Error::other("other").into()];
    for error in unlike {
        assert!(!is_framing_over_limit(&*error), "{error:?}");
    }
}
