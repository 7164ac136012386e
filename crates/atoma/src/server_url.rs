use crate::Error;
use http::{
    Uri,
    uri::{Authority, Parts, PathAndQuery, Scheme},
};
use std::{fmt, net::IpAddr};

/// Where the API lives: scheme, host, port and a path prefix, checked once.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    scheme: Scheme,
    authority: Authority,
    /// Empty or starting with a slash; never ends with one.
    prefix: String,
}

/// What is used where no server is named.
pub(crate) const DEFAULT_SERVER_URL: &str = "https://api.atoma.network";

impl ServerUrl {
    /// Checks `url`; plain HTTP passes only for this machine, or where `allow_http` is set.
    pub(crate) fn parse(url: &str, allow_http: bool) -> Result<Self, Error> {
        let bad = |why: &str| Error::config(format!("the server URL {why}"));
        let uri: Uri = url.trim_ascii().parse().map_err(|_| {
            bad("is not a URL: it has to look like https://api.atoma.network or http://localhost:8000")
        })?;
        let authority = uri
            .authority()
            .ok_or_else(|| bad("has no host: it has to start with https:// or http://"))?;
        if authority.as_str().contains('@') {
            return Err(bad("holds a user name or password: pass the key with api_key instead"));
        }
        if authority.host().is_empty() {
            return Err(bad("has no host"));
        }
        let has_port = authority.as_str().len() > authority.host().len();
        if has_port && authority.port_u16().is_none() {
            return Err(bad("has a port that is no number from 0 to 65535"));
        }
        if uri.query().is_some() || url.contains('#') {
            return Err(bad("has a query or fragment: only a path prefix is possible"));
        }
        if uri.path().trim_end_matches('/').ends_with("/chat/completions") {
            return Err(bad("names the endpoint: leave /chat/completions out, it is appended"));
        }
        let scheme = if uri.scheme() == Some(&Scheme::HTTP) {
            if !allow_http && !is_loopback(authority.host()) {
                return Err(bad(
                    "is plain http:// to another machine, which would show the key to the network: \
                     use https://, or allow_http(true) if the network is yours",
                ));
            }
            Scheme::HTTP
        } else if uri.scheme() == Some(&Scheme::HTTPS) {
            Scheme::HTTPS
        } else {
            return Err(bad("has to start with https:// or http://"));
        };
        Ok(Self {
            scheme,
            authority: authority.clone(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    #[cfg_attr(not(feature = "hyper"), allow(dead_code, reason = "only TLS asks"))]
    pub(crate) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The URL of an endpoint, whose `path` starts with `/v1/`.
    ///
    /// A prefix that ends in `/v1` already, as users of other SDKs write it, is not doubled.
    pub(crate) fn join(&self, path: &PathAndQuery) -> Result<Uri, Error> {
        let path = if self.prefix.is_empty() {
            path.clone()
        } else {
            let path = match path.as_str().strip_prefix("/v1") {
                Some(rest) if self.prefix.ends_with("/v1") => rest,
                _ => path.as_str(),
            };
            PathAndQuery::try_from(format!("{}{path}", self.prefix))
                .map_err(|_| Error::config("the server URL has a path that cannot be joined"))?
        };
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Ok(Uri::from_parts(parts).expect("a scheme, an authority and a path make a URL"))
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost") || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_keep_the_prefix() {
        let cases = [
            ("https://api.atoma.network", "https://api.atoma.network/v1/chat/completions"),
            ("https://api.atoma.network/", "https://api.atoma.network/v1/chat/completions"),
            ("https://gateway.test/atoma", "https://gateway.test/atoma/v1/chat/completions"),
            ("https://gateway.test/atoma//", "https://gateway.test/atoma/v1/chat/completions"),
            ("http://localhost:8000/v1", "http://localhost:8000/v1/chat/completions"),
            ("http://localhost:8000/v1/", "http://localhost:8000/v1/chat/completions"),
            ("http://127.0.0.2:1", "http://127.0.0.2:1/v1/chat/completions"),
            ("http://[::1]:8000", "http://[::1]:8000/v1/chat/completions"),
            (" https://api.atoma.network ", "https://api.atoma.network/v1/chat/completions"),
        ];
        for (url, joined) in cases {
            let server = ServerUrl::parse(url, false).unwrap();
            let path = PathAndQuery::from_static("/v1/chat/completions");
            assert_eq!(server.join(&path).unwrap(), joined, "{url}");
        }
    }

    #[test]
    fn bad_ones_are_refused_with_a_reason() {
        let cases = [
            ("", "not a URL"),
            ("api.atoma.network", "https:// or http://"),
            ("/v1", "has no host"),
            ("ftp://api.atoma.network", "https:// or http://"),
            ("https://", "not a URL"),
            ("https://user:secret@api.atoma.network", "user name or password"),
            ("https://user:se/cret@api.atoma.network", "port that is no number"),
            ("https://api.atoma.network:", "port that is no number"),
            ("https://api.atoma.network:65536", "port that is no number"),
            ("https://api.atoma.network?key=1", "query or fragment"),
            ("https://api.atoma.network/#create", "query or fragment"),
            ("https://api.atoma.network/v1/chat/completions", "leave /chat/completions out"),
            ("http://api.atoma.network", "allow_http"),
            ("http://192.168.0.7:8000", "allow_http"),
            ("http://localhost.evil.test", "allow_http"),
        ];
        for (url, reason) in cases {
            let error = ServerUrl::parse(url, false).unwrap_err();
            assert!(error.is_config(), "{url}");
            let text = error.to_string();
            assert!(text.contains(reason), "{url}: {text}");
            assert!(!text.contains("secret") && !text.contains('\n'), "{text}");
        }
        assert!(ServerUrl::parse("http://192.168.0.7:8000", true).is_ok());
    }
}
