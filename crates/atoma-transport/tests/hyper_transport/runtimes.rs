//! Several runtimes, runtimes that shut down, and runtimes that lack something: errors, not panics.

use crate::{
    lifetimes::Clock,
    support::{OK, Server, builder, get, next, read, transport, within},
};
use atoma_transport::{Delivery, ErrorKind, Timeout, Timeouts, TokioTimer, Transport};
use futures::FutureExt;
use std::{sync::Arc, time::Duration};
use tokio::runtime::Builder;

#[test]
fn a_runtime_without_io_is_an_error_that_says_so() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let transport = builder().build().unwrap();
    let error = runtime
        .block_on(async { within(transport.send(get("http://127.0.0.1:9/"))).await.unwrap_err() });
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Other, Delivery::NotSent));
    assert!(!error.is_transient());
    assert!(error.to_string().contains("enable_io"), "{error}");
    the_next_call_succeeds(&transport);
}

#[test]
fn a_runtime_without_time_is_an_error_that_says_so() {
    // Bound without a runtime: nobody accepts, and the connection waits in the backlog.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let runtime = Builder::new_current_thread().enable_io().build().unwrap();
    let transport = builder().build().unwrap();
    let error = runtime.block_on(transport.send(get(&url))).unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Other, Delivery::NotSent));
    assert!(!error.is_transient());
    assert!(error.to_string().contains("enable_time"), "{error}");

    the_next_call_succeeds(&transport);

    // With layers above that wait as well.
    let timeouts = Timeouts::default().head(Duration::from_secs(9));
    let layered = Timeout::new(transport, Arc::new(TokioTimer), timeouts);
    let error = runtime.block_on(layered.send(get(&url))).unwrap_err();
    assert!(error.to_string().contains("enable_time"), "{error}");
}

#[test]
fn a_runtime_without_anything_is_an_error() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let transport = builder().build().unwrap();
    let error = runtime.block_on(transport.send(get("http://127.0.0.1:9/"))).unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Other, Delivery::NotSent));
    the_next_call_succeeds(&transport);
}

/// The transport works in a runtime that has everything.
fn the_next_call_succeeds(transport: &impl Transport) {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let server = Server::responding(OK).await;
        let response = within(transport.send(get(server.url("/")))).await.unwrap();
        assert_eq!(within(read(response.into_body())).await.unwrap(), "ok");
    });
}

#[test]
fn a_connection_stays_with_its_runtime() {
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let (serving, first, second) = (runtime(), runtime(), runtime());
    let server = serving.block_on(Server::responding(OK));
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
    // The first runtime is still alive, but nothing drives it while the second one is used.
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
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let serving = runtime();
    let server = serving.block_on(Server::responding(OK));
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
    // Runtimes that are still alive keep their connections, whatever happens to the others.
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
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
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
    let error = error.expect("immediately").unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Other, Delivery::NotSent));
    assert!(!error.is_transient());
    assert_eq!(error.to_string(), "transport failed: there is no Tokio runtime");
}

#[test]
fn a_runtime_without_a_clock_will_do_if_one_is_given() {
    let runtime = Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let server = Server::responding(OK).await;
        let clock = Clock::new();
        let transport = builder().timer(clock).build().unwrap();
        let response = transport.send(get(server.url("/"))).await.unwrap();
        assert_eq!(read(response.into_body()).await.unwrap(), "ok");
    });
}

#[cfg(feature = "http2")]
#[test]
fn http2_connections_of_dead_runtimes_are_dropped() {
    use atoma_transport::Http2;

    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let serving = runtime();
    let server = serving.block_on(Server::start(|peer| async move {
        let mut stream = None;
        let mut peer = peer.over(|tcp| stream = Some(tcp));
        let mut connection = h2::server::handshake(stream.unwrap()).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let mut body = respond.send_response(http::Response::new(()), false).unwrap();
            body.send_data(bytes::Bytes::from_static(b"ok"), true).unwrap();
        }
        peer.closed();
    }));
    let url = server.url("/");
    let thread = std::thread::spawn(move || {
        serving.block_on(async { within(server.until_closed(20)).await });
        server.accepted()
    });
    let transport = builder()
        .http2(Http2::PriorKnowledge)
        .pool_idle_timeout(None)
        .max_connection_age(None)
        .build()
        .unwrap();
    for _ in 0..20 {
        runtime().block_on(async {
            let response = within(transport.send(get(&url))).await.unwrap();
            assert_eq!(within(read(response.into_body())).await.unwrap(), "ok");
        });
    }
    // The transport is still alive, and holds none of them.
    assert_eq!(thread.join().unwrap(), 20);
    drop(transport);
}
