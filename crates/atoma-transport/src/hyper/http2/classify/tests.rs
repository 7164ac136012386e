use super::*;
use crate::hyper::classify::ABOUT_CERTIFICATES;
use bytes::Bytes;
use h2::client::SendRequest;
use std::error::Error as _;
use tokio::io::{AsyncWriteExt as _, DuplexStream};

const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// DATA on stream 0, which breaks a rule.
const BROKEN: &[u8] = &[0, 0, 1, 0, 0, 0, 0, 0, 0, b'x'];
/// An empty response on stream 1 whose body follows: HEADERS with `:status: 200`.
const HEAD: &[u8] = &[0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88];

/// RST_STREAM of stream 1.
fn reset(reason: Reason) -> Vec<u8> {
    [&[0, 0, 4, 3, 0, 0, 0, 0, 1][..], &u32::from(reason).to_be_bytes()].concat()
}

/// GOAWAY that names stream `last`.
fn go_away(last: u8, reason: Reason) -> Vec<u8> {
    let code = u32::from(reason).to_be_bytes();
    [&[0, 0, 12, 7, 0, 0, 0, 0, 0, 0, 0, 0, last][..], &code, b"text"].concat()
}

async fn connected() -> (SendRequest<Bytes>, DuplexStream) {
    let (client, mut server) = tokio::io::duplex(64 * 1024);
    let (sender, connection) = h2::client::handshake(client).await.unwrap();
    tokio::spawn(connection);
    server.write_all(SETTINGS).await.unwrap();
    (sender.ready().await.unwrap(), server)
}

fn request(uri: &'static str) -> http::Request<()> {
    http::Request::get(uri).version(http::Version::HTTP_2).body(()).unwrap()
}

/// The error of a request to which the server sends `frames`, then closes. With it, the error of the
/// next request of the connection.
async fn failures(frames: &[u8]) -> (h2::Error, Option<h2::Error>) {
    let (mut sender, mut server) = connected().await;
    let (response, _) = sender.send_request(request("http://a.test/"), true).unwrap();
    // The connection gets a poll to write the request: until then, it knows of no stream.
    tokio::task::yield_now().await;
    server.write_all(frames).await.unwrap();
    server.shutdown().await.unwrap();
    let error = match response.await {
        Err(error) => error,
        Ok(response) => response.into_body().data().await.unwrap().unwrap_err(),
    };
    (error, sender.send_request(request("http://a.test/"), true).err())
}

#[tokio::test]
async fn only_a_request_that_the_server_has_not_processed_may_be_sent_once_more() {
    use Delivery::{NotSent, Unknown};
    use ErrorKind::{ConnectionLost, Protocol};
    use Resend::{Never, Once};
    for (name, frames, (kind, sent, transient), resend, detail) in [
        (
            "refused",
            reset(Reason::REFUSED_STREAM),
            (ConnectionLost, NotSent, true),
            Once,
            Some("the server reset the stream (REFUSED_STREAM)"),
        ),
        (
            "reset",
            reset(Reason::CANCEL),
            (ConnectionLost, Unknown, true),
            Never,
            Some("the server reset the stream (CANCEL)"),
        ),
        (
            "ended without an error",
            reset(Reason::NO_ERROR),
            (ConnectionLost, Unknown, true),
            Never,
            Some("the server ended it early (NO_ERROR)"),
        ),
        (
            "wants HTTP/1.1",
            reset(Reason::HTTP_1_1_REQUIRED),
            (ConnectionLost, Unknown, false),
            Never,
            Some("the server reset the stream (HTTP_1_1_REQUIRED)"),
        ),
        (
            "going away before it",
            go_away(0, Reason::NO_ERROR),
            (ConnectionLost, NotSent, true),
            Once,
            Some("the server is going away (NO_ERROR)"),
        ),
        (
            "going away before it, with an error",
            go_away(0, Reason::ENHANCE_YOUR_CALM),
            (ConnectionLost, NotSent, true),
            Once,
            Some("the server is going away (ENHANCE_YOUR_CALM)"),
        ),
        (
            "a broken rule",
            BROKEN.to_vec(),
            (Protocol, Unknown, false),
            Never,
            Some("the server broke a rule of HTTP/2 (PROTOCOL_ERROR)"),
        ),
        ("closed", Vec::new(), (ConnectionLost, Unknown, true), Never, None),
    ] {
        let failure = head(failures(&frames).await.0);
        let error = failure.error;
        let found = (error.kind(), error.delivery(), error.is_transient());
        assert_eq!((found, failure.resend), ((kind, sent, transient), resend), "{name}");
        assert_eq!(error.detail(), detail, "{name}");
        assert!(!format!("{error:?}").contains("text"), "{name}");
    }
}

#[tokio::test]
async fn a_request_that_the_connection_did_not_take_is_sent_over_another() {
    for (name, frames) in [
        ("closed", Vec::new()),
        ("going away", go_away(0, Reason::NO_ERROR)),
        ("going away with an error", go_away(0, Reason::INTERNAL_ERROR)),
        ("a broken rule", BROKEN.to_vec()),
    ] {
        let error = failures(&frames).await.1.expect(name);
        let failure = unsent(error);
        assert_eq!(failure.resend, Resend::Unsent, "{name}");
        assert_eq!(failure.error.kind(), ErrorKind::ConnectionLost, "{name}");
        assert_eq!(failure.error.delivery(), Delivery::NotSent, "{name}");
    }
    // A reason alone, without a frame.
    let failure = unsent(Reason::CANCEL.into());
    assert_eq!(failure.resend, Resend::Unsent);
}

#[tokio::test]
async fn a_request_that_cannot_be_written_is_not_sent_again() {
    let (mut sender, _server) = connected().await;
    let failure = unsent(sender.send_request(request("/path"), true).unwrap_err());
    assert_eq!(failure.resend, Resend::Never);
    let error = failure.error;
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Request, Delivery::NotSent));
    let cause = error.source().unwrap().to_string();
    assert_eq!(cause, "the request cannot be written in HTTP/2");
}

#[tokio::test]
async fn a_body_that_breaks_off_names_its_cause() {
    for (frames, detail) in [
        (reset(Reason::CANCEL), Some("the server reset the stream (CANCEL)")),
        (reset(Reason::ENHANCE_YOUR_CALM), Some("the server reset the stream (ENHANCE_YOUR_CALM)")),
        (BROKEN.to_vec(), Some("the server broke a rule of HTTP/2 (PROTOCOL_ERROR)")),
        (Vec::new(), None),
    ] {
        let failed = body(failures(&[HEAD, &frames].concat()).await.0);
        assert_eq!(failed.kind(), ErrorKind::BodyInterrupted, "{detail:?}");
        assert_eq!((failed.delivery(), failed.detail()), (Delivery::Unknown, detail));
    }
}

#[test]
fn too_much_of_anything_is_too_large_and_the_rest_breaks_a_rule() {
    for (reason, kind) in [
        (Some(Reason::ENHANCE_YOUR_CALM), ErrorKind::TooLarge),
        (Some(Reason::PROTOCOL_ERROR), ErrorKind::Protocol),
        (None, ErrorKind::Protocol),
    ] {
        assert_eq!(fault(reason, ErrorKind::Protocol), kind, "{reason:?}");
    }
    let failed = head_too_large();
    assert_eq!((failed.kind(), failed.detail()), (ErrorKind::TooLarge, Some("headers")));
}

#[test]
fn an_exchange_whose_connection_ended_is_incomplete() {
    for (had_head, kind) in [(true, ErrorKind::BodyInterrupted), (false, ErrorKind::ConnectionLost)]
    {
        let failed = abandoned("why", had_head);
        assert_eq!((failed.kind(), failed.detail()), (kind, Some("why")));
        assert_eq!(failed.delivery(), Delivery::Unknown);
    }
    let failed = opening(Reason::INTERNAL_ERROR.into());
    assert_eq!((failed.kind(), failed.delivery()), (ErrorKind::ConnectionLost, Delivery::NotSent));
    assert!(failed.source().is_some());
}

#[test]
fn a_refused_certificate_is_recognized_by_the_text_of_its_alert() {
    use rustls::AlertDescription;
    let text = |alert| rustls::Error::AlertReceived(alert).to_string();
    for alert in ABOUT_CERTIFICATES {
        let failed = refused_certificate(&text(alert)).unwrap();
        assert_eq!((failed.kind(), failed.is_transient()), (ErrorKind::Tls, false), "{alert:?}");
    }
    for text in [&text(AlertDescription::InternalError), "connection reset", ""] {
        assert!(refused_certificate(text).is_none(), "{text}");
    }
}
