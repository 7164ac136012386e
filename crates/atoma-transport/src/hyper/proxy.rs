//! Which proxy a request goes through. Nothing that does not parse is ever stepped over.

use super::{
    builder::ConfigError,
    destination::{Target, without_brackets},
};
use crate::is_loopback;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use std::{borrow::Cow, env, ffi::OsString, fmt};

/// The proxies a [`HyperTransport`](crate::HyperTransport) uses.
///
/// A proxy is an `http://`, `https://`, `socks5://` (names are looked up here) or `socks5h://`
/// (names are looked up by the proxy) URL with optional credentials: `http://user:pass@host:port`.
/// Without a scheme it is an HTTP proxy. The port defaults to 80, 443 or 1080. An HTTP proxy is
/// asked to open a tunnel (CONNECT) to `https` servers, and to forward requests to `http` ones.
/// Credentials are sent to the proxy only.
///
/// What cannot be understood is an error when the transport is built, and never a direct
/// connection.
///
/// ```
/// use atoma_transport::{HyperTransport, Proxy};
///
/// # fn main() -> Result<(), atoma_transport::ConfigError> {
/// let proxy = Proxy::all("http://user:pass@proxy.example:3128").no_proxy("localhost, 10.0.0.0/8");
/// let transport = HyperTransport::builder().proxy(proxy).build()?;
///
/// let mistyped = HyperTransport::builder().proxy(Proxy::all("http:// proxy.example")).build();
/// assert!(mistyped.unwrap_err().is_proxy());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Proxy(Choice);

#[derive(Clone)]
enum Choice {
    FromEnv,
    Given(Urls),
}

#[derive(Clone, Default)]
struct Urls {
    all: Option<(&'static str, OsString)>,
    http: Option<(&'static str, OsString)>,
    https: Option<(&'static str, OsString)>,
    no: String,
    spare_loopback: bool,
}

impl Proxy {
    /// What the environment says, read when the transport is built. The default.
    ///
    /// `HTTPS_PROXY` for `https` servers, `HTTP_PROXY` for `http` ones, `ALL_PROXY` for those that
    /// have none of their own, and `NO_PROXY`; each also in lower case, which is read second. An
    /// empty variable counts as none. `localhost` and loopback addresses are always reached
    /// directly. Where `REQUEST_METHOD` is set (a CGI script, whose `HTTP_PROXY` is a header of the
    /// request it serves) there are no proxies.
    pub fn from_env() -> Self {
        Self(Choice::FromEnv)
    }

    /// No proxy, whatever the environment says.
    pub fn none() -> Self {
        Self(Choice::Given(Urls::default()))
    }

    /// The same proxy for every server.
    pub fn all(url: impl Into<String>) -> Self {
        let all = Some(("the proxy", url.into().into()));
        Self(Choice::Given(Urls { all, ..Urls::default() }))
    }

    /// The proxy for `http` servers. Replaces what the environment says.
    #[must_use]
    pub fn http(self, url: impl Into<String>) -> Self {
        let mut urls = self.given();
        urls.http = Some(("the proxy for http", url.into().into()));
        Self(Choice::Given(urls))
    }

    /// The proxy for `https` servers. Replaces what the environment says.
    #[must_use]
    pub fn https(self, url: impl Into<String>) -> Self {
        let mut urls = self.given();
        urls.https = Some(("the proxy for https", url.into().into()));
        Self(Choice::Given(urls))
    }

    /// The servers that are reached directly, separated by commas: names (with all below them),
    /// addresses, networks (`10.0.0.0/8`), or `*` for all. Replaces what the environment says.
    #[must_use]
    pub fn no_proxy(self, hosts: impl Into<String>) -> Self {
        let mut urls = self.given();
        urls.no = hosts.into();
        Self(Choice::Given(urls))
    }

    fn given(self) -> Urls {
        match self.0 {
            Choice::FromEnv => Urls::default(),
            Choice::Given(urls) => urls,
        }
    }

    pub(super) fn build(self) -> Result<Proxies, ConfigError> {
        match self.0 {
            Choice::FromEnv => Urls::from_variables(|name| env::var_os(name))?.build(),
            Choice::Given(urls) => urls.build(),
        }
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self::from_env()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Choice::FromEnv => "Proxy(from the environment)",
            Choice::Given(_) => "Proxy(given)",
        })
    }
}

impl Urls {
    fn from_variables(read: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        if read("REQUEST_METHOD").is_some() {
            return Ok(Self::default());
        }
        let first = |names: [&'static str; 2]| {
            let found = names.into_iter().find_map(|name| Some((name, read(name)?)));
            found.filter(|(_, value)| !value.is_empty())
        };
        let no = match first(["NO_PROXY", "no_proxy"]) {
            Some((name, value)) => {
                value.into_string().map_err(|_| ConfigError::proxy(name, "is not text"))?
            }
            None => String::new(),
        };
        Ok(Self {
            all: first(["ALL_PROXY", "all_proxy"]),
            http: first(["HTTP_PROXY", "http_proxy"]),
            https: first(["HTTPS_PROXY", "https_proxy"]),
            no,
            spare_loopback: true,
        })
    }

    fn build(self) -> Result<Proxies, ConfigError> {
        let checked = |url| match url {
            Some((name, url)) => checked(name, url),
            None => Ok(String::new()),
        };
        let (all, http, https) = (checked(self.all)?, checked(self.http)?, checked(self.https)?);
        let mut used = [&all, &http, &https].iter().any(|url| !url.is_empty());
        let mut no = String::new();
        for host in self.no.split(',') {
            let host = without_brackets(host.trim_ascii()).trim_end_matches('.');
            // To the matcher an asterisk is every name, but no address.
            used &= host != "*";
            no.push_str(host);
            no.push(',');
        }
        let matcher =
            used.then(|| Matcher::builder().all(all).http(http).https(https).no(no).build());
        Ok(Proxies { matcher, spare_loopback: self.spare_loopback })
    }
}

/// The URL of a proxy, if it is one; the error names the variable and never the URL.
fn checked(name: &'static str, url: OsString) -> Result<String, ConfigError> {
    let url = url.into_string().map_err(|_| ConfigError::proxy(name, "is not text"))?;
    let uri: Uri = url.parse().map_err(|_| ConfigError::proxy(name, "is not a URL"))?;
    if !matches!(uri.scheme_str(), None | Some("http" | "https" | "socks5" | "socks5h")) {
        return Err(ConfigError::proxy(name, "is neither http, https, socks5 nor socks5h"));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(ConfigError::proxy(name, "has a path: a proxy is a host and a port"));
    }
    let host_and_port = uri.authority().map(|authority| {
        let text = authority.as_str();
        text.rsplit_once('@').map_or(text, |(_, host_and_port)| host_and_port)
    });
    let Some((host_and_port, host)) = host_and_port.zip(uri.host()) else {
        return Err(ConfigError::proxy(name, "names no host"));
    };
    let has_port = host_and_port.len() > host.len();
    if host.is_empty() || (has_port && uri.port_u16().unwrap_or(0) == 0) {
        return Err(ConfigError::proxy(name, "names no host, or no port that exists"));
    }
    // The matcher drops what it cannot read: a URL it would drop must not pass.
    let probe = Uri::from_static("http://probe.invalid/");
    match Matcher::builder().all(url.as_str()).build().intercept(&probe) {
        Some(_) => Ok(url),
        None => Err(ConfigError::proxy(name, "is not a proxy")),
    }
}

/// The proxies of a transport, all of them understood.
pub(super) struct Proxies {
    matcher: Option<Matcher>,
    spare_loopback: bool,
}

impl Proxies {
    /// The way to `target`, the server of `uri`.
    pub(super) fn route(&self, target: &Target, uri: &Uri) -> Route {
        let Some(matcher) = &self.matcher else { return Route::Direct };
        if self.spare_loopback && is_loopback(target.host()) {
            return Route::Direct;
        }
        let Some(found) = matcher.intercept(&without_dot(uri)) else { return Route::Direct };
        let server = Box::new(ProxyServer::of(&found));
        match found.uri().scheme_str() {
            Some("socks5") => Route::Socks { server, names_here: true },
            Some("socks5h") => Route::Socks { server, names_here: false },
            _ if target.https => Route::Tunnel(server),
            _ => Route::Forward(server),
        }
    }
}

/// The way to a server. Boxed is what most requests do without.
#[derive(Debug)]
pub(super) enum Route {
    Direct,
    /// An HTTP proxy that reads the request and passes it on.
    Forward(Box<ProxyServer>),
    /// An HTTP proxy that opens a tunnel.
    Tunnel(Box<ProxyServer>),
    /// A SOCKS 5 proxy; the server's name is looked up here, or there.
    Socks {
        server: Box<ProxyServer>,
        names_here: bool,
    },
}

/// Where a proxy listens and what it wants to be told.
pub(super) struct ProxyServer {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    /// The value of `Proxy-Authorization`.
    pub(super) basic: Option<HeaderValue>,
    /// User and password, for SOCKS.
    pub(super) login: Option<(String, String)>,
}

impl ProxyServer {
    fn of(found: &Intercept) -> Self {
        let uri = found.uri();
        let default = match uri.scheme_str() {
            Some("https") => 443,
            Some("http") => 80,
            _ => 1080,
        };
        Self {
            host: without_brackets(uri.host().unwrap_or_default()).to_owned(),
            port: uri.port_u16().unwrap_or(default),
            tls: uri.scheme_str() == Some("https"),
            basic: found.basic_auth().cloned(),
            login: found.raw_auth().map(|(user, pass)| (user.to_owned(), pass.to_owned())),
        }
    }

    /// The proxy's place, for error texts.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProxyServer").field(&self.place()).finish()
    }
}

/// The URL without the dot that may end a full name, which NO_PROXY entries do not have.
fn without_dot(uri: &Uri) -> Cow<'_, Uri> {
    let Some(host) = uri.host().and_then(|host| host.strip_suffix('.')) else {
        return Cow::Borrowed(uri);
    };
    let scheme = uri.scheme_str().unwrap_or("http");
    format!("{scheme}://{host}/").parse().map_or(Cow::Borrowed(uri), Cow::Owned)
}

#[cfg(test)]
mod tests;
