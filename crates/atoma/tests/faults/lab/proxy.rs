//! The suite's proxies: one that tunnels and forwards HTTP, and one that speaks SOCKS 5.
//!
//! They resolve every name to loopback.

use super::{CANARY, Peer, Script, Server};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

/// The user of a proxy that requires credentials. The password is [`CANARY`].
pub const USER: &str = "user";
/// The two in a `Proxy-Authorization` header.
const BASIC: &str = "Basic dXNlcjpzay1jYW5hcnktNWUxZjBjOWE3Yg==";

/// A proxy that plays these scripts, and tunnels on the connections after the last.
pub async fn http(scripts: impl IntoIterator<Item = Script>) -> Server {
    start(scripts, Script::default().run(|peer| Box::pin(serve_http(peer, false)))).await
}

/// A proxy that requires credentials.
pub async fn http_with_login() -> Server {
    start([], Script::default().run(|peer| Box::pin(serve_http(peer, true)))).await
}

/// A proxy that tunnels every connection to `listener`.
pub fn http_on(listener: TcpListener) -> Server {
    let tunnel = Script::default().run(|peer| Box::pin(serve_http(peer, false)));
    Server::scripted_on(listener, Vec::new(), tunnel, None)
}

/// A proxy that plays these scripts, and speaks SOCKS 5 on the connections after the last.
pub async fn socks(scripts: impl IntoIterator<Item = Script>) -> Server {
    start(scripts, Script::default().run(|peer| Box::pin(serve_socks(peer, false)))).await
}

/// A proxy that plays these scripts, and on the connections after the last speaks SOCKS 5 and
/// requires credentials.
pub async fn socks_with_login(scripts: impl IntoIterator<Item = Script>) -> Server {
    start(scripts, Script::default().run(|peer| Box::pin(serve_socks(peer, true)))).await
}

async fn start(scripts: impl IntoIterator<Item = Script>, then: Script) -> Server {
    Server::scripted(scripts, then).await
}

async fn serve_http(peer: &mut Peer, wants_login: bool) {
    let Some(request) = peer.request().await else { return };
    let login = format!("\r\nproxy-authorization: {BASIC}\r\n");
    if wants_login && !request.contains(&login) {
        let ask = "proxy-authenticate: Basic realm=\"lab\"\r\ncontent-length: 0";
        return peer.write(format!("HTTP/1.1 407 Log in\r\n{ask}\r\n\r\n").as_bytes()).await;
    }
    let mut words = request.split(' ');
    let method = words.next();
    let url = words.next().unwrap_or_default().trim_start_matches("http://");
    let authority = url.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let server = here(port.expect("a port"));
    if method == Some("CONNECT") {
        peer.write(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
        peer.forward(connect(server).await).await;
    } else {
        let mut onward = connect(server).await;
        let request = request.replace(&login, "\r\n");
        onward.write_all(request.as_bytes()).await.expect("the server reads");
        peer.forward(onward).await;
    }
}

async fn connect(server: SocketAddr) -> TcpStream {
    let onward = TcpStream::connect(server).await.expect("the server");
    onward.set_nodelay(true).expect("TCP_NODELAY");
    onward
}

/// RFC 1928 and RFC 1929, as far as a client needs them.
async fn serve_socks(peer: &mut Peer, wants_login: bool) {
    let _: Option<()> = async {
        let greeting = peer.take(2).await?;
        let methods = peer.take(greeting[1].into()).await?;
        let method = if wants_login { 2 } else { 0 };
        if !methods.contains(&method) {
            peer.write(&[5, 0xff]).await;
            return None;
        }
        peer.write(&[5, method]).await;
        if wants_login {
            let login = [text(peer, 1).await?, text(peer, 0).await?];
            let is_right = login == [USER, CANARY];
            peer.write(&[1, u8::from(!is_right)]).await;
            if !is_right {
                return None;
            }
        }
        let asked = peer.take(4).await?;
        assert_eq!(asked[..3], [5, 1, 0], "only connections are asked for");
        match asked[3] {
            1 => drop(peer.take(4).await?),
            4 => drop(peer.take(16).await?),
            _ => drop(text(peer, 0).await?),
        }
        let port = peer.take(2).await?;
        peer.write(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        let server = here(u16::from_be_bytes([port[0], port[1]]));
        peer.forward(connect(server).await).await;
        Some(())
    }
    .await;
}

/// Text that follows its length, after `before` other bytes.
async fn text(peer: &mut Peer, before: usize) -> Option<String> {
    let head = peer.take(before + 1).await?;
    let text = peer.take(head[before].into()).await?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn here(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
