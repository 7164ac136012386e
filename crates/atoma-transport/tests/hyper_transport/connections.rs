//! Which connections are reused, and which are not.

use crate::{
    process::ran_alone,
    support::{OK, Server, builder, get, next, post, read, transport, within},
};
use atoma_transport::{Delivery, ErrorKind, Transport};
use futures::future::join_all;
use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
};
use tokio::sync::Notify;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_hundred_and_one_exchanges_take_one_connection() {
    for (name, response) in [
        ("content-length", OK.to_owned()),
        ("chunked", format!("{CHUNKED}2\r\nok\r\n0\r\n\r\n")),
        ("trailers", format!("{CHUNKED}2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n")),
    ] {
        let server = Server::responding(response).await;
        let transport = transport();
        for _ in 0..101 {
            let response = within(transport.send(post(server.url("/"), "{}"))).await.unwrap();
            assert_eq!(within(read(response.into_body())).await.unwrap(), "ok", "{name}");
        }
        assert_eq!((server.accepted(), server.requests()), (1, 101), "{name}");
    }
}

#[tokio::test]
async fn an_empty_response_frees_its_connection() {
    for response in [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ] {
        let server = Server::responding(response).await;
        let transport = transport();
        let mut held = Vec::new();
        for _ in 0..3 {
            let response = within(transport.send(get(server.url("/")))).await.unwrap();
            assert!(http_body::Body::is_end_stream(response.body()));
            held.push(response);
        }
        assert_eq!(server.accepted(), 1, "{response:?}");
    }
}

#[tokio::test]
async fn a_head_request_frees_its_connection() {
    let server = Server::responding("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n").await;
    let transport = transport();
    for _ in 0..2 {
        let request = http::Request::head(server.url("/")).body("".into()).unwrap();
        let response = within(transport.send(request)).await.unwrap();
        assert_eq!(read(response.into_body()).await.unwrap(), "");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn the_last_byte_of_a_known_length_frees_the_connection() {
    let server = Server::responding(OK).await;
    let transport = transport();
    for _ in 0..2 {
        let mut body = within(transport.send(get(server.url("/")))).await.unwrap().into_body();
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "ok");
        assert!(http_body::Body::is_end_stream(&body));
        drop(body);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_response_that_came_whole_frees_its_connection() {
    let server = Server::responding(OK).await;
    let transport = transport();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(within(transport.send(get(server.url("/")))).await.unwrap());
    }
    assert_eq!(server.accepted(), 1);
    for response in held {
        assert_eq!(http_body::Body::size_hint(response.body()).exact(), Some(2));
        assert_eq!(read(response.into_body()).await.unwrap(), "ok");
    }
}

/// Counts its wake-ups and wakes a task.
struct Counting(Waker, AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.wake_by_ref();
    }
}

#[tokio::test]
async fn a_response_that_came_whole_wakes_no_task() {
    let server = Server::responding(OK).await;
    let transport = transport();
    for _ in 0..3 {
        let mut exchange = transport.send(get(server.url("/")));
        let responded = poll_fn(|cx| {
            let counting = Arc::new(Counting(cx.waker().clone(), AtomicUsize::new(0)));
            let waker = Waker::from(counting.clone());
            let polled = exchange.as_mut().poll(&mut Context::from_waker(&waker));
            polled.map(|response| (response.unwrap(), counting.1.load(Ordering::Relaxed)))
        });
        let (_, woken) = within(responded).await;
        assert_eq!(woken, 0, "once more than there is anything to do");
    }
}

#[tokio::test]
async fn the_beginning_of_a_body_comes_first_and_counts() {
    let late = Arc::new(Notify::new());
    let gate = late.clone();
    let server = Server::start(move |mut peer| {
        let gate = gate.clone();
        async move {
            peer.request().await;
            peer.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfir").await;
            gate.notified().await;
            peer.write("st").await;
            peer.until_closed().await;
        }
    })
    .await;
    let mut body = within(transport().send(get(server.url("/")))).await.unwrap().into_body();
    assert_eq!(http_body::Body::size_hint(&body).exact(), Some(5));
    assert!(!http_body::Body::is_end_stream(&body));
    assert_eq!(within(next(&mut body)).await.unwrap().unwrap(), "fir");
    assert_eq!(http_body::Body::size_hint(&body).exact(), Some(2));
    late.notify_one();
    assert_eq!(within(next(&mut body)).await.unwrap().unwrap(), "st");
    assert!(http_body::Body::is_end_stream(&body));
}

#[tokio::test]
async fn a_last_chunk_that_comes_late_frees_the_connection() {
    let late = Arc::new(Notify::new());
    let gate = late.clone();
    let server = Server::start(move |mut peer| {
        let gate = gate.clone();
        async move {
            while peer.request().await.is_some() {
                peer.write(format!("{CHUNKED}2\r\nok\r\n")).await;
                gate.notified().await;
                peer.write("0\r\n\r\n").await;
            }
        }
    })
    .await;
    let transport = transport();
    for _ in 0..3 {
        let mut body = within(transport.send(get(server.url("/")))).await.unwrap().into_body();
        assert_eq!(within(next(&mut body)).await.unwrap().unwrap(), "ok");
        assert!(!http_body::Body::is_end_stream(&body));
        late.notify_one();
        assert!(within(next(&mut body)).await.is_none());
        assert!(within(next(&mut body)).await.is_none());
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn some_responses_end_their_connection() {
    for (name, response) in [
        ("close", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"),
        ("HTTP/1.0", "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok"),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 9\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        ("bytes past the end", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"),
    ] {
        let server = Server::responding(response).await;
        let transport = transport();
        for _ in 0..2 {
            let response = within(transport.send(get(server.url("/")))).await.unwrap();
            assert_eq!(within(read(response.into_body())).await.unwrap(), "ok", "{name}");
        }
        within(server.until_closed(2)).await;
        assert_eq!(server.accepted(), 2, "{name}");
    }
}

#[tokio::test]
async fn a_connection_the_server_has_closed_is_replaced_unseen() {
    if ran_alone("connections::a_connection_the_server_has_closed_is_replaced_unseen") {
        return;
    }
    let server = Server::responding_once(OK).await;
    let transport = transport();
    for _ in 0..5 {
        let response = within(transport.send(post(server.url("/"), "{}"))).await.unwrap();
        assert_eq!(within(read(response.into_body())).await.unwrap(), "ok");
    }
    assert_eq!((server.accepted(), server.requests()), (5, 5));
}

#[tokio::test]
async fn a_stray_response_is_not_given_to_the_next_request() {
    let stray = Arc::new(Notify::new());
    let (gate, sent) = (stray.clone(), Arc::new(Notify::new()));
    let done = sent.clone();
    let server = Server::start(move |mut peer| {
        let (gate, done) = (gate.clone(), done.clone());
        async move {
            peer.request().await;
            peer.write(OK).await;
            if peer.number == 0 {
                gate.notified().await;
                peer.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray").await;
                done.notify_one();
            }
            peer.until_closed().await;
        }
    })
    .await;
    let transport = transport();
    let response = within(transport.send(get(server.url("/")))).await.unwrap();
    assert_eq!(read(response.into_body()).await.unwrap(), "ok");
    stray.notify_one();
    within(sent.notified()).await;
    let response = within(transport.send(get(server.url("/")))).await.unwrap();
    assert_eq!(read(response.into_body()).await.unwrap(), "ok");
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_connection_closed_under_a_written_request_is_an_error_that_says_so() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        if peer.number == 0 {
            peer.write(OK).await;
            peer.request().await;
        }
    })
    .await;
    let transport = transport();
    let response = within(transport.send(get(server.url("/")))).await.unwrap();
    read(response.into_body()).await.unwrap();
    let error = within(transport.send(get(server.url("/")))).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::ConnectionLost, Delivery::Unknown));
    assert!(error.is_transient());
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_response_before_the_request_was_read_ends_its_connection() {
    let server = Server::start(|mut peer| async move {
        peer.read().await;
        peer.write("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig").await;
        // Stops reading, so that the rest of the request cannot be sent.
        std::future::pending::<()>().await;
    })
    .await;
    let transport = transport();
    for _ in 0..2 {
        let request = post(server.url("/"), vec![b'x'; 32 << 20]);
        let response = within(transport.send(request)).await.unwrap();
        assert_eq!(response.status(), 413);
        assert_eq!(within(read(response.into_body())).await.unwrap(), "big");
    }
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn clones_share_connections_and_servers_do_not() {
    let (one, two) = (Server::responding(OK).await, Server::responding(OK).await);
    let transport = transport();
    for _ in 0..3 {
        for server in [&one, &two] {
            let response = within(transport.clone().send(get(server.url("/")))).await.unwrap();
            read(response.into_body()).await.unwrap();
        }
    }
    assert_eq!((one.accepted(), two.accepted()), (1, 1));
}

#[tokio::test]
async fn only_so_many_connections_idle() {
    let server = Server::responding(OK).await;
    let transport = builder().pool_max_idle(2).build().unwrap();
    let five = (0..5).map(|_| transport.send(get(server.url("/"))));
    for response in within(join_all(five)).await {
        read(response.unwrap().into_body()).await.unwrap();
    }
    assert_eq!(server.accepted(), 5);
    within(server.until_closed(3)).await;

    let none = builder().pool_max_idle(0).build().unwrap();
    for _ in 0..2 {
        read(none.send(get(server.url("/"))).await.unwrap().into_body()).await.unwrap();
    }
    assert_eq!(server.accepted(), 7);
}
