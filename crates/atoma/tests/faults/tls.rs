//! Rows 28–38: TLS handshakes, records and sessions.

use crate::lab::{
    Gate, Good as _,
    Is::{self, Connect, MayBeBilled, Retryable, Timeout, Truncated},
    LONGEST_WAIT, Outcome, Peer, Script,
    renegotiation::{self, RENEGOTIATE},
    responses::{
        CHUNKED, DONE, GOOD, LAST_CHUNK, STREAM, WHOLE, chunk, completion, event, events, finish,
        response,
    },
    serve,
    tls::{self, Authority, NAME, Speaks, Tamper, ours, serve_tls, speaks},
};
use atoma_transport::{ErrorKind, Phase};
use rustls::{
    HandshakeKind,
    version::{TLS12, TLS13},
};
use std::{
    error::Error,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

const FINAL: [Is; 1] = [Connect];
const TRIED_AGAIN: [Is; 2] = [Connect, Retryable];
const LATE: [Is; 3] = [Connect, Timeout, Retryable];
const BROKEN_OFF: [Is; 3] = [Truncated, Retryable, MayBeBilled];

/// A handshake that this reply to its first message ends permanently.
async fn ends_for_good(response: &[u8], why: &str) -> Outcome {
    let script = Script::default().bytes(1).write(response);
    let lab = serve_tls([Speaks::Tcp], [script]).start().await;
    let outcome = lab.unary().await;
    outcome.is(FINAL).kind(ErrorKind::Tls).says(why).attempts(1).connections(1);
    lab.healthy().await;
    outcome
}

#[tokio::test]
async fn row_028_plain_http_on_a_tls_port() {
    for response in [
        response("400 Bad Request", &[], "speak HTTP"),
        response("200 OK", &["content-type: application/json"], &completion(GOOD)),
        "SSH-2.0-OpenSSH_9.6\r\n".to_owned(),
    ] {
        let why = "api.test does not speak TLS on this port";
        let _ = ends_for_good(response.as_bytes(), why).await;
    }
}

#[tokio::test]
async fn row_029_tls_on_a_plain_http_port() {
    let lab = serve([]).over("http", "127.0.0.1", speaks([tls::good()], Speaks::Tcp)).start().await;
    let outcome = lab.unary().await;
    outcome.is(FINAL).kind(ErrorKind::Tls).says("the server speaks TLS on this port: use https");
    outcome.attempts(1).connections(1).requests(0);
    lab.healthy().await;
}

#[tokio::test]
async fn row_030_closed_in_the_handshake() {
    let begun = Script::default().bytes(1);
    for (name, script) in [
        ("before it", Script::default().close()),
        ("closed", begun.clone().close()),
        ("half closed", begun.clone()),
        ("reset", begun.clone().reset()),
        ("in the ServerHello", begun.clone().write(&server_hello(b"http/1.1")[..20]).close()),
    ] {
        println!("case: {name}");
        let (mute, scripts) = ([(); 4].map(|()| Speaks::Tcp), [(); 4].map(|()| script.clone()));
        let lab = serve_tls(mute, scripts).start().await;
        let outcome = lab.unary().await;
        outcome.is(TRIED_AGAIN).kind(ErrorKind::Tls).says("api.test closed the connection");
        outcome.attempts(3).connections(3);
        lab.unary().await.ok(GOOD).attempts(2).connections(5);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_031_silent_in_the_handshake() {
    const PATIENCE: Duration = Duration::from_secs(10);
    let begun = Script::default().bytes(1);
    for script in [begun.clone(), begun.write(&server_hello(b"http/1.1")[..20])] {
        let (mute, silent) = ([(); 3].map(|()| Speaks::Tcp), [(); 3].map(|()| script.clone()));
        let silent = silent.map(Script::until_closed);
        let lab = serve_tls(mute, silent).manual_clock().start().await;
        let log = lab.server.log();
        let outcome = lab.expires_each_time(3, PATIENCE, Some(&log), lab.stream()).await;
        outcome.is(LATE).kind(ErrorKind::Timeout(Phase::Connect));
        outcome.lasted(3 * PATIENCE + 2 * LONGEST_WAIT).attempts(3).connections(3);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_032_a_fatal_alert() {
    for (alert, name) in [
        (40, "HandshakeFailure"),
        (70, "ProtocolVersion"),
        (71, "InsufficientSecurity"),
        (80, "InternalError"),
        (112, "UnrecognisedName"),
        (255, "AlertDescription(0xff)"),
    ] {
        let response = [0x15, 3, 3, 0, 2, 2, alert];
        let _ = ends_for_good(&response, &format!("api.test refused ({name})")).await;
    }
}

#[tokio::test]
async fn row_033_no_common_protocol() {
    let certificate = ours().issue(NAME, |_| {});
    let others = Speaks::Tls(certificate.config_with_protocols(&["h2", "h3"]));
    let lab = serve_tls([others], []).start().await;
    let outcome = lab.unary().await;
    outcome.is(FINAL).kind(ErrorKind::Tls).says("api.test refused (NoApplicationProtocol)");
    outcome.attempts(1).connections(1);
    lab.healthy().await;

    // A server that does not know ALPN speaks HTTP/1.1.
    for protocols in [&[][..], &["h2", "http/1.1"]] {
        let speaks = Speaks::Tls(certificate.config_with_protocols(protocols));
        let lab = serve_tls([speaks], []).start().await;
        lab.unary().await.ok(GOOD).attempts(1).connections(1);
        lab.healthy().await;
    }

    for protocol in ["h2", "spdy/3"] {
        let why = "api.test does not follow the protocol";
        let outcome = ends_for_good(&server_hello(protocol.as_bytes()), why).await;
        let mut cause = outcome.error().source();
        while let Some(below) = cause.and_then(Error::source) {
            cause = Some(below);
        }
        let cause = cause.map(ToString::to_string).unwrap_or_default();
        assert!(cause.contains("SelectedUnofferedApplicationProtocol"), "{cause}");
    }
}

/// The beginning of a TLS 1.2 ServerHello that picks this protocol (RFC 5246, section 7.4.1.3; RFC
/// 7301, section 3.1).
fn server_hello(protocol: &[u8]) -> Vec<u8> {
    let length = protocol.len() as u8;
    let picked = [&[0, 0x10, 0, length + 3, 0, length + 1, length], protocol].concat();
    let chosen = [0, 0xc0, 0x2b, 0, 0, picked.len() as u8];
    let hello = [&[3, 3], &[7; 32][..], &chosen, &picked].concat();
    let message = [&[2, 0, 0, hello.len() as u8], &*hello].concat();
    [&[0x16, 3, 3, 0, message.len() as u8], &*message].concat()
}

#[tokio::test]
async fn row_034_a_client_certificate_is_required() {
    let certificate = ours().issue(NAME, |_| {});
    let theirs = Authority::new("theirs");
    for version in [&TLS12, &TLS13] {
        let wants = Speaks::Tls(certificate.config_for_clients_of(&theirs, &[version]));
        let lab = serve_tls([wants.clone()], []).start().await;
        let outcome = lab.unary().await;
        outcome.is(FINAL).kind(ErrorKind::Tls).says("wants a client certificate");
        outcome.attempts(1).connections(1).requests(0);
        lab.healthy().await;

        for (authority, is_known) in [(&theirs, true), (ours(), false)] {
            let own = authority.issue("client.test", |_| {});
            let (pem, key) = (own.pem.clone(), own.key.serialize_pem());
            let lab = serve_tls([wants.clone()], [])
                .transport(move |it| it.client_identity_pem(pem.as_bytes(), key.as_bytes()))
                .start()
                .await;
            let outcome = lab.unary().await;
            if is_known {
                outcome.ok(GOOD).attempts(1).connections(1);
            } else {
                outcome.is(FINAL).kind(ErrorKind::Tls).says("refused (");
                outcome.attempts(1).connections(1).requests(0);
            }
            lab.healthy().await;
        }
    }
}

#[tokio::test]
async fn row_035_closed_in_the_body_without_close_notify() {
    for (name, script) in [
        ("no length", Script::on_request().write(STREAM).write(event("Hel"))),
        ("chunks", Script::on_request().write(CHUNKED).write(chunk(&event("Hel")))),
    ] {
        println!("case: {name}");
        let lab = serve_tls([], [script.close()]).start().await;
        let outcome = lab.stream().await;
        outcome
            .is(BROKEN_OFF)
            .kind(ErrorKind::BodyInterrupted)
            .after("Hel")
            .attempts(1)
            .connections(1);
        lab.healthy().await;
    }

    let half = &completion(GOOD)[..40];
    let lab = serve_tls([], [Script::on_request().write(WHOLE).write(half).close()]).start().await;
    let outcome = lab.unary().await;
    outcome.is(BROKEN_OFF).kind(ErrorKind::BodyInterrupted).after("").attempts(1).connections(1);
    lab.healthy().await;

    for whole in [events(GOOD), event(GOOD) + &finish(), event(GOOD) + DONE] {
        let script = Script::on_request().write(STREAM).write(whole).close();
        let lab = serve_tls([], [script]).start().await;
        lab.stream().await.ok(GOOD).attempts(1).connections(1);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_036_a_record_that_was_tampered_with() {
    let tamper = Tamper::default();
    let script = Script::on_request().run(tampering(&tamper)).write(STREAM).write(event("Hel"));
    let lab = serve_tls([], [script]).over("https", NAME, tamper.wrap()).start().await;
    let outcome = lab.stream().await;
    outcome.is([Retryable, MayBeBilled]).kind(ErrorKind::ConnectionLost).says("damaged on its way");
    outcome.attempts(1).connections(1);
    lab.healthy().await;

    // Whether or not it arrives in one piece with the good records.
    for waits in [true, false] {
        let (tamper, gate) = (Tamper::default(), Gate::new());
        let good = Script::on_request().write(STREAM.to_owned() + &event("Hel"));
        let good = if waits { good.pass(&gate) } else { good };
        let script = good.run(tampering(&tamper)).write(event("lo"));
        let lab = serve_tls([], [script]).over("https", NAME, tamper.wrap()).start().await;
        let mut stream = lab.open().await.unwrap();
        let first = stream.try_next().await.unwrap().map(|chunk| chunk.text().into_owned());
        assert_eq!(first.as_deref(), Some("Hel"));
        gate.open();
        let outcome = lab.rest_of(stream, "Hel").await;
        outcome
            .is(BROKEN_OFF)
            .kind(ErrorKind::BodyInterrupted)
            .after("Hel")
            .attempts(1)
            .connections(1);
        lab.healthy().await;
    }
}

fn tampering(
    tamper: &Tamper,
) -> impl Fn(&mut Peer) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> + Send + Sync + 'static {
    let tamper = tamper.clone();
    move |_| {
        tamper.begin();
        Box::pin(async {})
    }
}

#[tokio::test]
async fn row_037_a_ticket_is_rejected() {
    let certificate = ours().issue(NAME, |_| {});
    let (this, that) = (Speaks::Tls(certificate.config()), Speaks::Tls(certificate.config()));
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let noted = kinds.clone();
    let closing = ["content-type: application/json", "connection: close"];
    let script = Script::on_request()
        .run(move |peer| {
            let kind = peer.stream.tls().and_then(|tls| tls.handshake_kind());
            noted.lock().unwrap().push(kind.unwrap());
            Box::pin(async {})
        })
        .write(response("200 OK", &closing, &completion(GOOD)));
    let lab = serve_tls([this.clone(), this, that], [(); 3].map(|()| script.clone()));
    let lab = lab.start().await;
    for connections in 1..=3 {
        lab.unary().await.ok(GOOD).attempts(1).connections(connections);
    }
    let expected = [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Full];
    assert_eq!(*kinds.lock().unwrap(), expected);
    lab.healthy().await;
}

#[tokio::test]
async fn row_037_keys_are_renewed() {
    let mut script = Script::on_request().write(CHUNKED);
    for piece in ["Hel", "lo ", "there"] {
        script = script.write(chunk(&event(piece))).run(|peer| {
            peer.stream.tls().unwrap().refresh_traffic_keys().unwrap();
            Box::pin(async {})
        });
    }
    let script = script.write(chunk(&finish())).write(LAST_CHUNK).then_good();
    let lab = serve_tls([], [script]).start().await;
    lab.stream().await.ok(GOOD).attempts(1).connections(1);
    lab.unary().await.ok(GOOD).attempts(1).connections(1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_037_asked_to_renegotiate() {
    let asked = || Script::on_request().write(RENEGOTIATE);

    // The first request to renegotiate is declined.
    let script = asked().write(CHUNKED).write(chunk(&events(GOOD))).write(LAST_CHUNK);
    let lab = serve_tls([renegotiation::speaks()], [script.then_good()]).start().await;
    lab.stream().await.ok(GOOD).attempts(1).connections(1);
    lab.healthy().await;

    // A server that insists is an error.
    let lab = serve_tls([renegotiation::speaks()], [asked().write(RENEGOTIATE)]).start().await;
    let outcome = lab.unary().await;
    outcome.is([MayBeBilled]).kind(ErrorKind::ConnectionLost).says("the rules of TLS");
    outcome.attempts(1).connections(1).requests(1);
    lab.healthy().await;

    let script = asked().write(STREAM).write(event("Hel")).write(RENEGOTIATE).write(event("lo"));
    let lab = serve_tls([renegotiation::speaks()], [script]).start().await;
    let outcome = lab.stream().await;
    outcome.is(BROKEN_OFF).kind(ErrorKind::BodyInterrupted).after("Hel").attempts(1).connections(1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_038_a_certificate_chain_of_100_kib() {
    let mut certificate = ours().issue(NAME, |_| {});
    let one = certificate.chain[0].clone();
    let copies = (100 << 10) / one.len() + 1;
    certificate.chain.extend(std::iter::repeat_n(one, copies));
    let lab = serve_tls([tls::with(&certificate)], []).start().await;
    let outcome = lab.unary().await;
    outcome.is(FINAL).kind(ErrorKind::Tls).attempts(1).connections(1).requests(0);
    lab.healthy().await;
}

#[cfg(feature = "aws-lc-rs")]
#[tokio::test]
async fn both_cryptographies_serve_one_process() {
    use atoma_transport::Crypto;
    for crypto in [Crypto::Ring, Crypto::AwsLcRs, Crypto::Ring] {
        let lab = serve_tls([], []).transport(move |builder| builder.crypto(crypto)).start().await;
        lab.unary().await.ok(GOOD).attempts(1).connections(1);
        lab.healthy().await;
    }
}
