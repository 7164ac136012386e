//! Decides which servers are on this machine, and whether others may be reached without TLS.

use std::net::IpAddr;

/// The allowed destinations of requests to `http://` URLs. They are not encrypted: anyone on the
/// way reads the request, including its key.
///
/// It is set for all requests by [`HyperTransportBuilder::plain_http`], and for one by a value in
/// the request's extensions, which takes precedence.
///
/// [`HyperTransportBuilder::plain_http`]: crate::HyperTransportBuilder::plain_http
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlainHttp {
    /// Only to loopback addresses, and never through a proxy. The default.
    ///
    /// The address that is connected to decides, not the name: `http://api.localhost` is an error
    /// if it resolves to another machine.
    #[default]
    LoopbackOnly,
    /// To every address, and through the proxy for `http` URLs.
    Anywhere,
}

/// Returns whether `host`, as a URL has it, names this machine: a loopback address, with or without
/// brackets, `localhost`, or a name below `localhost` (RFC 6761).
///
/// It looks nothing up. A name can still resolve to another machine.
///
/// ```
/// use atoma_transport::is_loopback;
///
/// assert!(is_loopback("127.0.0.1") && is_loopback("[::1]") && is_loopback("api.localhost"));
/// assert!(!is_loopback("localhost.example") && !is_loopback("0.0.0.0"));
/// ```
pub fn is_loopback(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) => is_loopback_address(address),
        Err(_) => {
            let last_label = host.rsplit('.').next().unwrap_or(host);
            last_label.eq_ignore_ascii_case("localhost")
        }
    }
}

/// Whether packets to `address` stay on this machine. `::ffff:127.0.0.1` is `127.0.0.1`.
pub(crate) fn is_loopback_address(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_this_machine_are_recognized() {
        for host in [
            "localhost",
            "LocalHost.",
            "api.localhost",
            "api.localhost.",
            "127.0.0.1",
            "127.255.255.254",
            "::1",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ".",
            "localhost.evil.test",
            "notlocalhost",
            "0.0.0.0",
            "10.0.0.1",
            "[::]",
            "[::ffff:10.0.0.1]",
            "127.0.0.1.evil.test",
            "128.0.0.1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
