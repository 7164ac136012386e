//! Dropping ends the exchange, at any point, and never disturbs another.

use crate::support::{OK, Server, get, next, post, read, transport, within};
use atoma_transport::{
    Delivery, ErrorKind, HyperTransport, Phase, Proxy, ResolveFuture, Resolver, Timeouts, Transport,
};
use futures::FutureExt;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

#[tokio::test]
async fn dropping_the_future_closes_the_connection() {
    let asked = Arc::new(Notify::new());
    let gate = asked.clone();
    let server = Server::start(move |mut peer| {
        let gate = gate.clone();
        async move {
            peer.request().await;
            gate.notify_one();
            peer.until_closed().await;
        }
    })
    .await;
    let transport = transport();
    let sending = tokio::spawn(transport.send(get(server.url("/"))));
    within(asked.notified()).await;
    sending.abort();
    within(server.until_closed(1)).await;
}

#[tokio::test]
async fn dropping_the_body_closes_the_connection() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n").await;
        peer.until_closed().await;
    })
    .await;
    let transport = transport();
    let unread = within(transport.send(get(server.url("/")))).await.unwrap();
    drop(unread);
    within(server.until_closed(1)).await;

    let mut body = within(transport.send(get(server.url("/")))).await.unwrap().into_body();
    within(next(&mut body)).await.unwrap().unwrap();
    drop(body);
    within(server.until_closed(2)).await;
}

/// Polls `send` and then its body `polls` times in all, then drops them.
async fn poll_and_drop(server: &Server, transport: &impl Transport, polls: usize) -> bool {
    let mut exchange = Box::pin(async {
        let mut body = transport.send(get(server.url("/"))).await.unwrap().into_body();
        while let Some(piece) = next(&mut body).await {
            piece.unwrap();
        }
    });
    for _ in 0..polls {
        if (&mut exchange).now_or_never().is_some() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn dropping_after_any_number_of_polls_leaves_the_transport_usable() {
    let server = Server::responding(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
    )
    .await;
    let transport = transport();
    for polls in 0.. {
        let done = within(poll_and_drop(&server, &transport, polls)).await;
        let response = within(transport.send(get(server.url("/")))).await.unwrap();
        assert_eq!(within(read(response.into_body())).await.unwrap(), "ok");
        if done {
            break;
        }
    }
}

#[tokio::test]
async fn a_thousand_cancels_never_deliver_another_requests_response() {
    let server = Server::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let path = request.split(' ').nth(1).unwrap().to_owned();
            let (first, rest) = path.split_at(path.len() / 2);
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            peer.write(format!("{head}{:x}\r\n{first}\r\n", first.len())).await;
            tokio::task::yield_now().await;
            peer.write(format!("{:x}\r\n{rest}\r\n0\r\n\r\n", rest.len())).await;
        }
    })
    .await;
    let transport = transport();
    let mut random = 0x9e37_79b9_u32;
    for round in 0..1_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let polls = random >> 28;
        let path = format!("/request-{round:04}");
        let exchange = async {
            let response = transport.send(get(server.url(&path))).await.unwrap();
            assert_eq!(read(response.into_body()).await.unwrap(), path);
        };
        let mut exchange = Box::pin(exchange);
        for _ in 0..polls {
            if (&mut exchange).now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let response = within(transport.send(get(server.url("/at-last")))).await.unwrap();
    assert_eq!(within(read(response.into_body())).await.unwrap(), "/at-last");
    assert!(server.accepted() > 1);
}

#[tokio::test]
async fn an_exchange_moves_between_tasks() {
    let server = Server::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            for _ in 0..10 {
                peer.write("2\r\nok\r\n").await;
                tokio::task::yield_now().await;
            }
            peer.write("0\r\n\r\n").await;
        }
    })
    .await;
    let transport = transport();
    for _ in 0..3 {
        let mut body = within(transport.send(get(server.url("/")))).await.unwrap().into_body();
        while let (Some(piece), rest) = within(tokio::spawn(async move {
            let piece = next(&mut body).await;
            (piece, body)
        }))
        .await
        .unwrap()
        {
            assert_eq!(piece.unwrap(), "ok");
            body = rest;
        }
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_server() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        peer.write("HTTP/1.1 200 OK\r\n\r\n").await;
        let piece = vec![b'x'; 64 * 1024];
        let mut sent = 0_usize;
        // The kernel buffers a few MiB on both sides; then writing must block.
        let blocked = tokio::time::timeout(Duration::from_secs(1), async {
            while sent < 256 << 20 {
                peer.write(&piece).await;
                sent += piece.len();
            }
        });
        assert!(blocked.await.is_err(), "sent {sent} bytes to nobody");
        peer.closed();
    })
    .await;
    let body = within(transport().send(get(server.url("/")))).await.unwrap().into_body();
    within(server.until_closed(1)).await;
    drop(body);
}

/// A lookup that never ends.
#[derive(Debug)]
struct Silent;

impl Resolver for Silent {
    fn resolve(&self, _: &str, _: u16) -> ResolveFuture {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn connecting_takes_only_so_long() {
    let transport = HyperTransport::builder().proxy(Proxy::none()).resolver(Silent);
    let transport = transport.build().unwrap();
    let begun = tokio::time::Instant::now();
    let error = transport.send(get("http://name.invalid/")).await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Connect));
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert_eq!(begun.elapsed(), Duration::from_secs(10));

    let mut request = get("http://name.invalid/");
    let mut timeouts = Timeouts::default();
    timeouts.connect = Some(Duration::from_secs(3));
    request.extensions_mut().insert(timeouts);
    let begun = tokio::time::Instant::now();
    let error = transport.send(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Connect));
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
}

#[tokio::test]
async fn no_wait_is_too_long_to_be_computed() {
    let server = Server::responding(OK).await;
    let transport = crate::support::builder()
        .connect_timeout(Duration::MAX)
        .pool_idle_timeout(Duration::MAX)
        .build()
        .unwrap();
    for _ in 0..2 {
        let response = within(transport.send(post(server.url("/"), "{}"))).await.unwrap();
        assert_eq!(read(response.into_body()).await.unwrap(), "ok");
    }
    assert_eq!(server.accepted(), 1);
}
