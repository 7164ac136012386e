use crate::Error;
use atoma_transport::is_loopback;
use http::{
    Uri,
    uri::{Authority, Parts, PathAndQuery, Scheme},
};
use std::{
    fmt::{self, Write as _},
    net::Ipv6Addr,
    sync::{Mutex, PoisonError},
};

/// The base URL of a server, used as given: the path is kept, and `/v1` is added only where the URL
/// has no path.
pub(crate) struct ServerUrl {
    scheme: Scheme,
    authority: Authority,
    /// Empty, or starts with a slash; never ends with one.
    path: String,
    /// Percent-encoded, without the question mark.
    query: String,
    /// The URLs of the endpoints called so far: joining one costs two allocations.
    joined: Mutex<Vec<(&'static str, Uri)>>,
}

/// Query parameters by name and value, not encoded.
pub(crate) type Query = [(String, String)];

/// The default server.
pub(crate) const DEFAULT_SERVER_URL: &str = "https://api.atoma.network";

/// The API path that is added to a URL without a path.
const DEFAULT_PATH: &str = "/v1";
/// The path of a URL whose API is at the root of the server, such as Perplexity's.
const ROOT_PATH: &str = "/.";
/// The endings of URLs that were copied from the documentation of an endpoint.
const ENDPOINTS: [&str; 4] =
    ["/chat/completions", "/completions", "/embeddings", "/images/generations"];

impl ServerUrl {
    /// Checks `url`. Plain HTTP is accepted for this machine, or with `allow_http`.
    pub(crate) fn parse(url: &str, allow_http: bool) -> Result<Self, Error> {
        let url = url.trim_ascii();
        if !url.is_ascii() {
            return Err(invalid("it has a character that is not ASCII; percent-encode it"));
        }
        let uri: Uri = url.parse().map_err(|_| {
            invalid("it must look like https://api.atoma.network or http://localhost:8000")
        })?;
        let authority = uri
            .authority()
            .ok_or_else(|| invalid("it has no host; it must start with https:// or http://"))?;
        check_authority(authority)?;
        if url.contains('#') {
            return Err(invalid("it has a fragment (#)"));
        }
        let path = uri.path().trim_end_matches('/');
        if let Some(endpoint) = ENDPOINTS.iter().find(|endpoint| path.ends_with(**endpoint)) {
            let remedy = format!("it names an endpoint; remove {endpoint}, it is appended");
            return Err(invalid(&remedy));
        }
        Ok(Self {
            scheme: check_scheme(&uri, authority.host(), allow_http)?,
            authority: authority.clone(),
            path: path.to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            joined: Mutex::default(),
        })
    }

    /// Adds query parameters. They replace those of the same name.
    pub(crate) fn with_query(mut self, parameters: &Query) -> Self {
        self.query = merge(&self.query, parameters);
        self.joined = Mutex::default();
        self
    }

    #[cfg_attr(not(feature = "hyper"), allow(dead_code, reason = "only TLS asks"))]
    pub(crate) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Returns whether this is Atoma's own server.
    pub(crate) fn is_atoma(&self) -> bool {
        self.authority.host().eq_ignore_ascii_case("api.atoma.network")
    }

    /// Returns the URL of an endpoint of the API, such as `/chat/completions`.
    ///
    /// `parameters` are those of the call and replace others of the same name.
    pub(crate) fn join(&self, path: &'static str, parameters: &Query) -> Result<Uri, Error> {
        if !parameters.is_empty() {
            return self.url(self.api_path(), path, &merge(&self.query, parameters));
        }
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, uri)) = joined.iter().find(|(known, _)| *known == path) {
            return Ok(uri.clone());
        }
        let uri = self.url(self.api_path(), path, &self.query)?;
        joined.push((path, uri.clone()));
        Ok(uri)
    }

    /// Returns the URL of a path outside the API, such as `/health`: below the base URL without a
    /// `/v1` at its end.
    pub(crate) fn join_root(&self, path: &'static str, parameters: &Query) -> Result<Uri, Error> {
        let base = self.api_path();
        let root = base.strip_suffix(DEFAULT_PATH).unwrap_or(base);
        self.url(root, path, &merge(&self.query, parameters))
    }

    /// The base of the endpoints' paths.
    fn api_path(&self) -> &str {
        match self.path.as_str() {
            "" => DEFAULT_PATH,
            ROOT_PATH => "",
            path => path,
        }
    }

    fn url(&self, base: &str, path: &str, query: &str) -> Result<Uri, Error> {
        let separator = if query.is_empty() { "" } else { "?" };
        let path_and_query = PathAndQuery::try_from(format!("{base}{path}{separator}{query}"))
            .map_err(|_| invalid("its path and query are too long"))?;
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path_and_query);
        Ok(Uri::from_parts(parts).expect("a scheme, an authority and a path make a URL"))
    }
}

/// Shows no query: it may hold a key.
impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

fn invalid(why: &str) -> Error {
    Error::config(format!("invalid server URL: {why}"))
}

fn check_authority(authority: &Authority) -> Result<(), Error> {
    if authority.as_str().contains('@') {
        return Err(invalid("it has a user name or password; pass the key with api_key instead"));
    }
    let host = authority.host();
    if host.is_empty() {
        return Err(invalid("it has no host"));
    }
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if bracketed.is_some_and(|address| address.parse::<Ipv6Addr>().is_err()) {
        return Err(invalid("its host is in brackets, and is not an IPv6 address without a zone"));
    }
    let after_host = &authority.as_str()[host.len()..];
    // The parser of numbers would accept a sign.
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && matches!(port.parse::<u16>(), Ok(1..))
    };
    if after_host.is_empty() || after_host.strip_prefix(':').is_some_and(is_port) {
        return Ok(());
    }
    Err(invalid("its port is not a number from 1 to 65535"))
}

fn check_scheme(uri: &Uri, host: &str, allow_http: bool) -> Result<Scheme, Error> {
    if uri.scheme() == Some(&Scheme::HTTPS) {
        return Ok(Scheme::HTTPS);
    }
    if uri.scheme() != Some(&Scheme::HTTP) {
        return Err(invalid("it must start with https:// or http://"));
    }
    // A name may still resolve to another machine: the transport checks the address.
    if allow_http || is_loopback(host) {
        return Ok(Scheme::HTTP);
    }
    Err(invalid(
        "plain http:// to another machine shows the key to the network; use https://, or set \
         allow_http(true) if the network is yours",
    ))
}

/// Puts `parameters` after those of `query` that have another name. Of several parameters with one
/// name the last counts.
fn merge(query: &str, parameters: &Query) -> String {
    // Without parameters the query is used as given, empty ones included.
    if parameters.is_empty() {
        return query.to_owned();
    }
    let mut merged = String::with_capacity(query.len());
    let is_replaced = |pair: &str| {
        let name = decode(pair.split('=').next().unwrap_or_default());
        parameters.iter().any(|(other, _)| name == other.as_bytes())
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty() && !is_replaced(pair)) {
        separate(&mut merged);
        merged.push_str(pair);
    }
    for (index, (name, value)) in parameters.iter().enumerate() {
        if parameters[index + 1..].iter().any(|(later, _)| later == name) {
            continue;
        }
        separate(&mut merged);
        encode(&mut merged, name);
        merged.push('=');
        encode(&mut merged, value);
    }
    merged
}

fn separate(query: &mut String) {
    if !query.is_empty() {
        query.push('&');
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encode(query: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            query.push(char::from(byte));
        } else {
            write!(query, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
}

/// Decodes percent-encoding and `+` for a space; malformed escapes are kept.
fn decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            let are_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            u8::from_str_radix(digits, 16).ok().filter(|_| are_hex)
        });
        rest = after;
        match (first, escaped) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(*byte),
        }
    }
    decoded
}

#[cfg(test)]
mod tests;
