//! The next request notices that the server closed or wrote to an idle connection, whatever drove
//! the runtime in between. Here nothing drives it: each call is a `block_on`, and the server has a
//! thread.

use crate::{
    process::ran_alone,
    support::{OK, Peer, Server, builder, get, next, read, within},
    tls::{authority, config, issue, trusting},
};
use atoma_transport::{HyperTransport, Transport};
use std::{future::Future, sync::mpsc, thread};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

pub(crate) const STRAY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray";
const TIMED_OUT: &str = "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n";
pub(crate) const STREAM: &str =
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A server on a separate thread, which runs until this value is dropped.
pub(crate) struct Remote {
    pub(crate) server: Server,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Remote {
    pub(crate) fn start(start: impl Future<Output = Server> + Send + 'static) -> Self {
        let (ready, started) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || {
            runtime().block_on(async {
                ready.send(start.await).unwrap();
                let _ = stopped.await;
            });
        });
        Self { server: started.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().unwrap().join();
    }
}

/// The server's action on the first connection after the client has read its first response.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Closed,
    HalfClosed,
    SaidAndClosed(&'static str),
    Said(&'static str),
}

const FATES: [Fate; 8] = [
    Fate::Closed,
    Fate::HalfClosed,
    Fate::SaidAndClosed(TIMED_OUT),
    Fate::SaidAndClosed(STRAY),
    Fate::Said(TIMED_OUT),
    Fate::Said(STRAY),
    Fate::Said("HTTP/1.1 200 OK\r\n"),
    Fate::Said("H"),
];

/// Sends `response` to every request. The first connection meets its `fate` after its first
/// response was read (`read` reports that), and then reports to `done`.
async fn serve_until<S: AsyncRead + AsyncWrite + Unpin>(
    mut peer: Peer<S>,
    response: &str,
    fate: Fate,
    read: &tokio::sync::Notify,
    done: &mpsc::Sender<()>,
) {
    peer.request().await;
    peer.write(response).await;
    if peer.number == 0 {
        read.notified().await;
        if let Fate::Said(text) | Fate::SaidAndClosed(text) = fate {
            peer.write(text).await;
        }
        match fate {
            Fate::Closed | Fate::SaidAndClosed(_) => drop(peer),
            Fate::HalfClosed => {
                peer.stream.shutdown().await.unwrap();
                done.send(()).unwrap();
                return peer.until_closed().await;
            }
            Fate::Said(_) => {
                done.send(()).unwrap();
                return peer.until_closed().await;
            }
        }
        done.send(()).unwrap();
        return;
    }
    while peer.request().await.is_some() {
        peer.write(response).await;
    }
}

/// Calls twice, with `fate` in between while nothing drives the client's runtime.
pub(crate) fn call_twice(
    remote: &Remote,
    transport: &HyperTransport,
    url: &str,
    read_first: &tokio::sync::Notify,
    done: &mpsc::Receiver<()>,
    name: &str,
) {
    let client = runtime();
    let call = || async {
        let response = within(transport.send(get(url))).await.expect(name);
        assert_eq!(within(read(response.into_body())).await.expect(name), "ok", "{name}");
    };
    client.block_on(call());
    read_first.notify_one();
    done.recv().unwrap();
    client.block_on(call());
    assert_eq!(remote.server.accepted(), 2, "{name}");
    // The new connection is pooled as usual.
    client.block_on(call());
    assert_eq!(remote.server.accepted(), 2, "{name}");
}

#[test]
fn an_idle_connection_that_ended_or_spoke_is_never_used_again() {
    if ran_alone("idle::an_idle_connection_that_ended_or_spoke_is_never_used_again") {
        return;
    }
    for fate in FATES {
        for response in [OK, STREAM] {
            let read_first = std::sync::Arc::new(tokio::sync::Notify::new());
            let (done, gate) = mpsc::channel();
            let notify = read_first.clone();
            let remote = Remote::start(Server::start(move |peer| {
                let (notify, done) = (notify.clone(), done.clone());
                async move { serve_until(peer, response, fate, &notify, &done).await }
            }));
            let url = remote.server.url("/");
            let transport = builder().build().unwrap();
            call_twice(&remote, &transport, &url, &read_first, &gate, &format!("{fate:?}"));
        }
    }
}

#[test]
fn an_idle_tls_connection_that_ended_or_spoke_is_never_used_again() {
    if ran_alone("idle::an_idle_tls_connection_that_ended_or_spoke_is_never_used_again") {
        return;
    }
    let authority = authority("ours");
    let certificate = issue(&authority, "api.test", |_| {});
    for fate in FATES {
        let read_first = std::sync::Arc::new(tokio::sync::Notify::new());
        let (done, gate) = mpsc::channel();
        let notify = read_first.clone();
        let acceptor = config(&certificate, None);
        let remote = Remote::start(Server::start(move |peer| {
            let (notify, done, acceptor) = (notify.clone(), done.clone(), acceptor.clone());
            async move {
                let peer = over_tls(peer, &acceptor).await;
                serve_until(peer, OK, fate, &notify, &done).await;
            }
        }));
        let url = format!("https://api.test:{}/", remote.server.address.port());
        let transport = trusting(&authority).build().unwrap();
        call_twice(&remote, &transport, &url, &read_first, &gate, &format!("TLS {fate:?}"));
    }
}

pub(crate) async fn over_tls(
    peer: Peer<TcpStream>,
    acceptor: &TlsAcceptor,
) -> Peer<tokio_rustls::server::TlsStream<TcpStream>> {
    let mut tcp = None;
    let peer = peer.over(|stream| tcp = Some(stream));
    let stream = acceptor.accept(tcp.unwrap()).await.unwrap();
    peer.over(|()| stream)
}

#[test]
fn session_tickets_that_arrive_late_leave_a_tls_connection_usable() {
    let authority = authority("ours");
    let acceptor = config(&issue(&authority, "api.test", |_| {}), None);
    let (done, gate) = mpsc::channel();
    let remote = Remote::start(Server::start(move |peer| {
        let (done, acceptor) = (done.clone(), acceptor.clone());
        async move {
            let mut peer = over_tls(peer, &acceptor).await;
            while peer.request().await.is_some() {
                peer.write(OK).await;
                // Records without application data, as in a session ticket: here a new key for the
                // session.
                peer.stream.get_mut().1.refresh_traffic_keys().unwrap();
                peer.write("").await;
                done.send(()).unwrap();
            }
        }
    }));
    let url = format!("https://api.test:{}/", remote.server.address.port());
    let transport = trusting(&authority).build().unwrap();
    let client = runtime();
    for _ in 0..5 {
        client.block_on(async {
            let response = within(transport.send(get(&url))).await.unwrap();
            assert_eq!(within(read(response.into_body())).await.unwrap(), "ok");
        });
        gate.recv().unwrap();
    }
    assert_eq!(remote.server.accepted(), 1);
}

#[test]
fn a_call_made_immediately_after_a_stream_finds_the_connection_closed() {
    if ran_alone("idle::a_call_made_immediately_after_a_stream_finds_the_connection_closed") {
        return;
    }
    let (done, gate) = mpsc::channel();
    let remote = Remote::start(Server::start(move |mut peer| {
        let done = done.clone();
        async move {
            peer.request().await;
            peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            peer.write("2\r\nok\r\n0\r\n\r\n").await;
            drop(peer);
            done.send(()).unwrap();
        }
    }));
    let url = remote.server.url("/");
    let transport = builder().build().unwrap();
    runtime().block_on(async {
        for _ in 0..50 {
            let mut body = within(transport.send(get(&url))).await.unwrap().into_body();
            // The worker is blocked until the server has closed, as if by a long computation.
            gate.recv().unwrap();
            let mut text = Vec::new();
            while let Some(piece) = within(next(&mut body)).await {
                text.extend_from_slice(&piece.unwrap());
            }
            assert_eq!(text, b"ok");
        }
    });
    assert_eq!(remote.server.accepted(), 50);
}

#[test]
fn many_dead_connections_are_stepped_over_within_one_call() {
    if ran_alone("idle::many_dead_connections_are_stepped_over_within_one_call") {
        return;
    }
    let closing = std::sync::Arc::new(tokio::sync::Notify::new());
    let (done, gate) = mpsc::channel();
    let notify = closing.clone();
    let remote = Remote::start(Server::start(move |mut peer| {
        let (notify, done) = (notify.clone(), done.clone());
        async move {
            peer.request().await;
            peer.write(OK).await;
            if peer.number < 8 {
                notify.notified().await;
                drop(peer);
                done.send(()).unwrap();
            } else {
                peer.until_closed().await;
            }
        }
    }));
    let url = remote.server.url("/");
    let transport = builder().build().unwrap();
    let client = runtime();
    client.block_on(async {
        let eight = futures::future::join_all((0..8).map(|_| transport.send(get(&url)))).await;
        for response in eight {
            assert_eq!(read(response.unwrap().into_body()).await.unwrap(), "ok");
        }
    });
    for _ in 0..8 {
        closing.notify_one();
        gate.recv().unwrap();
    }
    client.block_on(async {
        let response = within(transport.send(get(&url))).await.unwrap();
        assert_eq!(read(response.into_body()).await.unwrap(), "ok");
    });
    assert_eq!(remote.server.accepted(), 9);
}

#[cfg(feature = "http2")]
mod http2 {
    use super::*;
    use atoma_transport::Http2;
    use bytes::Bytes;
    use std::sync::Arc;

    #[derive(Clone, Copy, Debug)]
    enum End {
        Fin,
        GoAway,
    }

    /// Responds "ok" to each request; the first connection ends after its first response.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        stream: S,
        is_first: bool,
        end: End,
        read: &tokio::sync::Notify,
        done: &mpsc::Sender<()>,
    ) {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let mut body = respond.send_response(http::Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"ok"), true).unwrap();
            if !is_first {
                continue;
            }
            drop((respond, body));
            tokio::select! {
                _ = std::future::poll_fn(|cx| connection.poll_closed(cx)) => {}
                () = read.notified() => {}
            }
            if let End::GoAway = end {
                connection.abrupt_shutdown(h2::Reason::NO_ERROR);
                let _ = std::future::poll_fn(|cx| connection.poll_closed(cx)).await;
            }
            break;
        }
        drop(connection);
        let _ = done.send(());
    }

    #[test]
    fn an_idle_http2_connection_that_ended_is_never_used_again() {
        if ran_alone("idle::http2::an_idle_http2_connection_that_ended_is_never_used_again") {
            return;
        }
        for end in [End::Fin, End::GoAway] {
            let read_first = Arc::new(tokio::sync::Notify::new());
            let (done, gate) = mpsc::channel();
            let notify = read_first.clone();
            let remote = Remote::start(Server::start(move |peer| {
                let (notify, done) = (notify.clone(), done.clone());
                async move {
                    let is_first = peer.number == 0;
                    serve(peer.stream, is_first, end, &notify, &done).await;
                }
            }));
            let url = remote.server.url("/");
            let transport = builder().http2(Http2::PriorKnowledge).build().unwrap();
            call_twice(&remote, &transport, &url, &read_first, &gate, &format!("http2 {end:?}"));
        }
    }

    #[test]
    fn an_idle_http2_connection_over_tls_that_ended_is_never_used_again() {
        if ran_alone(
            "idle::http2::an_idle_http2_connection_over_tls_that_ended_is_never_used_again",
        ) {
            return;
        }
        let authority = authority("ours");
        let certificate = issue(&authority, "api.test", |_| {});
        for end in [End::Fin, End::GoAway] {
            let read_first = Arc::new(tokio::sync::Notify::new());
            let (done, gate) = mpsc::channel();
            let notify = read_first.clone();
            let mut server = crate::tls::server_config(&certificate, None);
            server.alpn_protocols = vec![b"h2".to_vec()];
            let acceptor = TlsAcceptor::from(Arc::new(server));
            let remote = Remote::start(Server::start(move |peer| {
                let (notify, done, acceptor) = (notify.clone(), done.clone(), acceptor.clone());
                async move {
                    let peer = over_tls(peer, &acceptor).await;
                    let is_first = peer.number == 0;
                    serve(peer.stream, is_first, end, &notify, &done).await;
                }
            }));
            let url = format!("https://api.test:{}/", remote.server.address.port());
            let transport = trusting(&authority).http2(Http2::Auto).build().unwrap();
            call_twice(
                &remote,
                &transport,
                &url,
                &read_first,
                &gate,
                &format!("TLS http2 {end:?}"),
            );
        }
    }
}
