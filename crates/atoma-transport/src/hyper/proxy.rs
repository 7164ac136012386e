//! Chooses the proxy for a request. A setting that cannot be parsed is an error, never ignored.

mod no_proxy;
mod server;

use super::{config_error::ConfigError, destination::Target};
use crate::is_loopback;
use http::{HeaderMap, HeaderValue};
use no_proxy::{NoProxy, Spared};
pub(super) use server::{Protocol, ProxyServer};
use std::{env, ffi::OsString, fmt, sync::Arc};

/// The proxies a [`HyperTransport`](crate::HyperTransport) uses.
///
/// A proxy is an `http://`, `https://`, `socks5://` (or `socks://`; names are looked up here) or
/// `socks5h://` (names are looked up by the proxy) URL with optional credentials: `http://user:pass@host:port`.
/// Without a scheme it is an HTTP proxy. The port defaults to 80, 443 or 1080. An HTTP proxy is
/// asked to open a tunnel (CONNECT) to `https` servers, and to forward requests to `http` ones.
/// Credentials are sent to the proxy only.
///
/// A setting that cannot be understood is an error, never a direct connection: when the transport
/// is built, or for a variable of the environment with the first request that needs it.
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
    all: Option<Setting>,
    http: Option<Setting>,
    https: Option<Setting>,
    no: Option<Setting>,
    spare_loopback: bool,
}

impl Proxy {
    /// The proxies of the environment, read when the transport is built. The default.
    ///
    /// `HTTPS_PROXY` is for `https` servers, `HTTP_PROXY` for `http` ones, `ALL_PROXY` for those that
    /// have none, and `NO_PROXY` lists the servers that are reached directly, as in
    /// [`no_proxy`](Self::no_proxy). Each is also read in lower case if the upper case one is missing
    /// or empty. `localhost` and loopback addresses are always reached directly. Where
    /// `REQUEST_METHOD` is set, `HTTP_PROXY` is ignored, as it is a header of the request that a CGI
    /// script serves.
    ///
    /// A variable that cannot be understood is an error of the requests that it would decide about,
    /// and of no others.
    pub fn from_env() -> Self {
        Self(Choice::FromEnv)
    }

    /// No proxy, even if the environment sets one.
    pub fn none() -> Self {
        Self(Choice::Given(Urls::default()))
    }

    /// The same proxy for every server.
    pub fn all(url: impl Into<String>) -> Self {
        let all = Some(("the proxy", url.into().into()));
        Self(Choice::Given(Urls { all, ..Urls::default() }))
    }

    /// The proxy for `http` servers. Replaces the setting of the environment.
    #[must_use]
    pub fn http(self, url: impl Into<String>) -> Self {
        let mut urls = self.given();
        urls.http = Some(("the proxy for http", url.into().into()));
        Self(Choice::Given(urls))
    }

    /// The proxy for `https` servers. Replaces the setting of the environment.
    #[must_use]
    pub fn https(self, url: impl Into<String>) -> Self {
        let mut urls = self.given();
        urls.https = Some(("the proxy for https", url.into().into()));
        Self(Choice::Given(urls))
    }

    /// Sets the servers that are reached directly, separated by commas or spaces. Replaces the
    /// setting of the environment.
    ///
    /// An entry is a name (`example.test`, which includes all names below it, `*.example.test`,
    /// which is those alone), an address, a network (`10.0.0.0/8`, `10.*`), or `*` for all. A port
    /// after it (`example.test:8443`, `[2001:db8::1]:443`) limits it to that port.
    #[must_use]
    pub fn no_proxy(self, hosts: impl Into<String>) -> Self {
        let mut urls = self.given();
        urls.no = Some(("the list of servers without a proxy", hosts.into().into()));
        Self(Choice::Given(urls))
    }

    fn given(self) -> Urls {
        match self.0 {
            Choice::FromEnv => Urls::default(),
            Choice::Given(urls) => urls,
        }
    }

    pub(super) fn build(self, connect_headers: &HeaderMap) -> Result<Proxies, ConfigError> {
        match self.0 {
            Choice::FromEnv => {
                Ok(Urls::from_variables(|name| env::var_os(name)).read(connect_headers))
            }
            Choice::Given(urls) => urls.read(connect_headers).checked(),
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
    fn from_variables(read: impl Fn(&str) -> Option<OsString>) -> Self {
        // The names of a script's variables have one case on Windows.
        let of_client: &[&str] =
            if cfg!(windows) { &["HTTP_PROXY", "http_proxy"] } else { &["HTTP_PROXY"] };
        let is_set_by_client =
            |name: &str| read("REQUEST_METHOD").is_some() && of_client.contains(&name);
        // An empty variable counts as none, so that its twin in the other case is read.
        let first = |names: [&'static str; 2]| {
            let names = names.into_iter().filter(|name| !is_set_by_client(name));
            let mut settings = names.filter_map(|name| Some((name, read(name)?)));
            settings.find(|(_, value)| value.to_str().is_none_or(|text| !text.trim().is_empty()))
        };
        Self {
            all: first(["ALL_PROXY", "all_proxy"]),
            http: first(["HTTP_PROXY", "http_proxy"]),
            https: first(["HTTPS_PROXY", "https_proxy"]),
            no: first(["NO_PROXY", "no_proxy"]),
            spare_loopback: true,
        }
    }

    /// Reads all settings. A setting that cannot be read is an error of the requests that need it.
    fn read(self, connect_headers: &HeaderMap) -> Proxies {
        let server = |setting: Option<Setting>| {
            let (name, url) = setting?;
            let read = text(name, url).and_then(|url| ProxyServer::read(name, &url));
            Some(read.map(|server| {
                Arc::new(ProxyServer { connect_headers: connect_headers.clone(), ..server })
            }))
        };
        let all = server(self.all);
        let (no_name, no_proxy) = match self.no {
            Some((name, list)) => (name, text(name, list).map(|list| NoProxy::read(&list))),
            None => ("NO_PROXY", Ok(NoProxy::default())),
        };
        Proxies {
            http: server(self.http).or_else(|| all.clone()),
            https: server(self.https).or(all),
            no_name,
            no_proxy,
            spare_loopback: self.spare_loopback,
        }
    }
}

/// A variable or an option, and its value.
type Setting = (&'static str, OsString);

fn text(name: &str, value: OsString) -> Result<String, ConfigError> {
    value.into_string().map_err(|_| ConfigError::proxy(name, "is not text"))
}

/// The proxies of a transport, and the settings that cannot be used.
pub(super) struct Proxies {
    http: Option<Result<Arc<ProxyServer>, ConfigError>>,
    https: Option<Result<Arc<ProxyServer>, ConfigError>>,
    /// The variable or option that `no_proxy` was read from.
    no_name: &'static str,
    no_proxy: Result<NoProxy, ConfigError>,
    spare_loopback: bool,
}

impl Proxies {
    /// Fails if a setting cannot be used, whether it is needed or not.
    fn checked(self) -> Result<Self, ConfigError> {
        for server in [&self.http, &self.https].into_iter().flatten() {
            server.as_ref().map_err(Clone::clone)?;
        }
        if self.no_proxy.as_ref().map_err(Clone::clone)?.has_unknown() {
            return Err(self.unclear());
        }
        Ok(self)
    }

    /// Returns the route to `target`. Fails if a setting that decides it cannot be read.
    pub(super) fn route(
        &self,
        target: &Target,
        user_agent: Option<&HeaderValue>,
    ) -> Result<Route, ConfigError> {
        let server = if target.https { &self.https } else { &self.http };
        let Some(server) = server else { return Ok(Route::Direct) };
        if self.spare_loopback && is_loopback(target.host()) {
            return Ok(Route::Direct);
        }
        let no_proxy = self.no_proxy.as_ref().map_err(Clone::clone)?;
        match no_proxy.spares(target.host(), target.port()) {
            Spared::Yes => return Ok(Route::Direct),
            Spared::Unclear => return Err(self.unclear()),
            Spared::No => {}
        }
        let server = server.clone()?;
        Ok(match server.protocol {
            Protocol::Socks { names_here } => Route::Socks { server, names_here },
            _ if target.https => Route::Tunnel { server, user_agent: user_agent.cloned() },
            _ => Route::Forward(server),
        })
    }

    fn unclear(&self) -> ConfigError {
        ConfigError::proxy(
            self.no_name,
            "has an entry that is not understood: use host, .host, *.host, an address or a network, \
             with :port where only that port is meant",
        )
    }
}

/// The route to a server.
#[derive(Debug)]
pub(super) enum Route {
    Direct,
    /// An HTTP proxy that forwards the request.
    Forward(Arc<ProxyServer>),
    /// An HTTP proxy that opens a tunnel. CONNECT carries the request's `User-Agent`.
    Tunnel {
        server: Arc<ProxyServer>,
        user_agent: Option<HeaderValue>,
    },
    /// A SOCKS 5 proxy; the server's name is looked up here, or by the proxy.
    Socks {
        server: Arc<ProxyServer>,
        names_here: bool,
    },
}

#[cfg(test)]
mod tests;
