//! The simulated network below the real transport: its connections and its names.

use crate::{CONNECT, Protocol};
use atoma_transport::{
    Http2, HyperTransport, Proxy, ResolveFuture, Resolver,
    testing::{DialFuture, DialedStream, Dialer},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};
use turmoil::net::TcpStream;

/// The name of the server.
pub(crate) const SERVER: &str = "server";

#[derive(Debug)]
struct Network;

impl Dialer for Network {
    fn dial(&self, address: SocketAddr) -> DialFuture {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            Ok(Box::new(stream) as Box<dyn DialedStream>)
        })
    }
}

impl Resolver for Network {
    fn resolve(&self, host: &str, port: u16) -> ResolveFuture {
        let address = SocketAddr::new(turmoil::lookup(host), port);
        Box::pin(async move { Ok(vec![address]) })
    }
}

/// The transport that users get, with pool, TLS and HTTP/2, over the simulated network.
pub(crate) fn transport(protocol: Protocol) -> HyperTransport {
    let http2 = (protocol == Protocol::Http2).then_some(Http2::Auto);
    HyperTransport::builder()
        .dialer(Network)
        .resolver(Network)
        .proxy(Proxy::none())
        .connect_timeout(CONNECT)
        .root_certificates_pem(certificate().0.as_bytes())
        .only_custom_roots()
        .http2(http2)
        .build()
        .expect("the transport is well configured")
}

/// The server's side of TLS.
pub(crate) fn server_config(protocol: Protocol) -> Arc<ServerConfig> {
    let (_, config) = certificate();
    let mut config = config.clone();
    if protocol == Protocol::Http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Arc::new(config)
}

/// One certificate for all runs: its PEM, and the server's settings with its key.
fn certificate() -> &'static (String, ServerConfig) {
    static CERTIFICATE: OnceLock<(String, ServerConfig)> = OnceLock::new();
    CERTIFICATE.get_or_init(|| {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([SERVER.to_owned()]).expect("a certificate can be made");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("the key belongs to the certificate");
        (cert.pem(), config)
    })
}
