//! Valid and invalid heads and bodies.

use crate::support::{OK, Server, builder, get, next, post, read, transport, within};
use atoma_transport::{Delivery, ErrorKind, Transport, TransportError};
use proptest::prelude::*;
use std::sync::Arc;
use tokio::sync::Notify;

async fn exchange(response: impl Into<Vec<u8>>) -> Result<(u16, String), TransportError> {
    let server = Server::responding_once(response).await;
    let response = within(transport().send(get(server.url("/v1?x=1")))).await?;
    let status = response.status().as_u16();
    Ok((status, within(read(response.into_body())).await?))
}

#[tokio::test]
async fn the_request_is_written_as_it_is_meant() {
    let server = Server::start(|mut peer| async move {
        let request = peer.request().await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.len());
        peer.write(head + &request).await;
    })
    .await;
    let mut request = post(server.url("/v1/chat?x=1"), "{\"a\":1}");
    request.headers_mut().insert("authorization", "Bearer key".parse().unwrap());
    let response = within(transport().send(request)).await.unwrap();
    let seen = within(read(response.into_body())).await.unwrap();
    let mut lines: Vec<_> = seen.split("\r\n").collect();
    assert_eq!(lines[0], "POST /v1/chat?x=1 HTTP/1.1");
    lines[1..4].sort_unstable();
    let host = format!("host: {}", server.address);
    assert_eq!(
        lines[1..],
        ["authorization: Bearer key", "content-length: 7", &host, "", "{\"a\":1}"]
    );
}

#[tokio::test]
async fn good_responses_are_read() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (name, response, status, body) in [
        ("a length", OK.to_owned(), 200, "ok"),
        ("chunks", format!("{chunked}2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n"), 200, "abcde"),
        ("until it closes", "HTTP/1.1 200 OK\r\n\r\nto the end".into(), 200, "to the end"),
        ("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nold".into(), 200, "old"),
        ("no reason phrase", "HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok".into(), 200, "ok"),
        ("bare line feeds", "HTTP/1.1 200 OK\ncontent-length: 2\n\nok".into(), 200, "ok"),
        (
            "interim responses",
            format!(
                "HTTP/1.1 100 Continue\r\n\r\n{}{OK}",
                "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(3)
            ),
            200,
            "ok",
        ),
        ("not found", "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno".into(), 404, "no"),
        (
            "moved",
            "HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n".into(),
            302,
            "",
        ),
    ] {
        let (got, text) =
            exchange(response).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((got, text.as_str()), (status, body), "{name}");
    }
}

#[tokio::test]
async fn header_junk_that_changes_no_bytes_is_ignored() {
    for coding in ["none", "utf-8", "chunked", "aws-chunked", "identity, none", "", "x-anything"] {
        let response =
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: 2\r\n\r\nok");
        assert_eq!(exchange(response).await.unwrap(), (200, "ok".to_owned()), "{coding:?}");
    }
    for status in [600, 799, 999] {
        let response = format!("HTTP/1.1 {status} Odd\r\ncontent-length: 2\r\n\r\nok");
        assert_eq!(exchange(response).await.unwrap(), (status, "ok".to_owned()));
    }
}

#[tokio::test]
async fn odd_header_bytes_are_handed_on() {
    let response = b"HTTP/1.1 200 OK\r\nx-latin: caf\xe9\r\ncontent-length: 0\r\n\r\n";
    let server = Server::responding_once(*response).await;
    let response = within(transport().send(get(server.url("/")))).await.unwrap();
    assert_eq!(response.headers()["x-latin"].as_bytes(), b"caf\xe9");
}

#[tokio::test]
async fn bad_heads_are_errors_of_their_kind() {
    use ErrorKind::{ConnectionLost, Encoding, Protocol, Tls, TooLarge};
    let many = "x: y\r\n".repeat(101);
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(10_000);
    for (name, response, kind) in [
        ("nothing", String::new(), ConnectionLost),
        ("half a head", "HTTP/1.1 200 OK\r\ncontent-le".into(), ConnectionLost),
        ("garbage", "garbage\r\n\r\n".into(), Protocol),
        ("a banner", "SSH-2.0-OpenSSH_9.6\r\n".into(), Protocol),
        ("HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n".into(), Protocol),
        ("status 99", "HTTP/1.1 099 Low\r\n\r\n".into(), Protocol),
        ("status 2000", "HTTP/1.1 2000 High\r\n\r\n".into(), Protocol),
        ("an upgrade", "HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n".into(), Protocol),
        ("a space before the colon", "HTTP/1.1 200 OK\r\nx : y\r\n\r\n".into(), Protocol),
        ("a folded line", "HTTP/1.1 200 OK\r\nx: y\r\n z\r\n\r\n".into(), Protocol),
        ("a NUL", "HTTP/1.1 200 OK\r\nx: y\0z\r\n\r\n".into(), Protocol),
        (
            "two lengths that differ",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok".into(),
            Protocol,
        ),
        ("a negative length", "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok".into(), Protocol),
        (
            "gzip, chunked",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n".into(),
            Protocol,
        ),
        ("gzip", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n".into(), Protocol),
        (
            "content in gzip",
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxx".into(),
            Encoding,
        ),
        ("101 headers", format!("HTTP/1.1 200 OK\r\n{many}\r\n"), TooLarge),
        (
            "a head of 1 MiB",
            format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20)),
            TooLarge,
        ),
        ("a flood of interim responses", interim, TooLarge),
        ("TLS", "\u{15}\u{3}\u{3}\0\u{2}\u{2}F".into(), Tls),
    ] {
        let error = exchange(response).await.expect_err(name);
        assert_eq!(error.kind(), kind, "{name}: {error}");
        // A server that speaks TLS has not understood the request.
        let sent = if kind == Tls { Delivery::NotSent } else { Delivery::Unknown };
        assert_eq!(error.delivery(), sent, "{name}");
        assert_eq!(error.is_transient(), kind == ConnectionLost, "{name}");
    }
}

#[tokio::test]
async fn a_head_just_within_its_limit_is_read() {
    let head =
        format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 2\r\n\r\nok", "y".repeat(60_000));
    assert_eq!(exchange(head.clone()).await.unwrap(), (200, "ok".into()));

    let server = Server::responding_once(head).await;
    let small = builder().max_head_size(32 * 1024).build().unwrap();
    let error = within(small.send(get(server.url("/")))).await.unwrap_err();
    assert!(error.is_too_large());
    assert_eq!(error.to_string(), "response too large: headers");
}

#[tokio::test]
async fn a_server_that_speaks_first_is_not_believed() {
    let server = Server::start(|mut peer| async move {
        peer.write(OK).await;
        peer.until_closed().await;
    })
    .await;
    // The server does not respond to a second request.
    let (transport, mut kinds) = (builder().pool_max_idle(0).build().unwrap(), Vec::new());
    for _ in 0..20 {
        match within(transport.send(get(server.url("/")))).await {
            // If both are read together, these bytes cannot be distinguished from a response.
            Ok(response) => assert_eq!(response.status(), 200),
            Err(error) => kinds.push((error.kind(), error.delivery())),
        }
    }
    assert!(
        kinds.iter().all(|kind| *kind == (ErrorKind::Protocol, Delivery::NotSent)),
        "{kinds:?}"
    );
}

#[tokio::test]
async fn broken_bodies_yield_their_chunks_and_one_error() {
    use ErrorKind::{BodyInterrupted, TooLarge};
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n";
    let extension = "x".repeat(40_000);
    let trailers = "x: y\r\n".repeat(20_000);
    for (name, response, kind) in [
        (
            "short of its length",
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok".into(),
            BodyInterrupted,
        ),
        ("cut in a chunk", format!("{chunked}9\r\nab"), BodyInterrupted),
        ("without its last chunk", chunked.to_owned(), BodyInterrupted),
        ("a size that is none", format!("{chunked}zz\r\n"), BodyInterrupted),
        ("a size that overflows", format!("{chunked}fffffffffffffffff\r\n"), BodyInterrupted),
        (
            "a size of 2^64 - 1, then nothing",
            format!("{chunked}ffffffffffffffff\r\nab"),
            BodyInterrupted,
        ),
        ("a chunk without its end", format!("{chunked}2\r\nokok"), BodyInterrupted),
        ("long extensions", format!("{chunked}2;{extension}\r\nok\r\n"), TooLarge),
        ("many trailers", format!("{chunked}0\r\n{trailers}\r\n"), TooLarge),
    ] {
        let server = Server::responding_once(response).await;
        let response = within(transport().send(get(server.url("/")))).await.expect(name);
        let mut body = response.into_body();
        assert_eq!(within(next(&mut body)).await.unwrap().unwrap(), "ok", "{name}");
        let error = loop {
            match within(next(&mut body)).await.unwrap() {
                Ok(piece) => assert!(piece.len() < 10, "{name}"),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.delivery()), (kind, Delivery::Unknown), "{name}");
        assert!(within(next(&mut body)).await.is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_reset_in_the_body_is_an_error() {
    let read_on = Arc::new(Notify::new());
    let gate = read_on.clone();
    let server = Server::start(move |mut peer| {
        let gate = gate.clone();
        async move {
            peer.request().await;
            peer.write("HTTP/1.1 200 OK\r\n\r\nok").await;
            gate.notified().await;
            peer.reset();
        }
    })
    .await;
    let mut body = within(transport().send(get(server.url("/")))).await.unwrap().into_body();
    assert_eq!(within(next(&mut body)).await.unwrap().unwrap(), "ok");
    read_on.notify_one();
    let error = within(next(&mut body)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BodyInterrupted);
    assert!(within(next(&mut body)).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_error_response_is_read_while_the_request_is_being_written() {
    for round in 0..20 {
        let server = Server::start(|mut peer| async move {
            peer.read().await;
            peer.write(
                "HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig",
            )
            .await;
            // The server closes with bytes unread, so that the kernel resets the connection.
        })
        .await;
        let request = post(server.url("/"), vec![b'x'; 32 << 20]);
        let response = within(transport().send(request)).await.unwrap();
        assert_eq!(response.status(), 413, "round {round}");
    }
}

#[test]
fn any_bytes_end_in_a_response_or_an_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pieces = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n",
        "HTTP/1.0 200\r\n",
        "content-length: 5\r\n",
        "content-length: 99999999999999999999\r\n",
        "transfer-encoding: chunked\r\n",
        "connection: keep-alive\r\n",
        "\r\n",
        "\n",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "ffffffffffffffff\r\n",
        "hello",
        "\0",
        ":",
    ]);
    let response = prop_oneof![
        prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..200),
    ];
    proptest!(ProptestConfig::with_cases(300), |(response in response, cut in any::<prop::sample::Index>())| {
        let cut = cut.index(response.len() + 1);
        let whole = response.clone();
        runtime.block_on(within(async move {
            let server = Server::start(move |mut peer| {
                let (first, rest) = response.split_at(cut);
                let (first, rest) = (first.to_vec(), rest.to_vec());
                async move {
                    peer.request().await;
                    peer.write(first).await;
                    tokio::task::yield_now().await;
                    peer.write(rest).await;
                }
            })
            .await;
            match transport().send(get(server.url("/"))).await {
                Ok(response) => {
                    let mut body = response.into_body();
                    let mut read = 0;
                    while let Some(piece) = next(&mut body).await {
                        read += piece.map_or(0, |piece| piece.len());
                    }
                    assert!(read <= whole.len());
                    assert!(next(&mut body).await.is_none());
                }
                Err(error) => assert!(!error.to_string().contains('\n')),
            }
        }));
    });
}
