//! A proxy's URL, read.

use super::super::{
    config_error::ConfigError,
    destination::{parse_port, without_brackets},
};
use http::{HeaderMap, HeaderValue, uri::Authority};
use std::fmt;

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Https,
    Socks {
        /// Names are looked up here, or else by the proxy.
        names_here: bool,
    },
}

/// The address of a proxy and its protocol.
pub(crate) struct ProxyServer {
    pub(crate) protocol: Protocol,
    /// An IPv6 address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// User and password.
    pub(crate) login: Option<(String, String)>,
    /// Extra headers, sent with CONNECT.
    pub(crate) connect_headers: HeaderMap,
}

impl ProxyServer {
    /// Reads `text`; the error names `name`, a variable or an option, and never the text.
    pub(super) fn read(name: &str, text: &str) -> Result<Self, ConfigError> {
        let wrong = |problem| ConfigError::proxy(name, problem);
        let text = text.trim();
        let is_odd = |c: char| c.is_whitespace() || c.is_control();
        if text.contains(is_odd) {
            return Err(wrong("is not a URL: it contains spaces or control characters"));
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let protocol = match scheme.to_ascii_lowercase().as_str() {
            "http" => Protocol::Http,
            "https" => Protocol::Https,
            // GNOME writes `socks` for any version; the current one is meant.
            "socks" | "socks5" => Protocol::Socks { names_here: true },
            "socks5h" => Protocol::Socks { names_here: false },
            _ => return Err(wrong("is neither http, https, socks5 nor socks5h")),
        };
        // A password may contain an `@`: the last one ends it.
        let (login, server) = match rest.rsplit_once('@') {
            Some((login, server)) => (Some(login), server),
            None => (None, rest),
        };
        if login.is_some_and(|login| login.contains(['/', '?', '#'])) {
            return Err(wrong("has a user or password with a character that must be %-encoded"));
        }
        let server = server.strip_suffix('/').unwrap_or(server);
        if server.contains(['/', '?', '#']) {
            return Err(wrong("has a path: a proxy is a host and a port"));
        }
        let authority: Authority = server.parse().map_err(|_| wrong("names no host"))?;
        let (host, after) = (authority.host(), &server[authority.host().len()..]);
        let port = match after.strip_prefix(':') {
            Some(port) => parse_port(port),
            None => after.is_empty().then_some(protocol.usual_port()),
        };
        let port = port.filter(|_| !without_brackets(host).is_empty());
        Ok(Self {
            protocol,
            host: without_brackets(host).to_owned(),
            port: port.ok_or_else(|| wrong("names no host, or no port that exists"))?,
            login: login.filter(|login| !login.is_empty()).map(read_login).transpose().map_err(
                |NotText| wrong("has a user or password that is not UTF-8 when decoded"),
            )?,
            connect_headers: HeaderMap::new(),
        })
    }

    /// The value of `Proxy-Authorization` (RFC 7617), not shown in debug output.
    pub(crate) fn basic(&self) -> Option<HeaderValue> {
        let (user, password) = self.login.as_ref()?;
        let encoded = base64(format!("{user}:{password}").as_bytes());
        let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Host and port, for error texts.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl Protocol {
    fn usual_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks { .. } => 1080,
        }
    }
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProxyServer").field(&self.place()).finish()
    }
}

/// The decoded text is not UTF-8.
struct NotText;

/// User and password; the first colon separates them.
fn read_login(text: &str) -> Result<(String, String), NotText> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    Ok((percent_decoded(user)?, percent_decoded(password)?))
}

/// A percent sign without two digits after it is kept.
fn percent_decoded(text: &str) -> Result<String, NotText> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let (mut decoded, mut place) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(place) {
        match (byte, digit(bytes.get(place + 1)), digit(bytes.get(place + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.extend(u8::try_from(high * 16 + low));
                place += 3;
            }
            _ => {
                decoded.push(*byte);
                place += 1;
            }
        }
    }
    String::from_utf8(decoded).map_err(|_| NotText)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let is_padding = digit > three.len();
            let place = (bits >> (18 - 6 * digit)) as usize & 63;
            text.push(if is_padding { '=' } else { char::from(DIGITS[place]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn logins_are_sent_whole() {
        for (url, user, password) in [
            ("http://me:pw@p", "me", "pw"),
            ("http://me:p@ss@p", "me", "p@ss"),
            ("http://me@corp:p@ss@p:1", "me@corp", "p@ss"),
            ("http://me:p:w@p", "me", "p:w"),
            ("http://me:p%40s%3As%2F@p", "me", "p@s:s/"),
            ("http://me:100%@p", "me", "100%"),
            ("http://me:%zz@p", "me", "%zz"),
            ("http://me@p", "me", ""),
            ("socks5h://m%C3%BC:pw@p", "mü", "pw"),
            ("me:pw@p:1", "me", "pw"),
        ] {
            let server = ProxyServer::read("the proxy", url).unwrap();
            assert_eq!(server.login, Some((user.into(), password.into())), "{url}");
            assert_eq!(server.host, "p", "{url}");
        }
        assert_eq!(ProxyServer::read("the proxy", "http://@p").unwrap().login, None);
    }
}
