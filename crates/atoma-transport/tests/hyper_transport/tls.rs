//! TLS, good and bad, with certificates made by the test.

use crate::support::{OK, Peer, Server, builder, get, next, read, within};
use atoma_transport::{
    Delivery, ErrorKind, HyperTransport, HyperTransportBuilder, Proxy, ResolveFuture, Resolver,
    Transport, TransportError,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{future::Future, sync::Arc};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, both PEM.
pub(crate) fn issue(
    by: &Authority,
    name: &str,
    change: impl FnOnce(&mut CertificateParams),
) -> [String; 2] {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    [params.signed_by(&key, by).unwrap().pem(), key.serialize_pem()]
}

pub(crate) fn config(identity: &[String; 2], clients: Option<&Authority>) -> TlsAcceptor {
    Arc::new(server_config(identity, clients)).into()
}

pub(crate) fn server_config(
    [certificate, key]: &[String; 2],
    clients: Option<&Authority>,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    builder.with_single_cert(vec![certificate], key).unwrap()
}

/// A TLS server that runs `script` on each connection whose handshake succeeds.
async fn serve<F, R>(acceptor: TlsAcceptor, script: F) -> Server
where
    F: Fn(Peer<TlsStream<TcpStream>>) -> R + Copy + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    Server::start(move |peer| {
        let acceptor = acceptor.clone();
        async move {
            let mut tcp = None;
            let peer = peer.over(|stream| tcp = Some(stream));
            if let Ok(stream) = acceptor.accept(tcp.unwrap()).await {
                script(peer.over(|()| stream)).await;
            }
        }
    })
    .await
}

async fn response(mut peer: Peer<TlsStream<TcpStream>>) {
    while peer.request().await.is_some() {
        peer.write(OK).await;
    }
    peer.closed();
}

/// A resolver that returns loopback for every name.
#[derive(Debug)]
struct Here;

impl Resolver for Here {
    fn resolve(&self, _: &str, port: u16) -> ResolveFuture {
        Box::pin(async move { Ok(vec![([127, 0, 0, 1], port).into()]) })
    }
}

pub(crate) fn trusting(authority: &Authority) -> HyperTransportBuilder {
    builder().resolver(Here).root_certificates_pem(authority.pem().as_bytes()).only_custom_roots()
}

async fn exchange(transport: &HyperTransport, url: &str) -> Result<String, TransportError> {
    within(async { read(transport.send(get(url)).await?.into_body()).await }).await
}

#[tokio::test]
async fn a_certificate_of_a_trusted_issuer_serves_many_exchanges() {
    let authority = authority("ours");
    let server = serve(config(&issue(&authority, "api.test", |_| {}), None), response).await;
    let transport = trusting(&authority).build().unwrap();
    let url = format!("https://api.test:{}/", server.address.port());
    for _ in 0..5 {
        assert_eq!(exchange(&transport, &url).await.unwrap(), "ok");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_bad_certificate_says_which_and_is_never_tried_again() {
    let (ours, other) = (authority("ours"), authority("another"));
    let good = |_: &mut CertificateParams| {};
    let cases = [
        ("unknown issuer", issue(&other, "api.test", good), "unknown issuer"),
        ("wrong host", issue(&ours, "other.test", good), "it is for other.test, not for api.test"),
        (
            "expired",
            issue(&ours, "api.test", |params| {
                params.not_before = date_time_ymd(2001, 1, 1);
                params.not_after = date_time_ymd(2002, 1, 1);
            }),
            "has expired, or this machine's clock is wrong",
        ),
        (
            "not yet valid",
            issue(&ours, "api.test", |params| params.not_before = date_time_ymd(4000, 1, 1)),
            "is not valid yet, or this machine's clock is wrong",
        ),
        (
            "self-signed",
            {
                let key = KeyPair::generate().unwrap();
                let params = CertificateParams::new(["api.test".to_owned()]).unwrap();
                [params.self_signed(&key).unwrap().pem(), key.serialize_pem()]
            },
            "unknown issuer",
        ),
    ];
    for (name, certificate, expected) in cases {
        let server = serve(config(&certificate, None), response).await;
        let transport = trusting(&ours).build().unwrap();
        let url = format!("https://api.test:{}/", server.address.port());
        let error = exchange(&transport, &url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Certificate, "{name}: {error}");
        assert_eq!(error.delivery(), Delivery::NotSent, "{name}");
        assert!(error.is_connect() && !error.is_transient(), "{name}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert!(error.to_string().contains("api.test"), "{name}: {error}");
        assert_eq!(server.accepted(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_port_without_tls_is_not_a_lost_handshake() {
    let authority = authority("ours");
    let transport = trusting(&authority).build().unwrap();
    let plain = Server::start(|mut peer| async move {
        peer.read().await;
        peer.write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        peer.until_closed().await;
    })
    .await;
    let error = exchange(&transport, &format!("https://{}/", plain.address)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Tls, Delivery::NotSent));
    assert!(!error.is_transient());
    assert!(error.to_string().ends_with("127.0.0.1 does not speak TLS on this port"), "{error}");

    let closing = Server::start(|mut peer| async move {
        peer.read().await;
    })
    .await;
    let error = exchange(&transport, &format!("https://{}/", closing.address)).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Tls, Delivery::NotSent));
    assert!(error.is_transient());

    let refusing = Server::start(|mut peer| async move {
        peer.read().await;
        peer.write(b"\x15\x03\x03\x00\x02\x02\x28").await;
        peer.until_closed().await;
    })
    .await;
    let error = exchange(&transport, &format!("https://{}/", refusing.address)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(!error.is_transient());
    assert!(error.to_string().ends_with("refused (HandshakeFailure)"), "{error}");
}

#[tokio::test]
async fn a_plain_request_to_a_tls_port_is_recognized() {
    let authority = authority("ours");
    let server = serve(config(&issue(&authority, "api.test", |_| {}), None), response).await;
    let error = exchange(&trusting(&authority).build().unwrap(), &server.url("/")).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert!(!error.is_transient());
    assert!(error.to_string().ends_with("use https"), "{error}");
}

#[tokio::test]
async fn a_body_that_ends_without_a_goodbye_is_broken() {
    let authority = authority("ours");
    let acceptor = config(&issue(&authority, "api.test", |_| {}), None);
    let server = serve(acceptor, |mut peer| async move {
        peer.request().await;
        peer.write("HTTP/1.1 200 OK\r\n\r\nto the").await;
        if peer.number == 0 {
            let _ = peer.stream.get_mut().0.shutdown().await;
        } else {
            let _ = peer.stream.shutdown().await;
        }
    })
    .await;
    let transport = trusting(&authority).build().unwrap();
    let url = format!("https://api.test:{}/", server.address.port());
    let mut body = within(transport.send(get(&url))).await.unwrap().into_body();
    assert_eq!(within(next(&mut body)).await.unwrap().unwrap(), "to the");
    assert_eq!(
        within(next(&mut body)).await.unwrap().unwrap_err().kind(),
        ErrorKind::BodyInterrupted
    );
    assert_eq!(exchange(&transport, &url).await.unwrap(), "to the");
}

#[tokio::test]
async fn a_client_shows_its_certificate_where_it_is_asked_for() {
    let authority = authority("ours");
    let acceptor = config(&issue(&authority, "api.test", |_| {}), Some(&authority));
    let server = serve(acceptor, response).await;
    let url = format!("https://api.test:{}/", server.address.port());

    let [certificate, key] = issue(&authority, "client.test", |_| {});
    let known = trusting(&authority).client_identity_pem(certificate.as_bytes(), key.as_bytes());
    assert_eq!(exchange(&known.build().unwrap(), &url).await.unwrap(), "ok");

    let error = exchange(&trusting(&authority).build().unwrap(), &url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert!(!error.is_transient());
    assert!(error.to_string().ends_with("wants a client certificate"), "{error}");
}

#[test]
fn certificates_and_keys_are_checked_when_the_transport_is_built() {
    let authority = authority("ours");
    let [certificate, _] = issue(&authority, "client.test", |_| {});
    let [_, other_key] = issue(&authority, "client.test", |_| {});
    for (name, builder) in [
        ("no PEM", builder().root_certificates_pem(b"rubbish")),
        ("an empty PEM", builder().root_certificates_pem(b"")),
        (
            "no certificate",
            builder().root_certificates_pem(
                b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ),
        ),
        ("no roots at all", builder().only_custom_roots()),
        ("no key", builder().client_identity_pem(certificate.as_bytes(), b"secret")),
        (
            "the wrong key",
            builder().client_identity_pem(certificate.as_bytes(), other_key.as_bytes()),
        ),
        ("no certificate for the key", builder().client_identity_pem(b"", other_key.as_bytes())),
    ] {
        let error = builder.build().expect_err(name);
        assert!(error.is_tls(), "{name}: {error}");
        assert!(!format!("{error}{error:?}").contains("secret"), "{name}");
    }
    trusting(&authority).build().unwrap().load_root_certificates().unwrap();
}

#[tokio::test]
async fn tls_goes_through_a_proxy_that_speaks_tls_itself() {
    let authority = authority("ours");
    let server = serve(config(&issue(&authority, "api.test", |_| {}), None), response).await;
    let inner = server.address;
    let acceptor = config(&issue(&authority, "proxy.test", |_| {}), None);
    let proxy = Server::start(move |peer| {
        let acceptor = acceptor.clone();
        async move {
            let mut tcp = None;
            let peer = peer.over(|stream| tcp = Some(stream));
            let stream = acceptor.accept(tcp.unwrap()).await.unwrap();
            let mut peer = peer.over(|()| stream);
            let request = peer.request().await.unwrap();
            assert!(request.starts_with("CONNECT api.test:"), "{request}");
            peer.write("HTTP/1.1 200 Connection established\r\n\r\n").await;
            let mut onward = TcpStream::connect(inner).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut peer.stream, &mut onward).await;
        }
    })
    .await;
    let proxy_url = format!("https://proxy.test:{}", proxy.address.port());
    let transport = trusting(&authority).proxy(Proxy::all(proxy_url)).build().unwrap();
    let url = format!("https://api.test:{}/", inner.port());
    for _ in 0..3 {
        assert_eq!(exchange(&transport, &url).await.unwrap(), "ok");
    }
    assert_eq!((proxy.accepted(), server.accepted()), (1, 1));
}

#[cfg(all(target_os = "linux", feature = "platform-verifier", not(feature = "webpki-roots")))]
#[test]
fn a_machine_without_roots_says_so_when_they_are_read() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "tls::on_a_machine_without_roots"])
        .env("SSL_CERT_FILE", "/dev/null")
        .env("SSL_CERT_DIR", "/dev/null")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
}

#[tokio::test]
#[ignore = "the test above runs it in a separate process"]
async fn on_a_machine_without_roots() {
    let transport = builder().build().unwrap();
    let error = transport.load_root_certificates().unwrap_err();
    assert!(error.is_tls());
    let variables = "SSL_CERT_FILE and SSL_CERT_DIR";
    assert_eq!(error.to_string(), format!("no root certificates can be read from {variables}"));

    let server = Server::responding(OK).await;
    let preloaded = builder().build().unwrap();
    preloaded.preload_root_certificates().unwrap();
    for transport in [transport, preloaded] {
        assert_eq!(exchange(&transport, &server.url("/")).await.unwrap(), "ok");
        let error =
            exchange(&transport, &format!("https://{}/", server.address)).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Tls, Delivery::NotSent));
        assert!(!error.is_transient());
        assert_eq!(exchange(&transport, &server.url("/")).await.unwrap(), "ok", "the next call");
    }

    let authority = authority("ours");
    let own = builder().root_certificates_pem(authority.pem().as_bytes()).build().unwrap();
    own.load_root_certificates().unwrap();
}
