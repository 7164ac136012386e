//! The server, seen by a client on a bare TCP connection.

use atoma_mock::{MockServer, Response};
use serde_json::{Value, json};
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

async fn connect(server: &MockServer) -> TcpStream {
    let url = server.url();
    TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap()
}

async fn write_request(stream: &mut TcpStream, body: &Value) {
    let body = body.to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer key\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
}

fn hello(stream: bool) -> Value {
    json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hello"}]})
}

/// Sends one request and reads until `enough` holds, or to the end.
async fn ask(
    server: &MockServer,
    body: &Value,
    enough: impl Fn(&str) -> bool,
) -> (String, io::Result<()>, TcpStream) {
    let mut stream = connect(server).await;
    write_request(&mut stream, body).await;
    let (text, end) = read(&mut stream, enough).await;
    (text, end, stream)
}

async fn read(stream: &mut TcpStream, enough: impl Fn(&str) -> bool) -> (String, io::Result<()>) {
    let mut received = Vec::new();
    let end = loop {
        match stream.read_buf(&mut received).await {
            Ok(0) => break Ok(()),
            Ok(_) if enough(&String::from_utf8_lossy(&received)) => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    (String::from_utf8(received).unwrap(), end)
}

fn whole_stream(text: &str) -> bool {
    text.ends_with("\r\n0\r\n\r\n")
}

fn whole_json(text: &str) -> bool {
    text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.ends_with('}'))
}

/// The JSON of each `data:` line.
fn chunks(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

fn content(text: &str) -> String {
    let chunks = chunks(text);
    let contents =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    contents.collect()
}

#[tokio::test]
async fn a_stream_has_the_proxys_form() {
    let server = MockServer::start().await;
    server.respond(Response::text("Hello, world"));
    let (text, end, _stream) = ask(&server, &hello(true), whole_stream).await;
    end.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains("content-type: text/event-stream\r\n"));
    assert!(text.contains("cache-control: no-cache\r\n"));
    assert!(text.contains("transfer-encoding: chunked\r\n"));
    assert!(!text.contains("[DONE]"));
    assert_eq!(content(&text), "Hello, world");
    let last = chunks(&text).pop().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 3);
    assert_eq!(server.wait_for(|stats| stats.finished == 1).await.abandoned, 0);
}

#[tokio::test]
async fn a_document_has_its_length_and_the_connection_is_kept() {
    let server = MockServer::start().await;
    server.always(Response::text("Hello"));
    let (text, _, mut stream) = ask(&server, &hello(false), whole_json).await;
    assert!(text.contains("content-type: application/json\r\n"));
    assert!(text.contains("content-length: "));
    write_request(&mut stream, &hello(false)).await;
    let (second, _) = read(&mut stream, whole_json).await;
    assert!(second.contains(r#""content":"Hello""#), "{second}");
    let state = server.wait_for(|stats| stats.finished == 2).await;
    assert_eq!((state.connections, state.open_connections, state.requests), (1, 1, 2));
}

#[tokio::test]
async fn received_requests_are_recorded() {
    let server = MockServer::start().await;
    let (_, end, _) = ask(&server, &hello(false), whole_json).await;
    end.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].method, "POST");
    assert_eq!(requests[0].path, "/v1/chat/completions");
    assert_eq!(requests[0].bearer(), Some("key"));
    assert_eq!(requests[0].json(), hello(false));
}

#[tokio::test]
async fn responses_are_sent_in_order_then_always_the_same() {
    let server = MockServer::start().await;
    server.respond(
        Response::error(429, "TOO_MANY_REQUESTS", "Too many requests").header("retry-after", "2"),
    );
    server.respond(Response::json(503, json!({"a": 1})));
    server.always(Response::text("always"));
    for wanted in ["retry-after: 2\r\n", "503 Service Unavailable", "always", "always"] {
        let (text, _, _) = ask(&server, &hello(false), whole_json).await;
        assert!(text.contains(wanted), "{text}");
    }
}

#[tokio::test]
async fn a_request_that_fails_the_checks_leaves_the_models_response_queued() {
    let server = MockServer::builder().api_key("key").models(["m"]).start().await;
    server.respond(Response::text("still here"));
    let mut wrong = hello(false);
    wrong["model"] = json!("M");
    let (error, _, _) = ask(&server, &wrong, whole_json).await;
    assert!(error.starts_with("HTTP/1.1 400"), "{error}");
    let (text, _, _) = ask(&server, &hello(false), whole_json).await;
    assert!(text.contains("still here"));
}

#[tokio::test]
async fn comments_are_sent_while_nothing_else_is() {
    let server = MockServer::builder().keep_alive(Duration::from_millis(1)).start().await;
    server.respond(Response::text("a b").only_keep_alive_after(2));
    let enough = |text: &str| text.matches("\r\n: keep-alive\n\n\r\n").count() >= 3;
    let (text, _, stream) = ask(&server, &hello(true), enough).await;
    assert_eq!(content(&text), "a");
    drop(stream);
    server.wait_for(|stats| stats.open_connections == 0 && stats.abandoned == 1).await;
}

#[tokio::test]
async fn a_stall_sends_nothing_and_ends_with_the_client() {
    let server = MockServer::builder().keep_alive(Duration::from_millis(1)).start().await;
    server.respond(Response::text("a b").stall_after_events(2));
    let (text, _, mut stream) = ask(&server, &hello(true), |text| content(text) == "a").await;
    assert!(!text.contains("keep-alive"));
    let more = tokio::time::timeout(Duration::from_millis(20), stream.read_u8()).await;
    assert!(more.is_err());
    drop(stream);
    server.wait_closed().await;
}

#[tokio::test]
async fn a_truncation_between_events_ends_normally() {
    let server = MockServer::start().await;
    server.respond(Response::text("a b c").truncate_after_events(3));
    let (text, end, _stream) = ask(&server, &hello(true), whole_stream).await;
    end.unwrap();
    assert!(whole_stream(&text));
    assert_eq!(content(&text), "a b");
}

#[tokio::test]
async fn a_truncation_between_bytes_closes_the_connection() {
    for streamed in [true, false] {
        let server = MockServer::start().await;
        server.respond(Response::text("a b c").truncate_after_bytes(10));
        let (text, end, _) = ask(&server, &hello(streamed), |_| false).await;
        end.unwrap();
        let body = text.split_once("\r\n\r\n").unwrap().1;
        assert!(!whole_stream(&text));
        assert!(body.contains(if streamed { "data: {\"id" } else { "{\"id\":\"cha" }), "{body}");
        assert_eq!(text.contains("content-length"), !streamed);
    }
}

#[tokio::test]
async fn a_reset_comes_after_the_bytes_before_it() {
    let server = MockServer::start().await;
    server.respond(Response::text("a b c").hold_after_events(3).reset_after_events(3));
    let (text, _, mut stream) = ask(&server, &hello(true), |text| content(text) == "a b").await;
    assert!(!whole_stream(&text));
    server.release();
    let (_, end) = read(&mut stream, |_| false).await;
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    server.wait_closed().await;
}

#[tokio::test]
async fn a_held_response_continues_when_released() {
    let server = MockServer::builder().keep_alive(Duration::from_millis(1)).start().await;
    let two = || Response::text("a b").hold_after_events(2);
    server.respond(two()).respond(two()).respond(Response::bytes("late").hold_after_events(0));
    let enough = |text: &str| content(text) == "a" && text.contains(": keep-alive");
    let (_, _, mut first) = ask(&server, &hello(true), enough).await;
    let (_, _, mut second) = ask(&server, &hello(true), enough).await;
    for stream in [&mut first, &mut second] {
        server.release();
        let (rest, _) = read(stream, whole_stream).await;
        assert_eq!(content(&rest), " b");
    }
    server.release();
    let (text, _, _) = ask(&server, &hello(true), |_| false).await;
    assert_eq!(text, "late");
}

#[tokio::test]
async fn an_error_comes_inside_the_stream() {
    let server = MockServer::start().await;
    server.respond(Response::text("a b").error_after_events(2, json!({"code": 500})).done());
    let (text, _, _) = ask(&server, &hello(true), whole_stream).await;
    assert_eq!(chunks(&text).pop().unwrap(), json!({"error": {"code": 500}}));
    assert!(text.contains("data: [DONE]\n\n"));
}

#[tokio::test]
async fn bytes_are_sent_unchanged() {
    let server = MockServer::start().await;
    let response = "HTTP/1.0 200 fine\nnot: quite http\n\nbody";
    server.respond(Response::bytes(response));
    server.respond(Response::bytes(response).truncate_after_bytes(6));
    server
        .respond(Response::bytes(response).chunk_size(3).event_interval(Duration::from_millis(1)));
    server.respond(Response::bytes(""));
    for wanted in [response, "HTTP/1", response, ""] {
        let (text, end, _) = ask(&server, &hello(true), |_| false).await;
        end.unwrap();
        assert_eq!(text, wanted);
    }
    server.respond(Response::bytes(response).stall_after_bytes(4));
    let (text, _, stream) = ask(&server, &hello(true), |_| true).await;
    assert_eq!(text, "HTTP");
    drop(stream);
    server.wait_closed().await;
}

#[tokio::test]
async fn a_recording_is_served_under_its_type() {
    let server = MockServer::start().await;
    let recording = "data: {\"a\":1}\n\n: ping\n\ndata: [DONE]\n\n";
    server.respond(Response::raw(200, "text/event-stream", recording).per_event_write());
    server.respond(Response::raw(200, "text/event-stream", recording).truncate_after_events(1));
    server.respond(Response::raw(502, "text/html", "<html>"));
    let (text, _, _) = ask(&server, &hello(true), whole_stream).await;
    assert!(text.contains("F\r\ndata: {\"a\":1}\n\n\r\n8\r\n: ping\n\n\r\n"), "{text}");
    let (text, _, _) = ask(&server, &hello(true), whole_stream).await;
    assert!(!text.contains("ping"), "{text}");
    let (text, _, _) = ask(&server, &hello(true), |text| text.ends_with("<html>")).await;
    assert!(text.starts_with("HTTP/1.1 502") && text.contains("content-length: 6\r\n"), "{text}");
}

#[tokio::test]
async fn pieces_are_separate_chunks() {
    let server = MockServer::start().await;
    server.respond(Response::raw(200, "text/event-stream", "data: abc\n\n").chunk_size(4));
    let (text, _, _) = ask(&server, &hello(true), whole_stream).await;
    let body = text.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(body, "4\r\ndata\r\n4\r\n: ab\r\n3\r\nc\n\n\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_head_that_is_never_sent() {
    let server = MockServer::start().await;
    server.respond(Response::default().never_respond());
    let mut stream = connect(&server).await;
    write_request(&mut stream, &hello(true)).await;
    server.wait_for(|stats| stats.requests == 1).await;
    assert!(tokio::time::timeout(Duration::from_millis(20), stream.read_u8()).await.is_err());
    drop(stream);
    server.wait_for(|stats| stats.open_connections == 0 && stats.abandoned == 1).await;
}

#[tokio::test]
async fn leaving_in_the_middle_ends_the_response() {
    let server = MockServer::builder().event_interval(Duration::from_millis(2)).start().await;
    server.respond(Response::text("word ".repeat(1000)));
    let (_, _, stream) = ask(&server, &hello(true), |text| text.contains("word")).await;
    drop(stream);
    let state = server.wait_for(|stats| stats.open_connections == 0).await;
    assert_eq!((state.finished, state.abandoned), (0, 1));
}

#[tokio::test]
async fn dropping_the_server_closes_everything() {
    let server = MockServer::start().await;
    server.always(Response::default().never_respond());
    let mut stream = connect(&server).await;
    write_request(&mut stream, &hello(true)).await;
    server.wait_for(|stats| stats.requests == 1).await;
    let url = server.url();
    drop(server);
    assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
    assert!(TcpStream::connect(&url[7..]).await.is_err());
}

#[test]
fn a_server_on_its_own_thread() {
    use std::io::{Read as _, Write as _};
    let server = MockServer::start_blocking();
    let url = server.url();
    let mut stream = std::net::TcpStream::connect(&url[7..]).unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("\r\n\r\n{\"message\":\"ok\"}"), "{text}");
    drop(server);
    assert!(std::net::TcpStream::connect(&url[7..]).is_err());
}

#[tokio::test]
async fn its_own_thread_inside_a_runtime() {
    let server = MockServer::builder().no_keep_alive().start_blocking();
    server.respond(Response::text("Hello"));
    let (text, _, _) = ask(&server, &hello(true), whole_stream).await;
    assert_eq!(content(&text), "Hello");
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let server = MockServer::start().await;
    let port = server.url().rsplit(':').next().unwrap().parse().unwrap();
    let error = MockServer::builder().port(port).try_start().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_skips_long_waits() {
    let hour = Duration::from_secs(3600);
    let server = MockServer::builder().no_keep_alive().start().await;
    server.respond(
        Response::text("late").delay_head(hour).delay_first_event(hour).event_interval(hour),
    );
    let start = tokio::time::Instant::now();
    let (text, _, _) = ask(&server, &hello(true), whole_stream).await;
    assert_eq!(content(&text), "late");
    assert!(start.elapsed() >= 5 * hour);
}
