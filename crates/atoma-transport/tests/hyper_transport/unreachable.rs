//! Requests that cannot be sent, and servers that cannot be reached.

use crate::support::{OK, Server, builder, get, read, transport, within};
use atoma_transport::{Delivery, ErrorKind, Phase, ResolveFuture, Resolver, Transport};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpSocket;

#[tokio::test]
async fn a_request_that_cannot_be_sent_is_an_error() {
    let transport = transport();
    for url in ["/v1", "ftp://127.0.0.1/", "http://user:secret@127.0.0.1/", "http://127.0.0.1:0/"] {
        let error = transport.send(get(url)).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Request, Delivery::NotSent));
        assert!(!error.is_transient());
        assert!(!format!("{error}{error:?}").contains("secret"));
    }
    let connect = http::Request::connect("http://127.0.0.1:9/").body("".into()).unwrap();
    assert_eq!(transport.send(connect).await.unwrap_err().kind(), ErrorKind::Request);
}

/// A socket that refuses every connection to its address: nobody listens there, and nobody else gets the port.
pub(crate) fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn a_refused_connection_is_transient() {
    let (_socket, address) = refusing();
    let error = within(transport().send(get(format!("http://{address}/?key=secret")))).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Connect, Delivery::NotSent));
    assert!(error.is_transient());
    assert_eq!(error.to_string(), format!("could not connect: {address}"));
    assert!(!format!("{error:?}").contains("secret"));
}

/// A resolver that returns a scripted result for each lookup, and counts the lookups.
#[derive(Clone, Debug)]
struct Told {
    response: Result<Vec<SocketAddr>, (io::ErrorKind, &'static str)>,
    asked: Arc<AtomicUsize>,
}

impl Told {
    fn new(response: Result<Vec<SocketAddr>, (io::ErrorKind, &'static str)>) -> Self {
        Self { response, asked: Arc::default() }
    }
}

impl Resolver for Told {
    fn resolve(&self, host: &str, port: u16) -> ResolveFuture {
        assert_eq!((host, port), ("name.test", 80));
        self.asked.fetch_add(1, Ordering::SeqCst);
        let response = self.response.clone().map_err(|(kind, text)| io::Error::new(kind, text));
        Box::pin(async move { response })
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_named() {
    let text = "failed to lookup address information: Name or service not known";
    let again = "failed to lookup address information: Temporary failure in name resolution";
    for (response, transient, asked, expected) in [
        (Err((io::ErrorKind::NotFound, "x")), false, 2, "no address is known for name.test"),
        (Err((io::ErrorKind::Other, text)), false, 2, "no address is known for name.test"),
        (Err((io::ErrorKind::Other, again)), true, 1, "the name lookup of name.test failed"),
        (Ok(Vec::new()), false, 1, "name.test has no address"),
    ] {
        let resolver = Told::new(response);
        let transport = builder().resolver(resolver.clone()).build().unwrap();
        let error = within(transport.send(get("http://name.test/"))).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Connect, Delivery::NotSent));
        assert_eq!(error.is_transient(), transient, "{expected}");
        assert_eq!(error.detail(), Some(expected));
        assert_eq!(resolver.asked.load(Ordering::SeqCst), asked, "{expected}");
    }
}

/// A resolver that returns these addresses for every name.
#[derive(Debug)]
struct Found(&'static [[u8; 4]]);

impl Resolver for Found {
    fn resolve(&self, _: &str, port: u16) -> ResolveFuture {
        let found = self.0.iter().map(|&ip| SocketAddr::from((ip, port))).collect();
        Box::pin(async move { Ok(found) })
    }
}

#[tokio::test]
async fn the_first_address_that_accepts_serves() {
    let server = Server::responding(OK).await;
    let url = format!("http://many.test:{}/", server.address.port());
    let addresses = Found(&[[127, 0, 0, 77], [127, 0, 0, 78], [127, 0, 0, 1]]);
    let transport = builder().resolver(addresses).build().unwrap();
    let response = within(transport.send(get(url))).await.unwrap();
    assert_eq!(read(response.into_body()).await.unwrap(), "ok");
}

/// A listener whose accept queue is full: the kernel drops further connections.
#[cfg(target_os = "linux")]
async fn black_hole(address: SocketAddr) -> impl Sized {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(address).unwrap();
    // A queue for none has room for one.
    let listener = socket.listen(0).unwrap();
    let queued = tokio::net::TcpStream::connect(address).await.unwrap();
    (listener, queued)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_swallows_everything_does_not_use_up_the_time() {
    let server = Server::responding(OK).await;
    let port = server.address.port();
    let _hole = black_hole(([127, 0, 0, 77], port).into()).await;
    let url = format!("http://many.test:{port}/");

    let both = builder().resolver(Found(&[[127, 0, 0, 77], [127, 0, 0, 1]]));
    let transport = both.build().unwrap();
    let response = within(transport.send(get(&url))).await.unwrap();
    assert_eq!(read(response.into_body()).await.unwrap(), "ok");

    let one = builder().resolver(Found(&[[127, 0, 0, 77]]));
    let transport = one.connect_timeout(Duration::from_millis(100)).build().unwrap();
    let error = within(transport.send(get(&url))).await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Connect));
    assert_eq!(error.delivery(), Delivery::NotSent);
}

#[tokio::test]
async fn a_connection_that_ends_before_the_request_is_written_is_not_one_that_ends_after() {
    let server = Server::start(|peer| async move { peer.reset() }).await;
    let transport = transport();
    for _ in 0..20 {
        let error = within(transport.send(get(server.url("/")))).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ConnectionLost | ErrorKind::Connect), "{error}");
        assert!(error.is_transient());
    }
}
