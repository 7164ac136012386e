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
