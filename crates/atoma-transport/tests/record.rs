//! Recording exchanges and replaying them.

use atoma_transport::{
    Body, Delivery, ErrorKind, Phase, Request, Retry, Transport, TransportError,
    testing::{
        Exchange, ManualTimer, ScriptedTransport,
        record::{RecordingTransport, ReplayTransport},
    },
};
use bytes::Bytes;
use std::{
    env, fs,
    future::poll_fn,
    path::PathBuf,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

const MS: fn(u64) -> Duration = Duration::from_millis;
const KEY: &str = "sk-canary-5e1f0c9a7b";

/// A file that is removed when the test ends.
struct Recording(PathBuf);

impl Recording {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("atoma-recording-{}-{number}.jsonl", std::process::id());
        Self(env::temp_dir().join(name))
    }

    fn record(
        &self,
        inner: ScriptedTransport,
        timer: &ManualTimer,
    ) -> RecordingTransport<ScriptedTransport> {
        RecordingTransport::new(inner.timer(timer.clone()), &self.0).unwrap().timer(timer.clone())
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.0).unwrap()
    }

    fn replay(&self) -> ReplayTransport {
        ReplayTransport::open(&self.0).unwrap()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn post(body: impl Into<Bytes>) -> Request {
    let request = http::Request::post("https://api.test/v1/chat/completions?x=1");
    request.header("authorization", format!("Bearer {KEY}")).body(body.into()).unwrap()
}

/// The chunks of a body with their times, and how it ended.
async fn read(
    timer: &ManualTimer,
    mut body: Body,
) -> (Vec<(u64, Bytes)>, Result<(), TransportError>) {
    let mut chunks = Vec::new();
    loop {
        match poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await {
            Some(Ok(frame)) => {
                let at = timer.elapsed().as_millis().try_into().unwrap();
                chunks.push((at, frame.into_data().unwrap()));
            }
            Some(Err(error)) => return (chunks, Err(error)),
            None => return (chunks, Ok(())),
        }
    }
}

fn streamed() -> Exchange {
    Exchange::respond(200)
        .header("content-type", "text/event-stream")
        .header("x-two", "1")
        .header("x-two", "2")
        .head_after(MS(120))
        .body("data: 1\n\n")
        .pause(MS(50))
        .body(vec![0xe2, 0x82])
        .body(vec![0xac, b'\n'])
        .pause(MS(7))
}

#[test]
fn a_stream_is_replayed_with_its_chunks_and_their_times() {
    let (file, timer) = (Recording::new(), ManualTimer::new());
    let recording = file.record(ScriptedTransport::new([streamed()]), &timer);
    let recorded = timer.run(async {
        let response = recording.send(post("{}")).await.unwrap();
        read(&timer, response.into_body()).await.0
    });
    recording.finish().unwrap();
    assert_eq!(recorded.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [120, 170, 170]);

    let timer = ManualTimer::new();
    let replay = file.replay().timer(timer.clone());
    timer.run(async {
        let response = replay.send(post("{}")).await.unwrap();
        assert_eq!((response.status().as_u16(), timer.elapsed()), (200, MS(120)));
        let two: Vec<_> = response.headers().get_all("x-two").iter().collect();
        assert_eq!(two, ["1", "2"]);
        let (chunks, end) = read(&timer, response.into_body()).await;
        assert_eq!((chunks, end.is_ok()), (recorded, true));
        assert_eq!(timer.elapsed(), MS(177));
    });
    assert_eq!(replay.exchanges_left(), 0);
}

#[test]
fn a_recording_is_lines_that_a_person_can_read() {
    let (file, timer) = (Recording::new(), ManualTimer::new());
    let recording = file.record(ScriptedTransport::new([streamed()]), &timer);
    timer.run(async {
        let request = post(r#"{"model":"m","stream":true}"#);
        read(&timer, recording.send(request).await.unwrap().into_body()).await.1.unwrap();
    });
    assert_eq!(
        file.text(),
        concat!(
            r#"{"request":{"method":"POST","uri":"https://api.test/v1/chat/completions?x=1","#,
            r#""headers":{"authorization":"[redacted]"},"json":{"model":"m","stream":true}}}"#,
            "\n",
            r#"{"response":{"at_ms":120,"status":200,"#,
            r#""headers":{"content-type":"text/event-stream","x-two":["1","2"]}}}"#,
            "\n",
            r#"{"chunk":{"at_ms":120,"text":"data: 1\n\n"}}"#,
            "\n",
            r#"{"chunk":{"at_ms":170,"hex":"e282"}}"#,
            "\n",
            r#"{"chunk":{"at_ms":170,"hex":"ac0a"}}"#,
            "\n",
            r#"{"end":{"at_ms":177}}"#,
            "\n",
        )
    );
}

#[test]
fn no_secret_is_written() {
    let (file, timer) = (Recording::new(), ManualTimer::new());
    let echo = format!("{{\"error\":\"bad key {KEY}\"}}");
    let lost = TransportError::new(ErrorKind::Other, Delivery::Unknown).with_source(echo.clone());
    let recording = file
        .record(
            ScriptedTransport::new([
                Exchange::respond(401)
                    .header("x-echo", KEY)
                    .header("x-echo-marked", "marked-secret")
                    .header("x-echo-password", "password-1")
                    .header("set-cookie", "session=secret-of-the-server")
                    .header("x-account", "account-1234")
                    .body(echo.clone())
                    .body([b"\xff", KEY.as_bytes(), b"\xff"].concat()),
                Exchange::fail(lost),
            ]),
            &timer,
        )
        .redact_header("x-account");
    timer.run(async {
        for path in ["/v1?key=parameter-secret", "/v1/other"] {
            let mut marked = http::HeaderValue::from_static("marked-secret");
            marked.set_sensitive(true);
            let request = http::Request::post(format!("https://me:password-1@api.test{path}"))
                .header("authorization", format!("Bearer {KEY}"))
                .header("x-account", "account-1234")
                .header("x-marked", marked);
            let request = request.body(Bytes::from(format!("{{\"user\":\"{KEY}\"}}"))).unwrap();
            if let Ok(response) = recording.send(request).await {
                read(&timer, response.into_body()).await.1.unwrap();
            }
        }
    });
    let text = file.text();
    let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
    for secret in [
        KEY,
        &hex,
        "secret-of-the-server",
        "account-1234",
        "marked-secret",
        "parameter-secret",
        "password-1",
        "me:",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }

    // The same request, with a different key, still finds its exchange.
    let request = http::Request::post("http://localhost/v1/other").header("authorization", KEY);
    let request = request.body(Bytes::from(format!("{{\"user\":\"{KEY}\"}}"))).unwrap();
    let error = timer.run(file.replay().send(request)).unwrap_err();
    assert!(error.delivery() == Delivery::Unknown && error.is_transient(), "{error}");
}

#[test]
fn errors_are_replayed_as_they_were() {
    let errors = || {
        [
            TransportError::new(ErrorKind::Connect, Delivery::NotSent).with_source("refused"),
            TransportError::new(ErrorKind::Connect, Delivery::NotSent).permanent(),
            TransportError::timeout(Phase::Head, Delivery::Unknown).with_detail("slow"),
            TransportError::new(ErrorKind::Certificate, Delivery::NotSent),
            TransportError::new(ErrorKind::Protocol, Delivery::Unknown),
        ]
    };
    let (file, timer) = (Recording::new(), ManualTimer::new());
    let recording = file.record(ScriptedTransport::new(errors().map(Exchange::fail)), &timer);
    for _ in errors() {
        timer.run(recording.send(post("{}"))).unwrap_err();
    }
    let replay = file.replay();
    for expected in errors() {
        let error = timer.run(replay.send(post("{}"))).unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery(), error.is_transient()),
            (expected.kind(), expected.delivery(), expected.is_transient())
        );
    }
}

#[test]
fn a_body_that_failed_or_was_dropped_fails_at_the_same_place() {
    let cut = || Exchange::respond(200).body("one").break_off("reset").head_after(MS(1));
    let (file, timer) = (Recording::new(), ManualTimer::new());
    let script = ScriptedTransport::new([
        cut(),
        Exchange::respond(200).body("one").body("two"),
        Exchange::never(),
    ]);
    let recording = file.record(script, &timer);
    timer.run(async {
        let body = recording.send(post("{}")).await.unwrap().into_body();
        read(&timer, body).await.1.unwrap_err();
        let mut body = recording.send(post("{}")).await.unwrap().into_body();
        poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await.unwrap().unwrap();
        drop(body);
        drop(recording.send(post("{}")));
    });
    let replay = file.replay();
    timer.run(async {
        for (kind, words) in [
            (ErrorKind::BodyInterrupted, "response body"),
            (ErrorKind::Other, "the recorded call was dropped here"),
        ] {
            let body = replay.send(post("{}")).await.unwrap().into_body();
            let (chunks, end) = read(&timer, body).await;
            let error = end.unwrap_err();
            assert_eq!((chunks.len(), error.kind()), (1, kind), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
        let error = replay.send(post("{}")).await.unwrap_err();
        assert!(error.to_string().contains("was dropped here"), "{error}");
    });
}

#[test]
fn requests_are_matched_by_method_path_and_body_in_any_order() {
    let (file, timer) = (Recording::new(), ManualTimer::new());
    let respond = |body: &'static str| Exchange::respond(200).body(body);
    let script = [respond("a1"), respond("b"), respond("a2"), respond("get")];
    let recording = file.record(ScriptedTransport::new(script), &timer);
    let get = || http::Request::get("https://api.test/v1/chat/completions?x=1").body(Bytes::new());
    let send = |transport: &dyn Transport, request: Request| {
        let (chunks, _) = timer
            .run(async { read(&timer, transport.send(request).await.unwrap().into_body()).await });
        chunks[0].1.clone()
    };
    let a = r#"{"model":"a","n":1}"#;
    for request in [post(a), post(r#"{"model":"b"}"#), post(a), get().unwrap()] {
        send(&recording, request);
    }
    let replay = file.replay();
    assert_eq!(send(&replay, get().unwrap()), "get");
    assert_eq!(send(&replay, post(r#"{ "model": "b" }"#)), "b");
    assert_eq!(send(&replay, post(r#"{"n":1,"model":"a"}"#)), "a1");
    assert_eq!(send(&replay.clone(), post(a)), "a2");
    assert_eq!(replay.exchanges_left(), 0);

    let any_body = file.replay().ignore_bodies();
    assert_eq!(send(&any_body, post("other")), "a1");
}

#[test]
fn an_unmatched_request_names_the_closest_exchange() {
    let (file, timer) = (Recording::new(), ManualTimer::new());
    let recording = file.record(ScriptedTransport::new([Exchange::respond(200)]), &timer);
    drop(timer.run(recording.send(post("{}"))));
    let replay = file.replay();
    let other = http::Request::get("https://api.test/v1/models").body(Bytes::new()).unwrap();
    let failed = |request| timer.run(replay.send(request)).unwrap_err().to_string();
    let target = "no recorded exchange for POST /v1/chat/completions?x=1";
    assert!(failed(other).ends_with("no recorded exchange for GET /v1/models"));
    let text = failed(post("[1]"));
    assert!(text.ends_with(&format!("{target}: the one in line 1 has another body")), "{text}");
    timer.run(replay.send(post("{}"))).unwrap();
    let text = failed(post("{}"));
    assert!(text.ends_with(&format!("{target}: the one in line 1 has been played")), "{text}");

    // Retrying cannot help.
    let retry = Retry::new(replay, timer.clone());
    assert_eq!(timer.run(retry.send(post("{}"))).unwrap_err().attempts().count, 1);
}

#[test]
fn a_file_that_is_not_a_recording_names_its_line() {
    let request = r#"{"request":{"method":"GET","uri":"/","headers":{}}}"#;
    let response = r#"{"response":{"at_ms":1,"status":200,"headers":{}}}"#;
    let end = r#"{"end":{"at_ms":1}}"#;
    // (name, lines, words of the error)
    let table: [(&str, &[&str], &str); 9] = [
        ("not JSON", &["hello"], "line 1: expected"),
        ("an unknown line", &[request, r#"{"answer":1}"#], "line 2: unknown variant"),
        ("no request", &["", response], "line 2: a request must come first"),
        ("no response", &[request, end], "line 2: a response or an error must come first"),
        ("two responses", &[request, response, response], "line 3: an exchange has one response"),
        ("no end", &[request, response], "line 2: the exchange has no `end`"),
        ("more after the end", &[request, response, end, end], "line 4: the exchange has ended"),
        (
            "a status out of range",
            &[request, &response.replace("200", "20"), end],
            "line 2: a status is from 100 to 999",
        ),
        (
            "hex that is not",
            &[request, response, r#"{"chunk":{"at_ms":1,"hex":"0g"}}"#, end],
            "line 3: `hex` must be",
        ),
    ];
    for (name, lines, words) in table {
        let error = ReplayTransport::parse(&lines.join("\n")).unwrap_err().to_string();
        assert!(error.contains(words), "{name}: {error}");
    }
    let file = Recording::new();
    let error = ReplayTransport::open(&file.0).unwrap_err().to_string();
    assert!(error.contains(file.0.to_str().unwrap()), "{error}");
    fs::write(&file.0, "{").unwrap();
    let error = ReplayTransport::open(&file.0).unwrap_err().to_string();
    assert!(error.contains(file.0.to_str().unwrap()) && error.contains("line 1"), "{error}");
    let folder = env::temp_dir().join("atoma-no-such-folder").join("x");
    let error = RecordingTransport::new(ScriptedTransport::new([]), folder).unwrap_err();
    assert!(error.to_string().contains("atoma-no-such-folder"), "{error}");
}
