use super::{
    Crypto, HyperTransport, Proxy, Resolver,
    config_error::ConfigError,
    connect::Connector,
    core::{HyperCore, Multiplexer},
    keep_alive::Limits,
    pool::Pool,
    resolve::SystemResolver,
    tls::{TlsSettings, identity_pem},
};
use crate::{PlainHttp, Timer, TokioTimer};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::{fmt, sync::Arc, time::Duration};

/// Builds a [`HyperTransport`]; [`HyperTransport::builder`] creates one.
#[must_use]
pub struct HyperTransportBuilder {
    proxy: Proxy,
    proxy_headers: HeaderMap,
    tls: TlsSettings,
    resolver: Arc<dyn Resolver>,
    timer: Arc<dyn Timer>,
    connect_timeout: Option<Duration>,
    max_idle: usize,
    idle_timeout: Option<Duration>,
    max_age: Option<Duration>,
    max_head_size: usize,
    plain_http: PlainHttp,
    tcp_keepalive: Option<Duration>,
    pub(super) multiplexer: Option<Box<dyn Multiplexer>>,
    #[cfg(feature = "test-util")]
    dialer: Option<Arc<dyn super::dial::Dialer>>,
}

impl HyperTransportBuilder {
    pub(super) fn new() -> Self {
        Self {
            proxy: Proxy::default(),
            proxy_headers: HeaderMap::new(),
            tls: TlsSettings::default(),
            resolver: Arc::new(SystemResolver::new()),
            timer: Arc::new(TokioTimer),
            connect_timeout: Some(Duration::from_secs(10)),
            max_idle: 32,
            idle_timeout: Some(Duration::from_secs(45)),
            max_age: Some(Duration::from_secs(300)),
            max_head_size: 64 * 1024,
            plain_http: PlainHttp::LoopbackOnly,
            tcp_keepalive: None,
            multiplexer: None,
            #[cfg(feature = "test-util")]
            dialer: None,
        }
    }

    /// Sets how long name lookup, TCP, proxy and TLS may take together; `None` means no limit.
    ///
    /// Default 10 s. A request with [`Timeouts`](crate::Timeouts) in its extensions overrides it.
    pub fn connect_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.connect_timeout = timeout.into();
        self
    }

    /// Sets the proxies. Default [`Proxy::from_env`].
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// Adds a header to the CONNECT requests that ask a proxy for a tunnel, such as a token in
    /// `Proxy-Authorization`. May be called repeatedly.
    ///
    /// CONNECT also carries the request's `User-Agent` and the credentials of the proxy's URL; a
    /// header of the same name set here replaces them.
    pub fn proxy_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.proxy_headers.append(name, value);
        self
    }

    /// Trusts the certificates in `pem` as well, one or many. May be called repeatedly.
    pub fn root_certificates_pem(mut self, pem: &[u8]) -> Self {
        self.tls.add_roots(pem);
        self
    }

    /// Trusts only the certificates given to
    /// [`root_certificates_pem`](Self::root_certificates_pem), neither the operating system's roots
    /// nor the compiled-in ones.
    pub fn only_custom_roots(mut self) -> Self {
        self.tls.only_custom_roots = true;
        self
    }

    /// Sets the certificate (with its chain) and the private key that this client shows to servers
    /// that ask for one, both PEM. Default none.
    pub fn client_identity_pem(mut self, certificate: &[u8], key: &[u8]) -> Self {
        self.tls.identity = Some(identity_pem(certificate.to_vec(), key.to_vec()));
        self
    }

    /// Sets the cryptography under TLS. Default ring, or aws-lc-rs if ring is not compiled in.
    pub fn crypto(mut self, crypto: Crypto) -> Self {
        self.tls.crypto = Some(crypto);
        self
    }

    /// Sets where requests to `http://` URLs may go: they are not encrypted, and neither is the key
    /// in them. Default [`PlainHttp::LoopbackOnly`]; a request with a [`PlainHttp`] in its
    /// extensions overrides it.
    pub fn plain_http(mut self, plain_http: PlainHttp) -> Self {
        self.plain_http = plain_http;
        self
    }

    /// Sets the silence after which the operating system probes whether the server still exists,
    /// which also keeps routers from forgetting the connection. Default `None`: never.
    ///
    /// The system's settings decide how often and how long it probes (about 11 minutes on Linux).
    /// No other socket option than TCP_NODELAY is set, so none ends an exchange before its
    /// timeouts.
    pub fn tcp_keepalive(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.tcp_keepalive = idle.into();
        self
    }

    /// Sets how many idle connections are kept for each server. Default 32, and 512 for all servers
    /// together; 0 opens a connection for each request.
    pub fn pool_max_idle(mut self, connections: usize) -> Self {
        self.max_idle = connections;
        self
    }

    /// Sets how long an idle connection is kept for the next request; `None` means no limit.
    ///
    /// Default 45 s, below the 60 s after which common servers close theirs.
    pub fn pool_idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = timeout.into();
        self
    }

    /// Sets the maximum age of a connection: an older one takes no further request, and closes when
    /// its last response has ended. `None` means no limit.
    ///
    /// Default 5 min. A client that is never idle would otherwise keep its connections, and the
    /// addresses that DNS returned when they were opened, indefinitely.
    pub fn max_connection_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.max_age = age.into();
        self
    }

    /// Sets the maximum size of the head of a response in bytes, including interim responses (1xx).
    ///
    /// Default 64 KiB, at least 8 KiB. A head also has at most 100 header lines.
    pub fn max_head_size(mut self, bytes: usize) -> Self {
        self.max_head_size = bytes;
        self
    }

    /// Sets the clock for the timeouts of connections and the pool, and for pings over HTTP/2.
    /// Default [`TokioTimer`].
    pub fn timer(mut self, timer: impl Timer) -> Self {
        self.timer = Arc::new(timer);
        self
    }

    /// Sets the resolver that looks up names. Default that of the operating system.
    pub fn resolver(mut self, resolver: impl Resolver) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// Opens connections by `dialer` instead of the operating system: for simulations.
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    pub fn dialer(mut self, dialer: impl super::dial::Dialer) -> Self {
        self.dialer = Some(Arc::new(dialer));
        self
    }

    /// Builds the transport. Connects to nothing, and does not read the machine's root certificates
    /// yet: see [`HyperTransport::load_root_certificates`].
    ///
    /// Fails if a proxy, a certificate or a key that was given cannot be read. A variable of the
    /// environment that cannot be read fails the requests that need it:
    /// [`HyperTransport::check_proxy`] returns that error in advance.
    pub fn build(self) -> Result<HyperTransport, ConfigError> {
        Ok(HyperTransport(Arc::new(HyperCore {
            proxies: self.proxy.build(&self.proxy_headers)?,
            connector: Connector {
                resolver: self.resolver,
                tls: self.tls.build()?,
                timer: self.timer.clone(),
                tcp_keepalive: self.tcp_keepalive,
                #[cfg(feature = "test-util")]
                dialer: self.dialer,
            },
            plain_http: self.plain_http,
            pool: Pool::new(
                self.timer.clone(),
                self.max_idle,
                Limits { idle: self.idle_timeout, age: self.max_age },
            ),
            timer: self.timer,
            connect_timeout: self.connect_timeout,
            max_head: self.max_head_size.max(8 * 1024),
            multiplexer: self.multiplexer,
        })))
    }
}

impl fmt::Debug for HyperTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransportBuilder")
            .field("proxy", &self.proxy)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}
