//! TLS: the roots, the client's identity, and the cryptography.
//!
//! ```text
//! TlsSettings ── build ──► Tls ── first handshake ──► ClientConfig, for all connections
//!    │ errors of the settings       │ errors of the machine's roots
//!    ▼                              ▼
//! error of `build`            error of each request over https
//! ```
//!
//! The provider of the cryptography is passed to rustls explicitly: a default that is installed for the process would be that of
//! whichever library came first.

use super::{classify, config_error::ConfigError, stream::Stream};
use crate::{Delivery, ErrorKind, TransportError};
use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore,
    client::WantsClientCert,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, TrustAnchor, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use std::{
    env,
    ffi::OsString,
    pin::Pin,
    sync::{Arc, OnceLock},
};
use tokio_rustls::TlsConnector;

/// The cryptography under TLS. Nothing process-wide is ever read or installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Crypto {
    /// [ring](https://crates.io/crates/ring) (feature `ring`).
    #[cfg(feature = "ring")]
    Ring,
    /// [aws-lc-rs](https://crates.io/crates/aws-lc-rs) (feature `aws-lc-rs`).
    #[cfg(feature = "aws-lc-rs")]
    AwsLcRs,
}

impl Crypto {
    /// Returns the provider of rustls for it.
    fn provider(self) -> CryptoProvider {
        match self {
            #[cfg(feature = "ring")]
            Self::Ring => rustls::crypto::ring::default_provider(),
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLcRs => rustls::crypto::aws_lc_rs::default_provider(),
        }
    }
}

/// The protocols that may be spoken over TLS, the preferred one first (ALPN, RFC 7301).
pub(super) type Protocols = &'static [&'static str];

pub(super) const HTTP1: Protocols = &["http/1.1"];

/// The names in the form of rustls.
fn alpn(protocols: Protocols) -> Vec<Vec<u8>> {
    protocols.iter().map(|name| name.as_bytes().to_vec()).collect()
}

/// The first of the providers compiled in: ring, if both are.
fn default_crypto() -> Option<Crypto> {
    #[cfg(feature = "ring")]
    return Some(Crypto::Ring);
    #[cfg(all(not(feature = "ring"), feature = "aws-lc-rs"))]
    return Some(Crypto::AwsLcRs);
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    return None;
}

/// The settings of a builder for TLS.
#[derive(Default)]
pub(super) struct TlsSettings {
    /// The cryptography; `None` takes the one that is compiled in.
    pub(super) crypto: Option<Crypto>,
    /// The roots that were added.
    roots: Vec<CertificateDer<'static>>,
    /// The error of the first unusable value.
    unusable_root: Option<ConfigError>,
    /// Whether only those are trusted.
    pub(super) only_custom_roots: bool,
    /// The client's certificate and key, not read yet.
    pub(super) identity: Option<ReadIdentity>,
}

/// Reads the client's identity. A function from the builder, so that only programs that set an
/// identity contain the code for it.
type ReadIdentity =
    Box<dyn FnOnce(&CryptoProvider) -> Result<Arc<SingleCertAndKey>, ConfigError> + Send + Sync>;

/// A certificate, with its chain, and its private key.
pub(super) fn identity_pem(chain: Vec<u8>, key: Vec<u8>) -> ReadIdentity {
    Box::new(move |provider| identity(&chain, &key, provider))
}

/// Everything that a handshake needs. The settings are checked; the roots of the machine are read
/// with the first handshake, since plain HTTP does not need them.
pub(super) struct Tls {
    /// `None` if no cryptography is compiled in: then every request over https is an error.
    provider: Option<Arc<CryptoProvider>>,
    /// Roots next to those of the machine, or instead of them.
    roots: Vec<CertificateDer<'static>>,
    only_custom_roots: bool,
    /// The client's certificate and key.
    identity: Option<Arc<SingleCertAndKey>>,
    /// Made with the first handshake, and kept, errors included.
    config: OnceLock<Result<Arc<ClientConfig>, ConfigError>>,
}

impl TlsSettings {
    /// Reads `pem` immediately, so that only programs that set roots contain the code for it.
    pub(super) fn add_roots(&mut self, pem: &[u8]) {
        match load_root_certificates(pem) {
            Ok(roots) => self.roots.extend(roots),
            Err(error) => {
                self.unusable_root.get_or_insert(error);
            }
        }
    }

    /// Checks the settings, and reads the identity. The first error counts.
    pub(super) fn build(self) -> Result<Tls, ConfigError> {
        let provider =
            self.crypto.or_else(default_crypto).map(|crypto| Arc::new(crypto.provider()));
        if let Some(error) = self.unusable_root {
            return Err(error);
        }
        let roots = self.roots;
        if self.only_custom_roots && roots.is_empty() {
            return Err(ConfigError::tls(
                "no root certificates: only custom ones are to be trusted, and none is given",
            ));
        }
        let identity = match (self.identity, &provider) {
            (Some(read), Some(provider)) => Some(read(provider)?),
            (Some(_), None) => return Err(no_provider()),
            (None, _) => None,
        };
        let only_custom_roots = self.only_custom_roots;
        Ok(Tls { provider, roots, only_custom_roots, identity, config: OnceLock::new() })
    }
}

impl Tls {
    /// Reads the root certificates now, if that has not been done.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, ConfigError> {
        self.config.get_or_init(|| self.read_config().map(Arc::new)).clone()
    }

    /// Makes the configuration that all connections share.
    fn read_config(&self) -> Result<ClientConfig, ConfigError> {
        let provider = self.provider.clone().ok_or_else(no_provider)?;
        let trusting = self.trust(provider)?;
        let mut config = match &self.identity {
            Some(identity) => trusting.with_client_cert_resolver(identity.clone()),
            None => trusting.with_no_client_auth(),
        };
        config.alpn_protocols = alpn(HTTP1);
        Ok(config)
    }

    fn trust(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, ConfigError> {
        let versions = |provider| {
            ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| ConfigError::tls("the cryptography").with_source(error))
        };
        #[cfg(feature = "platform-verifier")]
        if !self.only_custom_roots {
            match platform_verifier(self.roots.clone(), provider.clone()) {
                Ok(verifier) => {
                    let verifier = Arc::new(verifier);
                    let builder = versions(provider)?.dangerous();
                    return Ok(builder.with_custom_certificate_verifier(verifier));
                }
                Err(error) if cfg!(not(feature = "webpki-roots")) => {
                    return Err(ConfigError::tls(&no_roots()).with_source(error));
                }
                Err(_) => {}
            }
        }
        let mut store = checked(&self.roots)?;
        if !self.only_custom_roots {
            for root in compiled_in() {
                store.roots.push(root.clone());
            }
        }
        if store.is_empty() {
            return Err(ConfigError::tls(
                "no root certificates: enable `platform-verifier` or `webpki-roots`, or give some",
            ));
        }
        Ok(versions(provider)?.with_root_certificates(store))
    }

    /// Whether the configuration needs the roots of the operating system, which take milliseconds to
    /// read. Anything else is in memory, or an error.
    pub(super) fn reads_system_roots(&self) -> bool {
        cfg!(feature = "platform-verifier") && !self.only_custom_roots && self.provider.is_some()
    }

    /// The variables that the roots of the platform are read from, if any are set.
    fn roots_variables(&self) -> Option<String> {
        if self.reads_system_roots() { roots_variables(|name| env::var_os(name)) } else { None }
    }

    /// Speaks TLS with `host` over `stream`, offering `protocols` above it.
    ///
    /// Boxed: it is over a kilobyte, and a connection without TLS does not need it. Boxed here, and not by
    /// each caller, so that a program has the code of a handshake once.
    pub(super) fn handshake<'a>(
        &'a self,
        host: &'a str,
        stream: Stream,
        protocols: Protocols,
    ) -> Pin<Box<dyn Future<Output = Result<Stream, TransportError>> + Send + 'a>> {
        Box::pin(async move {
            let mut config = self.config().map_err(|error| {
                let failed = TransportError::new(ErrorKind::Tls, Delivery::NotSent);
                failed.with_source(error).permanent()
            })?;
            if protocols != HTTP1 {
                Arc::make_mut(&mut config).alpn_protocols = alpn(protocols);
            }
            let name = ServerName::try_from(host.to_owned()).map_err(|error| {
                TransportError::new(ErrorKind::Request, Delivery::NotSent)
                    .with_detail("its URL names no server that TLS could speak to")
                    .with_source(error)
            })?;
            match TlsConnector::from(config).connect(name, stream.below_tls()).await {
                Ok(stream) => Ok(Stream::tls(stream)),
                Err(error) => Err(classify::handshake(host, error, self.roots_variables())),
            }
        })
    }
}

#[cfg(feature = "platform-verifier")]
fn platform_verifier(
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<rustls_platform_verifier::Verifier, rustls::Error> {
    use rustls_platform_verifier::Verifier;
    #[cfg(target_os = "android")]
    return match extra.is_empty() {
        true => Verifier::new(provider),
        false => Err(rustls::Error::General("Android takes no extra roots".into())),
    };
    #[cfg(not(target_os = "android"))]
    return Verifier::new_with_extra_roots(extra, provider);
}

#[cfg(feature = "platform-verifier")]
fn no_roots() -> String {
    match roots_variables(|name| env::var_os(name)) {
        Some(variables) => format!("no root certificates can be read from {variables}"),
        None => "this machine has no root certificates to trust".to_owned(),
    }
}

/// The variables that replace the roots of this machine, as OpenSSL reads them. They count on the
/// systems without a certificate store.
fn roots_variables(read: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    let is_set = |name: &&str| read(name).is_some_and(|value| !value.is_empty());
    let has_store = cfg!(any(windows, target_vendor = "apple", target_os = "android"));
    let set: Vec<_> = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter(is_set).collect();
    (!has_store && !set.is_empty()).then(|| set.join(" and "))
}

/// Mozilla's roots, if they are compiled in.
fn compiled_in() -> &'static [TrustAnchor<'static>] {
    #[cfg(feature = "webpki-roots")]
    return webpki_roots::TLS_SERVER_ROOTS;
    #[cfg(not(feature = "webpki-roots"))]
    return &[];
}

fn load_root_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| {
        ConfigError::tls("the root certificates are not PEM").with_source(error)
    })?;
    if found.is_empty() {
        return Err(ConfigError::tls("the root certificates' PEM holds no certificate"));
    }
    checked(&found)?;
    Ok(found)
}

fn checked(roots: &[CertificateDer<'static>]) -> Result<RootCertStore, ConfigError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).map_err(|error| {
            ConfigError::tls("a root certificate cannot be read").with_source(error)
        })?;
    }
    Ok(store)
}

fn identity(
    chain: &[u8],
    key: &[u8],
    provider: &CryptoProvider,
) -> Result<Arc<SingleCertAndKey>, ConfigError> {
    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| ConfigError::tls("the client's certificate is not PEM"))?;
    // The parser's errors may quote the key: they are not kept.
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| ConfigError::tls("the client's private key is not PEM"))?;
    let certified = CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        ConfigError::tls("the client's certificate and key do not fit").with_source(error)
    })?;
    Ok(Arc::new(SingleCertAndKey::from(certified)))
}

fn no_provider() -> ConfigError {
    ConfigError::tls("no cryptography is compiled in: enable `ring` or `aws-lc-rs`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(not(any(windows, target_vendor = "apple", target_os = "android")))]
    #[test]
    fn the_variables_that_are_set_and_not_empty_are_named() {
        for (file, dir, names) in [
            (None, None, None),
            (Some(""), None, None),
            (Some("a"), None, Some("SSL_CERT_FILE")),
            (Some(""), Some("b"), Some("SSL_CERT_DIR")),
            (Some("a"), Some("b"), Some("SSL_CERT_FILE and SSL_CERT_DIR")),
        ] {
            let read = |name: &str| match name {
                "SSL_CERT_FILE" => file.map(OsString::from),
                _ => dir.map(OsString::from),
            };
            assert_eq!(roots_variables(read).as_deref(), names, "{file:?} {dir:?}");
        }
    }

    #[test]
    fn protocols_are_offered_in_their_order() {
        assert_eq!(alpn(&["h2", "http/1.1"]), [&b"h2"[..], b"http/1.1"]);
        assert_eq!(alpn(HTTP1), [b"http/1.1"]);
    }
}
