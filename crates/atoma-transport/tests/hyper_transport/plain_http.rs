//! Plain HTTP goes to loopback addresses only, unless more is allowed.

use crate::support::{OK, Server, builder, get, read, within};
use atoma_transport::{
    Delivery, ErrorKind, HyperTransport, PlainHttp, Proxy, ResolveFuture, Resolver, Transport,
    TransportError,
};
use std::net::{IpAddr, SocketAddr};

/// Every name has these addresses.
#[derive(Clone, Debug)]
struct Table(Vec<IpAddr>);

impl Table {
    fn of(addresses: &[&str]) -> Self {
        Self(addresses.iter().map(|address| address.parse().unwrap()).collect())
    }
}

impl Resolver for Table {
    fn resolve(&self, _: &str, port: u16) -> ResolveFuture {
        let found = self.0.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        Box::pin(async move { Ok(found) })
    }
}

async fn exchange(transport: &HyperTransport, url: &str) -> Result<String, TransportError> {
    within(async { read(transport.send(get(url)).await?.into_body()).await }).await
}

fn assert_not_sent(error: &TransportError, name: &str) {
    assert_eq!(error.kind(), ErrorKind::Request, "{name}: {error}");
    assert_eq!(error.delivery(), Delivery::NotSent, "{name}");
    assert!(!error.is_transient(), "{name}");
    for word in ["https://", "allow_http(true)", "plain_http"] {
        assert!(error.to_string().contains(word), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_name_that_resolves_to_another_machine_is_an_error() {
    // Nothing connects to these addresses: they are for documentation (RFC 5737, RFC 3849).
    let server = Server::responding(OK).await;
    for addresses in
        [&["192.0.2.1"][..], &["2001:db8::1", "192.0.2.1"], &["0.0.0.0"], &["::ffff:192.0.2.1"]]
    {
        let transport = builder().resolver(Table::of(addresses)).build().unwrap();
        for url in ["http://api.localhost/", "http://localhost:8080/", "http://api.test/"] {
            assert_not_sent(&exchange(&transport, url).await.unwrap_err(), url);
        }
        assert_eq!(exchange(&transport, &server.url("/")).await.unwrap(), "ok", "the next call");
    }
    let transport = builder().build().unwrap();
    for url in ["http://192.0.2.1/", "http://[2001:db8::1]:80/", "http://0.0.0.0/"] {
        assert_not_sent(&exchange(&transport, url).await.unwrap_err(), url);
    }
}

#[tokio::test]
async fn only_the_loopback_addresses_of_a_name_are_connected_to() {
    let server = Server::responding(OK).await;
    let table = Table::of(&["192.0.2.1", "2001:db8::1", "127.0.0.1"]);
    let transport = builder().resolver(table).build().unwrap();
    for host in ["api.localhost", "localhost", "LOCALHOST.", "api.test"] {
        let url = format!("http://{host}:{}/", server.address.port());
        assert_eq!(exchange(&transport, &url).await.unwrap(), "ok", "{host}");
    }
    assert_eq!(exchange(&transport, &server.url("/")).await.unwrap(), "ok");
}

#[tokio::test]
async fn plain_http_never_goes_through_a_proxy_unless_allowed() {
    let (server, proxy) = (Server::responding(OK).await, Server::responding(OK).await);
    let port = server.address.port();
    for scheme in ["http", "socks5", "socks5h"] {
        let proxies = Proxy::all(format!("{scheme}://{}", proxy.address));
        let transport = HyperTransport::builder()
            .proxy(proxies)
            .resolver(Table::of(&["127.0.0.1"]))
            .build()
            .unwrap();
        for host in ["127.0.0.1", "localhost", "api.localhost", "api.test"] {
            let url = format!("http://{host}:{port}/");
            assert_eq!(exchange(&transport, &url).await.unwrap(), "ok", "{scheme} {host}");
        }
        let error = exchange(&transport, "http://192.0.2.1/").await.unwrap_err();
        assert_not_sent(&error, scheme);
        assert_eq!(exchange(&transport, &server.url("/")).await.unwrap(), "ok", "the next call");
    }
    assert_eq!(proxy.accepted(), 0);

    let allowed = HyperTransport::builder()
        .proxy(Proxy::all(format!("http://{}", proxy.address)))
        .plain_http(PlainHttp::Anywhere)
        .build()
        .unwrap();
    assert_eq!(exchange(&allowed, "http://192.0.2.1/").await.unwrap(), "ok");
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn a_request_brings_its_own_permission_and_shares_no_connection_without_it() {
    let proxy = Server::responding(OK).await;
    let transport = HyperTransport::builder()
        .proxy(Proxy::all(format!("http://{}", proxy.address)))
        .build()
        .unwrap();
    let request = |plain_http: PlainHttp| {
        let mut request = get("http://192.0.2.1/");
        request.extensions_mut().insert(plain_http);
        request
    };
    let response = within(transport.send(request(PlainHttp::Anywhere))).await.unwrap();
    assert_eq!(read(response.into_body()).await.unwrap(), "ok");
    let error = within(transport.send(request(PlainHttp::LoopbackOnly))).await.unwrap_err();
    assert_not_sent(&error, "a request without permission");
    assert_not_sent(&exchange(&transport, "http://192.0.2.1/").await.unwrap_err(), "no extension");
    assert_eq!((proxy.accepted(), proxy.requests()), (1, 1));

    // The next call with permission succeeds over the same connection.
    let response = within(transport.send(request(PlainHttp::Anywhere))).await.unwrap();
    assert_eq!(read(response.into_body()).await.unwrap(), "ok");
    assert_eq!((proxy.accepted(), proxy.requests()), (1, 2));
}
