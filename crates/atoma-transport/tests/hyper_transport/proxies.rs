//! Proxies: their requests, their errors, and that nothing bypasses them.

use crate::{
    support::{OK, Peer, Server, builder, get, read, within},
    unreachable::refusing,
};
use atoma_transport::{
    Delivery, ErrorKind, HyperTransport, HyperTransportBuilder, PlainHttp, Proxy, Transport,
    TransportError,
};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, copy_bidirectional},
    net::TcpStream,
};

fn via(proxy: Proxy) -> HyperTransportBuilder {
    HyperTransport::builder().proxy(proxy).plain_http(PlainHttp::Anywhere)
}

async fn exchange(transport: &HyperTransport, url: &str) -> Result<String, TransportError> {
    within(async { read(transport.send(get(url)).await?.into_body()).await }).await
}

async fn onward(mut peer: Peer<TcpStream>, to: SocketAddr) {
    let mut server = TcpStream::connect(to).await.unwrap();
    let _ = copy_bidirectional(&mut peer.stream, &mut server).await;
}

#[tokio::test]
async fn a_forward_proxy_reads_the_whole_url_and_its_credentials() {
    let proxy = Server::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            assert!(request.starts_with("GET http://api.test/v1?x=1 HTTP/1.1\r\n"), "{request}");
            assert!(request.contains("\r\nhost: api.test\r\n"), "{request}");
            assert!(
                request.contains("\r\nproxy-authorization: Basic dXNlcjpwYSBzcw==\r\n"),
                "{request}"
            );
            peer.write(OK).await;
        }
    })
    .await;
    let url = format!("http://user:pa%20ss@{}", proxy.address);
    let transport = via(Proxy::all(url)).build().unwrap();
    for _ in 0..3 {
        assert_eq!(exchange(&transport, "http://api.test/v1?x=1").await.unwrap(), "ok");
    }
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn a_proxys_error_carries_its_status() {
    for (response, transient, expected) in [
        ("HTTP/1.1 407 Auth\r\ncontent-length: 0\r\n\r\n", false, "wants other credentials (407)"),
        ("HTTP/1.1 403 No\r\n\r\n", false, "refused (403 Forbidden)"),
        ("HTTP/1.1 302 Found\r\nlocation: http://x/\r\n\r\n", false, "refused (302 Found)"),
        ("HTTP/1.1 502 Bad\r\n\r\n", true, "could not reach the server (502 Bad Gateway)"),
        ("HTTP/1.1 503 Busy\r\n\r\n", true, "could not reach the server (503 Service Unavailable)"),
        ("SSH-2.0-OpenSSH\r\n", false, "does not speak HTTP"),
        ("", true, "sent no response"),
        ("HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03", false, "spoke before the server could"),
    ] {
        let proxy = Server::responding_once(response).await;
        let url = format!("http://user:secret@{}", proxy.address);
        let transport = via(Proxy::all(url)).build().unwrap();
        let error = exchange(&transport, "https://api.test/").await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Proxy, Delivery::NotSent));
        assert_eq!(error.is_transient(), transient, "{expected}");
        assert_eq!(error.detail().unwrap(), format!("{} {expected}", proxy.address));
        assert!(!format!("{error:?}{transport:?}").contains("secret"));
    }

    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    let proxy = Server::responding_once(long).await;
    let transport = via(Proxy::all(proxy.url(""))).build().unwrap();
    let error = exchange(&transport, "https://api.test/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_tunnel_is_asked_for_with_credentials_that_go_no_further() {
    let proxy = Server::start(|mut peer| async move {
        let request = peer.request().await.unwrap();
        assert!(request.starts_with("CONNECT api.test:443 HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("host: api.test:443\r\n"), "{request}");
        assert!(request.contains("proxy-authorization: Basic dXNlcjpzZWNyZXQ=\r\n"), "{request}");
        peer.write("HTTP/1.1 200 Connection established\r\n\r\n").await;
        let mut hello = Vec::new();
        let _ = peer.stream.read_buf(&mut hello).await;
        assert_eq!(hello.first(), Some(&0x16), "TLS begins");
        peer.closed();
    })
    .await;
    let transport = via(Proxy::all(format!("user:secret@{}", proxy.address))).build().unwrap();
    let error = exchange(&transport, "https://api.test/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    within(proxy.until_closed(1)).await;
}

#[tokio::test]
async fn a_forward_proxys_407_is_the_proxys() {
    let proxy = Server::responding_once("HTTP/1.1 407 Auth\r\ncontent-length: 0\r\n\r\n").await;
    let transport = via(Proxy::all(proxy.url(""))).build().unwrap();
    let error = exchange(&transport, "http://api.test/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_named() {
    let (_socket, address) = refusing();
    let transport = via(Proxy::all(format!("http://{address}"))).build().unwrap();
    let error = exchange(&transport, "https://api.test/").await.unwrap_err();
    assert_eq!(error.to_string(), format!("proxy connection failed: {address}"));
    assert!(error.is_transient());
}

/// A SOCKS 5 proxy that requires `login` and connects every name to `to`.
async fn socks(login: Option<&'static str>, reply: u8, to: SocketAddr) -> Server {
    Server::start(move |mut peer| async move {
        let mut greeting = [0; 3];
        peer.stream.read_exact(&mut greeting).await.unwrap();
        if let Some(login) = login {
            if greeting[2] != 2 {
                peer.write([5, 0xff]).await;
                return;
            }
            peer.write([5, 2]).await;
            let mut given = vec![0; login.len() + 2];
            peer.stream.read_exact(&mut given).await.unwrap();
            let (user, pass) = login.split_once(':').unwrap();
            let wanted =
                [&[1, user.len() as u8], user.as_bytes(), &[pass.len() as u8], pass.as_bytes()];
            let is_right = given == wanted.concat();
            peer.write([1, u8::from(!is_right)]).await;
            if !is_right {
                return;
            }
        } else {
            peer.write([5, 0]).await;
        }
        let mut head = [0; 5];
        peer.stream.read_exact(&mut head).await.unwrap();
        assert_eq!(head[..4], [5, 1, 0, 3], "a name, for the proxy to look up");
        let mut name = vec![0; usize::from(head[4]) + 2];
        peer.stream.read_exact(&mut name).await.unwrap();
        assert!(name.starts_with(b"api.test"));
        peer.write([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        if reply == 0 {
            onward(peer, to).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_socks_proxy_passes_bytes_on_or_says_why_not() {
    let server = Server::responding(OK).await;
    for (name, login, url_login, reply, wanted) in [
        ("open", None, "", 0, Ok(())),
        ("with a login", Some("me:pw"), "me:pw@", 0, Ok(())),
        ("wrong password", Some("me:pw"), "me:no@", 0, Err(false)),
        ("login missing", Some("me:pw"), "", 0, Err(false)),
        ("not allowed", None, "", 2, Err(false)),
        ("host unreachable", None, "", 4, Err(true)),
        ("refused", None, "", 5, Err(true)),
    ] {
        let proxy = socks(login, reply, server.address).await;
        let url = format!("socks5h://{url_login}{}", proxy.address);
        let transport = via(Proxy::all(url)).build().unwrap();
        match (exchange(&transport, "http://api.test/").await, wanted) {
            (Ok(body), Ok(())) => assert_eq!(body, "ok", "{name}"),
            (Err(error), Err(transient)) => {
                assert_eq!(error.kind(), ErrorKind::Proxy, "{name}");
                assert_eq!(error.is_transient(), transient, "{name}: {error}");
                assert!(error.to_string().contains(&proxy.address.to_string()), "{error}");
            }
            (got, _) => panic!("{name}: {got:?}"),
        }
    }
    let short = Server::responding_once([5]).await;
    let short_reply = Server::start(|mut peer| async move {
        peer.read().await;
        peer.write([5]).await;
    });
    drop(short);
    let proxy = short_reply.await;
    let transport = via(Proxy::all(format!("socks5h://{}", proxy.address))).build().unwrap();
    let error = exchange(&transport, "http://api.test/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn connect_carries_the_user_agent_and_headers_of_the_callers_choice() {
    let (asked, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let proxy = Server::start(move |mut peer| {
        let asked = asked.clone();
        async move {
            asked.send(peer.request().await.unwrap()).unwrap();
            peer.write("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    let url = format!("http://me:p@ss:w%40rd@{}", proxy.address);
    let plain = via(Proxy::all(&url));
    let with_headers = via(Proxy::all(&url))
        .proxy_header("x-cluster".parse().unwrap(), "blue".parse().unwrap())
        .proxy_header("proxy-authorization".parse().unwrap(), "Bearer token".parse().unwrap());
    for (builder, lines) in [
        // me:p@ss:w@rd
        (plain, &["user-agent: atoma/1", "proxy-authorization: Basic bWU6cEBzczp3QHJk"][..]),
        (
            with_headers,
            &["user-agent: atoma/1", "x-cluster: blue", "proxy-authorization: Bearer token"],
        ),
    ] {
        let mut request = get("https://api.test/");
        request.headers_mut().insert("user-agent", "atoma/1".parse().unwrap());
        request.headers_mut().insert("authorization", "Bearer secret".parse().unwrap());
        within(builder.build().unwrap().send(request)).await.unwrap_err();
        let connect = requests.recv().await.unwrap();
        let first = "CONNECT api.test:443 HTTP/1.1\r\nhost: api.test:443\r\n";
        assert!(connect.starts_with(first), "{connect}");
        for line in lines {
            assert!(connect.contains(&format!("{line}\r\n")), "{connect}");
        }
        assert_eq!(connect.matches("proxy-authorization").count(), 1, "{connect}");
        assert!(!connect.contains("secret"), "{connect}");
    }
}

#[tokio::test]
async fn socks_without_a_number_is_socks_5() {
    let server = Server::responding(OK).await;
    let to = server.address;
    let proxy = Server::start(move |mut peer| async move {
        let mut greeting = [0; 3];
        peer.stream.read_exact(&mut greeting).await.unwrap();
        peer.write([5, 0]).await;
        let mut request = [0; 10];
        peer.stream.read_exact(&mut request).await.unwrap();
        assert_eq!(request[..8], [5, 1, 0, 1, 192, 0, 2, 1], "an address, known here");
        peer.write([5, 0, 0, 3, 2, b'x', b'y', 0, 0]).await;
        onward(peer, to).await;
    })
    .await;
    let transport = via(Proxy::all(format!("socks://{}", proxy.address))).build().unwrap();
    assert_eq!(exchange(&transport, "http://192.0.2.1/").await.unwrap(), "ok");
}

#[tokio::test]
async fn some_servers_are_reached_directly() {
    let server = Server::responding(OK).await;
    let proxy = Server::responding(OK.replace("ok", "no")).await;
    for list in ["127.0.0.0/8", "127.0.0.1", "x.test, 127.0.0.1 ,y.test", "*"] {
        let given = Proxy::all(proxy.url("")).no_proxy(list);
        let transport = via(given).build().unwrap();
        assert_eq!(exchange(&transport, &server.url("/")).await.unwrap(), "ok", "{list}");
    }
    let transport = via(Proxy::all(proxy.url(""))).build().unwrap();
    assert_eq!(exchange(&transport, &server.url("/")).await.unwrap(), "no");
    let https_only = via(Proxy::none().https(proxy.url(""))).build().unwrap();
    assert_eq!(exchange(&https_only, &server.url("/")).await.unwrap(), "ok");
    assert_eq!(exchange(&builder().build().unwrap(), &server.url("/")).await.unwrap(), "ok");
}

#[test]
fn a_mistyped_proxy_is_an_error_when_the_transport_is_built() {
    for url in [
        "",
        "http://",
        "http:// secret.example",
        "http://user:secret@",
        "http://user:secret@:3128",
        "http://user:secret@host:port",
        "http://user:secret@host:99999",
        "http://user:secret@host:0",
        "http://user:secret@host:",
        "http://user:sec ret@host:1",
        "ftp://user:secret@host",
        "socks4://user:secret@host",
        "socks6://user:secret@host",
        "htp://secret",
        "http:///secret",
        "/secret",
        "http://host/secret",
        "http://host?secret",
    ] {
        for proxy in [Proxy::all(url), Proxy::none().http(url), Proxy::none().https(url)] {
            let error = via(proxy).build().expect_err(url);
            assert!(error.is_proxy(), "{url}");
            let text = format!("{error} {error:?}");
            assert!(!text.contains("secret") && !text.contains("sec ret"), "{text}");
        }
    }
    let text = format!("{:?}", via(Proxy::all("http://user:secret@host")));
    assert!(!text.contains("secret"), "{text}");
}
