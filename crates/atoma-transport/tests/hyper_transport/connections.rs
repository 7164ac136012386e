//! When a connection is used again, and when not.

use crate::support::{OK, Server, builder, get, next, post, read, transport, within};
use atoma_transport::{Delivery, ErrorKind, Sleep, Timer, Transport};
use futures::{FutureExt, future::join_all};
use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_hundred_and_one_exchanges_take_one_connection() {
    for (name, answer) in [
        ("content-length", OK.to_owned()),
        ("chunked", format!("{CHUNKED}2\r\nok\r\n0\r\n\r\n")),
        ("trailers", format!("{CHUNKED}2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n")),
    ] {
        let server = Server::answering(answer).await;
        let transport = transport();
        for _ in 0..101 {
            let response = within(transport.send(post(server.url("/"), "{}"))).await.unwrap();
            assert_eq!(within(read(response.into_body())).await.unwrap(), "ok", "{name}");
        }
        assert_eq!((server.accepted(), server.requests()), (1, 101), "{name}");
    }
}

#[tokio::test]
async fn an_empty_answer_frees_its_connection_at_once() {
    for answer in [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ] {
        let server = Server::answering(answer).await;
        let transport = transport();
        let mut held = Vec::new();
        for _ in 0..3 {
            let response = within(transport.send(get(server.url("/")))).await.unwrap();
            assert!(http_body::Body::is_end_stream(response.body()));
            held.push(response);
        }
        assert_eq!(server.accepted(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn a_head_request_frees_its_connection() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n").await;
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
    let server = Server::answering(OK).await;
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
async fn an_answer_that_came_whole_frees_its_connection_at_once() {
    let server = Server::answering(OK).await;
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

/// Wakes a task, and counts.
struct Counting(Waker, AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.wake_by_ref();
    }
}

#[tokio::test]
async fn an_answer_that_came_whole_wakes_nobody() {
    let server = Server::answering(OK).await;
    let transport = transport();
    for _ in 0..3 {
        let mut exchange = transport.send(get(server.url("/")));
        let answered = poll_fn(|cx| {
            let counting = Arc::new(Counting(cx.waker().clone(), AtomicUsize::new(0)));
            let waker = Waker::from(counting.clone());
            let polled = exchange.as_mut().poll(&mut Context::from_waker(&waker));
            polled.map(|response| (response.unwrap(), counting.1.load(Ordering::Relaxed)))
        });
        let (_, woken) = within(answered).await;
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
async fn some_answers_end_their_connection() {
    for (name, answer) in [
        ("close", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"),
        ("HTTP/1.0", "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok"),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 9\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        ("bytes past the end", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"),
    ] {
        let server = Server::answering(answer).await;
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
    let server = Server::answering_once(OK).await;
    let transport = transport();
    for _ in 0..5 {
        let response = within(transport.send(post(server.url("/"), "{}"))).await.unwrap();
        assert_eq!(within(read(response.into_body())).await.unwrap(), "ok");
    }
    assert_eq!((server.accepted(), server.requests()), (5, 5));
}

#[tokio::test]
async fn an_answer_to_nothing_is_not_given_to_the_next_request() {
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
async fn a_request_answered_before_it_was_read_ends_its_connection() {
    let server = Server::start(|mut peer| async move {
        peer.read().await;
        peer.write("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig").await;
        // Never reads on, so that the rest of the request cannot be sent.
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
    let (one, two) = (Server::answering(OK).await, Server::answering(OK).await);
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
    let server = Server::answering(OK).await;
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

/// A clock that stands until it is set.
#[derive(Clone, Debug)]
struct Clock(Arc<Mutex<Instant>>);

impl Clock {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Timer for Clock {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }

    fn sleep_until(&self, _: Instant) -> Sleep {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_connection_idles_only_so_long() {
    let server = Server::answering(OK).await;
    let clock = Clock(Arc::new(Mutex::new(Instant::now())));
    let transport = builder().timer(clock.clone()).build().unwrap();
    for (wait, accepted) in [(0, 1), (44, 1), (44, 1), (45, 2), (1, 2)] {
        clock.advance(Duration::from_secs(wait));
        let response = within(transport.send(get(server.url("/")))).await.unwrap();
        read(response.into_body()).await.unwrap();
        assert_eq!(server.accepted(), accepted, "after {wait} s more");
    }
}

#[tokio::test]
async fn a_keep_alive_timeout_is_heeded_less_a_margin() {
    let length = "content-length: 2\r\n\r\nok";
    let chunked = "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for (announced, waits) in [
        ("Keep-Alive: timeout=5", &[(0, 1), (3_999, 1), (3_999, 1), (4_000, 2)][..]),
        ("keep-alive: timeout=20, max=1000", &[(0, 1), (18_999, 1), (19_000, 2)]),
        ("keep-alive: timeout=1", &[(0, 1), (499, 1), (500, 2)]),
        ("keep-alive: timeout=0", &[(0, 1), (0, 2)]),
        ("keep-alive: timeout=100", &[(0, 1), (44_999, 1), (45_000, 2)]),
        ("keep-alive: max=0", &[(0, 1), (0, 2)]),
        ("x-other: timeout=1", &[(0, 1), (44_999, 1)]),
    ] {
        for body in [length, chunked] {
            let server = Server::answering(format!("HTTP/1.1 200 OK\r\n{announced}\r\n{body}"));
            let server = server.await;
            let clock = Clock(Arc::new(Mutex::new(Instant::now())));
            let transport = builder().timer(clock.clone()).build().unwrap();
            for (wait, accepted) in waits {
                clock.advance(Duration::from_millis(*wait));
                let response = within(transport.send(get(server.url("/")))).await.unwrap();
                assert_eq!(within(read(response.into_body())).await.unwrap(), "ok");
                assert_eq!(server.accepted(), *accepted, "{announced} after {wait} ms more");
            }
        }
    }
}

#[tokio::test]
async fn a_busy_connection_becomes_only_so_old() {
    let server = Server::answering(OK).await;
    let clock = Clock(Arc::new(Mutex::new(Instant::now())));
    let minute = Duration::from_secs(60);
    let default = builder().timer(clock.clone()).pool_idle_timeout(2 * minute);
    let short = builder().timer(clock.clone()).max_connection_age(minute);
    let endless = builder().timer(clock.clone()).pool_idle_timeout(None).max_connection_age(None);
    let mut before = 0;
    for (builder, connections) in
        [(default, 2), (short.pool_idle_timeout(2 * minute), 6), (endless, 1)]
    {
        let transport = builder.build().unwrap();
        for _ in 0..6 {
            read(transport.send(get(server.url("/"))).await.unwrap().into_body()).await.unwrap();
            clock.advance(minute);
        }
        assert_eq!(server.accepted() - before, connections);
        before = server.accepted();
    }
}

#[tokio::test]
async fn a_connection_to_one_server_is_closed_in_time_by_exchanges_with_another() {
    let (left, used) = (Server::answering(OK).await, Server::answering(OK).await);
    let clock = Clock(Arc::new(Mutex::new(Instant::now())));
    let transport = builder().timer(clock.clone()).build().unwrap();
    read(transport.send(get(left.url("/"))).await.unwrap().into_body()).await.unwrap();
    for _ in 0..3 {
        clock.advance(Duration::from_secs(30));
        read(transport.send(get(used.url("/"))).await.unwrap().into_body()).await.unwrap();
    }
    within(left.until_closed(1)).await;
    assert_eq!(used.accepted(), 1);
}

#[test]
fn a_connection_stays_with_its_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (serving, first, second) = (runtime(), runtime(), runtime());
    let server = serving.block_on(Server::answering(OK));
    let url = server.url("/");
    let thread = std::thread::spawn(move || {
        serving.block_on(async { within(server.until_closed(2)).await });
        server.accepted()
    });

    let transport = transport();
    let exchange = || async {
        let response = within(transport.send(get(&url))).await.unwrap();
        assert_eq!(within(read(response.into_body())).await.unwrap(), "ok");
    };
    // The first runtime lives on, but nobody drives it while the second one is used.
    first.block_on(exchange());
    second.block_on(exchange());
    drop(first);
    second.block_on(exchange());
    drop(transport);
    drop(second);
    assert_eq!(thread.join().unwrap(), 2);
}

#[test]
fn connections_of_dead_runtimes_are_dropped() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let serving = runtime();
    let server = serving.block_on(Server::answering(OK));
    let url = server.url("/");
    let (done, stop) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let _ = serving.block_on(stop);
        server
    });

    let transport = builder().pool_idle_timeout(None).max_connection_age(None).build().unwrap();
    let call = || async {
        let response = within(transport.send(get(&url))).await.unwrap();
        assert_eq!(within(read(response.into_body())).await.unwrap(), "ok");
    };
    // Runtimes that live on keep their connections, whatever happens to the others.
    let living = [runtime(), runtime()];
    let pooled = || {
        let debug = format!("{transport:?}");
        let digits = debug.split("idle: ").nth(1).unwrap().chars();
        digits.take_while(char::is_ascii_digit).collect::<String>().parse::<usize>().unwrap()
    };
    for _ in 0..100 {
        living[0].block_on(call());
        living[1].block_on(call());
        runtime().block_on(call());
        assert!(pooled() <= 6, "{transport:?}");
    }
    drop(done);
    let server = thread.join().unwrap();
    assert_eq!(server.accepted(), 102);
}

#[test]
fn a_runtime_that_ends_ends_its_exchanges() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (serving, first, second) = (runtime(), runtime(), runtime());
    let server = serving.block_on(Server::start(|mut peer| async move {
        peer.request().await;
        peer.write("HTTP/1.1 200 OK\r\n\r\nok").await;
        peer.until_closed().await;
    }));
    let url = server.url("/");
    let (done, stop) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || serving.block_on(stop));

    let transport = transport();
    let mut body = first.block_on(async {
        let mut body = within(transport.send(get(&url))).await.unwrap().into_body();
        assert_eq!(within(next(&mut body)).await.unwrap().unwrap(), "ok");
        body
    });
    drop(first);
    second.block_on(async {
        let error = within(next(&mut body)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyInterrupted);
        assert!(within(next(&mut body)).await.is_none());
        let mut body = within(transport.send(get(&url))).await.unwrap().into_body();
        assert_eq!(within(next(&mut body)).await.unwrap().unwrap(), "ok");
    });
    drop(done);
    let _ = thread.join().unwrap();
}

#[test]
fn without_a_runtime_there_is_an_error() {
    let error = transport().send(get("http://127.0.0.1:9/")).now_or_never();
    let error = error.expect("at once").unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Other, Delivery::NotSent));
    assert!(!error.is_transient());
    assert_eq!(error.to_string(), "transport failed: there is no Tokio runtime");
}

#[test]
fn a_runtime_without_a_clock_will_do_if_one_is_given() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let server = Server::answering(OK).await;
        let clock = Clock(Arc::new(Mutex::new(Instant::now())));
        let transport = builder().timer(clock).build().unwrap();
        let response = transport.send(get(server.url("/"))).await.unwrap();
        assert_eq!(read(response.into_body()).await.unwrap(), "ok");
    });
}
