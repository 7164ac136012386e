//! Certificates made at test time, and a server that speaks TLS.

use super::{Io, Names, Script, Setup, Wrap, serve};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ConfigBuilder, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{WantsServerCert, WebPkiClientVerifier},
};
use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

/// The name of the lab's TLS server.
pub const NAME: &str = "api.test";

/// The protocol of one connection.
#[derive(Clone)]
pub enum Speaks {
    /// Nothing over TCP.
    Tcp,
    Tls(Arc<ServerConfig>),
}

/// A lab over `https`. Its first connections use these protocols in order, the others good TLS. The
/// client trusts [`ours`] and nobody else.
pub fn serve_tls(
    first: impl IntoIterator<Item = Speaks>,
    scripts: impl IntoIterator<Item = Script>,
) -> Setup {
    serve(scripts).over("https", NAME, speaks(first, good())).named(&Names::default()).transport(
        |builder| builder.root_certificates_pem(ours().pem().as_bytes()).only_custom_roots(),
    )
}

/// Uses these protocols in order, and `then` after that.
pub fn speaks(first: impl IntoIterator<Item = Speaks>, then: Speaks) -> Wrap {
    let first: Mutex<VecDeque<_>> = Mutex::new(first.into_iter().collect());
    Arc::new(move |stream| {
        let next = first.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let next = next.unwrap_or_else(|| then.clone());
        Box::pin(async move {
            match next {
                Speaks::Tcp => Ok(Box::new(stream) as Box<dyn Io>),
                Speaks::Tls(config) => {
                    let stream = TlsAcceptor::from(config).accept(stream).await?;
                    Ok(Box::new(stream) as Box<dyn Io>)
                }
            }
        })
    })
}

/// Good TLS.
pub fn good() -> Speaks {
    static GOOD: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    Speaks::Tls(GOOD.get_or_init(|| ours().issue(NAME, |_| {}).config()).clone())
}

/// TLS with this certificate.
pub fn with(certificate: &Certificate) -> Speaks {
    Speaks::Tls(certificate.config())
}

/// The authority that the lab's clients trust.
pub fn ours() -> &'static Authority {
    static OURS: OnceLock<Authority> = OnceLock::new();
    OURS.get_or_init(|| Authority::new("ours"))
}

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its chain, and its key.
pub struct Certificate {
    pub chain: Vec<CertificateDer<'static>>,
    /// The certificate without its chain.
    pub pem: String,
    pub key: KeyPair,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate for `name`; it is good except for the effects of `change`.
    pub fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let (params, key) = parts(name, change);
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Certificate::of(&certificate, key)
    }
}

impl Certificate {
    /// A certificate that is signed only by itself.
    pub fn self_signed(name: &str) -> Self {
        let (params, key) = parts(name, |_| {});
        let certificate = params.self_signed(&key).expect("a certificate");
        Self::of(&certificate, key)
    }

    fn of(certificate: &rcgen::Certificate, key: KeyPair) -> Self {
        Self { chain: vec![certificate.der().clone()], pem: certificate.pem(), key }
    }

    /// A server with this certificate.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config_by(provider(), rustls::ALL_VERSIONS)
    }

    /// A server with this certificate and this cryptography provider.
    pub fn config_by(
        &self,
        provider: Arc<CryptoProvider>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(versions).expect("versions");
        self.shown_by(builder.with_no_client_auth())
    }

    /// A server with this certificate that requires a client certificate of `authority`.
    pub fn config_for_clients_of(
        &self,
        authority: &Authority,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.0.der().clone()).expect("a certificate");
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(versions).expect("versions");
        self.shown_by(builder.with_client_cert_verifier(verifier.build().expect("a verifier")))
    }

    /// A server with this certificate that picks one of these protocols.
    pub fn config_with_protocols(&self, protocols: &[&str]) -> Arc<ServerConfig> {
        let mut config = (*self.config()).clone();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    fn shown_by(&self, builder: ConfigBuilder<ServerConfig, WantsServerCert>) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from_pem_slice(self.key.serialize_pem().as_bytes());
        let config = builder.with_single_cert(self.chain.clone(), key.expect("a key"));
        Arc::new(config.expect("a certificate and its key"))
    }
}

fn parts(name: &str, change: impl FnOnce(&mut CertificateParams)) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
    change(&mut params);
    (params, KeyPair::generate().expect("a key"))
}

pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A connection on which somebody tampers with one record: the next after [`begin`](Self::begin).
#[derive(Clone, Default)]
pub struct Tamper(Arc<AtomicBool>);

impl Tamper {
    pub fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Good TLS over such a connection.
    pub fn wrap(&self) -> Wrap {
        let tamper = self.clone();
        Arc::new(move |stream| {
            let line = Tampered { stream, tamper: tamper.clone() };
            Box::pin(async move {
                let Speaks::Tls(config) = good() else { unreachable!("good TLS is TLS") };
                Ok(Box::new(TlsAcceptor::from(config).accept(line).await?) as Box<dyn Io>)
            })
        })
    }
}

struct Tampered {
    stream: TcpStream,
    tamper: Tamper,
}

impl Io for Tampered {
    fn reset_on_close(&self) {
        self.stream.reset_on_close();
    }
}

impl AsyncRead for Tampered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tampered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut bytes = bytes.to_vec();
        if let (Some(last), true) = (bytes.last_mut(), self.tamper.0.swap(false, Ordering::SeqCst))
        {
            *last ^= 1;
        }
        Pin::new(&mut self.stream).poll_write(cx, &bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
