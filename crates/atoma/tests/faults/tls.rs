//! Rows 24–38: TLS.

use crate::lab::{
    Gate, Good as _,
    Is::{self, Certificate, Connect, MayBeBilled, Retryable, Timeout, Truncated},
    LONGEST_WAIT, Names, Outcome, Peer, Script,
    renegotiation::{self, RENEGOTIATE},
    responses::{
        CHUNKED, DONE, GOOD, LAST_CHUNK, STREAM, WHOLE, chunk, completion, event, events, finish,
        response,
    },
    serve,
    tls::{self, Authority, NAME, Speaks, Tamper, ours, serve_tls, speaks},
};
use atoma_transport::{ErrorKind, HyperTransport, Phase, Proxy};
use rcgen::{SanType, date_time_ymd};
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

const NOT_TRUSTED: [Is; 2] = [Connect, Certificate];
const FINAL: [Is; 1] = [Connect];
const TRIED_AGAIN: [Is; 2] = [Connect, Retryable];
const LATE: [Is; 3] = [Connect, Timeout, Retryable];
const BROKEN_OFF: [Is; 3] = [Truncated, Retryable, MayBeBilled];

/// Shows this certificate once, and checks the reason why it is not trusted. Retries do not connect
/// again.
async fn not_trusted(certificate: tls::Certificate, why: &str) {
    for uses_the_machines_roots in [false, true] {
        if uses_the_machines_roots && cfg!(not(target_os = "linux")) {
            continue;
        }
        let mut lab = serve_tls([tls::with(&certificate)], []);
        if uses_the_machines_roots {
            lab = lab.transport(|_| {
                let builder = HyperTransport::builder().proxy(Proxy::none());
                builder.resolver(Names::default()).root_certificates_pem(ours().pem().as_bytes())
            });
        }
        let lab = lab.start().await;
        let outcome = lab.unary().await;
        outcome.is(NOT_TRUSTED).kind(ErrorKind::Certificate).says(why).says(NAME);
        outcome.attempts(1).connections(1).requests(0);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_024_an_unknown_issuer() {
    let unknown = Authority::new("unknown").issue(NAME, |_| {});
    not_trusted(unknown, "that of api.test is from an unknown issuer").await;
    // The name of an issuer alone does not make it trusted.
    let same_name = Authority::new("ours").issue(NAME, |_| {});
    not_trusted(same_name, "that of api.test").await;
    let own = tls::Certificate::self_signed(NAME);
    not_trusted(own, "that of api.test is from an unknown issuer").await;
}

#[tokio::test]
async fn row_025_another_host() {
    for name in ["other.test", "api.test.example", "127.0.0.1", "*.api.test"] {
        let others = ours().issue(name, |_| {});
        not_trusted(others, &format!("it is for {name}, not for api.test")).await;
    }
    let hostile = ours().issue(NAME, |params| {
        let names = ["two\nlines\u{7}", &"long".repeat(1_000), ") and (", "more"];
        let names = names.map(|name| SanType::DnsName(name.try_into().unwrap()));
        params.subject_alt_names = names.to_vec();
    });
    not_trusted(hostile, &format!("it is for two?lines?, {}, ", "long".repeat(16))).await;
}

#[tokio::test]
async fn row_026_expired_or_not_valid_yet() {
    let expired = ours().issue(NAME, |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    not_trusted(expired, "has expired, or this machine's clock is wrong").await;
    let to_come = ours().issue(NAME, |params| params.not_before = date_time_ymd(4000, 1, 1));
    not_trusted(to_come, "is not valid yet, or this machine's clock is wrong").await;
}

#[tokio::test]
async fn row_027_this_machines_clock_is_wrong() {
    // To a clock in 1970, a certificate of today is as far in the future as this one to our clock.
    let to_come = ours().issue(NAME, |params| {
        params.not_before = date_time_ymd(2080, 1, 1);
        params.not_after = date_time_ymd(2081, 1, 1);
    });
    not_trusted(to_come, "that of api.test is not valid yet, or this machine's clock is wrong")
        .await;
    let of_1970 = ours().issue(NAME, |params| {
        params.not_before = date_time_ymd(1970, 1, 1);
        params.not_after = date_time_ymd(1971, 1, 1);
    });
    not_trusted(of_1970, "that of api.test has expired, or this machine's clock is wrong").await;
}

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
