//! SOCKS 5 (RFC 1928), with a user name and password (RFC 1929) or without.
//!
//! ```text
//! client                                proxy
//! 05 01 method                     ──►
//!                                  ◄──  05 method
//! 01 user password  (if method 2)  ──►
//!                                  ◄──  01 00
//! 05 01 00 type address port       ──►
//!                                  ◄──  05 reply 00 type address port
//! ```
//!
//! After that the stream belongs to the server. Every error is [`Delivery::NotSent`], since the request comes later.

use super::{proxy::ProxyServer, stream::Stream};
use crate::{Delivery, ErrorKind, TransportError};
use std::{io, net::IpAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const LOGIN: u8 = 2;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Asks the proxy at the other end of `stream` to connect it to `host`, an address or a name.
pub(super) async fn connect(
    stream: &mut Stream,
    server: &ProxyServer,
    host: &str,
    port: u16,
) -> Result<(), TransportError> {
    match exchange(stream, server, host, port).await {
        Ok(()) => Ok(()),
        Err(Failure { detail, is_final, source }) => {
            let mut failed = TransportError::new(ErrorKind::Proxy, Delivery::NotSent)
                .with_detail(format!("{}: {detail}", server.place()));
            if let Some(source) = source {
                failed = failed.with_source(source);
            }
            Err(if is_final { failed.permanent() } else { failed })
        }
    }
}

/// Why the proxy was of no use.
struct Failure {
    /// The reason, after the name of the proxy.
    detail: &'static str,
    /// Whether another attempt would fail in the same way.
    is_final: bool,
    /// The error of the stream.
    source: Option<io::Error>,
}

impl Failure {
    /// A failure that another attempt would repeat.
    fn last(detail: &'static str) -> Self {
        Self { detail, is_final: true, source: None }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { detail: "the SOCKS handshake failed", is_final: false, source: Some(error) }
    }
}

/// Makes the handshake. One method is offered, so that the password is sent only to a proxy that asks for it.
async fn exchange(
    stream: &mut Stream,
    server: &ProxyServer,
    host: &str,
    port: u16,
) -> Result<(), Failure> {
    let method = if server.login.is_some() { LOGIN } else { NO_LOGIN };
    write(stream, &[VERSION, 1, method]).await?;
    match read(stream).await? {
        [VERSION, chosen] if chosen == method => {}
        [VERSION, _] if method == LOGIN => {
            return Err(Failure::last("it does not accept authentication by password"));
        }
        [VERSION, _] => return Err(Failure::last("it wants authentication")),
        _ => return Err(Failure::last("it does not speak SOCKS 5")),
    }
    if let Some((user, password)) = &server.login {
        let mut request = vec![1];
        for text in [user, password] {
            let too_long = |_| Failure::last("user or password is longer than 255 bytes");
            request.push(u8::try_from(text.len()).map_err(too_long)?);
            request.extend_from_slice(text.as_bytes());
        }
        write(stream, &request).await?;
        if read::<2>(stream).await?[1] != 0 {
            return Err(Failure::last("it does not accept the user and password"));
        }
    }
    let mut request = vec![VERSION, CONNECT, 0];
    // A name goes to the proxy as it is: the proxy looks it up.
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Err(_) => {
            let too_long = |_| Failure::last("the server's name is longer than 255 bytes");
            request.extend([NAME, u8::try_from(host.len()).map_err(too_long)?]);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    write(stream, &request).await?;

    let [version, reply, _, kind] = read(stream).await?;
    if version != VERSION {
        return Err(Failure::last("it does not speak SOCKS 5"));
    }
    if reply != 0 {
        return Err(refusal(reply));
    }
    // The address and port that it connects from, which are not needed.
    let left = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(read::<1>(stream).await?[0]),
        _ => return Err(Failure::last("it does not speak SOCKS 5")),
    };
    stream.read_exact(&mut vec![0; left + 2]).await?;
    Ok(())
}

/// RFC 1928, section 6.
fn refusal(reply: u8) -> Failure {
    let (detail, is_final) = match reply {
        1 => ("it failed", false),
        2 => ("the connection is not allowed by its rules", true),
        3 => ("it cannot reach the server's network", false),
        4 => ("it cannot reach the server", false),
        5 => ("the server refused the connection", false),
        6 => ("the server did not respond to it in time", false),
        7 => ("it does not support connections", true),
        8 => ("it does not support this kind of address", true),
        _ => ("it failed for a reason that is not known here", false),
    };
    Failure { detail, is_final, source: None }
}

/// Writes and flushes: with TLS to the proxy, bytes wait in a buffer otherwise.
async fn write(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Reads exactly `N` bytes, so that none of the server's are taken.
async fn read<const N: usize>(stream: &mut Stream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(feature = "test-util")]
#[cfg(test)]
mod tests {
    use super::{super::proxy::Protocol, *};

    type Login<'a> = Option<(&'a str, &'a str)>;

    /// Asks a proxy that replies with `replies`. Returns the outcome, the bytes that it was sent, and
    /// the bytes of the server behind it.
    async fn ask(
        login: Login<'_>,
        host: &str,
        replies: &[&[u8]],
    ) -> (Result<(), String>, Vec<u8>, Vec<u8>) {
        let server = ProxyServer {
            protocol: Protocol::Socks { names_here: false },
            host: "p".to_owned(),
            port: 1080,
            login: login.map(|(user, password)| (user.to_owned(), password.to_owned())),
            connect_headers: http::HeaderMap::new(),
        };
        let (stream, mut proxy) = tokio::io::duplex(1024);
        let mut stream = Stream::dialed(Box::new(stream));
        proxy.write_all(&replies.concat()).await.unwrap();
        proxy.shutdown().await.unwrap();
        let outcome = connect(&mut stream, &server, host, 443).await.map_err(|error| {
            let (kind, delivery) = (error.kind(), error.delivery());
            assert_eq!((kind, delivery), (ErrorKind::Proxy, Delivery::NotSent));
            let again = if error.is_transient() { "again" } else { "final" };
            format!("{}, {again}", error.detail().unwrap())
        });
        let (mut sent, mut rest) = (Vec::new(), Vec::new());
        stream.read_to_end(&mut rest).await.unwrap();
        drop(stream);
        proxy.read_to_end(&mut sent).await.unwrap();
        (outcome, sent, rest)
    }

    const OPEN: &[u8] = &[5, 0];
    const DONE: &[u8] = &[5, 0, 0, 1, 127, 0, 0, 1, 0, 80];

    #[tokio::test]
    async fn the_address_and_the_login_are_sent_and_the_reply_is_read_exactly() {
        let v6: &[u8] = &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let (plain, hello) = (None, &[5, 1, 0][..]);
        let bound_v6 = [&[5, 0, 0, 4], v6, &[0, 80]].concat();
        let table: [(Login<'_>, &str, &[&[u8]], Vec<u8>); 5] = [
            (plain, "host", &[OPEN, DONE], [hello, &[5, 1, 0, 3, 4], b"host\x01\xbb"].concat()),
            (
                plain,
                "10.1.2.3",
                &[OPEN, DONE],
                [hello, &[5, 1, 0, 1, 10, 1, 2, 3, 1, 187]].concat(),
            ),
            (
                plain,
                "2001:db8::1",
                &[OPEN, &bound_v6],
                [hello, &[5, 1, 0, 4], v6, &[1, 187]].concat(),
            ),
            (
                plain,
                "host",
                &[OPEN, b"\x05\x00\x00\x03\x03abc\x00\x50"],
                [hello, &[5, 1, 0, 3, 4], b"host\x01\xbb"].concat(),
            ),
            (
                Some(("user", "pw")),
                "host",
                &[&[5, 2], &[1, 0], DONE],
                [&[5, 1, 2][..], b"\x01\x04user\x02pw", &[5, 1, 0, 3, 4], b"host\x01\xbb"].concat(),
            ),
        ];
        for (login, host, replies, expected) in table {
            let outcome = ask(login, host, &[&replies.concat(), b"from the server"]).await;
            assert_eq!(
                outcome,
                (Ok(()), expected, b"from the server".to_vec()),
                "{login:?} {host}"
            );
        }
    }

    #[tokio::test]
    async fn a_refusal_says_why_and_whether_another_attempt_may_help() {
        let (plain, login): (Login<'_>, _) = (None, Some(("user", "pw")));
        let user = "u".repeat(256);
        let host = "h".repeat(256);
        let refused = |reply| [5, reply, 0, 1, 0, 0, 0, 0, 0, 0];
        let mut table = vec![
            (plain, "h", vec![&[4, 0][..]], "it does not speak SOCKS 5, final"),
            (plain, "h", vec![&[5, 2]], "it wants authentication, final"),
            (plain, "h", vec![&[5, 255]], "it wants authentication, final"),
            (login, "h", vec![OPEN], "it does not accept authentication by password, final"),
            (login, "h", vec![&[4, 2]], "it does not speak SOCKS 5, final"),
            (login, "h", vec![&[5, 2], &[1, 1]], "it does not accept the user and password, final"),
            (
                Some((user.as_str(), "pw")),
                "h",
                vec![&[5, 2]],
                "user or password is longer than 255 bytes, final",
            ),
            (plain, &host, vec![OPEN], "the server's name is longer than 255 bytes, final"),
            (
                plain,
                "h",
                vec![OPEN, &[4, 0, 0, 1, 0, 0, 0, 0, 0, 0]],
                "it does not speak SOCKS 5, final",
            ),
            (
                plain,
                "h",
                vec![OPEN, &[5, 0, 0, 2, 0, 0, 0, 0, 0, 0]],
                "it does not speak SOCKS 5, final",
            ),
            (plain, "h", vec![], "the SOCKS handshake failed, again"),
            (plain, "h", vec![OPEN, &DONE[..9]], "the SOCKS handshake failed, again"),
        ];
        let replies: Vec<_> = (1..=9).map(refused).collect();
        let reasons = [
            "it failed, again",
            "the connection is not allowed by its rules, final",
            "it cannot reach the server's network, again",
            "it cannot reach the server, again",
            "the server refused the connection, again",
            "the server did not respond to it in time, again",
            "it does not support connections, final",
            "it does not support this kind of address, final",
            "it failed for a reason that is not known here, again",
        ];
        for (reply, reason) in replies.iter().zip(reasons) {
            table.push((plain, "h", vec![OPEN, reply], reason));
        }
        for (login, host, replies, reason) in table {
            let (outcome, ..) = ask(login, host, &replies).await;
            assert_eq!(outcome, Err(format!("p:1080: {reason}")), "{replies:?}");
        }
    }
}
